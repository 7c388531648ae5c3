package gateway

import (
	"io"

	"example.com/gateway/internal/sendfile"
)

// fileChunk is how much of a file goes out between two looks at whether the response is to go on: a whole number of the pieces in
// which servers send it.
const fileChunk = 480 << 10

// fileOf returns the reader of a body that is a file, as t has it, or nil (R135, R136: platform transmission is for the server's
// own wrapper).
func fileOf(body Body, t sendfile.Sender) *reader {
	for {
		switch b := body.(type) {
		case *closer:
			body = b.Body
			continue
		case *reader:
			if t.CanSend(b.r) {
				return b
			}
		}
		return nil
	}
}

// iterateFile is iterate for a file. The first block goes the usual way, since reading it may fail while an error page is still
// possible (R139); the rest is the operating system's.
func (r *response) iterateFile(f *reader, t sendfile.Sender) {
	begun := false
	f.Blocks()(func(block []byte, err error) bool {
		begun = r.yield(block, err)
		return false
	})
	for begun && f.left != 0 && r.sendFile(f, t) {
	}
}

// sendFile sends the next part of a file, and reports whether there may be more.
func (r *response) sendFile(f *reader, t sendfile.Sender) bool {
	if !r.mu.TryLock() {
		r.raced.Store(true)
		return false
	}
	defer r.mu.Unlock()
	if r.err != nil {
		return false
	}
	if cause := r.stop(); cause != nil {
		r.keep(cause)
		return false
	}
	n := int64(fileChunk)
	if f.left > 0 {
		n = min(n, f.left)
	}
	sent, err := t.SendFile(io.LimitReader(f.r, n))
	r.written += sent
	if f.left > 0 {
		f.left -= sent
	}
	if err != nil {
		_ = r.lost(err)
		return false
	}
	return sent == n // less is the end of the file (R137)
}
