package acceptor

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
)

// A Conn is a connection that a Server has accepted. SetBusy and SetIdle tell the server what is
// going on on it; Close and Reset give its place back.
type Conn struct {
	net.Conn
	s     *Server
	state atomic.Uint32 // fresh, busy, idle or ending
	once  sync.Once     // for Close
}

// The states of a connection. The owner moves it from fresh and idle to busy, and from busy to
// idle. The server moves it from fresh and idle to ending, which is for good. So a connection is
// closed for a stop or has a request, never both.
const (
	fresh  uint32 = iota // no request has begun, but one is likely to be on its way
	busy                 // a request is going on
	idle                 // kept for the next request
	ending               // closed by the server that stops
)

// freshTime is how long a fresh connection is left open when the server stops. Closing it at once
// would lose the request that is on its way.
const freshTime = 2 * time.Second

// SetBusy says that a request has begun. It returns false if the request must not begin, since the
// server has stopped and closed the connection.
func (c *Conn) SetBusy() bool {
	for {
		was := c.state.Load()
		if was == ending {
			return false
		}
		if was == busy || c.state.CompareAndSwap(was, busy) {
			return true
		}
	}
}

// SetIdle says that no request is going on any more. It returns false if the server is stopping,
// and the caller then closes the connection.
func (c *Conn) SetIdle() bool {
	c.state.CompareAndSwap(busy, idle)
	return !isClosed(c.s.stopping)
}

// closeSoonIfFresh gives a fresh connection a last chance to become busy.
func (c *Conn) closeSoonIfFresh() {
	time.AfterFunc(freshTime, func() {
		if c.state.CompareAndSwap(fresh, ending) {
			c.Conn.Close()
		}
	})
}

// Close closes the connection. It may be called more than once.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.Conn.Close()
		c.s.removeConn(c)
	})
	return nil
}

// Reset closes the connection after a response that was cut off. Over TCP the peer gets a reset and
// can tell. A Unix socket has no reset: there the peer can tell only by the response's own length
// or end.
func (c *Conn) Reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// CloseWrite closes the sending half, so that the peer knows that nothing more comes. It returns an
// error if the connection has no halves.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Drain makes sure that the peer reads the last response before the connection is closed. A peer
// that is still sending when its connection is closed gets a reset, which may take the response
// with it. So Drain closes only the sending half, and then reads and drops what the peer sends:
// size bytes from r, which reads from the connection, but no more than request.DrainBytes and for
// no longer than request.DrainTime. Drain does nothing if the connection has no halves.
func (c *Conn) Drain(r io.Reader, size int64) {
	if c.CloseWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(request.DrainTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, r, min(size, request.DrainBytes))
}

// IsHangUp reports whether the error of a read or a write only says that the connection has come to
// its end: the peer has closed it, reset it or fallen silent, or the server has closed it. Such an
// error is not worth a line in the log.
func IsHangUp(err error) bool {
	for _, end := range []error{
		io.EOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, os.ErrDeadlineExceeded, gateway.ErrDisconnected,
	} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
