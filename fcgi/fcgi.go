// Package fcgi serves an application over FastCGI 1.0, in the Responder role: the persistent form
// of CGI, behind nginx, Apache, lighttpd, Caddy or HAProxy.
//
//	func main() {
//		l, err := net.Listen("unix", "/run/app.sock")
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(fcgi.Serve(l, app))
//	}
//
// The server keeps connections when the web server asks for that. Requests that are multiplexed on
// one connection do not wait for each other: not for a slow application, nor for an application
// that leaves its body unread. If one of several responses on a connection breaks, its client
// learns of that when the other responses have ended, since FastCGI has no other sign for a broken
// response than the end of the connection. nginx, Apache, lighttpd and HAProxy see that the
// response broke. Caddy, h2o and mod_fcgid see it only if the response declared its length.
//
// Nothing is configured from the network. The web server is trusted to say who the client is, so
// nobody else may reach the socket: a Unix socket has its mode for that, a TCP socket
// FCGI_WEB_SERVER_ADDRS.
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

	"example.com/gateway"
	"example.com/gateway/internal/acceptor"
	"example.com/gateway/request"
)

// Serve accepts FastCGI connections from l and serves app on them, with the limits of a zero
// [Server]. If l is nil, the listening socket is the process's stdin, where a web server or a
// process manager that starts a FastCGI program puts it (FastCGI 1.0, 2.2). Serve returns what
// [Server.Serve] returns.
func Serve(l net.Listener, app gateway.Application) error {
	return (&Server{Application: app}).Serve(l)
}

// A Server serves one application. Its fields must not be changed once Serve was called. Serve may
// be called for several listeners at the same time; Shutdown and Close end all of them.
//
// The environ's Vars are the parameters that the web server sends, with defaults for SERVER_NAME,
// SERVER_PORT and SERVER_PROTOCOL. REQUEST_URI is there if the web server sends it, as all do.
// Errors goes to the web server's log, by FCGI_STDERR, and to ErrorLog. Multithread and
// Multiprocess are true, since web servers start or address several processes; RunOnce is false.
//
// The Context ends with gateway.ErrDisconnected when the web server sends ABORT_REQUEST, or when it
// closes the connection once the application has asked for Done. It ends with
// context.DeadlineExceeded when a body that is being read does not come, and with
// gateway.ErrShutdown when Shutdown has run out of time.
//
// A body that comes faster than the application reads it is kept: 256 KiB of it in memory, 4 MiB
// for all bodies of a connection, and up to 1 GiB of it in a file in os.TempDir. Then the web
// server has to wait. An application that reads nothing for 10 seconds while the web server waits
// loses the rest of its body.
type Server struct {
	// Application is called for each request, concurrently.
	Application gateway.Application

	// Limits has the limits and time-outs. In addition, a request above MaxRequests gets
	// FCGI_OVERLOADED beside the 503, and a request above 1000 on one connection gets
	// FCGI_OVERLOADED alone. Requests of one connection that have not all of their parameters yet
	// share MaxHeaderBytes. WriteTimeout is for 256 KiB of a block that is larger, and is renewed
	// when a quarter of it has passed.
	request.Limits

	// ErrorLog gets what is written to Environ.Errors, and what goes wrong outside of requests; nil
	// is the standard logger.
	ErrorLog *log.Logger

	once     sync.Once
	limits   request.Limits // with defaults
	log      *log.Logger
	acceptor acceptor.Server
	inFlight atomic.Int64
}

// Serve accepts connections from l, or from stdin if l is nil, until Shutdown or Close, and then
// returns gateway.ErrShutdown. It returns another error when accepting has failed for good; it
// tries again after errors that pass, such as too many open files. Serve closes l. If the
// environment has FCGI_WEB_SERVER_ADDRS, Serve closes TCP connections from other addresses (FastCGI
// 1.0, 3.2).
func (s *Server) Serve(l net.Listener) error {
	if s.Application == nil {
		return errors.New("fcgi: Server.Application is nil: set it to the application to serve")
	}
	if l == nil {
		var err error
		if l, err = net.FileListener(os.Stdin); err != nil {
			return err
		}
	}
	s.once.Do(func() {
		s.limits = s.Limits.WithDefaults()
		if s.log = s.ErrorLog; s.log == nil {
			s.log = log.Default()
		}
	})
	allowed := webServerAddrs()
	return s.acceptor.Serve(l, s.limits.MaxConns, s.log, func(nc *acceptor.Conn) {
		if peer := nc.Conn.RemoteAddr(); !allowed(peer) { // not who has connected to a proxy in between
			s.logf("fcgi: connection from %v, which is not in FCGI_WEB_SERVER_ADDRS", peer)
			nc.Close()
			return
		}
		newConn(s, nc).serve()
	})
}

// Shutdown stops the server so that no request is lost. It stops accepting, and answers the
// requests that still come on the connections: the web server cannot know that the server stops. It
// closes a connection on which nothing has been going on for half a second, or for two seconds if
// no request or a part of one has come. After one second it ends each connection together with the
// response that is going on. It returns when all connections are closed. If ctx ends before that,
// Shutdown cancels the requests' contexts and returns ctx's error. Close then ends what is left.
func (s *Server) Shutdown(ctx context.Context) error { return s.acceptor.Shutdown(ctx) }

// Close stops at once: it closes all connections and cancels the requests' contexts, and does not
// wait for applications.
func (s *Server) Close() error { return s.acceptor.Close() }

func (s *Server) logf(format string, args ...any) {
	s.log.Printf(format, args...)
}

// webServerAddrs returns whether an address is in FCGI_WEB_SERVER_ADDRS, a comma-separated list of
// IP addresses. Without the variable, and for Unix sockets, all are allowed.
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
