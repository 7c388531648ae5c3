//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package serve

import (
	"os"
	"syscall"
)

// lockFolder lets one process at a time look at a folder's sockets and change them. Looking and changing are several steps, and what
// two of three processes do at the same time may let the third believe that the place is free. Where it cannot be locked, on some
// network file systems, they are careful and may be unlucky.
func lockFolder(dir string) (unlock func()) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			break
		}
	}
	return func() { f.Close() } // and with it goes the lock
}
