package gateway_test

import (
	"io"
	"testing"

	"example.com/gateway"
)

type nullTransport struct{}

func (nullTransport) WriteHead(string, gateway.Headers) error { return nil }
func (nullTransport) Write(block []byte) (int, error)         { return len(block), nil }
func (nullTransport) Flush() error                            { return nil }
func (nullTransport) End(bool) error                          { return nil }

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func BenchmarkRespond(b *testing.B) {
	vars := map[string]string{"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/"}
	env := &gateway.Environ{Vars: vars, Input: nil, Errors: io.Discard}
	hundred := make([][]byte, 100)
	for i := range hundred {
		hundred[i] = []byte("block")
	}
	for _, c := range []struct {
		name string
		body func() gateway.Body
	}{
		{"one block", func() gateway.Body { return gateway.Text("Hello World !\n") }},
		{"a stream of one block", func() gateway.Body {
			return gateway.Stream(func(yield func([]byte, error) bool) { yield(hundred[0], nil) })
		}},
		{"a stream of 100 blocks", func() gateway.Body {
			return gateway.Stream(func(yield func([]byte, error) bool) {
				for _, block := range hundred {
					if !yield(block, nil) {
						return
					}
				}
			})
		}},
	} {
		app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return c.body(), err
		})
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := gateway.Respond(app, env, nullTransport{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
