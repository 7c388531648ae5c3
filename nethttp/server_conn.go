package nethttp

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"example.com/gateway/internal/acceptor"
)

// The connections of a Server. acceptor.Server accepts them, counts them and stops; an http.Server
// reads their requests. The http.Server never hears that the server stops: from then on it would
// drop the requests that it reads, also from connections that are open already.

// A conn is a connection as the http.Server gets it, below TLS if there is TLS. net/http calls the
// CloseWrite of acceptor.Conn when the client is still sending.
type conn struct {
	*acceptor.Conn

	mu       sync.Mutex
	requests int // that are going on; HTTP/2 has several at a time
	closed   bool
}

// serveConn lets the http.Server serve a connection, on a goroutine of its own.
func (s *Server) serveConn(nc *acceptor.Conn, config *tls.Config) {
	c := &conn{Conn: nc}
	l := &connListener{c, c.LocalAddr()}
	if config != nil {
		t := tls.Server(c, config)
		if !s.shakeHands(t) {
			c.Close()
			return
		}
		l.c = t
	}
	_ = s.http.Serve(l) // which returns io.EOF at once
}

// shakeHands begins TLS, so that net/http need not: net/http logs a client that leaves meanwhile.
// shakeHands reports whether net/http is to have the connection. If TLS has failed otherwise,
// net/http meets the same error, logs the error, and answers a client that speaks HTTP without TLS.
func (s *Server) shakeHands(c *tls.Conn) bool {
	var deadline time.Time
	if timeout := s.handler.limits.ReadHeaderTimeout; timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	_ = c.SetDeadline(deadline)
	err := c.Handshake()
	_ = c.SetDeadline(time.Time{})
	return err == nil || !acceptor.IsHangUp(err) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// A connListener is a listener of one connection: the way to hand a connection to an http.Server.
type connListener struct {
	c    net.Conn
	addr net.Addr
}

func (l *connListener) Accept() (net.Conn, error) {
	c := l.c
	if c == nil {
		return nil, io.EOF
	}
	l.c = nil
	return c, nil
}

func (l *connListener) Close() error   { return nil }
func (l *connListener) Addr() net.Addr { return l.addr }

// connKey is the key of the conn in the contexts of its requests.
type connKey struct{}

// connOf returns the conn of a connection as the http.Server has it.
func connOf(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c.(*conn)
}

// begin begins a request. It returns false if the connection was closed, and the request must not
// begin.
func (c *conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || !c.SetBusy() {
		return false
	}
	c.requests++
	return true
}

// end ends a request.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests--; c.requests == 0 && c.closed {
		c.Conn.Close()
	}
}

// Close closes the connection. The acceptor has it in its count until no request is going on on it:
// under HTTP/2, net/http closes the connection when the client is gone, whatever the applications
// still do.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.requests == 0 {
		return c.Conn.Close()
	}
	return c.Conn.Conn.Close()
}

// reset closes the connection so that the client does not take a response for whole that ends with
// the connection. Over TCP the client gets a reset, and over TLS no close_notify.
func (c *conn) reset() {
	acceptor.EndByReset(c.Conn.Conn)
	c.Close()
}

// Write implements net.Conn. After a write that has met its deadline net/http closes the
// connection. A client that goes on to read then gets what the system has buffered, and the end of
// the connection must not make a whole response of that.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.note(err)
}

// note returns the error of a write. If the error is that of a deadline, note makes a reset of the
// connection's end.
func (c *conn) note(err error) error {
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		acceptor.EndByReset(c.Conn.Conn)
	}
	return err
}

// setState follows the states that net/http gives the connection. Under HTTP/2 the connection is idle
// when it has no stream.
func (c *conn) setState(state http.ConnState) {
	switch state {
	case http.StateActive:
		c.SetBusy()
	case http.StateIdle:
		c.SetIdle()
	}
}

// ReadFrom is for net/http, which sends files by it. Package net has a sendfile(2) for TCP.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := c.Conn.Conn.(io.ReaderFrom); ok {
		n, err := to.ReadFrom(r)
		return n, c.note(err)
	}
	return io.Copy(struct{ io.Writer }{c}, r)
}
