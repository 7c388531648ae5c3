//go:build unix

package backend

import (
	"net"
	"syscall"
)

// Raw returns the descriptor of a connection that is a socket and nothing more, or nil.
func Raw(conn net.Conn) syscall.RawConn {
	if !isSocket(conn) {
		return nil
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
