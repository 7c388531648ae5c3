package header

import "strings"

// The values and names of the variables that a request has.

// AppendVariable appends the variable of a header (C27): the name in upper case, with "_" for "-"
// and HTTP_ in front, unless it is that of CONTENT_TYPE or CONTENT_LENGTH.
func AppendVariable(b []byte, name string) []byte {
	const prefix = "HTTP_"
	begin := len(b)
	b = append(b, prefix...)
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
	switch string(b[begin+len(prefix):]) {
	case "CONTENT_TYPE", "CONTENT_LENGTH":
		b = append(b[:begin], b[begin+len(prefix):]...)
	}
	return b
}

// HostName returns a host as SERVER_NAME has it (C23): a name, an IPv4 address, or an IPv6 address
// in brackets, and no port. It returns anything else as it is.
func HostName(s string) string {
	name, port, found := strings.Cut(s, ":")
	switch end := strings.IndexByte(s, ']'); {
	case !found:
		return s
	case s[0] == '[':
		if strings.HasPrefix(s[end+1:], ":") && isPort(s[end+2:]) {
			return s[:end+1]
		}
		return s
	case isPort(port):
		return name
	case strings.Contains(port, ":") && strings.Trim(s, "0123456789abcdefABCDEF:.") == "":
		return "[" + s + "]"
	}
	return s
}

// IsHost reports whether all bytes of s may be in a host with its port (RFC 3986, 3.2.2): net/http
// refuses a Host header with any other.
func IsHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._~%!$&'()*+,;=:[]", c) < 0:
			return false
		}
	}
	return true
}

// IsTarget reports whether a request target leads to a path: it is a path, or has one behind its
// scheme and host, or is the "*" of OPTIONS (RFC 9112, 3.2). Any other target, such as "a:b", would
// pass for the root.
func IsTarget(target, method string) bool {
	switch {
	case target == "" || target[0] == '/': // the host has sent none, or a path
		return true
	case target == "*":
		return method == "OPTIONS"
	}
	scheme, _, found := strings.Cut(target, "://")
	return found && IsToken(scheme)
}

// Address returns the address of a client as REMOTE_ADDR has it (C17): without brackets and port.
// It returns the "unix:" that nginx has for a Unix socket as it is.
func Address(s string) string {
	if strings.HasPrefix(s, "unix:") {
		return s
	}
	return strings.Trim(HostName(s), "[]")
}

func isPort(s string) bool { return strings.Trim(s, "0123456789") == "" }

// IsLine reports whether the value of a variable is one line, whatever the request is and whoever
// has made the environment. PATH_INFO, which is decoded, is not one of these variables.
func IsLine(name string) bool {
	switch name = original(name); name {
	case "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "HTTPS", "QUERY_STRING",
		"REMOTE_ADDR", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT", "REMOTE_USER", "REQUEST_METHOD",
		"REQUEST_SCHEME", "REQUEST_URI", "SERVER_ADDR", "SERVER_NAME", "SERVER_PORT",
		"SERVER_PROTOCOL", "SERVER_SOFTWARE", "Authorization":
		return true
	}
	return strings.HasPrefix(name, "HTTP_")
}

// MayHaveLines reports whether a line break in the value of a variable can be lawful: in a path that
// the web server has decoded, and in a certificate.
func MayHaveLines(name string) bool {
	switch name = original(name); name {
	case "PATH_INFO", "PATH_TRANSLATED", "SCRIPT_NAME", "SCRIPT_FILENAME", "DOCUMENT_URI",
		"SCRIPT_URI", "SCRIPT_URL", "URI", "URL":
		return true
	}
	return !strings.HasPrefix(name, "HTTP_") && strings.Contains(name, "_CERT")
}

// original returns the name of the variable that a web server has saved under another name: Apache
// and lighttpd at an internal redirect (REDIRECT_URL), others before they change it
// (ORIG_PATH_INFO).
func original(name string) string {
	for strings.HasPrefix(name, "REDIRECT_") {
		name = name[len("REDIRECT_"):]
	}
	return strings.TrimPrefix(name, "ORIG_")
}
