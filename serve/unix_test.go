//go:build unix

package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// stale leaves a socket at path on which nobody listens, as a process does that was killed. A
// process that another test starts at this moment has the listener too, until its exec: stale waits
// for that.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("unix", path)
		if err != nil {
			return
		}
		c.Close()
		if time.Now().After(deadline) {
			t.Fatalf("%s: somebody still listens", path)
		}
	}
}

func reaches(t *testing.T, path string, l net.Listener) bool {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return true
}

func TestASocketHasItsModeAndGoesWithItsListener(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o600, 0o660, 0o666, 0o777} {
		dir := t.TempDir()
		path := filepath.Join(dir, "s")
		l, err := listenUnix(path, mode)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != fs.ModeSocket|mode {
			t.Errorf("the mode is %v, %v, want %v", info.Mode(), err, mode)
		}
		reaches(t, path, l)
		if l.Addr().String() != path {
			t.Errorf("the address is %v", l.Addr())
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("beside the socket there is %v", entries)
		}
		l.Close()
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("after Close there is %v", entries)
		}
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	stale(t, path)
	l, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reaches(t, path, l)
}

func TestWhatIsAnothersIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	other, err := net.Listen("unix", path("used"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := os.WriteFile(path("file"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path("folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	stale(t, path("stale"))
	if err := os.Symlink(path("stale"), path("link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"used": "somebody listens there already", "file": "no socket", "folder": "no socket", "link": "no socket",
		"missing/s": "no such file", strings.Repeat("x", 110): "that of a Unix socket at most",
	} {
		before, _ := os.Lstat(path(name))
		l, err := listenUnix(path(name), 0o600)
		if err == nil {
			l.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if after, _ := os.Lstat(path(name)); before != nil && (after == nil || !os.SameFile(before, after)) {
			t.Errorf("%s is not what it was", name)
		}
	}
	go func() {
		if c, err := other.Accept(); err == nil { // the connection by which listenUnix finds out
			c.Close()
		}
	}()
	reaches(t, path("used"), other)
}

// All paths that fit work, although the socket is made in a folder beside it. Outside of Linux the
// path of that folder must fit too.
func TestLongPaths(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for length := maxPath - 12; length <= maxPath+1; length++ {
		for _, name := range []string{"s", "app.sock"} {
			n := length - len(dir+"//"+name)
			if n < 1 {
				t.Skip("the path of the temporary folder is too long")
			}
			folder := filepath.Join(dir, strings.Repeat("d", n))
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, name)
			l, err := listenUnix(path, 0o600)
			tooLong := fmt.Sprintf("the path has %d bytes, and that of a Unix socket at most %d on this system", length, maxPath)
			switch works := length <= maxPath && (runtime.GOOS == "linux" || len(folder)+len("/.g000/s") <= maxPath); {
			case err != nil && works:
				t.Errorf("%d bytes, name %s: %v", length, name, err)
			case err == nil && !works:
				t.Errorf("%d bytes, name %s: no error", length, name)
			case err == nil:
				reaches(t, path, l)
			case length > maxPath && err.Error() != tooLong:
				t.Error(err)
			}
			if err == nil {
				l.Close()
			}
			if entries, _ := os.ReadDir(folder); len(entries) != 0 {
				t.Errorf("%d bytes: there is %v left", length, entries)
			}
		}
	}
}

func TestAnothersSocketIsNotRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l.Close()
	reaches(t, path, other)
}

// After staleSocket has found a stale socket, another process may replace it before place removes
// it.
func TestASocketThatCameInBetweenIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, made, old := filepath.Join(dir, "s"), filepath.Join(dir, "made"), filepath.Join(dir, "old")
	for _, wasStale := range []bool{false, true} {
		var found fs.FileInfo
		if wasStale {
			stale(t, path)
			// The stale socket is kept under another name, so that the new one gets another inode.
			if err := os.Link(path, filepath.Join(dir, "kept")); err != nil {
				t.Fatal(err)
			}
			found, _ = os.Lstat(path)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		other, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		stale(t, made)
		if _, err := place(made, path, 0o600, found, old); err == nil {
			t.Errorf("stale before: %v: no error", wasStale)
		}
		reaches(t, path, other)
		other.Close()
		os.Remove(made)
		os.Remove(path)
	}
}

func TestOneOfManyThatStartAtOnceGetsThePlace(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := filepath.Join(t.TempDir(), "s")
		stale(t, path)
		var mu sync.Mutex
		var won []net.Listener
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				l, err := listenUnix(path, 0o600)
				if err == nil {
					mu.Lock()
					won = append(won, l)
					mu.Unlock()
				} else if errors.Is(err, fs.ErrExist) {
					t.Errorf("not said clearly: %v", err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Errorf("%d listen", len(won))
		}
		for _, l := range won {
			// The processes that came later have connected to find out, and are in the queue before
			// reaches.
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			}()
			if c, err := net.Dial("unix", path); err != nil {
				t.Error(err)
			} else {
				c.Close()
			}
			l.Close()
		}
	}
}
