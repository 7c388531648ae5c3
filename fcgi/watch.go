package fcgi

import (
	"sync"
	"time"
)

// takeOver is how long an application has the connection's goroutine for itself; up to twice that, if the timer is set for others, or
// for a request before it.
const takeOver = 2 * time.Millisecond

// A watch looks after the connections whose goroutine runs an application, and has those taken over that have waited for one
// long enough. It is one timer for all of a server's connections: one for each request would nearly always be set and
// stopped for nothing, which was 3 percent of what a request costs.
type watch struct {
	mu    sync.Mutex
	conns []*conn
	spare []*conn // what conns was before
	timer *time.Timer
	runs  bool // the timer does, or look
}

// add puts a connection under watch, and reports whether it is the first, which is looked at in takeOver; else that may be at
// any time. Its mutex is held.
func (w *watch) add(c *conn) (first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first = !w.runs
	w.conns = append(w.conns, c)
	w.run()
	return first
}

// run sets the timer if it is needed and not set. w.mu is held.
func (w *watch) run() {
	switch {
	case w.runs || len(w.conns) == 0:
		return
	case w.timer == nil:
		w.timer = time.AfterFunc(takeOver, w.look)
	default:
		w.timer.Reset(takeOver)
	}
	w.runs = true
}

// look looks at each connection, and again after a while at those that are with an application.
func (w *watch) look() {
	w.mu.Lock()
	conns := w.conns
	w.conns, w.spare = w.spare[:0], nil
	w.mu.Unlock()

	kept := conns[:0]
	for _, c := range conns {
		if c.lookAt() {
			kept = append(kept, c)
		}
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, kept...)
	clear(conns)
	w.spare, w.runs = conns[:0], false
	w.run()
}

// lookAt has the connection taken over if it is with the same application as when it was last looked at, unless that has read
// since: then it sees whatever comes. It reports whether the connection is to be looked at again.
func (c *conn) lookAt() bool {
	if !c.mu.TryLock() { // it may be writing to a disk that is slow, and the others are not to wait for that
		return true
	}
	defer c.mu.Unlock()
	switch {
	case c.inline == nil:
	case c.seen != c.turn:
		c.seen = c.turn
		return true
	default:
		go c.takeOver()
	}
	c.listed = false
	return false
}

// setInline makes r the request whose application runs on the goroutine that serves. c.mu is held.
func (c *conn) setInline(r *call) {
	c.inline = r
	c.turn++
	if !c.listed {
		c.listed = true
		if c.s.watch.add(c) {
			c.seen = c.turn
		}
	}
}
