package middleware

import (
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// Proxies says whom [Forwarded] believes, and how many proxies write each header.
//
// A count is for one header, and is the number of trusted proxies that each append a value to it. 0
// leaves the header alone. With a count of 1 the last value counts, which the nearest proxy has
// written; with 2 the last value but one. Whatever stands before that value is the client's word. A
// proxy that replaces the header counts as 1, whatever is in front of that proxy.
type Proxies struct {
	// From has the addresses of the proxies that connect to this server, as REMOTE_ADDR has them.
	// If From is empty, the proxy connects over a Unix socket: REMOTE_ADDR is empty, or is the
	// "unix:" of nginx. A CGI program that is started without a REMOTE_ADDR would believe its
	// headers.
	From []netip.Prefix

	// FromAny believes whoever connects. It is right only if nobody but the proxies can connect.
	FromAny bool

	// For is the count of X-Forwarded-For, which becomes REMOTE_ADDR.
	For int

	// Proto is the count of X-Forwarded-Proto, which becomes URLScheme and HTTPS.
	Proto int

	// Host is the count of X-Forwarded-Host, which becomes HTTP_HOST, SERVER_NAME and SERVER_PORT.
	Host int

	// Port is the count of X-Forwarded-Port, which becomes SERVER_PORT and the port of HTTP_HOST.
	Port int

	// Forwarded is the count of the header Forwarded (RFC 7239), whose for, proto and host have the
	// meaning of the first three headers. For, Proto and Host must be 0 beside it.
	Forwarded int

	// MovePrefix is the count of X-Forwarded-Prefix, from a proxy that passes the path on as it is:
	// the prefix moves from PATH_INFO to SCRIPT_NAME. AddPrefix must be 0 beside it.
	MovePrefix int

	// AddPrefix is the count of X-Forwarded-Prefix, from a proxy that has taken the prefix off the
	// path: the prefix is added in front of SCRIPT_NAME, and PATH_INFO stays.
	AddPrefix int
}

// Forwarded returns middleware that lets trusted proxies say who the client is:
//
//	middleware.Forwarded(middleware.Proxies{
//		From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, For: 1, Proto: 1,
//	})
//
// It is for a server of HTTP behind a proxy, and for a web server in front that is itself behind a
// proxy. Over FastCGI, SCGI, uwsgi and CGI the web server says by itself who its client is, and
// Forwarded is wrong there: docs/client.md has a table. Middleware that looks at the client, such
// as a log, goes inside.
//
// The application gets a clone of the Environ with these changes, each for a header with a count:
//
//   - X-Forwarded-For, or for in Forwarded: REMOTE_ADDR is the address, and REMOTE_PORT the port
//     behind it. Without one, REMOTE_PORT is left out. So are REMOTE_HOST and REMOTE_IDENT.
//   - X-Forwarded-Proto, or proto: URLScheme is "http" or "https", and HTTPS is absent or "on".
//     REQUEST_SCHEME follows, if there is one.
//   - X-Forwarded-Host, or host: HTTP_HOST is the host with its port. SERVER_NAME is the host, and
//     SERVER_PORT the port, or that of the scheme.
//   - X-Forwarded-Port: SERVER_PORT is the port. HTTP_HOST, which Environ.URL prefers, gets it too,
//     or no port if it is the scheme's.
//   - X-Forwarded-Prefix: SCRIPT_NAME has the prefix. If the prefix moves, PATH_INFO loses it, and
//     PATH_TRANSLATED is left out, as by [Mount].
//
// Extra has each variable that was changed as it was, "" for one that was absent, under its name in
// lower case with "middleware." in front: "middleware.remote_addr", "middleware.url_scheme". The
// headers and REQUEST_URI stay as they are.
//
// A header that is absent, or has fewer values than its count, changes nothing. No header stands in
// for another. Values are strict: an IP address without a zone; http or https; a host of letters,
// digits, "-", ".", "_" and "~", or an IPv6 address in brackets; a path of the characters that a
// URL has, without percent-encoding, and without an empty segment, "." or "..". A value that is
// none of these changes nothing, "unknown" and the obfuscated identifiers of RFC 7239 for two.
// Forwarded then writes a line to Environ.Errors, once for each header as long as the middleware
// lives, so that nobody can fill the log. A CGI program lives for one request.
//
// Forwarded panics for a count below 0, for counts that exclude each other, if all counts are 0,
// and for a From with an invalid prefix or beside FromAny. It keeps no reference to From. The
// application may be called concurrently if the one inside may.
func Forwarded(trust Proxies) gateway.Middleware {
	if why := trust.refusal(); why != "" {
		panic("middleware: Forwarded: " + why)
	}
	trust.From = slices.Clone(trust.From)
	reports := new([len(claims)]atomic.Bool)
	return func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(
			env *gateway.Environ, start gateway.StartResponse,
		) (gateway.Body, error) {
			if trust.believes(env.Vars["REMOTE_ADDR"]) {
				env = trust.rewrite(env, reports)
			}
			return app.Call(env, start)
		})
	}
}

// refusal says what is wrong with the fields. It returns "" if nothing is.
func (p *Proxies) refusal() string {
	sum := 0
	for _, claim := range claims {
		count := claim.count(p)
		if count < 0 {
			return "a count is negative: write 0 for a header that no proxy sets"
		}
		sum |= count
	}
	switch {
	case sum == 0:
		return "all counts are 0: set those of the headers that the proxies write"
	case p.MovePrefix != 0 && p.AddPrefix != 0:
		return "MovePrefix and AddPrefix are both set: the proxy passes the prefix on, or does not"
	case p.Forwarded != 0 && p.For|p.Proto|p.Host != 0:
		return "Forwarded is set beside For, Proto or Host: set those that the proxies write"
	case p.FromAny && len(p.From) > 0:
		return "From and FromAny are both set: leave one of the two out"
	case slices.ContainsFunc(p.From, func(f netip.Prefix) bool { return !f.IsValid() }):
		return "From has an invalid prefix: make prefixes by netip.ParsePrefix"
	}
	return ""
}

// believes reports whether the peer with that REMOTE_ADDR is a trusted proxy.
func (p *Proxies) believes(remote string) bool {
	if p.FromAny {
		return true
	}
	if remote == "" || remote == "unix:" {
		return len(p.From) == 0
	}
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("") // a Prefix contains no address with a zone
	return slices.ContainsFunc(p.From, func(f netip.Prefix) bool { return f.Contains(addr) })
}

// A claim is a header with what Forwarded does with its value.
type claim struct {
	name  string // of the header
	count func(*Proxies) int
	apply func(r *rewriting, value string) (why string) // why is "" if the value makes sense
}

// claims are in the order in which they are applied: the port of a scheme needs the scheme, and the
// port of a host the host.
var claims = [...]claim{
	{"Forwarded", func(p *Proxies) int { return p.Forwarded }, (*rewriting).setAll},
	{"X-Forwarded-For", func(p *Proxies) int { return p.For }, (*rewriting).setClient},
	{"X-Forwarded-Proto", func(p *Proxies) int { return p.Proto }, (*rewriting).setScheme},
	{"X-Forwarded-Host", func(p *Proxies) int { return p.Host }, (*rewriting).setHost},
	{"X-Forwarded-Port", func(p *Proxies) int { return p.Port }, (*rewriting).setPort},
	{"X-Forwarded-Prefix", func(p *Proxies) int { return p.MovePrefix }, (*rewriting).movePrefix},
	{"X-Forwarded-Prefix", func(p *Proxies) int { return p.AddPrefix }, (*rewriting).addPrefix},
}

// rewrite returns env with what the headers say, as a clone if they change anything.
func (p *Proxies) rewrite(
	env *gateway.Environ, reports *[len(claims)]atomic.Bool,
) *gateway.Environ {
	r := rewriting{Environ: env}
	for i := range claims {
		c := &claims[i]
		count := c.count(p)
		if count == 0 {
			continue
		}
		list := env.Header(c.name)
		value, found := fromEnd(list, count, c.name == "Forwarded")
		if list == "" || !found {
			continue
		}
		if why := c.apply(&r, value); why != "" && reports[i].CompareAndSwap(false, true) {
			_, _ = io.WriteString(env.Errors, "middleware: Forwarded: "+c.name+": "+why+
				"; it is ignored, and said only this once: "+
				"see what the proxy sends, or set its count to 0\n")
		}
	}
	return r.Environ
}

// A rewriting is an Environ that gets other variables. The Environ is the caller's as long as
// nothing is changed.
type rewriting struct {
	*gateway.Environ
	isOwn bool
}

// keep makes the Environ one that may be changed, and keeps what a variable was.
func (r *rewriting) keep(name, old string) {
	if !r.isOwn {
		r.Environ, r.isOwn = r.Clone(), true
		if r.Extra == nil {
			r.Extra = make(map[string]any)
		}
	}
	key := "middleware." + strings.ToLower(name)
	if _, found := r.Extra[key]; !found { // another Forwarded may have changed the variable before
		r.Extra[key] = old
	}
}

// set changes a variable. The value "" leaves it out.
func (r *rewriting) set(name, value string) {
	old, found := r.Vars[name]
	switch {
	case old == value && (found || value == ""):
		return
	case value == "":
		r.keep(name, old)
		delete(r.Vars, name)
	default:
		r.keep(name, old)
		r.Vars[name] = value
	}
}

// setAll is for an element of Forwarded.
func (r *rewriting) setAll(element string) (why string) {
	client, scheme, host, ok := parseElement(element)
	if !ok {
		return header.Quote(element) + " is malformed"
	}
	for _, pair := range []struct {
		value string
		apply func(string) string
	}{{client, r.setClient}, {scheme, r.setScheme}, {host, r.setHost}} {
		if pair.value == "" {
			continue
		}
		if w := pair.apply(pair.value); w != "" {
			why = w // and the other pairs count
		}
	}
	return why
}

func (r *rewriting) setClient(value string) (why string) {
	addr, port, ok := parseNode(value)
	if !ok {
		return header.Quote(value) + " is no address"
	}
	r.set("REMOTE_ADDR", addr)
	r.set("REMOTE_PORT", port)
	r.set("REMOTE_HOST", "")
	r.set("REMOTE_IDENT", "")
	return ""
}

func (r *rewriting) setScheme(value string) (why string) {
	scheme := strings.ToLower(value)
	https := ""
	switch scheme {
	case "http":
	case "https":
		https = "on"
	default:
		return header.Quote(value) + " is neither http nor https"
	}
	if scheme == r.URLScheme {
		return ""
	}
	r.keep("URL_SCHEME", r.URLScheme)
	r.URLScheme = scheme
	r.set("HTTPS", https)
	if r.Vars["REQUEST_SCHEME"] != "" {
		r.set("REQUEST_SCHEME", scheme)
	}
	return ""
}

func (r *rewriting) setHost(value string) (why string) {
	name, port, ok := splitHost(value)
	if !ok {
		return header.Quote(value) + " is no host"
	}
	if port == "" {
		port = r.defaultPort()
	}
	r.set("HTTP_HOST", value)
	r.set("SERVER_NAME", name)
	r.set("SERVER_PORT", port)
	return ""
}

func (r *rewriting) setPort(port string) (why string) {
	if !isPort(port) {
		return header.Quote(port) + " is no port"
	}
	r.set("SERVER_PORT", port)
	if name, _, ok := splitHost(r.Vars["HTTP_HOST"]); ok {
		if port != r.defaultPort() {
			name += ":" + port
		}
		r.set("HTTP_HOST", name)
	}
	return ""
}

// defaultPort returns the port that a URL of the request's scheme need not name.
func (r *rewriting) defaultPort() string {
	if r.URLScheme == "https" {
		return "443"
	}
	return "80"
}

func (r *rewriting) movePrefix(value string) (why string) {
	prefix, ok := cleanPrefix(value)
	if !ok {
		return header.Quote(value) + " is no path"
	}
	path := r.Vars["PATH_INFO"]
	rest, found := strings.CutPrefix(path, prefix)
	switch {
	case prefix == "" || path == "": // the path is empty for "OPTIONS *"
		return ""
	case !found || rest != "" && rest[0] != '/':
		return header.Quote(value) + " is not in front of PATH_INFO, as MovePrefix has it"
	}
	r.set("SCRIPT_NAME", r.Vars["SCRIPT_NAME"]+prefix)
	r.keep("PATH_INFO", path)
	r.Vars["PATH_INFO"] = rest
	r.set("PATH_TRANSLATED", "")
	return ""
}

func (r *rewriting) addPrefix(value string) (why string) {
	prefix, ok := cleanPrefix(value)
	if !ok {
		return header.Quote(value) + " is no path"
	}
	r.set("SCRIPT_NAME", prefix+r.Vars["SCRIPT_NAME"])
	return ""
}
