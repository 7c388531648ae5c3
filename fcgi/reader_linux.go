package fcgi

import (
	"syscall"
	"unsafe"
)

const canReadBoth = true

// readBothFd is readFd into two places.
func (b *reader) readBothFd(fd uintptr) bool {
	for {
		ahead := b.space()
		iov := [2]syscall.Iovec{{Base: unsafe.SliceData(b.into)}, {Base: unsafe.SliceData(ahead)}}
		iov[0].SetLen(len(b.into))
		iov[1].SetLen(min(len(ahead), b.ahead))
		n, _, errno := syscall.Syscall(syscall.SYS_READV, fd, uintptr(unsafe.Pointer(&iov)), uintptr(len(iov)))
		switch errno {
		case 0:
			b.n, b.readErr = int(n), nil
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			b.giveBack()
			return false
		default:
			b.n, b.readErr = 0, errno
			return true
		}
	}
}
