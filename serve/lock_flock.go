//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package serve

import (
	"os"
	"syscall"
	"time"
)

// lockTime is how long lockFolder waits for the lock. Whoever holds it needs it for milliseconds.
const lockTime = 2 * time.Second

// lockFolder lets one process at a time look at the sockets of a folder and change them. To look
// and to change are several steps: if two of three processes are between them, the third may find
// the place free.
//
// Where the folder cannot be locked, as on some network file systems, or the lock is not to be had
// within lockTime, lockFolder lets the process go on: it is careful, and may be unlucky. Anybody
// who can open the folder can hold the lock for ever, and a process that waits for the lock would
// neither start nor end, since it has asked for SIGTERM already.
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
