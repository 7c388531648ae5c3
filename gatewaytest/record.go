package gatewaytest

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"

	"example.com/gateway"
)

// A Response is what an application answered, as [Record] saw it arrive at a server.
type Response struct {
	Status  string          // as given to start, "200 OK"; "" if nothing was sent
	Headers gateway.Headers // as sent: with the Content-Length that the server side has added

	Written []byte   // what went through the writer that start returned
	Blocks  [][]byte // the blocks that the body yielded, as they were sent; empty ones send nothing and are not seen
	Closes  int      // how often the Body was closed: once, or 0 if Call returned none

	Errors string // what was written to Environ.Errors, by the application and about it
	Err    error  // what Respond returned: nil, or all that went wrong; it wraps gateway.ErrBroken if the response is not whole
}

// Record sends one request to the application and returns its response. It runs the application through gateway.Respond, so
// that a test sees what a client would: the error page of an application that failed, no body for HEAD. env is usually from
// [NewEnviron]; its Errors still gets what Response.Errors has. A body without an end is recorded until env's Context ends.
//
// The application gets a clone, so that env can be recorded again. But a request has one body: env.Input is read, and a second
// Record finds it empty. If app or env is nil, Err says so.
//
// Record calls the application on its own goroutine, where t.FailNow works, and waits as long as that takes: env's Context sets no
// deadline, for an application would see it. One that hangs is stopped by -timeout of go test, whose stacks say where; in a
// bubble of testing/synctest at once. [TestApplication] makes a failure of it.
func Record(app gateway.Application, env *gateway.Environ) *Response {
	if env == nil {
		return &Response{Err: errors.New("gatewaytest: nil environ")}
	}
	if app == nil {
		app = gateway.ApplicationFunc(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
			return nil, errors.New("gatewaytest: nil application")
		})
	}
	r := new(recorder)
	e := env.Clone()
	e.Errors = &r.log
	if env.Errors != nil {
		e.Errors = io.MultiWriter(&r.log, env.Errors)
	}
	err := gateway.Respond(r.watch(app), e, r)
	r.resp.Err = err
	r.resp.Errors = r.log.String()
	return &r.resp
}

// Code returns the number of the status, or 0 if there is none.
func (r *Response) Code() int {
	if len(r.Status) < 3 {
		return 0
	}
	code, err := strconv.Atoi(r.Status[:3])
	if err != nil {
		return 0
	}
	return code
}

// Body returns all that was sent: Written, then Blocks.
func (r *Response) Body() string {
	return string(append(bytes.Clone(r.Written), bytes.Join(r.Blocks, nil)...))
}

// A recorder is a transport that keeps what it is given.
type recorder struct {
	resp    Response
	log     log
	yielded atomic.Bool // Call has returned; a goroutine that the application left behind may be in Write
}

// watch notes when Call has returned, which is when write() ends and the blocks begin, and counts Close. It changes
// nothing else: OnClose lets the server side see as much of the body as it would without.
func (r *recorder) watch(app gateway.Application) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		defer r.yielded.Store(true)
		body, err := app.Call(env, start)
		if body != nil {
			body = gateway.OnClose(body, func() error {
				r.resp.Closes++
				return nil
			})
		}
		return body, err
	})
}

// WriteHead implements gateway.Transport.
func (r *recorder) WriteHead(status string, headers gateway.Headers) error {
	if r.resp.Status != "" {
		return errors.New("gatewaytest: a second head")
	}
	r.resp.Status = status
	r.resp.Headers = append(gateway.Headers(nil), headers...)
	return nil
}

// Write implements gateway.Transport.
func (r *recorder) Write(block []byte) (int, error) {
	switch {
	case len(block) == 0:
	case r.yielded.Load():
		r.resp.Blocks = append(r.resp.Blocks, bytes.Clone(block)) // the block is the body's again when this returns
	default:
		r.resp.Written = append(r.resp.Written, block...)
	}
	return len(block), nil
}

// A log is an Environ.Errors that applications may write to from several goroutines.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
