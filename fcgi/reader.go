package fcgi

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// A reader is the buffered, receiving half of a connection. It holds its buffer only while something is in it or
// expected: an idle connection costs little more than its goroutine.
type reader struct {
	conn    net.Conn
	raw     syscall.RawConn // nil if the connection is none of the system's
	tryRead func(fd uintptr) bool
	n       int            // result of tryRead
	readErr error          // ... the other
	buf     *[bufSize]byte // nil while nothing is expected
	r, w    int            // buf[r:w] is unread

	// The record that is being read.
	cur      header
	inRecord bool // cur is valid: its content and padding are not all read
	acted    bool // what it says was done, or it says nothing: what is left of it is skipped
	left     int  // of the content
	started  bool // some record has come
}

const bufSize = 8 << 10

var bufs = sync.Pool{New: func() any { return new([bufSize]byte) }}

func (b *reader) init(conn net.Conn) {
	b.conn = conn
	if sc, ok := conn.(syscall.Conn); ok && canTryRead {
		b.raw, _ = sc.SyscallConn()
		b.tryRead = b.readFd
	}
}

func (b *reader) buffered() int { return b.w - b.r }

// space returns what of the buffer is free, or all of it if nothing is left unread.
func (b *reader) space() []byte {
	if b.buf == nil {
		b.buf = bufs.Get().(*[bufSize]byte)
	}
	if b.r > 0 {
		b.w = copy(b.buf[:], b.buf[b.r:b.w])
		b.r = 0
	}
	return b.buf[b.w:]
}

// giveBack returns an empty buffer to the pool.
func (b *reader) giveBack() {
	if b.buf != nil && b.buffered() == 0 {
		bufs.Put(b.buf)
		b.buf, b.r, b.w = nil, 0, 0
	}
}

// more waits for more bytes.
func (b *reader) more() error {
	if b.raw == nil || b.buffered() > 0 {
		n, err := b.conn.Read(b.space())
		b.w += n
		if n > 0 {
			return nil
		}
		return err
	}
	b.giveBack()
	if err := b.raw.Read(b.tryRead); err != nil {
		return err
	}
	if b.n > 0 {
		b.w += b.n
		return nil
	}
	b.giveBack()
	if b.readErr == nil {
		return io.EOF
	}
	return b.readErr
}

func (b *reader) discard(n int) { b.r += n }
