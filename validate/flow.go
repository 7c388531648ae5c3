package validate

import (
	"bytes"
	"slices"
	"sync"
	"unsafe"

	"example.com/gateway"
)

// A flow is a request on its way through the lint. The two halves of the lint around a middleware
// share the flow, since some mistakes show only when both are compared. Around an application there
// is only one half, which counts as the outer one.
//
// mu guards the flow and the requests, bodies and streams on it. While the lint holds mu it runs no
// code of others but the methods of errors: findings wait in pending. Each method below unlock is
// called with mu held, and by both halves: it notes an event, and reports a mistake that the event
// shows.
type flow struct {
	mu      sync.Mutex
	pending []func() // the reports of findings, which unlock makes
	found   []fault  // by either half

	// What the outer half has seen: the middleware's response.
	hasReturned bool  // Call has returned
	steps       int   // how many blocks, empty or not, and errors the body has yielded
	startErr    error // the error of the last call of start
	isInnerHead bool  // start took a head that the middleware passed on from an inner call of start

	// What the inner half has seen: the application's responses.
	calls     int        // how often Call has returned
	open      []*request // the requests whose bodies are still to be closed
	ranged    string     // the place that ranged a body before the outer Call had returned
	yielded   bool       // a body has yielded
	withheld  string     // the place that asked for another block, and had yielded nothing for the one before
	writing   int        // how many calls of writers are going on
	starting  int        // how many calls of start are going on
	answered  bool       // the middleware has answered a start that had a cause with an error of its own (R112)
	failure   error      // of the application, until the middleware passes it on or starts another response
	old       [][]byte   // the last blocks that were overwritten, at most maxOld
	hasFiller bool       // one of the bodies has itself yielded the byte that blocks are overwritten with
}

// A fault is a kind of finding that the lint reports once for each request.
type fault struct {
	way  way
	rule string
}

func (f *flow) lock() { f.mu.Lock() }

// unlock unlocks mu, and then makes the reports that wait.
func (f *flow) unlock() {
	waiting := f.pending
	f.pending = nil
	f.mu.Unlock()
	for _, report := range waiting {
		report()
	}
}

// callReturned notes the return of Call.
func (f *flow) callReturned(r *request, body gateway.Body, err error) {
	if r.isInner() {
		f.calls++
		if body != nil {
			f.open = append(f.open, r)
		}
		if err != nil {
			f.failure = err
		}
		return
	}
	f.hasReturned = true
	if err != nil {
		f.failure = nil
	}
	if f.ranged != "" && f.calls == 1 && body != nil && err == nil {
		r.findAt(f.ranged, inside, "R96", "the inner body was ranged before Call had returned")
	}
}

// startBegins notes a call of start. isInnerHead tells whether the call is made within an inner
// call of start.
func (f *flow) startBegins(r *request) (isInnerHead bool) {
	if r.isInner() {
		f.starting++
	}
	return f.starting > 0
}

// startEnds notes the return of start.
func (f *flow) startEnds(r *request, isInnerHead bool, cause, err error) {
	if r.isInner() {
		f.starting--
		if cause != nil && err != nil && (f.startErr == nil || !holds(err, f.startErr)) {
			f.answered = true
		}
		return
	}
	f.startErr = err
	if err == nil {
		f.isInnerHead, f.failure = isInnerHead, nil
	}
}

// writeBegins notes a call of a writer.
func (f *flow) writeBegins(r *request) {
	if r.isInner() {
		f.writing++
	} else if f.yielded && f.writing == 0 && f.calls <= 1 {
		r.find(inside, "R97", "the outer writer was used after the inner body had yielded")
	}
}

// writeEnds notes the return of a writer.
func (f *flow) writeEnds(r *request) {
	if r.isInner() {
		f.writing--
	}
}

// iterationBegins notes the beginning of a range over a body.
func (f *flow) iterationBegins(r *request) {
	if r.isInner() && !f.hasReturned && f.ranged == "" {
		f.ranged = r.place(outside)
	}
}

// stepBegins notes a block or an error on its way out. It returns how many the outer body has
// yielded so far.
func (f *flow) stepBegins(r *request) (steps int) {
	if r.isInner() {
		f.yielded = true
		return f.steps
	}
	f.steps++
	if f.withheld != "" && f.calls == 1 {
		r.findAt(f.withheld, inside, "R94",
			"an inner block was kept back while the next was asked for, and no block was yielded")
	}
	f.withheld = ""
	return f.steps
}

// stepEnds notes the return of a yield that has taken a block and asks for the next. steps is what
// stepBegins returned for the block.
func (f *flow) stepEnds(r *request, steps int, yield func([]byte, error) bool) {
	if r.isInner() && f.hasReturned && f.steps == steps && f.withheld == "" {
		f.withheld = placeOf(yield)
	}
}

// bodyFails notes an error that a body yields.
func (f *flow) bodyFails(r *request, err error) {
	f.failure = nil
	if r.isInner() {
		f.failure = err
	}
}

// bodyEnds notes the end of a body that has yielded everything, and no error. An error of start
// that was swallowed is reported already.
func (f *flow) bodyEnds(r *request, swallowed bool) {
	if r.isInner() || f.calls != 1 {
		return
	}
	// With a head of its own, a middleware may include an inner response that fails.
	if f.failure != nil && f.isInnerHead && !f.answered && !swallowed {
		r.findAt(placeOf(r.lint.app), inside, "D2",
			"the inner application failed with %s, and the response ended as if it had not", textOf(f.failure))
	}
	if f.withheld != "" {
		r.findAt(f.withheld, inside, "R95", "an inner block came, and no block was yielded for it")
	}
}

// end notes the end of a response.
func (f *flow) end(r *request) {
	if r.isInner() {
		f.open = slices.DeleteFunc(f.open, func(other *request) bool { return other == r })
		return
	}
	for _, inner := range f.open {
		inner.findAt(placeOf(r.lint.app), outside, "R21", "the response is over, and the inner body was not closed")
	}
	f.open = nil
}

// filler is the byte that blocks are overwritten with when the body moves on.
const filler = 0xDB

// overwrite makes garbage of a block, which shows in the response of a server that has kept the
// block.
func overwrite(block []byte) {
	for i := range block {
		block[i] = filler
	}
}

// maxOld bounds how many overwritten blocks the lint keeps. It keeps them so that no new block gets
// their memory: shareMemory would take the new block for the old one.
const maxOld = 16

// blockEnds notes the end of the step of a block. given is the copy that was overwritten.
func (f *flow) blockEnds(r *request, given, block []byte) {
	if !r.isInner() {
		return
	}
	f.hasFiller = f.hasFiller || bytes.IndexByte(block, filler) >= 0
	f.old = append(f.old, given)
	if len(f.old) > maxOld {
		f.old = slices.Delete(f.old, 0, 1)
	}
}

// checkKept looks in a block of the middleware for an inner block that was kept past its step.
func (f *flow) checkKept(r *request, block []byte) {
	if r.isInner() || len(block) == 0 {
		return
	}
	for _, old := range f.old {
		if shareMemory(block, old) || !f.hasFiller && hasCopy(block, len(old)) {
			r.find(inside, "D8", "an inner block was kept, and sent when the inner body had moved on")
			return
		}
	}
}

func shareMemory(a, b []byte) bool {
	pa, pb := uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return pa < pb+uintptr(len(b)) && pb < pa+uintptr(len(a))
}

// hasCopy reports whether block has a copy of an overwritten block of size bytes. A block may have
// a few fillers by chance, when a middleware compresses or encrypts.
func hasCopy(block []byte, size int) bool {
	row := bytes.Repeat([]byte{filler}, 8)
	switch {
	case size >= 8:
		return bytes.Contains(block, row)
	case size >= 4:
		return bytes.HasPrefix(block, row[:size])
	}
	return false
}
