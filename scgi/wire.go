package scgi

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
	"example.com/gateway/internal/head"
	"example.com/gateway/internal/request"
	"example.com/gateway/internal/single"
)

// The wire format of SCGI: a netstring of headers, the body, and the response of CGI until the end of the connection. What is
// quoted is the SCGI specification of 2008.

var protocol = single.Protocol{
	Name:     "scgi",
	ReadVars: readVars,
	AppendHead: func(b []byte, status string, headers gateway.Headers, _ string) []byte {
		return head.Append(b, status, headers, false)
	},
}

// What is not SCGI. The connection is closed.
var (
	errNetstring = errors.New("scgi: malformed netstring")
	errTail      = errors.New("scgi: headers do not end with a NUL")
	errSCGI      = errors.New("scgi: no SCGI header with the value 1")
	errLength    = errors.New("scgi: CONTENT_LENGTH is not the first header")
	errName      = errors.New("scgi: a header without a name")
)

// readVars reads the netstring "70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00...," and calls add for each header.
func readVars(r *bufio.Reader, limits *backend.Limits, add func(name, value string) error) error {
	n, err := readLength(r)
	if err != nil {
		return err
	}
	if n > limits.MaxHeaderBytes {
		return request.ErrHeaderTooLarge
	}
	block, err := single.ReadString(r, n+1)
	if err != nil {
		return err
	}
	if block[n] != ',' {
		return errNetstring
	}
	if n == 0 || block[n-1] != 0 {
		return errTail
	}
	rest := block[:n-1] // the last NUL ends the last value; all variables are parts of this string
	isSCGI := false
	for first, more := true, true; more; first = false {
		name, tail, found := strings.Cut(rest, "\x00")
		if !found {
			return errTail
		}
		var value string
		value, rest, more = strings.Cut(tail, "\x00")
		switch {
		case name == "":
			return errName
		// "The first header must have the name "CONTENT_LENGTH"": what frames the request is not to be looked for.
		case first && name != "CONTENT_LENGTH":
			return errLength
		case name == "SCGI":
			isSCGI = value == "1"
		}
		// "Duplicate names are not allowed in the headers", but nginx sends each of a repeated header's lines, and whatever
		// the deployer says twice: request.Builder knows what to do.
		if err := add(name, value); err != nil {
			return err
		}
	}
	if !isSCGI {
		return errSCGI
	}
	return nil
}

// readLength reads the length of a netstring: digits and a colon. A leading zero is not allowed but in "0".
func readLength(r *bufio.Reader) (n int, err error) {
	for i := 0; ; i++ {
		c, err := r.ReadByte()
		switch {
		case err != nil:
			if err == io.EOF && i > 0 {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		case c == ':' && i > 0:
			return n, nil
		case c < '0' || c > '9' || i > 0 && n == 0 || n > 1<<27: // the next digit would not fit 32 bits
			return 0, errNetstring
		}
		n = 10*n + int(c-'0')
	}
}
