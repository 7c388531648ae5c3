package socket

import (
	"syscall"
	"unsafe"
)

// ReadBoth is Read into p and, when p is full, into q.
func ReadBoth(fd uintptr, p, q []byte) (n int, err error) {
	for {
		if n, err = readBoth(fd, p, q); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// vector returns p and q as the system takes them.
func vector(p, q []byte) (iov [2]syscall.Iovec) {
	iov[0].Base, iov[1].Base = unsafe.SliceData(p), unsafe.SliceData(q)
	iov[0].SetLen(len(p))
	iov[1].SetLen(len(q))
	return iov
}

// result returns the results of a system call as package syscall does.
func result(n uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
