//go:build 386 || race || msan || asan

package socket

import (
	"syscall"
	"unsafe"
)

func readBoth(fd uintptr, p, q []byte) (int, error) {
	iov := vector(p, q)
	n, _, errno := syscall.Syscall(syscall.SYS_READV, fd, uintptr(unsafe.Pointer(&iov)), uintptr(len(iov)))
	return result(n, errno)
}
