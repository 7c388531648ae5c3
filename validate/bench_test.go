package validate_test

import (
	"testing"

	"example.com/gateway"
	"example.com/gateway/validate"
)

type nullTransport struct{}

func (nullTransport) WriteHead(string, gateway.Headers) error { return nil }
func (nullTransport) Write(block []byte) (int, error)         { return len(block), nil }

// BenchmarkHello is a request of the usual size, without the lint and with it.
func BenchmarkHello(b *testing.B) {
	app := gateway.ApplicationFunc(hello)
	for _, c := range []struct {
		name string
		app  gateway.Application
	}{{"alone", app}, {"validated", validate.Application(app)}} {
		b.Run(c.name, func(b *testing.B) {
			env := environ("GET")
			b.ReportAllocs()
			for b.Loop() {
				if err := gateway.Respond(c.app, env, nullTransport{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
