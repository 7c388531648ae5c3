//go:build unix && (!linux || 386 || race || msan || asan)

package socket

import "syscall"

// The calls of package syscall, which tell the race detector and the sanitizers what the system has
// read and written.

func read(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }

func write(fd uintptr, p []byte, _ bool) (int, error) { return syscall.Write(int(fd), p) }
