//go:build unix

package serve

import (
	"os"
	"syscall"
)

// maxPath is how many bytes the path of a Unix socket has at most: sun_path without its last NUL.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// hangUp is the signal that a process gets when its terminal is closed.
var hangUp os.Signal = syscall.SIGHUP

// isListening reports whether a file is a socket that listens, as the stdin of a FastCGI program is
// (FastCGI 1.0, 2.2). The stdin of a CGI program under Apache's mod_cgid is a socket too, but a
// connected one.
func isListening(fd int) bool {
	n, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	return err == nil && n != 0
}
