package host

import (
	"context"
	"io"
	"strings"
	"time"

	"example.com/gateway"
)

// A FastCGI is an [gateway.Application] that passes requests on to a FastCGI server, such as
// PHP-FPM. It must not be copied once it is used. Its methods may be called concurrently.
//
// A response is whole only if the server says so with END_REQUEST, and does not say in it that it
// has refused the request, or that the program has failed (an appStatus other than 0). Otherwise
// the response is cut off, also where the end of the connection looks like the end of the response.
//
// A request that is given up is aborted at the server (ABORT_REQUEST), and its connection closed.
// PHP ends a script at its next output then.
//
// Variables that the protocol cannot carry get a 431: a name and its value must fit into one
// record, of 65,535 bytes, since PHP takes no pair in two. All may have 1 MiB.
type FastCGI struct {
	// Addresses are where the server listens: "unix:/run/php/php8.2-fpm.sock", or
	// "tcp:127.0.0.1:9000". Several are used in turn. An address that takes no connection gets no
	// requests for five seconds, unless none takes one. A request that meets such an address goes
	// on to the next, and gets a 502 behind the last.
	Addresses []string

	// Scripts says how a path leads to a script, for PHP. A server that is one application, such as
	// this module's, needs no Scripts.
	Scripts Scripts

	Options

	// ConnectTimeout is how long a connection to an address may take to be made: 5 seconds. A
	// negative number is no limit but HeadTimeout.
	ConnectTimeout time.Duration

	// MaxIdle is how many connections to each address are kept for other requests: none. A worker
	// of PHP-FPM serves nobody else while a connection to it is kept, so MaxIdle must be smaller
	// than the number of workers. A connection that nobody has used for 30 seconds is closed.
	//
	// Only a GET, HEAD or OPTIONS without a body takes a kept connection, which the server may be
	// about to close: if the server has closed it without a byte of an answer, the request is sent
	// again on a new one. No other request is ever sent twice.
	MaxIdle int

	dialer dialer
	pool   pool
}

var _ gateway.Application = (*FastCGI)(nil)

// Call implements gateway.Application.
func (f *FastCGI) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return f.serveScript(env, start, &f.Scripts, func(string) protocol {
		return protocol{name: "FastCGI " + strings.Join(f.Addresses, ","), collects: true, open: f.open}
	})
}

// CloseIdleConnections closes the connections that are kept for other requests and that are not in
// use.
func (f *FastCGI) CloseIdleConnections() { f.pool.sweep(&f.dialer, time.Now()) }

// open is that of the protocol.
func (f *FastCGI) open(
	ctx context.Context, vars []variable, b *body, log io.Writer,
) (session, error) {
	order, err := f.dialer.order(f.Addresses)
	if err != nil {
		return nil, err
	}
	isBodyless := b.isEmpty() // a small body goes into the request
	s := &fastCGISession{f: f, ctx: ctx, order: order}
	s.answer.id, s.answer.log, s.answer.script = 1, log, valueOf(vars, "SCRIPT_FILENAME")
	if f.MaxIdle > 0 {
		s.answer.id = f.pool.nextID()
	}
	if s.request, err = newFastCGIRequest(s.answer.id, f.MaxIdle > 0, vars, b); err != nil {
		return nil, err
	}
	s.isSent = b.isEmpty()
	if f.MaxIdle > 0 && isBodyless && isSafe(valueOf(vars, "REQUEST_METHOD")) {
		s.conn = f.pool.take(&f.dialer, order[0])
	}
	if s.isKept = s.conn != nil; !s.isKept {
		if s.conn, err = s.connect(); err != nil {
			s.forgetRequest()
			return nil, err
		}
	}
	s.send()
	return s, nil
}

// isSafe reports whether a request with the method may be sent twice.
func isSafe(method string) bool { return method == "GET" || method == "HEAD" || method == "OPTIONS" }

// valueOf returns the value of a variable, or an empty string.
func valueOf(vars []variable, name string) string {
	for _, v := range vars {
		if v.name == name {
			return v.value
		}
	}
	return ""
}
