// Package gatewaytest is for tests of what stands on either side of the contract, as net/http/httptest is for net/http
// and testing/slogtest for log/slog:
//
//   - an application's own tests build a request with [NewEnviron] and look at the response that [Record] returns;
//   - [TestApplication] runs an application through every failure that a server can have, at every step, and [TestMiddleware]
//     middleware, with a look at both of its sides;
//   - [TestServer] proves that a server keeps the rules, over a real connection.
//
// A failure quotes the rule that was broken, by number and in words, and says which side broke it.
package gatewaytest

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"

	"example.com/gateway"
)

// NewEnviron returns a complete, valid request, as a server would hand it to an application, for use in tests. It is
// wsgiref's setup_testing_defaults, with nothing left to fill in.
//
// target is what stands in the request line: a path with an optional query ("/a%20b?q=1"), an absolute URL, which sets
// HTTP_HOST, SERVER_NAME, SERVER_PORT and the scheme, or "*". For "https" HTTPS is on. SCRIPT_NAME is empty: the application is
// mounted at the root. A body that is a *bytes.Buffer, *bytes.Reader or *strings.Reader sets CONTENT_LENGTH; another one is
// of unknown length, as if the client had sent it in chunks; nil is no body. Errors discards.
//
// The test owns the environ and may change anything: env.Vars["HTTP_COOKIE"] = "a=1". It panics on a method that is no token and
// on a target that no server would pass on.
func NewEnviron(method, target string, body io.Reader) *gateway.Environ {
	if !isToken(method) {
		panic("gatewaytest: invalid method " + strconv.Quote(method))
	}
	u, err := parseTarget(target)
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
		env.Vars["REQUEST_URI"] = u.RequestURI() // what a client sends to the server itself
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
	// Other types with a Len may mean something else by it.
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

// parseTarget takes the forms of a request target that can reach an application (RFC 9112, 3.2): origin, absolute, asterisk.
func parseTarget(target string) (*url.URL, error) {
	if target == "*" {
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

// isToken is RFC 9110, 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
