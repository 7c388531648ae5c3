package single

import (
	"io"
	"net"
	"os"
	"syscall"
)

// copyFile sends what src has, which is a part of a file. Package net has sendfile(2) for TCP alone, and hosts on the same
// machine are behind Unix sockets.
func copyFile(dst net.Conn, src *io.LimitedReader) (n int64, err error) {
	if unix, ok := dst.(*net.UnixConn); ok {
		if n, err, handled := sendFile(unix, src); handled {
			return n, err
		}
	}
	return io.Copy(dst, src)
}

// sendFile reports whether it could: not for a pipe, or a file of a system that has no pages to send.
func sendFile(dst *net.UnixConn, src *io.LimitedReader) (n int64, err error, handled bool) {
	file, ok := src.R.(syscall.Conn)
	if !ok {
		return 0, nil, false
	}
	in, err := file.SyscallConn()
	if err != nil {
		return 0, nil, false
	}
	out, err := dst.SyscallConn()
	if err != nil {
		return 0, nil, false
	}
	var werr, serr error
	handled = true
	rerr := in.Read(func(infd uintptr) bool {
		werr = out.Write(func(outfd uintptr) bool {
			for src.N > 0 {
				var m int
				m, serr = syscall.Sendfile(int(outfd), int(infd), nil, int(src.N))
				switch {
				case m > 0:
					n += int64(m)
					src.N -= int64(m)
				case serr == syscall.EAGAIN:
					serr = nil
					return false // until there is room, or the deadline
				case serr == syscall.EINTR:
				case serr != nil:
					handled = n > 0 || serr != syscall.EINVAL && serr != syscall.ENOSYS
					return true
				default:
					return true // the end of the file
				}
			}
			return true
		})
		return true
	})
	switch {
	case serr != nil:
		err = os.NewSyscallError("sendfile", serr)
	case werr != nil:
		return n, werr, handled
	default:
		return n, rerr, handled
	}
	return n, &net.OpError{Op: "sendfile", Net: "unix", Addr: dst.RemoteAddr(), Err: err}, handled
}
