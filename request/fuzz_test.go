package request_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"example.com/gateway"
	"example.com/gateway/request"
)

// FuzzBuilder: whatever a host sends, the variables either make a request or are refused with an
// error that a log can take.
func FuzzBuilder(f *testing.F) {
	f.Add("REQUEST_METHOD", "GET", "HTTP_X", "a\r\nb", "HTTP_X", "c")
	f.Add("CONTENT_LENGTH", "5", "CONTENT_LENGTH", "6", "REQUEST_METHOD", "")
	f.Add("HTTP_PROXY", "http://evil", "HTTP_CONTENT_LENGTH", "5", "HTTP_", "")
	f.Add("REQUEST_METHOD", "G T", "PATH_INFO", "x", "SERVER_PROTOCOL", "HTTP/")
	f.Add("REQUEST_METHOD", "get", "PATH_INFO", "/\x00", "HTTPS", "ON")
	f.Add("REQUEST_METHOD", "CONNECT", "REQUEST_URI", "a:b", "SERVER_NAME", "::1")
	f.Add("REQUEST_METHOD", "OPTIONS", "REQUEST_URI", "*", "PATH_INFO", "*")
	f.Add("REQUEST_METHOD", "\x00", "SERVER_PROTOCOL", "\x00", "CONTENT_LENGTH", "\x00")
	f.Add("REMOTE_ADDR", "[::1]:80", "X\u0085", "a\nb", "SCRIPT_FILENAME", "/a\nb")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2, name3, value3 string) {
		var built request.Builder
		refused := false
		for _, v := range [][2]string{{"REQUEST_METHOD", "GET"}, {name1, value1}, {name2, value2}, {name3, value3}} {
			if err := built.Add(v[0], v[1]); err != nil {
				refused = true
				if !errors.Is(err, request.ErrMalformed) {
					t.Fatal(err)
				}
			}
		}
		env := new(gateway.Environ)
		length, err := built.Finish(env)
		for _, name := range []string{"HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} {
			if value, found := env.Vars[name]; found {
				t.Fatalf("%s is %q", name, value)
			}
		}
		for name, value := range env.Vars {
			// A method that is no token is in the Environ of a request that Finish refuses.
			if strings.HasPrefix(name, "HTTP_") && strings.ContainsAny(value, "\r\n") || err == nil &&
				strings.Contains(value, "\x00") {
				t.Fatalf("%s is %q", name, value)
			}
		}
		if refused && err == nil {
			t.Fatal("Finish has forgotten the error of Add")
		}
		if err != nil {
			if !errors.Is(err, request.ErrMalformed) && err != request.ErrConnect ||
				strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("%d, %v", length, err)
			}
			return // the server answers 400
		}
		vars := env.Vars
		if n, err := env.ContentLength(); err != nil || n != length || length < -1 {
			t.Fatalf("length %d, and then %d, %v", length, n, err)
		}
		for _, name := range []string{"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"} { // R28, R32, R33
			if vars[name] == "" {
				t.Fatalf("%s is missing", name)
			}
		}
		for _, name := range []string{"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REQUEST_URI",
			"QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH"} {
			if strings.ContainsAny(vars[name], "\r\n\x00") {
				t.Fatalf("%s is %q", name, vars[name])
			}
		}
		if path := vars["PATH_INFO"]; path != "" && path[0] != '/' || strings.Contains(path, "\x00") {
			t.Fatalf("PATH_INFO is %q", path)
		}
		if vars["REQUEST_METHOD"] == "CONNECT" {
			t.Fatal("a tunnel")
		}
		if target := vars["REQUEST_URI"]; target != "" && target[0] != '/' && !strings.Contains(target, "://") &&
			target+vars["REQUEST_METHOD"] != "*OPTIONS" {
			t.Fatalf("REQUEST_URI is %q", target)
		}
		if env.URLScheme != "http" && env.URLScheme != "https" {
			t.Fatalf("the scheme is %q", env.URLScheme)
		}
	})
}
