package gatewaytest_test

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/request"
)

// NewEnviron has everything that PEP 3333 asks of an environ.
func TestNewEnvironIsComplete(t *testing.T) {
	env := gatewaytest.NewEnviron("GET", "/", nil)
	want := map[string]any{
		"GATEWAY_INTERFACE":     "CGI/1.1",
		"HTTP_HOST":             "example.com",
		"PATH_INFO":             "/",
		"QUERY_STRING":          "",
		"REMOTE_ADDR":           "192.0.2.1",
		"REQUEST_METHOD":        "GET", // R28
		"REQUEST_URI":           "/",
		"SCRIPT_NAME":           "",
		"SERVER_NAME":           "example.com", // R32
		"SERVER_PORT":           "80",
		"SERVER_PROTOCOL":       "HTTP/1.1", // R33
		"SERVER_SOFTWARE":       "gatewaytest",
		"wsgi.version":          [2]int{1, 0}, // R42
		"wsgi.url_scheme":       "http",       // R43
		"wsgi.input_terminated": true,
		"wsgi.multithread":      true,
		"wsgi.multiprocess":     false,
		"wsgi.run_once":         false,
	}
	got := maps.Collect(env.All())
	for _, name := range []string{"wsgi.input", "wsgi.errors"} { // R44, R45
		if got[name] == nil {
			t.Errorf("%s is nil", name)
		}
		delete(got, name)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s = %#v, want %#v", name, got[name], want[name])
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("there is more: %v", got)
	}
	if env.Context() == nil || env.Context().Err() != nil {
		t.Errorf("the Context is %v", env.Context())
	}
	if b, err := io.ReadAll(env.Input); len(b) > 0 || err != nil {
		t.Errorf("Input has %q, %v", b, err)
	}
}

func TestTargetsBecomeVariables(t *testing.T) {
	for _, c := range []struct {
		target string
		url    string            // what Environ.URL makes of it again
		vars   map[string]string // that are not as in the test above
	}{
		{"/", "http://example.com/", nil},
		{"/a/b?q=1&r=%20", "http://example.com/a/b?q=1&r=%20",
			map[string]string{"PATH_INFO": "/a/b", "QUERY_STRING": "q=1&r=%20"}},
		{"/a%20b%2Fc%C3%A9", "http://example.com/a%20b/c%C3%A9", map[string]string{"PATH_INFO": "/a b/c\u00e9"}},
		{"/%E9", "http://example.com/%E9", map[string]string{"PATH_INFO": "/\xe9"}},
		{"/100%25?%", "http://example.com/100%25?%", map[string]string{"PATH_INFO": "/100%", "QUERY_STRING": "%"}},
		{"/%0A", "http://example.com/%0A", map[string]string{"PATH_INFO": "/\n"}},
		{"//a//b/../c", "http://example.com//a//b/../c", map[string]string{"PATH_INFO": "//a//b/../c"}},
		{"/?", "http://example.com/", nil},
		{"/a?b?c", "http://example.com/a?b?c", map[string]string{"PATH_INFO": "/a", "QUERY_STRING": "b?c"}},
		{"*", "http://example.com", map[string]string{"PATH_INFO": ""}},
		{"http://www.example.org", "http://www.example.org/", map[string]string{
			"HTTP_HOST": "www.example.org", "SERVER_NAME": "www.example.org", "REQUEST_URI": "/"}},
		{"http://www.example.org:8080/x?y", "http://www.example.org:8080/x?y", map[string]string{
			"HTTP_HOST": "www.example.org:8080", "SERVER_NAME": "www.example.org", "SERVER_PORT": "8080",
			"PATH_INFO": "/x", "QUERY_STRING": "y", "REQUEST_URI": "/x?y"}},
		{"HTTPS://user:secret@example.org/", "https://example.org/", map[string]string{
			"HTTP_HOST": "example.org", "SERVER_NAME": "example.org", "SERVER_PORT": "443",
			"HTTPS": "on", "REQUEST_URI": "/"}},
		{"https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443/", map[string]string{ // C23
			"HTTP_HOST": "[2001:db8::1]:8443", "SERVER_NAME": "[2001:db8::1]", "SERVER_PORT": "8443",
			"HTTPS": "on", "REQUEST_URI": "/"}},
	} {
		method := "GET"
		if c.target == "*" {
			method = "OPTIONS"
		}
		env := gatewaytest.NewEnviron(method, c.target, nil)
		if got := env.URL(); got != c.url {
			t.Errorf("%s: URL() = %s, want %s", c.target, got, c.url)
		}
		want := maps.Clone(gatewaytest.NewEnviron(method, "/", nil).Vars)
		want["REQUEST_URI"] = c.target
		maps.Copy(want, c.vars)
		if !maps.Equal(env.Vars, want) {
			t.Errorf("%s:\n got %v\nwant %v", c.target, env.Vars, want)
		}
		if want := "http" + strings.Repeat("s", len(env.Vars["HTTPS"])/2); env.URLScheme != want {
			t.Errorf("%s: the scheme is %s", c.target, env.URLScheme)
		}
		finish(t, env, -1)
	}
}

// finish checks that a server takes the variables of an environ as they are.
func finish(t *testing.T, env *gateway.Environ, length int64) {
	t.Helper()
	e, scheme := new(gateway.Environ), env.URLScheme
	var built request.Builder
	for name, value := range env.Vars {
		if err := built.Add(name, value); err != nil {
			t.Errorf("%s: %v", env.Vars["REQUEST_URI"], err)
		}
	}
	if n, err := built.Finish(e); err != nil || n != length {
		t.Errorf("%s: a server finds %d, %v, want length %d", env.Vars["REQUEST_URI"], n, err, length)
	}
	if !maps.Equal(e.Vars, env.Vars) || e.URLScheme != scheme {
		t.Errorf("%s: a server makes of it %v, %s", env.Vars["REQUEST_URI"], e.Vars, e.URLScheme)
	}
}

func TestBodiesOfKnownLengthSetIt(t *testing.T) {
	for _, c := range []struct {
		name   string
		body   io.Reader
		length string
	}{
		{"strings.Reader", strings.NewReader("abc"), "3"},
		{"bytes.Reader", bytes.NewReader([]byte("abc")), "3"},
		{"bytes.Buffer", bytes.NewBufferString("abc"), "3"},
		{"empty", strings.NewReader(""), "0"},
		{"any reader", io.MultiReader(strings.NewReader("abc")), ""},
		{"another Len", struct{ *strings.Reader }{strings.NewReader("abc")}, ""},
		{"none", nil, ""},
	} {
		env := gatewaytest.NewEnviron("POST", "/", c.body)
		if got, found := env.Vars["CONTENT_LENGTH"]; got != c.length || found != (c.length != "") {
			t.Errorf("%s: CONTENT_LENGTH is %q, %v; want %q", c.name, got, found, c.length)
		}
		length, err := env.ContentLength()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		finish(t, env, length)
		if b, err := io.ReadAll(env.Input); err != nil || length >= 0 && int64(len(b)) != length {
			t.Errorf("%s: Input has %q, %v", c.name, b, err)
		}
	}
}

func TestNoEnvironOfAnImpossibleRequest(t *testing.T) {
	panics := func(f func()) (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	}
	for _, method := range []string{"", "GET ", "G\tT", "GET\r\n", "G(T", "G\u00e9T", "G:T", "CONNECT"} {
		v, _ := panics(func() { gatewaytest.NewEnviron(method, "/", nil) }).(string)
		if !strings.Contains(v, "invalid method") {
			t.Errorf("method %q: panic %q", method, v)
		}
	}
	for _, target := range []string{"", "a", "a/b", "?q", "*", "**", "/a b", "/a#b", "/%zz", "/%", "/\n", "/%00", "http:",
		"http:a", "http://", "http:///a",
		"http://:80/", "ftp://example.com/", "//[::1", "mailto:a@example.com", "http://[::1/", "example.com:443"} {
		v, _ := panics(func() { gatewaytest.NewEnviron("GET", target, nil) }).(string)
		if target == "//[::1" { // a path, if an odd one
			if v != "" {
				t.Errorf("target %q: panic %q", target, v)
			}
			continue
		}
		if !strings.Contains(v, "gatewaytest: invalid target ") {
			t.Errorf("target %q: panic %q", target, v)
		}
	}
	for _, method := range []string{"get", "M-SEARCH", "PATCH", "x"} { // C21: any token
		if v := panics(func() { gatewaytest.NewEnviron(method, "/", nil) }); v != nil {
			t.Errorf("method %q: panic %v", method, v)
		}
	}
}

// Two environs share nothing, and a test may change all of one.
func TestEnvironsAreTheTestsToChange(t *testing.T) {
	a, b := gatewaytest.NewEnviron("GET", "/", nil), gatewaytest.NewEnviron("GET", "/", nil)
	clear(a.Vars)
	a.Errors = nil
	if b.Vars["REQUEST_METHOD"] != "GET" || b.Errors == nil {
		t.Error("a change of one is a change of the other")
	}
	if _, err := io.WriteString(b.Errors, "x"); err != nil {
		t.Error(err)
	}
}
