package nethttp

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"example.com/gateway/internal/acceptor"
)

// The connections of a Server. acceptor.Server accepts them, counts them and stops; an http.Server
// reads their requests. The http.Server never hears that the server stops: from then on it would
// drop the requests that it reads, also from connections that are open already.

// idleTime is how long a connection on which no request is going on is left open when the server
// stops. A client that has just got a response may have sent its next request already.
const idleTime = 500 * time.Millisecond

// A conn is a connection as the http.Server gets it, below TLS if there is TLS. net/http calls the
// CloseWrite of acceptor.Conn when the client is still sending.
type conn struct {
	*acceptor.Conn
	unwatch func() bool // the stopping of the server

	mu       sync.Mutex
	requests int  // that are going on; HTTP/2 has several at a time
	begun    bool // the first request has
	closed   bool
}

// serveConn lets the http.Server serve a connection, on a goroutine of its own.
func (s *Server) serveConn(nc *acceptor.Conn, config *tls.Config) {
	c := &conn{Conn: nc}
	c.unwatch = context.AfterFunc(s.stopping, c.closeSoon)
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
	c.begun = true
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
	c.unwatch()
	c.closed = true
	if c.requests == 0 {
		return c.Conn.Close()
	}
	return c.Conn.Conn.Close()
}

// closeSoon closes the connection after idleTime, unless a request is going on then. A connection
// whose first request has not begun is left to the acceptor, which gives it more time.
func (c *conn) closeSoon() {
	time.AfterFunc(idleTime, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.begun && c.requests == 0 {
			c.closed = true
			c.Conn.Conn.Close() // so that net/http calls Close
		}
	})
}

// ReadFrom is for net/http, which sends files by it. Package net has a sendfile(2) for TCP.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := c.Conn.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn.Conn}, r)
}
