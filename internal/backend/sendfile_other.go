//go:build !linux

package backend

import (
	"io"
	"net"
)

// CanSendFile says that SendFile does nothing here: what else there is cannot be resumed for certain.
const CanSendFile = false

// SendFile sends nothing.
func SendFile(net.Conn, *io.LimitedReader) (n int64, ended bool, err error) { return 0, false, nil }
