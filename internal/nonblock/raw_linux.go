//go:build !386 && !race && !msan && !asan

package nonblock

import (
	"syscall"
	"unsafe"
)

// maxRaw is how much a call copies at most. The garbage collector may have to wait for it: that is some 30 µs.
const maxRaw = 256 << 10

// MSG_DONTWAIT, since a socket is made to block by whoever asks for the Fd of a File of its connection, to look at the peer's
// credentials, say: the whole process would wait.

func read(fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), maxRaw)),
		syscall.MSG_DONTWAIT, 0, 0)
	return result(n, errno)
}

func write(fd uintptr, p []byte, more bool) (int, error) {
	flags := uintptr(syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL)
	if more {
		flags |= syscall.MSG_MORE
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), maxRaw)),
		flags, 0, 0)
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
