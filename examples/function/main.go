// The function style, PEP 3333's simple_app: an application is a function.
//
//	go run ./examples/function
//
// It answers one request as a CGI program does. Started from a terminal, it answers GET /.
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
