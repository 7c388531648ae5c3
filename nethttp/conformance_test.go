package nethttp_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/nethttp"
)

// quiet is a log that nobody reads.
var quiet = log.New(io.Discard, "", 0)

// serve runs a server until the end of the test and returns its address.
func serve(t *testing.T, s *http.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.ErrorLog == nil {
		s.ErrorLog = quiet
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
		<-ended
	})
	return l.Addr().String()
}

func TestHandlerKeepsTheRules(t *testing.T) {
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		return "http://" + serve(t, &http.Server{Handler: nethttp.Handler(app)})
	})
}

func TestMountKeepsTheRules(t *testing.T) {
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		mux := http.NewServeMux()
		mux.Handle("/blog/", nethttp.Mount("/blog", app))
		return "http://" + serve(t, &http.Server{Handler: mux}) + "/blog"
	})
}
