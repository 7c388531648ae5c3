package nethttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
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
	"example.com/gateway/gatewaytest"
	"example.com/gateway/nethttp"
)

type appFunc = gateway.ApplicationFunc

// environOf returns the environ that an application gets for a request without a connection.
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

// answering returns an application that answers with this status, these headers and this body.
func answering(status string, headers gateway.Headers, body func() gateway.Body) gateway.Application {
	return appFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start(status, headers, nil)
		return body(), err
	})
}

// send sends a request as it is and returns the whole answer, until the server closes the
// connection.
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

// A lines is a log that a test can look at.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what String does, and empties the log.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// until waits for a channel. If nothing comes, the test fails, and the message says what was waited
// for.
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

// get sends a GET, and returns the response, its body and the interim responses.
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

// An application that ends its goroutine, as t.FailNow does, leaves no client waiting.
func TestGoexitEndsTheConnection(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 2)
	addr := serve(t, &http.Server{Handler: nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		ctx := env.Context()
		context.AfterFunc(ctx, func() { ended <- context.Cause(ctx) })
		runtime.Goexit()
		return nil, nil
	}))})
	if answer := send(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 500 ") {
		t.Errorf("the answer is %q", answer)
	}
	begun := time.Now()
	answer := send(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1") // and no more
	if took := time.Since(begun); !strings.HasPrefix(answer, "HTTP/1.1 500 ") || took > 5*time.Second {
		t.Errorf("a client that stalls its body: the answer is %q, after %v", answer, took)
	}
	if err := until(t, "the end of the context", ended); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("the cause is %v", err)
	}
}

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

// logging returns h with b as the log of its http.Server.
func logging(h http.Handler, b io.Writer) http.Handler {
	s := &http.Server{ErrorLog: log.New(b, "", 0)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, s)))
	})
}

// Clients come and leave in all ways, and no goroutine is left.
func TestNoGoroutineIsLeft(t *testing.T) {
	h := nethttp.Handler(nethttp.Application(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := r.Context().Done()
		_, _ = io.Copy(io.Discard, r.Body)
		for range 3 {
			io.WriteString(w, "block")
			if http.NewResponseController(w).Flush() != nil {
				return
			}
		}
		select {
		case <-done:
		default:
		}
		if r.URL.Path == "/panic" {
			panic("on purpose")
		}
	})))
	before := runtime.NumGoroutine()
	func() {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = quiet
		s.Start()
		defer s.Close()
		for i := range 50 {
			path := []string{"/", "/panic"}[i%2]
			if i%3 == 0 {
				response, err := s.Client().Post(s.URL+path, "text/plain", strings.NewReader("body"))
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
				continue
			}
			if response, err := s.Client().Get(s.URL + path); err == nil {
				response.Body.Close() // unread
			}
		}
		s.Client().CloseIdleConnections()
	}()
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines, before %d:\n%s", after, before, stacks[:runtime.Stack(stacks, true)])
	}
}

// No request makes Handler panic, or breaks the promises of Environ.Vars.
func FuzzHandler(f *testing.F) {
	f.Add("GET", "/a%2Fb?q", "/a/b", "X-A", "v", "192.0.2.1:99", "/blog")
	f.Add("OPTIONS", "*", "*", "Proxy", "v", "@", "")
	f.Add("CONNECT", "host:1", "", "X_A", "v", "[::1]:1", "/")
	f.Add("GET", "http://h/p", "", "content-length", "9", "::1", "/x/")
	f.Add("", "", "x", "", "", ":", "/")
	f.Fuzz(func(t *testing.T, method, target, path, name, value, remote, prefix string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.RequestURI, r.URL.Path, r.RemoteAddr = method, target, path, remote
		r.Header[name] = []string{value, value}
		check := func(h http.Handler) { h.ServeHTTP(httptest.NewRecorder(), r) }
		app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if info := env.Vars["PATH_INFO"]; info != "" && info[0] != '/' {
				t.Errorf("PATH_INFO is %q (C14)", info)
			}
			for _, required := range []string{"SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "GATEWAY_INTERFACE"} {
				if env.Vars[required] == "" {
					t.Errorf("%s is missing", required)
				}
			}
			if env.Vars["REQUEST_METHOD"] != method || env.Vars["SERVER_NAME"] != "localhost" {
				t.Errorf("a request has changed %v", env.Vars)
			}
			for variable := range env.Vars {
				if variable == "HTTP_PROXY" || variable == "HTTP_CONTENT_LENGTH" || variable == "HTTP_CONTENT_TYPE" {
					t.Errorf("%s is there", variable)
				}
			}
			return hello(env, start)
		})
		check(nethttp.Handler(app))
		if prefix == "" || prefix[0] == '/' {
			check(nethttp.Mount(prefix, app))
		}
		check(nethttp.Handler(nethttp.Application(http.HandlerFunc(helloHandler))))
	})
}
