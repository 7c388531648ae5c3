package nethttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"example.com/gateway"
	"example.com/gateway/cgi"
	"example.com/gateway/nethttp"
)

// A recorder is a transport that keeps each write.
type recorder struct {
	status  string
	headers gateway.Headers
	writes  []string
	fail    error // of each Write
}

func (r *recorder) WriteHead(status string, headers gateway.Headers) error {
	r.status, r.headers = status, append(gateway.Headers(nil), headers...)
	return nil
}

func (r *recorder) Write(block []byte) (int, error) {
	if r.fail != nil {
		return 0, r.fail
	}
	r.writes = append(r.writes, string(block))
	return len(block), nil
}

// environ is a request without a server.
func environ(vars map[string]string, body string) *gateway.Environ {
	all := map[string]string{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "www.example.com", "SERVER_PORT": "80", "PATH_INFO": "/"}
	for name, value := range vars {
		all[name] = value
	}
	return &gateway.Environ{Vars: all, URLScheme: "http", Input: strings.NewReader(body)}
}

// respond runs a handler for a request and returns its response, what went to Errors, and what Respond returned.
func respond(h http.HandlerFunc, env *gateway.Environ) (*recorder, string, error) {
	var log bytes.Buffer
	env.Errors = &log
	r := new(recorder)
	err := gateway.Respond(nethttp.Application(h), env, r)
	return r, log.String(), err
}

// requestOf is the request that a handler gets.
func requestOf(t *testing.T, env *gateway.Environ) (r *http.Request) {
	t.Helper()
	if _, log, err := respond(func(_ http.ResponseWriter, got *http.Request) { r = got }, env); err != nil || log != "" || r == nil {
		t.Fatalf("%v, log %q, request %v", err, log, r)
	}
	return r
}

func TestTheRequestThatAHandlerGets(t *testing.T) {
	t.Parallel()
	env := environ(map[string]string{"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/app", "PATH_INFO": "/a b", "QUERY_STRING": "q=1", "REQUEST_URI": "/app/a%20b?q=1",
		"CONTENT_LENGTH": "5", "CONTENT_TYPE": "text/x", "HTTP_HOST": "example.org:81", "HTTP_X_FOO_BAR": "baz", "HTTP_COOKIE": "a=1; b=2", "HTTP_ETAG": "e",
		"HTTP_EMPTY": "", "HTTP_PROXY": "evil", "HTTP_CONTENT_LENGTH": "99", "REMOTE_ADDR": "2001:db8::1", "REMOTE_PORT": "99", "REMOTE_USER": "ada",
		"HTTP_AUTHORIZATION": "Basic YTpi", "HTTP_TRANSFER_ENCODING": "", "HTTP_USER_AGENT": "test"}, "12345")
	r := requestOf(t, env)
	got := fmt.Sprintf("%s %s %s %s|%s|%d.%d|%d|%s|%v", r.Method, r.URL, r.RequestURI, r.Host, r.Proto, r.ProtoMajor, r.ProtoMinor, r.ContentLength, r.RemoteAddr, r.TLS)
	if want := "POST /app/a%20b?q=1 /app/a%20b?q=1 example.org:81|HTTP/1.1|1.1|5|[2001:db8::1]:99|<nil>"; got != want {
		t.Errorf("the request is\n%s, want\n%s", got, want)
	}
	want := http.Header{"Content-Length": {"5"}, "Content-Type": {"text/x"}, "X-Foo-Bar": {"baz"}, "Cookie": {"a=1; b=2"}, "Etag": {"e"},
		"Authorization": {"Basic YTpi"}, "User-Agent": {"test"}}
	if fmt.Sprint(r.Header) != fmt.Sprint(want) {
		t.Errorf("the header is\n%v, want\n%v", r.Header, want)
	}
	for name, list := range r.Header { // an append to one must not overwrite another
		r.Header[name] = append(list, "more")
	}
	if got := fmt.Sprint(r.Header["X-Foo-Bar"]); got != "[baz more]" {
		t.Errorf("X-Foo-Bar is %s", got)
	}
	if c, err := r.Cookie("b"); err != nil || c.Value != "2" {
		t.Errorf("the cookie is %v, %v", c, err)
	}
	if user, password, ok := r.BasicAuth(); user != "a" || password != "b" || !ok {
		t.Errorf("BasicAuth is %q %q %v", user, password, ok)
	}
	e := nethttp.Environ(r)
	if e == nil || e.Vars["REMOTE_USER"] != "ada" || e.Vars["SCRIPT_NAME"] != "/app" || e.Vars["PATH_INFO"] != "/a b" {
		t.Errorf("Environ is %v", e)
	}
	if cause := context.Cause(r.Context()); !errors.Is(cause, gateway.ErrEnded) {
		t.Errorf("after the response the context has ended with %v", cause)
	}
	if nethttp.Environ(httptest.NewRequest("GET", "/", nil)) != nil {
		t.Error("a request of net/http has an environ")
	}
}

func TestRequestsOfOddHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		vars map[string]string
		get  func(r *http.Request) any
		want any
	}{
		{map[string]string{"SERVER_PROTOCOL": "HTTP/2"}, func(r *http.Request) any { return r.Proto }, "HTTP/2.0"},
		{map[string]string{"SERVER_PROTOCOL": "HTTP/3"}, func(r *http.Request) any { return r.ProtoMajor }, 3},
		{map[string]string{"SERVER_PROTOCOL": "HTTP/1.0"}, func(r *http.Request) any { return r.ProtoAtLeast(1, 1) }, false},
		{map[string]string{"SERVER_PROTOCOL": "INCLUDED"}, func(r *http.Request) any { return r.Proto }, "HTTP/1.0"}, // C25
		{map[string]string{"SERVER_PROTOCOL": ""}, func(r *http.Request) any { return r.Proto }, "HTTP/1.0"},
		{nil, func(r *http.Request) any { return r.Host }, "www.example.com"},
		{map[string]string{"SERVER_PORT": "8080"}, func(r *http.Request) any { return r.Host }, "www.example.com:8080"},
		{nil, func(r *http.Request) any { return r.RemoteAddr }, ""},
		{map[string]string{"REMOTE_ADDR": "192.0.2.1"}, func(r *http.Request) any { return r.RemoteAddr }, "192.0.2.1:0"},
		{map[string]string{"HTTP_X.A~B_C": "odd"}, func(r *http.Request) any { return r.Header.Get("X.a~b-C") }, "odd"},
		{map[string]string{"HTTP_X_A-B_C": "none"}, func(r *http.Request) any { return r.Header.Get("X-A-B-C") }, ""},
		{nil, func(r *http.Request) any { return r.Body == http.NoBody && r.ContentLength == 0 }, true},
	} {
		if got := c.get(requestOf(t, environ(c.vars, ""))); got != c.want {
			t.Errorf("%v: %v, want %v", c.vars, got, c.want)
		}
	}
	env := environ(nil, "")
	env.URLScheme = "https"
	if r := requestOf(t, env); r.TLS == nil {
		t.Error("TLS is nil for https")
	}
	env = environ(nil, "")
	env.URLScheme, env.Extra = "https", map[string]any{"nethttp.tls": &tls.ConnectionState{ServerName: "sni"}}
	if r := requestOf(t, env); r.TLS == nil || r.TLS.ServerName != "sni" {
		t.Error("TLS is not the server's")
	}
}

// TestAVariableThatIsNoHeadersPassesForNone: E6. In net/http/cgi HTTP_X_USER and HTTP_X-USER are one header, and chance says whose
// value counts; hence the many runs.
func TestAVariableThatIsNoHeadersPassesForNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ proper, odd, name string }{
		{"HTTP_X_USER", "HTTP_X-USER", "X-User"},
		{"HTTP_X_USER", "HTTP_X_User", "X-User"},
		{"HTTP_X_USER", "HTTP_x_user", "X-User"},
		{"HTTP_COOKIE", "HTTP_Cookie", "Cookie"},
		{"HTTP_USER_AGENT", "HTTP_USER-AGENT", "User-Agent"},
		{"", "HTTP_CONTENT-TYPE", "Content-Type"},
		{"", "HTTP_CONTENT-LENGTH", "Content-Length"},
		{"", "HTTP_Proxy", "Proxy"},
		{"", "HTTP_Host", "Host"},
		{"", "HTTP_TRANSFER-ENCODING", "Transfer-Encoding"},
		{"", "HTTP_X USER", "X User"},
		{"", "HTTP_X:USER", "X:user"},
		{"", "HTTP_X\r\nUSER", "X\r\nuser"},
		{"", "HTTP_ÄTAG", "ÄTAG"},
		{"", "HTTP_-", "-"},
		{"", "HTTP_", ""},
	} {
		for range 50 {
			vars, want := map[string]string{c.odd: "666"}, http.Header{}
			if c.proper != "" {
				vars[c.proper], want[c.name] = "5", []string{"5"}
			}
			r := requestOf(t, environ(vars, "12345"))
			if fmt.Sprint(r.Header) != fmt.Sprint(want) || r.Host != "www.example.com" || len(r.TransferEncoding) > 0 {
				t.Errorf("%q beside %q: the header is %v, want %v; Host %q, TransferEncoding %v", c.odd, c.proper, r.Header, want, r.Host, r.TransferEncoding)
				break
			}
		}
	}
}

// TestTheURLOfAHandler: golang/go#81686 and others of peers.md. No target makes a host.
func TestTheURLOfAHandler(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ script, path, query, uri, url, escaped, target string }{
		{"", "/a/b", "q", "/a%2Fb?q", "/a/b", "/a%2Fb", "/a%2Fb?q"},
		{"/x", "/a", "", "/x/a", "/x/a", "/x/a", "/x/a"},
		{"", "/a", "", "/a?", "/a", "/a", "/a?"},
		{"", "/é", "", "/%c3%a9", "/é", "/%c3%a9", "/%c3%a9"},
		{"", "/a[b]!", "", "/a[b]!", "/a[b]!", "/a[b]!", "/a[b]!"},
		{"", "/a", "q=1", "/b?q=1", "/a", "/a", "/a?q=1"},                            // rewritten by the host
		{"", "/a", "q=2", "/a?q=1", "/a", "/a", "/a?q=2"},                            // the query was
		{"", "", "", "/b%20c", "/b c", "/b%20c", "/b%20c"},                           // nginx's scgi_params
		{"", "", "q", "", "/", "/", "/?q"},                                           // nothing at all
		{"", "/a?b#c%41", "", "", "/a?b#c%41", "/a%3Fb%23c%2541", "/a%3Fb%23c%2541"}, // decoded once
		{"", "/a b", "", "/a b", "/a b", "/a%20b", "/a b"},                           // BusyBox decodes the target
		{"", "/%zz", "", "/%zz", "/%zz", "/%25zz", "/%25zz"},
		{"", "/p", "", "@evil.com/p", "/p", "/p", "/p"},
		{"", "", "", "@evil.com/p", "/", "/", "/"},
		{"", "//evil.com/p", "", "//evil.com/p", "//evil.com/p", "//evil.com/p", "//evil.com/p"},
		{"", "/p", "q", "http://other.example/p?q", "/p", "/p", "http://other.example/p?q"},
		{"", "/", "q", "HTTP://user@other.example?q", "/", "/", "HTTP://user@other.example?q"},
		{"", "/", "", "http://other.example", "/", "/", "http://other.example"},
		{"", "/p", "", "ftp://other.example/p", "/p", "/p", "/p"},
		{"", "", "", "*", "*", "*", "*"},
		{"", "/p", "", "*", "/p", "/p", "/p"},
		{"", "p", "", "", "/p", "/p", "/p"},
		{"", "/p", "", "other.example:443", "/p", "/p", "/p"},
	} {
		r := requestOf(t, environ(map[string]string{"SCRIPT_NAME": c.script, "PATH_INFO": c.path, "QUERY_STRING": c.query, "REQUEST_URI": c.uri}, ""))
		u := r.URL
		if u.Path != c.url || u.EscapedPath() != c.escaped || r.RequestURI != c.target || u.RawQuery != c.query {
			t.Errorf("%q %q %q %q: Path %q, EscapedPath %q, RawQuery %q, RequestURI %q; want %q, %q, %q, %q", c.script, c.path, c.query, c.uri,
				u.Path, u.EscapedPath(), u.RawQuery, r.RequestURI, c.url, c.escaped, c.query, c.target)
		}
		if u.Host != "" || u.Scheme != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" || r.Host != "www.example.com" {
			t.Errorf("%q: a target has made the URL %#v for the host %q", c.uri, u, r.Host)
		}
	}
}

func TestTheBodyThatAHandlerReads(t *testing.T) {
	t.Parallel()
	failed := errors.New("the disk is on fire")
	for _, c := range []struct {
		name   string
		vars   map[string]string
		body   io.Reader
		length int64
		text   string
		err    error
	}{
		{"none", nil, strings.NewReader(""), 0, "", nil},
		{"nil", nil, nil, 0, "", nil},
		{"of known length", map[string]string{"CONTENT_LENGTH": "5"}, strings.NewReader("12345"), 5, "12345", nil},
		{"of length 0", map[string]string{"CONTENT_LENGTH": "0"}, strings.NewReader(""), 0, "", nil},
		{"of unknown length", nil, strings.NewReader("12345"), -1, "12345", nil},
		{"of one byte", nil, strings.NewReader("1"), -1, "1", nil},
		{"chunks", map[string]string{"HTTP_TRANSFER_ENCODING": "gzip, Chunked"}, strings.NewReader("12345"), -1, "12345", nil},
		{"empty chunks", map[string]string{"HTTP_TRANSFER_ENCODING": "chunked"}, strings.NewReader(""), -1, "", nil},
		{"cut short", map[string]string{"CONTENT_LENGTH": "9"}, io.MultiReader(strings.NewReader("123"), failing{failed}), 9, "123", failed},
	} {
		env := environ(c.vars, "")
		env.Input = c.body
		_, log, err := respond(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if r.ContentLength != c.length || string(body) != c.text || err != c.err {
				t.Errorf("%s: ContentLength %d, body %q, %v; want %d, %q, %v", c.name, r.ContentLength, body, err, c.length, c.text, c.err)
			}
			if chunked := len(r.TransferEncoding) > 0; chunked != strings.Contains(c.name, "chunks") || r.Header["Transfer-Encoding"] != nil {
				t.Errorf("%s: TransferEncoding %v", c.name, r.TransferEncoding)
			}
			if err := r.Body.Close(); err != nil {
				t.Errorf("%s: Close: %v", c.name, err)
			}
			if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("%s: a read after Close returned %d, %v", c.name, n, err)
			}
		}, env)
		if err != nil || log != "" {
			t.Errorf("%s: %v, log %q", c.name, err, log)
		}
	}
	env := environ(nil, "")
	env.Input = failing{failed}
	if r, _, err := respond(func(http.ResponseWriter, *http.Request) { t.Error("it was called") }, env); r.status != "500 Internal Server Error" || !errors.Is(err, failed) {
		t.Errorf("a body that cannot be asked: %q, %v", r.status, err)
	}
	if r, _, err := respond(func(http.ResponseWriter, *http.Request) { t.Error("it was called") }, environ(map[string]string{"CONTENT_LENGTH": "+5"}, "")); r.status != "500 Internal Server Error" || !errors.Is(err, gateway.ErrContentLength) {
		t.Errorf("a length that is none: %q, %v", r.status, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestWhatAHandlerWrites(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name   string
		method string
		h      http.HandlerFunc
		want   string // status, headers, writes
		log    string
		broken bool
	}{
		{"nothing", "GET", func(http.ResponseWriter, *http.Request) {}, `200 OK [[Content-Length 0]] [""]`, "", false},
		{"a little", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a"); w.Write([]byte("b")) },
			`200 OK [[Content-Type text/plain; charset=utf-8] [Content-Length 2]] ["ab"]`, "", false},
		{"a page", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
			`200 OK [[Content-Type text/html; charset=utf-8] [Content-Length 6]] ["<html>"]`, "", false},
		{"a type", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "<html>")
		},
			`200 OK [[Content-Type a/b] [Content-Length 6]] ["<html>"]`, "", false},
		{"no type", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		},
			`200 OK [[Content-Length 6]] ["<html>"]`, "", false},
		{"an encoding", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "<html>")
		},
			`200 OK [[Content-Encoding gzip] [Content-Length 6]] ["<html>"]`, "", false},
		{"a status", "GET", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) },
			`404 Not Found [[Content-Type text/plain; charset=utf-8] [X-Content-Type-Options nosniff] [Content-Length 3]] ["no\n"]`, "", false},
		{"two statuses", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(500) },
			`404 Not Found [[Content-Length 0]] [""]`, "nethttp: superfluous WriteHeader(500) after 404\n", false},
		{"headers after the head", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); w.Header().Set("X-Late", "1") },
			`204 No Content [] [""]`, "", false},
		{"a body of a 204", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			if n, err := io.WriteString(w, "x"); n != 0 || err != http.ErrBodyNotAllowed {
				t.Errorf("a write of a 204 returned %d, %v", n, err)
			}
		}, `204 No Content [] [""]`, "", false},
		{"a body of a 205", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(205)
			if n, err := io.WriteString(w, "x"); n != 0 || err != http.ErrBodyNotAllowed {
				t.Errorf("a write of a 205 returned %d, %v", n, err)
			}
		}, `205 Reset Content [[Content-Length 0]] [""]`, "", false},
		{"more than is held back", "GET", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "a")
			w.Write([]byte(big))
			io.WriteString(w, "b")
		},
			`200 OK [[Content-Type text/plain; charset=utf-8]] ["a" "` + big + `" "b"]`, "", false},
		{"much, with a length", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			io.WriteString(w, big)
		},
			`200 OK [[Content-Length 5000] [Content-Type text/plain; charset=utf-8]] ["` + big + `"]`, "", false},
		{"in blocks", "GET", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "one")
			w.(http.Flusher).Flush()
			io.WriteString(w, "two")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			w.(http.Flusher).Flush()
			io.WriteString(w, "three")
		}, `200 OK [[Content-Type text/plain; charset=utf-8]] ["one" "two" "three"]`, "", false},
		{"the head first", "GET", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, "x") },
			`200 OK [] ["" "x"]`, "", false},
		{"HEAD", "HEAD", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "four") },
			`200 OK [[Content-Type text/plain; charset=utf-8] [Content-Length 4]] [""]`, "", false},
		{"HEAD of nothing", "HEAD", func(http.ResponseWriter, *http.Request) {}, `200 OK [] [""]`, "", false},
		{"more than declared", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			io.WriteString(w, "ab")
			if n, err := io.WriteString(w, "c"); n != 0 || err != http.ErrContentLength {
				t.Errorf("a write past the length returned %d, %v", n, err)
			}
		}, `200 OK [[Content-Length 2] [Content-Type text/plain; charset=utf-8]] ["ab"]`, "", false},
		{"less than declared", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "ab")
		},
			`200 OK [[Content-Length 5] [Content-Type text/plain; charset=utf-8]] ["ab"]`, "gateway: GET /: wrong Content-Length: 5 declared, 2 sent\n", true},
		{"a length that is none", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "two")
			w.WriteHeader(404)
		},
			`404 Not Found [[Content-Length 0]] [""]`, "nethttp: invalid Content-Length of \"two\"\n", false},
		{"headers that are the server's", "GET", func(w http.ResponseWriter, _ *http.Request) {
			for _, name := range []string{"Connection", "Keep-Alive", "Transfer-Encoding", "TE", "Upgrade", "Proxy-Authenticate", "Status", "Proxy-Connection", "Trailer"} {
				w.Header().Set(name, "close")
			}
			w.Header().Set("Date", "today")
			w.WriteHeader(304)
		}, `304 Not Modified [[Date today]] [""]`, "", false},
		{"headers in several lines", "GET", func(w http.ResponseWriter, _ *http.Request) {
			for _, v := range []string{"1", "2"} {
				for _, name := range []string{"X-B", "X-A", "Content-Type", "Location", "Content-Length"} {
					w.Header().Add(name, v)
				}
			}
			io.WriteString(w, "x")
		}, `200 OK [[Content-Length 1] [Content-Type 1] [Location 1] [X-A 1] [X-A 2] [X-B 1] [X-B 2]] ["x"]`, "", false},
		{"a line break in a header", "GET", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "a\r\nX-Evil: 1") },
			`500 Internal Server Error [[Content-Type text/plain] [Content-Length 26]] ["500 Internal Server Error\n"]`,
			"gateway: GET /: invalid header: value \"a\\r\\nX-Evil: 1\" of X-A has a control character\n", false}, // E8
		{"interim responses that nobody can send", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(100)
			w.WriteHeader(102)
			w.WriteHeader(404)
		},
			`404 Not Found [[Content-Length 0]] [""]`, "", false},
		{"trailers that nobody can send", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "x")
			w.Header().Set("X-Sum", "1")
			w.Header().Set(http.TrailerPrefix+"X-Other", "2")
		}, `200 OK [[Content-Type text/plain; charset=utf-8] [Content-Length 1]] ["x"]`, "", false},
		{"an abort", "GET", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "one")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
			`200 OK [[Content-Type text/plain; charset=utf-8]] ["one"]`, "gateway: GET /: net/http: abort Handler\n", true},
		{"an abort before anything was sent", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "one"); panic(http.ErrAbortHandler) },
			`500 Internal Server Error [[Content-Type text/plain] [Content-Length 26]] ["500 Internal Server Error\n"]`, "gateway: GET /: net/http: abort Handler\n", false},
		{"copied", "GET", func(w http.ResponseWriter, _ *http.Request) {
			n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(strings.Repeat("y", 40000))})
			if n != 40000 || err != nil {
				t.Errorf("Copy returned %d, %v", n, err)
			}
		}, `200 OK [[Content-Type text/plain; charset=utf-8]] ["` + strings.Repeat("y", 32768) + `" "` + strings.Repeat("y", 7232) + `"]`, "", false},
		{"an upgrade", "GET", func(w http.ResponseWriter, _ *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("Hijack returned %v", err)
			}
			w.WriteHeader(101)
		}, `500 Internal Server Error [[Content-Type text/plain] [Content-Length 26]] ["500 Internal Server Error\n"]`,
			"gateway: GET /: invalid status: \"101 Switching Protocols\" is informational, not a response\n", false},
		{"what a controller can", "GET", func(w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			if err := c.EnableFullDuplex(); err != nil {
				t.Error(err)
			}
			if err := c.SetReadDeadline(time.Time{}); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("SetReadDeadline returned %v", err)
			}
			if err := c.SetWriteDeadline(time.Time{}); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("SetWriteDeadline returned %v", err)
			}
		}, `200 OK [[Content-Length 0]] [""]`, "", false},
	} {
		r, log, err := respond(c.h, environ(map[string]string{"REQUEST_METHOD": c.method}, ""))
		if got := fmt.Sprintf("%s %v %q", r.status, r.headers, r.writes); got != c.want {
			t.Errorf("%s: the response is\n%.300s, want\n%.300s", c.name, got, c.want)
		}
		if log != c.log {
			t.Errorf("%s: the log is %q, want %q", c.name, log, c.log)
		}
		if errors.Is(err, gateway.ErrBroken) != c.broken {
			t.Errorf("%s: Respond returned %v, broken is to be %v", c.name, err, c.broken)
		}
	}
}

func TestAHandlerThatPanics(t *testing.T) {
	t.Parallel()
	r, log, err := respond(func(w http.ResponseWriter, _ *http.Request) { panicHere() }, environ(nil, ""))
	if r.status != "500 Internal Server Error" || err == nil || !strings.HasPrefix(log, "gateway: GET /: panic: on purpose\n") || !strings.Contains(log, "panicHere") {
		t.Errorf("%q, %v, log %q", r.status, err, log)
	}
	r, log, _ = respond(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(0) }, environ(nil, ""))
	if r.status != "500 Internal Server Error" || !strings.Contains(log, "invalid WriteHeader code 0") {
		t.Errorf("%q, log %q", r.status, log)
	}
	gone := make(chan struct{})
	end := new(recorder)
	go func() { // as t.FailNow does
		defer close(gone)
		_ = gateway.Respond(nethttp.Application(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })), environ(nil, ""), end)
	}()
	<-gone
	if end.status != "500 Internal Server Error" {
		t.Errorf("after Goexit the answer is %q", end.status)
	}
}

func panicHere() { panic("on purpose") }

// TestAClientThatLeaves: httputil.ReverseProxy panics with ErrAbortHandler when the copy fails, and no log hears of it.
func TestAClientThatLeaves(t *testing.T) {
	t.Parallel()
	left := fmt.Errorf("%w: broken pipe", gateway.ErrDisconnected)
	for _, abort := range []bool{false, true} {
		var log bytes.Buffer
		env := environ(nil, "")
		env.Errors = &log
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				if _, err := w.Write(make([]byte, 5000)); !errors.Is(err, gateway.ErrDisconnected) {
					t.Errorf("Write returned %v", err)
				}
			}
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, gateway.ErrDisconnected) {
				t.Errorf("Flush returned %v", err)
			}
			if cause := context.Cause(r.Context()); !errors.Is(cause, gateway.ErrDisconnected) {
				t.Errorf("the context has ended with %v", cause)
			}
			if abort {
				panic(http.ErrAbortHandler)
			}
		})
		err := gateway.Respond(nethttp.Application(h), env, &recorder{fail: left})
		if !errors.Is(err, gateway.ErrBroken) || !errors.Is(err, left) || log.Len() > 0 {
			t.Errorf("abort %v: %v, log %q", abort, err, &log)
		}
	}
}

// TestAHandlerThatIsNotDoneWhenItReturns must reach neither this response nor another.
func TestAHandlerThatIsNotDoneWhenItReturns(t *testing.T) {
	t.Parallel()
	var kept http.ResponseWriter
	r, log, err := respond(func(w http.ResponseWriter, _ *http.Request) {
		kept = w
		io.WriteString(w, "one")
	}, environ(nil, ""))
	if err != nil || log != "" || fmt.Sprint(r.writes) != "[one]" {
		t.Fatalf("%v, log %q, %q", err, log, r.writes)
	}
	kept.WriteHeader(500)
	if n, err := kept.Write([]byte("late")); n != 0 || !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("Write returned %d, %v", n, err)
	}
	if n, err := io.WriteString(kept, "late"); n != 0 || !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("WriteString returned %d, %v", n, err)
	}
	if err := http.NewResponseController(kept).Flush(); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("Flush returned %v", err)
	}
	if len(r.writes) != 1 {
		t.Errorf("the writes are %q", r.writes)
	}
}

// TestTemporaryFilesAreRemoved: net/http's server does that after the handler.
func TestTemporaryFilesAreRemoved(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("f", "upload.bin")
	_, _ = part.Write(make([]byte, 1<<20))
	form.Close()
	for _, panics := range []bool{false, true} {
		var name string
		env := environ(map[string]string{"REQUEST_METHOD": "POST", "CONTENT_TYPE": form.FormDataContentType(), "CONTENT_LENGTH": fmt.Sprint(body.Len())}, body.String())
		_, _, _ = respond(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(1); err != nil {
				t.Error(err)
				return
			}
			f, err := r.MultipartForm.File["f"][0].Open()
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			name = f.(*os.File).Name()
			if panics {
				panic("on purpose")
			}
		}, env)
		if _, err := os.Stat(name); name == "" || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("panics %v: the file %q is there: %v", panics, name, err)
		}
	}
}

func TestANilHandlerIsTheDefault(t *testing.T) {
	t.Parallel()
	r := new(recorder)
	if err := gateway.Respond(nethttp.Application(nil), environ(map[string]string{"PATH_INFO": "/no-such-path"}, ""), r); err != nil || r.status != "404 Not Found" {
		t.Errorf("%q, %v", r.status, err)
	}
}

// TestExistingHandlers run as a CGI program and through Respond.
func TestExistingHandlers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big.bin"), bytes.Repeat([]byte("0123456789"), 10000), 0o644); err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Status", "200 OK") // as Rails does
		w.Header().Set("Connection", "close")
		fmt.Fprintf(w, "%s %s %d %q %v", r.Method, r.URL, r.ContentLength, body, r.TransferEncoding)
	}))
	defer backend.Close()
	target, _ := url.Parse(backend.URL)
	mux := http.NewServeMux()
	mux.Handle("/proxy/", http.StripPrefix("/proxy", httputil.NewSingleHostReverseProxy(target)))
	mux.Handle("/files/", http.StripPrefix("/files", http.FileServer(http.Dir(dir))))
	mux.Handle("/fs/", http.StripPrefix("/fs", http.FileServerFS(fstest.MapFS{"a.txt": {Data: []byte("text")}})))
	mux.HandleFunc("POST /items/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("id"), r.FormValue("f")) })
	mux.Handle("/redirect", http.RedirectHandler("/files/", http.StatusMovedPermanently))

	for _, c := range []struct {
		vars   []string
		body   string
		status string
		in     []string
	}{
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/proxy/a/b", "REQUEST_URI=/proxy/a%2Fb?q", "QUERY_STRING=q"}, "", "200 OK", []string{`GET /a%2Fb?q 0 "" []`}},
		{[]string{"REQUEST_METHOD=POST", "PATH_INFO=/proxy/", "CONTENT_LENGTH=5"}, "12345", "200 OK", []string{`POST / 5 "12345" []`}},
		{[]string{"REQUEST_METHOD=POST", "PATH_INFO=/proxy/", "HTTP_TRANSFER_ENCODING=chunked"}, "12345", "200 OK", []string{`POST / -1 "12345" [chunked]`}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/files/big.bin"}, "", "200 OK", []string{"Content-Length: 100000\r\n", "789"}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/files/big.bin", "HTTP_RANGE=bytes=5-7"}, "", "206 Partial Content", []string{"Content-Range: bytes 5-7/100000\r\n", "\r\n\r\n567"}},
		{[]string{"REQUEST_METHOD=HEAD", "PATH_INFO=/files/big.bin"}, "", "200 OK", []string{"Content-Length: 100000\r\n"}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/fs/a.txt"}, "", "200 OK", []string{"Content-Type: text/plain; charset=utf-8\r\n", "\r\n\r\ntext"}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/fs/none"}, "", "404 Not Found", nil},
		{[]string{"REQUEST_METHOD=POST", "PATH_INFO=/items/7", "CONTENT_TYPE=application/x-www-form-urlencoded", "CONTENT_LENGTH=3"}, "f=x", "200 OK", []string{"\r\n\r\n7x"}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/items/7"}, "", "405 Method Not Allowed", []string{"Allow: POST\r\n"}},
		{[]string{"REQUEST_METHOD=GET", "SCRIPT_NAME=/redirect"}, "", "301 Moved Permanently", []string{"Location: /files/\r\n"}},
	} {
		var out, log bytes.Buffer
		program := cgi.Program{Env: append(c.vars, "SERVER_PROTOCOL=HTTP/1.1", "HTTP_HOST=www.example.com"), Stdin: strings.NewReader(c.body), Stdout: &out, Stderr: &log}
		if err := program.Run(nethttp.Application(mux)); err != nil || log.Len() > 0 {
			t.Errorf("%v: %v, log %q", c.vars, err, &log)
		}
		if !strings.HasPrefix(out.String(), "Status: "+c.status+"\r\n") {
			t.Errorf("%v: the answer is %.200q, want %s", c.vars, &out, c.status)
		}
		for _, s := range c.in {
			if !strings.Contains(out.String(), s) {
				t.Errorf("%v: the answer is %.300q, want %q in it", c.vars, &out, s)
			}
		}
	}
}
