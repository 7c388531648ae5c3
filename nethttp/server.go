package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"example.com/gateway"
	"example.com/gateway/internal/acceptor"
	"example.com/gateway/request"
)

// Serve accepts HTTP connections from l and serves app on them, with the limits of a zero [Server].
// It returns what [Server.Serve] returns.
func Serve(l net.Listener, app gateway.Application) error {
	return (&Server{Application: app}).Serve(l)
}

// A Server is an HTTP server for one application. Its zero value needs no more than an Application,
// and has all limits on: a zero limit or timeout is the default that [request.Limits] documents,
// and a negative one is none. The fields must not be changed once Serve or ServeTLS was called. The
// methods may be called concurrently.
//
// The application finds what [Handler] documents. The Context also ends with gateway.ErrShutdown
// when Shutdown has run out of time or Close is called.
//
// A client of HTTP/1.0 can tell a response that was cut off, also without a Content-Length: the
// Server resets the TCP connection. A Unix socket has no reset. There only the length tells.
//
// net/http reads the requests, and decides some things that RFC 9112 has otherwise:
//
//   - An empty line before a request is a 400, except behind the body of a POST.
//   - A Transfer-Encoding in HTTP/1.0 is ignored. The chunks pass for the next request, if the
//     connection is kept.
//   - A Content-Length beside a Transfer-Encoding is ignored, and the connection is kept.
//   - The Context does not end when a client leaves that has sent more bytes while its request was
//     going on. A write notices.
//
// A web server in front that reads the requests itself, as nginx does, passes none of these on.
//
// About the limits:
//
//   - ReadTimeout is for the next bytes of a body; in a body of unknown length, for the next 16
//     KiB. When it has passed, Input returns os.ErrDeadlineExceeded, and the Context ends with
//     context.DeadlineExceeded.
//   - WriteTimeout is for a block, or for 64 KiB of a larger block or of a file. When it has
//     passed, the client counts as gone, even if it has accepted a part of the 64 KiB, and the
//     connection is closed or the stream reset.
//   - The application and the source of its body may take their time, which counts for no timeout.
//     So may a client that is slow and keeps going.
//   - MaxHeaderBytes and MaxHeaders count variables, of which a request has about a dozen more than
//     headers. If the headers are 4 KiB longer than MaxHeaderBytes, net/http sends the 431 by
//     itself, and the log gets no line.
//   - MaxConns counts a connection until it is closed and no request of it is going on any more.
//   - Under HTTP/2, ReadHeaderTimeout is for the TLS handshake only.
type Server struct {
	// Application is called for each request, concurrently.
	Application gateway.Application

	request.Limits

	// Prefix is the path below which the application is mounted, as in [Mount]. Any other path is a
	// 404.
	Prefix string

	// TLSConfig is for ServeTLS, which makes a copy. If NextProtos is empty, it is h2 and http/1.1.
	TLSConfig *tls.Config

	// ErrorLog gets what the application writes to Environ.Errors, and what goes wrong outside of
	// requests. nil is the standard logger.
	ErrorLog *log.Logger

	once     sync.Once // for init
	log      *log.Logger
	handler  *handler
	http     http.Server // reads the requests of a connection
	acceptor acceptor.Server
	requests atomic.Int64 // that are going on

	stopping context.Context // ends when Shutdown or Close is called
	stop     context.CancelFunc
}

// Serve accepts connections from l until Shutdown or Close, and then returns gateway.ErrShutdown.
// It returns another error if accepting has failed for good, or a field makes no sense. An error
// that passes by itself, such as too many open files, is logged, and Serve tries again. Serve
// closes l.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, nil) }

// ServeTLS is Serve for connections with TLS, over HTTP/1 and HTTP/2. certFile has the certificate,
// followed by those of its issuers, and keyFile the private key. Both may be "" if TLSConfig has
// Certificates, GetCertificate or GetConfigForClient. ServeTLS also returns an error if it cannot
// read the files.
func (s *Server) ServeTLS(l net.Listener, certFile, keyFile string) error {
	config := s.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	hasCertificate := len(config.Certificates) > 0 || config.GetCertificate != nil || config.GetConfigForClient != nil
	if !hasCertificate || certFile != "" || keyFile != "" {
		certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			l.Close()
			return fmt.Errorf("nethttp: ServeTLS: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	return s.serve(l, config)
}

// serve is Serve, with TLS if config is not nil.
func (s *Server) serve(l net.Listener, config *tls.Config) error {
	switch {
	case s.Application == nil:
		l.Close()
		return errors.New("nethttp: Server.Application is nil: set it to the application to serve")
	case !isPrefix(s.Prefix):
		l.Close()
		return fmt.Errorf("nethttp: Server.Prefix is %q: let it start with a slash", s.Prefix)
	}
	s.once.Do(s.init)
	return s.acceptor.Serve(l, s.handler.limits.MaxConns, s.log, func(nc *acceptor.Conn) {
		s.serveConn(nc, config)
	})
}

func (s *Server) init() {
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.handler = newHandler(s.Application, s.Prefix, s.Limits, s.stopping)
	if s.log = s.ErrorLog; s.log == nil {
		s.log = log.Default()
	}
	limits := &s.handler.limits
	s.http = http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP),
		ReadHeaderTimeout: limits.ReadHeaderTimeout,
		IdleTimeout:       limits.IdleTimeout,
		MaxHeaderBytes:    limits.MaxHeaderBytes,
		// For what net/http answers by itself, such as a 400: an exchange takes this deadline away.
		WriteTimeout: limits.WriteTimeout,
		// A deadline of a stream leaves the connection to a client that reads nothing at all.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: limits.WriteTimeout},
		// The answer of net/http to OPTIONS * waits for a body without a bound in time.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     s.log,
		BaseContext:                  func(net.Listener) context.Context { return s.acceptor.Context() },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, connOf(c))
		},
		ConnState: func(c net.Conn, state http.ConnState) { connOf(c).setState(state) },
	}
	limitHeaders(&s.http, limits.MaxHeaders)
}

// serveHTTP is the http.Handler of all connections.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	if !c.begin() {
		panic(http.ErrAbortHandler) // the connection was closed meanwhile
	}
	defer c.end()
	defer s.requests.Add(-1)
	if s.requests.Add(1) > int64(s.handler.limits.MaxRequests) {
		s.handler.serve(w, r, c, request.ErrOverloaded)
		return
	}
	s.handler.serve(w, r, c, nil)
}

// Shutdown stops the server so that no request is lost. It stops accepting, tells the clients with
// each response that the connection ends, and waits for the requests that are going on. A request
// that is on its way is answered: Shutdown closes a connection on which no request is going on
// after half a second, or after two seconds if the connection has sent nothing yet. If ctx ends
// before that is done, Shutdown ends the requests' contexts and returns ctx's error. Close then
// closes the connections that are left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(s.init)
	s.stop()
	return s.acceptor.Shutdown(ctx)
}

// Close stops at once: it ends the requests' contexts and closes the listeners and all connections.
// It does not wait for applications, whose reads and writes fail from then on.
func (s *Server) Close() error {
	s.once.Do(s.init)
	s.stop()
	return s.acceptor.Close()
}
