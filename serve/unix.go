package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// listenUnix listens on a Unix socket at path. It makes the socket in a private folder and then
// links it to path, so that the socket never has another mode there. It replaces a file at path
// only if that is a socket on which nobody listens. Of several processes that start at the same
// time, one gets the path.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	defer lockFolder(filepath.Dir(path))()
	stale, err := staleSocket(path)
	if err != nil {
		return nil, err
	}
	dir, err := privateFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		if errors.Is(err, syscall.EINVAL) {
			return nil, errTooLong(path)
		}
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	info, err := place(made, path, mode, stale, filepath.Join(dir, "old"))
	if err != nil {
		l.Close()
		return nil, err
	}
	return &unixListener{l, path, info}, nil
}

// staleSocket returns the socket at path if nobody listens on it, and nil if there is no file. Any
// other file is an error.
func staleSocket(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("%s is there and is no socket", path)
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		conn.Close()
		return nil, errInUse(path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return info, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, syscall.EINVAL):
		return nil, errTooLong(path)
	}
	return nil, err // such as a full backlog: somebody listens, and is busy
}

func errInUse(path string) error { return fmt.Errorf("%s: somebody listens there already", path) }
func errTooLong(path string) error {
	return fmt.Errorf("%s: the path is too long for a Unix socket", path)
}

// privateFolder makes a folder with mode 0700, in which nobody else can reach a socket before the
// socket has its mode. The folder's name is short, since the path of a socket has to be.
func privateFolder(parent string) (string, error) {
	for try := 0; ; try++ {
		dir := filepath.Join(parent, fmt.Sprintf(".g%03x", rand.IntN(1<<12)))
		if err := os.Mkdir(dir, 0o700); !errors.Is(err, fs.ErrExist) || try == 1000 {
			return dir, err
		}
	}
}

// place links the socket at made to path. If a stale socket was found at path, place moves that to
// old first, if it is still there.
func place(made, path string, mode fs.FileMode, found fs.FileInfo, old string) (fs.FileInfo, error) {
	if err := os.Chmod(made, mode); err != nil {
		return nil, err
	}
	info, err := os.Lstat(made)
	if err != nil {
		return nil, err
	}
	if found != nil {
		if err := os.Rename(path, old); err == nil {
			if taken, err := os.Lstat(old); err != nil || !os.SameFile(taken, found) {
				_ = os.Link(old, path) // another process was faster, and gets its socket back
				return nil, errInUse(path)
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	err = os.Link(made, path) // unlike Rename, it does not replace a file
	if errors.Is(err, fs.ErrExist) {
		return nil, errInUse(path)
	}
	if err != nil { // a file system without links
		err = os.Rename(made, path)
	}
	return info, err
}

// A unixListener removes its socket when it is closed, unless another process has replaced it.
type unixListener struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

func (l *unixListener) Close() error {
	if info, err := os.Lstat(l.path); err == nil && os.SameFile(info, l.info) {
		_ = os.Remove(l.path)
	}
	return l.UnixListener.Close()
}

// Addr returns the path to which the socket was linked, not the one where it was made.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }
