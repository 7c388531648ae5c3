package cgi

import (
	"io"

	"example.com/gateway"
	"example.com/gateway/internal/errno"
	"example.com/gateway/internal/header"
	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/internal/sized"
	"example.com/gateway/request"
)

// A transport sends one CGI response (RFC 3875, 6): header lines, an empty line, the body. It holds
// the head and the first block back until Flush or End, so that both leave in one write(2).
type transport struct {
	w io.Writer

	// The parent of the application's Context. Its end is the process's SIGTERM, for which it
	// watches once somebody cares.
	ctx lazyctx.Context

	// The rest belongs to the goroutine of Respond.
	head   []byte // held back
	block  []byte // held back behind the head, by reference
	closes bool   // the body's Close may have something to do
	err    error  // why a write failed
	whole  bool   // the response is whole, and all of it is written
}

var _ gateway.Transport = (*transport)(nil)

// maxJoin is how much of the first block is copied behind the head. It is what a pipe holds: the
// kernel would split a larger write anyway.
const maxJoin = 64 << 10

// lookAtBody returns an application that calls app, and sets closes when it sees the body.
func (t *transport) lookAtBody(app gateway.Application) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := app.Call(env, start)
		t.closes = body != nil && !sized.IsPlain(body)
		return body, err
	})
}

// WriteHead implements gateway.Transport.
func (t *transport) WriteHead(status string, headers gateway.Headers) error {
	t.head = header.AppendCGI(make([]byte, 0, header.CGISize(status, headers)+512), status, headers, false)
	return nil
}

// Write implements gateway.Transport. It sends the block before, if that is held back, and holds
// this one back.
func (t *transport) Write(block []byte) (int, error) {
	if t.block != nil {
		if err := t.send(); err != nil {
			return 0, err
		}
	}
	t.block = block
	return len(block), nil
}

// Flush implements gateway.Transport. More is to come, and may take a while: from now on a SIGTERM
// ends the response at a block, and the body's Close runs. lighttpd sends SIGTERM as soon as the
// client is gone.
func (t *transport) Flush() error {
	t.ctx.Done()
	return t.send()
}

// End implements gateway.Transport. A response that was cut off ends like a whole one: the exit
// status tells the two apart, and CGI has no other sign. lighttpd sends SIGTERM as soon as it has
// all of a declared length. That must not end the process in the middle of the body's Close.
func (t *transport) End(whole bool) error {
	if t.closes {
		t.ctx.Done()
	}
	err := t.send()
	t.whole = whole && err == nil
	return err
}

// send sends what is held back.
func (t *transport) send() error {
	head, block := t.head, t.block
	t.head, t.block = nil, nil
	if head != nil {
		joined := block[:min(len(block), maxJoin)]
		if err := t.write(append(head, joined...)); err != nil {
			return err
		}
		block = block[len(joined):]
	}
	if len(block) == 0 {
		return nil
	}
	return t.write(block)
}

func (t *transport) write(p []byte) error {
	n, err := t.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if errno.IsHangUp(err) {
		err = request.Disconnected(err)
	}
	t.err = err
	return err
}
