// Package uwsgi serves an application over the uwsgi protocol, which nginx and Apache speak to uWSGI: one request a connection.
//
//	func main() {
//		l, err := net.Listen("unix", "/run/app.sock")
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(uwsgi.Serve(l, app))
//	}
//
// Nothing in the protocol says who is speaking: the host is trusted to say who the client is, so the socket must be the
// host's alone.
package uwsgi

import (
	"context"
	"errors"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
	"example.com/gateway/internal/single"
)

// Serve accepts uwsgi connections from l and serves app on them, with the limits of a zero [Server]. It returns what
// [Server.Serve] returns.
func Serve(l net.Listener, app gateway.Application) error {
	return (&Server{Application: app}).Serve(l)
}

// A Server serves one application. Fields must not be changed once Serve was called. In limits and timeouts, zero is the default
// that the comment gives and a negative number is none.
//
// The environ's Vars are the variables that the host sends, with defaults for SERVER_NAME, SERVER_PORT and SERVER_PROTOCOL;
// REQUEST_URI is there if the host sends it, as all do. Errors goes to ErrorLog. Multithread is true, Multiprocess too, since
// hosts may address several; RunOnce is false.
//
// The Context ends with gateway.ErrDisconnected when a write finds that the host is gone or, once Done was asked for and the
// body was read, when the host closes the connection; with context.DeadlineExceeded when a read of the body has run into ReadTimeout;
// and with gateway.ErrShutdown when Shutdown has run out of time.
type Server struct {
	// Application is called for each request, concurrently.
	Application gateway.Application

	// MaxConns is how many connections are open at a time, 10000; more wait in the kernel.
	MaxConns int

	// MaxRequests is how many requests are going on at a time, 10000. More get a 503.
	MaxRequests int

	// MaxHeaderBytes is the size of a request's variables, 1 MiB. More get a 431.
	MaxHeaderBytes int

	// MaxHeaders is the number of a request's variables, 1000. More get a 431.
	MaxHeaders int

	// MaxBodyBytes is the size of a request's body; unlimited if 0. A longer one gets a 413.
	MaxBodyBytes int64

	// ReadHeaderTimeout is how long a request's variables may take, 30 seconds.
	ReadHeaderTimeout time.Duration

	// ReadTimeout is how long the next bytes of a body may take, 60 seconds. Unlike net/http's it is not for the whole
	// body, so that it can be on by default.
	ReadTimeout time.Duration

	// WriteTimeout is how long the host may accept nothing of what is being sent, 60 seconds.
	WriteTimeout time.Duration

	// ErrorLog gets what is written to Environ.Errors, and what goes wrong outside of requests; nil is the standard logger.
	ErrorLog *log.Logger

	once     sync.Once
	single   single.Server
	backend  backend.Server
	inFlight atomic.Int64
}

// Serve accepts connections from l until Shutdown or Close, and then returns gateway.ErrShutdown. It returns another error when
// accepting failed for good; errors that pass, such as too many open files, are retried. It closes l.
func (s *Server) Serve(l net.Listener) error {
	if s.Application == nil {
		return errors.New("uwsgi: no Application to serve")
	}
	s.once.Do(func() {
		s.single = single.Server{
			Protocol:    &protocol,
			Application: s.Application,
			Limits: backend.Limits{
				MaxConns: s.MaxConns, MaxRequests: s.MaxRequests, MaxHeaderBytes: s.MaxHeaderBytes, MaxHeaders: s.MaxHeaders,
				MaxBodyBytes: s.MaxBodyBytes, ReadHeaderTimeout: s.ReadHeaderTimeout, ReadTimeout: s.ReadTimeout,
				WriteTimeout: s.WriteTimeout,
			}.WithDefaults(),
			ErrorLog: s.ErrorLog,
			Backend:  &s.backend,
			InFlight: &s.inFlight,
		}
		if s.single.ErrorLog == nil {
			s.single.ErrorLog = log.Default()
		}
	})
	return s.backend.Serve(l, s.single.Limits.MaxConns, s.single.ErrorLog, s.single.Handle)
}

// Shutdown stops accepting and waits for the requests that are going on. If ctx ends before they do, it cancels their
// contexts and returns ctx's error; Close then ends what is left.
func (s *Server) Shutdown(ctx context.Context) error { return s.backend.Shutdown(ctx) }

// Close stops at once: it closes all connections and cancels the requests' contexts, and does not wait for applications.
func (s *Server) Close() error { return s.backend.Close() }
