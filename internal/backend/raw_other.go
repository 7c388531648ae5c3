//go:build !unix

package backend

import (
	"net"
	"syscall"
)

// Raw is nil where sockets are not file descriptors.
func Raw(net.Conn) syscall.RawConn { return nil }
