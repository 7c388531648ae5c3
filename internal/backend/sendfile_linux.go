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
	size := sendSize(dst)
	var werr error
	rerr := in.Read(func(infd uintptr) bool {
		werr = out.Write(func(outfd uintptr) bool {
			for src.N > 0 {
				m, err := syscall.Sendfile(int(outfd), int(infd), nil, int(min(src.N, size)))
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

const (
	maxSend = 1 << 30 // in one call; it fits an int everywhere

	// maxLoopback is maxSend for a connection that does not leave the machine. A packet holds 65483 bytes there, but sendfile(2) passes
	// on 65536 at a time, and each of these becomes two packets: that takes nearly twice the CPU.
	maxLoopback = 60 << 10
)

func sendSize(dst net.Conn) int64 {
	if addr, ok := dst.RemoteAddr().(*net.TCPAddr); ok && addr.IP.IsLoopback() {
		return maxLoopback
	}
	return maxSend
}
