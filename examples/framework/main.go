// An http.Handler on every server, here a ServeMux with patterns. Any Go web framework can take its
// place, and nothing in it changes for CGI, FastCGI, SCGI or uwsgi.
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

// whoami answers with a variable for which an http.Request has no place: REMOTE_USER, the user that
// the web server knows.
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
