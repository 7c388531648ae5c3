package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"example.com/gateway/internal/errno"
	"example.com/gateway/internal/socket"
)

// A streamSession is a request on a connection of its own, as SCGI and uwsgi have it: a head with
// the variables, the body, and an answer that ends with the connection.
type streamSession struct {
	conn      net.Conn
	in        socket.Reader
	out       socket.Writer
	isChunked bool // the body is to be sent in chunks
	hasBody   bool
	hint      string // what may be wrong if there is no answer
	begun     bool   // something has come
	err       error  // of Read
	end       sync.Once

	writing sync.Mutex // held to write
	isReset bool       // a write has found that the connection is
}

// uWSGIBuffer is the default of uWSGI's option buffer-size, for uwsgi and SCGI.
const uWSGIBuffer = 4096

// openStream opens a session. head is what is sent before the body.
func openStream(
	ctx context.Context, d *dialer, addresses []string, timeout time.Duration, head []byte, b *body,
) (*streamSession, error) {
	order, err := d.order(addresses)
	if err != nil {
		return nil, err
	}
	conn, _, err := d.dial(ctx, order, timeout)
	if err != nil {
		return nil, err
	}
	s := &streamSession{conn: conn, hasBody: !b.isEmpty()}
	s.in.Init(conn)
	s.out.Init(conn)
	if len(head) > uWSGIBuffer {
		s.hint = fmt.Sprintf(": the variables have %d bytes, and uWSGI takes %d unless its option "+
			"buffer-size says otherwise", len(head), uWSGIBuffer)
	}
	if len(b.memory) <= smallBody {
		head = append(head, b.memory...)
		b.memory = nil
	}
	// If the server does not read the request, it may have answered all the same. Read finds out.
	n, err := s.out.WriteNow(head)
	if n < len(head) && err == nil {
		stop := context.AfterFunc(ctx, s.abort)
		_, err = s.out.Write(head[n:])
		stop()
	}
	s.isReset = errno.IsReset(err)
	return s, nil
}

// Read implements session.
func (s *streamSession) Read(p []byte, d time.Duration) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if d > 0 {
		_ = s.conn.SetReadDeadline(time.Now().Add(d))
		defer s.conn.SetReadDeadline(time.Time{})
	}
	n, err := s.in.Read(p)
	if d > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, os.ErrDeadlineExceeded
	}
	if s.begun = s.begun || n > 0; n == 0 && err != nil {
		s.err = s.endOf(err)
	}
	return n, s.err
}

// endOf returns what the end of the connection says of the answer.
func (s *streamSession) endOf(err error) error {
	how := ""
	switch isReset := errno.IsReset(err) || s.wasReset(); {
	case !s.begun && (err == io.EOF || isReset):
		how = "the server has closed the connection without an answer" + s.hint
	case isReset && s.hasBody:
		how = "the server has reset the connection: a program that does not read the body may be " +
			"the cause (post-buffering of uWSGI helps)"
	case isReset:
		how = "the server has reset the connection"
	case err == io.EOF:
		return io.EOF
	default:
		how = fmt.Sprintf("the connection has failed: %v", err)
	}
	return fmt.Errorf("%w: %s", ErrCutShort, how)
}

// wasReset reports whether a write has met a reset of the connection. The system tells of a reset
// once: a read then finds what looks like the end of the answer. A write that is still going on
// ends: nobody wants the rest of the body any more.
func (s *streamSession) wasReset() bool {
	_ = s.conn.SetWriteDeadline(time.Unix(1, 0))
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.isReset
}

// Write implements session.
func (s *streamSession) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	defer func() { s.isReset = s.isReset || errno.IsReset(err) }()
	if !s.isChunked || len(p) == 0 {
		return s.out.Write(p)
	}
	var size [18]byte
	bufs := net.Buffers{append(strconv.AppendInt(size[:0], int64(len(p)), 16), "\r\n"...), p,
		[]byte("\r\n")}
	if _, err := s.out.WriteBuffers(&bufs); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite implements session. It does not close a half of the connection: the server knows the
// length, and some servers take a half that is closed for a client that has left.
func (s *streamSession) CloseWrite() error {
	if !s.isChunked {
		return nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := io.WriteString(&s.out, "0\r\n\r\n")
	s.isReset = s.isReset || errno.IsReset(err)
	return err
}

// abort implements session.
func (s *streamSession) abort() { s.end.Do(func() { s.conn.Close() }) }

// close implements session.
func (s *streamSession) close() { s.abort() }
