//go:build !linux

package single

import (
	"io"
	"net"
)

// copyFile sends what src has, which is a part of a file: by sendfile(2) or its like, where package net has it.
func copyFile(dst net.Conn, src *io.LimitedReader) (int64, error) { return io.Copy(dst, src) }
