package nethttp

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/request"
)

// paths splits the path of a request into SCRIPT_NAME and PATH_INFO. It reports false if the
// request is not for what is mounted here.
func (h *handler) paths(r *http.Request) (script, path string, ok bool) {
	path = r.URL.Path
	if path == "*" { // OPTIONS * is about the server (C14: PATH_INFO is empty or starts with a slash)
		path = ""
	}
	script = stripped(r, path)
	switch {
	case path != "" && path[0] == '/':
	case strings.HasSuffix(script, "/"): // of http.StripPrefix("/blog/", ...)
		script, path = script[:len(script)-1], "/"+path
	case path != "": // of http.StripPrefix("/blo", ...), which cuts a segment in two
		script, path = "", "/"+path
	}
	if h.prefix != "" {
		rest, found := strings.CutPrefix(path, h.prefix)
		if !found || rest != "" && rest[0] != '/' {
			return "", "", false
		}
		script, path = script+h.prefix, rest
	}
	return script, path, true
}

// stripped returns what http.StripPrefix, or another handler around this one, has taken from the
// front of the path that the client has sent. It returns "" if the path is not the end of that
// path: then somebody has rewritten it.
func stripped(r *http.Request, path string) string {
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	if raw == path || raw == "" || raw == "*" || r.Method == http.MethodConnect {
		return ""
	}
	var whole string
	if raw[0] == '/' {
		var err error
		if whole, err = url.PathUnescape(raw); err != nil {
			return ""
		}
	} else if u, err := url.Parse(raw); err == nil {
		whole = u.Path
	}
	prefix, found := strings.CutSuffix(whole, path)
	if !found {
		return ""
	}
	return prefix
}

// fill gives env the variables of a request. It returns an error for request.Refuse.
func (h *handler) fill(env *gateway.Environ, r *http.Request, script, path string) error {
	b := request.Builder{Limits: h.limits}
	b.Grow(variables(r, script, path))
	add := func(name, value string) {
		if value != "" {
			_ = b.Add(name, value)
		}
	}
	add("GATEWAY_INTERFACE", "CGI/1.1")
	add("SERVER_SOFTWARE", "net/http")
	add("SERVER_PROTOCOL", r.Proto)
	l := h.localOf(r.Context())
	add("SERVER_NAME", l.name)
	add("SERVER_PORT", l.port)
	host, port := splitRemote(r.RemoteAddr)
	add("REMOTE_ADDR", host)
	add("REMOTE_PORT", port)
	add("REQUEST_METHOD", r.Method)
	add("SCRIPT_NAME", script)
	add("PATH_INFO", path)
	add("QUERY_STRING", r.URL.RawQuery)
	if target := r.RequestURI; target != "" {
		add("REQUEST_URI", target)
	} else { // a request that some handler has made
		add("REQUEST_URI", r.URL.RequestURI())
	}
	add("HTTP_HOST", r.Host)
	hasLength := false
	for name, list := range r.Header {
		if strings.EqualFold(name, "Content-Length") {
			hasLength = true
			continue // r.ContentLength and r.Host count, whatever a handler around this one has left here
		}
		if strings.EqualFold(name, "Host") {
			continue
		}
		for _, value := range list {
			_ = b.AddHeader(name, value)
		}
	}
	switch {
	case r.ContentLength > 0 || r.ContentLength == 0 && hasLength:
		add("CONTENT_LENGTH", strconv.FormatInt(r.ContentLength, 10))
	case r.ContentLength < 0:
		// CGI has no other way to say that there is a body of unknown length. HTTP/2 has no such
		// header, but Apache says it so too.
		add("HTTP_TRANSFER_ENCODING", "chunked")
	}
	if r.TLS != nil {
		addTLS(add, r.TLS)
		env.Extra = map[string]any{"nethttp.tls": r.TLS}
	}
	_, err := b.Finish(env)
	return err
}

// variables returns how many variables fill makes of a request without TLS. It is exact, since a
// map that is too small, or twice as large as need be, costs more than all the rest of fill.
func variables(r *http.Request, script, path string) int {
	n := 13 + len(r.Header)
	for _, value := range [...]string{script, path, r.URL.RawQuery, r.Host} {
		if value == "" {
			n--
		}
	}
	return n - 2 // for which Grow makes room by itself: SERVER_NAME and SERVER_PORT
}

// A local is SERVER_NAME and SERVER_PORT for a local address.
type local struct {
	addr       netip.AddrPort
	name, port string
}

// localhost is the local of a Unix socket, and of a request without a connection. Its port is the
// scheme's.
var localhost = &local{name: "localhost"}

// localOf returns the local of a request. h keeps the last one, since most requests come to one
// address.
func (h *handler) localOf(ctx context.Context) *local {
	tcp, ok := ctx.Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return localhost
	}
	addr := tcp.AddrPort()
	if l := h.local.Load(); l != nil && l.addr == addr {
		return l
	}
	ip := addr.Addr().Unmap().WithZone("")
	l := &local{addr: addr, name: ip.String(), port: strconv.Itoa(int(addr.Port()))}
	switch {
	case !ip.IsValid():
		return localhost
	case ip.Is6():
		l.name = "[" + l.name + "]" // C23
	}
	h.local.Store(l)
	return l
}

// splitRemote splits the address of the client (C17: without brackets). A Unix socket has none. A
// handler around this one may have put an address without a port there.
func splitRemote(addr string) (host, port string) {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 && i < len(addr)-1 {
		host, port = addr[:i], addr[i+1:]
		if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
			return host[1 : n-1], port
		}
		if host != "" && strings.IndexByte(host, ':') < 0 {
			return host, port
		}
	}
	if _, err := netip.ParseAddr(addr); err == nil {
		return addr, ""
	}
	return "", ""
}
