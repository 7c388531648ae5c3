package host

import (
	"net"
	"slices"
	"sync/atomic"
	"time"

	"example.com/gateway/internal/socket"
)

// A fastCGIConn is a connection to a FastCGI server.
type fastCGIConn struct {
	net.Conn
	address *address
	in      socket.Reader
	out     socket.Writer
	since   time.Time // when its last request has ended
}

func newFastCGIConn(conn net.Conn, a *address) *fastCGIConn {
	c := &fastCGIConn{Conn: conn, address: a}
	c.in.Init(conn)
	c.out.Init(conn)
	return c
}

// idleTime is how long a connection is kept without a request.
const idleTime = 30 * time.Second

// A pool keeps connections for other requests, in the addresses of a dialer, whose mutex guards all
// of it. It needs no goroutine: whether a server has closed a connection is seen when the
// connection is to be used.
type pool struct {
	ids      atomic.Uint32
	sweeping bool // a timer runs
}

// nextID returns an id for a request. Two requests on a connection have different ids, so that what
// a server sends too late is not taken for a part of another answer.
func (p *pool) nextID() uint16 { return uint16((p.ids.Add(1)-1)%0xFFFF) + 1 }

// take returns a connection to an address that is kept, and seems to be good, or nil.
func (p *pool) take(d *dialer, a *address) *fastCGIConn {
	for {
		d.mu.Lock()
		last := len(a.idle) - 1
		if last < 0 {
			d.mu.Unlock()
			return nil
		}
		c := a.idle[last]
		a.idle = slices.Delete(a.idle, last, last+1)
		d.mu.Unlock()
		if c.in.IsQuiet() {
			return c
		}
		c.Close() // the server has closed it, or has sent what nobody has asked for
	}
}

// put keeps a connection, unless there are max already.
func (p *pool) put(d *dialer, c *fastCGIConn, max int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(c.address.idle) >= max {
		c.Close()
		return
	}
	c.since = time.Now()
	c.address.idle = append(c.address.idle, c)
	p.sweepLater(d)
}

// sweepLater sees to it that the connections that are kept are closed some time. d.mu is held.
func (p *pool) sweepLater(d *dialer) {
	if !p.sweeping {
		p.sweeping = true
		time.AfterFunc(idleTime, func() {
			left := p.sweep(d, time.Now().Add(-idleTime))
			d.mu.Lock()
			defer d.mu.Unlock()
			if p.sweeping = false; left {
				p.sweepLater(d)
			}
		})
	}
}

// sweep closes the connections that nobody has used since a time, and reports whether there are
// others.
func (p *pool) sweep(d *dialer, since time.Time) (left bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.addresses {
		n := 0
		for n < len(a.idle) && !a.idle[n].since.After(since) {
			a.idle[n].Close()
			n++
		}
		a.idle = slices.Delete(a.idle, 0, n)
		left = left || len(a.idle) > 0
	}
	return left
}
