package backend

import (
	"io"
	"net"
)

// isSocket reports that a connection is a socket and nothing more. A type that has one of package net's in it has its methods
// too, but for those that it has of its own, and these are to be called.
func isSocket(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// WriteBuffers writes bufs, as bufs.WriteTo does, in one system call where that is possible.
func WriteBuffers(conn net.Conn, bufs *net.Buffers) (int64, error) {
	if !isSocket(conn) {
		return bufs.WriteTo(struct{ io.Writer }{conn}) // else it finds what is in conn, and passes by conn's Write
	}
	return bufs.WriteTo(conn)
}
