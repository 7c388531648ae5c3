package gatewaytest

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync/atomic"

	"example.com/gateway"
)

// A Response is the response of an application, as [Record] saw it arrive at a server.
type Response struct {
	Status  string          // such as "200 OK"; "" if nothing was sent
	Headers gateway.Headers // as they were sent, with the Content-Length that Respond has added

	Written []byte   // the bytes that were sent by the writer of start
	Blocks  [][]byte // the blocks of the body that were sent; an empty block is never sent
	Closes  int      // how often the Body was closed: once, or 0 if Call returned no Body

	Errors string // what the application and Respond have written to Environ.Errors
	Err    error  // the error of gateway.Respond: nil, or all that went wrong
	Whole  bool   // whether the response came to its end; otherwise a client can tell that it is cut off
}

// Record sends one request to the application, through gateway.Respond, and returns the response.
// So a test sees what a client sees: the error page of an application that failed, and no body in
// the response to HEAD. env is usually from [NewEnviron]. What is written to Response.Errors is
// written to env.Errors too. Record returns the error of a nil app or a nil env in Response.Err.
//
// The application gets a clone of env, so that env can be recorded again. But env.Input can be read
// once: in a second Record it is empty.
//
// Record runs the application on the goroutine of its caller, where t.FailNow works. It returns
// when the response is over. A body without an end is over when the Context of env ends. Record
// sets no deadline, since the application would see it: the flag -timeout of go test stops an
// application that hangs, and so does testing/synctest. [TestApplication] reports a hang as a
// failure.
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

// Code returns the code of the status, such as 200, or 0 if there is none.
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
	yielded atomic.Bool // Call has returned, and the body yields; atomic for a goroutine that still uses the writer
}

// watch returns app, and notes when Call has returned and how often the body is closed. Respond
// looks through OnClose at the body, so that the response is the same.
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
	if r.yielded.Load() {
		r.resp.Blocks = append(r.resp.Blocks, bytes.Clone(block)) // after Flush the body may change the block
	} else {
		r.resp.Written = append(r.resp.Written, block...)
	}
	return len(block), nil
}

// Flush implements gateway.Transport.
func (r *recorder) Flush() error { return nil }

// End implements gateway.Transport.
func (r *recorder) End(whole bool) error {
	r.resp.Whole = whole
	return nil
}
