package host

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"example.com/gateway"
)

// A UWSGI is an [gateway.Application] that passes requests on to a server of the uwsgi protocol,
// such as uWSGI, each on a connection of its own. It must not be copied once it is used. Its
// methods may be called concurrently.
//
// With Stream, a body of unknown length is sent in chunks, which this module's server decodes. The
// programs of uWSGI must read them with uwsgi.chunked_read.
//
// The protocol has no place for 64 KiB of variables or more, which get a 431. uWSGI itself closes
// the connection if they are larger than its option buffer-size, which is 4,096 bytes unless set.
//
// The end of the connection is the end of an answer. So a response that the server does not finish
// is cut off only if it has a Content-Length, or if the server resets the connection. Any other
// looks whole. uWSGI also resets the connection if a program does not read the body of a request;
// its option post-buffering helps.
type UWSGI struct {
	// Addresses are where the server listens, as those of FastCGI.
	Addresses []string

	Options

	// ConnectTimeout is how long a connection to an address may take to be made: 5 seconds. A
	// negative number is no limit but HeadTimeout.
	ConnectTimeout time.Duration

	// Modifier1 is for which plug-in of uWSGI the requests are: 0 for Python, which is also what
	// other servers take, 5 for Perl, 7 for Ruby, 9 for CGI, 14 for PHP.
	Modifier1 uint8

	dialer dialer
}

var _ gateway.Application = (*UWSGI)(nil)

// Call implements gateway.Application.
func (u *UWSGI) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return u.serve(env, start, protocol{name: "uwsgi " + strings.Join(u.Addresses, ","),
		collects: true, open: u.open}, nil)
}

// open is that of the protocol.
func (u *UWSGI) open(ctx context.Context, vars []variable, b *body, _ io.Writer) (session, error) {
	isChunked := b.length < 0 && !b.isEmpty()
	vars = slices.DeleteFunc(vars, func(v variable) bool {
		return v.name == "HTTP_TRANSFER_ENCODING" || isChunked && v.name == "CONTENT_LENGTH"
	})
	switch {
	case isChunked:
		vars = append(vars, variable{"HTTP_TRANSFER_ENCODING", "chunked"})
	case valueOf(vars, "CONTENT_LENGTH") == "":
		vars = append(vars, variable{"CONTENT_LENGTH", "0"})
	}
	packet, err := appendUWSGIPacket(nil, u.Modifier1, vars)
	if err != nil {
		return nil, err
	}
	s, err := openStream(ctx, &u.dialer, u.Addresses, u.ConnectTimeout, packet, b)
	if err != nil {
		return nil, err
	}
	s.isChunked = isChunked
	return s, nil
}

// appendUWSGIPacket appends a packet: a byte modifier1, the size of the variables in 16 bits,
// little-endian, a byte modifier2, and then each name and each value behind its size in 16 bits.
func appendUWSGIPacket(b []byte, modifier1 uint8, vars []variable) ([]byte, error) {
	size := 0
	for _, v := range vars {
		size += 2 + len(v.name) + 2 + len(v.value)
	}
	if size > 0xFFFF {
		return nil, fmt.Errorf("%w: they have %d bytes, and a packet of uwsgi has room for %d",
			ErrVariables, size, 0xFFFF)
	}
	b = append(binary.LittleEndian.AppendUint16(append(b, modifier1), uint16(size)), 0)
	for _, v := range vars {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(v.name))), v.name...)
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(v.value))), v.value...)
	}
	return b, nil
}
