package validate

import (
	"bytes"
	"iter"
	"runtime"
	"slices"

	"example.com/gateway"
	"example.com/gateway/internal/sized"
)

// A body is the application's body as the server gets it. The request does not refer to its body:
// the garbage collector must be able to find a body that the server has dropped.
type body struct {
	r       *request
	result  gateway.Body    // what the application returned
	keeps   bool            // the result keeps to a limit, if the server sets one
	cleanup runtime.Cleanup // reports a body that was not closed; none in the inner half

	// Guarded by r.flow.mu.
	said      sized.Size // the size that the server was told
	isLimited bool       // the server has set a limit
	hasBlocks bool       // Blocks was called
	hasRanged bool       // an iteration has begun
	isRanging bool       // an iteration is going on
	wasClosed bool       // Close was called
}

// Respond asks the bodies of the root package for their size, and sets their limit. The lint passes
// both on, so that the response keeps its Content-Length.
var (
	_ gateway.Body  = (*body)(nil)
	_ sized.Body    = (*body)(nil)
	_ sized.Limited = (*body)(nil)
)

func newBody(r *request, result gateway.Body) *body {
	b := &body{r: r, result: result, said: sized.Unknown, keeps: sized.SetLimit(result, -1)}
	if !r.isInner() { // flow.end reports an inner body that was not closed
		leaked := r.lint.finding(outside, "R21", "a body was never closed, and nobody can close it any more", trail())
		b.cleanup = runtime.AddCleanup(b, func(l *lint) { l.send(leaked, nil) }, r.lint)
	}
	return b
}

// Size implements sized.Body.
func (b *body) Size() sized.Size {
	size := sized.Of(b.result)
	b.r.flow.lock()
	defer b.r.flow.unlock()
	b.said = size
	return size
}

// Limit implements sized.Limited.
func (b *body) Limit(n sized.Limit) bool {
	isLimited := sized.SetLimit(b.result, n)
	b.r.flow.lock()
	b.isLimited = isLimited && n >= 0
	b.r.flow.unlock()
	return isLimited
}

// Blocks implements gateway.Body.
func (b *body) Blocks() iter.Seq2[[]byte, error] {
	r := b.r
	r.flow.lock()
	switch {
	case b.wasClosed:
		r.find(outside, "R21", "Blocks was called after Close")
	case b.hasBlocks:
		r.find(outside, "R26", "Blocks was called a second time, and a body is for one iteration")
	}
	b.hasBlocks = true
	r.flow.unlock()

	seq := b.result.Blocks()
	if seq == nil {
		r.flow.lock()
		defer r.flow.unlock()
		r.findAt(placeOf(b.result), inside, "R15", "Blocks returned nil")
		return nil
	}
	return func(yield func([]byte, error) bool) { b.each(seq, yield) }
}

// each is the iteration: it hands each of the application's blocks to yield.
func (b *body) each(seq iter.Seq2[[]byte, error], yield func([]byte, error) bool) {
	r := b.r
	it := &iteration{b: b, yield: yield}
	r.flow.lock()
	switch {
	case b.wasClosed:
		r.find(outside, "R21", "the blocks were ranged after Close")
	case b.hasRanged:
		r.find(outside, "R26", "the blocks were ranged a second time, and a body is for one iteration")
	}
	b.hasRanged, b.isRanging = true, true
	r.flow.iterationBegins(r)
	r.flow.unlock()

	r.enter()
	defer r.leave()
	hasEnded := false
	defer func() { // also if the application panics or ends its goroutine
		r.flow.lock()
		defer r.flow.unlock()
		b.isRanging, it.isOver = false, true
		if hasEnded {
			it.checkEnd()
		}
	}()
	seq(it.take)
	hasEnded = true
}

// Close implements gateway.Body.
func (b *body) Close() error {
	r := b.r
	b.cleanup.Stop()
	r.flow.lock()
	again := b.wasClosed
	b.wasClosed = true
	switch {
	case again:
		r.find(outside, "R21", "Close was called a second time")
	case b.isRanging:
		r.find(outside, "R21", "Close was called during the iteration")
	}
	r.flow.unlock()

	defer func() {
		r.flow.lock()
		defer r.flow.unlock()
		if !again {
			if !slices.Equal(r.given, r.headers) {
				r.find(outside, "R67", "the list that start was given was changed later")
			}
			r.end()
		}
	}()
	return b.result.Close()
}

// An iteration is one range over the blocks of a body.
type iteration struct {
	b     *body
	yield func([]byte, error) bool // the server's

	// Guarded by b.r.flow.mu.
	stopped bool // yield has returned false
	failed  bool // the body has yielded an error
	isOver  bool // the body has returned
	blocks  int
	bytes   int64
}

// take is the yield that the application gets.
func (it *iteration) take(block []byte, err error) bool {
	switch {
	case !it.check(block, err):
		return it.yield(block, err)
	case err != nil || len(block) == 0:
		return it.hand(block, err)
	}
	// The server gets a copy. If the block changes during the step, the body has written to it; if
	// the copy does, the server has.
	given, was := copyOf(block), copyOf(block)
	goOn := it.hand(given, nil)

	r := it.b.r
	r.flow.lock()
	defer r.flow.unlock()
	switch {
	case !bytes.Equal(block, was):
		r.find(inside, "D8", "the body wrote to its block before yield had returned")
	case !bytes.Equal(given, was):
		r.findAt(placeOf(it.yield), outside, "D8", "a block was changed by what it was handed to")
	}
	overwrite(given)
	r.flow.blockEnds(r, given, was)
	return goOn
}

// check checks a block or an error that the application yields. It reports whether the application
// may yield at all.
func (it *iteration) check(block []byte, err error) bool {
	r := it.b.r
	r.flow.lock()
	defer r.flow.unlock()
	switch {
	case it.stopped:
		r.find(inside, "R22", "the body went on after yield had returned false")
		return false
	case it.isOver:
		r.find(inside, "R22", "yield was called after the iteration had ended")
		return false
	case err != nil:
		it.failed, r.err = true, nil // an error of start is passed on, too
		r.flow.bodyFails(r, err)
		return true
	}
	it.blocks++
	it.bytes += int64(len(block))
	if len(block) == 0 { // allowed before start, since it sends nothing (R76)
		return true
	}
	tooLong := "R85"
	if it.b.keeps && !it.b.isLimited {
		tooLong = "" // R137: the body stops at a limit, and the server has set none
	}
	r.checkBlock(block, tooLong)
	switch {
	case !r.started:
		r.find(inside, "R23", "a block came before start was called")
	case r.err != nil:
		r.findSwallowed(r.place(inside))
	case r.head != nil:
		r.sent = true
	}
	return true
}

// hand calls the server's yield.
func (it *iteration) hand(block []byte, err error) bool {
	r := it.b.r
	r.leave() // meanwhile a server of one thread may take another request on
	defer r.enter()

	r.flow.lock()
	steps := r.flow.stepBegins(r)
	r.flow.unlock()
	goOn := it.yield(block, err)
	r.flow.lock()
	defer r.flow.unlock()
	if !goOn {
		it.stopped = true
	} else if err == nil {
		r.flow.stepEnds(r, steps, it.yield)
	}
	return goOn
}

// checkEnd checks a response whose body has returned from its iteration. flow.mu is held.
func (it *iteration) checkEnd() {
	r := it.b.r
	place := placeOf(r.lint.app)
	swallowed := r.err != nil
	if swallowed {
		r.findSwallowed(place)
	}
	if it.stopped || it.failed {
		return
	}
	r.flow.bodyEnds(r, swallowed)
	if !r.started {
		r.findAt(place, inside, "R23", "the body ended, and start was not called")
	}
	if h := r.head; h != nil && h.length > r.bytes && !r.isHEAD && !h.isBodiless() && !swallowed {
		r.findAt(place, inside, "R87", "Content-Length is %d, and there were %d bytes", h.length, r.bytes)
	}
	said := it.b.said
	if it.b.isLimited {
		said.Bytes = -1
	}
	if said.Blocks >= 0 && said.Blocks != it.blocks || said.Bytes >= 0 && said.Bytes != it.bytes {
		r.findAt(place, inside, "R20", "the body said %d blocks, %d bytes (-1 is unknown), and had %d, %d",
			said.Blocks, said.Bytes, it.blocks, it.bytes)
	}
}
