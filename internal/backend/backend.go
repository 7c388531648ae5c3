// Package backend is the life of a server's connections: accepting them, counting them, stopping. All servers that stand
// behind a web server share it; each adds what happens on one connection.
package backend

import (
	"context"
	"errors"
	"log"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gateway"
)

// A Server accepts connections and stops. The zero value is ready. Its methods may be called concurrently.
type Server struct {
	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*Conn]struct{}
	stopping  chan struct{} // closed by Shutdown and Close
	gone      chan struct{} // closed, and made anew, when a connection or a listener ends
	ctx       context.Context
	cancel    context.CancelCauseFunc
}

// A Conn is one connection of a Server.
type Conn struct {
	net.Conn
	s     *Server
	state atomic.Uint32 // a state
	once  sync.Once
}

// A state is what a connection is doing.
const (
	fresh  uint32 = iota // accepted; what connects does so to send a request
	busy                 // a request is going on
	idle                 // kept for the next request
	ending               // the server stops, and this one was idle
)

// freshTime is what a connection that has sent nothing gets when the server stops: closing it at once would lose the request
// that is on its way.
const freshTime = 2 * time.Second

// init makes what the zero value lacks. s.mu is held.
func (s *Server) init() {
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		s.stopping = make(chan struct{})
		s.gone = make(chan struct{})
		s.listeners = make(map[net.Listener]struct{})
		s.conns = make(map[*Conn]struct{})
	}
}

// Context returns the parent of all requests' contexts. It ends, with gateway.ErrShutdown, when Shutdown has run out of time
// or Close is called: not when Shutdown begins, since what it waits for is that requests come to their own end.
func (s *Server) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	return s.ctx
}

// Stopping returns a channel that is closed when Shutdown or Close has begun.
func (s *Server) Stopping() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	return s.stopping
}

// Serve accepts connections from l, as long as less than limit are open on all listeners, and calls handle for each on a goroutine
// of its own. The connection counts until it is closed, by handle or by whom handle leaves it to. While limit are open no more are
// accepted: they wait in the kernel, where another process may take them. Where several listeners accept at once for the last
// place, one gets it; nothing is read from what the others have got, one each, until there is another. An error of Accept that
// passes by itself, such as too many open files, is logged and retried with growing delays, as in net/http: else anybody could end
// the process by opening connections.
//
// Serve closes l. It returns gateway.ErrShutdown after Shutdown or Close, or else what Accept returned.
func (s *Server) Serve(l net.Listener, limit int, logger *log.Logger, handle func(*Conn)) error {
	defer l.Close()
	s.mu.Lock()
	s.init()
	stopping := s.stopping
	if closed(stopping) { // nobody is left to close l: Accept would wait for ever
		s.mu.Unlock()
		return gateway.ErrShutdown
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.changed()
		s.mu.Unlock()
	}()

	var delay time.Duration
	for {
		s.mu.Lock()
		s.awaitPlace(limit) // and does not take it: who waits in Accept would keep it from the other listeners
		s.mu.Unlock()
		if closed(stopping) {
			return gateway.ErrShutdown
		}
		conn, err := l.Accept()
		if err != nil {
			if closed(stopping) {
				return gateway.ErrShutdown
			}
			var temporary interface{ Temporary() bool } // deprecated for its vagueness; for Accept it says "try again"
			if !errors.As(err, &temporary) || !temporary.Temporary() {
				return err
			}
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			if logger != nil {
				logger.Printf("gateway: accept: %v; trying again in %v", err, delay)
			}
			select {
			case <-stopping:
				return gateway.ErrShutdown
			case <-time.After(delay):
			}
			continue
		}
		delay = 0
		c := &Conn{Conn: conn, s: s}
		if !s.track(c, limit) {
			conn.Close()
			return gateway.ErrShutdown
		}
		go handle(c)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// awaitPlace waits until less than limit connections are open, or the server stops. s.mu is held, but while it waits.
func (s *Server) awaitPlace(limit int) {
	for len(s.conns) >= limit && !closed(s.stopping) {
		gone := s.gone
		s.mu.Unlock()
		select {
		case <-gone:
		case <-s.stopping:
		}
		s.mu.Lock()
	}
}

// track counts a connection, when there is a place for it, and reports whether it is to be served. One that was accepted when
// Shutdown begins is, place or not: the host would not send its request again.
func (s *Server) track(c *Conn, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaitPlace(limit)
	if s.ctx.Err() != nil {
		return false
	}
	if closed(s.stopping) {
		time.AfterFunc(freshTime, c.closeFresh)
	}
	s.conns[c] = struct{}{}
	return true
}

// changed says that a connection or a listener is gone. s.mu is held.
func (s *Server) changed() {
	close(s.gone)
	s.gone = make(chan struct{})
}

// Close closes the connection. It may be called more than once.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.Conn.Close()
		c.s.mu.Lock()
		delete(c.s.conns, c)
		c.s.changed()
		c.s.mu.Unlock()
	})
	return nil
}

// closeFresh closes a connection on which no request has begun after all.
func (c *Conn) closeFresh() {
	if c.state.CompareAndSwap(fresh, ending) {
		c.Conn.Close()
	}
}

// SetBusy says that a request has begun on the connection. It reports whether it may: after false the server has closed the
// connection already.
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

// SetIdle says that no request is going on any more. It reports whether the connection is worth keeping; after false
// the server is stopping, and whoever called closes it.
func (c *Conn) SetIdle() bool {
	c.state.CompareAndSwap(busy, idle)
	return !closed(c.s.stopping)
}

// Shutdown stops accepting, closes the connections on which nothing goes on, and waits for the others. When ctx ends before
// they do, it cancels the requests' contexts and returns ctx's error; Close ends what is left then.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop(false)
	accepting := time.NewTimer(freshTime)
	defer accepting.Stop()
	given := false
	for {
		s.mu.Lock()
		left, gone := len(s.conns), s.gone
		if !given {
			left += len(s.listeners) // a Serve may have one more connection in its hands
		}
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			s.cancel(gateway.ErrShutdown)
			return ctx.Err()
		case <-gone:
		case <-accepting.C:
			given = true // the listener's Close waits for an Accept that does not come back, as in closeListener
		}
	}
}

// Close stops at once: it closes the listeners and all connections and cancels the requests' contexts. It does not wait for
// applications, whose writes fail from then on.
func (s *Server) Close() error {
	_ = s.Context()
	s.cancel(gateway.ErrShutdown) // first: else the reason would be that the connection is gone
	s.stop(true)
	return nil
}

// closeListener closes l, without waiting for long: a socket that several processes share may have been made blocking by another
// one (os.File.Fd does that in a parent that passes it on), and Close then waits until Accept has got one more connection.
func closeListener(l net.Listener) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Close()
	}()
	select {
	case <-done:
	case <-time.After(50 * time.Millisecond):
	}
}

func (s *Server) stop(all bool) {
	s.mu.Lock()
	s.init()
	if !closed(s.stopping) {
		close(s.stopping)
	}
	listeners := slices.Collect(maps.Keys(s.listeners))
	s.mu.Unlock()
	for _, l := range listeners {
		closeListener(l)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		switch {
		case all || c.state.CompareAndSwap(idle, ending):
			c.Conn.Close() // and the goroutine that reads from it takes it from there
		case c.state.Load() == fresh:
			time.AfterFunc(freshTime, c.closeFresh) // and no deadline: those are the protocol's
		}
	}
}
