//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package serve

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Anybody who can open the folder can lock it and keep it locked. A process starts all the same.
func TestALockedFolderIsWaitedForInVain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	stale(t, path)
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Skip(err) // some file systems have no locks
	}
	l, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reaches(t, path, l)
}

// listenUnix waits for a lock that is given back in time.
func TestALockIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unlock := lockFolder(dir)
	released := make(chan struct{})
	got := make(chan func(), 1)
	go func() {
		unlock := lockFolder(dir)
		select {
		case <-released:
		default:
			t.Error("two have the lock")
		}
		got <- unlock
	}()
	time.Sleep(100 * time.Millisecond) // in which lockFolder tries in vain
	close(released)
	unlock()
	(<-got)()
}
