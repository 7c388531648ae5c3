//go:build unix

package backend

import (
	"net"
	"syscall"

	"example.com/gateway/internal/nonblock"
)

// Raw returns the descriptor of a connection that is a socket and nothing more, or nil.
func Raw(conn net.Conn) syscall.RawConn {
	if !isSocket(conn) {
		return nil
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

func (r *Reader) readFd(fd uintptr) bool {
	r.n, r.err = nonblock.Read(fd, r.p)
	return r.err != syscall.EAGAIN
}

// writeFd writes what is left, until there is no room.
func (w *Writer) writeFd(fd uintptr) bool {
	for len(w.left) > 0 {
		n, err := nonblock.Write(fd, w.left, w.more)
		w.left = w.left[n:]
		if err == syscall.EAGAIN {
			return false
		}
		if err != nil {
			w.err = err
			return true
		}
	}
	return true
}
