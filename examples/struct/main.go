// The struct style, PEP 3333's AppClass: the instance is the body, and starts the response as late
// as its first block.
//
//	go run ./examples/struct
package main

import (
	"iter"
	"os"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

// A greeting is the body of one response. It keeps the request, and answers it when the server
// ranges over Blocks.
type greeting struct {
	env   *gateway.Environ
	start gateway.StartResponse
}

// newGreeting is the application. It makes the instance.
func newGreeting(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return &greeting{env, start}, nil
}

func (g *greeting) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		name := g.env.Header("X-Name")
		if name == "" {
			name = "World"
		}
		if _, err := g.start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil); err != nil {
			yield(nil, err)
			return
		}
		_ = yield([]byte("Hello "), nil) && yield([]byte(name), nil) && yield([]byte(" !\n"), nil)
	}
}

// Close is called on every path. An application that has something to release does so here.
func (g *greeting) Close() error { return nil }

var _ gateway.Body = (*greeting)(nil)

func main() {
	if err := cgi.Run(gateway.ApplicationFunc(newGreeting)); err != nil {
		os.Exit(1)
	}
}
