package nethttp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

type appFunc = gateway.ApplicationFunc

// environOf is the environ that an application gets for a request, without a connection.
func environOf(t *testing.T, r *http.Request, wrap ...func(http.Handler) http.Handler) *gateway.Environ {
	t.Helper()
	var env *gateway.Environ
	h := nethttp.Handler(appFunc(func(e *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		env = e.Clone()
		return hello(e, start)
	}))
	for _, f := range wrap {
		h = f(h)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	return env
}

func wantVars(t *testing.T, env *gateway.Environ, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := env.Vars[name]; got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

func TestVariablesOfARequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
		want   map[string]string
	}{
		{"the usual ones", func(*http.Request) {}, map[string]string{
			"REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/a/b c", "QUERY_STRING": "q=%41", "REQUEST_URI": "/a%2Fb%20c?q=%41",
			"SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "192.0.2.9", "SERVER_PORT": "8080", "GATEWAY_INTERFACE": "CGI/1.1",
			"REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "1234", "CONTENT_LENGTH": "5", "HTTP_HOST": "www.example.com", "HTTPS": ""}},
		{"a Host header does not make the name of the server", func(r *http.Request) { r.Host = "evil.example:99" },
			map[string]string{"SERVER_NAME": "192.0.2.9", "SERVER_PORT": "8080", "HTTP_HOST": "evil.example:99"}},
		{"IPv6", func(r *http.Request) {
			r.RemoteAddr = "[2001:db8::7]:99"
			*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 443, Zone: "eth0"}))
		}, map[string]string{"SERVER_NAME": "[2001:db8::1]", "SERVER_PORT": "443", "REMOTE_ADDR": "2001:db8::7", "REMOTE_PORT": "99"}}, // C17, C23
		{"a Unix socket", func(r *http.Request) {
			r.RemoteAddr = "@"
			*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.UnixAddr{Name: "/run/app.sock"}))
		}, map[string]string{"SERVER_NAME": "localhost", "SERVER_PORT": "80", "REMOTE_ADDR": "", "REMOTE_PORT": ""}}, // R32
		{"a handler around it has put the client's address there", func(r *http.Request) { r.RemoteAddr = "2001:db8::8" },
			map[string]string{"REMOTE_ADDR": "2001:db8::8", "REMOTE_PORT": ""}},
		{"a client's address that is none", func(r *http.Request) { r.RemoteAddr = "unknown" },
			map[string]string{"REMOTE_ADDR": "", "REMOTE_PORT": ""}},
		{"headers", func(r *http.Request) {
			r.Header = http.Header{"Cookie": {"a=1", "b=2"}, "X-A": {"1", "2"}, "X_a": {"evil"}, "Proxy": {"evil"}, "Content-Type": {"text/x"},
				"X-Empty": {""}, "X-None": nil, "If-None-Match": {`"x"`}, "proxy": {"evil"}, "content-length": {"99"}, "X.Y~z": {"odd"}}
		}, map[string]string{"HTTP_COOKIE": "a=1; b=2", "HTTP_X_A": "1, 2", "HTTP_PROXY": "", "CONTENT_TYPE": "text/x", "HTTP_CONTENT_TYPE": "",
			"HTTP_CONTENT_LENGTH": "", "HTTP_X_EMPTY": "", "HTTP_IF_NONE_MATCH": `"x"`, "CONTENT_LENGTH": "5", "HTTP_X.Y~Z": "odd"}},
		{"a body of unknown length", func(r *http.Request) { r.ContentLength = -1 },
			map[string]string{"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}},
		{"no body", func(r *http.Request) { r.ContentLength, r.Body = 0, http.NoBody },
			map[string]string{"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": ""}},
		{"a body of no bytes", func(r *http.Request) { r.ContentLength, r.Header["Content-Length"] = 0, []string{"0"} },
			map[string]string{"CONTENT_LENGTH": "0"}},
		{"OPTIONS *", func(r *http.Request) { r.Method, r.URL.Path, r.RequestURI = "OPTIONS", "*", "*" },
			map[string]string{"PATH_INFO": "", "SCRIPT_NAME": "", "REQUEST_URI": "*"}}, // C14
		{"the absolute form", func(r *http.Request) { r.RequestURI = "http://www.example.com/a%2Fb%20c?q=%41" },
			map[string]string{"PATH_INFO": "/a/b c", "SCRIPT_NAME": "", "REQUEST_URI": "http://www.example.com/a%2Fb%20c?q=%41"}},
		{"a request that a handler has made", func(r *http.Request) { r.RequestURI = "" },
			map[string]string{"PATH_INFO": "/a/b c", "REQUEST_URI": "/a%2Fb%20c?q=%41"}},
		{"a path that was rewritten", func(r *http.Request) { r.URL.Path = "/index.html" },
			map[string]string{"PATH_INFO": "/index.html", "SCRIPT_NAME": "", "REQUEST_URI": "/a%2Fb%20c?q=%41"}},
	} {
		r := httptest.NewRequest("POST", "/a%2Fb%20c?q=%41", strings.NewReader("12345"))
		r.Host = "www.example.com"
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 8080}))
		c.change(r)
		env := environOf(t, r)
		t.Run(c.name, func(t *testing.T) {
			wantVars(t, env, c.want)
			for name := range env.Vars {
				if name == "HTTP_PROXY" || strings.HasPrefix(name, "HTTP_CONTENT_LENGTH") || name == "HTTP_CONTENT_TYPE" {
					t.Errorf("%s is there (D6)", name)
				}
			}
		})
	}
}

// TestManyAddressesOfOneServer: a kept name must not be another connection's.
func TestManyAddressesOfOneServer(t *testing.T) {
	t.Parallel()
	var got []string
	h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		got = append(got, env.Vars["SERVER_NAME"]+" "+env.Vars["SERVER_PORT"])
		return hello(env, start)
	}))
	for i := range 4 {
		r := httptest.NewRequest("GET", "/", nil)
		addr := &net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(1+i%2)), Port: 80 + i/2}
		h.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr)))
	}
	if want := "[192.0.2.1 80 192.0.2.2 80 192.0.2.1 81 192.0.2.2 81]"; fmt.Sprint(got) != want {
		t.Errorf("SERVER_NAME and SERVER_PORT are %v, want %s", got, want)
	}
}

func TestWhereAnApplicationIsMounted(t *testing.T) {
	t.Parallel()
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Text(env.Vars["SCRIPT_NAME"] + "|" + env.Vars["PATH_INFO"]), err
	})
	const notFound = "404"
	for _, c := range []struct {
		name string
		h    http.Handler
		want map[string]string // by target
	}{
		{"at the root", nethttp.Handler(app), map[string]string{"/": "|/", "/a/b": "|/a/b", "//a": "|//a", "/%2e%2E/x": "|/../x"}},
		{"Mount", nethttp.Mount("/blog", app), map[string]string{"/blog": "/blog|", "/blog/": "/blog|/", "/blog/a%2Fb": "/blog|/a/b",
			"/blogger": notFound, "/": notFound, "/x/blog/": notFound, "/bl%6Fg/x": "/blog|/x", "/Blog/": notFound}},
		{"Mount with a slash at the end", nethttp.Mount("/blog/", app), map[string]string{"/blog": "/blog|", "/blog/x": "/blog|/x"}},
		{"Mount at the root", nethttp.Mount("/", app), map[string]string{"/": "|/", "/a": "|/a"}},
		{"Mount at nothing", nethttp.Mount("", app), map[string]string{"/": "|/", "/a": "|/a"}},
		{"http.StripPrefix", http.StripPrefix("/blog", nethttp.Handler(app)), map[string]string{"/blog": "/blog|", "/blog/a%20b?c": "/blog|/a b"}},
		{"http.StripPrefix with a slash at the end", http.StripPrefix("/blog/", nethttp.Handler(app)), map[string]string{"/blog/a": "/blog|/a", "/blog/": "/blog|/"}},
		{"http.StripPrefix inside of a segment", http.StripPrefix("/bl", nethttp.Handler(app)), map[string]string{"/blog/a": "|/og/a"}},
		{"Mount inside of http.StripPrefix", http.StripPrefix("/a", nethttp.Mount("/b", app)), map[string]string{"/a/b/c": "/a/b|/c", "/a/c": notFound}},
	} {
		for target, want := range c.want {
			w := httptest.NewRecorder()
			c.h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
			got := w.Body.String()
			if w.Code == 404 {
				got = notFound
			}
			if got != want {
				t.Errorf("%s, %s: SCRIPT_NAME|PATH_INFO is %q, want %q", c.name, target, got, want)
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Mount took a prefix without a slash")
		}
	}()
	nethttp.Mount("blog", app)
}

// answering is an application with these headers and body.
func answering(status string, headers gateway.Headers, body func() gateway.Body) gateway.Application {
	return appFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start(status, headers, nil)
		return body(), err
	})
}

func TestHeadersThatOthersHaveSet(t *testing.T) {
	t.Parallel()
	app := answering("200 OK", gateway.Headers{{"x-frame-options", "DENY"}, {"Set-Cookie", "b=2"}, {"Set-Cookie", "c=3"}, {"X-Two", "1"}, {"X-Two", "2"}},
		func() gateway.Body { return gateway.Text("<html>") })
	w := httptest.NewRecorder()
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	w.Header().Set("Set-Cookie", "a=1")
	w.Header().Set("X-Other", "stays")
	nethttp.Handler(app).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	h := w.Header()
	for name, want := range map[string]string{"X-Frame-Options": "[DENY]", "Set-Cookie": "[a=1 b=2 c=3]", "X-Other": "[stays]", "X-Two": "[1 2]"} {
		if got := fmt.Sprint(h[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// send sends a request as it is and returns the whole answer, until the server closes the connection.
func send(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(request, "Expect: ") { // and it never will
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	answer, _ := io.ReadAll(conn)
	return string(answer)
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
		{"the application's date stays", plain.Add("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), func() gateway.Body { return gateway.Text("x") },
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

// TestOneWrite: a response of one block costs one write, and a stream one for each block.
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

// lines is a log that a test can look at.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestErrorsGoesToTheServersLog(t *testing.T) {
	t.Parallel()
	var lines lines
	addr := serve(t, &http.Server{ErrorLog: log.New(&lines, "http: ", 0), Handler: nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, _ = io.WriteString(env.Errors, "a line\n")
		panic("on purpose")
	}))})
	answer := send(t, addr, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 500 ") || strings.Contains(answer, "on purpose") {
		t.Errorf("the answer is %q (D9)", answer)
	}
	got := lines.String()
	if !strings.HasPrefix(got, "http: a line\nhttp: gateway: GET /x: panic: on purpose\ngoroutine ") || strings.Contains(got, "http: panic serving") {
		t.Errorf("the log is %q", got)
	}
}

// TestABrokenResponseIsCut: panic(http.ErrAbortHandler) comes after Close, and a log has the fault, once.
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

// until waits for a channel and says for what, if that does not happen.
func until[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Errorf("waited in vain for %s", what)
	}
	return v
}

type keyOf string

// TestTheCauseOfTheContextsEnd: D10, "context.Cause says which".
func TestTheCauseOfTheContextsEnd(t *testing.T) {
	t.Parallel()
	waiting := func(begun chan struct{}, ended chan error) gateway.Application {
		return appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if v := env.Context().Value(keyOf("k")); v != "v" {
				t.Errorf("the value of a handler around is %v", v)
			}
			begun <- struct{}{}
			<-env.Context().Done()
			ended <- context.Cause(env.Context())
			if err := env.Context().Err(); err != context.Canceled && err != context.DeadlineExceeded {
				t.Errorf("Err is %v", err)
			}
			return hello(env, start)
		})
	}
	values := func(ctx context.Context) context.Context { return context.WithValue(ctx, keyOf("k"), "v") }

	t.Run("the client leaves", func(t *testing.T) {
		begun, ended := make(chan struct{}, 1), make(chan error, 1)
		addr := serve(t, &http.Server{Handler: nethttp.Handler(waiting(begun, ended)),
			BaseContext: func(net.Listener) context.Context { return values(context.Background()) }})
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		until(t, "the call", begun)
		conn.Close()
		if err := until(t, "the end", ended); !errors.Is(err, gateway.ErrDisconnected) {
			t.Errorf("the cause is %v, want ErrDisconnected", err)
		}
	})
	t.Run("the server stops", func(t *testing.T) {
		begun, ended := make(chan struct{}, 1), make(chan error, 1)
		base, stop := context.WithCancelCause(values(context.Background()))
		addr := serve(t, &http.Server{Handler: nethttp.Handler(waiting(begun, ended)), BaseContext: func(net.Listener) context.Context { return base }})
		answer := make(chan string)
		go func() { answer <- send(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }()
		until(t, "the call", begun)
		stop(gateway.ErrShutdown)
		if err := until(t, "the end", ended); !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("the cause is %v, want ErrShutdown", err)
		}
		if s := until(t, "the answer", answer); !strings.HasSuffix(s, "Hello World !\n") {
			t.Errorf("the answer is %q", s)
		}
	})
	t.Run("a deadline passes", func(t *testing.T) {
		begun, ended := make(chan struct{}, 1), make(chan error, 1)
		r := httptest.NewRequest("GET", "/", nil)
		ctx, cancel := context.WithTimeout(values(r.Context()), time.Millisecond)
		defer cancel()
		nethttp.Handler(waiting(begun, ended)).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		if err := <-ended; err != context.DeadlineExceeded {
			t.Errorf("the cause is %v, want context.DeadlineExceeded", err)
		}
	})
	t.Run("nobody asks for Done and the client has left", func(t *testing.T) {
		r := httptest.NewRequest("GET", "/", nil)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		blocks := 0
		h := nethttp.Handler(answering("200 OK", plain, func() gateway.Body {
			return gateway.Stream(func(yield func([]byte, error) bool) {
				for ; blocks < 10 && yield([]byte("x"), nil); blocks++ {
					cancel()
				}
			})
		}))
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("the handler ended with %v", v)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		}()
		if blocks > 1 {
			t.Errorf("%d further blocks were asked for", blocks)
		}
	})
	t.Run("a deadline can be asked for", func(t *testing.T) {
		r := httptest.NewRequest("GET", "/", nil)
		ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
		defer cancel()
		env := environOf(t, r.WithContext(ctx))
		if _, ok := env.Context().Deadline(); !ok {
			t.Error("the Context has no deadline")
		}
	})
}

// TestABodyThatIsNotRead: the answer arrives (E21), and what is left of the body never becomes a request (E22).
func TestABodyThatIsNotRead(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var paths []string
	streamed := func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) { yield([]byte("streamed"), nil) })
	}
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		mu.Lock()
		paths = append(paths, env.Vars["PATH_INFO"])
		mu.Unlock()
		_, err := start("200 OK", plain, nil)
		if env.Vars["QUERY_STRING"] == "stream" {
			return streamed(), err
		}
		return gateway.Text("unread"), err
	})
	addr := serve(t, &http.Server{Handler: nethttp.Handler(app)})
	next := "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)
	for _, c := range []struct {
		name, request string
		kept          bool // the connection
	}{
		{"a small one", fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled), true},
		{"a small one, a stream", fmt.Sprintf("POST /?stream HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled), true},
		{"of unknown length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, false},
		{"a large one", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat(smuggled, 30000)[:1000000], false},
		{"one that is never sent", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", false},
	} {
		mu.Lock()
		paths = nil
		mu.Unlock()
		answer := send(t, addr, c.request+next)
		if !strings.Contains(answer, "unread") && !strings.Contains(answer, "streamed") {
			t.Errorf("%s: the answer is %q", c.name, answer)
		}
		if strings.Contains(answer, " 100 ") {
			t.Errorf("%s: a 100 (Continue) was sent although nobody reads: %q", c.name, answer)
		}
		mu.Lock()
		if got, want := fmt.Sprint(paths), map[bool]string{true: "[/ /next]", false: "[/]"}[c.kept]; got != want {
			t.Errorf("%s: the requests are %v, want %v", c.name, got, want)
		}
		mu.Unlock()
		if !c.kept && !strings.Contains(answer, "Connection: close\r\n") {
			t.Errorf("%s: the end of the connection is not announced: %q", c.name, answer)
		}
	}
}

// TestABodyThatFailedIsNotTheNextRequest: after a chunk that is none, nobody knows where the request ends.
func TestABodyThatFailedIsNotTheNextRequest(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		calls := make(chan string, 9)
		app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			calls <- env.Vars["PATH_INFO"]
			_, err := start("200 OK", plain, nil)
			read := func() {
				if _, err := io.ReadAll(env.Input); err == nil {
					t.Error("the body ended cleanly")
				}
			}
			if !late {
				read()
			}
			return gateway.Stream(func(yield func([]byte, error) bool) {
				if yield([]byte("one"), nil) && late {
					read()
				}
			}), err
		})
		addr := serve(t, &http.Server{Handler: nethttp.Handler(app)})
		send(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
		if n := len(calls); n != 1 {
			t.Errorf("late %v: the application was called %d times", late, n)
		}
	}
}

// TestABodyThatIsTooLargeEndsTheConnectionCleanly: what a handler around refuses is no reason to break the response.
func TestABodyThatIsTooLargeEndsTheConnectionCleanly(t *testing.T) {
	t.Parallel()
	h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if _, err := io.ReadAll(env.Input); !errors.As(err, new(*http.MaxBytesError)) {
			t.Errorf("Input failed with %v", err)
		}
		_, err := start("413 Content Too Large", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) { yield([]byte("too large"), nil) }), err
	}))
	addr := serve(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 10)
		h.ServeHTTP(w, r)
	})})
	answer := send(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 100))
	if !strings.HasSuffix(answer, "\r\n\r\n9\r\ntoo large\r\n0\r\n\r\n") {
		t.Errorf("the answer is %q", answer)
	}
}

// TestAnApplicationReadsWhileItSends needs full duplex: net/http would throw the rest of the body away.
func TestAnApplicationReadsWhileItSends(t *testing.T) {
	t.Parallel()
	echo := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Reader(env.Input, 0), err
	})
	addr := serve(t, &http.Server{Handler: nethttp.Handler(echo)})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"one", "two", "six"} {
		if word != "one" {
			_, _ = io.WriteString(conn, "3\r\n"+word+"\r\n")
		}
		got := make([]byte, 3)
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != word {
			t.Fatalf("the echo of %s is %q, %v", word, got, err)
		}
	}
	_, _ = io.WriteString(conn, "0\r\n\r\n")
	if rest, err := io.ReadAll(response.Body); len(rest) > 0 || err != nil {
		t.Errorf("then %q, %v", rest, err)
	}
}

func TestContinueIsSentOnTheFirstRead(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		<-read
		body, err := io.ReadAll(env.Input)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Text(string(body)), err
	})
	addr := serve(t, &http.Server{Handler: nethttp.Handler(app)})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
	close(read)
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("the client got %q, %v (R114)", line, err)
	}
	_, _ = io.WriteString(conn, "body")
	if rest, _ := io.ReadAll(r); !bytes.HasSuffix(rest, []byte("\r\n\r\nbody")) {
		t.Errorf("the answer is %q", rest)
	}
}

func TestTimeoutHandlerAround(t *testing.T) {
	t.Parallel()
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		<-env.Context().Done()
		if cause := context.Cause(env.Context()); cause != context.DeadlineExceeded {
			t.Errorf("the cause is %v", cause)
		}
		return hello(env, start)
	})
	w := httptest.NewRecorder()
	http.TimeoutHandler(nethttp.Handler(app), time.Millisecond, "too late").ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 || w.Body.String() != "too late" {
		t.Errorf("the answer is %d %q", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	http.TimeoutHandler(nethttp.Handler(appFunc(hello)), time.Hour, "too late").ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 200 || w.Body.String() != "Hello World !\n" || w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("the answer is %d %q %v", w.Code, w.Body, w.Header())
	}
}

// get is a request over a real connection, with the interim responses it got.
func get(t *testing.T, client *http.Client, url string) (*http.Response, string, []string) {
	t.Helper()
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, h["Link"], h["X-Before"]))
		return nil
	}})
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("body: %v", err)
	}
	return response, string(body), hints
}

// eachProtocol runs a test over HTTP/1.1, over HTTP/2 with TLS and without.
func eachProtocol(t *testing.T, h http.Handler, test func(t *testing.T, proto string, client *http.Client, url string)) {
	t.Run("HTTP/1.1", func(t *testing.T) {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = quiet
		s.Start()
		defer s.Close()
		test(t, "HTTP/1.1", s.Client(), s.URL)
	})
	t.Run("HTTP/2", func(t *testing.T) {
		s := httptest.NewUnstartedServer(h)
		s.EnableHTTP2 = true
		s.Config.ErrorLog = quiet
		s.StartTLS()
		defer s.Close()
		test(t, "HTTP/2.0", s.Client(), s.URL)
	})
	t.Run("HTTP/2 without TLS", func(t *testing.T) {
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		addr := serve(t, &http.Server{Handler: h, Protocols: &protocols})
		transport := &http.Transport{Protocols: &protocols}
		defer transport.CloseIdleConnections()
		test(t, "HTTP/2.0", &http.Client{Transport: transport}, "http://"+addr)
	})
}

func TestEachProtocol(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	gone := make(chan error, 1)
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		switch env.Vars["PATH_INFO"] {
		case "/stream":
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				_ = yield([]byte("one"), nil)
				<-next
				_ = yield([]byte("two"), nil)
			}), err
		case "/leave":
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				_ = yield([]byte("one"), nil)
				<-env.Context().Done()
				gone <- context.Cause(env.Context())
			}), err
		case "/broken":
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				_ = yield([]byte("one"), nil) && yield(nil, errors.New("on purpose"))
			}), err
		case "/echo":
			body, err := io.ReadAll(env.Input)
			if err == nil {
				_, err = start("200 OK", plain, nil)
			}
			return gateway.Text(env.Vars["CONTENT_LENGTH"] + "|" + env.Vars["HTTP_TRANSFER_ENCODING"] + "|" + string(body)), err
		}
		_, err := start("200 OK", nil, nil)
		return gateway.Text(env.Vars["SERVER_PROTOCOL"] + " " + env.Vars["HTTPS"] + " " + env.URLScheme + " " + env.Vars["HTTP_COOKIE"] + " " + env.URL()), err
	})
	eachProtocol(t, nethttp.Handler(app), func(t *testing.T, proto string, client *http.Client, url string) {
		scheme, https := "http", ""
		if strings.HasPrefix(url, "https") {
			scheme, https = "https", "on"
		}
		r, _ := http.NewRequest("GET", url+"/a%20b?c", nil)
		r.Header["Cookie"] = []string{"a=1", "b=2"}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if got, want := string(body), proto+" "+https+" "+scheme+" a=1; b=2 "+url+"/a%20b?c"; got != want {
			t.Errorf("the answer is %q, want %q", got, want)
		}
		if ct, found := response.Header["Content-Type"]; found || response.ContentLength != int64(len(body)) {
			t.Errorf("Content-Type is %v, Content-Length %d", ct, response.ContentLength)
		}

		response, err = client.Get(url + "/stream")
		if err != nil {
			t.Fatal(err)
		}
		word := make([]byte, 3)
		if _, err := io.ReadFull(response.Body, word); err != nil || string(word) != "one" {
			t.Errorf("the first block is %q, %v (R92)", word, err)
		}
		next <- struct{}{}
		if rest, err := io.ReadAll(response.Body); string(rest) != "two" || err != nil {
			t.Errorf("the rest is %q, %v", rest, err)
		}
		response.Body.Close()

		ctx, cancel := context.WithCancel(t.Context())
		r, _ = http.NewRequestWithContext(ctx, "GET", url+"/leave", nil)
		if response, err = client.Do(r); err != nil {
			t.Fatal(err)
		}
		cancel()
		response.Body.Close()
		if cause := until(t, "the end of the context", gone); !errors.Is(cause, gateway.ErrDisconnected) {
			t.Errorf("the cause is %v, want ErrDisconnected", cause)
		}

		if response, err = client.Get(url + "/broken"); err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err == nil {
			t.Errorf("the broken response %q ends cleanly", body)
		}
		response.Body.Close()

		for _, c := range []struct {
			body io.Reader
			want string
		}{
			{strings.NewReader("12345"), "5||12345"},
			{io.MultiReader(strings.NewReader("12345")), "|chunked|12345"},
		} {
			response, err := client.Post(url+"/echo", "text/plain", c.body)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if string(body) != c.want {
				t.Errorf("the echo is %q, want %q", body, c.want)
			}
		}
	})
}

func TestEarlyHintsAndTrailers(t *testing.T) {
	t.Parallel()
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		fail := func(what string, err error, want error) {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		fail("hints", nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>"}, {"Link", "</b.js>"}}), nil)
		fail("a second time", nethttp.EarlyHints(env, gateway.Headers{{"link", "</c.css>"}, {"X-Hint", "1"}}), nil)
		fail("a line break", nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>\r\nEvil: 1"}}), gateway.ErrHeader)
		fail("a length", nethttp.EarlyHints(env, gateway.Headers{{"Content-Length", "1"}}), gateway.ErrHeader)
		fail("hop-by-hop", nethttp.EarlyHints(env, gateway.Headers{{"Connection", "close"}}), gateway.ErrHeader)
		fail("trailers", nethttp.Trailers(env, gateway.Headers{{"X-Old", "1"}}), nil)
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			_ = yield([]byte("body"), nil)
			fail("hints after the head", nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>"}}), gateway.ErrHeadersSent)
			fail("trailers", nethttp.Trailers(env, gateway.Headers{{"x-sum", "1"}, {"X-Sum", "2"}}), nil)
			fail("a line break in a trailer", nethttp.Trailers(env, gateway.Headers{{"X-Sum", "1\nEvil: 1"}}), gateway.ErrHeader)
			fail("a length as a trailer", nethttp.Trailers(env, gateway.Headers{{"content-length", "1"}}), gateway.ErrHeader)
		}), err
	})
	var late *gateway.Environ
	h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		late = env
		return app(env, start)
	}))
	around := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Before", "1")
		w.Header().Set("Link", "</theirs>")
		h.ServeHTTP(w, r)
	})
	eachProtocol(t, around, func(t *testing.T, proto string, client *http.Client, url string) {
		response, body, hints := get(t, client, url)
		if got := fmt.Sprint(hints); got != "[103 [</a.css> </b.js>] [1] 103 [</c.css>] [1]]" {
			t.Errorf("the hints are %v", got)
		}
		if body != "body" || response.StatusCode != 200 || fmt.Sprint(response.Header["Link"]) != "[</theirs>]" || response.Header["X-Hint"] != nil {
			t.Errorf("the response is %d %q, Link %v", response.StatusCode, body, response.Header["Link"])
		}
		if got := fmt.Sprint(response.Trailer); got != "map[X-Sum:[1 2]]" {
			t.Errorf("the trailers are %v", got)
		}
	})
	if err := nethttp.EarlyHints(late, nil); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("hints after the response: %v", err)
	}
	if err := nethttp.Trailers(late, nil); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("trailers after the response: %v", err)
	}
	t.Run("HTTP/1.0", func(t *testing.T) {
		addr := serve(t, &http.Server{Handler: h})
		if answer := send(t, addr, "GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(answer, "\r\n\r\nbody") {
			t.Errorf("the answer is %q", answer)
		}
	})
	t.Run("no http.Server", func(t *testing.T) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 200 || w.Body.String() != "body" {
			t.Errorf("the answer is %d %q", w.Code, w.Body)
		}
	})
}

// TestMiddlewareTakesEarlyHintsOver: what replaces a function of the server is asked first (R123).
func TestMiddlewareTakesEarlyHintsOver(t *testing.T) {
	t.Parallel()
	var hinted, trailed gateway.Headers
	env := &gateway.Environ{Extra: map[string]any{
		"nethttp.early_hints": func(h gateway.Headers) error { hinted = h; return nil },
		"nethttp.trailers":    func(h gateway.Headers) error { trailed = h; return errors.New("no") },
	}}
	if err := nethttp.EarlyHints(env, gateway.Headers{{"Link", "x"}}); err != nil || hinted.Get("Link") != "x" {
		t.Errorf("%v, %v", hinted, err)
	}
	if err := nethttp.Trailers(env, gateway.Headers{{"X", "x"}}); err == nil || trailed.Get("X") != "x" {
		t.Errorf("%v, %v", trailed, err)
	}
	if err := nethttp.EarlyHints(env, gateway.Headers{{"Link", "\n"}}); !errors.Is(err, gateway.ErrHeader) {
		t.Errorf("a line break: %v", err)
	}
	if err := errors.Join(nethttp.EarlyHints(new(gateway.Environ), nil), nethttp.Trailers(new(gateway.Environ), nil)); err != nil {
		t.Errorf("where nobody has them: %v", err)
	}
}

func TestTLSVariables(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(0xABCDEF),
		Subject:               pkix.Name{CommonName: "A Client", Organization: []string{"Acme"}},
		NotBefore:             time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC),
		NotAfter:              time.Date(2120, 10, 12, 13, 14, 15, 0, time.UTC),
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}

	for _, c := range []struct {
		name string
		auth tls.ClientAuthType
		send bool
		want map[string]string
	}{
		{"no certificate", tls.NoClientCert, false, map[string]string{"SSL_CLIENT_VERIFY": "NONE", "SSL_CLIENT_S_DN": ""}},
		{"one that nobody has verified", tls.RequireAnyClientCert, true, map[string]string{"SSL_CLIENT_VERIFY": "GENEROUS", "SSL_CLIENT_S_DN": "", "SSL_CLIENT_M_SERIAL": ""}},
		{"one that was verified", tls.RequireAndVerifyClientCert, true, map[string]string{"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": "CN=A Client,O=Acme",
			"SSL_CLIENT_S_DN_CN": "A Client", "SSL_CLIENT_I_DN": "CN=A Client,O=Acme", "SSL_CLIENT_M_SERIAL": "ABCDEF",
			"SSL_CLIENT_V_START": "Jan  2 03:04:05 2020 GMT", "SSL_CLIENT_V_END": "Oct 12 13:14:15 2120 GMT"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var env *gateway.Environ
			s := httptest.NewUnstartedServer(nethttp.Handler(appFunc(func(e *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				env = e.Clone()
				return hello(e, start)
			})))
			pool := x509.NewCertPool()
			pool.AddCert(cert)
			s.TLS = &tls.Config{ClientAuth: c.auth, ClientCAs: pool}
			s.StartTLS()
			defer s.Close()
			transport := s.Client().Transport.(*http.Transport)
			transport.TLSClientConfig.ServerName = "example.com"
			if c.send {
				transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
			}
			r, _ := http.NewRequest("GET", s.URL, nil)
			r.Header.Set("Ssl-Client-Verify", "SUCCESS")
			response, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			wantVars(t, env, c.want)
			wantVars(t, env, map[string]string{"HTTPS": "on", "SSL_PROTOCOL": "TLSv1.3", "SSL_TLS_SNI": "example.com", "SSL_SESSION_RESUMED": "Initial",
				"HTTP_SSL_CLIENT_VERIFY": "SUCCESS"})
			if !strings.HasPrefix(env.Vars["SSL_CIPHER"], "TLS_") || env.URLScheme != "https" {
				t.Errorf("SSL_CIPHER is %q, URLScheme %q", env.Vars["SSL_CIPHER"], env.URLScheme)
			}
			if state, ok := env.Extra["nethttp.tls"].(*tls.ConnectionState); !ok || state.ServerName != "example.com" {
				t.Errorf("Extra has %v", env.Extra)
			}
		})
	}
	for version, want := range map[uint16]string{tls.VersionTLS10: "TLSv1", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.TLS = &tls.ConnectionState{Version: version}
		if got := environOf(t, r).Vars["SSL_PROTOCOL"]; got != want {
			t.Errorf("SSL_PROTOCOL is %q, want %q", got, want)
		}
	}
}

// TestGoexitEndsTheConnection: t.FailNow does it, and nobody may wait for ever.
func TestGoexitEndsTheConnection(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	addr := serve(t, &http.Server{Handler: nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		ctx := env.Context()
		context.AfterFunc(ctx, func() { ended <- context.Cause(ctx) })
		runtime.Goexit()
		return nil, nil
	}))})
	if answer := send(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 500 ") {
		t.Errorf("the answer is %q", answer)
	}
	if err := until(t, "the end of the context", ended); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("the cause is %v", err)
	}
}
