// Package socket reads, writes and sends files over connections of package net that are sockets,
// with less CPU time than package net's own methods take. Any other connection, such as one of TLS,
// is used through its methods.
package socket

import (
	"io"
	"net"
	"os"
	"syscall"
)

// isSocket reports whether a connection is a TCP or Unix socket and nothing more. A type that
// embeds *net.TCPConn has the methods of a socket too, but its own Read and Write are the ones to
// be called.
func isSocket(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// A Reader reads from a connection. Init must be called first. Read is not for concurrent use.
type Reader struct {
	// Set by Init, and read only.
	conn net.Conn
	raw  syscall.RawConn       // nil if conn is not a socket
	read func(fd uintptr) bool // for raw.Read
	look func(fd uintptr) bool // ... that does not wait

	// The call of Read or IsQuiet that is going on: its argument and its results.
	p     []byte
	n     int
	err   error
	quiet bool
}

// Init makes r read from conn.
func (r *Reader) Init(conn net.Conn) {
	if r.conn, r.raw = conn, Raw(conn); r.raw != nil {
		r.read, r.look = r.readFd, r.lookFd
	}
}

// Read implements io.Reader. It returns os.ErrDeadlineExceeded and the other errors that net.Conn's
// Read does.
func (r *Reader) Read(p []byte) (int, error) {
	if r.raw == nil || len(p) == 0 {
		return r.conn.Read(p)
	}
	r.p = p
	err := r.raw.Read(r.read)
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

// IsQuiet reports whether there is nothing to read: no byte has come, and the peer has not closed
// the connection. A byte that has come is lost. IsQuiet takes a connection that is not a socket for
// quiet. Like Read, it is not for concurrent use.
func (r *Reader) IsQuiet() bool {
	if r.raw == nil {
		return true
	}
	err := r.raw.Read(r.look)
	return r.quiet && err == nil
}

// A Writer writes to a connection. Init must be called first. The other methods are not for
// concurrent use.
type Writer struct {
	// Set by Init, and read only.
	conn  net.Conn
	raw   syscall.RawConn       // nil if conn is not a socket
	write func(fd uintptr) bool // for raw.Write
	now   func(fd uintptr) bool // ... that does not wait

	// The call that is going on: its arguments and its result.
	left []byte
	more bool
	err  error
}

// Init makes w write to conn.
func (w *Writer) Init(conn net.Conn) {
	if w.conn, w.raw = conn, Raw(conn); w.raw != nil {
		w.write, w.now = w.writeFd, w.writeNowFd
	}
}

// Write implements io.Writer. Like net.Conn's Write, it returns when all of p is written or the
// deadline has passed.
func (w *Writer) Write(p []byte) (int, error) { return w.writeAll(p, false) }

// WriteMore is Write for bytes that another Write follows at once: the last bytes of p may wait for
// that, to leave in the same packet.
func (w *Writer) WriteMore(p []byte) (int, error) { return w.writeAll(p, true) }

func (w *Writer) writeAll(p []byte, more bool) (int, error) {
	if w.raw == nil {
		return w.conn.Write(p)
	}
	return w.writeBy(w.write, p, more)
}

// writeBy writes p by a function for raw.Write.
func (w *Writer) writeBy(write func(fd uintptr) bool, p []byte, more bool) (int, error) {
	w.left, w.more, w.err = p, more, nil
	err := w.raw.Write(write)
	n := len(p) - len(w.left)
	w.left = nil
	if err == nil && w.err != nil {
		err = os.NewSyscallError("write", w.err)
	}
	return n, err
}

// WriteNow writes what the connection takes of p without a wait, and returns how much that is.
// Write then does the rest. WriteNow writes nothing to a connection that is not a socket.
func (w *Writer) WriteNow(p []byte) (n int, err error) {
	if w.raw == nil {
		return 0, nil
	}
	return w.writeBy(w.now, p, false)
}

// WriteBuffers writes bufs as bufs.WriteTo does, in one system call where the connection is a
// socket.
func (w *Writer) WriteBuffers(bufs *net.Buffers) (int64, error) {
	if !isSocket(w.conn) {
		// WriteTo would find a socket that is embedded in conn, and write past conn's own Write.
		return bufs.WriteTo(struct{ io.Writer }{w.conn})
	}
	return bufs.WriteTo(w.conn)
}
