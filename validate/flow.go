package validate

import (
	"bytes"
	"slices"
	"sync"
	"unsafe"

	"example.com/gateway"
)

// A flowKey is the key of a flow in a Context: one for each middleware under the lint.
type flowKey struct{ _ byte }

// A flow is one request on its way through a middleware, and what the two halves of the lint know together. A nil flow is
// that of a request with no middleware.
type flow struct {
	outer *request

	mu       sync.Mutex
	found    []fault    // by either half: what is passed on is not reported again
	calls    int        // of the inner application
	open     []*request // inner ones whose body waits for its Close
	returned bool       // the outer Call has
	early    string     // place where an inner body was ranged before that
	blocks   int        // of inner bodies
	passed   int        // steps of the outer body
	kept     int        // inner blocks for which the outer body made no step
	keptBy   string     // place
	writing  int        // inner writers in use

	old    [][]byte // inner blocks that were overwritten, the last maxOld
	poison bool     // an inner block has the byte that they were overwritten with

	starting int   // inner starts that are going on
	shared   bool  // the response is the inner one: its start was handed on
	startErr error // the last error of the outer start
	handled  bool  // the middleware has answered an inner cause with an error of its own (R112)
	failed   error // of the inner application, until it comes out or another response replaces this one
}

func (f *flow) once(fault fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.found, fault) {
		return false
	}
	f.found = append(f.found, fault)
	return true
}

// callReturned follows the return of a Call.
func (f *flow) callReturned(r *request, body gateway.Body, err error) {
	if f == nil {
		return
	}
	f.mu.Lock()
	early := ""
	if r.lint.inner {
		f.calls++
		if body != nil {
			f.open = append(f.open, r)
		}
		if err != nil {
			f.failed = err
		}
	} else {
		f.returned = true
		if err != nil {
			f.failed = nil
		}
		if f.calls == 1 && err == nil && body != nil { // with several, one may be for the middleware's own use
			early = f.early
		}
	}
	f.mu.Unlock()
	if early != "" {
		f.outer.findAt(inside, "R96", "the inner body was ranged before Call had returned", early)
	}
}

// begin follows the beginning of an iteration.
func (f *flow) begin(r *request) {
	if f == nil || !r.lint.inner {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.returned && f.early == "" {
		if f.early = caller(outside); f.early == "" {
			f.early = placeOf(f.outer.lint.app)
		}
	}
}

// arrive follows a block on its way out, and returns how many steps the outer body has made so far.
func (f *flow) arrive(r *request) (passed int) {
	if f == nil {
		return 0
	}
	f.mu.Lock()
	if r.lint.inner {
		f.blocks++
		passed = f.passed
		f.mu.Unlock()
		return passed
	}
	f.passed++
	keptBack := f.kept > 0 && f.calls == 1
	f.kept = 0
	place := f.keptBy
	f.mu.Unlock()
	if keptBack {
		r.findAt(inside, "R94", "an inner block was kept back while the next was asked for, and no block was yielded", place)
	}
	return 0
}

// moveOn follows the return of a yield: the next block is asked for, or none.
func (f *flow) moveOn(r *request, arrived int, going bool, yield func([]byte, error) bool) {
	if f == nil || !r.lint.inner || !going {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.returned && f.passed == arrived {
		if f.kept == 0 {
			f.keptBy = placeOf(yield)
		}
		f.kept++
	}
}

// start follows the beginning of a call of start; what it returns, its end.
func (f *flow) start(r *request) (done func(cause, err error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.lint.inner {
		f.starting++
		return func(cause, err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.starting--
			f.handled = f.handled || cause != nil && err != nil && (f.startErr == nil || !holds(err, f.startErr))
		}
	}
	shared := f.starting > 0
	return func(_, err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.startErr = err; err == nil {
			f.shared, f.failed = shared, nil
		}
	}
}

// fail follows an error of a body.
func (f *flow) fail(r *request, err error) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed = nil; r.lint.inner {
		f.failed = err
	}
}

// finished follows the end of an iteration that nothing has cut short. An error of start that was swallowed is reported already.
func (f *flow) finished(r *request, swallowed bool) {
	if f == nil || r.lint.inner {
		return
	}
	f.mu.Lock()
	lost := f.kept > 0 && f.calls == 1
	place := f.keptBy
	failed := f.failed
	if f.calls != 1 || !f.shared || f.handled || swallowed {
		failed = nil // what middleware asks for its own use, or puts into a response of its own, may fail
	}
	f.mu.Unlock()
	if failed != nil {
		r.findAt(inside, "D2", "the inner application failed with "+textOf(failed)+", and the response ended as if it had not", placeOf(r.lint.app))
	}
	if lost {
		r.findAt(inside, "R95", "an inner block came, and no block was yielded for it", place)
	}
}

// maxOld bounds the memory of inner blocks. It must not be used again while a block that shares it is taken for a kept one.
const maxOld, maxOldBytes = 16, 1 << 20

// overwritten follows the end of the step of an inner block, given, which had what block has.
func (f *flow) overwritten(r *request, given, block []byte) {
	if f == nil || !r.lint.inner {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.poison = f.poison || bytes.IndexByte(block, poisonByte) >= 0
	f.old = append(f.old, given)
	size := 0
	for i := len(f.old) - 1; i >= 0; i-- {
		if size += len(f.old[i]); i < len(f.old)-1 && (size > maxOldBytes || len(f.old)-i > maxOld) {
			f.old = slices.Delete(f.old, 0, i+1)
			break
		}
	}
}

// checkKept finds an inner block that was kept past its step, in what comes out.
func (f *flow) checkKept(r *request, block []byte) {
	if f == nil || r.lint.inner || len(block) == 0 {
		return
	}
	f.mu.Lock()
	kept := slices.ContainsFunc(f.old, func(old []byte) bool { return shares(block, old) || !f.poison && hasCopy(block, len(old)) })
	f.mu.Unlock()
	if kept {
		r.find(inside, "D8", "an inner block was kept, and sent when the inner body had moved on")
	}
}

// shares reports that a block has memory of another.
func shares(block, old []byte) bool {
	a, b := uintptr(unsafe.Pointer(unsafe.SliceData(block))), uintptr(unsafe.Pointer(unsafe.SliceData(old)))
	return a < b+uintptr(len(old)) && b < a+uintptr(len(block))
}

// hasCopy reports that a block has a copy of what an overwritten one of size bytes has, as it would not by chance.
func hasCopy(block []byte, size int) bool {
	switch {
	case size >= len(poisoned):
		return bytes.Contains(block, poisoned[:])
	case size >= len(poisoned)/2:
		return bytes.HasPrefix(block, poisoned[:size])
	}
	return false
}

// write follows a use of a writer; what it returns, the end of that.
func (f *flow) write(r *request) (done func()) {
	if f == nil {
		return func() {}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.lint.inner {
		f.writing++
		return func() {
			f.mu.Lock()
			f.writing--
			f.mu.Unlock()
		}
	}
	if f.blocks > 0 && f.writing == 0 && f.calls <= 1 {
		return func() { r.find(inside, "R97", "the outer writer was used after the inner body had yielded") }
	}
	return func() {}
}

// end follows the end of a response.
func (f *flow) end(r *request) {
	if f == nil {
		return
	}
	f.mu.Lock()
	var open []*request
	if r.lint.inner {
		f.open = slices.DeleteFunc(f.open, func(other *request) bool { return other == r })
	} else {
		open, f.open = f.open, nil
	}
	f.mu.Unlock()
	for _, inner := range open {
		inner.findAt(outside, "R21", "the response is over, and the inner body was not closed", placeOf(f.outer.lint.app))
	}
}
