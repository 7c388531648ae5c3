// The function style: an application is a function. PEP 3333's simple_app.
//
//	go run ./examples/function
//
// It answers one request as a CGI program; from a terminal that is GET /.
package main

import (
	"os"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text("Hello World !\n"), err
}

func main() {
	if err := cgi.Run(gateway.ApplicationFunc(hello)); err != nil {
		os.Exit(1)
	}
}
