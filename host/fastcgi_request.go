package host

import (
	"fmt"
	"sync"

	"example.com/gateway/internal/fastcgi"
)

const (
	// smallBody is up to which size a body that is in memory goes out together with the variables.
	smallBody = 16 << 10

	// maxVariables is the size of all variables of a request.
	maxVariables = 1 << 20
)

// requests are buffers for requests of usual size.
var requests = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// newFastCGIRequest returns a request up to its body, and with its body if that is empty or small.
// It takes a small body out of b. The error wraps ErrVariables.
func newFastCGIRequest(id uint16, keep bool, vars []variable, b *body) (*[]byte, error) {
	request := requests.Get().(*[]byte)
	out, err := appendFastCGIHead((*request)[:0], id, keep, vars)
	if err != nil {
		requests.Put(request)
		return nil, err
	}
	if len(b.memory) <= smallBody {
		out = fastcgi.AppendStream(out, fastcgi.Stdin, id, b.memory)
		b.memory = nil
	}
	if b.isEmpty() {
		out = fastcgi.AppendHeader(out, fastcgi.Stdin, id, 0)
	}
	*request = out
	return request, nil
}

// giveBackRequest gives back the buffer of a request.
func giveBackRequest(request *[]byte) {
	if cap(*request) <= 64<<10 {
		requests.Put(request)
	}
}

// appendFastCGIHead appends what begins a request: BEGIN_REQUEST (5.1) and all of PARAMS (5.2).
// Each record has whole pairs: PHP closes the connection otherwise.
func appendFastCGIHead(b []byte, id uint16, keep bool, vars []variable) ([]byte, error) {
	flags := byte(0)
	if keep {
		flags = fastcgi.FlagKeepConn
	}
	b = fastcgi.AppendHeader(b, fastcgi.BeginRequest, id, 8)
	b = append(b, 0, fastcgi.RoleResponder, flags, 0, 0, 0, 0, 0)
	begin := len(b) // of the record
	b = fastcgi.AppendHeader(b, fastcgi.Params, id, 0)
	for _, v := range vars {
		at := len(b)
		b = fastcgi.AppendPair(b, v.name, v.value)
		switch size := len(b) - at; {
		case size > fastcgi.MaxContent:
			return nil, fmt.Errorf("%w: %s has %d bytes, and a record of FastCGI has room for %d",
				ErrVariables, v.name, len(v.value), fastcgi.MaxContent)
		case len(b) > maxVariables:
			return nil, fmt.Errorf("%w: they have more than %d bytes", ErrVariables, maxVariables)
		case len(b)-begin-fastcgi.HeaderSize > fastcgi.MaxContent:
			// The pair begins the next record.
			b = append(b, make([]byte, fastcgi.HeaderSize)...)
			copy(b[at+fastcgi.HeaderSize:], b[at:at+size])
			fastcgi.AppendHeader(b[:begin], fastcgi.Params, id, at-begin-fastcgi.HeaderSize)
			begin = at
		}
	}
	fastcgi.AppendHeader(b[:begin], fastcgi.Params, id, len(b)-begin-fastcgi.HeaderSize)
	return fastcgi.AppendHeader(b, fastcgi.Params, id, 0), nil
}
