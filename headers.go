package gateway

import (
	"iter"
	"strings"
)

// Headers is the list of a response's headers: (name, value) pairs in order, duplicates allowed (R67). Names are
// compared without regard to case (R71); values are raw bytes. No method changes its receiver, so that a list in a
// package variable is safe to use for every request; nobody writes to a list that was handed over.
type Headers [][2]string

// Get returns the first value of the header with the given name, or "".
func (h Headers) Get(name string) string {
	for _, field := range h {
		if strings.EqualFold(field[0], name) {
			return field[1]
		}
	}
	return ""
}

// Values walks all values of the headers with the given name, in order.
func (h Headers) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, field := range h {
			if strings.EqualFold(field[0], name) && !yield(field[1]) {
				return
			}
		}
	}
}

// With returns a list in which the header has that one value: in the place of the first of that name, or at the end.
func (h Headers) With(name, value string) Headers {
	list := make(Headers, 0, len(h)+1)
	set := false
	for _, field := range h {
		if strings.EqualFold(field[0], name) {
			if set {
				continue
			}
			set = true
			field = [2]string{name, value}
		}
		list = append(list, field)
	}
	if !set {
		list = append(list, [2]string{name, value})
	}
	return list
}

// Add returns a list with the header at its end, besides others of that name.
func (h Headers) Add(name, value string) Headers {
	list := make(Headers, 0, len(h)+1)
	return append(append(list, h...), [2]string{name, value})
}

// Without returns a list that has no header of that name.
func (h Headers) Without(name string) Headers {
	list := make(Headers, 0, len(h))
	for _, field := range h {
		if !strings.EqualFold(field[0], name) {
			list = append(list, field)
		}
	}
	return list
}

// All walks the pairs in order.
func (h Headers) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, field := range h {
			if !yield(field[0], field[1]) {
				return
			}
		}
	}
}

// check returns the declared Content-Length, or -1, or an error wrapping ErrHeader or ErrContentLength. It refuses, and
// never rewrites: a value that is silently changed hides the hole that it came through (E8).
func (h Headers) check() (length int64, err error) {
	length = -1
	var seen kind
	for i := range h {
		name, value := h[i][0], h[i][1]
		// R68: "each name a valid HTTP field-name", which is a token (RFC 9110, 5.6.2).
		if !isToken(name) {
			return -1, &fault{ErrHeader, "name " + quote(name) + " is not a token", nil}
		}
		// R69: no control character in a value. HTAB is whitespace that HTTP allows; CPython allows it too.
		if hasControl(value, true) {
			return -1, &fault{ErrHeader, "value " + quote(value) + " of " + name + " has a control character", nil}
		}
		switch k := kindOf(name); k {
		case ordinary:
		case hopByHop: // R72, R91, R117
			return -1, &fault{ErrHeader, name + " is hop-by-hop, it belongs to the server", nil}
		case status: // V35: under CGI it would override the status line
			return -1, &fault{ErrHeader, name + " is set by the first argument of start", nil}
		default:
			// C46: "each at most once". Repeated lengths are how requests are smuggled (E22), also if equal.
			if seen&k != 0 {
				if k == contentLength {
					return -1, &fault{ErrContentLength, name + " is there twice", nil}
				}
				return -1, &fault{ErrHeader, name + " is there twice", nil}
			}
			seen |= k
			if k == contentLength {
				n, ok := parseLength(value)
				if !ok || value == "" {
					return -1, &fault{ErrContentLength, name + " is " + quote(value), nil}
				}
				length = n
			}
		}
	}
	return length, nil
}

// A kind says what is special about a header name; those that are allowed once are bits.
type kind uint8

const (
	ordinary      kind = 0
	contentLength kind = 1 << iota
	contentType
	location
	hopByHop
	status
)

// kindOf looks at the length first: it runs for every header of every response.
func kindOf(name string) kind {
	var special string
	var k kind
	switch len(name) {
	case 2:
		special, k = "TE", hopByHop
	case 6:
		special, k = "Status", status
	case 7:
		if name[0]|0x20 == 'u' {
			special, k = "Upgrade", hopByHop
		} else {
			special, k = "Trailer", hopByHop // wsgiref lacks it
		}
	case 8:
		if name[0]|0x20 == 'l' {
			special, k = "Location", location
		} else {
			special, k = "Trailers", hopByHop // the name that RFC 2616, 13.5.1 has for it
		}
	case 10:
		if name[0]|0x20 == 'c' {
			special, k = "Connection", hopByHop
		} else {
			special, k = "Keep-Alive", hopByHop
		}
	case 12:
		special, k = "Content-Type", contentType
	case 14:
		special, k = "Content-Length", contentLength
	case 16:
		special, k = "Proxy-Connection", hopByHop
	case 17:
		special, k = "Transfer-Encoding", hopByHop
	case 18:
		special, k = "Proxy-Authenticate", hopByHop
	case 19:
		special, k = "Proxy-Authorization", hopByHop
	}
	if k != ordinary && strings.EqualFold(name, special) {
		return k
	}
	return ordinary
}

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenChars[s[i]] {
			return false
		}
	}
	return s != ""
}

// tokenChars has the tchar of RFC 9110, 5.6.2.
var tokenChars = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

func hasControl(s string, tabAllowed bool) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && !(tabAllowed && c == '\t')) || c == 0x7F {
			return true
		}
	}
	return false
}
