package form

import (
	"errors"
	"io"
	"strconv"

	"example.com/gateway/request"
)

// ErrCookie is returned by [SetCookie.Encode], wrapped with what is wrong, for a cookie that
// browsers would drop, or would take for another one.
var ErrCookie = errors.New("gateway: invalid cookie")

// errOver is returned by a Part that is read too late.
var errOver = errors.New("gateway: a part of a form was read after the loop has gone on")

// A fault is an error of this package. It stands in for fmt.Errorf: package fmt makes the start of
// a CGI program slower.
type fault struct {
	text  string
	wraps []error
}

func (f *fault) Error() string   { return f.text }
func (f *fault) Unwrap() []error { return f.wraps }

func malformed(what string) error { return newFault(request.ErrMalformed, what) }

// tooLarge returns the error for what has more than max bytes or fields, by that field of Limits.
func tooLarge[T int | int64](what, field string, max T) error {
	return newFault(request.ErrBodyTooLarge,
		what+" passes Limits."+field+", "+strconv.FormatInt(int64(max), 10))
}

func newFault(kind error, what string) error {
	return &fault{kind.Error() + ": " + what, []error{kind}}
}

// readFault returns the error for a form whose Input has failed, or has ended too early.
func readFault(where string, err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		text := request.ErrMalformed.Error() + ": " + where + ": the form was cut short: " +
			err.Error()
		return &fault{text, []error{request.ErrMalformed, err}}
	}
	if f, is := err.(*fault); is { // of input
		return f
	}
	return &fault{"gateway: " + where + ": " + err.Error(), []error{err}}
}
