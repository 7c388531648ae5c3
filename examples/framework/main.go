// An http.Handler on every server, here a ServeMux with patterns. Any Go web framework can take its
// place, and behaves in the same way over CGI, FastCGI, SCGI, uwsgi and HTTP.
//
// A framework that wants the connection finds less than under an http.Server, also over HTTP: there
// is no http.Hijacker, and so no WebSocket, http.ResponseController sets no deadlines, and headers
// about the connection are dropped. The comments of nethttp and of its Application have the whole
// list. A handler that needs any of these runs under an http.Server of its own.
//
//	$ GATEWAY=cgi REQUEST_METHOD=GET PATH_INFO=/hello/gopher go run ./examples/framework
//	Status: 200 OK
//	Content-Type: text/plain; charset=utf-8
//	Content-Length: 15
//
//	Hello gopher !
//
// Without CGI variables it listens on 127.0.0.1:8000:
//
//	$ go run ./examples/framework &
//	$ curl 127.0.0.1:8000/hello/gopher
//	Hello gopher !
package main

import (
	"fmt"
	"log"
	"net/http"

	"example.com/gateway/nethttp"
	"example.com/gateway/serve"
)

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello %s !\n", r.PathValue("name"))
}

// whoami answers with a variable for which an http.Request has no place: REMOTE_USER, the user whose
// password the web server has checked. docs/client.md has the web servers that have checked none.
func whoami(w http.ResponseWriter, r *http.Request) {
	user := "nobody"
	if env := nethttp.Environ(r); env.Vars["REMOTE_USER"] != "" {
		user = env.Vars["REMOTE_USER"]
	}
	fmt.Fprintln(w, user)
}

// logged is middleware of net/http. It logs to the server's log.
func logged(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(nethttp.Environ(r).Errors, "%s %s\n", r.Method, r.URL)
		h.ServeHTTP(w, r)
	})
}

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", hello)
	mux.HandleFunc("GET /whoami", whoami)
	if err := serve.Run(nethttp.Application(logged(mux))); err != nil {
		log.Fatal(err)
	}
}
