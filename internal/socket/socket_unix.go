//go:build unix

package socket

import (
	"net"
	"syscall"
)

// Raw returns the descriptor of a connection for the functions Read, ReadBoth and Write. It returns
// nil if the connection is not a socket, or more than a socket.
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

// readFd is for a syscall.RawConn: false means to wait for something to read, and to call readFd
// again.
func (r *Reader) readFd(fd uintptr) bool {
	r.n, r.err = Read(fd, r.p)
	return r.err != syscall.EAGAIN
}

// writeFd is for a syscall.RawConn: false means to wait for room, and to call writeFd again for the
// rest.
func (w *Writer) writeFd(fd uintptr) bool {
	for len(w.left) > 0 {
		n, err := Write(fd, w.left, w.more)
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

// writeNowFd is writeFd that does not wait.
func (w *Writer) writeNowFd(fd uintptr) bool {
	w.writeFd(fd)
	return true
}

// lookFd finds out whether there is nothing to read. A byte that there is gets lost.
func (r *Reader) lookFd(fd uintptr) bool {
	var b [1]byte
	_, err := Read(fd, b[:])
	r.quiet = err == syscall.EAGAIN
	return true
}
