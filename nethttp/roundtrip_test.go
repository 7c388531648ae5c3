package nethttp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

// TestARoundTripChangesNothing: a handler behind Handler(Application(h)) answers as it does by itself.
func TestARoundTripChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f.txt"), bytes.Repeat([]byte("0123456789"), 2000), 0o644); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/f/", http.StripPrefix("/f", http.FileServer(http.Dir(dir))))
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s %v %d %v %q %v", r.Method, r.URL, r.RequestURI, r.Host, r.Proto, r.Header, r.ContentLength, r.TransferEncoding, body, err)
	})
	mux.HandleFunc("/cookies", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		w.WriteHeader(201)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "block %d;", i)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/204", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/304", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Etag", `"x"`); w.WriteHeader(304) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("large ", 10000)) })
	mux.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(103)
		io.WriteString(w, "hinted")
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Declared")
		io.WriteString(w, "body")
		w.Header().Set("X-Declared", "1")
		w.Header().Set(http.TrailerPrefix+"X-Other", "2")
	})
	mux.HandleFunc("/context", func(w http.ResponseWriter, r *http.Request) {
		_, server := r.Context().Value(http.ServerContextKey).(*http.Server)
		fmt.Fprint(w, server, r.Context().Value(http.LocalAddrContextKey) != nil, r.Context().Err(), r.TLS != nil && r.TLS.HandshakeComplete)
	})
	requests := []func(base string) *http.Request{}
	for _, target := range []string{"/f/f.txt", "/f/", "/f/none", "/f", "/echo", "/echo?q=%41+b&c", "/echo?", "/cookies", "/stream", "/204", "/304", "/large", "/hints",
		"/trailers", "/context", "/none", "//echo", "/f/%66.txt", "/f/a%2Fb"} {
		for _, method := range []string{"GET", "HEAD"} {
			requests = append(requests, func(base string) *http.Request {
				r, _ := http.NewRequest(method, base+target, nil)
				r.Header["X-Header"] = []string{"value"}
				return r
			})
		}
	}
	for _, body := range []func() io.Reader{
		func() io.Reader { return strings.NewReader("a body") },
		func() io.Reader { return io.MultiReader(strings.NewReader("of unknown length")) },
		func() io.Reader { return http.NoBody },
	} {
		requests = append(requests, func(base string) *http.Request {
			r, _ := http.NewRequest("POST", base+"/echo", body())
			r.Header.Set("Content-Type", "text/x")
			return r
		})
	}
	requests = append(requests, func(base string) *http.Request {
		r, _ := http.NewRequest("GET", base+"/f/f.txt", nil)
		r.Header.Set("Range", "bytes=3-5")
		return r
	})

	ask := func(t *testing.T, client *http.Client, r *http.Request) string {
		t.Helper()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		r.Host = "www.example.com"
		var hints []string
		r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h))
			return nil
		}}))
		response, err := client.Do(r)
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
			return ""
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		response.Header.Del("Date")
		response.Header.Del("Last-Modified")
		return fmt.Sprintf("%s %v %d %v %v %v %.200q %d %v", response.Status, response.Header, response.ContentLength, response.TransferEncoding, hints,
			response.Trailer, body, len(body), err)
	}
	var want []string
	eachProtocol(t, mux, func(t *testing.T, proto string, client *http.Client, base string) {
		for _, request := range requests {
			want = append(want, ask(t, client, request(base)))
		}
	})
	eachProtocol(t, nethttp.Handler(nethttp.Application(mux)), func(t *testing.T, proto string, client *http.Client, base string) {
		for _, request := range requests {
			r := request(base)
			got := ask(t, client, r)
			http2 := proto == "HTTP/2.0"
			switch {
			case r.URL.Path == "/trailers" && (http2 || r.Method == "HEAD"), http2 && (r.URL.Path == "/204" || r.URL.Path == "/304"):
				// What differs is framing: trailers are not announced, and have no length before them, and a head without a
				// body leaves before the end of the stream.
			case got != want[0]:
				t.Errorf("%s %s:\n%s, want\n%s", r.Method, r.URL, got, want[0])
			}
			want = want[1:]
		}
	})
}

// TestNoGoroutineIsLeft after clients that came and went in all ways.
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

// FuzzHandler: no request makes Handler panic, or breaks what Environ.Vars promises.
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

// FuzzURL: whatever a host says, a handler's URL has the path that the variables have, no host, and survives its own text.
func FuzzURL(f *testing.F) {
	f.Add("/x", "/a b", "q=1", "/x/a%20b?q=1")
	f.Add("", "", "", "@evil.com/p")
	f.Add("", "/p", "", "http://other/p")
	f.Add("", "//evil.com", "", "//evil.com")
	f.Add("", "", "", "*")
	f.Add("", "/%zz", "%zz", "/%zz?%zz")
	f.Add("", "", "", "/0%00")
	f.Fuzz(func(t *testing.T, script, path, query, target string) {
		var r *http.Request
		env := environ(map[string]string{"SCRIPT_NAME": script, "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_URI": target}, "")
		if _, _, err := respond(func(_ http.ResponseWriter, got *http.Request) { r = got }, env); err != nil {
			t.Fatal(err)
		}
		u := r.URL
		if u.Host != "" || u.Scheme != "" || u.User != nil || u.Opaque != "" {
			t.Fatalf("the URL is %#v", u)
		}
		if whole := script + path; whole != "" && u.Path != whole && u.Path != "/"+whole {
			t.Errorf("the path is %q, want %q", u.Path, whole)
		}
		if u.Path == "*" {
			return
		}
		if decoded, err := url.PathUnescape(u.EscapedPath()); err != nil || decoded != u.Path || !strings.HasPrefix(u.Path, "/") {
			t.Errorf("EscapedPath %q of %q is %q, %v", u.EscapedPath(), u.Path, decoded, err)
		}
		if strings.Contains(u.Path, "\x00") {
			return // Handler refuses it
		}
		// Through Handler it is the same again.
		if back, err := url.ParseRequestURI(u.EscapedPath()); err == nil {
			again := httptest.NewRequest("GET", "/", nil)
			again.URL, again.RequestURI = back, u.EscapedPath()
			var got string
			nethttp.Handler(nethttp.Application(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.EscapedPath() }))).
				ServeHTTP(httptest.NewRecorder(), again)
			if got != u.EscapedPath() {
				t.Errorf("%q became %q", u.EscapedPath(), got)
			}
		}
	})
}

// FuzzResponse: whatever a handler sets, either start refuses it, or it arrives as it was.
func FuzzResponse(f *testing.F) {
	f.Add(200, "X-A", "v", []byte("body"))
	f.Add(103, "Content-Length", "1", []byte("body"))
	f.Add(204, "Content-Type", "\r\n", []byte(""))
	f.Add(205, "0", "0", []byte("0"))
	f.Add(206, "Content-Length", "0", []byte("0"))
	f.Add(999, "Trailer", "X", bytes.Repeat([]byte("x"), 5000))
	f.Fuzz(func(t *testing.T, code int, name, value string, body []byte) {
		var taken int
		var werr error
		r, log, err := respond(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()[name] = []string{value, value}
			w.WriteHeader(code)
			taken, werr = w.Write(body)
		}, environ(nil, ""))
		if r.status == "" {
			t.Fatalf("nothing was sent: %v", err)
		}
		for _, field := range r.headers {
			if strings.ContainsAny(field[0]+field[1], "\r\n\x00") {
				t.Errorf("the header %q was sent", field)
			}
		}
		if code == 204 || code == 205 || code == 304 {
			if sent := strings.Join(r.writes, ""); r.status[:3] == strconv.Itoa(code) && sent != "" {
				t.Errorf("a %d has the body %q", code, sent)
			}
			if len(body) > 0 && werr == nil {
				t.Errorf("a write of a %d is no error", code)
			}
		}
		// What Write took is sent; what it did not, it said.
		if err == nil && code >= 200 && strings.Join(r.writes, "") != string(body[:taken]) {
			t.Errorf("the body is %q, want %q, log %q", r.writes, body[:taken], log)
		}
		if taken < len(body) && !errors.Is(werr, http.ErrBodyNotAllowed) && !errors.Is(werr, http.ErrContentLength) && err == nil {
			t.Errorf("of %d bytes %d were taken, with the error %v", len(body), taken, werr)
		}
		if err != nil && !errors.Is(err, gateway.ErrBroken) && r.status != "500 Internal Server Error" {
			t.Errorf("%v, and the status is %q", err, r.status)
		}
	})
}
