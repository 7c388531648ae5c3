package nonblock

import (
	"syscall"
	"unsafe"
)

// maxRaw is how much a call may copy without the runtime's knowing of it. The garbage collector may have to wait for it: that is
// some 30 µs.
const maxRaw = 256 << 10

// ReadBoth is Read into p and then q, in one call.
func ReadBoth(fd uintptr, p, q []byte) (n int, err error) {
	iov := [2]syscall.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(q)}}
	iov[0].SetLen(len(p))
	iov[1].SetLen(len(q))
	for {
		if n, err = readBoth(fd, &iov, len(p)+len(q)); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func readv(fd uintptr, iov *[2]syscall.Iovec) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_READV, fd, uintptr(unsafe.Pointer(iov)), uintptr(len(iov)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
