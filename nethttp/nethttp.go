package nethttp

import (
	"net/http"
	"strings"

	"example.com/gateway"
)

// Handler returns app as an http.Handler, for a place in an http.Server or in a ServeMux.
//
// The environ's Vars are GATEWAY_INTERFACE, QUERY_STRING, REMOTE_ADDR, REMOTE_PORT, REQUEST_METHOD, REQUEST_URI, SCRIPT_NAME,
// PATH_INFO, SERVER_NAME, SERVER_PORT, SERVER_PROTOCOL, SERVER_SOFTWARE, CONTENT_TYPE and CONTENT_LENGTH, as far as they apply,
// and HTTP_ variables for the headers. SERVER_NAME is the address that the client has connected to, "[::1]" for IPv6, and localhost
// for a Unix socket: never the Host header, which is HTTP_HOST and the client's word. PATH_INFO is decoded, an encoded slash too;
// REQUEST_URI is as it was sent. What http.StripPrefix has taken from the path is in SCRIPT_NAME. Headers with "_" in their
// name are dropped, since "X_User" would pass for "X-User"; so is Proxy. A body of unknown length has no CONTENT_LENGTH and an
// HTTP_TRANSFER_ENCODING that says chunked, under HTTP/2 too. What handlers around this one set with context.WithValue is in
// the Context.
//
// Under TLS there are HTTPS=on, SSL_PROTOCOL, SSL_CIPHER (by its IANA name), SSL_SESSION_RESUMED, SSL_TLS_SNI and
// SSL_CLIENT_VERIFY, which is NONE, GENEROUS for a certificate that nobody has verified, or SUCCESS. Only with SUCCESS there
// are SSL_CLIENT_S_DN, SSL_CLIENT_S_DN_CN, SSL_CLIENT_I_DN, SSL_CLIENT_M_SERIAL, SSL_CLIENT_V_START and SSL_CLIENT_V_END.
//
// Extra is nil but under TLS, where "nethttp.tls" is the *tls.ConnectionState. [EarlyHints] and [Trailers] have what only HTTP has.
//
// Errors goes to the http.Server's ErrorLog. Multithread is true; Multiprocess and RunOnce are false. The Context ends with
// gateway.ErrDisconnected when net/http notices that the client is gone, which under HTTP/1 is once the body was read to its
// end; with context.DeadlineExceeded when a Read of Input has met a deadline that somebody has set, such as the http.Server's
// ReadTimeout; and otherwise with the cause that the request's context has: let a BaseContext end with gateway.ErrShutdown.
//
// Each block of a body is flushed. A file (gateway.Reader of an *os.File) goes by sendfile(2), or what the system has like it, where
// net/http can do that: under HTTP/1 without TLS, with a Content-Length that the application has declared, and, if a handler around
// this one has a ResponseWriter of its own, with one that is an io.ReaderFrom.
//
// A response that breaks is cut off by panic(http.ErrAbortHandler), after Close, which closes the connection or resets the stream.
// The reason of a status is net/http's; a Content-Type is never guessed. An application may read its body while it sends (full
// duplex). What it leaves unread is read and dropped, up to 64 MiB and 5 seconds. Upgrades (WebSocket) are not possible. The limits
// are the http.Server's, whose zero value has no timeouts.
func Handler(app gateway.Application) http.Handler { return &handler{app: app} }

// Mount is Handler for an application that is mounted under a path: with the prefix "/blog" the request for /blog/2026 has
// SCRIPT_NAME "/blog" and PATH_INFO "/2026", the one for /blog has an empty PATH_INFO, and the one for /blogger is not found:
//
//	mux.Handle("/blog/", nethttp.Mount("/blog", app))
//
// A slash at the end of the prefix makes no difference. It panics if there is none at the start, unless the prefix is empty.
func Mount(prefix string, app gateway.Application) http.Handler {
	if prefix != "" && prefix[0] != '/' {
		panic("nethttp: the prefix " + prefix + " does not start with a slash")
	}
	return &handler{app: app, prefix: strings.TrimRight(prefix, "/")}
}

// Application returns h as an application, for any server. nil is http.DefaultServeMux.
//
// The request's URL has the whole path, SCRIPT_NAME and PATH_INFO, and no host: to mount h, wrap it with http.StripPrefix, as under
// net/http. The path comes from REQUEST_URI, encoded as the client sent it, if that says the same as SCRIPT_NAME and PATH_INFO
// or these are both empty, and else from these. Host is HTTP_HOST or else SERVER_NAME. Header has the HTTP_ variables that are
// not empty, repeated headers as one value; one whose name no host makes of a header's, such as HTTP_X-User, is left out, since it
// would pass for the real one. ContentLength is -1 if CONTENT_LENGTH is missing but there is a body: whether there is one,
// is asked of Input, before h runs, unless HTTP_TRANSFER_ENCODING says it. TLS is not nil for https, and complete only under
// [Handler]. Everything else is in [Environ].
//
// The ResponseWriter does what net/http's does: an implicit 200, a guessed Content-Type, a Content-Length for a small response
// (up to 4096 bytes that were not flushed), HEAD, 204, 205 and 304 without a body, http.ErrContentLength. A superfluous WriteHeader is
// said in Errors. http.ResponseController can flush, and EnableFullDuplex, which always is; anything else is
// http.ErrNotSupported. A 103 and trailers are sent under Handler and dropped elsewhere. Connection, Transfer-Encoding and
// other headers about the connection, and Status, are dropped: the server below has its own. A header that start refuses, such
// as one with a line break, makes the response a 500, where net/http would replace it.
//
// A panic with http.ErrAbortHandler breaks the response without a stack in the log; any other is for the server. h must not use
// its ResponseWriter after it has returned; it gets gateway.ErrEnded.
func Application(h http.Handler) gateway.Application {
	if h == nil {
		h = http.DefaultServeMux
	}
	return &application{h}
}

// Environ returns the environ of a request that came through [Application], or nil: for SCRIPT_NAME, PATH_INFO, REMOTE_USER and all
// that an http.Request has no place for. It is for reading.
func Environ(r *http.Request) *gateway.Environ {
	env, _ := r.Context().Value(environKey{}).(*gateway.Environ)
	return env
}

type environKey struct{}
