package nethttp_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

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
		{"names that are not canonical", func(r *http.Request) {
			r.Header["content-length"], r.Header["x-a"], r.Header["host"] = []string{"0"}, []string{"1"}, []string{"evil"}
			r.Body, r.ContentLength = http.NoBody, 0
		}, map[string]string{"CONTENT_LENGTH": "0", "HTTP_X_A": "1", "HTTP_HOST": "www.example.com"}},
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
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}

// The name that a handler keeps is not used for connections to another address.
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

// A NUL ends a string for a C library. As on every other server, the request is refused.
func TestNULInAPathIsRefused(t *testing.T) {
	called := false
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		called = true
		_, err := start("200 OK", nil, nil)
		return gateway.Text(""), err
	})
	for _, h := range []http.Handler{nethttp.Handler(app), nethttp.Mount("/a", app)} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/a/b%00c", nil))
		if w.Code != http.StatusBadRequest || called {
			t.Errorf("the status is %d, the application was called: %t", w.Code, called)
		}
	}
}

// What follows a CONNECT is the tunnel's, and no request. Nobody takes a target that is no path for
// the root.
func TestATunnelReachesNoApplication(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		calls.Add(1)
		return text(start, "hello")
	})
	servers := map[string]string{
		"Server":             serveTCP(t, &nethttp.Server{Application: app, ErrorLog: quiet}, false),
		"Server with Prefix": serveTCP(t, &nethttp.Server{Application: app, ErrorLog: quiet, Prefix: "/blog"}, false),
		"Handler":            serve(t, &http.Server{ErrorLog: quiet, Handler: nethttp.Handler(app)}),
	}
	for name, addr := range servers {
		for line, want := range map[string]string{
			"CONNECT example.com:443 HTTP/1.1\r\nHost: x": "501",
			"CONNECT / HTTP/1.1\r\nHost: x":               "501",
			"GET * HTTP/1.1\r\nHost: x":                   "400",
			"GET a:b HTTP/1.1\r\nHost: x":                 "400",
			"GET example.com:443 HTTP/1.1\r\nHost: x":     "400",
			"PRI * HTTP/2.0":                              "400", // the preface of HTTP/2
		} {
			answer := send(t, addr, line+"\r\n\r\nGET /blog HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			status, rest, _ := strings.Cut(strings.TrimPrefix(answer, "HTTP/1.1 "), " ")
			if status != want {
				t.Errorf("%s: the answer to %q is %q, want %s", name, line, answer, want)
			}
			isLast := strings.HasPrefix(line, "CONNECT") || strings.HasPrefix(line, "PRI")
			if got := strings.Contains(rest, "HTTP/1.1"); got == isLast {
				t.Errorf("%s: what follows %q is a request: %v", name, line, got)
			}
			if n := calls.Swap(0); isLast && n > 0 || n > 1 {
				t.Errorf("%s: %q has called the application %d times", name, line, n)
			}
		}
	}
}

// OPTIONS * is a request about the server.
func TestOptionsOfTheServerReachTheApplication(t *testing.T) {
	t.Parallel()
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return text(start, env.Vars["REQUEST_URI"]+"|"+env.Vars["SCRIPT_NAME"]+"|"+env.Vars["PATH_INFO"])
	})
	addr := serveTCP(t, &nethttp.Server{Application: app, ErrorLog: quiet}, false)
	answer := send(t, addr, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200") || !strings.HasSuffix(answer, "*||") {
		t.Errorf("the answer is %q", answer)
	}
}
