//go:build unix && (!linux || 386 || race || msan || asan)

package socket

import "syscall"

// maxCall is how many bytes a call is asked for at most. Darwin and FreeBSD refuse a call for 2 GiB
// or more with EINVAL.
const maxCall = 1 << 30

// The calls of package syscall, which tell the race detector and the sanitizers what the system has
// read and written.

func read(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p[:min(len(p), maxCall)]) }

func write(fd uintptr, p []byte, _ bool) (int, error) {
	return syscall.Write(int(fd), p[:min(len(p), maxCall)])
}
