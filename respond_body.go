package gateway

import (
	"io"
	"io/fs"
	"unsafe"

	"example.com/gateway/internal/sized"
)

// The middle of a response: the application's Call, and the blocks of its body.

// run calls the application, once (R4), and ranges its body. It returns the error of Call, or the
// panic of either.
func (r *response) run(app Application, body *Body) error {
	return try(func() (err error) {
		*body, err = app.Call(&r.env, r.start)
		switch {
		case err != nil:
		case *body == nil:
			err = errNoBody
		case r.begin(*body):
			r.iterate(*body)
		}
		return err
	})
}

// iterate sends the blocks of the body. R25: start need not have been called.
func (r *response) iterate(body Body) {
	inner := body
	for outer, isOuter := inner.(*closer); isOuter; outer, isOuter = inner.(*closer) {
		inner = outer.Body
	}
	switch b := inner.(type) { // R26: a server may look into the body types of its own package
	case *text:
		// The only block outlives the iteration, so it leaves together with the end. Nobody copies
		// it: a transport does not change a block. os.File.WriteString does the same.
		if b.take() {
			r.take(unsafe.Slice(unsafe.StringData(b.s), len(b.s)), nil, false)
			return
		}
	case *blocks: // the same, of one block
		if len(b.list) == 1 && b.take() {
			r.take(b.list[0], nil, false)
			return
		}
	case *reader:
		if r.takes(b) {
			r.iterateFile(b)
			return
		}
	}
	// A range loop would end the process if two goroutines yielded at a time. yield refuses the
	// second.
	body.Blocks()(r.yield)
}

// begin asks the body for what it knows of itself. It returns false if the application has ignored
// an error of start or its writer: the body is then not ranged.
func (r *response) begin(body Body) bool {
	r.mu.Lock() // a goroutine that the application left behind may call start right now
	defer r.mu.Unlock()
	r.returned = true
	if r.err != nil {
		return false
	}
	r.known = sized.Of(body)
	if r.declared >= 0 {
		sized.SetLimit(body, sized.Limit(r.declared-r.written)) // R137: "to EOF or Content-Length bytes"
	}
	return true
}

// yield takes a block of the body, and sends it before the body makes the next (R92).
func (r *response) yield(block []byte, err error) bool { return r.take(block, err, true) }

// take takes a block of the body, and reports whether the body is to go on.
func (r *response) take(block []byte, err error, flush bool) bool {
	if !r.enter() {
		return false
	}
	defer r.mu.Unlock()
	switch {
	case r.phase == over:
		return false
	case r.stopped:
		// A body that ignored false might run for ever. The panic ends it, as in a range loop. On a
		// goroutine of the body's own the panic ends the process, like any panic there.
		panic(r.fail(errRanOn))
	case err != nil:
		_ = r.fail(guard(err))
	case r.err != nil: // of a start in the iteration; the application ignored it
	case len(block) == 0:
		return true // R76: only a block that is not empty sends the head
	case r.send(block, false, flush) == nil && !r.isBodiless():
		return true
	}
	r.stopped = true
	return false
}

// fileChunk is how much of a file the transport sends before the engine looks at the context again.
const fileChunk = 480 << 10

// takes reports whether the transport sends files, and the body reads a regular file (R135, R136).
// Any other source may wait for its next bytes: those before them must go out first (R92).
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
// error page is still possible (R139). Then the transport takes what it can. What it leaves, nearly
// always only the end of the file, goes the usual way again.
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
