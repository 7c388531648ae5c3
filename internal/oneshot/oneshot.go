// Package oneshot serves protocols that have one request on a connection: first the variables, then
// the body, and a response that ends with the connection. SCGI and uwsgi are such
// protocols. Each adds how the variables and the head of a response look on the wire.
package oneshot

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/gateway"
	"example.com/gateway/internal/acceptor"
	"example.com/gateway/request"
)

// A Protocol is the part of a server that differs between the protocols.
type Protocol struct {
	Name string // for the log

	// ReadVars reads the variables and calls add for each. max is the number of bytes that they may
	// have. ReadVars returns the error of add, or request.ErrHeaderTooLarge, for a request that
	// gets an answer. After any other error the connection is closed: a host that does not speak
	// the protocol would not understand an answer.
	ReadVars func(r *bufio.Reader, max int, add func(name, value string) error) error

	// AppendHead appends the head of a response to b. serverProtocol is SERVER_PROTOCOL as the host
	// has sent it, also if the request is refused for it.
	AppendHead func(b []byte, status string, headers gateway.Headers, serverProtocol string) []byte

	// Chunks says that a host passes on the chunks of a body as the client has sent them. Otherwise
	// a body in chunks gets a 411.
	Chunks bool
}

// A Server serves one protocol. The zero value is ready. Its methods may be called concurrently.
type Server struct {
	// Set by the first Serve, and read only after that.
	once     sync.Once
	protocol *Protocol
	app      gateway.Application
	limits   request.Limits // with defaults
	log      *log.Logger

	acceptor acceptor.Server
	inFlight atomic.Int64 // requests that are going on
}

// Serve accepts connections from l, as acceptor.Server.Serve does, and serves one request on each.
// All calls must have the same arguments but for l, which Serve closes. A nil logger is the
// standard one.
func (s *Server) Serve(l net.Listener, protocol *Protocol, app gateway.Application,
	limits request.Limits, logger *log.Logger) error {
	if app == nil {
		l.Close()
		return errors.New(protocol.Name + ": Server.Application is nil: set it to the application to serve")
	}
	s.once.Do(func() {
		s.protocol, s.app, s.limits, s.log = protocol, app, limits.WithDefaults(), logger
		if logger == nil {
			s.log = log.Default()
		}
	})
	return s.acceptor.Serve(l, s.limits.MaxConns, s.log, s.handle)
}

// Shutdown stops the server as acceptor.Server.Shutdown does.
func (s *Server) Shutdown(ctx context.Context) error { return s.acceptor.Shutdown(ctx) }

// Close stops the server as acceptor.Server.Close does.
func (s *Server) Close() error { return s.acceptor.Close() }

// handle serves one connection.
func (s *Server) handle(nc *acceptor.Conn) {
	defer nc.Close()
	c := newConn(s, nc)
	vars := request.Builder{Limits: s.limits}
	err := c.readVars(&vars)
	switch {
	case err == nil, err == request.ErrHeaderTooLarge:
	case acceptor.IsHangUp(err), err == io.ErrUnexpectedEOF: // the request never became whole
		return
	default:
		s.log.Printf("%s: %v: %v", s.protocol.Name, nc.RemoteAddr(), err)
		return
	}
	if nc.SetBusy() {
		c.respond(&vars, err)
	}
}

// ReadString reads n bytes, for a Protocol's ReadVars. It takes memory for the bytes that have
// come, not for those that were announced.
func ReadString(r *bufio.Reader, n int) (string, error) {
	var b strings.Builder
	b.Grow(min(n, r.Size()))
	for n > 0 {
		if _, err := r.Peek(1); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
		p, _ := r.Peek(min(n, r.Buffered()))
		b.Write(p)
		n -= len(p)
		_, _ = r.Discard(len(p))
	}
	return b.String(), nil
}

// An errorLog is the Errors of a request. The protocols have no way to the host's log.
type errorLog Server

func (l *errorLog) Write(p []byte) (int, error) {
	l.log.Printf("%s", p)
	return len(p), nil
}
