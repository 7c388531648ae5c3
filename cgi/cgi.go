// Package cgi runs an application as a CGI program (RFC 3875), from the perspective of the child process: one process,
// one request, its environment, stdin and stdout. It is run_with_cgi of PEP 3333's example, and wsgiref's CGIHandler.
//
//	func main() {
//		if err := cgi.Run(gateway.ApplicationFunc(hello)); err != nil {
//			os.Exit(1)
//		}
//	}
//
// Started from a terminal, with no CGI variables in its environment, the program answers GET / on stdout.
//
// A CGI program is started for every request, so this package links neither net nor net/http, nor fmt: with them the
// program starts at half the speed. Command line arguments are ignored: a host may put a query there (C39).
//
// What the host must do, it must do: one that sends a body and reads no answer before it is done (Apache) hangs, until
// its own timeout, on an application that answers more than a pipe holds before it has read the body.
package cgi

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/last"
	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/internal/request"
)

// Run serves the one request that this process was started for and returns when the response is out.
//
// It returns an error if the response is not whole; it was reported on stderr, but for a client that left, and the caller
// only turns it into an exit status other than 0. A response that is whole, be it "500 Internal Server Error" for an
// application that failed or "400 Bad Request" for a request that is malformed, is no error here; what led to it is on
// stderr.
//
// The environ's Vars are the process's environment as CGI defines it, whatever else is in the environment (R41), and
// defaults for what a host may leave out: SERVER_PROTOCOL HTTP/1.0, SERVER_NAME localhost, SERVER_PORT. REQUEST_URI is
// there if the host sends it. Errors is stderr, which goes to the host's log. Multiprocess and RunOnce are true,
// Multithread is false. The process's own environment still has HTTP_PROXY if the client sent a Proxy header: a program
// that runs others, or calls http.ProxyFromEnvironment without REQUEST_METHOD set, should unset it (httpoxy).
//
// The Context ends with gateway.ErrShutdown on SIGTERM, and with gateway.ErrDisconnected when a write finds that the
// host has closed stdout: a broken pipe is an error of Write, not the death by SIGPIPE that Go has for stdout. SIGTERM
// is caught once it matters: when Done or Err is asked for, and from the first block on of a body that may have more, or a
// Close with something to do; that is any but a Text. The iteration then stops at the next block. A SIGTERM more than a
// second after the first ends the process at once.
//
// An application that calls runtime.Goexit ends the process with status 1 once its response is out: nobody else would end it. A
// Program with a Stdout of its own leaves that to the goroutine, as t.FailNow has it.
//
// What the application left unread of the body is read and dropped before Run returns, up to 64 MiB and 30 seconds,
// unless the client has left or SIGTERM has come.
func Run(app gateway.Application) error { return new(Program).Run(app) }

// A Program is a CGI program's surroundings. The zero value is the real process; tests, and programs that stand in for
// a CGI program, set fields. It serves one request.
type Program struct {
	// Env is the environment in the form "NAME=value"; nil means os.Environ. Entries without a "=" or a name are
	// ignored.
	Env []string

	// Stdin has the request's body. No more than CONTENT_LENGTH bytes of it are read; all of it if there is no
	// CONTENT_LENGTH but HTTP_TRANSFER_ENCODING says chunked (Apache); and none otherwise. nil means os.Stdin.
	Stdin io.Reader

	// Stdout takes the response, head and first block, or 64 KiB of that, in one Write. nil means the process's stdout.
	Stdout io.Writer

	// Stderr is the environ's Errors. nil means the process's stderr.
	Stderr io.Writer
}

// What Run reads of a body that the application did not: enough for an upload that was refused, and not for ever. Only a
// test changes them.
var (
	drainBytes int64 = 64 << 20
	drainTime        = 30 * time.Second
)

// errNoStdout is returned by Run when the process was started with its stdout closed.
var errNoStdout = errors.New("cgi: stdout was closed when the process started")

// Run serves the one request, as the function [Run] does.
func (p *Program) Run(app gateway.Application) error {
	stdin, stdout, stderr := p.Stdin, p.Stdout, p.Stderr
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
	if stdin == nil {
		stdin = os.Stdin
	}
	vars := p.Env
	if vars == nil {
		vars = processEnviron()
	}

	env, body, err := environ(vars, stdin)
	env.Errors = stderr
	var ctx lazyctx.Context
	ctx.Init(env.Context(), func() { watchSignals(&ctx) })
	env = env.WithContext(&ctx)
	if err != nil {
		refusal := err
		app = gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return refuse(env, start, refusal)
		})
	}
	t := &transport{w: stdout, ctx: &ctx}
	last.Known(t)
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			panic(v)
		}
		// The application has called runtime.Goexit. If this is main's goroutine, the process would go on without it, and nobody
		// would end it. A goroutine of its own for the application would prevent that, at the cost of every start.
		finish(t, &ctx, body)
		if p.Stdout == nil {
			os.Exit(1)
		}
	}()
	err = gateway.Respond(app, env, t)
	returned = true
	finish(t, &ctx, body)
	if errors.Is(err, gateway.ErrBroken) {
		return err
	}
	return nil
}

// finish is what is left to do when the response is over.
func finish(t *transport, ctx *lazyctx.Context, body *request.Body) {
	ctx.Cancel(gateway.ErrEnded) // and SIGTERM ends the process again
	// The host may be sending still. One that has sent SIGTERM waits for the end of the process, not for the answer.
	cause := ctx.Cause()
	if t.err == nil && (cause == gateway.ErrEnded || !errors.Is(cause, gateway.ErrShutdown)) {
		body.Drain(drainBytes, drainTime)
	}
}

// environ makes the request of a process's environment. Its error is one for a 400.
func environ(list []string, stdin io.Reader) (*gateway.Environ, *request.Body, error) {
	env := &gateway.Environ{
		Multiprocess: true,
		RunOnce:      true,
	}
	vars := request.Builder{Vars: make(map[string]string, len(list)+4)}
	isRequest := false
	var err error
	for _, entry := range list {
		name, value, found := strings.Cut(entry, "=")
		if !found || name == "" {
			continue // Windows has "=C:=C:\dir"
		}
		isRequest = isRequest || isOfRequest(name)
		if fault := vars.Add(name, value); err == nil {
			err = fault // the first is enough: a client may have sent thousands
		}
	}
	if !isRequest { // from a terminal
		_, _ = vars.Add("REQUEST_METHOD", "GET"), vars.Add("PATH_INFO", "/")
	}
	length, fault := vars.Finish(env)
	if err == nil {
		err = fault
	}
	if fault != nil { // a body that is refused is drained, too, if it has a length
		if length, fault = env.ContentLength(); fault != nil {
			length = 0
		}
	}
	if length < 0 && !request.Chunked(env) {
		length = 0
	}
	body := request.NewBody(stdin, length)
	env.Input = body
	return env, body, err
}

// isOfRequest reports whether a variable is one of those that a host sets, any of which makes a request.
func isOfRequest(name string) bool {
	switch name {
	case "GATEWAY_INTERFACE", "REQUEST_METHOD", "SERVER_PROTOCOL", "SCRIPT_NAME", "PATH_INFO",
		"QUERY_STRING", "REQUEST_URI", "CONTENT_LENGTH", "CONTENT_TYPE":
		return true
	}
	return false
}

// refuse is the application of a request that no application should see.
func refuse(env *gateway.Environ, start gateway.StartResponse, why error) (gateway.Body, error) {
	_, _ = io.WriteString(env.Errors, why.Error()+"\n")
	_, err := start(gateway.Status(400), gateway.Headers{{"Content-Type", "text/plain"}}, nil)
	return gateway.Text("400 Bad Request\n"), err
}
