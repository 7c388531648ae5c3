// Package acceptor has what the servers behind a web server have in common: it accepts their
// connections, limits how many are open, ends them when the server stops, and closes them so that
// the web server gets the last answer. Each server adds its protocol.
package acceptor

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

// A Server accepts connections until it is stopped. The zero value is ready. Its methods may be
// called concurrently.
type Server struct {
	since atomic.Pointer[time.Time] // when the server began to stop; nil before that

	mu sync.Mutex

	// Guarded by mu.
	listeners map[net.Listener]struct{} // of the calls of Serve that are going on
	conns     map[*Conn]struct{}        // that are open and have a place
	changed   chan struct{}             // closed, and made anew, when a listener or a connection has gone

	// Set by init, which mu guards, and read only after that.
	stopping chan struct{} // closed when the server begins to stop
	ctx      context.Context
	cancel   context.CancelCauseFunc
}

// init makes the fields that the zero value lacks. s.mu is held.
func (s *Server) init() {
	if s.ctx == nil {
		s.listeners = make(map[net.Listener]struct{})
		s.conns = make(map[*Conn]struct{})
		s.changed = make(chan struct{})
		s.stopping = make(chan struct{})
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
	}
}

// Context returns the parent of all requests' contexts. It ends, with gateway.ErrShutdown, when
// Shutdown has run out of time or Close is called. It does not end when Shutdown begins: requests
// are to come to their own end.
func (s *Server) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	return s.ctx
}

// Serve accepts connections from l and calls handle for each, on a goroutine of its own. A
// connection counts until it is closed, by handle or by another goroutine to which handle has left
// it. The header of a proxyprotocol.Conn is read first, on the same goroutine; handle never sees a
// connection with a wrong one.
//
// While limit connections are open on all listeners together, Serve accepts no more. They wait in
// the kernel, where another process may take them. When several listeners are in Accept for the
// last place, one of them gets it; a connection that another has accepted meanwhile waits for the
// next place, and nothing is read from it before.
//
// Serve logs an error of Accept that passes by itself, such as too many open files, and tries again
// after a delay that grows, as net/http does. Otherwise anybody could end the process by opening
// connections.
//
// Serve closes l. It returns gateway.ErrShutdown after Shutdown or Close, and otherwise the error
// of Accept.
func (s *Server) Serve(l net.Listener, limit int, logger *log.Logger, handle func(*Conn)) error {
	defer l.Close()
	if !s.addListener(l) {
		return gateway.ErrShutdown
	}
	defer s.removeListener(l)
	var delay time.Duration
	for {
		s.mu.Lock()
		s.awaitPlace(limit) // and takes none yet: an Accept that waits must not keep the place from other listeners
		s.mu.Unlock()
		if isClosed(s.stopping) {
			return gateway.ErrShutdown
		}
		conn, err := l.Accept()
		if err != nil {
			if isClosed(s.stopping) {
				return gateway.ErrShutdown
			}
			var temporary interface{ Temporary() bool } // deprecated for its vagueness; of Accept it says "try again"
			if !errors.As(err, &temporary) || !temporary.Temporary() {
				return err
			}
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			if logger != nil {
				logger.Printf("gateway: accept: %v; trying again in %v", err, delay)
			}
			select {
			case <-s.stopping:
				return gateway.ErrShutdown
			case <-time.After(delay):
			}
			continue
		}
		delay = 0
		c := newConn(conn, s)
		if !s.addConn(c, limit) {
			conn.Close()
			return gateway.ErrShutdown
		}
		go func() {
			if c.readHeader(logger) {
				handle(c)
			}
		}()
	}
}

// addListener adds a listener, unless the server stops: nobody would close the listener, and Accept
// would wait for ever.
func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	if isClosed(s.stopping) {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	s.announce()
}

// addConn gives a connection the next place, and reports whether the connection is to be served. A
// connection that was accepted while Shutdown began gets a place at once, over the limit if need
// be: the host would not send its request again.
func (s *Server) addConn(c *Conn, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaitPlace(limit)
	if s.ctx.Err() != nil {
		return false
	}
	s.conns[c] = struct{}{}
	if isClosed(s.stopping) {
		c.mu.Lock()
		c.closeSoon()
		c.mu.Unlock()
	}
	return true
}

func (s *Server) removeConn(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.announce()
}

// awaitPlace waits until fewer than limit connections are open, or the server stops. s.mu is held,
// but not during the wait.
func (s *Server) awaitPlace(limit int) {
	for len(s.conns) >= limit && !isClosed(s.stopping) {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-s.stopping:
		}
		s.mu.Lock()
	}
}

// announce wakes the goroutines that wait for a listener or a connection to go. s.mu is held.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// StoppingFor returns how long ago Shutdown or Close was called first, and whether it was.
func (s *Server) StoppingFor() (time.Duration, bool) {
	since := s.since.Load()
	if since == nil {
		return 0, false
	}
	return time.Since(*since), true
}

// Shutdown stops accepting, and waits until all connections are closed. Requests that come on a
// connection are still served. The server closes a connection on which no request is going on after
// half a second, and after two seconds if the peer has sent nothing yet or a part of a request. If
// ctx ends before all connections have, Shutdown ends the requests' contexts and returns ctx's
// error. Close then closes the connections that are left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop(false)
	accepting := time.NewTimer(freshTime)
	defer accepting.Stop()
	waitsForListeners := true
	for {
		s.mu.Lock()
		left, changed := len(s.conns), s.changed
		if waitsForListeners {
			left += len(s.listeners) // each Serve may have one more connection in its hands
		}
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.cancel(gateway.ErrShutdown)
			return ctx.Err()
		case <-accepting.C:
			waitsForListeners = false // such a Serve is in an Accept that does not come back, as closeListener says
		}
	}
}

// Close stops at once: it ends the requests' contexts and closes the listeners and all connections.
// It does not wait for applications, whose reads and writes fail from then on.
func (s *Server) Close() error {
	_ = s.Context()
	s.cancel(gateway.ErrShutdown) // first: otherwise the contexts would end because the connections are gone
	s.stop(true)
	return nil
}

// stop closes the listeners, and all connections, or soon those on which nothing is going on.
func (s *Server) stop(all bool) {
	s.mu.Lock()
	s.init()
	if !isClosed(s.stopping) {
		close(s.stopping)
		now := time.Now()
		s.since.Store(&now)
	}
	listeners := slices.Collect(maps.Keys(s.listeners))
	s.mu.Unlock()
	for _, l := range listeners {
		closeListener(l)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		if all {
			if c.state == busy {
				EndByReset(c.Conn) // a response that goes on must not look whole
			}
			c.Conn.Close()
		} else if c.until.IsZero() {
			c.closeSoon()
		}
		c.mu.Unlock()
	}
}

// closeListener closes l, and does not wait for that long. If the socket is in blocking mode, Close
// hangs until Accept has got one more connection. Another process that shares the socket may have
// set that mode: os.File.Fd does so in a parent that hands a listener to its child.
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

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
