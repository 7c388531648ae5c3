package nethttp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

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
		{map[string]string{"REMOTE_ADDR": "192.0.2.1:80"}, func(r *http.Request) any { return r.RemoteAddr }, "192.0.2.1:0"},
		{map[string]string{"REMOTE_ADDR": "[::1]"}, func(r *http.Request) any { return r.RemoteAddr }, "[::1]:0"},
		{map[string]string{"REMOTE_ADDR": "unix:"}, func(r *http.Request) any { return r.RemoteAddr }, "@"},
		{map[string]string{"SERVER_NAME": "::1"}, func(r *http.Request) any { return r.Host }, "[::1]"},
		{map[string]string{"SERVER_NAME": "[::1]", "SERVER_PORT": "81"},
			func(r *http.Request) any { return r.Host }, "[::1]:81"},
		{map[string]string{"SERVER_NAME": "a.example:81", "SERVER_PORT": "81"},
			func(r *http.Request) any { return r.Host }, "a.example:81"},
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

// In net/http/cgi HTTP_X_USER and HTTP_X-USER are one header, and chance decides which value
// counts. So each case runs many times.
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

// No target becomes the host of a URL (golang/go#81686).
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

// Whatever a web server sends, a handler's URL has the path of the variables and no host, and
// parsing its text gives the same URL.
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
		// A request for that URL has the same URL behind Handler and Application.
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

// A native application gets the same request as a handler of Application.
func TestRequestIsForNativeApplications(t *testing.T) {
	t.Parallel()
	var kept *http.Request
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		r, err := nethttp.Request(env)
		if err != nil {
			return nil, err
		}
		kept = r
		if nethttp.Environ(r) != env || r.Context().Value(keyOf("k")) != "v" || r.Context().Err() != nil {
			t.Error("the request is not the environ's")
		}
		user, _, _ := r.BasicAuth()
		return text(start, r.PostFormValue("a")+r.FormValue("q")+user)
	})
	for _, length := range []string{"5", ""} {
		env := environ(map[string]string{"REQUEST_METHOD": "POST", "QUERY_STRING": "q=query", "HTTP_AUTHORIZATION": "Basic YTpi",
			"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": length}, "a=one")
		env = env.WithContext(context.WithValue(t.Context(), keyOf("k"), "v"))
		r := new(recorder)
		if err := gateway.Respond(app, env, r); err != nil || fmt.Sprint(r.writes) != "[onequerya]" {
			t.Errorf("CONTENT_LENGTH %q: %v, %q", length, err, r.writes)
		}
		if cause := context.Cause(kept.Context()); cause != gateway.ErrEnded {
			t.Errorf("after the response the context has ended with %v", cause)
		}
		if _, err := kept.Body.Read(make([]byte, 1)); err == nil {
			t.Error("after the response the body can be read")
		}
	}
	failed := errors.New("the disk is on fire")
	for _, c := range []struct {
		name string
		vars map[string]string
		body io.Reader
		want error
	}{
		{"a length that is none", map[string]string{"CONTENT_LENGTH": "+5"}, nil, gateway.ErrContentLength},
		{"a body that cannot be read", nil, failing{failed}, failed},
		{"a body that never gets on", nil, failing{nil}, io.ErrNoProgress},
	} {
		env := environ(c.vars, "")
		env.Input = c.body
		if r, err := nethttp.Request(env); r != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, r, err, c.want)
		}
	}
}
