// Package fastcgi is the wire format of FastCGI 1.0, as bytes: what the server of package fcgi and
// the client of package host have in common. Section numbers are those of the FastCGI
// Specification.
package fastcgi

import (
	"encoding/binary"
	"errors"
)

// Section 3.3 and 8: a record is a header of 8 bytes (version, type, request id, content length,
// padding length, reserved), the content and the padding.
const (
	Version    = 1
	HeaderSize = 8
	MaxContent = 65535

	// MaxChunk is what one record of ours holds: a multiple of 8, as section 3.3 recommends, so
	// that none needs padding for alignment. The length has 16 bits; a longer one wraps, and bytes
	// of the content become records.
	MaxChunk = MaxContent &^ 7
)

// Section 8: the types of records.
const (
	BeginRequest    = 1
	AbortRequest    = 2
	EndRequest      = 3
	Params          = 4
	Stdin           = 5
	Stdout          = 6
	Stderr          = 7
	GetValues       = 9
	GetValuesResult = 10
	UnknownType     = 11
)

// EndRequestSize is the size of the content of END_REQUEST, and of BEGIN_REQUEST too.
const EndRequestSize = 8

// Section 5.1 and 5.5: the role and flag of a request that are understood, and how requests end.
const (
	RoleResponder = 1
	FlagKeepConn  = 1

	RequestComplete = 0
	CannotMultiplex = 1
	Overloaded      = 2
	UnknownRole     = 3
)

// A Header is the header of a record.
type Header struct {
	Kind    uint8
	ID      uint16
	Length  int
	Padding int
}

// ErrVersion is returned by ParseHeader when what comes is no record of FastCGI 1.0.
var ErrVersion = errors.New("fastcgi: record of an unknown version")

// ParseHeader reads a header from the first 8 bytes of b.
func ParseHeader(b []byte) (Header, error) {
	_ = b[HeaderSize-1]
	if b[0] != Version {
		return Header{}, ErrVersion
	}
	return Header{
		Kind:    b[1],
		ID:      binary.BigEndian.Uint16(b[2:]),
		Length:  int(binary.BigEndian.Uint16(b[4:])),
		Padding: int(b[6]),
	}, nil
}

// AppendHeader appends the header of a record with length bytes of content and no padding. length
// is at most MaxContent.
func AppendHeader(b []byte, kind uint8, id uint16, length int) []byte {
	return append(b, Version, kind, byte(id>>8), byte(id), byte(length>>8), byte(length), 0, 0)
}

// AppendStream appends content as records of a stream. It appends nothing for no content: an empty
// record would end the stream (3.3).
func AppendStream(b []byte, kind uint8, id uint16, content []byte) []byte {
	for len(content) > 0 {
		n := min(len(content), MaxChunk)
		b = append(AppendHeader(b, kind, id, n), content[:n]...)
		content = content[n:]
	}
	return b
}

// ErrPairs is returned by NextPair when there is no whole pair.
var ErrPairs = errors.New("fastcgi: malformed name-value pairs")

// NextPair takes one name-value pair (3.4) off the front of s. Lengths are 1 byte, or 4 with the
// high bit set. All of s must be whole pairs: what is lost with a malformed tail may be
// REMOTE_USER.
func NextPair(s string) (name, value, rest string, err error) {
	if len(s) >= 2 && s[0]|s[1] < 0x80 { // as nearly all are
		n, v := int(s[0]), int(s[1])
		if s = s[2:]; n+v > len(s) {
			return "", "", "", ErrPairs
		}
		return s[:n], s[n : n+v], s[n+v:], nil
	}
	n, s, ok := nextLength(s)
	if !ok {
		return "", "", "", ErrPairs
	}
	v, s, ok := nextLength(s)
	// Compared one by one, since a sum overflows 32 bits (golang/go#81293).
	if !ok || n > len(s) || v > len(s)-n {
		return "", "", "", ErrPairs
	}
	return s[:n], s[n : n+v], s[n+v:], nil
}

func nextLength(s string) (n int, rest string, ok bool) {
	if s == "" {
		return 0, "", false
	}
	if s[0] < 0x80 {
		return int(s[0]), s[1:], true
	}
	if len(s) < 4 {
		return 0, "", false
	}
	return int(s[0]&0x7F)<<24 | int(s[1])<<16 | int(s[2])<<8 | int(s[3]), s[4:], true
}

// AppendPair appends a name-value pair.
func AppendPair(b []byte, name, value string) []byte {
	b = appendLength(b, len(name))
	b = appendLength(b, len(value))
	return append(append(b, name...), value...)
}

func appendLength(b []byte, n int) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	return binary.BigEndian.AppendUint32(b, uint32(n)|0x80000000)
}
