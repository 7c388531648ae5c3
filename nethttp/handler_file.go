package nethttp

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"example.com/gateway/internal/errno"
)

var _ io.ReaderFrom = (*exchange)(nil)

// ReadFrom implements io.ReaderFrom, for the parts of a file. From an *os.File net/http comes to
// sendfile(2), but only when it need not encode: under HTTP/1 without TLS, for a response that has
// a length. Any other source is copied, since net/http's own ReadFrom does not tell an error of the
// source from one of the client.
func (x *exchange) ReadFrom(src io.Reader) (n int64, err error) {
	to, ok := x.w.(io.ReaderFrom)
	if !ok || !isFile(src) {
		return copyTo(x, src)
	}
	part := src.(*io.LimitedReader)
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

// isFile reports whether src is a part of an *os.File. A type that embeds one does not count, since
// it may have a Read of its own.
func isFile(src io.Reader) bool {
	part, ok := src.(*io.LimitedReader)
	if !ok {
		return false
	}
	_, ok = part.R.(*os.File)
	return ok
}

// isOfFile reports whether err is an error of reading a file. Package net wraps it in a
// net.OpError, like an error of the connection.
func isOfFile(err error) bool {
	return errors.As(err, new(*fs.PathError)) || errno.IsIO(err)
}
