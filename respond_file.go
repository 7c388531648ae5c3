package gateway

import (
	"io"
	"io/fs"
)

// fileChunk is how much of a file the transport sends between two looks at whether the response is
// to go on. It is a whole number of the pieces in which the servers of this module send a file.
const fileChunk = 480 << 10

// fileReceiver returns the transport as an io.ReaderFrom, if it is one and the body reads a regular
// file (R135, R136). Any other source may keep its reader waiting, and what it has got must go out
// before that (R92).
func (r *response) fileReceiver(body *reader) io.ReaderFrom {
	to, isReceiver := r.t.(io.ReaderFrom)
	file, isFile := body.r.(fs.File)
	if !isReceiver || !isFile {
		return nil
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return to
}

// iterateFile sends a file. The first block goes the usual way, since reading it may fail while an
// error page is still possible (R139). The transport takes the rest.
func (r *response) iterateFile(file *reader, to io.ReaderFrom) {
	goesOn := false
	file.Blocks()(func(block []byte, err error) bool {
		goesOn = r.yield(block, err)
		return false
	})
	for goesOn && file.left != 0 {
		goesOn = r.sendFile(file, to)
	}
}

// sendFile sends the next part of a file, and reports whether there may be more.
func (r *response) sendFile(file *reader, to io.ReaderFrom) bool {
	if !r.enter() {
		return false
	}
	defer r.mu.Unlock()
	if r.err != nil {
		return false
	}
	if cause := r.ctx.Cause(); cause != nil {
		_ = r.fail(cause)
		return false
	}
	part := &io.LimitedReader{R: file.r, N: fileChunk}
	if file.left > 0 {
		part.N = min(part.N, file.left)
	}
	size, before := part.N, r.written
	read := func() (int64, error) { return to.ReadFrom(part) }
	err := r.deliver(false, size, read, true)
	n := r.written - before
	if file.left > 0 {
		file.left -= n
	}
	return err == nil && n == size // fewer bytes are the end of the file
}
