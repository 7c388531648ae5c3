package fcgi

import (
	"syscall"

	"example.com/gateway/internal/socket"
)

const canReadBoth = true

// readBothFd is readFd into two places.
func (b *reader) readBothFd(fd uintptr) bool {
	var ahead []byte
	if b.ahead > 0 {
		ahead = b.space()[:b.ahead]
	}
	b.n, b.readErr = socket.ReadBoth(fd, b.into, ahead)
	if b.readErr == syscall.EAGAIN {
		b.giveBack()
		return false
	}
	return true
}
