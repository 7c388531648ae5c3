package oneshot

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/chunks"
	"example.com/gateway/request"
)

// A bodyReader is a conn that reads the bytes of the body, for the conn's request.Body.
type bodyReader conn

func (b *bodyReader) Read(p []byte) (int, error) {
	c := (*conn)(b)
	c.reading.Lock()
	defer c.reading.Unlock()
	if !c.beginRead() {
		return 0, gateway.ErrEnded
	}
	n, err := c.in.Read(p)
	isLate := errors.Is(err, os.ErrDeadlineExceeded)
	if isLate {
		c.ctx.Cancel(context.DeadlineExceeded) // for other goroutines of the application
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left -= int64(n)
	if err != nil && !isLate {
		c.left = 0 // no more will come
	}
	if c.left == 0 {
		c.watchIfReady()
	}
	return n, err
}

// beginRead sets the deadline for the next bytes of the body, and reports whether they may be read.
// They may not when the response has ended, since then Drain has set its own deadline.
func (c *conn) beginRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isOver {
		return false
	}
	if c.in.Buffered() == 0 {
		c.setReadDeadline(c.s.limits.ReadTimeout)
	}
	return true
}

// initChunks makes the body what the chunks have.
func (c *conn) initChunks() {
	c.body.Init(chunks.NewReader(bufio.NewReaderSize((*bodyReader)(c), inSize), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.left = 0
		c.watchIfReady()
	}), -1, c.s.limits.MaxBodyBytes)
}

// isChunked reports whether the body is in chunks that the protocol decodes, and nothing else.
func (p *Protocol) isChunked(env *gateway.Environ) bool {
	return p.Chunks && strings.EqualFold(env.Vars["HTTP_TRANSFER_ENCODING"], "chunked")
}

// A remainder is a conn that reads the bytes of the body that the application has not read. A
// goroutine that the application has left in Read, as httputil.ReverseProxy does, gets the next
// bytes, and a remainder those that follow.
type remainder conn

func (r *remainder) Read(p []byte) (int, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	return r.in.Read(p)
}

// Watch implements lazyctx.Watcher.
func (c *conn) Watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isWatched = true
	c.watchIfReady()
}

// watchIfReady begins to wait for the end of the connection, if the application wants to know of it
// and the body is read. Each of the two comes about once, and the later one begins. c.mu is held.
func (c *conn) watchIfReady() {
	if c.isWatched && c.left == 0 {
		go c.awaitEnd()
	}
}

// awaitEnd waits for the end of the connection, and then ends the Context. The host is gone then,
// even if it has closed only its sending half: these protocols have no use for half a connection.
// A host that has its answer may go.
func (c *conn) awaitEnd() {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.setReadDeadline(0)
	for {
		if _, err := c.in.Peek(1); err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			if !c.isAnswered {
				c.ctx.Cancel(request.Disconnected(err))
			}
			return
		}
		_, _ = c.in.Discard(c.in.Buffered()) // the host has sent more than the body
	}
}
