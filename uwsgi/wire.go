package uwsgi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"example.com/gateway"
	"example.com/gateway/internal/oneshot"
	"example.com/gateway/request"
)

// The wire format of uwsgi as web servers use it: a packet of variables, the body, and a response
// of HTTP that ends with the connection.

var protocol = oneshot.Protocol{
	Name:       "uwsgi",
	ReadVars:   readVars,
	AppendHead: appendHead,
	Chunks:     true, // uWSGI's router does so, with http-chunked-input
}

// Errors for which the connection is closed: the host does not speak uwsgi, or does not send a
// request.
var (
	errModifier = errors.New("uwsgi: a packet that is no WSGI request (modifier1 is not 0)")
	errPairs    = errors.New("uwsgi: malformed variables")
)

// readVars reads a packet: a byte modifier1, which is 0 for a request, the size of the variables in
// 16 bits, little-endian, a byte modifier2, which means nothing for a request, and then each name
// and each value behind its size in 16 bits.
func readVars(r *bufio.Reader, max int, add func(name, value string) error) error {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return err
	}
	if header[0] != 0 {
		return errModifier
	}
	size := int(binary.LittleEndian.Uint16(header[1:]))
	if size > max {
		return request.ErrHeaderTooLarge
	}
	rest, err := oneshot.ReadString(r, size)
	if err != nil {
		return err
	}
	for rest != "" { // names and values are substrings of it
		var name, value string
		var ok bool
		if name, rest, ok = cut(rest); !ok || name == "" {
			return errPairs
		}
		if value, rest, ok = cut(rest); !ok {
			return errPairs
		}
		if err := add(name, value); err != nil {
			return err
		}
	}
	return nil
}

// cut splits s behind its first string, which has its size in front.
func cut(s string) (value, rest string, ok bool) {
	if len(s) < 2 {
		return "", "", false
	}
	n := int(s[0]) | int(s[1])<<8
	if s = s[2:]; n > len(s) {
		return "", "", false
	}
	return s[:n], s[n:], true
}

// appendHead appends the head of an HTTP response: Apache's mod_proxy_uwsgi wants a status line,
// and nginx takes one. The version is the client's if that is HTTP/1.0 or HTTP/1.1. Any other
// serverProtocol may have more in it than a version, such as the line break of a header that a
// client wants to add.
func appendHead(b []byte, status string, headers gateway.Headers, serverProtocol string) []byte {
	if serverProtocol != "HTTP/1.0" && serverProtocol != "HTTP/1.1" {
		serverProtocol = "HTTP/1.1"
	}
	b = append(append(append(append(b, serverProtocol...), ' '), status...), "\r\n"...)
	for i := range headers {
		b = append(append(append(append(b, headers[i][0]...), ": "...), headers[i][1]...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}
