package nonblock

import (
	"syscall"
	"unsafe"
)

// ReadBoth is Read into p and, when that is full, q, in one call.
func ReadBoth(fd uintptr, p, q []byte) (n int, err error) {
	for {
		if n, err = readBoth(fd, p, q); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func vector(p, q []byte) (iov [2]syscall.Iovec) {
	iov[0].Base, iov[1].Base = unsafe.SliceData(p), unsafe.SliceData(q)
	iov[0].SetLen(len(p))
	iov[1].SetLen(len(q))
	return iov
}

func result(n uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
