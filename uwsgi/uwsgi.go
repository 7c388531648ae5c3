// Package uwsgi serves an application over the uwsgi protocol, in which nginx and Apache speak to
// the server uWSGI. The protocol has one request on a connection.
//
//	func main() {
//		l, err := net.Listen("unix", "/run/app.sock")
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(uwsgi.Serve(l, app))
//	}
//
// The host says who the client is, and nothing in the protocol says who the host is. So nobody but
// the host may be able to connect to the socket.
package uwsgi

import (
	"context"
	"log"
	"net"

	"example.com/gateway"
	"example.com/gateway/internal/oneshot"
	"example.com/gateway/request"
)

// Serve accepts uwsgi connections from l and serves app on them, with the limits of a zero
// [Server]. It returns what [Server.Serve] returns.
func Serve(l net.Listener, app gateway.Application) error {
	return (&Server{Application: app}).Serve(l)
}

// A Server serves one application. No field may be changed once Serve was called.
//
// The environ's Vars are the variables that the host sends, with defaults for SERVER_NAME,
// SERVER_PORT and SERVER_PROTOCOL. REQUEST_URI is there if the host sends it, as all known hosts
// do. Errors goes to ErrorLog. Multithread is true. Multiprocess is true as well, since a host may
// address several processes. RunOnce is false.
//
// The Context ends with gateway.ErrDisconnected when a write finds that the host is gone. If the
// application has asked for Done or Err, it also ends so when the host closes the connection, once
// the body is read. It ends with context.DeadlineExceeded when a read of the body runs into
// ReadTimeout, and with gateway.ErrShutdown when Shutdown has run out of time.
//
// Each connection has one request and is closed after it. So IdleTimeout has no effect, and
// MaxRequests has one only if it is less than MaxConns. A packet of the protocol has less than 64
// KiB of variables, whatever MaxHeaderBytes allows. A request has a CONTENT_LENGTH, or chunks, which
// the server decodes, or no body. HTTP_TRANSFER_ENCODING is then "chunked", as with every server
// here that has decoded a body, and trailers are dropped. uWSGI's router sends chunks with
// http-chunked-input. A request in another transfer coding gets a 411.
//
// A response that was cut off ends with a reset of the connection over TCP. Over a Unix socket the
// host can tell only by a Content-Length.
type Server struct {
	// Application is called for each request, concurrently.
	Application gateway.Application

	// Limits has limits and timeouts. They are on by default.
	request.Limits

	// ErrorLog gets the entries of Environ.Errors, and reports of connections that have no request.
	// nil is the standard logger.
	ErrorLog *log.Logger

	server oneshot.Server
}

// Serve accepts connections from l until Shutdown or Close, and then returns gateway.ErrShutdown.
// An error of Accept that passes by itself, such as too many open files, is logged, and Serve tries
// again. Serve returns any other error, and one if Application is nil. It closes l.
//
// Serve may be called more than once, for several listeners, also concurrently.
func (s *Server) Serve(l net.Listener) error {
	return s.server.Serve(l, &protocol, s.Application, s.Limits, s.ErrorLog)
}

// Shutdown stops accepting and waits for the requests that are going on. If ctx ends before they
// do, Shutdown ends their contexts and returns ctx's error. Close then ends what is left.
func (s *Server) Shutdown(ctx context.Context) error { return s.server.Shutdown(ctx) }

// Close stops at once: it closes all connections and ends the requests' contexts. It does not wait
// for applications.
func (s *Server) Close() error { return s.server.Close() }
