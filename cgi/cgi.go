// Package cgi runs an application as a CGI program (RFC 3875): one process for one request, which
// is the process's environment and stdin, and whose response goes to stdout. It is the run_with_cgi
// of PEP 3333's example, and wsgiref's CGIHandler.
//
//	func main() {
//		if err := cgi.Run(gateway.ApplicationFunc(hello)); err != nil {
//			os.Exit(1)
//		}
//	}
//
// Started from a terminal, with no CGI variables in its environment, the program answers GET / on
// stdout. docs/shared-hosting.md has the steps to put a program on a web host, and what goes wrong.
//
// A CGI program is started for every request. So this package links neither net nor net/http, with
// which the program would take twice the time to start, nor fmt. Command line arguments are
// ignored: a host may put a query there (C39).
//
// An application that answers before it has read the request's body can hang under a host that
// reads no answer before it has sent the body. Apache is one: once the answer fills the pipe, both
// wait, until Apache's own timeout.
package cgi

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
)

// Run serves the one request that this process was started for, and returns when the response is
// out.
//
// It returns an error if the response is not whole. The error was written to stderr, unless it says
// that the client has left, so that the caller need only turn it into an exit status other than 0.
// A "500 Internal Server Error" for an application that failed, and a "400 Bad Request" for a
// malformed request, are whole responses: Run returns nil, and the cause is on stderr.
//
// The environ's Vars are the process's environment: the variables of CGI, but for those that must
// not reach an application, and all others that the environment has (R41). Defaults stand in for
// variables that a host may leave out: SERVER_PROTOCOL HTTP/1.0, SERVER_NAME localhost, and as
// SERVER_PORT the scheme's. REQUEST_URI is there if the host sends it. Errors is stderr, which goes
// to the host's log. Multiprocess and RunOnce are true, and Multithread is false.
//
// The environment of the process itself still has HTTP_PROXY if the client has sent a header named
// Proxy. A program that starts others, or calls http.ProxyFromEnvironment without REQUEST_METHOD
// set, should unset that variable (httpoxy).
//
// The Context ends with gateway.ErrShutdown on SIGTERM. It ends with gateway.ErrDisconnected when a
// write finds that the host has closed stdout: a broken pipe is an error of Write here, although it
// kills other Go programs by SIGPIPE.
//
// SIGTERM is caught from the moment at which it matters: when the application asks for the
// Context's Done or Err, when the first block is out and there may be more, and before a Close that
// has something to do. The only body for which it is not caught is a Text. The iteration stops at
// the next block. A SIGTERM more than a second after the first ends the process at once.
//
// If the application calls runtime.Goexit, Run exits the process with status 1 when the response is
// out. Otherwise the process would go on without main's goroutine, and nobody would end it. In a
// Program whose Stdout is set, Goexit ends only the goroutine.
//
// Before it returns, Run reads and drops the part of the body that the application has not read, up
// to 64 MiB and for up to 30 seconds, unless the client has left or SIGTERM has come: a host that
// is still sending may drop the answer.
func Run(app gateway.Application) error { return new(Program).Run(app) }

// A Program is a CGI program with its surroundings, for one request. The zero value is the real
// process. Tests, and programs that stand in for a CGI program, set fields.
type Program struct {
	// Env is the environment, in the form "NAME=value". Entries without a "=" or without a name are
	// ignored. nil means os.Environ.
	Env []string

	// Stdin has the request's body: the first CONTENT_LENGTH bytes, or everything if there is no
	// CONTENT_LENGTH but HTTP_TRANSFER_ENCODING says chunked (Apache). Otherwise there is no body.
	// Nothing is read beyond the body. nil means os.Stdin.
	Stdin io.Reader

	// Stdout takes the response. The head and the first block, or its first 64 KiB, come in one
	// Write. nil means the process's stdout.
	Stdout io.Writer

	// Stderr is the environ's Errors. nil means the process's stderr.
	Stderr io.Writer
}

// drainBytes and drainTime bound the reading of a body that the application has not read. The time
// is longer than request.DrainTime, since nobody waits for the process. Only a test changes them.
var (
	drainBytes int64 = request.DrainBytes
	drainTime        = 30 * time.Second
)

// errNoStdout is returned by Run when the process was started with its stdout closed.
var errNoStdout = errors.New("cgi: stdout was closed when the process started")

// Run serves the one request, as the function [Run] does.
func (p *Program) Run(app gateway.Application) error {
	vars, stdin, stdout, stderr := p.Env, p.Stdin, p.Stdout, p.Stderr
	if vars == nil {
		vars = processEnviron()
	}
	if stdin == nil {
		stdin = os.Stdin
	}
	if stderr == nil {
		stderr = new(lazyStderr)
	}
	if stdout == nil {
		out, err := openStdout()
		if err != nil {
			_, _ = io.WriteString(stderr, "gateway: "+err.Error()+"\n")
			return err
		}
		stdout = out
	}

	env, body, err := environ(vars, stdin)
	if err != nil {
		app = request.Refuse(err)
	}
	t := &transport{w: stdout}
	t.ctx.Init(env.Context(), t)
	env = env.WithContext(&t.ctx)
	env.Errors = stderr

	hasReturned := false
	defer func() {
		t.ctx.Cancel(gateway.ErrEnded) // and SIGTERM ends the process again
		// A host that has sent SIGTERM waits for the end of the process, not for the answer.
		if t.err == nil && t.ctx.Cause() == gateway.ErrEnded {
			body.Drain(drainBytes, drainTime)
		}
		if !hasReturned && p.Stdout == nil {
			// The application has ended its goroutine, which is main's. To give it another
			// goroutine would take time at every start.
			os.Exit(1)
		}
	}()
	err = gateway.Respond(t.lookAtBody(app), env, t)
	hasReturned = true
	if t.whole {
		return nil
	}
	return err
}

// environ makes the request of a process's environment and stdin. Its error is one for
// request.Refuse.
func environ(list []string, stdin io.Reader) (*gateway.Environ, *request.Body, error) {
	env := &gateway.Environ{Multiprocess: true, RunOnce: true}
	// The operating system has its own limits for an environment.
	b := request.Builder{Limits: request.Limits{MaxHeaders: -1, MaxHeaderBytes: -1}}
	_ = b.AddEnviron(list)
	if !slices.ContainsFunc(list, isOfRequest) { // started from a terminal
		_, _ = b.Add("REQUEST_METHOD", "GET"), b.Add("PATH_INFO", "/")
	}
	length, err := b.Finish(env) // also of a refused request, whose body is drained
	if length < 0 && (err != nil || !request.IsChunked(env)) {
		length = 0
	}
	body := request.NewBody(stdin, length, request.NoLimit)
	env.Input = body
	return env, body, err
}

// isOfRequest reports whether an entry of the environment shows that a host has started the
// process.
func isOfRequest(entry string) bool {
	name, _, found := strings.Cut(entry, "=")
	if !found {
		return false
	}
	switch name {
	case "GATEWAY_INTERFACE", "REQUEST_METHOD", "SERVER_PROTOCOL", "SCRIPT_NAME", "PATH_INFO",
		"QUERY_STRING", "REQUEST_URI", "CONTENT_LENGTH", "CONTENT_TYPE":
		return true
	}
	return false
}
