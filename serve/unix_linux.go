package serve

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// listenAt makes a socket at path. If path is too long, it goes by the open folder, whose path in
// /proc is short.
func listenAt(path string) (*net.UnixListener, error) {
	if len(path) > maxPath {
		dir, name := filepath.Split(path)
		f, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name)
	}
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}
