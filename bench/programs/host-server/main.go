// Hosts a program, as the first argument says, on the listener that the second names, for the
// figures of package host. The third argument is the program: a CGI program, or the socket of
// PHP-FPM with the folder of its scripts behind it.
package main

import (
	"log"
	"net"
	"net/http"
	nhcgi "net/http/cgi"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/host"
	"example.com/gateway/nethttp"
)

func main() {
	kind, address, target := os.Args[1], os.Args[2], os.Args[3]
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	l, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	cgi := &host.CGI{Path: target}
	switch kind {
	case "cgi-fcgi":
		err = (&fcgi.Server{Application: cgi}).Serve(l)
	case "cgi-http":
		err = (&nethttp.Server{Application: cgi}).Serve(l)
	case "cgi-nethttp":
		err = http.Serve(l, &nhcgi.Handler{Path: target})
	case "stream-http":
		cgi.Stream = true
		err = (&nethttp.Server{Application: cgi}).Serve(l)
	case "fastcgi-http":
		var app gateway.Application = &host.FastCGI{
			Addresses: []string{"unix:" + target},
			Scripts:   host.Scripts{Root: os.Args[4], Suffix: ".php"},
		}
		err = (&nethttp.Server{Application: app}).Serve(l)
	}
	log.Fatal(err)
}
