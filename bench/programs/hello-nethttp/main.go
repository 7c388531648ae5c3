// The peer: the same response from a http.Handler under net/http/cgi.
package main

import (
	"io"
	"net/http"
	"net/http/cgi"
	"os"
)

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", "14") // net/http/cgi adds none; the others do
	io.WriteString(w, "Hello World !\n")
}

func main() {
	if err := cgi.Serve(http.HandlerFunc(hello)); err != nil {
		os.Exit(1)
	}
}
