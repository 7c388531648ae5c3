package uwsgi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
	"example.com/gateway/internal/request"
	"example.com/gateway/internal/single"
)

// The wire format of uwsgi, in its one use that web servers have for it: a packet of variables, the body, and an HTTP response
// until the end of the connection.

var protocol = single.Protocol{
	Name:       "uwsgi",
	ReadVars:   readVars,
	AppendHead: appendHead,
}

// What is not uwsgi, or not a request. The connection is closed.
var (
	errModifier = errors.New("uwsgi: a packet that is no WSGI request (modifier1 is not 0)")
	errPairs    = errors.New("uwsgi: malformed variables")
)

// readVars reads a packet: modifier1, the size of the variables in 16 bits, little-endian, modifier2; then each name and value
// with its size in front, again 16 bits. modifier1 0 is a request; modifier2 has no meaning for it, as for uWSGI.
func readVars(r *bufio.Reader, limits *backend.Limits, add func(name, value string) error) error {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return err
	}
	if header[0] != 0 {
		return errModifier
	}
	size := int(binary.LittleEndian.Uint16(header[1:]))
	if size > limits.MaxHeaderBytes {
		return request.ErrHeaderTooLarge
	}
	rest, err := single.ReadString(r, size)
	if err != nil {
		return err
	}
	for rest != "" { // all variables are parts of this string
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

// cut takes a string with its size in front off s.
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

// appendHead appends the head of an HTTP response: Apache's mod_proxy_uwsgi wants a status line, and nginx takes one. The version
// is the client's, where it is one of these two, and nothing else: it may be the client's in every byte, and more than a version.
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
