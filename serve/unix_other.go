//go:build !linux && !plan9

package serve

import (
	"fmt"
	"net"
	"path/filepath"
)

// listenAt makes a socket at path, which is in a private folder.
func listenAt(path string) (*net.UnixListener, error) {
	if over := len(path) - maxPath; over > 0 { // no shorter path leads there
		folder := len(filepath.Dir(filepath.Dir(path)))
		return nil, fmt.Errorf("the path of its folder has %d bytes, and has to have %d less on this system: "+
			"the socket is made in a folder in there, which takes longer a path", folder, over)
	}
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}
