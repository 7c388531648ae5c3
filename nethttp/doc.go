// Package nethttp is the bridge between gateway and net/http, in both directions: [Handler] runs an application in an http.Server,
// [Application] runs an http.Handler, and with it every Go web framework, on any server of this module.
//
//	http.Handle("/blog/", nethttp.Mount("/blog", app))
//
//	log.Fatal(fcgi.Serve(l, nethttp.Application(mux)))
//
// What survives of a handler, or of an application, on each server, as a test has seen it. Where it says "the host" it is the
// web server in front that does it, and the server adds nothing of its own:
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
//	hijacking, WebSocket                      no          no          no          no          no
//	a handler's files by sendfile             no          no          no          no          no
//
// The reason of a status is the application's where it can be; net/http has its own. A handler writes its files, and what it writes
// is copied; a body that is a file (gateway.Reader) is the server's to send.
package nethttp
