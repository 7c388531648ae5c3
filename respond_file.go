package gateway

import (
	"io"
	"io/fs"
)

// fileChunk is how much of a file the transport sends at most before the engine looks at the
// context again. The servers of this module send a file in pieces of which fileChunk is a multiple.
const fileChunk = 480 << 10

// takes reports whether the transport is an io.ReaderFrom, and the body reads a regular file (R135,
// R136). Any other source may wait for its next bytes, and the bytes before them must go out first
// (R92).
func (r *response) takes(body *reader) bool {
	_, isReaderFrom := r.t.(io.ReaderFrom)
	file, isFile := body.r.(fs.File)
	if !isReaderFrom || !isFile {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// iterateFile sends a file. The first block goes the usual way, since reading it may fail while an
// error page is still possible (R139). Then the transport takes what it can. The rest goes the
// usual way again: nearly always that is only the end of the file.
func (r *response) iterateFile(file *reader) {
	file.Blocks()(func(block []byte, err error) bool {
		goesOn, isWhole := r.yield(block, err), true
		for goesOn && isWhole && file.last == nil && file.left != 0 {
			goesOn, isWhole = r.sendFile(file)
		}
		return goesOn
	})
}

// sendFile has the transport send the next part of a file. It reports whether the response goes on,
// and whether the transport has sent all of the part.
func (r *response) sendFile(file *reader) (goesOn, isWhole bool) {
	if !r.enter() {
		return false, false
	}
	defer r.mu.Unlock()
	if cause := guard(r.ctx.Cause()); cause != nil && r.err == nil {
		_ = r.fail(cause)
	}
	if r.err != nil {
		return false, false
	}
	size, before := int64(fileChunk), r.written
	if r.declared >= 0 { // a late start may have declared it
		file.left = r.declared - before
		size = min(size, file.left)
	}
	err := r.deliver(false, nil, &io.LimitedReader{R: file.r, N: size}, true)
	n := r.written - before
	if file.left >= 0 {
		file.left -= n
	}
	return err == nil, n == size
}
