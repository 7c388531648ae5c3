package nethttp_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

// A pipeListener hands out connections that live inside of a synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestAClientThatStallsItsBodyHasFiveSeconds: it has its answer, and then the connection ends.
func TestAClientThatStallsItsBodyHasFiveSeconds(t *testing.T) {
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n0123456789",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &pipeListener{make(chan net.Conn), make(chan struct{})}
			app := answering("413 Content Too Large", plain, func() gateway.Body { return gateway.Text("too much") })
			s := &http.Server{Handler: nethttp.Handler(app), ErrorLog: quiet}
			go s.Serve(l)
			client, server := net.Pipe()
			l.conns <- server
			go func() { _, _ = io.WriteString(client, request) }()
			r := bufio.NewReader(client)
			response, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(response.Body); string(body) != "too much" || err != nil {
				t.Errorf("the answer is %q, %v", body, err)
			}
			begin := time.Now()
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("then %q", rest)
			}
			if took := time.Since(begin); took < 5*time.Second || took > 6*time.Second { // net/http adds half a second
				t.Errorf("%.60q: the connection ended after %v, want 5 s", strings.ReplaceAll(request, "\r\n", " "), took)
			}
			client.Close()
			s.Close()
		})
	}
}
