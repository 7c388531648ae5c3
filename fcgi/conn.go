package fcgi

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"example.com/gateway/internal/acceptor"
	"example.com/gateway/request"
)

// A conn is one connection from the web server, with the requests that are going on on it.
//
// One goroutine at a time reads the connection; turn.go says which.
type conn struct {
	s   *Server
	nc  *acceptor.Conn
	ctx context.Context // the server's
	reader

	mu       sync.Mutex
	changed  sync.Cond // on mu: something of what follows
	requests calls
	running  int         // applications
	reading  bool        // some goroutine has the turn to read, or nobody will have the turn again
	slow     *time.Timer // runs while nobody has the turn to read
	plural   bool        // the web server has had several requests open at a time
	answered bool        // some request has ended
	pending  int         // bytes of requests that have not begun
	held     int         // bytes of bodies in memory
	last     bool        // there will be no further request
	doomed   bool        // a response is not whole: the connection is to be reset, so that the client can tell
	relook   bool        // a read was woken to look anew by when something must come
	err      error       // why nothing more can be read
	ended    bool        // end has dealt with err
	deadline time.Time   // of reads
	since    time.Time   // when the first byte of what may become a request was waited for, if none is open

	out writer
}

const (
	// maxOpen is how many requests a host may have open on one connection. More get FCGI_OVERLOADED.
	maxOpen = 1000
)

// errDone ends a connection that has served its purpose.
var errDone = errors.New("fcgi: connection is done")

func newConn(s *Server, nc *acceptor.Conn) *conn {
	c := &conn{s: s, nc: nc, ctx: s.acceptor.Context(), reading: true}
	c.reader.init(nc.Conn)
	c.out.init(nc.Conn, s.limits.WriteTimeout)
	c.changed.L = &c.mu
	return c
}

// look looks whether the connection is to go on.
func (c *conn) look() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case c.isDone():
		return errDone
	case len(c.requests) == 0 && c.buffered() == 0 && c.started && !c.nc.SetIdle():
		return errDone
	}
	return nil
}

// isDone reports that there is nothing to wait for. c.mu is held.
func (c *conn) isDone() bool { return len(c.requests) == 0 && (c.last || c.doomed) }

// wait prepares for a read that may block: it sets the time by which something must come. Whoever
// makes isDone true later wakes the read.
func (c *conn) wait() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isDone() {
		return errDone
	}
	c.relook = false
	c.setDeadline(c.by())
	return nil
}

// by returns the time by which something must come, or the zero time. c.mu is held.
func (c *conn) by() (t time.Time) {
	l := &c.s.limits
	if len(c.requests) == 0 {
		if c.started && !c.inRecord && c.buffered() == 0 {
			c.since = time.Time{}
			// One that is nearly as good is kept, without a second look at the clock.
			if left := time.Until(c.deadline); left <= l.IdleTimeout && left > l.IdleTimeout-l.IdleTimeout/16 {
				return c.deadline
			}
			return after(time.Now(), l.IdleTimeout)
		}
		if c.since.IsZero() {
			c.since = time.Now()
		}
		return after(c.since, l.ReadHeaderTimeout)
	}
	for _, r := range c.requests {
		var by time.Time
		switch {
		case r.state == receiving:
			if r.since.IsZero() {
				r.since = time.Now()
			}
			by = after(r.since, l.ReadHeaderTimeout)
		case r.waiting > 0:
			by = after(r.since, l.ReadTimeout)
		}
		if t.IsZero() || !by.IsZero() && by.Before(t) {
			t = by
		}
	}
	return t
}

func after(t time.Time, d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return t.Add(d)
}

func (c *conn) isPast(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// setDeadline sets the time by which reads must have returned, the zero time for never. What is
// nearly the same as before is left, since setting it costs as much as a record. c.mu is held.
func (c *conn) setDeadline(t time.Time) {
	if t.Equal(c.deadline) {
		return
	}
	if d := t.Sub(c.deadline); !t.IsZero() && !c.deadline.IsZero() && d >= 0 && d < time.Until(t)/16 {
		return
	}
	c.deadline = t
	_ = c.nc.Conn.SetReadDeadline(t)
}

// timedOut deals with a read that took too long. Bodies that an application waits for end with the
// error, requests whose parameters do not come are forgotten, and the connection goes on for the
// others. If there are none, it ends.
func (c *conn) timedOut(err error) error {
	l := &c.s.limits
	var late []*call
	c.mu.Lock()
	if c.isDone() {
		c.mu.Unlock()
		return errDone // it was woken for that
	}
	if c.relook {
		c.mu.Unlock()
		return nil
	}
	for _, r := range c.requests {
		switch {
		case r.state == receiving && c.isPast(after(r.since, l.ReadHeaderTimeout)):
			late = append(late, r.call)
		case r.waiting > 0 && c.isPast(after(r.since, l.ReadTimeout)):
			r.in.fail(err)
			r.ctx.Cancel(context.DeadlineExceeded)
		}
	}
	others := len(c.requests) > len(late)
	c.changed.Broadcast()
	c.mu.Unlock()
	if !others {
		return err
	}
	for _, r := range late {
		c.forget(r)
	}
	return nil
}

// end is the end of reading: of the connection, or of its last goroutine that cares.
func (c *conn) end(err error) {
	if err != errDone && !acceptor.IsHangUp(err) {
		c.s.logf("fcgi: %v: %v", c.nc.RemoteAddr(), err)
	}
	c.mu.Lock()
	c.err = err
	for _, r := range c.requests {
		// The end of what the host sends need not mean that it is gone (net/http/fcgi answers no
		// client that closes its half). Whoever asked wants to know.
		if r.watched || err != io.EOF {
			r.ctx.Cancel(request.Disconnected(err))
		}
		r.in.fail(cutShort)
	}
	c.requests = slices.DeleteFunc(c.requests, func(r entry) bool {
		if r.state == receiving {
			r.in.close(c) // nobody else will
		}
		return r.state == receiving
	})
	c.changed.Broadcast()
	if err == errDone || !acceptor.IsHangUp(err) { // the host may be sending, and is to get the answers
		for c.running > 0 {
			c.changed.Wait()
		}
		if (c.answered || err == errDone) && !c.doomed {
			c.mu.Unlock()
			c.drain()
			c.mu.Lock()
		}
	}
	c.ended = true
	c.closeIfUnused()
	c.mu.Unlock()
	c.giveBack()
}

// closeIfUnused closes the connection when nothing goes on on it any more. c.mu is held.
func (c *conn) closeIfUnused() {
	switch {
	case c.running > 0:
	case c.doomed:
		// Nothing says "broken" in FastCGI: hosts ignore END_REQUEST's status. They notice a reset,
		// and most of them a connection that ends without END_REQUEST. A reset may take what was
		// just sent with it, though: of another request's answer, if there were several.
		if tcp, ok := c.nc.Conn.(*net.TCPConn); ok && !c.plural {
			_ = tcp.SetLinger(0)
		}
		c.nc.Close()
	case c.ended:
		c.nc.Close()
	}
}

// drain closes the sending half, for hosts that wait for the end of the connection whatever
// END_REQUEST says (nginx), and reads what the host is still sending.
func (c *conn) drain() {
	half, ok := c.nc.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.mu.Lock()
	c.setDeadline(time.Now().Add(request.DrainTime))
	c.mu.Unlock()
	for total := c.buffered(); total < request.DrainBytes; {
		c.discard(c.buffered())
		if c.more() != nil {
			return
		}
		total += c.buffered()
	}
}

// wake makes a read that is going on return when the last request has ended: nothing is left to
// wait for, or the time that a connection may be idle begins, of which that read knew nothing. c.mu
// is held.
func (c *conn) wake() {
	if c.reading && len(c.requests) == 0 {
		c.relook = true
		c.setDeadline(time.Unix(1, 0))
	}
}

// await waits until something is reached, no longer than d, and reports whether it was. c.mu is
// held, but not while it waits.
func (c *conn) await(d time.Duration, reached func() bool) bool {
	late := false
	timer := time.AfterFunc(d, func() {
		c.mu.Lock()
		late = true
		c.changed.Broadcast()
		c.mu.Unlock()
	})
	defer timer.Stop()
	for !reached() && !late {
		c.changed.Wait()
	}
	return reached()
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
