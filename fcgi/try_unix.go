//go:build unix

package fcgi

import (
	"syscall"

	"example.com/gateway/internal/nonblock"
)

// readFd reads if there is something to read, into a buffer that it takes only then.
func (b *reader) readFd(fd uintptr) bool {
	b.n, b.readErr = nonblock.Read(fd, b.space())
	if b.readErr == syscall.EAGAIN {
		b.giveBack()
		return false
	}
	return true
}

// writeFd writes what is left, until there is no room.
func (w *writer) writeFd(fd uintptr) bool {
	for len(w.left) > 0 {
		n, err := nonblock.Write(fd, w.left, w.more)
		w.left = w.left[n:]
		if err == syscall.EAGAIN {
			return false
		}
		if err != nil {
			w.writeErr = err
			return true
		}
	}
	return true
}
