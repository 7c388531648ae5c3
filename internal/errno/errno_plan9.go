package errno

import (
	"io/fs"
	"syscall"
)

// The texts are those of the kernel, which has no numbers.
var (
	reset   = []error{syscall.ErrorString("i/o on hungup channel")}
	broken  = []error{syscall.ErrorString("write on closed pipe")}
	refused = []error{syscall.ErrorString("connection refused")}
	inUse   = []error{syscall.ErrorString("address in use")}
	denied  = []error{fs.ErrPermission}
	device  = []error{syscall.EIO}
	full    []error // there are no Unix sockets
)
