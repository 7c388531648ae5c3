package fcgi

import (
	"errors"
	"time"
)

// One goroutine at a time reads a connection: that goroutine has the turn.
//
//	a request has come, and no other is open   serve gives the turn up, and calls the application
//	a request has come while others are open   serve keeps the turn; a new goroutine calls
//	                                           the application
//	Read is called while nobody has the turn   Read takes the turn for one piece of the body
//	Read is called while serve has the turn    Read waits; serve gives the turn up when a piece
//	                                           of that body comes
//	nobody has had the turn for takeOver,      a new goroutine takes the turn, and serves
//	or Done is called
//	an application ends, nobody has the turn   its goroutine takes the turn, and serves
//	the connection ends                        nobody gives the turn up any more
//
// So the host's next request and its ABORT_REQUEST are seen although an application is slow, and
// yet most requests need only one goroutine. With one goroutine that reads, and another for each
// application, a small request takes a quarter to a half more CPU time, and the upload of a large
// body half as much again at least.

// takeOver is how long nobody may have the turn. Most applications end before: to take over from
// them would cost more than they do. An application that ends its goroutine, or that leaves a Read
// behind which has the turn, costs the connection that time.
const takeOver = 2 * time.Millisecond

// serve reads records and calls applications, until the connection ends or another goroutine has
// the turn. The caller has the turn.
func (c *conn) serve() {
	for {
		r, err := c.next()
		if err == errHandedOver {
			return
		}
		if err != nil {
			c.end(err)
			return
		}
		c.mu.Lock()
		c.running++
		c.settle()
		alone := len(c.requests) == 1
		if alone {
			c.giveUpTurn()
		}
		c.mu.Unlock()
		if !alone {
			c.start(r)
			continue
		}
		r.run()
		if !c.tryTakeTurn() {
			return
		}
	}
}

// next reads until there is a request to run.
func (c *conn) next() (*call, error) {
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

// start runs a request on a goroutine of its own.
func (c *conn) start(r *call) {
	go func() {
		r.run()
		c.takeOver()
	}()
}

// tryTakeTurn takes the turn if nobody has it, and reports whether it did.
func (c *conn) tryTakeTurn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading {
		return false
	}
	c.takeTurn()
	return true
}

// takeTurn takes the turn, which nobody has. c.mu is held.
func (c *conn) takeTurn() {
	c.reading = true
	c.slow.Stop()
}

// giveUpTurn gives up the turn, for takeOver at most. c.mu is held.
func (c *conn) giveUpTurn() {
	c.reading = false
	if c.slow == nil {
		c.slow = time.AfterFunc(takeOver, c.takeOver)
	} else {
		c.slow.Reset(takeOver)
	}
}

// takeOver serves the connection if nobody has the turn.
func (c *conn) takeOver() {
	if c.tryTakeTurn() {
		c.serve()
	}
}

// handOver gives up the turn if the application of r waits for the piece of its body that has come,
// and reports whether it did. Without handOver, an application that was slow once would get the
// rest of a large body through memory and a file, at ten times the cost. On a connection with
// several open requests serve keeps the turn, and reads for all of them. c.mu is held.
func (c *conn) handOver(r *call) bool {
	if r.waiting == 0 || !r.in.empty() || r.in.err != nil || c.plural {
		return false
	}
	c.giveUpTurn()
	c.changed.Broadcast()
	return true
}

// errHandedOver ends a goroutine that has handed over the turn.
var errHandedOver = errors.New("fcgi: the application reads")

// pump reads a piece of the body of r into p, for the application of r, which waits for the piece
// while nobody has the turn. c.mu is held, but not during the read.
func (c *conn) pump(r *call, p []byte) (n int) {
	c.takeTurn()
	c.mu.Unlock()
	n, ready, err := c.step(r, p)
	c.mu.Lock()
	if ready != nil {
		c.running++
		c.settle()
		c.start(ready)
	}
	switch {
	case err == nil || err == errWait:
	case isTimeout(err) && r.state == ending: // the deadline was for r, whose application has left this Read behind
	default:
		c.err = err // look returns it, and serve then ends the connection
	}
	c.giveUpTurn()
	c.changed.Broadcast()
	return n
}
