package validate

import (
	"context"
	"errors"
	"io"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"example.com/gateway"
	"example.com/gateway/internal/sized"
)

// A phase is how far a request has come, as the lint sees it.
type phase uint8

const (
	calling  phase = iota // Call runs
	returned              // Call has returned a body
	over                  // Close was called, or there was nothing to close
)

// A request is one request under the lint. It knows nothing of others: one that is kept and used later is found out.
//
// Nobody else is called while mu is held.
type request struct {
	lint     *lint
	env      gateway.Environ // the application's, with Input and Errors of the lint
	in       io.Reader       // the server's Input
	errors   io.Writer       // the server's Errors
	start    gateway.StartResponse
	flow     *flow // through the middleware that this is one half of; or nil
	head     bool  // the method is HEAD
	alone    bool  // the server says that it is not Multithread
	thorough bool  // what costs much is done: a fault of a server or middleware is one of many requests

	phase   atomic.Uint32 // a phase
	refused atomic.Bool   // start has returned an error

	mu      sync.Mutex
	found   *[]fault // what was reported
	seen    response
	input   reading
	stopped bool // yield has returned false
	failed  bool // the body has yielded an error
	blocked bool // Blocks was called
	limited bool // it was told of the Content-Length
	ranging bool // the body is being ranged
	ranged  bool // and was, or is
	closed  bool // Close was called
	seq     iter.Seq2[[]byte, error]
	next    func([]byte, error) bool // the server's yield
	w       io.Writer                // of the first start
	result  gateway.Body             // the application's
	size    sized.Size               // what it said of itself
	scratch [1][2]string             // the list of a first start, if it fits
	block   [16]byte                 // the server's copy of the first block, if it fits
}

// A fault is what is reported once a request.
type fault struct {
	way  way
	rule string
}

// A response is what the application has made of its response so far.
type response struct {
	started  bool  // start was called, whatever came of it
	stated   *good // and succeeded with this head
	sent     bool  // the head has left
	wrote    bool  // the writer was used
	hadCause bool  // the last start that failed had a cause
	err      error // of that, until it is handed on
	bytes    int64
	blocks   int
	given    gateway.Headers // the list that the server got: that of stated
}

// Call implements gateway.Application.
func (l *lint) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if env == nil || start == nil { // there is nothing to call the application with
		return nil, l.refuse(l.finding(outside, "R12", "Call was given a nil Environ or a nil start", caller(outside)))
	}
	if l.missing != "" {
		return nil, l.refuse(l.finding(inside, "R1", l.missing, l.place))
	}
	r := new(request) // field by field: a literal of this size is built twice
	r.lint, r.env, r.in, r.errors, r.start = l, *env, env.Input, env.Errors, start
	r.alone = !env.Multithread // the application may change its own
	n := l.requests.Add(1)
	r.thorough = l.inner || n <= 100 || n%256 == 0
	r.join()
	for _, f := range l.late.take() {
		r.log(f)
	}
	r.checkEnviron()
	r.wrapStreams()
	result, err := r.call()
	if result == nil {
		return nil, err
	}
	r.result, r.size = result, sized.Unknown
	if r.mayLeak() {
		return watch(r), err
	}
	return (*body)(r), err
}

// refuse reports why a call comes to nothing, and returns it: the server has that in its log.
func (l *lint) refuse(f Finding) error {
	if l.report != nil {
		l.report(f)
	}
	return errors.New("validate: " + f.String())
}

// call calls the application.
func (r *request) call() (body gateway.Body, err error) {
	hasReturned := false
	if r.alone {
		r.enter()
		defer r.leave()
	}
	defer func() {
		if !hasReturned { // it panics, or ends its goroutine
			r.end()
		}
	}()
	body, err = r.lint.app.Call(&r.env, r.startResponse)
	hasReturned = true

	r.phase.Store(uint32(returned))
	if err == nil && r.refused.Load() {
		r.mu.Lock()
		swallowed := r.seen.err != nil
		r.mu.Unlock()
		if swallowed {
			r.swallowed(placeOf(r.lint.app))
		}
	}
	if body == nil && err == nil {
		rule := "R15"
		r.mu.Lock()
		if r.seen.wrote {
			rule = "R100"
		}
		r.mu.Unlock()
		r.findAt(inside, rule, "Call returned neither a Body nor an error", placeOf(r.lint.app))
	}
	r.flow.callReturned(r, body, err)
	if body == nil {
		r.end()
	}
	return body, err
}

// end is the end of the response, as far as the lint can see it.
func (r *request) end() {
	r.phase.Store(uint32(over))
	r.flow.end(r)
}

func (r *request) isOver() bool { return r.phase.Load() == uint32(over) }

// enter and leave are around all that runs code of the application for a request that is not Multithread.
func (r *request) enter() {
	// A single-threaded server may well have several requests under way, in turn. And an application that calls an
	// application, this one even, is one thread.
	if r.lint.running.Add(1) > 1 && !nested() {
		r.find(outside, "R49", "Multithread is false, and the application is called while it runs in another goroutine")
	}
}

func (r *request) leave() { r.lint.running.Add(-1) }

// startResponse is the start that the application gets.
func (r *request) startResponse(status string, headers gateway.Headers, cause error) (io.Writer, error) {
	isOver := r.isOver()
	r.mu.Lock()
	again, sent := r.seen.started, r.seen.sent
	r.seen.started = true
	r.mu.Unlock()

	switch {
	case isOver:
		r.find(inside, "R24", "start was called after the response was over")
	case again && cause == nil:
		r.find(inside, "R82", "start was called a second time, without a cause")
	}
	var stated *good
	refusable := ""
	if isOver || again && cause == nil {
		stated = &good{headers: slices.Clone(headers)}
	} else {
		stated, refusable = r.knownHead(status, headers)
	}

	// The server gets a list of its own, so that who has changed it is known.
	var given gateway.Headers
	if n := len(headers); again || n > len(r.scratch) {
		given = slices.Clone(headers)
	} else if headers != nil {
		given = append(r.scratch[:0:n], headers...)
	}
	var w io.Writer
	var err error
	if r.flow == nil {
		w, err = r.start(status, given, cause)
	} else {
		done := r.flow.start(r)
		w, err = r.start(status, given, cause)
		done(cause, err)
	}
	if !slices.Equal(given, stated.headers) {
		r.find(outside, "R67", "start has changed the list that it was given")
		given, stated = nil, &good{head: stated.head}
	}
	if w == nil {
		r.find(outside, "R14", "start returned a nil writer")
	}
	if !r.lint.inner && err == nil && !isOver { // what middleware does with an inner start is its own business (R112)
		switch {
		case again && cause == nil:
			r.find(outside, "R83", "start took a second call without a cause")
		case refusable != "":
			r.find(outside, refusable, "start took the status "+quote(status)+" with the headers "+quoteAll(headers))
		}
	}
	if !r.lint.inner && sent && cause != nil && !isOver && !holds(err, cause) {
		r.find(outside, "R80", "the head was sent, and start returned "+textOf(err)+" for the cause "+textOf(cause))
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.seen
	switch {
	case err != nil:
		s.err, s.hadCause = err, cause != nil
		r.refused.Store(true)
	case !again || cause != nil:
		s.stated, s.given = stated, given
		s.err = nil // R79: what the first call did wrong went with its response
	}
	if w == nil {
		return nil, err
	}
	if !again {
		r.w = w
		return (*writer)(r), err
	}
	return &laterWriter{r, w}, err
}

// holds reports that err wraps cause, as far as can be told of a cause that does not compare.
func holds(err, cause error) bool {
	if !reflect.ValueOf(cause).Comparable() {
		return err != nil
	}
	return errors.Is(err, cause)
}

// swallowed reports an error of start that the application did not hand on.
func (r *request) swallowed(place string) {
	r.mu.Lock()
	err, hadCause := r.seen.err, r.seen.hadCause
	r.seen.err = nil
	r.mu.Unlock()
	rule := "R113"
	if hadCause {
		rule = "R81"
	}
	r.findAt(inside, rule, "start returned "+textOf(err)+", and the application went on as if it had not", place)
}

// A writer is the writer that the application gets from its first start, a laterWriter that from another.
type writer request

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) { return (*request)(w).write(w.w, p) }

type laterWriter struct {
	r *request
	w io.Writer
}

// Write implements io.Writer.
func (w *laterWriter) Write(p []byte) (int, error) { return w.r.write(w.w, p) }

// write writes to the server's writer.
func (r *request) write(w io.Writer, p []byte) (int, error) {
	inTime := r.phase.Load() == uint32(calling)
	if !inTime {
		r.find(inside, "R102", "the writer was used after Call had returned")
	} else {
		r.mu.Lock()
		wrong := r.seen.add(p, r.head)
		r.mu.Unlock()
		if wrong {
			r.checkContent("R86")
		}
		r.flow.checkKept(r, p)
	}
	if r.flow != nil {
		defer r.flow.write(r)()
	}
	given := append(make([]byte, 0, len(p)), p...)
	n, err := w.Write(given)
	if string(given) != string(p) {
		r.find(outside, "D8", "the writer has changed what it was given")
	}
	poison(given)
	switch {
	case n < 0 || n > len(p):
		r.find(outside, "R99", "the writer returned "+strconv.Itoa(n)+" for "+strconv.Itoa(len(p))+" bytes")
	case n < len(p) && err == nil:
		r.find(outside, "R99", "the writer took "+strconv.Itoa(n)+" of "+strconv.Itoa(len(p))+" bytes and returned no error")
	}
	if err == nil && inTime {
		r.mu.Lock()
		r.seen.sent, r.seen.wrote = true, true
		r.mu.Unlock()
	}
	return n, err
}

// add counts a block, or what was written, and reports whether something is wrong with it.
func (s *response) add(p []byte, isHead bool) bool {
	s.bytes += int64(len(p))
	if s.stated == nil || s.err != nil || len(p) == 0 || isHead {
		return false
	}
	h := &s.stated.head
	return h.bodiless() || !h.hasType || h.length >= 0 && s.bytes > h.length
}

// checkContent says what is wrong with a block. tooLong is the rule for one that passes the length.
func (r *request) checkContent(tooLong string) {
	r.mu.Lock()
	s := r.seen
	_, lawful := r.result.(sized.Limited) // R137: a server that knows nothing of the limit has to cut
	lawful = lawful && !r.limited
	r.mu.Unlock()
	h := s.stated.head
	if h.bodiless() {
		r.find(inside, "D1", "a body with a status of "+strconv.Itoa(int(h.code)))
		return
	}
	if !h.hasType {
		r.find(inside, "C48", "a body without a Content-Type")
	}
	if h.length >= 0 && s.bytes > h.length && !lawful {
		r.find(inside, tooLong, "Content-Length is "+strconv.FormatInt(h.length, 10)+", and there are at least "+
			strconv.FormatInt(s.bytes, 10)+" bytes")
	}
}

// find reports that a side has broken a rule, by a call that is still going on.
func (r *request) find(w way, rule, seen string) {
	if !r.once(w, rule) {
		return
	}
	place := caller(w)
	switch {
	case place != "":
	case w == inside:
		place = placeOf(r.lint.app)
	case r.lint.inner && r.flow != nil:
		place = placeOf(r.flow.outer.lint.app)
	}
	r.report(r.lint.finding(w, rule, seen, place))
}

// findAt reports that a side has broken a rule at a place.
func (r *request) findAt(w way, rule, seen, place string) {
	if r.once(w, rule) {
		r.report(r.lint.finding(w, rule, seen, place))
	}
}

// once reports that the rule was not reported yet for this side, nor for one from which it came here.
func (r *request) once(w way, rule string) bool {
	f := fault{w, rule}
	if r.flow != nil {
		return r.flow.once(f)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found == nil {
		r.found = new([]fault)
	}
	if slices.Contains(*r.found, f) {
		return false
	}
	*r.found = append(*r.found, f)
	return true
}

func (r *request) report(f Finding) {
	if r.lint.report != nil {
		r.lint.report(f)
		return
	}
	if r.isOver() { // and the log with it, for what the lint knows
		r.lint.late.add(f)
		return
	}
	r.log(f)
}

func (r *request) log(f Finding) {
	if r.errors != nil {
		// R47: errors of the log are nobody's business.
		_, _ = io.WriteString(r.errors, "validate: "+f.String()+"\n")
	}
}

// join gives the two halves of a middleware's request one flow. It travels with the Context, since a middleware may
// change all else of an Environ.
func (r *request) join() {
	switch l := r.lint; {
	case l.flow == nil:
	case l.inner:
		r.flow, _ = r.env.Context().Value(l.flow).(*flow)
	default:
		r.flow = &flow{outer: r}
		r.env = *r.env.WithContext(context.WithValue(r.env.Context(), l.flow, r.flow))
	}
}
