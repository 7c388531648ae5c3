package form

import (
	"iter"
	"strconv"
	"strings"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// Cookies walks the cookies of the request, name and value, in the order in which the client has
// sent them. A browser sends the cookie with the longer Path first. Names may come twice.
//
// Cookies leaves out what is malformed: a cookie without a "=", which has no name, a
// name that is not a token, and a value with a quote inside, a backslash, or a byte that is not
// printable ASCII. It does not refuse the request, since scripts, and other sites below the same
// domain, set cookies too. Quotes around a value are dropped. Nothing is decoded: percent-encoding
// is the application's, if it has used it.
//
// The server bounds the size of all cookies: request.Limits.MaxHeaderBytes.
func Cookies(env *gateway.Environ) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for rest := env.Vars["HTTP_COOKIE"]; rest != ""; {
			var name, value string
			name, value, rest = cutCookie(rest)
			if header.IsToken(name) && isCookieValue(value) && !yield(name, value) {
				return
			}
		}
	}
}

// Cookie returns the value of the first cookie with the name, or "". Names differ by case.
func Cookie(env *gateway.Environ, name string) string {
	for rest := env.Vars["HTTP_COOKIE"]; rest != ""; {
		var n, value string
		n, value, rest = cutCookie(rest)
		if n == name && header.IsToken(n) && isCookieValue(value) {
			return value
		}
	}
	return ""
}

// cutCookie cuts the first cookie off a header. The name is empty if there is no "=".
func cutCookie(s string) (name, value, rest string) {
	name, rest, _ = strings.Cut(s, ";")
	// No other white space: a "__Host-" behind some would be a cookie that anybody can set.
	name, value, found := strings.Cut(trim(name), "=")
	if !found {
		return "", "", rest
	}
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return trim(name), value, rest
}

// trim cuts spaces and tabs off both ends of s. strings.Trim takes longer.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// isCookieValue reports whether s is a value that a client may send: a space and a comma are not in
// RFC 6265's grammar, and in many cookies.
func isCookieValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == ';' {
			return false
		}
	}
	return true
}

// A SetCookie is a cookie that an application gives to the browser, with the attributes of RFC
// 6265bis, 4.1. Its [SetCookie.Encode] is the value of a header:
//
//	headers = headers.Append("Set-Cookie", value)
type SetCookie struct {
	// Name is a token. With the prefix "__Host-", in any case, the browser takes the cookie only if
	// Secure is set, Domain is empty and Path is "/": no other host can have set it. With
	// "__Secure-" it takes the cookie only if Secure is set.
	Name string

	// Value has printable ASCII, but no space, quote, comma, semicolon or backslash. Encode
	// anything else, with encoding/base64's RawURLEncoding for example. With Name it has at most
	// 4096 bytes.
	Value string

	// Path is where the browser sends the cookie: at the path, and below. It starts with a slash.
	// If it is empty, the browser takes the directory of the request's path.
	Path string

	// Domain is the host to which the browser sends the cookie, and to all hosts below. If it is
	// empty, the browser sends the cookie to the one host that has set it.
	Domain string

	// Expires is when the browser drops the cookie. The zero Time is the end of the browser's
	// session.
	Expires time.Time

	// MaxAge is after what time the browser drops the cookie, whatever Expires says, rounded up to
	// a second. Zero is no limit, and a negative MaxAge drops the cookie at once, if Name, Path and
	// Domain are those with which it was set. Browsers keep a cookie for 400 days at most.
	MaxAge time.Duration

	// HttpOnly keeps the cookie from scripts.
	HttpOnly bool

	// Secure keeps the browser from sending the cookie without encryption.
	Secure bool

	// SameSite is "Strict" or "Lax", with which the browser does not send the cookie beside a
	// request that another site has made, but for a followed link with Lax; or "None", which needs
	// Secure; or empty, for the browser's default.
	SameSite string
}

// Encode returns the cookie as the value of a Set-Cookie header. For a cookie that a browser would
// drop, or take for another one, it returns an error that wraps [ErrCookie]: the browser would say
// nothing. A cookie whose fields are constants, and whose Value is encoded, has no error.
func (c SetCookie) Encode() (string, error) {
	if what := c.invalid(); what != "" {
		return "", newFault(ErrCookie, header.Quote(c.Name)+": "+what)
	}
	var buf [128]byte
	b := append(buf[:0], c.Name...)
	b = append(b, '=')
	b = append(b, c.Value...)
	if c.Path != "" {
		b = append(append(b, "; Path="...), c.Path...)
	}
	if c.Domain != "" {
		b = append(append(b, "; Domain="...), c.Domain...)
	}
	if !c.Expires.IsZero() {
		b = c.Expires.UTC().AppendFormat(append(b, "; Expires="...),
			"Mon, 02 Jan 2006 15:04:05 GMT")
	}
	if c.MaxAge > 0 {
		b = strconv.AppendInt(append(b, "; Max-Age="...), int64((c.MaxAge-1)/time.Second)+1, 10)
	} else if c.MaxAge < 0 {
		b = append(b, "; Max-Age=0"...)
	}
	if c.HttpOnly {
		b = append(b, "; HttpOnly"...)
	}
	if c.Secure {
		b = append(b, "; Secure"...)
	}
	if c.SameSite != "" {
		b = append(append(b, "; SameSite="...), c.SameSite...)
	}
	return string(b), nil
}

// invalid returns what is wrong with the cookie.
func (c SetCookie) invalid() string {
	isHost := hasPrefixFold(c.Name, "__Host-")
	switch {
	case !header.IsToken(c.Name):
		return "the name is not a token"
	case !isCookieValue(c.Value) || strings.ContainsAny(c.Value, " ,"):
		return "the value has bytes that a cookie may not have: encode it"
	case len(c.Name)+len(c.Value) > 4096:
		return "the name and the value have more than 4096 bytes, and browsers drop such a cookie"
	case c.Path != "" && (c.Path[0] != '/' || !isAttribute(c.Path)):
		return "the path does not start with a slash, or has bytes that it may not have"
	case c.Domain != "" && !isDomain(c.Domain):
		return "the domain is not a host's name"
	case !c.Expires.IsZero() && (c.Expires.UTC().Year() < 1601 || c.Expires.UTC().Year() > 9999):
		return "the year of Expires is not one of 1601 to 9999"
	case c.SameSite != "" && c.SameSite != "Strict" && c.SameSite != "Lax" && c.SameSite != "None":
		return "SameSite is not Strict, Lax or None"
	case (isHost || hasPrefixFold(c.Name, "__Secure-") || c.SameSite == "None") && !c.Secure:
		return "the prefix of the name, or SameSite, needs Secure"
	case isHost && (c.Domain != "" || c.Path != "/"):
		return "__Host- needs the path \"/\" and no domain"
	}
	return ""
}

// hasPrefixFold ignores case, as browsers do (RFC 6265bis, 5.7).
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isAttribute reports whether browsers take s for the value of an attribute.
func isAttribute(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == ';' {
			return false
		}
	}
	return len(s) <= 1024 && s[len(s)-1] != ' '
}

// isDomain reports whether s is a host's name (RFC 1034, 3.5, and RFC 1123, 2.1), without a dot in
// front. It has a letter: there is nothing below an address.
func isDomain(s string) bool {
	hasLetter := false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			switch c := label[i] | 0x20; { // in lower case; "-" and digits have that bit
			case 'a' <= c && c <= 'z':
				hasLetter = true
			case c != label[i] || c != '-' && (c < '0' || c > '9'):
				return false
			}
		}
	}
	return hasLetter && len(s) <= 255
}
