package fcgi

import (
	"io"
	"net"
	"sync"
	"syscall"

	"example.com/gateway/internal/fastcgi"
	"example.com/gateway/internal/socket"
)

// A reader is the buffered, receiving half of a connection. It holds its buffer only while
// something is in it or expected: an idle connection costs little more than its goroutine.
type reader struct {
	conn    net.Conn
	raw     syscall.RawConn // as of socket.Raw
	tryRead func(fd uintptr) bool
	tryBoth func(fd uintptr) bool
	into    []byte // what tryBoth fills before the buffer
	ahead   int    // how much it reads behind that
	n       int    // result of tryRead or tryBoth
	readErr error  // ... the other
	buf     []byte // nil while nothing is expected
	r, w    int    // buf[r:w] is unread

	// The record that is being read.
	cur      fastcgi.Header
	inRecord bool // cur is valid: its content and padding are not all read
	acted    bool // what it says was done, or it says nothing: what is left of it is skipped
	left     int  // of the content
	started  bool // some record has come
}

const bufSize = 8 << 10

var bufs = sync.Pool{New: func() any { return new([bufSize]byte) }}

func (b *reader) init(conn net.Conn) {
	b.conn = conn
	if b.raw = socket.Raw(conn); b.raw != nil {
		b.tryRead, b.tryBoth = b.readFd, b.readBothFd
	}
}

func (b *reader) buffered() int { return b.w - b.r }

// space returns what of the buffer is free, or all of it if nothing is left unread.
func (b *reader) space() []byte {
	if len(b.buf) > bufSize {
		b.giveBack() // putBack's, if it has served its purpose
	}
	if b.buf == nil {
		b.buf = bufs.Get().(*[bufSize]byte)[:]
	}
	if b.r > 0 {
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	}
	return b.buf[b.w:]
}

// giveBack returns an empty buffer to the pool.
func (b *reader) giveBack() {
	if b.buf != nil && b.buffered() == 0 {
		b.setBuf(nil)
		b.r, b.w = 0, 0
	}
}

func (b *reader) setBuf(buf []byte) {
	if len(b.buf) == bufSize {
		bufs.Put((*[bufSize]byte)(b.buf))
	}
	b.buf = buf
}

// putBack puts bytes in front of what is unread.
func (b *reader) putBack(p []byte) {
	if len(p) == 0 {
		return
	}
	if len(b.space()) >= len(p) {
		copy(b.buf[len(p):], b.buf[:b.w])
	} else {
		large := make([]byte, len(p)+b.w)
		copy(large[len(p):], b.buf[:b.w])
		b.setBuf(large)
	}
	b.w += copy(b.buf, p)
}

// more waits for more bytes.
func (b *reader) more() error {
	if b.raw == nil {
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

// moreInto waits for more bytes while the buffer is empty, and puts them into p. If p is full, up
// to ahead bytes of what is behind them go into the buffer in the same system call, where there is
// one for that.
func (b *reader) moreInto(p []byte, ahead int) (n int, err error) {
	if b.raw == nil || !canReadBoth {
		if n, err = b.conn.Read(p); n > 0 {
			err = nil // it comes again
		}
		return n, err
	}
	b.into, b.ahead = p, ahead
	err = b.raw.Read(b.tryBoth)
	b.into = nil
	switch {
	case err != nil:
		return 0, err
	case b.n > 0:
		n = min(b.n, len(p))
		b.w += b.n - n
		return n, nil
	case b.readErr == nil:
		return 0, io.EOF
	}
	return 0, b.readErr
}

func (b *reader) discard(n int) { b.r += n }
