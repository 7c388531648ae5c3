package socket

import (
	"io"
	"net"
	"os"
	"syscall"
)

// CanSendFile says whether SendFile can send anything on this system.
const CanSendFile = true

// SendFile sends what src has by sendfile(2), as far as that gets, and reports whether the end of
// src is reached. It waits for room until the connection's write deadline. The file's offset is
// then behind the bytes that were sent, also after an error, which is the connection's: the caller
// can go on, by SendFile or by reading from src.
//
// SendFile sends nothing from a src that is not on an *os.File, or on a pipe or a file that the
// system makes up, and nothing over a connection that is not a socket.
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
	var outErr error
	inErr := in.Read(func(infd uintptr) bool {
		outErr = out.Write(func(outfd uintptr) bool {
			for src.N > 0 {
				m, err := syscall.Sendfile(int(outfd), int(infd), nil, int(min(src.N, size)))
				switch {
				case m > 0:
					n += int64(m)
					src.N -= int64(m)
				case err == syscall.EAGAIN:
					return false // wait for room
				case err == syscall.EINTR:
				default:
					// No error and no byte is the end of the file. Only a first call may say so of
					// a file of /proc that has content. An error of the file or the connection
					// comes again when the caller reads or writes, and then it is clear which of
					// the two has failed.
					ended = err == nil && n > 0
					return true
				}
			}
			ended = true
			return true
		})
		return true
	})
	if inErr != nil { // the file is closed
		return n, false, nil
	}
	return n, ended, outErr
}

const (
	maxSend = 1 << 30 // in one call; it fits an int everywhere

	// maxLoopback is maxSend for a connection within the machine. A packet holds 65483 bytes there,
	// but the kernel makes two packets of each 65536 bytes of a longer sendfile(2), for nearly
	// twice the CPU time.
	maxLoopback = 60 << 10
)

func sendSize(dst net.Conn) int64 {
	if addr, ok := dst.RemoteAddr().(*net.TCPAddr); ok && addr.IP.IsLoopback() {
		return maxLoopback
	}
	return maxSend
}
