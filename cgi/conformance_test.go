package cgi_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"testing"

	"example.com/gateway"
	"example.com/gateway/cgi"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/testhost"
)

// The whole suite, on a web server that runs a Program for each request. It is no kind host:
// CONTENT_LENGTH is empty rather than absent, stdin goes on after the body and is never closed, and
// a program that does not read its whole body gets no answer through.
func TestConformance(t *testing.T) {
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		return testhost.Start(t, func(w http.ResponseWriter, r *http.Request, path string) bool {
			return runProgram(w, r, path, app)
		})
	}, gatewaytest.KnownFailure{
		Case: "D5/a-body-in-chunks-that-was-cut-short-does-not-end-cleanly",
		Reason: "without a CONTENT_LENGTH the end of the pipe is the end of the body, and a pipe has no other end than that: " +
			"a host that sees the client leave must kill the program",
	})
}

// runProgram is the web server's side of RFC 3875 for one request. Both pipes are real, so that
// EPIPE is.
func runProgram(w http.ResponseWriter, r *http.Request, path string, app gateway.Application) bool {
	stdin, body, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	defer body.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	uploaded := make(chan error, 1)
	go func() { uploaded <- upload(body, r) }()
	exit := make(chan error, 1)
	go func() {
		err := errors.New("the program did not return") // Goexit: a process ends then
		defer func() {
			stdin.Close()
			stdout.Close()
			exit <- err
		}()
		program := cgi.Program{Env: variables(r, path), Stdin: stdin, Stdout: stdout, Stderr: io.Discard}
		err = program.Run(app)
	}()
	// Apache reads no answer before that; mod_cgid resets it then, fcgiwrap makes 502 of it
	if err := <-uploaded; err != nil {
		out.Close()
		<-exit
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	sent := testhost.Relay(w, out)
	out.Close() // the program's next write is an EPIPE
	return <-exit == nil && sent
}

// variables is the process's environment for a request.
func variables(r *http.Request, path string) []string {
	length := ""
	if r.ContentLength > 0 {
		length = r.Header.Get("Content-Length")
	}
	env := []string{"PATH=/usr/bin:/bin"}
	for _, v := range testhost.Vars(r, path, length) {
		env = append(env, v[0]+"="+v[1])
	}
	return env
}

// upload writes the program's stdin. After CONTENT_LENGTH bytes, also if that is 0, it writes bytes
// that are not for the program (C31: "extension data"), in one write with the end of the body, and
// leaves the pipe open. It closes the pipe after a body of unknown length and after one that was
// cut short. It returns EPIPE if the program has left some of the body.
func upload(stdin *os.File, r *http.Request) error {
	left := r.ContentLength
	for block := make([]byte, 32<<10); ; {
		n, err := io.ReadFull(r.Body, block)
		left -= int64(n)
		part := block[:n]
		if left == 0 {
			part = append(part[:n:n], "not for the program"...)
		}
		if m, err := stdin.Write(part); err != nil && m < n {
			return err
		}
		if left == 0 {
			return nil
		}
		if err != nil {
			return stdin.Close()
		}
	}
}
