//go:build !unix

package socket

import (
	"net"
	"syscall"
)

// Raw returns nil: a socket is not a file descriptor here.
func Raw(net.Conn) syscall.RawConn { return nil }

// None is called, since Raw returns nil.
func (r *Reader) readFd(uintptr) bool     { return true }
func (w *Writer) writeFd(uintptr) bool    { return true }
func (w *Writer) writeNowFd(uintptr) bool { return true }
func (r *Reader) lookFd(uintptr) bool     { return true }
