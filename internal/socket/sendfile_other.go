//go:build !linux

package socket

import (
	"io"
	"net"
)

// CanSendFile says whether SendFile can send anything on this system. Only the sendfile(2) of Linux
// is used.
const CanSendFile = false

// SendFile sends nothing.
func SendFile(net.Conn, *io.LimitedReader) (n int64, ended bool, err error) { return 0, false, nil }
