//go:build !386 && !race && !msan && !asan

package socket

import (
	"syscall"
	"unsafe"
)

// maxRaw is how many bytes a call copies at most. The garbage collector may have to wait for a call
// that the runtime does not know of: for this size, some 30 µs.
const maxRaw = 256 << 10

// MSG_DONTWAIT keeps the calls from waiting also when the socket is in blocking mode: then a call
// would stop the whole process. Anybody who asks for the Fd of a File of the connection, to see the
// peer's credentials, say, sets that mode.

func read(fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), maxRaw)), syscall.MSG_DONTWAIT, 0, 0)
	return result(n, errno)
}

func write(fd uintptr, p []byte, more bool) (int, error) {
	flags := uintptr(syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL)
	if more {
		flags |= syscall.MSG_MORE
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), maxRaw)), flags, 0, 0)
	return result(n, errno)
}

func readBoth(fd uintptr, p, q []byte) (int, error) {
	if len(p) > maxRaw {
		return read(fd, p)
	}
	iov := vector(p, q)
	msg := syscall.Msghdr{Iov: &iov[0], Iovlen: 2}
	n, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&msg)), syscall.MSG_DONTWAIT)
	return result(n, errno)
}
