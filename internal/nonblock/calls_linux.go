package nonblock

import (
	"syscall"
	"unsafe"
)

// maxRaw is how much a call may copy without the runtime's knowing of it. The garbage collector may have to wait for it: that is
// some 30 µs.
const maxRaw = 256 << 10

// ReadBoth is readv(2) into p and then q. It returns 0 and no error at the end.
func ReadBoth(fd uintptr, p, q []byte) (int, error) {
	iov := [2]syscall.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(q)}}
	iov[0].SetLen(len(p))
	iov[1].SetLen(len(q))
	for {
		var n uintptr
		var errno syscall.Errno
		if len(p)+len(q) > maxRaw {
			n, _, errno = syscall.Syscall(syscall.SYS_READV, fd, uintptr(unsafe.Pointer(&iov)), uintptr(len(iov)))
		} else {
			n, _, errno = syscall.RawSyscall(syscall.SYS_READV, fd, uintptr(unsafe.Pointer(&iov)), uintptr(len(iov)))
		}
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

func writeMore(fd uintptr, p []byte) (int, error) {
	return syscall.SendmsgN(int(fd), p, nil, nil, syscall.MSG_MORE)
}
