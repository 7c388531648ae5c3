package fcgi

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/acceptor"
	"example.com/gateway/internal/fastcgi"
	"example.com/gateway/internal/header"
	"example.com/gateway/request"
)

// A response is a call's way out, as records. The call is the gateway.Transport.
type response struct {
	out    *[]byte // from outs: one STDOUT record that is held back, or nil
	tail   []byte  // a block that is held back behind it, by reference
	any    bool    // something went to STDOUT
	ended  bool    // END_REQUEST was sent; guarded by the writer's mutex
	status byte    // the protocol status that END_REQUEST is to have
	broken bool    // End was told so, and the connection has to say it
}

var (
	_ gateway.Transport = (*call)(nil)
	_ io.ReaderFrom     = (*call)(nil)
)

// outs are buffers for a head, a block of usual size, and the records around them.
var outs = sync.Pool{New: func() any { b := make([]byte, 0, outSize); return &b }}

const (
	outSize = 8 << 10

	// maxCopy is up to which size a block is copied behind the record that is held back. A larger
	// one goes out beside it, in the same system call.
	maxCopy = 4 << 10

	// maxRecords is how many records of a large block go out at a time: other requests' answers
	// come in between, and the write timeout is for that much.
	maxRecords = 4

	// endSize is the size of what ends a response: the end of STDOUT, END_REQUEST and a farewell.
	endSize = fastcgi.HeaderSize + fastcgi.HeaderSize + 8 + fastcgi.HeaderSize
)

// goOnTime is how long a host may go on to use a connection of a server that stops. After that the
// end of the connection follows the end of a response at once. A host that looks for the end of a
// connection before it uses the connection again then finds it.
const goOnTime = time.Second

// WriteHead implements gateway.Transport.
func (r *call) WriteHead(status string, headers gateway.Headers) error {
	b := header.AppendCGI(r.hold(), status, headers, true)
	if content := b[fastcgi.HeaderSize:]; len(content) > fastcgi.MaxChunk {
		// A head of more than one record goes out by itself.
		return r.c.writeFor(r, fastcgi.AppendStream(nil, fastcgi.Stdout, r.id, content), nil, false)
	}
	*r.out = b
	return nil
}

// hold returns what is held back: a STDOUT record at least, of which only the header may be there.
func (r *call) hold() []byte {
	if r.out == nil {
		r.out = outs.Get().(*[]byte)
		*r.out = fastcgi.AppendHeader((*r.out)[:0], fastcgi.Stdout, r.id, 0)
	}
	r.any = true
	return *r.out
}

// release returns what was held back, patched to be a whole record, or nothing, and forgets it. The
// caller gives the buffer back.
func (r *call) release() (out *[]byte) {
	out, r.out = r.out, nil
	switch {
	case out == nil:
		out = outs.Get().(*[]byte)
		*out = (*out)[:0]
	case len(*out) == fastcgi.HeaderSize: // a record without content would end the stream
		*out = (*out)[:0]
	default:
		binary.BigEndian.PutUint16((*out)[4:], uint16(len(*out)-fastcgi.HeaderSize))
	}
	return out
}

func giveBack(out *[]byte) {
	if cap(*out) <= 2*fastcgi.MaxContent {
		outs.Put(out)
	}
}

// Write implements gateway.Transport. It holds the block back, but for what was held back before.
func (r *call) Write(block []byte) (n int, err error) {
	if r.aborted.Load() {
		return 0, request.Disconnected(errAborted)
	}
	b := r.hold()
	if r.tail != nil || len(b)+len(block) > fastcgi.HeaderSize+fastcgi.MaxChunk {
		if err := r.Flush(); err != nil {
			return 0, err
		}
		b = r.hold()
	}
	if len(block) <= maxCopy {
		*r.out = append(b, block...)
	} else {
		r.tail = block
	}
	return len(block), nil
}

// Flush implements gateway.Transport.
func (r *call) Flush() error {
	if tail := r.tail; tail != nil {
		r.tail = nil
		return r.flushWith(tail, false)
	}
	return r.flush()
}

// End implements gateway.Transport: what is held back, the end of STDOUT and END_REQUEST leave in
// one write. The host may use the request's id again as soon as it has that.
func (r *call) End(whole bool) (err error) {
	c := r.c
	c.mu.Lock()
	r.state = ending
	r.in.close(c) // before the host can send anything more under this id
	c.changed.Broadcast()
	if since, _ := c.s.acceptor.StoppingFor(); since > goOnTime {
		c.last = true
	}
	if c.last && len(c.requests) == 1 {
		defer func() {
			if r.ended {
				_ = c.nc.CloseWrite()
			}
		}()
	}
	c.mu.Unlock()
	if r.broken = !whole && !r.aborted.Load(); r.broken { // a host that has aborted the request wants the id back, and no more
		giveBack(r.release())
		r.tail = nil
		if err := c.writeFor(r, appendBreak(nil), nil, true); err != nil {
			return err
		}
		time.Sleep(acceptor.BreakPause)
		return nil
	}
	if tail := r.tail; tail != nil {
		r.tail = nil
		return r.flushWith(tail, true)
	}
	out := r.release()
	*out = r.appendEnd(*out)
	err = c.writeFor(r, *out, nil, true)
	giveBack(out)
	return err
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
	small := make([]byte, 0, maxRecords*fastcgi.HeaderSize+endSize)
	bufs := make(net.Buffers, 0, 2*maxRecords+2)
	if len(*out) > 0 {
		bufs = append(bufs, *out)
	}
	for {
		small := small
		for range maxRecords {
			n := min(len(block), fastcgi.MaxChunk)
			if n == 0 {
				break
			}
			at := len(small)
			small = fastcgi.AppendHeader(small, fastcgi.Stdout, r.id, n)
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

// appendEnd appends what ends the response.
func (r *call) appendEnd(b []byte) []byte {
	if r.any {
		b = fastcgi.AppendHeader(b, fastcgi.Stdout, r.id, 0)
	}
	b = appendEnd(b, r.id, r.status)
	if since, stopping := r.c.s.acceptor.StoppingFor(); stopping && since <= goOnTime && r.isNginx {
		b = appendFarewell(b, r.id)
	}
	return b
}
