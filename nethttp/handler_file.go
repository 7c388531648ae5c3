package nethttp

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

var _ io.ReaderFrom = (*exchange)(nil)

// ReadFrom implements io.ReaderFrom, for the parts of a file. From an *os.File net/http comes to
// sendfile(2), but only when it need not encode: under HTTP/1 without TLS, for a response that has a
// length. Any other source is copied: net/http's own ReadFrom does not tell an error of the source from
// one of the client.
func (x *exchange) ReadFrom(src io.Reader) (n int64, err error) {
	part, ok := src.(*io.LimitedReader)
	if !ok {
		return x.copyFrom(src)
	}
	if _, ok := part.R.(*os.File); !ok { // nor of a type that embeds one, and has a Read of its own
		return x.copyFrom(src)
	}
	to, ok := x.w.(io.ReaderFrom)
	if !ok {
		return x.copyFrom(src)
	}
	for part.N > 0 {
		// Package net finds the file below one LimitedReader, and not below two.
		step := &io.LimitedReader{R: part.R, N: min(part.N, int64(x.step()))}
		size := step.N
		x.startWrite()
		m, err := to.ReadFrom(step)
		x.endWrite()
		n += m
		part.N -= m
		switch {
		case isOfFile(err):
			return n, err
		case err != nil:
			return n, x.lost(err)
		case m < size: // the end of the file
			return n, nil
		}
	}
	return n, nil
}

// copyFrom writes what src has.
func (x *exchange) copyFrom(src io.Reader) (n int64, err error) {
	buf := copies.Get().(*[]byte)
	defer copies.Put(buf)
	for {
		m, readErr := src.Read(*buf)
		if m > 0 {
			m, err := x.Write((*buf)[:m])
			if n += int64(m); err != nil {
				return n, err
			}
		}
		if readErr == io.EOF {
			return n, nil
		}
		if readErr != nil {
			return n, readErr
		}
	}
}

var copies = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// isOfFile reports that err is an error of reading a file. Package net wraps it in a net.OpError, like
// an error of the connection.
func isOfFile(err error) bool {
	return errors.As(err, new(*fs.PathError)) || errors.Is(err, syscall.EIO)
}
