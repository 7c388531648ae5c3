package serve

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
	"example.com/gateway/nethttp"
)

const (
	// freshTime is how long a connection may take to send its first request when the server stops. It was made to send one.
	freshTime = 2 * time.Second

	// idleTime is how long a kept connection is left open after its last answer when the server stops. A client that has just
	// got an answer may have sent its next request already; one that has not for longer is closed at once.
	idleTime = 500 * time.Millisecond
)

// An httpServer is an http.Server that stops as the other servers do. That of net/http drops, without an answer, the requests that
// it reads after Shutdown has begun, also from connections that it accepted before: a restart would lose them.
type httpServer struct {
	http.Server
	cancel   context.CancelCauseFunc
	stopping atomic.Bool
	stop     chan struct{} // closed once it is

	slots        chan struct{} // one for each open connection: 10000
	readTimeout  time.Duration // for the next bytes of a body: 60 s
	writeTimeout time.Duration // for the client to accept 64 KiB, or a block that is smaller: 60 s

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	waiting   map[net.Conn]time.Time // those with no request, and until when they may send one if the server stops
	active    int                    // requests
}

// newHTTP returns an http.Server with the limits that the other servers have by default. That of net/http has the one for headers.
func newHTTP(app gateway.Application) *httpServer {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &httpServer{
		cancel:       cancel,
		stop:         make(chan struct{}),
		slots:        make(chan struct{}, backend.DefaultMaxConns),
		readTimeout:  backend.DefaultReadTimeout,
		writeTimeout: backend.DefaultWriteTimeout,
		listeners:    make(map[net.Listener]struct{}),
		waiting:      make(map[net.Conn]time.Time),
	}
	handler := nethttp.Handler(app)
	s.Server = http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _ := r.Context().Value(connKey{}).(net.Conn)
			s.begin(c)
			defer s.end()
			if s.stopping.Load() {
				w.Header().Set("Connection", "close")
			}
			x := s.limit(w, r)
			defer x.end()
			handler.ServeHTTP(x, r)
		}),
		ReadHeaderTimeout: backend.DefaultReadHeaderTimeout,
		IdleTimeout:       backend.DefaultIdleTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: s.connState,
	}
	return s
}

type connKey struct{}

// connState notes which connections have no request, and which have ended. That one is active is no news: net/http may still drop its request.
func (s *httpServer) connState(c net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		<-s.slots
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.waiting[c] = time.Now().Add(freshTime)
	case http.StateIdle:
		s.waiting[c] = time.Now().Add(idleTime)
	case http.StateClosed, http.StateHijacked:
		delete(s.waiting, c)
	}
}

func (s *httpServer) begin(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, c)
	s.active++
}

func (s *httpServer) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
}

// A slotListener accepts no more connections than there are slots. The others wait in the kernel, where another process may take them.
type slotListener struct {
	net.Listener
	s *httpServer
}

func (l *slotListener) Accept() (net.Conn, error) {
	select {
	case <-l.s.stop:
		return nil, net.ErrClosed
	case l.s.slots <- struct{}{}: // until connState hears that the connection has ended
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.s.slots
	}
	return c, err
}

func (s *httpServer) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()
	if s.stopping.Load() {
		l.Close()
		return http.ErrServerClosed
	}
	err := s.Server.Serve(&slotListener{l, s})
	if s.stopping.Load() {
		return http.ErrServerClosed
	}
	return err
}

// begunToStop says so to all who ask.
func (s *httpServer) begunToStop() {
	if !s.stopping.Swap(true) {
		close(s.stop)
	}
}

func (s *httpServer) Shutdown(ctx context.Context) error {
	s.begunToStop()
	s.mu.Lock()
	for l := range s.listeners {
		// A socket that several processes share may have been made blocking by another one (os.File.Fd does that in a parent
		// that passes it on). Close then waits until Accept has got one more connection.
		go l.Close()
	}
	s.mu.Unlock()
	patience := time.Now().Add(freshTime)
	err := s.await(ctx, func() bool { return s.nothingComes(patience) })
	if err == nil {
		err = s.Server.Shutdown(ctx)
	}
	if err == nil {
		err = s.await(ctx, s.nothingGoesOn) // which net/http does not know of connections that Close has closed
	}
	if err != nil {
		s.cancel(gateway.ErrShutdown)
	}
	return err
}

// nothingComes reports that no connection is being accepted, as far as there is patience for that, or about to send a request.
func (s *httpServer) nothingComes(patience time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, until := range s.waiting {
		if time.Now().Before(until) {
			return false
		}
	}
	return len(s.listeners) == 0 || time.Now().After(patience)
}

func (s *httpServer) nothingGoesOn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active == 0
}

func (s *httpServer) await(ctx context.Context, reached func() bool) error {
	for !reached() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

func (s *httpServer) Close() error {
	s.begunToStop()
	s.cancel(gateway.ErrShutdown)
	return s.Server.Close()
}
