// Package proxyprotocol reads the PROXY protocol, by which a load balancer that knows nothing of
// HTTP says who has connected to it. The header stands in front of all else on a connection.
//
// serve.ProxyProtocol is the public face. A server on package acceptor reads the header on the
// connection's own goroutine, and then has the bare socket. Any other server finds a net.Conn that
// reads the header when its first byte or its addresses are asked for.
package proxyprotocol

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// Timeout is how long a header may take. A proxy sends it at once. The time allows for a packet
// that is lost and sent again, twice.
const Timeout = 10 * time.Second

// A Listener wraps a listener. Connections from Peers begin with a header; other connections are as
// they are.
type Listener struct {
	net.Listener
	Peers []netip.Prefix // for TCP; over a Unix socket every peer is a proxy
}

// Accept returns the next connection, and reads nothing from it: one slow peer must not keep the
// others waiting.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || !l.isProxy(c.RemoteAddr()) {
		return c, err
	}
	return &Conn{Conn: c}, nil
}

func (l *Listener) isProxy(peer net.Addr) bool {
	switch peer := peer.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		// A Prefix contains no address with a zone.
		addr := peer.AddrPort().Addr().Unmap().WithZone("")
		return slices.ContainsFunc(l.Peers, func(p netip.Prefix) bool { return p.Contains(addr) })
	}
	return false
}

// A Conn is a connection that begins with a header. RemoteAddr and LocalAddr are what the header
// says. The embedded Conn is the socket, and has the proxy's addresses.
//
// The header is read by the first call of ReadHeader, Read, RemoteAddr or LocalAddr. If it is wrong
// or does not come, the socket is closed.
type Conn struct {
	net.Conn
	once   sync.Once // for the header
	header pair
	err    error

	mu       sync.Mutex
	deadline time.Time // for reads, as the owner has set it
	limit    time.Time // ... for the header, while that is read; zero before and after
}

// ReadHeader reads the header, unless that was done, and returns what is wrong with it. The error
// is io.EOF if the peer has sent nothing at all, as a health check may that only connects.
func (c *Conn) ReadHeader() error {
	c.once.Do(func() {
		c.setLimit(time.Now().Add(Timeout))
		c.header, c.err = readHeader(c.Conn)
		if c.err != nil {
			c.Conn.Close()
			if errors.Is(c.err, os.ErrDeadlineExceeded) {
				c.err = fmt.Errorf("it has not come: %w", c.err)
			}
			return
		}
		c.setLimit(time.Time{})
	})
	return c.err
}

// setLimit sets the time by which the header must have come, zero for none.
func (c *Conn) setLimit(limit time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = limit
	_ = c.arm()
}

// arm sets the earlier one of the two deadlines. c.mu is held.
func (c *Conn) arm() error {
	deadline := c.deadline
	if !c.limit.IsZero() && (deadline.IsZero() || c.limit.Before(deadline)) {
		deadline = c.limit
	}
	return c.Conn.SetReadDeadline(deadline)
}

// Read implements net.Conn. If the header is wrong, Read returns a net.OpError, by which net/http
// knows that the connection is not worth an answer.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.ReadHeader(); err != nil {
		if err == io.EOF {
			return 0, err
		}
		return 0, &net.OpError{Op: "read", Net: "tcp", Err: fmt.Errorf("PROXY header: %w", err)}
	}
	return c.Conn.Read(p)
}

// RemoteAddr implements net.Conn: the client of the proxy.
func (c *Conn) RemoteAddr() net.Addr {
	if c.ReadHeader() != nil || !c.header.source.IsValid() {
		return c.Conn.RemoteAddr()
	}
	return tcp(c.header.source)
}

// LocalAddr implements net.Conn: the address to which the client has connected.
func (c *Conn) LocalAddr() net.Addr {
	if c.ReadHeader() != nil || !c.header.destination.IsValid() {
		return c.Conn.LocalAddr()
	}
	return tcp(c.header.destination)
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.arm()
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.Conn.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// ReadFrom is for net/http, which sends files by it.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := c.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// CloseWrite is for net/http, which closes a connection by it whose client is still sending.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
