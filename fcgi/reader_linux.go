package fcgi

import (
	"syscall"

	"example.com/gateway/internal/nonblock"
)

const canReadBoth = true

// readBothFd is readFd into two places.
func (b *reader) readBothFd(fd uintptr) bool {
	ahead := b.space()
	b.n, b.readErr = nonblock.ReadBoth(fd, b.into, ahead[:min(len(ahead), b.ahead)])
	if b.readErr == syscall.EAGAIN {
		b.giveBack()
		return false
	}
	return true
}
