// Package header knows the syntax of HTTP header fields, the names that an application may not use
// for its own fields, and how a CGI response writes them.
package header

import (
	"strconv"
	"strings"
)

// IsToken reports whether s is a token of RFC 9110, 5.6.2: what methods and field names are made of.
func IsToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

// IsTokenByte reports whether c may be in a token.
func IsTokenByte(c byte) bool { return tokenBytes[c] }

// tokenBytes is a literal, so that it costs nothing when a program starts.
var tokenBytes = [256]bool{
	'!': true, '#': true, '$': true, '%': true, '&': true, '\'': true, '*': true, '+': true, '-': true, '.': true, '^': true, '_': true, '`': true, '|': true, '~': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'a': true, 'b': true, 'c': true, 'd': true, 'e': true, 'f': true, 'g': true, 'h': true, 'i': true, 'j': true, 'k': true, 'l': true, 'm': true,
	'n': true, 'o': true, 'p': true, 'q': true, 'r': true, 's': true, 't': true, 'u': true, 'v': true, 'w': true, 'x': true, 'y': true, 'z': true,
	'A': true, 'B': true, 'C': true, 'D': true, 'E': true, 'F': true, 'G': true, 'H': true, 'I': true, 'J': true, 'K': true, 'L': true, 'M': true,
	'N': true, 'O': true, 'P': true, 'Q': true, 'R': true, 'S': true, 'T': true, 'U': true, 'V': true, 'W': true, 'X': true, 'Y': true, 'Z': true,
}

// HasControl reports whether s has a control character. A tab counts unless tabAllowed: field values may have tabs.
func HasControl(s string, tabAllowed bool) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && !(tabAllowed && c == '\t') || c == 0x7F {
			return true
		}
	}
	return false
}

// ParseLength parses a Content-Length: digits (RFC 9110, 8.6) of a number that fits an int64. It accepts neither a sign, as
// strconv alone would, nor an empty string.
func ParseLength(s string) (n int64, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// A Kind says what is special about the name of a field. The kinds that a response may have once are bits.
type Kind uint8

const (
	Ordinary      Kind = 0
	ContentLength Kind = 1 << iota
	ContentType
	Location
	HopByHop // about the connection, which belongs to the server (R72)
	Status   // the status line's name in CGI; start has an argument for it
)

// KindOf returns the kind of a name. It looks at the length first, since it runs for every field of every response.
func KindOf(name string) Kind {
	var special string
	var kind Kind
	switch len(name) {
	case 2:
		special, kind = "TE", HopByHop
	case 6:
		special, kind = "Status", Status
	case 7:
		if name[0]|0x20 == 'u' {
			special, kind = "Upgrade", HopByHop
		} else {
			special, kind = "Trailer", HopByHop // wsgiref lacks this one
		}
	case 8:
		if name[0]|0x20 == 'l' {
			special, kind = "Location", Location
		} else {
			special, kind = "Trailers", HopByHop // RFC 2616, 13.5.1 calls Trailer so
		}
	case 10:
		if name[0]|0x20 == 'c' {
			special, kind = "Connection", HopByHop
		} else {
			special, kind = "Keep-Alive", HopByHop
		}
	case 12:
		special, kind = "Content-Type", ContentType
	case 14:
		special, kind = "Content-Length", ContentLength
	case 16:
		special, kind = "Proxy-Connection", HopByHop
	case 17:
		special, kind = "Transfer-Encoding", HopByHop
	case 19:
		special, kind = "Proxy-Authorization", HopByHop
	}
	if kind != Ordinary && strings.EqualFold(name, special) {
		return kind
	}
	return Ordinary
}

// Quote quotes a value for the text of an error, which shows the first 100 bytes.
func Quote(s string) string {
	if len(s) > 100 {
		return strconv.Quote(s[:100]) + "..."
	}
	return strconv.Quote(s)
}
