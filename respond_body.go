package gateway

import (
	"unsafe"

	"example.com/gateway/internal/sized"
)

// The middle of a response: the application's Call, and the blocks of its body.

// run calls the application, once (R4), and ranges its body. It returns why one of the two came to
// no good end.
func (r *response) run(app Application, body *Body) error {
	return try(func() (err error) {
		*body, err = app.Call(&r.env, r.start)
		if err != nil {
			return err
		}
		if *body == nil {
			return errNoBody
		}
		return r.iterate(*body)
	})
}

// iterate sends the blocks of the body. R25: start need not have been called.
func (r *response) iterate(body Body) error {
	if !r.begin(body) {
		return nil
	}
	switch b := inner(body).(type) { // R26: a server may look into the body types of its own package
	case *text:
		if !b.take() {
			return ErrEnded
		}
		// The only block, which outlives the iteration: it leaves together with the end. It is not
		// copied, as in os.File.WriteString, since a transport does not change a block.
		r.take(unsafe.Slice(unsafe.StringData(b.s), len(b.s)), nil, false)
		return nil
	case *reader:
		if to := r.fileReceiver(b); to != nil {
			r.iterateFile(b, to)
			return nil
		}
	}
	// Not a range loop, whose body must not be called by two goroutines at a time: the runtime ends
	// the process.
	body.Blocks()(r.yield)
	return nil
}

// inner returns the body inside of the bodies of OnClose.
func inner(body Body) Body {
	if outer, ok := body.(*closer); ok {
		return inner(outer.Body)
	}
	return body
}

// begin asks the body for what it knows of itself, and reports whether the body is to be ranged at
// all: not if the application has ignored an error of start or its writer.
func (r *response) begin(body Body) bool {
	r.mu.Lock() // a goroutine that the application left behind may call start right now
	defer r.mu.Unlock()
	r.returned = true
	if r.err != nil {
		return false
	}
	if r.phase != sent {
		r.known = sized.Of(body)
	}
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
		// As a range loop does: a body that goes on for ever would never come back. On a goroutine
		// of the body's own this ends the process, like any panic there.
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
