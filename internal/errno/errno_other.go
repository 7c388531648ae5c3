//go:build !windows && !plan9

package errno

import (
	"io/fs"
	"syscall"
)

var (
	reset   = []error{syscall.ECONNRESET}
	broken  = []error{syscall.EPIPE}
	refused = []error{syscall.ECONNREFUSED}
	inUse   = []error{syscall.EADDRINUSE}
	full    = []error{syscall.EAGAIN}
	denied  = []error{fs.ErrPermission}
	device  = []error{syscall.EIO}
)
