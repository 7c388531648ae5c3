package gateway

import (
	"runtime"
	"strings"
	"unsafe"

	"example.com/gateway/internal/sendfile"
	"example.com/gateway/internal/sized"
)

// The middle of a response: its blocks, from the body to send.

// iterate sends the blocks. R25: it does not assume that start was called.
func (r *response) iterate(body Body) (err error) {
	defer recoverTo(&err)
	if t, ok := body.(*text); ok {
		r.iterateText(t)
		return nil
	}
	if !r.measure(body) {
		return nil
	}
	if t, ok := r.t.(sendfile.Sender); ok {
		if f := fileOf(body, t); f != nil {
			r.iterateFile(f, t)
			return nil
		}
	}
	body.Blocks()(r.yield)
	return nil
}

// iterateText is iterate for a Text. R26: an own type may be looked into, which saves the iterator. It leaves the lock to finish,
// also if the transport panics.
func (r *response) iterateText(t *text) {
	r.mu.Lock()
	r.locked, r.returned, r.final = true, true, true
	switch {
	case r.err != nil: // as in measure
	case !t.take():
		r.keep(ErrEnded)
	default:
		r.single = r.phase != sent
		// Not copied, as in os.File.WriteString: a transport does not change what it is to write.
		r.block(unsafe.Slice(unsafe.StringData(t.s), len(t.s)), nil)
	}
}

// measure learns what it can of the body, and reports whether it is to be ranged at all. It has the lock, since a goroutine
// that the application left behind may call start or write right now.
func (r *response) measure(body Body) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.returned = true
	if r.err != nil { // kept from start or write; the application ignored it
		return false
	}
	if r.written == 0 && r.phase != sent {
		size := sized.Of(body)
		r.single, r.bytes = size.Blocks == 1, size.Bytes
	}
	if r.declared >= 0 {
		sized.SetLimit(body, sized.Limit(r.declared-r.written)) // R137: "to EOF or Content-Length bytes"
	}
	return true
}

// yield takes the blocks of a body. It is not a loop body, since what misuse of that does, the runtime decides.
func (r *response) yield(block []byte, err error) bool {
	if !r.mu.TryLock() {
		r.raced.Store(true)
		return false
	}
	defer r.mu.Unlock()
	return r.block(block, err)
}

// block is yield with the lock.
func (r *response) block(block []byte, err error) bool {
	switch {
	case r.phase == over:
		return false
	case r.halted:
		r.keep(errRanOn)
		r.ignored++
		r.ranOn()
	case err != nil:
		r.keep(sound(err))
	case r.err != nil: // the application ignored an error of start
	case len(block) == 0:
		return true // R76: only a non-empty block sends the head
	case r.phase == idle:
		r.keep(ErrNotStarted) // R23
	default:
		if cause := r.stop(); cause != nil {
			r.keep(cause)
			break
		}
		if err := r.send(block); err != nil {
			r.keep(err)
			break
		}
		if !r.noBody {
			return true
		}
	}
	r.halted = true
	return false
}

// ranOn ends a body that goes on though yield has returned false: one that does so for ever would never come back. On its own
// goroutine a panic does that, as in a range loop. On another one nobody recovers a panic, and it may have been of use to yield from
// there; it gets much more time, for a loop that ends, and then ends with what it has deferred.
func (r *response) ranOn() {
	switch {
	case r.ignored%maxIgnored == 0 && isIterating():
		panic(errRanOn)
	case r.ignored >= maxIgnoredElsewhere:
		runtime.Goexit()
	}
}

// isIterating reports whether this is a goroutine that iterates: whether iterate, which recovers, is on its stack.
func isIterating() bool {
	pcs := make([]uintptr, 1000)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, ".(*response).iterate") {
			return true
		}
		if !more {
			return false
		}
	}
}

// stop returns why a response that has begun must not go on. One that has not is still sent, at least its first block.
func (r *response) stop() error {
	if r.phase != sent {
		return nil
	}
	return r.ctx.Cause()
}
