package acceptor

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
)

// A Conn is a connection that a Server has accepted. SetFresh, SetBusy and SetIdle tell the server
// what is going on on the connection; Close and Reset give its place back.
type Conn struct {
	net.Conn
	s    *Server
	once sync.Once // for Close

	mu    sync.Mutex
	state state
	timer *time.Timer // closes the connection when the server stops; nil before the stop
	until time.Time   // when timer may do so
}

// A state is what is going on on a connection. A connection leaves the state ending never, and no
// request begins on it: a connection is closed for a stop or has a request, never both.
type state uint8

const (
	fresh  state = iota // no request is going on, but one is likely to be on its way
	busy                // a request is going on
	idle                // kept for the next request
	ending              // closed by the server that stops
)

// How long a connection without a request is left open when the server stops, or when its last
// request ends after that. Closing it at once would lose a request that is on its way.
const (
	freshTime = 2 * time.Second
	idleTime  = 500 * time.Millisecond // a host that reuses a connection does so at once
)

// SetFresh says that the peer has begun to send a request. It returns false if the server has
// stopped and closed the connection.
func (c *Conn) SetFresh() bool { return c.set(fresh) }

// SetBusy says that a request has begun. It returns false if the request must not begin, since the
// server has stopped and closed the connection.
func (c *Conn) SetBusy() bool { return c.set(busy) }

// SetIdle says that no request is going on any more. Before a stop the connection is kept for as
// long as its owner likes. After a stop the server closes the connection if no other request comes.
func (c *Conn) SetIdle() { _ = c.set(idle) }

func (c *Conn) set(to state) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == ending {
		return false
	}
	if c.state != to {
		c.state = to
		if isClosed(c.s.stopping) {
			c.closeSoon()
		}
	}
	return true
}

// closeSoon has the connection closed after the time that its state has. c.mu is held.
func (c *Conn) closeSoon() {
	wait := freshTime
	switch c.state {
	case busy, ending:
		return
	case idle:
		wait = idleTime
	}
	c.until = time.Now().Add(wait)
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.expire)
	} else {
		c.timer.Reset(wait)
	}
}

// expire closes the connection if no request is going on and its time is over. It sets no deadline:
// deadlines are the protocol's. The goroutine that reads from the connection finds it closed, and
// calls its Close.
func (c *Conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if (c.state == fresh || c.state == idle) && !time.Now().Before(c.until) {
		c.state = ending
		c.Conn.Close()
	}
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
