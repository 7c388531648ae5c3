package nethttp

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"

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
		l.c = tls.Server(c, config)
	}
	_ = s.http.Serve(l) // which returns io.EOF at once
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
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn.Conn}, r)
}
