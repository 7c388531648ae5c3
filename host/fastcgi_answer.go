package host

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"example.com/gateway/internal/fastcgi"
	"example.com/gateway/internal/header"
)

// A fastCGIAnswer takes the records of an answer apart, as they come. It trusts none.
type fastCGIAnswer struct {
	id     uint16    // of the request
	log    io.Writer // gets STDERR
	script string    // SCRIPT_FILENAME

	head    [fastcgi.HeaderSize]byte // of the record, the first n bytes of it
	n       int
	cur     fastcgi.Header               // what a whole head says
	left    int                          // of the content
	padding int                          // is still to come
	end     [fastcgi.EndRequestSize]byte // the content of END_REQUEST

	any   bool // something of STDOUT has come
	ended bool // all of END_REQUEST has come but for padding
	odd   bool // something has come behind END_REQUEST

	matched int // how much of noScript has come
}

// isDone reports whether the answer has come to its end, with the last byte of padding, and nothing
// else has come.
func (a *fastCGIAnswer) isDone() bool { return a.ended && a.padding == 0 && !a.odd }

// take takes the next bytes of the answer. It moves what is STDOUT in b to the front of b, and
// returns how much that is. With the end of the answer it returns io.EOF or what END_REQUEST says
// otherwise. Bytes that follow END_REQUEST belong to nothing: they spoil the connection, and not
// the answer.
//
// An empty record of STDOUT is nothing. It is to be the end of the stream (3.3), but END_REQUEST
// follows, and is all that PHP sends.
func (a *fastCGIAnswer) take(b []byte) (n int, err error) {
	for i := 0; i < len(b) && err == nil; {
		rest := b[i:]
		switch {
		case a.n < len(a.head):
			if a.ended {
				a.odd = true
				return n, a.result()
			}
			k := copy(a.head[a.n:], rest)
			if a.n += k; a.n == len(a.head) || a.head[0] != fastcgi.Version {
				err = a.begin(rest)
			}
			i += k
		case a.left > 0:
			content := rest[:min(a.left, len(rest))]
			a.content(content)
			if a.cur.Kind == fastcgi.Stdout {
				n += copy(b[n:], content)
			}
			a.left -= len(content)
			i += len(content)
		case a.padding > 0:
			k := min(a.padding, len(rest))
			a.padding -= k
			i += k
		}
		if a.n == len(a.head) && a.left == 0 {
			a.ended = a.ended || a.cur.Kind == fastcgi.EndRequest
			if a.padding == 0 {
				a.n = 0
			}
		}
	}
	if err == nil && a.ended {
		err = a.result()
	}
	return n, err
}

// begin looks at the head of a record, which ends in b, or begins there with what is no record.
func (a *fastCGIAnswer) begin(b []byte) (err error) {
	if a.cur, err = fastcgi.ParseHeader(a.head[:]); err != nil {
		return noRecord(b)
	}
	a.left, a.padding = a.cur.Length, a.cur.Padding
	switch kind := a.cur.Kind; {
	case kind == fastcgi.GetValuesResult:
		// Nobody has asked. This module's server says so that a response is broken.
		return fmt.Errorf("%w: the server says that it has broken off", ErrCutShort)
	case a.cur.ID != a.id:
		return fmt.Errorf("%w: a record of request %d in the answer to request %d", ErrAnswer,
			a.cur.ID, a.id)
	case kind == fastcgi.Stdout, kind == fastcgi.Stderr:
		return nil
	case kind == fastcgi.EndRequest && a.cur.Length == fastcgi.EndRequestSize:
		return nil
	}
	return fmt.Errorf("%w: a record of type %d with %d bytes", ErrAnswer, a.cur.Kind, a.cur.Length)
}

// noRecord says what has come instead of a record. Its first byte tells.
func noRecord(b []byte) error {
	hint := ""
	if bytes.HasPrefix(b, []byte("HTTP/")) {
		hint = ": is the address that of an HTTP server?"
	}
	return fmt.Errorf("%w: no record of FastCGI, but %s%s", ErrAnswer, header.Quote(string(b)),
		hint)
}

// content takes a part of the content of a record.
func (a *fastCGIAnswer) content(p []byte) {
	switch a.cur.Kind {
	case fastcgi.Stdout:
		a.any = true
	case fastcgi.EndRequest:
		copy(a.end[len(a.end)-a.left:], p)
	case fastcgi.Stderr:
		_, _ = a.log.Write(p)
		if a.saysNoScript(p) {
			fmt.Fprintf(a.log,
				"\nPHP-FPM finds no file %q: if it runs in a container, or in a chroot, "+
					"Scripts.RemoteRoot is to be the folder as PHP-FPM sees it\n", a.script)
		}
	}
}

// noScript is what PHP-FPM says of a script that it does not find.
const noScript = "Primary script unknown"

// saysNoScript reports whether noScript has ended in p, which is a piece of STDERR.
func (a *fastCGIAnswer) saysNoScript(p []byte) (found bool) {
	for _, c := range p {
		if c != noScript[a.matched] {
			a.matched = 0 // no other letter is like the first
		}
		if c == noScript[a.matched] {
			a.matched++
		}
		if a.matched == len(noScript) {
			a.matched, found = 0, true
		}
	}
	return found
}

// result returns what END_REQUEST says (5.5): io.EOF if the answer is whole. The application status
// is what the program would have ended with as a CGI program: another than 0 says that it has
// failed. PHP-FPM, uWSGI, fcgiwrap and this module say 0 whatever happens, so that 0 proves
// nothing. The last three bytes are reserved, and anything in PHP-FPM.
func (a *fastCGIAnswer) result() error {
	app, protocol := binary.BigEndian.Uint32(a.end[:]), a.end[4]
	switch {
	case protocol == fastcgi.Overloaded && a.any: // with a page that says so
		return io.EOF
	case protocol == fastcgi.Overloaded:
		return fmt.Errorf("%w: the server says that it is overloaded", ErrOverloaded)
	case protocol != fastcgi.RequestComplete:
		return fmt.Errorf("%w: the server refuses the request with the protocol status %d",
			ErrAnswer, protocol)
	case app != 0:
		return fmt.Errorf("%w: the program has ended with the status %d", ErrCutShort, int32(app))
	}
	return io.EOF
}
