//go:build unix && (!linux || 386 || race || msan || asan)

package nonblock

import "syscall"

// Package syscall's calls, which tell the race detector and its like what the system has done to p.

func read(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }

func write(fd uintptr, p []byte, _ bool) (int, error) { return syscall.Write(int(fd), p) }
