package nethttp

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"

	"example.com/gateway"
	"example.com/gateway/internal/request"
)

// newRequest makes the request that a handler gets.
func newRequest(env *gateway.Environ) (*http.Request, error) {
	vars := env.Vars
	length, err := env.ContentLength()
	if err != nil {
		return nil, err
	}
	var body io.ReadCloser = http.NoBody
	chunked := isChunked(vars["HTTP_TRANSFER_ENCODING"])
	switch {
	case length < 0 && chunked:
		body = &requestBody{r: env.Input}
	case length < 0:
		if body, length, err = ask(env.Input); err != nil {
			return nil, err
		}
	case length > 0:
		body = &requestBody{r: env.Input}
	}
	r := http.Request{
		Method:        vars["REQUEST_METHOD"],
		Header:        headerOf(vars),
		Body:          body,
		ContentLength: length,
		Host:          hostOf(env),
		RemoteAddr:    remoteOf(vars),
	}
	r.Proto, r.ProtoMajor, r.ProtoMinor = protoOf(vars["SERVER_PROTOCOL"])
	if length < 0 && chunked && r.ProtoMajor < 2 {
		r.TransferEncoding = []string{"chunked"}
	}
	r.URL, r.RequestURI = urlOf(vars)
	if env.URLScheme == "https" {
		state, ok := env.Extra["nethttp.tls"].(*tls.ConnectionState)
		if !ok {
			state = &tls.ConnectionState{HandshakeComplete: true}
		}
		r.TLS = state
	}
	return r.WithContext(context.WithValue(env.Context(), environKey{}, env)), nil
}

// isChunked is as request.Chunked has it.
func isChunked(encoding string) bool {
	return encoding != "" && strings.Contains(strings.ToLower(encoding), "chunked")
}

// ask finds out whether there is a body of which nothing is known, by reading a byte: for a handler "no body" and "a body of unknown
// length" are different things. httputil.ReverseProxy would send chunks with each GET.
func ask(in io.Reader) (body io.ReadCloser, length int64, err error) {
	if in == nil {
		return http.NoBody, 0, nil
	}
	var first [1]byte
	for range 100 {
		n, err := in.Read(first[:])
		switch {
		case n > 0:
			return &requestBody{first: first[:], r: in, err: err}, -1, nil
		case err == io.EOF:
			return http.NoBody, 0, nil
		case err != nil:
			return nil, 0, err
		}
	}
	return nil, 0, io.ErrNoProgress
}

// A requestBody is Input with net/http's Close.
type requestBody struct {
	mu     sync.Mutex
	first  []byte // what was read already
	r      io.Reader
	err    error // beside first
	closed bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case len(b.first) > 0 && len(p) > 0:
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, b.err
	case b.err != nil:
		return 0, b.err
	case b.r == nil:
		return 0, io.EOF
	}
	return b.r.Read(p)
}

// Close does not wait for a Read that hangs.
func (b *requestBody) Close() error {
	if b.mu.TryLock() {
		b.closed = true
		b.mu.Unlock()
	}
	return nil
}

// headerOf makes the header of the variables. Cookies are one line already; so is whatever was repeated.
func headerOf(vars map[string]string) http.Header {
	header := make(http.Header, len(vars))
	values := make([]string, len(vars)+1)
	set := func(name, value string) {
		values[0] = value
		header[name] = values[:1:1]
		values = values[1:]
	}
	for variable, value := range vars {
		if value == "" || len(variable) < 6 || variable[:5] != "HTTP_" {
			continue
		}
		if name := nameOf(variable); name != "" {
			set(name, value)
		}
	}
	if value := vars["CONTENT_TYPE"]; value != "" {
		set("Content-Type", value)
	}
	if value := vars["CONTENT_LENGTH"]; value != "" {
		set("Content-Length", value)
	}
	return header
}

// headerNames are the variables the other way round.
var headerNames = func() map[string]string {
	names := make(map[string]string, len(variables))
	for name, variable := range variables {
		if variable != "" {
			names[variable] = name
		}
	}
	for _, variable := range []string{"HTTP_HOST", "HTTP_TRANSFER_ENCODING", "HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} {
		names[variable] = ""
	}
	return names
}()

// nameOf returns the name of the header of a variable, or "" for one that has a place elsewhere in an http.Request, or none. No two
// variables get the same name.
func nameOf(variable string) string {
	if name, found := headerNames[variable]; found {
		return name
	}
	if !request.IsHeader(variable) {
		return ""
	}
	return textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(variable[len("HTTP_"):], "_", "-"))
}

func hostOf(env *gateway.Environ) string {
	vars := env.Vars
	if host := vars["HTTP_HOST"]; host != "" {
		return host
	}
	name, port := vars["SERVER_NAME"], vars["SERVER_PORT"]
	if port == "" || env.URLScheme == "https" && port == "443" || env.URLScheme != "https" && port == "80" {
		return name
	}
	return name + ":" + port
}

// remoteOf is "address:port", as net/http has it, with port 0 if it is not known.
func remoteOf(vars map[string]string) string {
	addr, port := vars["REMOTE_ADDR"], vars["REMOTE_PORT"]
	if addr == "" {
		return ""
	}
	if port == "" {
		port = "0"
	}
	return net.JoinHostPort(addr, port)
}

// protoOf reads SERVER_PROTOCOL. Hosts say HTTP/2 and HTTP/3, too; what is not HTTP is INCLUDED, and like HTTP/1.0 (C25).
func protoOf(s string) (proto string, major, minor int) {
	switch s {
	case "HTTP/1.1":
		return s, 1, 1
	case "HTTP/2", "HTTP/2.0":
		return "HTTP/2.0", 2, 0
	case "HTTP/3", "HTTP/3.0":
		return "HTTP/3.0", 3, 0
	}
	if major, minor, ok := http.ParseHTTPVersion(s); ok {
		return s, major, minor
	}
	return "HTTP/1.0", 1, 0
}

// urlOf makes the URL, and the request's target. It never parses a target together with a host: a target like "@evil.com" would
// become a host (golang/go#81686).
func urlOf(vars map[string]string) (u *url.URL, target string) {
	path := vars["SCRIPT_NAME"] + vars["PATH_INFO"]
	u = &url.URL{Path: path, RawQuery: vars["QUERY_STRING"]}
	target = vars["REQUEST_URI"]
	if target == "*" && (path == "" || path == "*") {
		u.Path = "*"
		return u, target
	}
	raw, query, found := strings.Cut(originForm(target), "?")
	if raw != "" && raw[0] == '/' {
		decoded := raw
		var err error
		if strings.IndexByte(raw, '%') >= 0 {
			decoded, err = url.PathUnescape(raw)
		}
		if err == nil && (decoded == path || path == "") {
			u.Path = decoded
			if u.EscapedPath() != raw {
				u.RawPath = raw
			}
			if u.RawQuery == query {
				u.ForceQuery = found && query == ""
				return u, target
			}
		}
	}
	if u.Path == "" || u.Path[0] != '/' {
		u.Path = "/" + u.Path
		if u.RawPath != "" {
			u.RawPath = "/" + u.RawPath
		}
	}
	target = u.EscapedPath()
	if u.RawQuery != "" {
		target += "?" + u.RawQuery
	}
	return u, target
}

// originForm takes the scheme and the host from a target in absolute form (RFC 9112, 3.2.2).
func originForm(target string) string {
	if len(target) > 0 && target[0] == '/' {
		return target
	}
	scheme, rest, found := strings.Cut(target, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return ""
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	}
	return rest[i:]
}
