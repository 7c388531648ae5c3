//go:build !plan9

package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"

	"example.com/gateway/internal/errno"
)

// listenUnix listens on a Unix socket at path. It makes the socket in a private folder and then
// links it to path, so that the socket never has another mode there. It replaces a file at path
// only if that is a socket on which nobody listens. Of several processes that start at the same
// time, one gets the path.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path has %d bytes, and that of a Unix socket at most %d on this system",
			len(path), maxPath)
	}
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
	l, err := listenAt(made)
	if err != nil {
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
		return nil, errors.New("there is a file that is no socket")
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		conn.Close()
		return nil, errInUse
	case errno.IsRefused(err):
		return info, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	}
	return nil, err // such as a full backlog: somebody listens, and is busy
}

// errInUse is returned by listenUnix when another process has the path.
var errInUse = errors.New("somebody listens there already")

// privateFolder makes a folder with mode 0700, in which nobody else can reach a socket before the
// socket has its mode. The folder's name is short, since the path of a socket has to be.
func privateFolder(parent string) (string, error) {
	for try := 0; ; try++ {
		dir := filepath.Join(parent, fmt.Sprintf(".g%03x", rand.IntN(1<<12)))
		err := os.Mkdir(dir, 0o700)
		if errors.Is(err, fs.ErrExist) && try < 1000 {
			continue
		}
		var of *fs.PathError
		if errors.As(err, &of) { // it names the private folder, which nobody knows
			err = fmt.Errorf("folder %s: %w", parent, of.Err)
		}
		return dir, err
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
				return nil, errInUse
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	err = os.Link(made, path) // unlike Rename, it does not replace a file
	if errors.Is(err, fs.ErrExist) {
		return nil, errInUse
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
