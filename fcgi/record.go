package fcgi

// The wire format of FastCGI 1.0, as bytes. Section numbers are those of the FastCGI Specification.

import (
	"encoding/binary"
	"errors"
)

// Section 3.3 and 8: a record is a header of 8 bytes (version, type, request id, content length,
// padding length, reserved), the content and the padding.
const (
	version1   = 1
	headerSize = 8
	maxContent = 65535

	// maxChunk is what one record of ours holds: a multiple of 8, as section 3.3 recommends, so
	// that none needs padding for alignment. The length has 16 bits; a longer one wraps, and bytes
	// of the content become records.
	maxChunk = maxContent &^ 7
)

// Section 8: the types of records.
const (
	typeBeginRequest    = 1
	typeAbortRequest    = 2
	typeEndRequest      = 3
	typeParams          = 4
	typeStdin           = 5
	typeStdout          = 6
	typeStderr          = 7
	typeGetValues       = 9
	typeGetValuesResult = 10
	typeUnknownType     = 11
)

// Section 5.1 and 5.5: the role and flag of a request that are understood, and how requests end.
const (
	roleResponder = 1
	flagKeepConn  = 1

	requestComplete = 0
	overloaded      = 2
	unknownRole     = 3
)

// A recordHeader is the header of a record.
type recordHeader struct {
	kind    uint8
	id      uint16
	length  int
	padding int
}

var errVersion = errors.New("fcgi: record of an unknown version")

// parseHeader reads a header from the first 8 bytes of b.
func parseHeader(b []byte) (recordHeader, error) {
	_ = b[headerSize-1]
	if b[0] != version1 {
		return recordHeader{}, errVersion
	}
	return recordHeader{
		kind:    b[1],
		id:      binary.BigEndian.Uint16(b[2:]),
		length:  int(binary.BigEndian.Uint16(b[4:])),
		padding: int(b[6]),
	}, nil
}

// appendHeader appends the header of a record with length bytes of content and no padding. length
// is at most maxContent.
func appendHeader(b []byte, kind uint8, id uint16, length int) []byte {
	return append(b, version1, kind, byte(id>>8), byte(id), byte(length>>8), byte(length), 0, 0)
}

// appendEnd appends an END_REQUEST record (5.5). No host looks at the application status, so it is
// always 0.
func appendEnd(b []byte, id uint16, protocolStatus byte) []byte {
	return append(appendHeader(b, typeEndRequest, id, 8), 0, 0, 0, 0, protocolStatus, 0, 0, 0)
}

// appendFarewell appends a record that makes nginx not use the connection again: an empty record of
// STDERR behind END_REQUEST, and in the same write. nginx keeps no connection on which anything
// follows END_REQUEST. nginx that has read END_REQUEST alone may send its next request before it
// sees the end of the connection. The record is not for Apache: it would hide the end of the
// connection, for which Apache looks.
func appendFarewell(b []byte, id uint16) []byte { return appendHeader(b, typeStderr, id, 0) }

// appendStream appends a stream's content as records of at most maxChunk bytes. Nothing is appended
// for no content: an empty record would end the stream (3.3).
func appendStream(b []byte, kind uint8, id uint16, content []byte) []byte {
	for len(content) > 0 {
		n := min(len(content), maxChunk)
		b = append(appendHeader(b, kind, id, n), content[:n]...)
		content = content[n:]
	}
	return b
}

var errPairs = errors.New("fcgi: malformed name-value pairs")

// nextPair takes one name-value pair (3.4) off the front of s. Lengths are 1 byte, or 4 with the
// high bit set. All of s must be whole pairs: what is lost with a malformed tail may be
// REMOTE_USER.
func nextPair(s string) (name, value, rest string, err error) {
	if len(s) >= 2 && s[0]|s[1] < 0x80 { // as nearly all are
		n, v := int(s[0]), int(s[1])
		if s = s[2:]; n+v > len(s) {
			return "", "", "", errPairs
		}
		return s[:n], s[n : n+v], s[n+v:], nil
	}
	n, s, ok := nextLength(s)
	if !ok {
		return "", "", "", errPairs
	}
	v, s, ok := nextLength(s)
	// Compared one by one, since a sum overflows 32 bits (golang/go#81293).
	if !ok || n > len(s) || v > len(s)-n {
		return "", "", "", errPairs
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

// appendPair appends a name-value pair.
func appendPair(b []byte, name, value string) []byte {
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
