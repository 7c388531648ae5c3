package form

import (
	"io"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
	"example.com/gateway/request"
)

// An input is an Environ's Input, of which it reads at most Limits.MaxBytes.
type input struct {
	r         io.Reader
	left, max int64
}

// newInput returns the input, and the length of the body, -1 if it is unknown.
func newInput(env *gateway.Environ, max int64) (input, int64, error) {
	length, err := env.ContentLength()
	if err != nil {
		return input{}, 0, &fault{request.ErrMalformed.Error() + ": " + err.Error(),
			[]error{request.ErrMalformed, err}}
	}
	in := input{env.Input, max, max}
	if length > max {
		return input{}, 0, in.tooLarge()
	}
	return in, length, nil
}

func (in *input) tooLarge() error { return tooLarge("the form", "MaxBytes", in.max) }

// Read implements io.Reader. It returns at least one byte, or an error.
func (in *input) Read(p []byte) (int, error) {
	if int64(len(p))-1 > in.left {
		p = p[:in.left+1] // one more tells that the form is too large
	}
	for range 100 {
		n, err := in.r.Read(p)
		if in.left -= int64(n); in.left < 0 {
			in.left = 0
			return n - 1, in.tooLarge()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// mediaType returns the type of the request's body, and its one boundary parameter.
func mediaType(env *gateway.Environ) (kind, boundary string, err error) {
	const where = "CONTENT_TYPE: "
	value := env.Vars["CONTENT_TYPE"]
	kind, rest := value, ""
	if i := strings.IndexByte(value, ';'); i >= 0 {
		kind, rest = value[:i], value[i:]
	}
	switch kind = strings.Trim(kind, blanks); {
	case strings.EqualFold(kind, urlEncoded):
		kind = urlEncoded
	case strings.EqualFold(kind, multipart):
		kind = multipart
	default:
		return "", "", newFault(request.ErrMediaType, header.Quote(kind)+" is no form's")
	}
	var buf [maxParameters]parameter
	list, err := appendParameters(buf[:0], rest)
	if err != nil {
		return "", "", malformed(where + err.Error())
	}
	for _, p := range list {
		if strings.EqualFold(p.name, "boundary") {
			boundary = p.value
		} else if hasPrefixFold(p.name, "boundary*") {
			return "", "", malformed(where + "there is a boundary of RFC 2231: send it as boundary=")
		}
	}
	if kind == multipart && !isBoundary(boundary) {
		return "", "", malformed(where + "the boundary " + header.Quote(boundary) +
			" is not 1 to 70 bytes of those that RFC 2046 allows")
	}
	return kind, boundary, nil
}

const (
	urlEncoded = "application/x-www-form-urlencoded"
	multipart  = "multipart/form-data"
	blanks     = " \t" // RFC 9110, 5.6.3
)

// isBoundary reports whether s may be a boundary (RFC 2046, 5.1.1).
func isBoundary(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("'()+_,-./:=? ", c) < 0:
			return false
		}
	}
	return s != "" && len(s) <= 70 && s[len(s)-1] != ' '
}
