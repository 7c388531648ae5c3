// Package middleware has what stands between a server and the applications of a deployment.
//
//	app := middleware.Mount(map[string]gateway.Application{"/": site, "/git": repositories})
//	app = gateway.Chain(middleware.AccessLog(middleware.Combined(os.Stderr)), middleware.Timeout(time.Minute))(app)
//
// Little belongs here: what many deployments need, whichever their server and their applications
// are, and what the web server in front cannot do as well. Each piece is a file of its own, works
// under every server by the contract of package gateway, and has passed gatewaytest.TestMiddleware
// around every style of application.
//
// Compression, static files, sessions and protection against forged requests have their place in
// the web server, or in an http.Handler, which package nethttp makes an application. What one web
// server's configuration calls for is in package quirks. Who the client is behind which web server,
// and when Forwarded is right, is in docs/client.md.
//
// The package links neither net nor net/http, so that a CGI program starts fast with it.
package middleware
