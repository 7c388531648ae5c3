// Command relay is a CGI program that passes its request back to the process of the test.
package main

import (
	"os"

	"example.com/gateway/cgi"
	"example.com/gateway/host"
)

func main() {
	if err := cgi.Run(&host.FastCGI{
		Addresses: []string{os.Getenv("HOST_TEST_ADDRESS")},
		Options:   host.Options{Stream: true},
	}); err != nil {
		os.Exit(1)
	}
}
