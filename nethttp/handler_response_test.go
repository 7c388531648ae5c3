package nethttp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

func TestHeadersThatOthersHaveSet(t *testing.T) {
	t.Parallel()
	app := answering("200 OK", gateway.Headers{{"x-frame-options", "DENY"}, {"Set-Cookie", "b=2"},
		{"Set-Cookie", "c=3"}, {"X-Two", "1"}, {"X-Two", "2"}, {"vary", "Cookie"}, {"X-Lower", "mine"}},
		func() gateway.Body { return gateway.Text("<html>") })
	w := httptest.NewRecorder()
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	w.Header().Set("Set-Cookie", "a=1")
	w.Header().Set("X-Other", "stays")
	w.Header().Set("Vary", "Accept-Encoding")
	w.Header()["x-lower"] = []string{"theirs"}
	w.Header()["content-type"] = []string{"text/html"}
	nethttp.Handler(app).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	h := w.Header()
	lower := "x-lower"
	if _, found := h[lower]; found {
		t.Error("x-lower stays beside X-Lower")
	}
	if _, found := h["Content-Type"]; found {
		t.Error("there is a Content-Type beside content-type")
	}
	for name, want := range map[string]string{"Vary": "[Accept-Encoding Cookie]", "X-Lower": "[mine]",
		"content-type": "[text/html]", "X-Frame-Options": "[DENY]", "Set-Cookie": "[a=1 b=2 c=3]",
		"X-Other": "[stays]", "X-Two": "[1 2]"} {
		if got := fmt.Sprint(h[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestNothingIsMadeUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		headers gateway.Headers
		body    func() gateway.Body
		want    []string
		not     []string
	}{
		{"no Content-Type is guessed", nil, func() gateway.Body { return gateway.Text("<html><script>") },
			[]string{"HTTP/1.1 200 OK\r\n", "Content-Length: 14\r\n", "Date: "}, []string{"Content-Type", "chunked"}},
		{"nor for a stream", nil, func() gateway.Body {
			return gateway.Stream(func(yield func([]byte, error) bool) { yield([]byte("<html>"), nil) })
		},
			[]string{"Transfer-Encoding: chunked\r\n"}, []string{"Content-Type"}},
		{"a large block has its length", plain, func() gateway.Body { return gateway.Text(strings.Repeat("x", 100000)) },
			[]string{"Content-Length: 100000\r\n"}, []string{"chunked"}},
		{"an empty body has its length", plain, func() gateway.Body { return gateway.Bytes() }, []string{"Content-Length: 0\r\n"}, []string{"chunked"}},
		{"the application's date stays", plain.Append("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), func() gateway.Body { return gateway.Text("x") },
			[]string{"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"}, nil},
	} {
		addr := serve(t, &http.Server{Handler: nethttp.Handler(answering("200 Fine", c.headers, c.body))})
		answer := send(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		head, _, _ := strings.Cut(answer, "\r\n\r\n")
		head += "\r\n"
		for _, s := range c.want {
			if !strings.Contains(head, s) {
				t.Errorf("%s: the head is %q, want %q in it", c.name, head, s)
			}
		}
		for _, s := range c.not {
			if strings.Contains(head, s) {
				t.Errorf("%s: the head is %q, want no %q", c.name, head, s)
			}
		}
		if strings.Count(head, "Date: ") != 1 {
			t.Errorf("%s: the head is %q, want one Date (R70)", c.name, head)
		}
	}
}

// A response of one block costs one write, and a stream costs one for each block.
func TestOneWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body func() gateway.Body
		want string
	}{
		{func() gateway.Body { return gateway.Text("one") }, "[whole]"},
		{func() gateway.Body { return gateway.Text(strings.Repeat("x", 3000)) }, "[whole]"},
		{func() gateway.Body { return gateway.Bytes([]byte("one"), []byte("two")) }, "[head+one two]"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		counted := &countingListener{Listener: l}
		s := &http.Server{Handler: nethttp.Handler(answering("200 OK", plain, c.body)), ErrorLog: quiet}
		go s.Serve(counted)
		send(t, l.Addr().String(), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		s.Close()
		counted.mu.Lock()
		writes := counted.writes
		counted.mu.Unlock()
		var got []string
		for _, w := range writes {
			switch {
			case strings.Contains(w, "\r\n\r\none") && !strings.Contains(w, "Content-Length: 6"), strings.HasSuffix(w, "xxx"):
				w = "whole"
			case strings.HasSuffix(w, "\r\n\r\none"):
				w = "head+one"
			}
			got = append(got, w)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("the writes are %q, want %s", got, c.want)
		}
	}
}

type countingListener struct {
	net.Listener
	mu     sync.Mutex
	writes []string
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countingConn{c, l}, err
}

type countingConn struct {
	net.Conn
	l *countingListener
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.l.mu.Lock()
	c.l.writes = append(c.l.writes, string(p))
	c.l.mu.Unlock()
	return c.Conn.Write(p)
}

// The panic with http.ErrAbortHandler comes after the body's Close, and the log has the fault once.
func TestABrokenResponseIsCut(t *testing.T) {
	t.Parallel()
	var lines lines
	closed := make(chan struct{}, 1)
	app := answering("200 OK", plain, func() gateway.Body {
		return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
			_ = yield([]byte("begun"), nil) && yield(nil, errors.New("the disk is on fire"))
		}), func() error { closed <- struct{}{}; return nil })
	})
	abort := make(chan any, 1)
	h := nethttp.Handler(app)
	addr := serve(t, &http.Server{ErrorLog: log.New(&lines, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if len(closed) != 1 {
				t.Error("the panic came before Close")
			}
			abort <- v
			panic(v)
		}()
		h.ServeHTTP(w, r)
	})})
	answer := send(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if !strings.HasSuffix(answer, "5\r\nbegun\r\n") {
		t.Errorf("the answer is %q, want it to end without the last chunk", answer)
	}
	if v := until(t, "the end", abort); v != http.ErrAbortHandler {
		t.Errorf("the handler ended with %v, want http.ErrAbortHandler", v)
	}
	if got := lines.String(); got != "gateway: GET /: the disk is on fire\n" {
		t.Errorf("the log is %q", got)
	}
}

// A failingWriter is an http.ResponseWriter of which no Write succeeds.
type failingWriter struct{ http.ResponseWriter }

var errWire = errors.New("the wire is cut")

func (failingWriter) Write([]byte) (int, error) { return 0, errWire }

// net/http need not have noticed that the client has left.
func TestAWriteThatFailsIsAClientThatHasLeft(t *testing.T) {
	t.Parallel()
	var cause error
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.OnClose(gateway.Text("hello"), func() error {
			cause = context.Cause(env.Context())
			return nil
		}), err
	})
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("the handler has panicked with %v, want ErrAbortHandler", v)
		}
		if !errors.Is(cause, gateway.ErrDisconnected) || !errors.Is(cause, errWire) {
			t.Errorf("the cause of the Context's end is %v", cause)
		}
	}()
	nethttp.Handler(app).ServeHTTP(failingWriter{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
}

// The client is still there when a handler around has given up, and has answered it.
func TestAHandlerAroundThatGivesUpIsNoClientThatHasLeft(t *testing.T) {
	t.Parallel()
	written, answered := make(chan error, 1), make(chan struct{})
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		<-answered
		_, err = w.Write([]byte("x"))
		written <- err
		return nil, err
	})
	w := httptest.NewRecorder()
	http.TimeoutHandler(nethttp.Handler(app), time.Millisecond, "too late").ServeHTTP(w,
		httptest.NewRequest("GET", "/", nil))
	close(answered)
	err := until(t, "the write", written)
	if !errors.Is(err, http.ErrHandlerTimeout) || errors.Is(err, gateway.ErrDisconnected) {
		t.Errorf("the writer returned %v, want http.ErrHandlerTimeout and no ErrDisconnected", err)
	}
}
