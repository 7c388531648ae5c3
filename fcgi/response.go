package fcgi

import (
	"encoding/binary"
	"net"
	"strconv"
	"sync"

	"example.com/gateway"
	"example.com/gateway/internal/head"
	"example.com/gateway/internal/last"
)

// A response is a call's way out, as records. The call is the gateway.Transport.
type response struct {
	out     *[]byte // from outs: one STDOUT record that is held back, or nil
	tail    []byte  // a last block that is held back, too, and was not copied
	any     bool    // something went to STDOUT
	ended   bool    // END_REQUEST was sent; guarded by the writer's mutex
	status  byte    // the protocol status that END_REQUEST is to have
	headers gateway.Headers
	written int64
}

var (
	_ gateway.Transport = (*call)(nil)
	_ last.Writer       = (*call)(nil)
)

// outs are buffers for a head, a block of usual size, and the records around them.
var outs = sync.Pool{New: func() any { b := make([]byte, 0, outSize); return &b }}

const (
	outSize = 8 << 10

	// maxCopy is up to which size a block is copied behind what is held back. A larger one goes out beside it, in the same
	// system call.
	maxCopy = 4 << 10

	// maxRecords is how many records of a large block go out at a time: other requests' answers come in between, and the
	// write timeout is for that much.
	maxRecords = 4

	// endSize is the size of what ends a response: the end of STDOUT and END_REQUEST.
	endSize = headerSize + headerSize + 8
)

// WriteHead implements gateway.Transport.
func (r *call) WriteHead(status string, headers gateway.Headers) error {
	r.headers = headers
	b := head.Append(r.hold(), status, headers, true)
	if content := b[headerSize:]; len(content) > maxChunk {
		// A head of more than one record goes out by itself.
		return r.c.writeFor(r, appendStream(nil, typeStdout, r.id, content), nil, false)
	}
	*r.out = b
	return nil
}

// hold returns what is held back: a STDOUT record at least, of which only the header may be there.
func (r *call) hold() []byte {
	if r.out == nil {
		r.out = outs.Get().(*[]byte)
		*r.out = appendHeader((*r.out)[:0], typeStdout, r.id, 0)
	}
	r.any = true
	return *r.out
}

// release returns what was held back, patched to be a whole record, or nothing, and forgets it. The caller gives the buffer back.
func (r *call) release() (out *[]byte) {
	out, r.out = r.out, nil
	switch {
	case out == nil:
		out = outs.Get().(*[]byte)
		*out = (*out)[:0]
	case len(*out) == headerSize: // a record without content would end the stream
		*out = (*out)[:0]
	default:
		binary.BigEndian.PutUint16((*out)[4:], uint16(len(*out)-headerSize))
	}
	return out
}

func giveBack(out *[]byte) {
	if cap(*out) <= 2*maxContent {
		outs.Put(out)
	}
}

// Write implements gateway.Transport.
func (r *call) Write(block []byte) (int, error) { return r.send(block, false) }

// WriteLast implements last.Writer: the block goes out together with the records that end the request.
func (r *call) WriteLast(block []byte) (int, error) { return r.send(block, true) }

func (r *call) send(block []byte, last bool) (n int, err error) {
	if r.aborted.Load() {
		return 0, &disconnected{errAborted}
	}
	b := r.hold()
	switch {
	case len(block) <= maxCopy && len(b)+len(block) <= headerSize+maxChunk:
		*r.out = append(b, block...)
		if !last {
			err = r.flush()
		}
	case last:
		r.tail = block
	default:
		err = r.flushWith(block, false)
	}
	if err != nil {
		return 0, err
	}
	r.written += int64(len(block))
	return len(block), nil
}

// flush sends what is held back.
func (r *call) flush() (err error) {
	out := r.release()
	if len(*out) > 0 {
		err = r.c.writeFor(r, *out, nil, false)
	}
	giveBack(out)
	return err
}

// flushWith sends what is held back and a block without copying it, and the end if that is wanted.
func (r *call) flushWith(block []byte, ends bool) error {
	out := r.release()
	defer giveBack(out)
	small := make([]byte, 0, maxRecords*headerSize+endSize)
	bufs := make(net.Buffers, 0, 2*maxRecords+2)
	if len(*out) > 0 {
		bufs = append(bufs, *out)
	}
	for {
		small := small
		for range maxRecords {
			n := min(len(block), maxChunk)
			if n == 0 {
				break
			}
			at := len(small)
			small = appendHeader(small, typeStdout, r.id, n)
			bufs = append(bufs, small[at:], block[:n])
			block = block[n:]
		}
		done := len(block) == 0
		if done && ends {
			at := len(small)
			small = r.appendEnd(small)
			bufs = append(bufs, small[at:])
		}
		rest := bufs
		if err := r.c.writeFor(r, nil, &rest, done && ends); err != nil || done {
			return err
		}
		bufs = bufs[:0]
	}
}

// flushEnd sends what is held back, the end of STDOUT and END_REQUEST, in one write. If it fails, the connection ends with it,
// and says so in its own way.
func (r *call) flushEnd() {
	if r.tail != nil {
		_ = r.flushWith(r.tail, true)
		r.tail = nil
		return
	}
	out := r.release()
	*out = r.appendEnd(*out)
	_ = r.c.writeFor(r, *out, nil, true)
	giveBack(out)
}

// appendEnd appends what ends the response.
func (r *call) appendEnd(b []byte) []byte {
	if r.any {
		b = appendHeader(b, typeStdout, r.id, 0)
	}
	return appendEnd(b, r.id, r.status)
}

// drop forgets what is held back.
func (r *call) drop() {
	giveBack(r.release())
	r.tail = nil
}

// isWhole reports whether all that the head has promised was sent. It is for applications that end their goroutine, and
// Respond's error with it.
func (r *call) isWhole() bool {
	n, err := strconv.ParseInt(r.headers.Get("Content-Length"), 10, 64)
	return err == nil && n == r.written
}
