// Package nethttp connects gateway and net/http, in four ways:
//
//   - [Server], with [Serve] for its defaults, is an HTTP server for an application. It has the
//     limits and the graceful stop of the other servers of this module.
//   - [Handler] and [Mount] make an application an http.Handler, for an http.Server, a ServeMux or
//     a framework that a program has already. [EarlyHints] and [Trailers] add two features of HTTP
//     that PEP 3333 does not have.
//   - [Application] makes an http.Handler an application, so that a Go web framework runs on every
//     server of this module. [Environ] returns the environ to such a handler.
//   - [Request] makes an http.Request of an environ, for an application that wants forms, uploads,
//     cookies or basic authentication from net/http.
//
// For instance:
//
//	log.Fatal(nethttp.Serve(l, app)) // an application over HTTP
//
//	http.Handle("/blog/", nethttp.Mount("/blog", app)) // an application beside handlers
//
//	log.Fatal(fcgi.Serve(l, nethttp.Application(mux))) // handlers over FastCGI
//
// Not every server has every feature of net/http. The table is what a test has found. "The host"
// means that the feature is there if the web server in front has it.
//
//	                                          cgi         fcgi        scgi        uwsgi       nethttp
//	Flush sends what was written              yes         yes         yes         yes         yes
//	the context ends when the client leaves   at a write  yes         yes         yes         yes
//	early hints                               no          no          no          no          yes
//	trailers                                  no          no          no          no          yes
//	Expect: 100-continue                      the host    the host    the host    the host    yes
//	HTTP/2                                    the host    the host    the host    the host    yes
//	TLS is not nil                            yes         yes         yes         yes         yes
//	TLS has the version and certificates      no          no          no          no          yes
//	the path as it was encoded                yes         yes         yes         yes         yes
//	an application's reason of a status       yes         yes         yes         yes         no
//	http.CloseNotifier, for gin's streams     yes         yes         yes         yes         yes
//	deadlines of a request's own              no          no          no          no          no
//	hijacking, WebSocket                      no          no          no          no          no
//	a handler's files by sendfile             no          no          no          no          no
//
// net/http writes its own reason behind a status. A file that a handler writes is copied. A file
// that is an application's body (gateway.Reader) goes out by sendfile(2), where the server can do
// that. A handler that needs deadlines of its own (http.ResponseController) or the connection
// (http.Hijacker) runs under an http.Server, and not as an application.
package nethttp
