package nethttp

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// paths splits the path of a request into SCRIPT_NAME and PATH_INFO. It reports false if the request is not for what is mounted
// here.
func (h *handler) paths(r *http.Request) (script, path string, ok bool) {
	path = r.URL.Path
	if path == "*" { // OPTIONS * is about the server (C14: PATH_INFO is empty or starts with a slash)
		path = ""
	}
	script = stripped(r, path)
	switch {
	case path != "" && path[0] == '/':
	case strings.HasSuffix(script, "/"): // http.StripPrefix("/blog/", ...)
		script, path = script[:len(script)-1], "/"+path
	case path != "": // of http.StripPrefix("/blo", ...), or whoever else has cut it in the middle of a segment
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

// stripped returns what http.StripPrefix, or whoever else, has taken from the front of the path that the client sent. If the
// path is not the end of that, it was rewritten, and nothing is known.
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

// vars makes the CGI variables of a request.
func (h *handler) vars(r *http.Request, script, path string) map[string]string {
	n := 13 + len(r.Header) // a map that has to grow, or that is twice as large, costs more than all the rest
	for _, v := range [...]string{script, path, r.URL.RawQuery, r.Host} {
		if v == "" {
			n--
		}
	}
	vars := make(map[string]string, n)
	vars["GATEWAY_INTERFACE"] = "CGI/1.1"
	vars["SERVER_SOFTWARE"] = "net/http"
	vars["SERVER_PROTOCOL"] = r.Proto
	l := h.localOf(r.Context())
	vars["SERVER_NAME"], vars["SERVER_PORT"] = l.name, l.port
	if l.port == "" {
		vars["SERVER_PORT"] = "80"
		if r.TLS != nil {
			vars["SERVER_PORT"] = "443"
		}
	}
	if host, port := splitRemote(r.RemoteAddr); host != "" {
		vars["REMOTE_ADDR"] = host
		if port != "" {
			vars["REMOTE_PORT"] = port
		}
	}
	vars["REQUEST_METHOD"] = r.Method
	if script != "" {
		vars["SCRIPT_NAME"] = script
	}
	if path != "" {
		vars["PATH_INFO"] = path
	}
	if r.URL.RawQuery != "" {
		vars["QUERY_STRING"] = r.URL.RawQuery
	}
	vars["REQUEST_URI"] = r.RequestURI
	if r.RequestURI == "" { // a request that some handler has made
		vars["REQUEST_URI"] = r.URL.RequestURI()
	}
	if r.Host != "" {
		vars["HTTP_HOST"] = r.Host
	}
	for name, list := range r.Header {
		if variable := variableOf(name); variable != "" && len(list) > 0 {
			if value := list[0]; len(list) == 1 {
				vars[variable] = value
			} else if variable == "HTTP_COOKIE" { // C28, E19
				vars[variable] = strings.Join(list, "; ")
			} else {
				vars[variable] = strings.Join(list, ", ")
			}
		}
	}
	switch {
	case r.ContentLength > 0 || r.ContentLength == 0 && r.Header["Content-Length"] != nil:
		vars["CONTENT_LENGTH"] = strconv.FormatInt(r.ContentLength, 10)
	case r.ContentLength < 0:
		// That there is a body, and how long it is nobody knows, has no other place in CGI. HTTP/2 has no such header, but hosts
		// say it so (Apache).
		vars["HTTP_TRANSFER_ENCODING"] = "chunked"
	}
	return vars
}

// variables are names of headers that many requests have, with the variable of each; "" is none: REQUEST_METHOD and others say
// it already, or it is dangerous (httpoxy, CVE-2016-5385).
var variables = map[string]string{
	"Accept":                         "HTTP_ACCEPT",
	"Accept-Encoding":                "HTTP_ACCEPT_ENCODING",
	"Accept-Language":                "HTTP_ACCEPT_LANGUAGE",
	"Access-Control-Request-Headers": "HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
	"Access-Control-Request-Method":  "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
	"Authorization":                  "HTTP_AUTHORIZATION",
	"Cache-Control":                  "HTTP_CACHE_CONTROL",
	"Connection":                     "HTTP_CONNECTION",
	"Content-Encoding":               "HTTP_CONTENT_ENCODING",
	"Content-Length":                 "",
	"Content-Type":                   "CONTENT_TYPE",
	"Cookie":                         "HTTP_COOKIE",
	"Dnt":                            "HTTP_DNT",
	"Expect":                         "HTTP_EXPECT",
	"Forwarded":                      "HTTP_FORWARDED",
	"Host":                           "",
	"If-Match":                       "HTTP_IF_MATCH",
	"If-Modified-Since":              "HTTP_IF_MODIFIED_SINCE",
	"If-None-Match":                  "HTTP_IF_NONE_MATCH",
	"If-Range":                       "HTTP_IF_RANGE",
	"Origin":                         "HTTP_ORIGIN",
	"Pragma":                         "HTTP_PRAGMA",
	"Priority":                       "HTTP_PRIORITY",
	"Proxy":                          "",
	"Range":                          "HTTP_RANGE",
	"Referer":                        "HTTP_REFERER",
	"Sec-Fetch-Dest":                 "HTTP_SEC_FETCH_DEST",
	"Sec-Fetch-Mode":                 "HTTP_SEC_FETCH_MODE",
	"Sec-Fetch-Site":                 "HTTP_SEC_FETCH_SITE",
	"Sec-Fetch-User":                 "HTTP_SEC_FETCH_USER",
	"Te":                             "HTTP_TE",
	"Transfer-Encoding":              "",
	"Upgrade":                        "HTTP_UPGRADE",
	"Upgrade-Insecure-Requests":      "HTTP_UPGRADE_INSECURE_REQUESTS",
	"User-Agent":                     "HTTP_USER_AGENT",
	"Via":                            "HTTP_VIA",
	"X-Forwarded-For":                "HTTP_X_FORWARDED_FOR",
	"X-Forwarded-Host":               "HTTP_X_FORWARDED_HOST",
	"X-Forwarded-Proto":              "HTTP_X_FORWARDED_PROTO",
	"X-Real-Ip":                      "HTTP_X_REAL_IP",
	"X-Requested-With":               "HTTP_X_REQUESTED_WITH",
}

// variableOf returns the variable of a header, or "" if it gets none. E6: a name with "_" would pass for one with "-".
func variableOf(name string) string {
	if variable, found := variables[name]; found {
		return variable
	}
	if name == "" || strings.IndexByte(name, '_') >= 0 {
		return ""
	}
	b := make([]byte, 0, 64)
	b = append(b, "HTTP_"...)
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case c == '-':
			c = '_'
		}
		b = append(b, c)
	}
	switch variable := string(b); variable { // in another case than net/http has it
	case "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_HOST", "HTTP_TRANSFER_ENCODING":
		return ""
	default:
		return variable
	}
}

// A local is what the server is called. It is the address that the client has reached and not the Host header, which is
// the client's word.
type local struct {
	addr       netip.AddrPort
	name, port string
}

var nowhereLocal = &local{name: "localhost"} // a Unix socket, or no connection at all

// localOf returns the local of a request. Most come to one address: the last one is kept.
func (h *handler) localOf(ctx context.Context) *local {
	tcp, ok := ctx.Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return nowhereLocal
	}
	addr := tcp.AddrPort()
	if l := h.local.Load(); l != nil && l.addr == addr {
		return l
	}
	ip := addr.Addr().Unmap().WithZone("")
	l := &local{addr: addr, name: ip.String(), port: strconv.Itoa(int(addr.Port()))}
	switch {
	case !ip.IsValid():
		return nowhereLocal
	case ip.Is6():
		l.name = "[" + l.name + "]" // C23
	}
	h.local.Store(l)
	return l
}

// splitRemote splits the address of the client (C17: without brackets). Handlers around this one may have put an address without a
// port there. Of a Unix socket nothing is known.
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
