//go:build unix

// Package nonblock reads from and writes to sockets that never block, which those of package net are.
//
// Around each of its calls, package syscall lets the runtime take the processor away, since a call may wait. One of a socket that
// does not block does not wait for the peer; but the system may run somebody else in the middle of it, such as the peer, which has
// just been woken. The runtime's monitor then gives the processor to another thread, and looks every 20 µs whether to do so again: a
// twentieth to an eighth of what a small FastCGI request costs. Where that is possible, the calls are made without.
//
// They are for the functions that a syscall.RawConn's Read and Write take, which return false when the error is syscall.EAGAIN.
package nonblock

import "syscall"

// Read is read(2), of a part of p that one call may fill. It returns 0 and no error at the end.
func Read(fd uintptr, p []byte) (n int, err error) {
	for {
		if n, err = read(fd, p); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// Write is write(2). It may write a part of p. If more is to follow, what does not fill a packet may wait for that.
func Write(fd uintptr, p []byte, more bool) (n int, err error) {
	for {
		if n, err = write(fd, p, more); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
