package acceptor

import (
	"errors"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/errno"
	"example.com/gateway/internal/proxyprotocol"
	"example.com/gateway/request"
)

// A Conn is a connection that a Server has accepted. SetFresh, SetBusy and SetIdle tell the server
// what is going on on the connection; Close and Reset give its place back.
type Conn struct {
	net.Conn                     // the socket, also if there is a header
	header   *proxyprotocol.Conn // nil if the connection begins without one
	s        *Server
	once     sync.Once // for Close

	mu    sync.Mutex
	state state
	until time.Time // when the server that stops may close the connection; zero before the stop
}

func newConn(conn net.Conn, s *Server) *Conn {
	if header, ok := conn.(*proxyprotocol.Conn); ok {
		return &Conn{Conn: header.Conn, header: header, s: s}
	}
	return &Conn{Conn: conn, s: s}
}

// readHeader reads the header, if there is to be one. If it is wrong, readHeader closes the
// connection, says so in the log, and returns false. There is no line for a peer that has sent
// nothing, since many load balancers do no more to see that the server lives, and none if the
// server itself has closed the connection, to stop.
func (c *Conn) readHeader(logger *log.Logger) bool {
	if c.header == nil {
		return true
	}
	err := c.header.ReadHeader()
	if err == nil {
		return true
	}
	isQuiet := err == io.EOF || errno.IsHangUp(err) || errors.Is(err, net.ErrClosed)
	if !isQuiet && logger != nil {
		logger.Printf("gateway: no PROXY header from %v, and its connection is closed: %v",
			c.Conn.RemoteAddr(), err)
	}
	c.Close()
	return false
}

// RemoteAddr implements net.Conn: it is the client's address, as the header has it if there is one.
// That of the embedded Conn is the proxy's.
func (c *Conn) RemoteAddr() net.Addr {
	if c.header != nil {
		return c.header.RemoteAddr()
	}
	return c.Conn.RemoteAddr()
}

// LocalAddr implements net.Conn: it is the address to which the client has connected.
func (c *Conn) LocalAddr() net.Addr {
	if c.header != nil {
		return c.header.LocalAddr()
	}
	return c.Conn.LocalAddr()
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

// BreakPause is how long a server waits between the last bytes of a response that was cut off and
// the end of the connection. lighttpd and Apache's mod_proxy_uwsgi may take a response for whole
// whose last bytes and end reach them at once.
const BreakPause = time.Millisecond

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

// closeSoon has the connection closed after the time that its state has, unless it is busy then.
// c.mu is held.
func (c *Conn) closeSoon() {
	wait := freshTime
	if c.state == idle {
		wait = idleTime
	}
	c.until = time.Now().Add(wait)
	time.AfterFunc(wait, c.expire)
}

// expire closes the connection if no request is going on and the connection's time is over. The time
// is not over if the connection has got more of it since the timer was set. No deadline is set:
// deadlines are the protocol's. The goroutine that reads from the connection finds the connection
// closed, and calls Close.
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
	EndByReset(c.Conn)
	c.Close()
}

// EndByReset makes a reset of the close of c that follows, over TCP. c may be a *net.TCPConn, or
// have one embedded.
func EndByReset(c net.Conn) {
	if tcp, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
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
		io.EOF, net.ErrClosed, os.ErrDeadlineExceeded, gateway.ErrDisconnected,
	} {
		if errors.Is(err, end) {
			return true
		}
	}
	return errno.IsHangUp(err)
}
