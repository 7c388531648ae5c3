package backend

import (
	"io"
	"net"
	"os"
	"syscall"
)

// isSocket reports that a connection is a socket and nothing more. A type that has one of package net's in it has its methods
// too, but for those that it has of its own, and these are to be called.
func isSocket(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// A Reader reads from a connection, by package nonblock if that is a socket. Init must be called first; Read not concurrently.
type Reader struct {
	conn net.Conn
	raw  syscall.RawConn // as of Raw
	try  func(fd uintptr) bool

	// Of the call of Read that is going on.
	p   []byte
	n   int
	err error
}

// Init makes r read from conn.
func (r *Reader) Init(conn net.Conn) {
	if r.conn, r.raw = conn, Raw(conn); r.raw != nil {
		r.try = r.readFd
	}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.raw == nil || len(p) == 0 {
		return r.conn.Read(p)
	}
	r.p = p
	err := r.raw.Read(r.try)
	r.p = nil
	switch {
	case err != nil:
		return 0, err
	case r.err != nil:
		return 0, os.NewSyscallError("read", r.err)
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// A Writer writes to a connection, by package nonblock if that is a socket. Init must be called first, and the methods not
// concurrently.
type Writer struct {
	conn net.Conn
	raw  syscall.RawConn // as of Raw
	try  func(fd uintptr) bool

	// Of the call that is going on.
	left []byte
	more bool
	err  error
}

// Init makes w write to conn.
func (w *Writer) Init(conn net.Conn) {
	if w.conn, w.raw = conn, Raw(conn); w.raw != nil {
		w.try = w.writeFd
	}
}

// Write implements io.Writer. As net.Conn's, it writes all of p before the deadline.
func (w *Writer) Write(p []byte) (int, error) { return w.write(p, false) }

// WriteMore is Write for what will be followed by more. It may wait for that, to go out in the same packet.
func (w *Writer) WriteMore(p []byte) (int, error) { return w.write(p, true) }

func (w *Writer) write(p []byte, more bool) (int, error) {
	if w.raw == nil {
		return w.conn.Write(p)
	}
	w.left, w.more, w.err = p, more, nil
	err := w.raw.Write(w.try)
	n := len(p) - len(w.left)
	w.left = nil
	if err == nil && w.err != nil {
		err = os.NewSyscallError("write", w.err)
	}
	return n, err
}

// WriteBuffers writes bufs, as bufs.WriteTo does, in one system call where that is possible.
func (w *Writer) WriteBuffers(bufs *net.Buffers) (int64, error) {
	if !isSocket(w.conn) {
		return bufs.WriteTo(struct{ io.Writer }{w.conn}) // else it finds what is in conn, and passes by conn's Write
	}
	return bufs.WriteTo(w.conn)
}
