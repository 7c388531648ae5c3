//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package serve

import (
	"os"
	"syscall"
	"time"
)

// lockTime is how long another process may have the lock. What is done under it takes milliseconds.
const lockTime = 2 * time.Second

// lockFolder lets one process at a time look at a folder's sockets and change them. Looking and changing are several steps, and what
// two of three processes do at the same time may let the third believe that the place is free. Where it cannot be locked, on some
// network file systems, they are careful and may be unlucky. So they are after lockTime: whoever may open the folder may hold the lock
// for ever, and a process that waited for it would neither start nor, having asked for SIGTERM already, end.
func lockFolder(dir string) (unlock func()) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for end := time.Now().Add(lockTime); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR || time.Now().After(end) {
			break
		}
	}
	return func() { f.Close() } // and with it goes the lock
}
