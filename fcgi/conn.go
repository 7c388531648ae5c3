package fcgi

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"example.com/gateway/internal/acceptor"
	"example.com/gateway/request"
)

// A conn is one connection from the web server, with the requests that are going on on it.
type conn struct {
	s   *Server
	nc  *acceptor.Conn
	ctx context.Context // the server's
	out writer          // guards itself

	// What has come. The goroutine that has the turn to read owns it; turn.go says which that is.
	reader

	mu      sync.Mutex
	changed sync.Cond // on mu: one of the fields below

	// Guarded by mu: the requests.
	requests calls
	running  int  // applications
	pending  int  // bytes of requests that have not begun
	held     int  // bytes of bodies in memory
	plural   bool // the web server has had several requests open at a time
	answered bool // some request has ended

	// Guarded by mu: whose turn it is to read, and until when.
	reading  bool        // some goroutine has the turn to read, or nobody will have the turn again
	slow     *time.Timer // runs while nobody has the turn to read
	deadline time.Time   // of reads
	since    time.Time   // when the wait for the first byte of a request began, if none is open
	relook   bool        // a read was woken because its deadline is not the right one any more

	// Guarded by mu: how the connection ends.
	last   bool  // no further request begins
	doomed bool  // a response was cut off: the connection is to end, so that the client can tell
	err    error // why nothing more can be read
	ended  bool  // end has dealt with err
}

// maxOpen is how many requests a host may have open on one connection. More get FCGI_OVERLOADED.
const maxOpen = 1000

// errDone ends a connection that has served its purpose.
var errDone = errors.New("fcgi: connection is done")

func newConn(s *Server, nc *acceptor.Conn) *conn {
	c := &conn{s: s, nc: nc, ctx: s.acceptor.Context(), reading: true}
	c.reader.init(nc.Conn)
	c.out.init(nc.Conn, s.limits.WriteTimeout)
	c.changed.L = &c.mu
	return c
}

// look returns an error if the connection is not to go on.
func (c *conn) look() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case c.isDone():
		return errDone
	}
	return nil
}

// settle tells the server what is going on on the connection. It returns false if the server has
// stopped and closed the connection. c.mu is held.
func (c *conn) settle() bool {
	switch {
	case c.running > 0:
		return c.nc.SetBusy()
	case len(c.requests) > 0: // of which not all parameters have come
		return c.nc.SetFresh()
	}
	c.nc.SetIdle()
	return true
}

// isPlural reports whether the web server has had several requests open at a time.
func (c *conn) isPlural() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.plural
}

// isDone reports that no request is open and none will begin. c.mu is held.
func (c *conn) isDone() bool { return len(c.requests) == 0 && (c.last || c.doomed) }

// wait prepares for a read that may block: it sets the time by which something must come. A
// goroutine that makes isDone true later calls wake.
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
			// A deadline that is nearly as good is kept.
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

// setDeadline sets the time by which reads must have returned, the zero time for never. It leaves a
// deadline that is nearly the same, since to set one costs as much as a record. c.mu is held.
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

// timedOut deals with a read that took too long. A body for which an application waits ends with
// the error, a request whose parameters do not come is forgotten, and the connection goes on for
// the other requests. If there are none, timedOut returns the error, which ends the connection.
func (c *conn) timedOut(err error) error {
	l := &c.s.limits
	var late []*call
	c.mu.Lock()
	if c.isDone() {
		c.mu.Unlock()
		return errDone // wake has ended the read
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

// end deals with the end of what the host sends. The caller has the turn, and nobody gets it again.
func (c *conn) end(err error) {
	if err != errDone && !acceptor.IsHangUp(err) {
		c.s.logf("fcgi: %v: %v", c.nc.RemoteAddr(), err)
	}
	c.mu.Lock()
	c.err = err
	for _, r := range c.requests {
		// A host that has closed its half may still read. An application that has asked for Done
		// wants to know all the same. A host that has its answer may go.
		if r.state != ending && (r.watched || err != io.EOF) {
			r.ctx.Cancel(request.Disconnected(err))
		}
		r.in.fail(cutShort)
	}
	c.requests = slices.DeleteFunc(c.requests, func(r entry) bool {
		if r.state == receiving {
			r.in.close(c) // no application will
		}
		return r.state == receiving
	})
	c.changed.Broadcast()
	if err == errDone || !acceptor.IsHangUp(err) { // the host may still be sending, and is to read the answers
		for c.running > 0 {
			c.changed.Wait()
		}
		if (c.answered || err == errDone) && !c.doomed {
			c.mu.Unlock()
			c.nc.Drain(c.nc, request.DrainBytes) // nginx waits for the end of the connection, whatever END_REQUEST says
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
	if c.running == 0 && (c.doomed || c.ended) {
		c.nc.Close()
	}
}

// wake makes a read that is going on return when the last request has ended: either there is
// nothing left to wait for, or the time begins that a connection may be idle. c.mu is held.
func (c *conn) wake() {
	if c.reading && len(c.requests) == 0 {
		c.relook = true
		c.setDeadline(time.Unix(1, 0))
	}
}

// await waits until reached returns true, for no longer than d, and returns reached's result. c.mu
// is held, but not during the wait.
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
