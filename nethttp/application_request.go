package nethttp

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"example.com/gateway"
	"example.com/gateway/internal/header"
	"example.com/gateway/request"
)

// Request returns the request of an environ as an http.Request, for an application that wants
// forms, uploads, cookies or basic authentication from net/http:
//
//	r, err := nethttp.Request(env)
//	if err != nil {
//		return nil, err
//	}
//	if err := r.ParseForm(); err != nil { // or ParseMultipartForm
//		... // a 400: the form is malformed, or was cut short
//	}
//	name := r.PostForm.Get("name")
//
// FormValue does not return the error of a body that was cut short. So an application calls it only
// after ParseForm or ParseMultipartForm has returned nil.
//
// Body is env.Input, so an application calls Request once for a request, and reads the body from
// the one or the other. Middleware does not call it: Request may take a byte of Input, which the
// application inside would miss. The request is of use until the response is over. Its Context is env's, and
// [Environ] returns env. If the application parses a multipart form, it owes
// r.MultipartForm.RemoveAll, which removes the files that did not fit into memory. net/http bounds
// most forms, but not uploads: http.MaxBytesReader(nil, r.Body, n) does that.
//
//   - URL has the whole path, SCRIPT_NAME and PATH_INFO, and no host. It keeps the encoding of
//     REQUEST_URI, unless that says something else than SCRIPT_NAME and PATH_INFO.
//   - Host is HTTP_HOST, or else SERVER_NAME with the port.
//   - RemoteAddr is REMOTE_ADDR with REMOTE_PORT, or with 0. It is "@" for a Unix socket.
//   - Header has the HTTP_ variables that are not empty. A header in several lines is one value. A
//     variable that no web server makes of a header, such as HTTP_X-User, is left out, since it
//     would pass for X-User.
//   - ContentLength is 0 if there is no body, and -1 if nobody knows its length. If neither
//     CONTENT_LENGTH nor HTTP_TRANSFER_ENCODING says whether there is a body, Request reads one
//     byte of Input to find out. Body has that byte again.
//   - TLS is not nil for https. It is complete only if the request came through [Handler], [Mount]
//     or [Server].
//
// Request returns an error that wraps gateway.ErrContentLength if CONTENT_LENGTH is not a length,
// and the error of Input if the first byte cannot be read.
func Request(env *gateway.Environ) (*http.Request, error) {
	vars := env.Vars
	length, err := env.ContentLength()
	if err != nil {
		return nil, err
	}
	var body io.ReadCloser = http.NoBody
	chunked := request.IsChunked(env)
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
	return r.WithContext(&requestContext{env.Context(), env}), nil
}

// A requestContext is the Context of a request that Request has made: env's, with two more values.
type requestContext struct {
	context.Context
	env *gateway.Environ
}

// anyServer stands in for the http.Server of a request that has come through none.
var anyServer = new(http.Server)

// Value has an http.Server under http.ServerContextKey for any request. httputil.ReverseProxy
// panics with http.ErrAbortHandler when its backend has broken off only if there is one. Otherwise
// the proxy just returns, and the part of the response that has come would look whole.
func (c *requestContext) Value(key any) any {
	switch key {
	case environKey{}:
		return c.env
	case http.ServerContextKey:
		if server := c.Context.Value(key); server != nil {
			return server
		}
		return anyServer
	}
	return c.Context.Value(key)
}

// ask finds out whether there is a body of which nothing is known, by reading a byte. A handler
// treats "no body" and "a body of unknown length" differently: httputil.ReverseProxy would send
// chunks with each GET.
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

// A requestBody is Input with a Close as net/http's.
type requestBody struct {
	mu     sync.Mutex
	first  []byte // what ask has read
	err    error  // what ask got beside it
	r      io.Reader
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

// headerOf makes the header of the variables. A header in several lines, as of cookies, is one
// value there.
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

// nameOf returns the name of the header that a variable stands for. It returns "" if the variable
// is no header's, or an http.Request has another place for it. No two variables get the same name.
func nameOf(variable string) string {
	if variable == "HTTP_HOST" || variable == "HTTP_TRANSFER_ENCODING" {
		return ""
	}
	return request.HeaderOf(variable)
}

// hostOf returns the host that the client has asked for, with its port.
func hostOf(env *gateway.Environ) string {
	vars := env.Vars
	if host := vars["HTTP_HOST"]; host != "" {
		return host
	}
	name, port := header.HostName(vars["SERVER_NAME"]), vars["SERVER_PORT"]
	if port == "" || env.URLScheme == "https" && port == "443" || env.URLScheme != "https" && port == "80" {
		return name
	}
	return name + ":" + port
}

// remoteOf returns "address:port", as net/http has it, or "@" for a Unix socket, of which nginx says
// "unix:". An unknown port is 0.
func remoteOf(vars map[string]string) string {
	addr, port := header.Address(vars["REMOTE_ADDR"]), vars["REMOTE_PORT"]
	switch {
	case addr == "":
		return ""
	case addr == "@" || strings.HasPrefix(addr, "unix:"):
		return "@"
	}
	if port == "" {
		port = "0"
	}
	return net.JoinHostPort(addr, port)
}

// protoOf reads SERVER_PROTOCOL. Web servers say HTTP/2 and HTTP/3 too. A protocol that is not
// HTTP, as INCLUDED is (C25), is taken for HTTP/1.0.
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

// urlOf makes the URL, and the request's target. It never parses a target together with a host: a
// target like "@evil.com" would become a part of the host (golang/go#81686).
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

// originForm returns a target without the scheme and the host that it has in absolute form (RFC
// 9112, 3.2.2). It returns "" for a target that is neither a path nor in that form.
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
