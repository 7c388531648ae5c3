package doctor

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/gateway"
)

const (
	maxValue     = 1000 // bytes of a value that are shown
	maxVariables = 300  // that are shown
)

// show returns a value on one line that neither a terminal nor a page takes for anything but text.
// A backslash is doubled; a control character, a byte that is not UTF-8, and a character that
// changes the direction or the place of others are escapes, as in Go. Of a value longer than limit
// bytes the beginning is shown.
func show(value string, limit int) string {
	total := len(value)
	if total > limit {
		value = value[:limit]
	}
	var b strings.Builder
	for i := 0; i < len(value); {
		c, size := utf8.DecodeRuneInString(value[i:])
		switch {
		case c == utf8.RuneError && size <= 1:
			b.WriteString(`\x` + hexadecimal(uint64(value[i]), 2))
		case c == '\\':
			b.WriteString(`\\`)
		case strconv.IsPrint(c):
			b.WriteString(value[i : i+size])
		case c < utf8.RuneSelf:
			b.WriteString(`\x` + hexadecimal(uint64(c), 2))
		default:
			b.WriteString(`\u{` + hexadecimal(uint64(c), 0) + "}")
		}
		i += size
	}
	if total > limit {
		b.WriteString("... (" + strconv.Itoa(total) + " bytes)")
	}
	return b.String()
}

func hexadecimal(n uint64, digits int) string {
	s := strconv.FormatUint(n, 16)
	return strings.Repeat("0", max(0, digits-len(s))) + s
}

// probeCredentials and probeCookies are what the prober sends. They are no secrets.
const (
	probeCredentials = "Basic ZG9jdG9yOnByb2Jl"
	probeCookie1     = "doctor_a=1"
	probeCookie2     = "doctor_b=2"
)

// words are parts of names whose values are secrets.
var words = []string{"AUTH", "COOKIE", "KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "PRIVATE",
	"SIGNATURE", "SESSION", "PWD", "ASSERTION", "JWT", "BEARER", "APIKEY", "CSRF", "OTP", "CERT"}

// isSecret reports whether a variable's value may be a secret, or have one in it.
func isSecret(name string) bool {
	switch name {
	case "AUTH_TYPE", "SERVER_SIGNATURE", "SSL_CLIENT_VERIFY", "HTTP_CACHE_CONTROL":
		return false
	}
	name = strings.ToUpper(name)
	for _, word := range words {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// hasQuery reports whether a variable has a query, or a URL, in which there may be secrets.
func hasQuery(name string) bool {
	switch name {
	case "QUERY_STRING", "REQUEST_URI", "HTTP_REFERER", "REDIRECT_QUERY_STRING", "REDIRECT_URL",
		"UNENCODED_URL", "HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL", "HTTP_X_ORIGINAL_URI":
		return true
	}
	return false
}

const hidden = "(hidden)"

// hideInQuery returns a URL, or a query, without the values of parameters that may be secrets, and
// without a password before the host.
func hideInQuery(value string) string {
	head, query, found := strings.Cut(value, "?")
	if scheme, rest, isURL := strings.Cut(head, "://"); isURL {
		host, path, hasPath := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			head = scheme + "://" + hidden + host[at:]
			if hasPath {
				head += "/" + path
			}
		}
	}
	if found {
		head += "?"
	} else {
		head, query = "", head
	}
	var b strings.Builder
	b.WriteString(head)
	for query != "" {
		i := strings.IndexAny(query, "&;")
		parameter, end := query, ""
		if i >= 0 {
			parameter, end = query[:i], query[i:i+1]
		}
		query = query[len(parameter)+len(end):]
		name, _, found := strings.Cut(parameter, "=")
		if found && isSecret(unescape(name)) {
			parameter = name + "=" + hidden
		}
		b.WriteString(parameter + end)
	}
	return b.String()
}

// A variable is a variable of the request, made fit to be shown.
type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"` // escaped, and cut; "" if it is hidden
	Bytes int    `json:"bytes"` // of the whole value
	// Hidden says that the value may be a secret: by its name, or since it is not the request's.
	Hidden bool `json:"hidden,omitempty"`
}

func newVariable(name, value string) variable {
	v := variable{Name: show(name, 100), Bytes: len(value)}
	switch {
	case !isOfRequest(name), isSecret(name) && !isOfProbe(name, value):
		v.Hidden = true
	case hasQuery(name), strings.Contains(value, "://"):
		v.Value = show(hideInQuery(value), maxValue)
	default:
		v.Value = show(value, maxValue)
	}
	return v
}

// isOfProbe reports whether a value that would be hidden is what the prober sends, so that it
// learns what has arrived.
func isOfProbe(name, value string) bool {
	switch name {
	case "HTTP_AUTHORIZATION", "REDIRECT_HTTP_AUTHORIZATION", "Authorization":
		return value == probeCredentials
	case "HTTP_COOKIE":
		rest, found := strings.CutPrefix(value, probeCookie1)
		sep, found2 := strings.CutSuffix(rest, probeCookie2)
		return found && (found2 && strings.Trim(sep, ",; ") == "" || rest == "") ||
			value == probeCookie2
	}
	return false
}

// isOfRequest reports whether a variable is the request's, as CGI and the web servers have them.
// Any other is a deployer's own, or, under CGI, of the environment of the process.
func isOfRequest(name string) bool {
	if strings.HasPrefix(name, "HTTP_") {
		return true
	}
	if strings.HasPrefix(name, "SSL_") {
		return !strings.HasPrefix(name, "SSL_CERT_") // which are OpenSSL's own
	}
	_, found := slices.BinarySearch(ofRequest, name)
	return found
}

// ofRequest is sorted.
var ofRequest = []string{"AUTH_TYPE", "Authorization", "CONTENT_LENGTH", "CONTENT_TYPE",
	"CONTEXT_DOCUMENT_ROOT", "CONTEXT_PREFIX", "DOCUMENT_ROOT", "DOCUMENT_URI", "FCGI_ROLE",
	"GATEWAY_INTERFACE", "HTTPS", "NO_BUFFERING", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING",
	"REDIRECT_HTTP_AUTHORIZATION", "REDIRECT_QUERY_STRING", "REDIRECT_STATUS", "REDIRECT_URL",
	"REMOTE_ADDR", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT", "REMOTE_USER", "REQUEST_METHOD",
	"REQUEST_SCHEME", "REQUEST_URI", "SCGI", "SCRIPT_FILENAME", "SCRIPT_NAME", "SCRIPT_URI",
	"SCRIPT_URL", "SERVER_ADDR", "SERVER_ADMIN", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL",
	"SERVER_SIGNATURE", "SERVER_SOFTWARE", "UNENCODED_URL", "UNIQUE_ID", "UWSGI_ROUTER"}

// variables returns those of the request, sorted.
func variables(env *gateway.Environ) (list []variable, left int) {
	for key, value := range env.All() {
		value, isString := value.(string)
		if _, isVar := env.Vars[key]; !isString || !isVar || env.RunOnce && !isOfRequest(key) {
			continue
		}
		if len(list) == maxVariables {
			left++
			continue
		}
		list = append(list, newVariable(key, value))
	}
	return list, left
}

// unescape undoes percent-encoding where there is some.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
