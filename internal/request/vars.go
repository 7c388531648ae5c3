// Package request turns what a gateway protocol says of a request into an Environ: CGI variables with the rules that
// hold for every host, and a body that ends by itself. All servers that speak a CGI-like protocol share it.
package request

import (
	"errors"
	"strings"

	"example.com/gateway"
)

// ErrMalformed is returned, wrapped with what is wrong, by a Builder for a request that gets a 400.
var ErrMalformed = errors.New("gateway: malformed request")

// malformed is an ErrMalformed with what is wrong.
type malformed string

func (m malformed) Error() string { return ErrMalformed.Error() + ": " + string(m) }
func (m malformed) Unwrap() error { return ErrMalformed }

// A Builder puts the variables of a request together.
type Builder struct {
	// Vars is what has been added. The caller makes it, as large as it will be.
	Vars map[string]string

	// Length is CONTENT_LENGTH.
	Length string

	// What Finish looks at: to look it up costs nearly as much as to put it in.
	method, protocol, path, serverName, serverPort, https, scheme string

	headers uint64 // a Bloom filter of the headers in Vars, of which few are there twice
}

// AddNamed is Add for protocols that can say any name: one that no variable has is an error, as of CheckName.
func (b *Builder) AddNamed(name, value string) error {
	if !strings.HasPrefix(name, "HTTP_") { // Add is stricter with these
		if err := CheckName(name); err != nil {
			return err
		}
	}
	return b.Add(name, value)
}

// Add puts one variable into Vars. It returns an error, which wraps ErrMalformed, for a value that it must not have: the request
// gets a 400.
//
// A repeated HTTP_ variable is one header in several lines: joined with ", ", cookies with "; " (C28, E19; fcgiwrap,
// HAProxy and h2o send such). Of another repeated variable the last one counts, since that is how deployers override
// what nginx's fastcgi_params has, but each value must be one that the variable may have; and two lengths that differ are an
// error, that is how requests are smuggled (E22).
// An HTTP_ name with a lower-case letter or a "-" is none that a host makes of a header's, and is left out (IsHeader).
// HTTP_PROXY, which libraries take for configuration (httpoxy, CVE-2016-5385), and HTTP_CONTENT_TYPE and
// HTTP_CONTENT_LENGTH, which would rival the real ones, are left out, as are CONTENT_TYPE and CONTENT_LENGTH if they are
// empty (C7; nginx).
func (b *Builder) Add(name, value string) error {
	vars := b.Vars
	if !strings.HasPrefix(name, "HTTP_") {
		var line, path bool
		switch name {
		case "CONTENT_LENGTH":
			if b.Length != "" && b.Length != value {
				return malformed("CONTENT_LENGTH is there twice")
			}
			if b.Length = value; value == "" {
				return nil
			}
		case "CONTENT_TYPE":
			if value == "" {
				delete(vars, name)
				return nil
			}
			line = true
		// REMOTE_USER is what a client has said, decoded: nginx's is there before anybody has checked it.
		case "REQUEST_URI", "QUERY_STRING", "REMOTE_USER", "REMOTE_ADDR", "AUTH_TYPE":
			line = true
		case "SERVER_NAME":
			b.serverName, line = value, true
		case "SERVER_PORT":
			b.serverPort, line = value, true
		case "REQUEST_METHOD":
			b.method = value
		case "SERVER_PROTOCOL":
			b.protocol = value
		case "HTTPS":
			b.https = value
		case "REQUEST_SCHEME":
			b.scheme = value
		case "PATH_INFO":
			b.path, path = value, true
		case "SCRIPT_NAME", "PATH_TRANSLATED":
			path = true
		}
		switch {
		case line && hasBreak(value):
			return malformed(name + " has a line break or NUL")
		case path && strings.IndexByte(value, 0) >= 0:
			// Decoded, so line breaks are lawful. A NUL ends the string for every C library that gets to see it.
			return malformed(name + " has a NUL")
		}
		vars[name] = value
		return nil
	}
	switch headerName(name) {
	case notAName:
		return malformed("a header's name is not a token")
	case anothersName:
		return nil
	}
	switch name {
	case "HTTP_", "HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH":
		return nil
	}
	// A header is one line (C28). A line break in it would become one of whatever the application prints it into.
	if hasBreak(value) {
		return malformed(name + " has a line break or NUL")
	}
	bit := uint64(1) << (uint(len(name)*7+int(name[len(name)-1])) % 64)
	if b.headers&bit == 0 {
		b.headers |= bit
		vars[name] = value
		return nil
	}
	switch old := vars[name]; {
	case old == "":
		vars[name] = value
	case value == "":
	case name == "HTTP_COOKIE":
		vars[name] = old + "; " + value
	default:
		vars[name] = old + ", " + value
	}
	return nil
}

// CheckName returns an error, which wraps ErrMalformed, for what no variable is called. A line break in a name would become one of
// whatever prints it; a "=", another variable of a program that the application starts (C1). It is for protocols that can say
// such a name.
func CheckName(name string) error {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == '=' || c == 0x7F {
			return malformed("a variable's name has a space, an equals sign or a control character")
		}
	}
	return nil
}

// IsHeader reports whether name is what a host makes of the name of a header: upper case, with "_" for "-" (C27). Any other would pass
// for one that is (E6). In net/http/cgi HTTP_X-USER rivals HTTP_X_USER, and which of the two counts is the order of a map's;
// HTTP_Proxy and HTTP_CONTENT-LENGTH get past what keeps HTTP_PROXY and HTTP_CONTENT_LENGTH out.
func IsHeader(name string) bool {
	return len(name) > len("HTTP_") && strings.HasPrefix(name, "HTTP_") && headerName(name) == headersName
}

// What the name of an HTTP_ variable may be.
const (
	headersName  = iota // a header's
	anothersName        // would pass for one
	notAName
)

func headerName(name string) (kind int) {
	for i := range len(name) {
		switch c := name[i]; {
		case 'A' <= c && c <= 'Z', c == '_', '0' <= c && c <= '9':
		case 'a' <= c && c <= 'z', c == '-':
			kind = anothersName
		case !isTokenChar(c):
			return notAName
		}
	}
	return kind
}

// Finish gives env the variables, those that must not be missing too, and URLScheme. It returns the length of the body, -1 if the
// request does not say, or an error, which wraps ErrMalformed, if what was added is no request.
//
// The checks, Add's too, are what a hostile client can reach through a careless host, and what an application may rely on.
// What a host may do, odd as it is, passes: methods in lower case, HTTP/3, INCLUDED (C25), "%" or invalid UTF-8 in PATH_INFO.
//
// SERVER_PROTOCOL defaults to HTTP/1.0, as RFC 3875 has it for INCLUDED; SERVER_NAME to localhost and SERVER_PORT to the
// port of the scheme (R32; BusyBox sends none). The scheme is https if HTTPS says on, 1 or yes, as in wsgiref, or else if
// REQUEST_SCHEME is https (Apache, nginx).
func (b *Builder) Finish(env *gateway.Environ) (length int64, err error) {
	vars := b.Vars
	env.Vars = vars
	switch {
	case b.method == "":
		return -1, malformed("no REQUEST_METHOD") // R28
	case !isToken(b.method):
		return -1, malformed("REQUEST_METHOD is not a token")
	case b.protocol == "":
		vars["SERVER_PROTOCOL"] = "HTTP/1.0"
	case !isProtocol(b.protocol):
		return -1, malformed("SERVER_PROTOCOL is not a protocol")
	}
	if b.path != "" && b.path[0] != '/' {
		return -1, malformed("PATH_INFO does not start with a slash") // C14
	}
	length = -1
	if b.Length != "" {
		if length, err = env.ContentLength(); err != nil {
			return -1, malformed("CONTENT_LENGTH is not a length")
		}
	}
	env.URLScheme = b.urlScheme()
	if b.serverName == "" {
		vars["SERVER_NAME"] = "localhost"
	}
	if b.serverPort == "" {
		if env.URLScheme == "https" {
			vars["SERVER_PORT"] = "443"
		} else {
			vars["SERVER_PORT"] = "80"
		}
	}
	return length, nil
}

// Chunked reports whether the client sent its body in chunks, which the host has decoded (R118): without a CONTENT_LENGTH
// the body is then as long as it is (E2).
func Chunked(env *gateway.Environ) bool {
	return strings.Contains(strings.ToLower(env.Vars["HTTP_TRANSFER_ENCODING"]), "chunked")
}

func (b *Builder) urlScheme() string {
	switch strings.ToLower(b.https) {
	case "on", "1", "yes":
		return "https"
	case "":
		if strings.EqualFold(b.scheme, "https") {
			return "https"
		}
	}
	return "http"
}

// hasBreak reports whether s has a line break or NUL. It runs for every header: strings.ContainsAny takes three times as long.
func hasBreak(s string) bool {
	return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 || strings.IndexByte(s, 0) >= 0
}

// isProtocol accepts protocol-name [ "/" 1*digit [ "." 1*digit ] ], which is RFC 3875, 4.1.16 and HTTP/2.
func isProtocol(s string) bool {
	name, version, found := strings.Cut(s, "/")
	if !isToken(name) {
		return false
	}
	if !found {
		return true
	}
	major, minor, found := strings.Cut(version, ".")
	return isDigits(major) && (!found || isDigits(minor))
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isToken is RFC 9110, 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
