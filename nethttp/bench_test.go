package nethttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func hello(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text("Hello World !\n"), err
}

func helloHandler(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, "Hello World !\n")
}

// browserRequest returns a request with the headers of a browser, as an http.Server makes it.
func browserRequest() *http.Request {
	r := httptest.NewRequest("GET", "/hello/world?name=value", nil)
	r.RemoteAddr = "127.0.0.1:51234"
	for name, value := range map[string]string{
		"User-Agent":      "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Accept":          "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Language": "en-US,en;q=0.5",
		"Accept-Encoding": "gzip, deflate, br, zstd",
		"Cookie":          "session=0123456789abcdef0123456789abcdef; theme=dark",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// A dropping is a ResponseWriter that drops the response.
type dropping struct{ header http.Header }

func (d dropping) Header() http.Header         { return d.header }
func (d dropping) WriteHeader(int)             {}
func (d dropping) Write(p []byte) (int, error) { return len(p), nil }
func (d dropping) Flush()                      {}
func (d dropping) EnableFullDuplex() error     { return nil }

// BenchmarkHello shows what Handler and Application add to a handler.
func BenchmarkHello(b *testing.B) {
	app := gateway.ApplicationFunc(hello)
	for _, c := range []struct {
		name string
		h    http.Handler
	}{
		{"handler", http.HandlerFunc(helloHandler)},
		{"Handler", nethttp.Handler(app)},
		{"Handler of Application", nethttp.Handler(nethttp.Application(http.HandlerFunc(helloHandler)))},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := browserRequest()
			w := dropping{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				c.h.ServeHTTP(w, r)
			}
		})
	}
}
