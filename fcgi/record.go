package fcgi

import "example.com/gateway/internal/fastcgi"

const (
	// errorsChunk is what one STDERR record holds at most, and errorsPadding its padding. HAProxy
	// 2.6 crashes of a STDERR record without padding, or of a large one, that is all that it has
	// read (haproxy/haproxy#2150).
	errorsChunk   = 4 << 10
	errorsPadding = 8
)

// appendEnd appends an END_REQUEST record (5.5). No host looks at the application status, so it is
// always 0.
func appendEnd(b []byte, id uint16, protocolStatus byte) []byte {
	return append(fastcgi.AppendHeader(b, fastcgi.EndRequest, id, 8), 0, 0, 0, 0, protocolStatus, 0,
		0, 0)
}

// appendFarewell appends a record that makes nginx not use the connection again: an empty record of
// STDERR behind END_REQUEST, and in the same write. nginx keeps no connection on which anything
// follows END_REQUEST. nginx that has read END_REQUEST alone may send its next request before it
// sees the end of the connection. The record is not for Apache: it would hide the end of the
// connection, for which Apache looks.
func appendFarewell(b []byte, id uint16) []byte {
	return fastcgi.AppendHeader(b, fastcgi.Stderr, id, 0)
}

// appendBreak appends a record that a host behind which nothing is multiplexed does not expect: a
// management record, an empty GET_VALUES_RESULT. FastCGI has no sign for a broken response. nginx
// takes the record for an error, and breaks its own response off, where it takes the mere end of
// the connection for the end of a whole response. The other hosts read over the record.
func appendBreak(b []byte) []byte { return fastcgi.AppendHeader(b, fastcgi.GetValuesResult, 0, 0) }

// appendErrors appends a text as records of STDERR.
func appendErrors(b []byte, id uint16, text []byte) []byte {
	for len(text) > 0 {
		n := min(len(text), errorsChunk)
		b = fastcgi.AppendHeader(b, fastcgi.Stderr, id, n)
		b[len(b)-2] = errorsPadding
		b = append(append(b, text[:n]...), make([]byte, errorsPadding)...)
		text = text[n:]
	}
	return b
}
