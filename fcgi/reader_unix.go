//go:build unix

package fcgi

import (
	"syscall"

	"example.com/gateway/internal/socket"
)

// readFd reads if there is something to read, into a buffer that it takes only then.
func (b *reader) readFd(fd uintptr) bool {
	b.n, b.readErr = socket.Read(fd, b.space())
	if b.readErr == syscall.EAGAIN {
		b.giveBack()
		return false
	}
	return true
}
