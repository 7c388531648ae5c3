package nethttp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/gateway"
	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/request"
)

// Handler returns app as an http.Handler, for an http.Server or a ServeMux. It may be called
// concurrently, and then calls app concurrently.
//
// Vars has GATEWAY_INTERFACE, REQUEST_METHOD, REQUEST_URI, SCRIPT_NAME, PATH_INFO, QUERY_STRING,
// SERVER_NAME, SERVER_PORT, SERVER_PROTOCOL, SERVER_SOFTWARE, REMOTE_ADDR, REMOTE_PORT,
// CONTENT_TYPE and CONTENT_LENGTH, as far as the request has them, and an HTTP_ variable for each
// other header:
//
//   - SERVER_NAME is the address to which the client has connected: "192.0.2.1", "[::1]" for IPv6,
//     localhost for a Unix socket. The Host header, which the client is free to choose, is
//     HTTP_HOST.
//   - REQUEST_URI is as the client has sent it. PATH_INFO is decoded, an encoded slash too.
//   - SCRIPT_NAME is the part of the path that http.StripPrefix has taken away.
//   - A header with a "_" in its name has no variable, since "X_User" would pass for "X-User".
//     Neither has Proxy, which libraries take for configuration.
//   - A body of unknown length has no CONTENT_LENGTH. HTTP_TRANSFER_ENCODING then says chunked,
//     under HTTP/2 too.
//
// Under TLS, Vars also has HTTPS=on, SSL_PROTOCOL, SSL_CIPHER (the IANA's name of it), SSL_TLS_SNI,
// SSL_SESSION_RESUMED and SSL_CLIENT_VERIFY. The last is NONE if the client has sent no
// certificate, GENEROUS if nobody has verified it, and SUCCESS otherwise. Only with SUCCESS there
// are SSL_CLIENT_S_DN, SSL_CLIENT_S_DN_CN, SSL_CLIENT_I_DN, SSL_CLIENT_M_SERIAL, SSL_CLIENT_V_START
// and SSL_CLIENT_V_END. Extra["nethttp.tls"] is the *tls.ConnectionState; without TLS, Extra is
// nil.
//
// Errors is the http.Server's ErrorLog. Multithread is true, Multiprocess and RunOnce are false.
// The Context has the values that other handlers have put into the request's. It ends
//
//   - with gateway.ErrDisconnected when the client is gone. Under HTTP/1, net/http notices that
//     once the body was read to its end;
//   - with context.DeadlineExceeded when a Read of Input meets a deadline that somebody has set,
//     such as the http.Server's ReadTimeout;
//   - with the cause that the request's own context has. Let an http.Server's BaseContext end with
//     gateway.ErrShutdown; [Server] does that.
//
// The client gets each block of the body when the application yields it. A file, which is a
// gateway.Reader of an *os.File, goes out by sendfile(2) where net/http can do that: under HTTP/1
// without TLS, for a response that has a Content-Length. A handler between, with a ResponseWriter
// of its own, must pass on io.ReaderFrom for that, and Flush for the blocks.
//
// net/http writes its own reason behind the status. Nobody guesses a Content-Type. A response that
// is cut off ends with panic(http.ErrAbortHandler), after the body's Close: net/http then closes
// the connection or resets the stream. A client of HTTP/1.0, such as nginx's proxy_pass by default,
// takes a response without a Content-Length for whole then, since the connection's end is that of
// the response. [Server] resets the connection there; an application under another http.Server
// declares the length.
//
// CONNECT is answered with a 501, and a target that is no path, such as "a:b", with a 400; no
// application sees them. The target "*" of OPTIONS has an empty PATH_INFO; http.ServeMux and, by
// default, http.Server answer it by themselves.
//
// The application may read its body while it sends its response. Under HTTP/1 a client that waits
// for a 100 (Continue) gets that by the first Read, or never if the response has begun before: from
// Go 1.27 on, the body cannot be read then. Handler reads and drops the bytes that the application
// has left, up to 64 MiB and for up to 5 seconds, so that the client gets to read the response.
// Upgrades, such as WebSocket, are not possible: docs/websocket.md has the way beside. Limits are
// the http.Server's, whose zero value has no timeout, and whose WriteTimeout begins with the
// request: it also runs while the application takes its time. [Server] has limits that are on, and
// a WriteTimeout for the client alone.
func Handler(app gateway.Application) http.Handler { return Mount("", app) }

// Mount is [Handler] for an application below a path. With the prefix "/blog", the request for
// /blog/2026 has SCRIPT_NAME "/blog" and PATH_INFO "/2026", the request for /blog has an empty
// PATH_INFO, and the request for /blogger is answered with a 404:
//
//	mux.Handle("/blog/", nethttp.Mount("/blog", app))
//
// A slash at the end of the prefix makes no difference. Mount panics if there is none at its start,
// unless the prefix is empty.
func Mount(prefix string, app gateway.Application) http.Handler {
	if !isPrefix(prefix) {
		panic("nethttp: Mount: the prefix " + prefix + " does not start with a slash")
	}
	return newHandler(app, prefix, noLimits, context.Background())
}

// A handler is an application as an http.Handler.
type handler struct {
	app      gateway.Application
	prefix   string          // "" or "/blog"
	limits   request.Limits  // with defaults; a timeout of 0 is none
	stopping context.Context // when it has ended, each response says that the connection ends
	local    atomic.Pointer[local]
}

// noLimits are the limits of Handler: an http.Server has its own.
var noLimits = request.Limits{
	MaxHeaders: -1, MaxHeaderBytes: -1, MaxBodyBytes: -1, ReadTimeout: -1, WriteTimeout: -1,
}

func newHandler(app gateway.Application, prefix string, limits request.Limits, stopping context.Context) *handler {
	return &handler{
		app: app, prefix: strings.TrimRight(prefix, "/"), limits: limits.WithDefaults(), stopping: stopping,
	}
}

func isPrefix(prefix string) bool { return prefix == "" || prefix[0] == '/' }

// An exchange is one request and its response, of which it is the transport. No exchange is used
// for a second request, so that whatever an application keeps of one request cannot reach another.
type exchange struct {
	h       *handler
	w       http.ResponseWriter
	r       *http.Request
	conn    *conn // of a Server; nil under any other http.Server
	env     gateway.Environ
	ctx     lazyctx.Context
	unwatch atomic.Pointer[func() bool] // ends the watching of r's context; nil if nobody watches

	isTunnel bool // the client wants one, and what follows its request is no request

	// The response. Only the goroutine of Respond touches these.
	code   int  // of the head, once net/http has it
	closes bool // the head says that the connection ends with the response
	whole  bool // net/http has all of the response

	isLate     atomic.Bool // a Read of the body has met a deadline
	isAnswered atomic.Bool // the client is getting the last byte of the response, or has it

	// Goroutines that the application has left behind may touch these.
	mu      sync.Mutex
	isOver  bool // the response is over, and the deadlines are net/http's again
	isRead  bool // a Read of the body has begun
	body    bodyState
	reads   int           // of the body, that are going on
	allRead chan struct{} // closed when no Read is going on any more; nil if nobody waits for that
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(w, r, nil, nil) }

// serve calls the application for a request, or refuses the request if refusal says why no
// application should see it. c is the connection, if a Server has accepted it.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, c *conn, refusal error) {
	script, path, ok := h.paths(r)
	x := &exchange{h: h, w: w, r: r, conn: c}
	x.endWrite() // net/http has set a deadline, from the request's head on
	x.ctx.Init((*parent)(x), x)
	x.env = *new(gateway.Environ).WithContext(&x.ctx)
	x.env.Errors, x.env.Multithread = (*errorLog)(x), true
	if err := h.fill(&x.env, r, script, path); refusal == nil {
		refusal = err
	}
	app := h.app
	switch {
	case refusal != nil:
		app = request.Refuse(refusal)
		x.isTunnel = errors.Is(refusal, request.ErrConnect)
	case !ok:
		app = gateway.ApplicationFunc(notFound)
	}
	x.beginBody()
	x.respond(app)
	if !x.whole {
		panic(http.ErrAbortHandler) // net/http cuts the response off, and writes nothing into the log
	}
	x.finishBody()
	x.startWrite() // net/http sends the last chunk when the handler has returned
}

// notFound is the application of a request for what is not mounted here.
func notFound(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("404 Not Found", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
	return gateway.Text("404 Not Found\n"), err
}

// respond calls the application. Then everything is useless that the application may have kept,
// also when the application has ended the goroutine.
func (x *exchange) respond(app gateway.Application) {
	returned := false
	defer func() {
		x.mu.Lock()
		x.isOver = true
		x.mu.Unlock()
		x.ctx.Cancel(gateway.ErrEnded)
		if !returned || !x.whole { // net/http closes the connection
			x.dropBody()
		}
		if unwatch := x.unwatch.Load(); unwatch != nil {
			(*unwatch)()
		}
	}()
	_ = gateway.Respond(app, &x.env, x)
	returned = true
}

// ended reports whether the response is over.
func (x *exchange) ended() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.isOver
}
