// Package head writes the head of a CGI response (RFC 3875, 6), which FastCGI and SCGI have too.
package head

import (
	"strings"

	"example.com/gateway"
)

// Size returns how many bytes the head has.
func Size(status string, headers gateway.Headers) int {
	n := len("Status: \r\n\r\n") + len(status)
	for _, field := range headers {
		n += len(field[0]) + len(field[1]) + len(": \r\n")
	}
	return n
}

// Append appends the head with its empty line.
//
// C57: the CGI fields come first; the order of the others stays. Status is the very first line, as BusyBox wants it; or, if
// locationFirst, right after Location: HAProxy, whose FastCGI is the only protocol that it speaks, makes any status a 302
// when a Location follows it.
func Append(b []byte, status string, headers gateway.Headers, locationFirst bool) []byte {
	if locationFirst {
		b = appendFields(b, headers, isLocation)
		b = appendField(b, "Status", status)
		b = appendFields(b, headers, isContentType)
	} else {
		b = appendField(b, "Status", status)
		b = appendFields(b, headers, func(name string) bool { return isLocation(name) || isContentType(name) })
	}
	b = appendFields(b, headers, func(name string) bool { return !isLocation(name) && !isContentType(name) })
	return append(b, "\r\n"...)
}

func isLocation(name string) bool { return len(name) == 8 && strings.EqualFold(name, "Location") }
func isContentType(name string) bool {
	return len(name) == 12 && strings.EqualFold(name, "Content-Type")
}

func appendFields(b []byte, headers gateway.Headers, which func(name string) bool) []byte {
	for i := range headers {
		if which(headers[i][0]) {
			b = appendField(b, headers[i][0], headers[i][1])
		}
	}
	return b
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}
