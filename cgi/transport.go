package cgi

import (
	"errors"
	"io"
	"syscall"

	"example.com/gateway"
	"example.com/gateway/internal/head"
	"example.com/gateway/internal/last"
	"example.com/gateway/internal/lazyctx"
)

// A transport is a CGI response (RFC 3875, 6): header lines, an empty line, the body.
type transport struct {
	w    io.Writer
	ctx  *lazyctx.Context
	head []byte // held back until the first Write
	err  error
}

// maxJoin is how much of the first block is copied behind the head, so that both leave in one write(2). It is what a pipe
// holds: a larger write is split by the kernel anyway.
const maxJoin = 64 << 10

// WriteHead implements gateway.Transport.
func (t *transport) WriteHead(status string, headers gateway.Headers) error {
	t.head = head.Append(make([]byte, 0, head.Size(status, headers)+512), status, headers, false)
	return nil
}

// Write implements gateway.Transport. There is more to come, another block or a Close that has something to do, and it may take
// a while: SIGTERM is to end it at a block, and not to spare the Close. lighttpd sends it as soon as it has a whole response, or the
// client is gone.
func (t *transport) Write(block []byte) (int, error) {
	if t.head != nil {
		t.ctx.Done()
	}
	return t.WriteLast(block)
}

// WriteLast implements last.Writer: the process ends with this block, and needs no signal handler for that.
func (t *transport) WriteLast(block []byte) (n int, err error) {
	if t.head != nil {
		joined := block[:min(len(block), maxJoin)]
		size := len(t.head)
		buf := append(t.head, joined...)
		t.head = nil
		m, err := t.write(buf)
		if n = max(0, m-size); err != nil || len(joined) == len(block) {
			return n, err
		}
		block = block[len(joined):]
	}
	m, err := t.write(block)
	return n + m, err
}

var _ last.Writer = (*transport)(nil)

func (t *transport) write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		err = &disconnected{err}
	}
	t.err = err
	return n, err
}

// disconnected is gateway.ErrDisconnected with the error of the write.
type disconnected struct{ err error }

func (d *disconnected) Error() string   { return gateway.ErrDisconnected.Error() + ": " + d.err.Error() }
func (d *disconnected) Unwrap() []error { return []error{gateway.ErrDisconnected, d.err} }
