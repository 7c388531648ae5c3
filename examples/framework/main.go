// An http.Handler, here a ServeMux with patterns, on every server: any Go web framework goes where the mux is. Under net/http
// it is what it always was; behind a web server it is CGI, FastCGI, SCGI or uwsgi, and nothing in it changes.
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

// whoami shows what an http.Request has no place for: REMOTE_USER is the web server's word.
func whoami(w http.ResponseWriter, r *http.Request) {
	user := "nobody"
	if env := nethttp.Environ(r); env.Vars["REMOTE_USER"] != "" {
		user = env.Vars["REMOTE_USER"]
	}
	fmt.Fprintln(w, user)
}

// logged is middleware as frameworks have it.
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
