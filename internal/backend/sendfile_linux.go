package backend

import (
	"io"
	"net"
	"os"
	"syscall"
)

// CanSendFile says that SendFile may do something here.
const CanSendFile = true

// SendFile sends what src has, as far as sendfile(2) gets, and reports whether that is all. It does nothing for a pipe or a file of a
// system that has no pages to send, nor for a connection that is more than its socket. Its error is the connection's. The file
// stands behind what was sent, also after a deadline.
func SendFile(dst net.Conn, src *io.LimitedReader) (n int64, ended bool, err error) {
	out := Raw(dst)
	if out == nil {
		return 0, false, nil
	}
	file, ok := src.R.(*os.File)
	if !ok {
		return 0, false, nil
	}
	in, err := file.SyscallConn()
	if err != nil {
		return 0, false, nil
	}
	var werr error
	rerr := in.Read(func(infd uintptr) bool {
		werr = out.Write(func(outfd uintptr) bool {
			for src.N > 0 {
				m, err := syscall.Sendfile(int(outfd), int(infd), nil, int(min(src.N, maxSend)))
				switch {
				case m > 0:
					n += int64(m)
					src.N -= int64(m)
				case err == syscall.EAGAIN:
					return false // until there is room, or the deadline
				case err == syscall.EINTR:
				default:
					// The end of the file, but for those of /proc and the like, which may say so at once. An error, whoever's it
					// is, comes again where it can be told whose.
					ended = err == nil && n > 0
					return true
				}
			}
			ended = true
			return true
		})
		return true
	})
	if rerr != nil { // the file is closed
		return n, false, nil
	}
	return n, ended, werr
}

const maxSend = 1 << 30 // in one call; it fits an int everywhere

// Cork has what is written to a TCP connection wait until it fills a packet, or until uncork is called.
func Cork(conn net.Conn) (uncork func()) {
	raw := Raw(conn)
	if _, ok := conn.(*net.TCPConn); !ok || raw == nil {
		return func() {}
	}
	set := func(on int) {
		_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, on) })
	}
	set(1)
	return func() { set(0) }
}
