package gateway

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
	"sync/atomic"

	"example.com/gateway/internal/sized"
)

// A once lets one response range a body: take succeeds the first time, unless close came before.
type once struct{ used atomic.Bool }

func (o *once) take() bool { return o.used.CompareAndSwap(false, true) }

func (o *once) close() {
	if !o.used.Load() { // the usual case, for the price of a load
		o.used.Store(true)
	}
}

// ended is the sequence of a body that was used up.
func ended(yield func([]byte, error) bool) { yield(nil, ErrEnded) }

// Text returns a body of one block that has the bytes of s. The response gets a Content-Length (R89).
func Text(s string) Body { return &text{s: s} }

type text struct {
	once
	s string
}

func (t *text) Size() sized.Size { return sized.Size{Blocks: 1, Bytes: int64(len(t.s))} }

func (t *text) Blocks() iter.Seq2[[]byte, error] {
	if !t.take() {
		return ended
	}
	return func(yield func([]byte, error) bool) { yield([]byte(t.s), nil) }
}

func (t *text) Close() error {
	t.close()
	return nil
}

// Bytes returns a body of the given blocks, which go out one by one. The response gets a
// Content-Length, the sum of theirs. Bytes() is an empty body. Nobody may change the blocks until
// the body is closed.
func Bytes(list ...[]byte) Body { return &blocks{list: list} }

type blocks struct {
	once
	list [][]byte
}

func (b *blocks) Size() sized.Size {
	n := int64(0)
	for _, block := range b.list {
		n += int64(len(block))
	}
	return sized.Size{Blocks: len(b.list), Bytes: n}
}

func (b *blocks) Blocks() iter.Seq2[[]byte, error] {
	if !b.take() {
		return ended
	}
	return b.each
}

func (b *blocks) each(yield func([]byte, error) bool) {
	for _, block := range b.list {
		if !yield(block, nil) {
			return
		}
	}
}

func (b *blocks) Close() error {
	b.close()
	return nil
}

// Stream returns a body whose blocks come from seq, usually a function with a yield: PEP 3333's
// generator.
//
//	gateway.Stream(func(yield func([]byte, error) bool) {
//		defer release()
//		for event := range events {
//			if !yield(event, nil) {
//				return // nobody wants more
//			}
//		}
//	})
//
// seq runs on the goroutine that called the application, and only if the response gets that far: a
// resource that must be released on every path goes into [OnClose]. seq must stop when yield
// returns false, and must not change a block before yield has returned. A seq that has failed yields
// why, as yield(nil, err): a seq that only returns has made a whole response. The one exception is a
// seq that returns since the Context has ended, as [Respond] says.
func Stream(seq iter.Seq2[[]byte, error]) Body { return &stream{seq: seq} }

type stream struct {
	once
	seq iter.Seq2[[]byte, error]
}

func (s *stream) Blocks() iter.Seq2[[]byte, error] {
	if !s.take() {
		return ended
	}
	return s.seq
}

func (s *stream) Close() error {
	s.close()
	return nil
}

// Reader returns a body that reads r in blocks of at most blockSize bytes, or of 8192 if blockSize
// is not positive. It is wsgi.file_wrapper. Close closes r if r is an io.Closer (R134).
//
// The reading begins when the response is sent, at the position that r then has. It ends at the end
// of r, or at the Content-Length that the application declared, whichever comes first (R137): to
// send a part of a file, seek and declare the length. [OnClose] and [Map] pass the limit on. A body
// of somebody's own around a Reader hides the Reader from it, and Respond then cuts and reports the
// bytes beyond the length. Put an io.LimitReader around r to avoid the report.
//
// The response of a bytes.Reader, strings.Reader or bytes.Buffer gets its Content-Length by itself.
// That of a file does not: the size of a device, or of a file that grows, is a guess.
//
// Each Read's bytes go out before the next Read. A server may send a regular file, an fs.File, by a
// way of its own, such as sendfile(2).
func Reader(r io.Reader, blockSize int) Body {
	if blockSize <= 0 {
		blockSize = 8192
	}
	return &reader{r: r, blockSize: blockSize, left: -1}
}

type reader struct {
	once
	r         io.Reader
	blockSize int
	left      int64 // -1 if there is no limit
	last      error // of the Read before the block; what it says comes after the block
	closed    atomic.Bool
}

func (r *reader) Size() sized.Size {
	switch v := r.r.(type) {
	case *bytes.Reader:
		return sized.Size{Blocks: -1, Bytes: int64(v.Len())}
	case *strings.Reader:
		return sized.Size{Blocks: -1, Bytes: int64(v.Len())}
	case *bytes.Buffer:
		return sized.Size{Blocks: -1, Bytes: int64(v.Len())}
	}
	return sized.Unknown
}

func (r *reader) Limit(n sized.Limit) bool {
	r.left = int64(n)
	return true
}

func (r *reader) Blocks() iter.Seq2[[]byte, error] {
	if !r.take() {
		return ended
	}
	return r.each
}

func (r *reader) each(yield func([]byte, error) bool) {
	buf := make([]byte, r.blockSize)
	for empty := 0; r.left != 0; {
		block := buf
		if r.left > 0 && int64(len(block)) > r.left {
			block = block[:r.left]
		}
		n, err := r.r.Read(block)
		if r.last = err; n > 0 {
			empty = 0
			if r.left > 0 {
				r.left -= int64(n)
			}
			if !yield(block[:n], nil) {
				return
			}
		} else if empty++; err == nil && empty == 100 {
			err = io.ErrNoProgress
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			yield(nil, err)
			return
		}
	}
}

func (r *reader) Close() error {
	r.close()
	if c, ok := r.r.(io.Closer); ok && r.closed.CompareAndSwap(false, true) {
		return c.Close()
	}
	return nil
}

// Map returns a body that yields f of each block of body, one for one, and closes body. Middleware
// changes content with Map, which keeps the block boundaries (R95). f must not change the block,
// which is the inner body's: the blocks of a Bytes may be a package's variable. The block that f
// returns may be empty, and is valid until f is called again. Errors pass through.
//
// A body of one block still gets its Content-Length. A body of several loses the length that it
// would have got: the sum is not known before f has seen the last block.
//
// body may be nil, as it may be beside an error of Call.
func Map(body Body, f func(block []byte) []byte) Body { return &mapped{orNone(body), f, -1} }

type mapped struct {
	Body
	f    func([]byte) []byte
	left sized.Limit // of the bytes that f returns; -1 if there is no limit
}

func (m *mapped) Size() sized.Size { return sized.Size{Blocks: sized.Of(m.Body).Blocks, Bytes: -1} }

// Limit keeps the bytes of a Reader to the declared length. f may change their number, so the limit
// is not for the Reader itself.
func (m *mapped) Limit(n sized.Limit) bool {
	if !sized.SetLimit(m.Body, -1) {
		return false
	}
	m.left = n
	return true
}

func (m *mapped) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		m.Body.Blocks()(func(block []byte, err error) bool {
			if err != nil {
				return yield(block, err)
			}
			block = m.f(block)
			if m.left < 0 {
				return yield(block, nil)
			}
			block = block[:min(sized.Limit(len(block)), m.left)]
			m.left -= sized.Limit(len(block))
			return yield(block, nil) && m.left > 0
		})
	}
}

// OnClose returns a body with the blocks of body, whose Close calls body's Close and then f, once,
// also if body's Close panics. It is where an application releases, on every path, the resources
// that it took. An error of f is reported, and changes nothing of the response, which is over.
//
// The response keeps the Content-Length that it gets from body, and a server still sends a file by
// a way of its own. body may be nil, as it may be beside an error of Call.
func OnClose(body Body, f func() error) Body { return &closer{Body: orNone(body), f: f} }

// orNone returns body, or for nil a body that says that there is none.
func orNone(body Body) Body {
	if body == nil {
		return Stream(func(yield func([]byte, error) bool) { yield(nil, errNoBody) })
	}
	return body
}

type closer struct {
	Body
	f      func() error
	closed atomic.Bool
}

func (c *closer) Size() sized.Size { return sized.Of(c.Body) }

func (c *closer) Limit(n sized.Limit) bool { return sized.SetLimit(c.Body, n) }

func (c *closer) Close() (err error) {
	if !c.closed.CompareAndSwap(false, true) {
		return nil
	}
	defer func() { err = errors.Join(err, c.f()) }()
	return c.Body.Close()
}

var (
	_ sized.Body    = (*text)(nil)
	_ sized.Body    = (*blocks)(nil)
	_ sized.Body    = (*mapped)(nil)
	_ sized.Limited = (*mapped)(nil)
	_ sized.Limited = (*closer)(nil)
	_ sized.Limited = (*reader)(nil)
)
