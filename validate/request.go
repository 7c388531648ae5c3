package validate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// A phase is how far a request has come.
type phase uint8

const (
	calling  phase = iota // Call runs
	returned              // Call has returned a body
	over                  // the body was closed, or Call returned none
)

// A request is one Call of a lint, up to the Close of its body. No request is used for a second
// Call: the lint notices when an application uses a start, a writer or an Input that it has kept
// from an earlier one.
type request struct {
	// Set by newRequest, and read only.
	lint   *lint
	flow   *flow
	start  gateway.StartResponse // the server's
	log    io.Writer             // the server's Errors; may be nil
	isHEAD bool
	alone  bool // Multithread is false: no other request may run the application at the same time

	env *gateway.Environ // what the application gets; it may change the fields

	// Guarded by flow.mu.
	phase   phase
	started bool            // start was called, and may have failed
	head    *head           // of the last start that succeeded; nil if there was none
	given   gateway.Headers // the list that the server got with that head
	headers gateway.Headers // a copy of given, to see whether the server changes the list
	sent    bool            // the server has sent the head
	err     error           // of the last start that failed, until the application passes the error on
	errRule string          // the rule that an application breaks if it does not pass err on
	bytes   int64           // how many were written and yielded
}

func (l *lint) newRequest(env *gateway.Environ, start gateway.StartResponse) *request {
	r := &request{lint: l, start: start, log: env.Errors, isHEAD: env.Vars["REQUEST_METHOD"] == "HEAD"}
	// Requests that belong together have one Context. Middleware may change all else of an Environ.
	ctx := env.Context()
	r.env = env.WithContext(context.WithValue(ctx, l, r))
	r.flow = new(flow)
	if r.isInner() {
		if outer, ok := ctx.Value(l.outer).(*request); ok {
			r.flow = outer.flow
		}
	}
	isNested := ctx.Value(l) != nil // an application that calls itself is no fault of the server
	r.alone = !env.Multithread && !isNested

	for _, f := range l.late.take() {
		l.send(f, r.log)
	}
	r.flow.lock()
	defer r.flow.unlock()
	r.checkEnviron(env)
	r.wrapStreams(env)
	return r
}

// isInner reports whether this is a request of the inner half of the lint around a middleware.
func (r *request) isInner() bool { return r.lint.outer != nil }

// call calls the application, and checks what it returns.
func (r *request) call() (body gateway.Body, err error) {
	r.enter()
	defer r.leave()
	hasReturned := false
	defer func() { // also if the application panics or ends its goroutine
		r.flow.lock()
		defer r.flow.unlock()
		if hasReturned {
			r.checkReturn(body, err)
		}
		if body == nil {
			r.end()
		}
	}()
	body, err = r.lint.app.Call(r.env, r.startResponse)
	hasReturned = true
	return body, err
}

// checkReturn checks the results of Call. flow.mu is held.
func (r *request) checkReturn(body gateway.Body, err error) {
	r.phase = returned
	place := placeOf(r.lint.app)
	if err == nil && r.err != nil {
		r.findSwallowed(place)
	}
	if body == nil && err == nil {
		rule := "R15"
		if r.sent { // by the writer
			rule = "R100"
		}
		r.findAt(place, inside, rule, "Call returned neither a Body nor an error")
	}
	r.flow.callReturned(r, body, err)
}

// end marks the end of the response. flow.mu is held.
func (r *request) end() {
	r.phase = over
	r.flow.end(r)
}

// enter is called before code of the application runs, leave afterwards.
func (r *request) enter() {
	if r.alone && r.lint.running.Add(1) > 1 {
		r.flow.lock()
		defer r.flow.unlock()
		r.find(outside, "R49", "Multithread is false, and the application is called while it runs in another goroutine")
	}
}

func (r *request) leave() {
	if r.alone {
		r.lint.running.Add(-1)
	}
}

// startResponse is the start that the application gets.
func (r *request) startResponse(status string, headers gateway.Headers, cause error) (io.Writer, error) {
	r.flow.lock()
	again, isSent, isOver := r.started, r.sent, r.phase == over
	r.started = true
	h := head{length: -1}
	refusal := "" // the rule by which the server must refuse the head
	switch {
	case isOver:
		r.find(inside, "R24", "start was called after the response was over")
	case again && cause == nil:
		r.find(inside, "R82", "start was called a second time, without a cause")
	default:
		h, refusal = r.checkHead(status, headers)
	}
	isInnerHead := r.flow.startBegins(r)
	r.flow.unlock()

	given, was := slices.Clone(headers), slices.Clone(headers)
	w, err := r.start(status, given, cause)

	r.flow.lock()
	defer r.flow.unlock()
	r.flow.startEnds(r, isInnerHead, cause, err)
	if !slices.Equal(given, was) {
		r.find(outside, "R67", "start has changed the list that it was given")
	}
	if w == nil {
		r.find(outside, "R14", "start returned a nil writer")
	}
	if !r.isInner() && !isOver { // middleware may do with an inner start as it likes (R112)
		switch {
		case err == nil && again && cause == nil:
			r.find(outside, "R83", "start took a second call without a cause")
		case err == nil && refusal != "":
			r.find(outside, refusal, "start took the status %s with the headers %s",
				header.Quote(status), header.Quote(fmt.Sprint(headers)))
		}
		if isSent && cause != nil && !holds(err, cause) {
			r.find(outside, "R80", "the head was sent, and start returned %s for the cause %s", textOf(err), textOf(cause))
		}
	}
	switch {
	case err != nil && cause != nil:
		r.err, r.errRule = err, "R81"
	case err != nil:
		r.err, r.errRule = err, "R113"
	case !again || cause != nil:
		r.head, r.given, r.headers = &h, given, was
		r.err = nil // R79: the faults of the first call went with its response
	}
	if w == nil {
		return nil, err
	}
	return &writer{r, w}, err
}

// holds reports whether err wraps cause. If the type of cause cannot be compared, any error will
// do.
func holds(err, cause error) bool {
	if !reflect.ValueOf(cause).Comparable() {
		return err != nil
	}
	return errors.Is(err, cause)
}

// findSwallowed reports an error of start that the application did not pass on. flow.mu is held.
func (r *request) findSwallowed(place string) {
	r.findAt(place, inside, r.errRule, "start returned %s, and the application went on as if it had not", textOf(r.err))
	r.err = nil
}

// A writer is the writer that the application gets from start.
type writer struct {
	r *request
	w io.Writer // the server's
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	r := w.r
	r.flow.lock()
	inTime := r.phase == calling
	if inTime {
		r.checkBlock(p, "R86")
	} else {
		r.find(inside, "R102", "the writer was used after Call had returned")
	}
	r.flow.writeBegins(r)
	r.flow.unlock()

	given := copyOf(p)
	n, err := w.w.Write(given)

	r.flow.lock()
	defer r.flow.unlock()
	r.flow.writeEnds(r)
	if !bytes.Equal(given, p) {
		r.find(outside, "D8", "the writer has changed what it was given")
	}
	overwrite(given)
	switch {
	case n < 0 || n > len(p):
		r.find(outside, "R99", "the writer returned %d for %d bytes", n, len(p))
	case n < len(p) && err == nil:
		r.find(outside, "R99", "the writer took %d of %d bytes and returned no error", n, len(p))
	}
	if err == nil && inTime {
		r.sent = true
	}
	return n, err
}

// checkBlock checks a block that the application yields or writes. tooLong is the rule that a block
// beyond the Content-Length breaks, or "" if it breaks none. flow.mu is held.
func (r *request) checkBlock(block []byte, tooLong string) {
	r.flow.checkKept(r, block)
	r.bytes += int64(len(block))
	if len(block) == 0 || r.head == nil || r.err != nil || r.isHEAD {
		return
	}
	if r.head.isBodiless() {
		r.find(inside, "D1", "a body with a status of %d", r.head.code)
		return
	}
	if !r.head.hasType {
		r.find(inside, "C48", "a body without a Content-Type")
	}
	if length := r.head.length; length >= 0 && r.bytes > length && tooLong != "" {
		r.find(inside, tooLong, "Content-Length is %d, and there are at least %d bytes", length, r.bytes)
	}
}

// copyOf returns a copy of a block, without capacity for more.
func copyOf(block []byte) []byte { return slices.Clip(bytes.Clone(block)) }

// find reports that a side has broken a rule, by a call that is still going on. seen is a format of
// package fmt, which says what the lint saw. flow.mu is held.
func (r *request) find(w way, rule, seen string, args ...any) {
	r.findAt(r.place(w), w, rule, seen, args...)
}

// place returns the place of the call that is going on. If that cannot be told, it returns the
// place of the application or middleware to blame, or "" for a server.
func (r *request) place(w way) string {
	place := caller(w)
	switch {
	case place != "":
		return place
	case w == inside:
		return placeOf(r.lint.app)
	case r.isInner():
		return placeOf(r.lint.outer.app)
	}
	return ""
}

// findAt is find with a place. It reports nothing if the side from which the fault comes has broken
// the same rule before, in either half: a middleware is not to blame for a fault that it passes on.
// flow.mu is held.
func (r *request) findAt(place string, w way, rule, seen string, args ...any) {
	f := r.flow
	if slices.Contains(f.found, fault{w, rule}) {
		return
	}
	f.found = append(f.found, fault{w, rule})
	finding := r.lint.finding(w, rule, fmt.Sprintf(seen, args...), place)
	log := r.log
	if r.phase == over { // the server may have closed it
		log = nil
	}
	f.pending = append(f.pending, func() { r.lint.send(finding, log) })
}

// textOf returns the text of an error in a finding.
func textOf(err error) string {
	if err == nil {
		return "no error"
	}
	return header.Quote(err.Error())
}
