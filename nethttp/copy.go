package nethttp

import (
	"io"
	"sync"
)

// copyTo writes what src has to w, by its Write alone, with a buffer of the pool.
func copyTo(w io.Writer, src io.Reader) (int64, error) {
	buf := copies.Get().(*[]byte)
	defer copies.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{src}, *buf)
}

var copies = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
