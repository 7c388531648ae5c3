package host

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"example.com/gateway"
)

// An SCGI is an [gateway.Application] that passes requests on to an SCGI server, each on a
// connection of its own. It must not be copied once it is used. Its methods may be called
// concurrently.
//
// The protocol has no body of unknown length: such a body is collected, even with Stream. Variables
// of more than 1 MiB in all get a 431.
//
// The end of the connection is the end of an answer. So a response that the server does not finish
// is cut off only if it has a Content-Length, or if the server resets the connection. Any other
// looks whole. A server that does not read the body of a request may reset the connection too.
type SCGI struct {
	// Addresses are where the server listens, as those of FastCGI.
	Addresses []string

	Options

	// ConnectTimeout is how long a connection to an address may take to be made: 5 seconds. A
	// negative number is no limit but HeadTimeout.
	ConnectTimeout time.Duration

	dialer dialer
}

var _ gateway.Application = (*SCGI)(nil)

// Call implements gateway.Application.
func (s *SCGI) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	o := s.Options
	if length, err := env.ContentLength(); err == nil && length < 0 {
		o.Stream = false
	}
	return o.serve(env, start, protocol{name: "SCGI " + strings.Join(s.Addresses, ","),
		collects: true, open: s.open}, nil)
}

// open is that of the protocol.
func (s *SCGI) open(ctx context.Context, vars []variable, b *body, _ io.Writer) (session, error) {
	head, err := appendSCGIHead(nil, vars)
	if err != nil {
		return nil, err
	}
	return openStream(ctx, &s.dialer, s.Addresses, s.ConnectTimeout, head, b)
}

// appendSCGIHead appends a netstring of the variables. CONTENT_LENGTH is the first, and always
// there.
func appendSCGIHead(b []byte, vars []variable) ([]byte, error) {
	length := valueOf(vars, "CONTENT_LENGTH")
	if length == "" {
		length = "0"
	}
	vars = append([]variable{{"CONTENT_LENGTH", length}, {"SCGI", "1"}}, vars...)
	size := 0
	for i, v := range vars {
		if i < 2 || v.name != "CONTENT_LENGTH" && v.name != "SCGI" {
			size += len(v.name) + 1 + len(v.value) + 1
		}
	}
	if size > maxVariables {
		return nil, fmt.Errorf("%w: they have %d bytes, and may have %d", ErrVariables, size,
			maxVariables)
	}
	b = append(strconv.AppendInt(b, int64(size), 10), ':')
	for i, v := range vars {
		if i < 2 || v.name != "CONTENT_LENGTH" && v.name != "SCGI" {
			b = append(append(append(append(b, v.name...), 0), v.value...), 0)
		}
	}
	return append(b, ','), nil
}
