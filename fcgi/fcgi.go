// Package fcgi serves an application over FastCGI 1.0, in the Responder role: the persistent form of CGI, behind nginx,
// Apache, lighttpd, Caddy or HAProxy.
//
//	func main() {
//		l, err := net.Listen("unix", "/run/app.sock")
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(fcgi.Serve(l, app))
//	}
//
// Connections are kept when the host asks for it, and requests multiplexed on one of them do not wait for each other: not for
// a slow application, nor for one that leaves its body unread. Only a response that breaks while others go on is seen to be broken
// when these have ended, since FastCGI has no other sign for that than the end of the connection. Nothing is configured from the network; the host is trusted
// to say who the client is, so the socket must be the host's alone (a Unix socket's mode, or FCGI_WEB_SERVER_ADDRS).
package fcgi

import (
	"context"
	"errors"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
)

// Serve accepts FastCGI connections from l and serves app on them, with the limits of a zero [Server]. If l is nil, it is
// the process's stdin: a host or a process manager that starts a FastCGI program hands it its listening socket there (2.2).
// It returns what [Server.Serve] returns.
func Serve(l net.Listener, app gateway.Application) error {
	return (&Server{Application: app}).Serve(l)
}

// A Server serves one application. Fields must not be changed once Serve was called. In limits and timeouts, zero is the default
// that the comment gives and a negative number is none.
//
// The environ's Vars are the parameters that the host sends, with defaults for SERVER_NAME, SERVER_PORT and SERVER_PROTOCOL;
// REQUEST_URI is there if the host sends it, as all do. Caddy says with a CONTENT_LENGTH of -1 that it does not know: it counts as
// absent. Errors goes to the host's log, by FCGI_STDERR, and to ErrorLog. Multithread is true, Multiprocess too, since hosts start
// or address several; RunOnce is false.
//
// The Context ends with gateway.ErrDisconnected when the host sends ABORT_REQUEST or, once Done was asked for, closes the
// connection, with context.DeadlineExceeded when a body that is being read does not come, and with gateway.ErrShutdown when Shutdown
// has run out of time.
//
// A body that comes faster than it is read is kept: 256 KiB of it in memory, 4 MiB for a connection, and up to 1 GiB in a file in
// os.TempDir. Then the host has to wait; an application that reads nothing for 10 seconds while it does loses the rest of its body.
type Server struct {
	// Application is called for each request, concurrently.
	Application gateway.Application

	// MaxConns is how many connections are open at a time, 10000; more wait in the kernel.
	MaxConns int

	// MaxRequests is how many requests are going on at a time, 10000. More get a 503 and FCGI_OVERLOADED. More than 1000 on one
	// connection get FCGI_OVERLOADED alone.
	MaxRequests int

	// MaxHeaderBytes is the size of a request's parameters, 1 MiB. More get a 431. Requests of one connection that have not all of
	// their parameters yet share it.
	MaxHeaderBytes int

	// MaxHeaders is the number of a request's parameters, 1000. More get a 431.
	MaxHeaders int

	// MaxBodyBytes is the size of a request's body; unlimited if 0. A longer CONTENT_LENGTH gets a 413, and a body of
	// unknown length ends with an error that wraps gateway.ErrContentLength.
	MaxBodyBytes int64

	// ReadHeaderTimeout is how long a request's parameters may take, 30 seconds.
	ReadHeaderTimeout time.Duration

	// ReadTimeout is how long the next bytes of a body may take, 60 seconds. Unlike net/http's it is not for the whole
	// body, so that it can be on by default.
	ReadTimeout time.Duration

	// WriteTimeout is how long the host may take to accept a block, or 256 KiB of a larger one, 60 seconds. It is renewed when a
	// quarter of it has passed.
	WriteTimeout time.Duration

	// IdleTimeout is how long a connection is kept for the next request, 5 minutes: longer than hosts do.
	IdleTimeout time.Duration

	// ErrorLog gets what is written to Environ.Errors, and what goes wrong outside of requests; nil is the standard logger.
	ErrorLog *log.Logger

	once     sync.Once
	limits   backend.Limits
	log      *log.Logger
	backend  backend.Server
	inFlight atomic.Int64
	watch    watch
}

// Serve accepts connections from l, or from stdin if l is nil, until Shutdown or Close, and then returns gateway.ErrShutdown.
// It returns another error when accepting failed for good; errors that pass, such as too many open files, are retried. It
// closes l. If the environment has FCGI_WEB_SERVER_ADDRS, TCP connections from elsewhere are closed (3.2).
func (s *Server) Serve(l net.Listener) error {
	if s.Application == nil {
		return errors.New("fcgi: no Application to serve")
	}
	if l == nil {
		var err error
		if l, err = net.FileListener(os.Stdin); err != nil {
			return err
		}
	}
	s.once.Do(func() {
		s.limits = backend.Limits{
			MaxConns: s.MaxConns, MaxRequests: s.MaxRequests, MaxHeaderBytes: s.MaxHeaderBytes, MaxHeaders: s.MaxHeaders,
			MaxBodyBytes: s.MaxBodyBytes, ReadHeaderTimeout: s.ReadHeaderTimeout, ReadTimeout: s.ReadTimeout,
			WriteTimeout: s.WriteTimeout, IdleTimeout: s.IdleTimeout,
		}.WithDefaults()
		if s.log = s.ErrorLog; s.log == nil {
			s.log = log.Default()
		}
	})
	allowed := webServerAddrs()
	return s.backend.Serve(l, s.limits.MaxConns, s.log, func(nc *backend.Conn) {
		if !allowed(nc.RemoteAddr()) {
			s.logf("fcgi: connection from %v, which is not in FCGI_WEB_SERVER_ADDRS", nc.RemoteAddr())
			nc.Close()
			return
		}
		newConn(s, nc).serve()
	})
}

// Shutdown stops accepting, closes idle connections, and waits for the requests that are going on. If ctx ends before they
// do, it cancels their contexts and returns ctx's error; Close then ends what is left.
func (s *Server) Shutdown(ctx context.Context) error { return s.backend.Shutdown(ctx) }

// Close stops at once: it closes all connections and cancels the requests' contexts, and does not wait for applications.
func (s *Server) Close() error { return s.backend.Close() }

func (s *Server) logf(format string, args ...any) {
	s.log.Printf(format, args...)
}

// webServerAddrs returns whether an address is in FCGI_WEB_SERVER_ADDRS, a comma-separated list of IP addresses. Without the
// variable, and for Unix sockets, all are allowed.
func webServerAddrs() func(net.Addr) bool {
	value, found := os.LookupEnv("FCGI_WEB_SERVER_ADDRS")
	if !found {
		return func(net.Addr) bool { return true }
	}
	var list []net.IP
	for _, addr := range strings.Split(value, ",") {
		if ip := net.ParseIP(strings.TrimSpace(addr)); ip != nil {
			list = append(list, ip)
		}
	}
	return func(addr net.Addr) bool {
		tcp, ok := addr.(*net.TCPAddr)
		if !ok {
			return true
		}
		for _, ip := range list {
			if ip.Equal(tcp.IP) {
				return true
			}
		}
		return false
	}
}
