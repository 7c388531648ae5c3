package scgi

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
	"example.com/gateway/internal/oneshot"
	"example.com/gateway/request"
)

// The wire format of SCGI: a netstring of headers, the body, and a response of CGI that ends with
// the connection. Quotations are from the SCGI specification of 2008.

var protocol = oneshot.Protocol{
	Name:     "scgi",
	ReadVars: readVars,
	AppendHead: func(b []byte, status string, headers gateway.Headers, _ string) []byte {
		return header.AppendCGI(b, status, headers, false)
	},
}

// Errors for which the connection is closed: the host does not speak SCGI.
var (
	errNetstring = errors.New("scgi: malformed netstring")
	errTail      = errors.New("scgi: headers do not end with a NUL")
	errSCGI      = errors.New("scgi: no SCGI header with the value 1")
	errLength    = errors.New("scgi: CONTENT_LENGTH is not the first header")
	errName      = errors.New("scgi: a header without a name")
)

// readVars reads the netstring "70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00...," and calls add for
// each header.
func readVars(r *bufio.Reader, max int, add func(name, value string) error) error {
	n, err := readLength(r)
	if err != nil {
		return err
	}
	if n > max {
		return request.ErrHeaderTooLarge
	}
	block, err := oneshot.ReadString(r, n+1)
	if err != nil {
		return err
	}
	if block[n] != ',' {
		return errNetstring
	}
	if n == 0 || block[n-1] != 0 {
		return errTail
	}
	rest := block[:n-1] // without the NUL of the last value; names and values are substrings of it
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
		// "The first header must have the name "CONTENT_LENGTH"", so that nobody has to look for
		// the length of the request.
		case first && name != "CONTENT_LENGTH":
			return errLength
		case name == "SCGI":
			isSCGI = value == "1"
		}
		// "Duplicate names are not allowed in the headers". But nginx sends one for each line of a
		// repeated header, and for each parameter that its configuration repeats. The Builder of
		// package request deals with both.
		if err := add(name, value); err != nil {
			return err
		}
	}
	if !isSCGI {
		return errSCGI
	}
	return nil
}

// readLength reads the length of a netstring: digits and a colon. Only "0" may begin with a zero.
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
