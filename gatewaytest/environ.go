package gatewaytest

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// NewEnviron returns a complete and valid request, as a server hands it to an application. It is
// for tests, like the function setup_testing_defaults of Python's wsgiref.
//
// target is the target of the request line: a path with an optional query ("/a%20b?q=1"), an
// absolute URL, or "*" if the method is OPTIONS. An absolute URL sets HTTP_HOST, SERVER_NAME,
// SERVER_PORT and the scheme, and also HTTPS if the scheme is https. SCRIPT_NAME is empty, since
// the application is mounted at the root.
//
// body is the body of the request; nil is no body. A *bytes.Buffer, *bytes.Reader or
// *strings.Reader sets CONTENT_LENGTH. The body of any other type has no declared length, as if the
// client had sent it in chunks. Environ.Errors discards what is written.
//
// The environ is the caller's, who may change all of it: env.Vars["HTTP_COOKIE"] = "a=1".
// NewEnviron panics if method is not a token or is CONNECT, or if target is one that no server
// passes on.
func NewEnviron(method, target string, body io.Reader) *gateway.Environ {
	if !header.IsToken(method) || method == "CONNECT" {
		panic("gatewaytest: invalid method " + strconv.Quote(method))
	}
	u, err := parseTarget(method, target)
	if err != nil {
		panic("gatewaytest: invalid target " + strconv.Quote(target) + ": " + err.Error())
	}
	env := &gateway.Environ{
		Vars: map[string]string{
			"GATEWAY_INTERFACE": "CGI/1.1",
			"HTTP_HOST":         "example.com",
			"PATH_INFO":         u.Path,
			"QUERY_STRING":      u.RawQuery,
			"REMOTE_ADDR":       "192.0.2.1", // RFC 5737: for documentation
			"REQUEST_METHOD":    method,
			"REQUEST_URI":       target,
			"SCRIPT_NAME":       "",
			"SERVER_NAME":       "example.com",
			"SERVER_PORT":       "80",
			"SERVER_PROTOCOL":   "HTTP/1.1",
			"SERVER_SOFTWARE":   "gatewaytest",
		},
		URLScheme:   "http",
		Input:       strings.NewReader(""),
		Errors:      io.Discard,
		Multithread: true,
	}
	if u.Scheme == "https" {
		env.URLScheme = "https"
		env.Vars["HTTPS"] = "on" // R36
		env.Vars["SERVER_PORT"] = "443"
	}
	if u.Host != "" {
		env.Vars["HTTP_HOST"] = u.Host
		env.Vars["REQUEST_URI"] = u.RequestURI() // a client sends an absolute URL to a proxy only
		env.Vars["SERVER_NAME"] = u.Hostname()
		if strings.Contains(u.Hostname(), ":") {
			env.Vars["SERVER_NAME"] = "[" + u.Hostname() + "]" // C23
		}
		if port := u.Port(); port != "" {
			env.Vars["SERVER_PORT"] = port
		}
		if u.Path == "" {
			env.Vars["PATH_INFO"] = "/"
		}
	}
	if body != nil {
		env.Input = body
	}
	// The Len of another type may mean something else.
	switch body := body.(type) {
	case *bytes.Buffer:
		env.Vars["CONTENT_LENGTH"] = strconv.Itoa(body.Len())
	case *bytes.Reader:
		env.Vars["CONTENT_LENGTH"] = strconv.Itoa(body.Len())
	case *strings.Reader:
		env.Vars["CONTENT_LENGTH"] = strconv.Itoa(body.Len())
	}
	return env
}

// parseTarget parses a request target of a form that can reach an application (RFC 9112, 3.2):
// origin, absolute or asterisk form.
func parseTarget(method, target string) (*url.URL, error) {
	if target == "*" && method == "OPTIONS" {
		return new(url.URL), nil
	}
	if strings.ContainsAny(target, " #") {
		return nil, errors.New("a space or a fragment is not sent")
	}
	u, err := url.ParseRequestURI(target)
	switch {
	case err != nil:
		return nil, errors.Unwrap(err)
	case u.Scheme == "" && target[0] == '/':
	case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "":
	default:
		return nil, errors.New("neither a path nor an http URL with a host")
	}
	if strings.IndexByte(u.Path, 0) >= 0 {
		return nil, errors.New("a NUL in the path is refused by servers")
	}
	return u, nil
}
