//go:build !unix

package backend

import (
	"net"
	"syscall"
)

// Raw is nil where a socket is not a file descriptor.
func Raw(net.Conn) syscall.RawConn { return nil }

func (r *Reader) readFd(uintptr) bool  { return true }
func (w *Writer) writeFd(uintptr) bool { return true }
