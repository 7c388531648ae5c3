//go:build unix

package fcgi

import "syscall"

const canTryRead = true

// readFd reads if there is something to read, into a buffer that it takes only then.
func (b *reader) readFd(fd uintptr) bool {
	for {
		b.n, b.readErr = syscall.Read(int(fd), b.space())
		switch b.readErr {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			b.giveBack()
			return false
		}
		return true
	}
}
