package host

import (
	"net"
	"path/filepath"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// A sink is a Transport that drops a response.
type sink struct{ n int }

func (s *sink) WriteHead(string, gateway.Headers) error { return nil }
func (s *sink) Write(p []byte) (int, error)             { s.n += len(p); return len(p), nil }
func (s *sink) Flush() error                            { return nil }
func (s *sink) End(bool) error                          { return nil }

// BenchmarkHello is a small request to a server of this module in the same process, over a Unix
// socket. Half of its cost or more is the server's.
func BenchmarkHello(b *testing.B) {
	text := gateway.ApplicationFunc(func(_ *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text("hello, world\n"), err
	})
	for _, c := range []struct {
		name   string
		server func(gateway.Application) testServer
		hosted func(address []string) gateway.Application
	}{
		{"FastCGI", fcgiServer,
			func(a []string) gateway.Application { return &FastCGI{Addresses: a} }},
		{"FastCGI kept", fcgiServer,
			func(a []string) gateway.Application { return &FastCGI{Addresses: a, MaxIdle: 8} }},
		{"SCGI", scgiServer, func(a []string) gateway.Application { return &SCGI{Addresses: a} }},
		{"uwsgi", uwsgiServer,
			func(a []string) gateway.Application { return &UWSGI{Addresses: a} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				b.Fatal(err)
			}
			server := c.server(text)
			done := make(chan error, 1)
			go func() { done <- server.Serve(l) }()
			app := c.hosted([]string{"unix:" + path})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					env := gatewaytest.NewEnviron("GET", "/a/page?q=1", nil)
					var s sink
					if err := gateway.Respond(app, env, &s); err != nil || s.n != 13 {
						b.Errorf("%d bytes, %v", s.n, err)
						return
					}
				}
			})
			b.StopTimer()
			if f, ok := app.(*FastCGI); ok {
				f.CloseIdleConnections()
			}
			server.Close()
			<-done
		})
	}
}
