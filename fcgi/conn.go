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

	"example.com/gateway"
	"example.com/gateway/internal/backend"
)

// A conn is one connection from the host, with the requests that are going on on it.
//
// One goroutine serves it: reads records and starts applications. While it runs an application itself, which saves a
// switch of goroutines, what that application reads of its body is read by the application's own call. Should it then
// neither end nor read for a while, another goroutine takes over, so that an ABORT_REQUEST or the next request is never
// left unseen for a slow application, and the first goroutine ends with the application. If that reads again, and is the only
// one, it gets its office back.
type conn struct {
	s   *Server
	nc  *backend.Conn
	ctx context.Context // the server's
	reader

	mu       sync.Mutex
	changed  sync.Cond // on mu: something of what follows
	requests calls
	running  int       // applications
	reading  bool      // a goroutine is in the reader
	serving  bool      // a goroutine is in serve, or will be
	inline   *call     // the request whose application that goroutine runs, if it does
	listed   bool      // the watch looks at it
	turn     uint32    // counts what inline was, and the reads of that
	seen     uint32    // turn when it was last looked at
	plural   bool      // the host has had several requests open at a time
	answered bool      // some request has ended
	pending  int       // bytes of requests that have not begun
	held     int       // bytes of bodies in memory
	last     bool      // there will be no further request
	doomed   bool      // a response is not whole: to be reset, so that the client can tell
	relook   bool      // a read was woken to look anew by when something must come
	err      error     // why nothing more can be read
	deadline time.Time // of reads
	since    time.Time // when the first byte of what may become a request was waited for, if none is open

	out writer
}

const (
	// maxOpen is how many requests a host may have open on one connection. More get FCGI_OVERLOADED.
	maxOpen = 1000

	// What is read of the body of a request that was answered, on a connection that then ends. Closing at once would
	// reset the connection, and the answer with it (golang/go#4183, E21).
	drainBytes = 64 << 20
	drainTime  = 5 * time.Second
)

// errDone ends a connection that has served its purpose.
var errDone = errors.New("fcgi: connection is done")

func newConn(s *Server, nc *backend.Conn) *conn {
	c := &conn{s: s, nc: nc, ctx: s.backend.Context(), serving: true}
	c.reader.init(nc.Conn)
	c.out.init(nc.Conn, s.limits.WriteTimeout)
	c.changed.L = &c.mu
	return c
}

// serve serves the connection until it ends or another goroutine has taken over.
func (c *conn) serve() {
	for {
		r, err := c.next()
		if err == errReturned {
			return
		}
		if err != nil {
			c.end(err)
			return
		}
		c.mu.Lock()
		c.running++
		if len(c.requests) > 1 {
			c.mu.Unlock()
			go r.run()
			continue
		}
		r.inlined = true
		c.setInline(r)
		c.mu.Unlock()
		if !c.runInline(r) {
			return
		}
	}
}

// runInline runs an application on the goroutine that serves, and reports whether that still is its office.
func (c *conn) runInline(r *call) (mine bool) {
	returned := false
	defer func() {
		c.mu.Lock()
		if mine = c.inline == r; mine {
			c.inline = nil
		}
		c.mu.Unlock()
		if mine && !returned { // the application ends its goroutine, which is this one
			go c.serve()
		}
	}()
	r.run()
	returned = true
	return
}

// takeOver makes its goroutine the one that serves, if that one is with an application.
func (c *conn) takeOver() {
	c.mu.Lock()
	mine := c.inline != nil
	c.inline = nil
	c.mu.Unlock()
	if mine {
		c.serve()
	}
}

// handBack lets an application that waits for its body read it by itself again, and reports whether it did: to copy each piece, and
// to wake the application for it, costs several times as much. c.mu is held.
func (c *conn) handBack(r *call) bool {
	if !r.inlined || r.waiting == 0 || !r.in.empty() || r.in.err != nil || len(c.requests) > 1 || c.running > 1 || c.plural {
		return false
	}
	c.setInline(r)
	return true
}

// errReturned ends a goroutine that has handed back what it took over.
var errReturned = errors.New("fcgi: the application reads")

// next reads until there is a request to run.
func (c *conn) next() (*call, error) {
	c.mu.Lock()
	for c.reading { // an application is in Read; what it reads for itself ends that
		c.changed.Wait()
	}
	c.reading = true
	c.mu.Unlock()
	defer c.release()
	for {
		if err := c.look(); err != nil {
			return nil, err
		}
		_, ready, err := c.step(nil, nil)
		if ready != nil || err != nil && err != errWait {
			return ready, err
		}
	}
}

// release gives up the reader.
func (c *conn) release() {
	c.mu.Lock()
	c.reading = false
	c.changed.Broadcast()
	c.mu.Unlock()
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

// wait prepares for a read that may block: it sets the time by which something must come. Whoever makes isDone true later
// wakes the read.
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

// setDeadline sets the time by which reads must have returned, the zero time for never. What is nearly the same as before
// is left, since setting it costs as much as a record. c.mu is held.
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

// timedOut deals with a read that took too long. Bodies that an application waits for end with the error, requests whose
// parameters do not come are forgotten, and the connection goes on for the others. If there are none, it ends.
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
	if err != errDone && !isHangUp(err) {
		c.s.logf("fcgi: %v: %v", c.nc.RemoteAddr(), err)
	}
	c.mu.Lock()
	c.err = err
	for _, r := range c.requests {
		// The end of what the host sends need not mean that it is gone (net/http/fcgi answers no client that closes its
		// half). Whoever asked wants to know.
		if r.watched || err != io.EOF {
			r.ctx.Cancel(&disconnected{err})
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
	if err == errDone || !isHangUp(err) { // the host may be sending, and is to get the answers
		for c.running > 0 {
			c.changed.Wait()
		}
		if (c.answered || err == errDone) && !c.doomed {
			c.mu.Unlock()
			c.drain()
			c.mu.Lock()
		}
	}
	c.serving = false
	c.closeIfUnused()
	c.mu.Unlock()
	c.giveBack()
}

// closeIfUnused closes the connection when nothing goes on on it any more. c.mu is held.
func (c *conn) closeIfUnused() {
	switch {
	case c.running > 0:
	case c.doomed:
		// Nothing says "broken" in FastCGI: hosts ignore END_REQUEST's status. They notice a reset, and most of them
		// a connection that ends without END_REQUEST. A reset may take what was just sent with it, though: of another
		// request's answer, if there were several.
		if tcp, ok := c.nc.Conn.(*net.TCPConn); ok && !c.plural {
			_ = tcp.SetLinger(0)
		}
		c.nc.Close()
	case !c.serving:
		c.nc.Close()
	}
}

// drain closes the sending half, for hosts that wait for the end of the connection whatever END_REQUEST says (nginx), and
// reads what the host is still sending.
func (c *conn) drain() {
	half, ok := c.nc.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.mu.Lock()
	c.setDeadline(time.Now().Add(drainTime))
	c.mu.Unlock()
	for total := c.buffered(); total < drainBytes; {
		c.discard(c.buffered())
		if c.more() != nil {
			return
		}
		total += c.buffered()
	}
}

// wake makes a read that is going on return when the last request has ended: nothing is left to wait for, or the time that a
// connection may be idle begins, of which that read knew nothing. c.mu is held.
func (c *conn) wake() {
	if c.reading && len(c.requests) == 0 {
		c.relook = true
		c.setDeadline(time.Unix(1, 0))
	}
}

// await waits until something is reached, no longer than d, and reports whether it was. c.mu is held, but not while it waits.
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

// A disconnected is a host that is gone, as gateway.ErrDisconnected with what told.
type disconnected struct{ err error }

func (d *disconnected) Error() string   { return gateway.ErrDisconnected.Error() + ": " + d.err.Error() }
func (d *disconnected) Unwrap() []error { return []error{gateway.ErrDisconnected, d.err} }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
