package gateway

import (
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"

	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/internal/sized"
)

// The engine, which Respond starts: the order of events of one response. respond_body.go calls the
// application and ranges its body, respond_file.go sends files, report.go says what went wrong.

// A phase is how far a response has come.
type phase uint8

const (
	idle    phase = iota // start was not called
	started              // status and headers are stored, and the transport has nothing
	sent                 // the transport has the head, and all of the body so far
	failed               // a failure came before the head was sent: the error page is due
	broken               // a failure came after the head was sent: only End(false) is due
	over                 // the transport has the end: only the body's Close is due
)

// An event is what happens to a response.
type event uint8

const (
	starts   event = iota // start is called without a cause
	restarts              // start is called with a cause
	sends                 // a block that is not empty, any use of the writer, or the end of the body (R76)
	fails                 // the application or the transport fails, or a misuse cannot be healed by another start
)

// A move is the phase that an event leads to, and the error that the event gets. It points to the
// error: a table of the errors themselves would be made when the program starts.
type move struct {
	to  phase
	err *error
}

// errFirst stands for the error that the response has kept.
var errFirst = errors.New("gateway: the response has failed")

// moves is the order of events of PEP 3333 (R23, R76, R79, R80, R82). The move from started to sent
// sends the head.
var moves = [...][4]move{
	//       starts, restarts, sends, fails
	idle:    {{started, nil}, {started, nil}, {failed, &ErrNotStarted}, {failed, nil}},
	started: {{started, &ErrStarted}, {started, nil}, {sent, nil}, {failed, nil}},
	sent:    {{broken, &ErrStarted}, {broken, &ErrHeadersSent}, {sent, nil}, {broken, nil}},
	failed:  {{failed, &errFirst}, {failed, &errFirst}, {failed, &errFirst}, {failed, nil}},
	broken:  {{broken, &ErrStarted}, {broken, &ErrHeadersSent}, {broken, &errFirst}, {broken, nil}},
	over:    {{over, &ErrEnded}, {over, &ErrEnded}, {over, &ErrEnded}, {over, nil}},
}

// A response is one request's way through the engine. No response is used for a second request, so
// that whatever an application keeps of one request cannot reach another.
type response struct {
	// Set by newResponse, and read only.
	t   Transport
	log io.Writer // the server's Errors, which the application cannot exchange; may be nil

	// What the application gets. They guard themselves; env is the application's to change.
	env Environ
	ctx lazyctx.Context
	in  input

	// What Respond returns. Only its goroutine touches it.
	faults error

	// start, its writer and yield hold mu, but never wait for it: a call that finds it held
	// overlaps another call.
	mu    sync.Mutex
	raced atomic.Bool // a call overlapped another

	// Guarded by mu: how far the response has come.
	phase    phase
	returned bool  // Call has returned, and the writer is of no use any more (R102)
	stopped  bool  // yield has returned false
	isHEAD   bool  // the client's method is HEAD, whatever middleware makes of REQUEST_METHOD; read only
	err      error // the first misuse or failure; a restart of a response that was not sent clears it

	// Guarded by mu: the head, as start got it, and the length that goes with it.
	code     uint16
	status   string
	headers  Headers
	scratch  [2][2]string // the headers, if they fit
	declared int64        // Content-Length, or -1
	known    sized.Size   // what the body says of itself

	// Guarded by mu: the number of bytes that the transport has taken.
	written int64
}

func newResponse(env *Environ, t Transport) *response {
	r := new(response)
	r.t, r.log, r.declared, r.known = t, env.Errors, -1, sized.Unknown
	r.headers = r.scratch[:0]
	r.in.r = env.Input
	r.ctx.Init(env.Context(), nil)
	r.env = *env
	r.env.ctx, r.env.Input = &r.ctx, &r.in
	if r.env.Errors == nil {
		r.env.Errors = io.Discard
	}
	if r.env.Vars == nil {
		r.env.Vars = make(map[string]string)
	}
	r.isHEAD = r.env.Vars["REQUEST_METHOD"] == "HEAD"
	return r
}

// enter takes the lock for a call of the application, and reports whether no other call is going on.
func (r *response) enter() bool {
	if !r.mu.TryLock() {
		r.raced.Store(true)
		return false
	}
	return true
}

// step makes the move for an event and returns its error. mu is held.
func (r *response) step(e event) error {
	m := moves[r.phase][e]
	r.phase = m.to
	switch m.err {
	case nil:
		return nil
	case &errFirst:
		return r.err
	}
	return *m.err
}

// keep makes an error the response's error, unless there is one, and returns it.
func (r *response) keep(err error) error {
	if r.err == nil {
		r.err = err
	}
	return err
}

// fail keeps an error after which no more of the application's response is sent.
func (r *response) fail(err error) error {
	r.phase = moves[r.phase][fails].to
	return r.keep(err)
}

// start is the StartResponse of this response.
func (r *response) start(status string, headers Headers, cause error) (io.Writer, error) {
	w := (*writer)(r)
	if !r.enter() {
		return w, errOverlap
	}
	defer r.mu.Unlock()
	e := starts
	if cause != nil {
		e = restarts
	}
	// R83: the first call counts even if its arguments are refused. Hence the move comes before the
	// checks.
	if err := r.step(e); err == ErrHeadersSent {
		f := newFault("R80", ErrHeadersSent, textOf(cause))
		f.wraps = append(f.wraps, guard(cause))
		return w, r.keep(f)
	} else if err != nil {
		return w, r.keep(err)
	}
	r.err = nil // R79: the first call's error went with its response
	code, err := checkStatus(status)
	if err != nil {
		return w, r.keep(err)
	}
	r.headers = append(r.headers[:0], headers...) // a copy, which nobody changes between the check and the wire
	declared, err := r.headers.check()            // R73, R74: here, so that the application gets the error
	if err != nil {
		return w, r.keep(err)
	}
	r.status, r.code, r.declared = status, uint16(code), declared
	return w, nil
}

// A writer is the response as PEP 3333's write().
type writer response

// Write sends p at once (R99). It returns how many bytes the transport has taken.
func (w *writer) Write(p []byte) (int, error) {
	r := (*response)(w)
	if !r.enter() {
		return 0, errOverlap
	}
	defer r.mu.Unlock()
	switch {
	case r.phase == over:
		return 0, ErrEnded
	case r.err != nil:
		return 0, r.err
	case r.returned:
		return 0, r.fail(errInCall) // R102: "MUST NOT invoke write() from within their return iterable"
	}
	before := r.written
	if err := r.send(p, false, true); err != nil {
		return int(r.written - before), err
	}
	return len(p), nil // also of a response that has no body
}

// send sends a block, or nothing when the body has ended, and the head before the first block. mu
// is held.
func (r *response) send(block []byte, hasEnded, flush bool) error {
	isFirst := r.phase != sent
	if err := r.step(sends); err != nil {
		return r.keep(err)
	}
	if isFirst {
		r.completeHead(block, hasEnded)
	} else if cause := r.ctx.Cause(); cause != nil && !hasEnded {
		return r.fail(cause) // a response that has not begun is still sent, at least its first block
	}
	if r.isBodiless() {
		block = nil
	}
	var excess error
	if r.declared >= 0 && int64(len(block)) > r.declared-r.written {
		// R85: a client takes bytes beyond the declared length for the start of the next response.
		excess = newFault("R85", ErrContentLength, strconv.FormatInt(r.declared, 10)+" declared, more written")
		block = block[:r.declared-r.written]
	}
	if isFirst || len(block) > 0 {
		write := func() (int64, error) {
			n, err := r.t.Write(block)
			if err == nil && n < len(block) {
				err = io.ErrShortWrite
			}
			return int64(n), err
		}
		if err := r.deliver(isFirst, int64(len(block)), write, flush); err != nil {
			return err
		}
	}
	if hasEnded && r.written < r.declared && !r.isBodiless() {
		return r.fail(newFault("R87", ErrContentLength,
			strconv.FormatInt(r.declared, 10)+" declared, "+strconv.FormatInt(r.written, 10)+" sent"))
	}
	return r.keep(excess) // not a failure: the client has the declared bytes, and the response is whole
}

// deliver has the transport send the head, the size bytes of a block or a file, and all of it now.
func (r *response) deliver(head bool, size int64, content func() (int64, error), flush bool) (err error) {
	// A transport that panics, or ends the goroutine, leaves a response that is broken, whatever
	// the application makes of the panic.
	first := r.err
	r.phase, r.err = broken, errNoReturn
	if head {
		err = r.t.WriteHead(r.status, r.headers)
	}
	if err == nil && size > 0 {
		var n int64
		n, err = content()
		r.written += min(max(n, 0), size)
		if err == nil && (n < 0 || n > size) {
			err = io.ErrShortWrite
		}
	}
	if err == nil && flush {
		err = r.t.Flush()
	}
	r.phase, r.err = sent, first
	if err != nil {
		err = guard(err)
		r.ctx.Cancel(err)
		return r.fail(err)
	}
	return nil
}

// isBodiless reports that the response has no body, whatever the application yields: RFC 9110, 6.4.1.
func (r *response) isBodiless() bool {
	return r.isHEAD || r.code == 204 || r.code == 205 || r.code == 304
}

// completeHead adds or corrects the Content-Length, when the first block is known or the body has
// ended without one.
func (r *response) completeHead(block []byte, hasEnded bool) {
	n := r.known.Bytes
	switch {
	case r.code == 204 && r.declared >= 0: // RFC 9110, 8.6: no length
		r.headers, r.declared = r.headers.Without("Content-Length"), -1
		return
	case r.code == 205: // RFC 9110, 15.3.6: no content, and the length says so
		r.headers, r.declared = r.headers.With("Content-Length", "0"), 0
		return
	case r.declared >= 0 || r.code == 204 || r.code == 304:
		return
	case hasEnded:
		n = 0
	case r.known.Blocks == 1:
		n = int64(len(block)) // R89: "the length of the first bytestring"
	}
	if n < 0 || n == 0 && r.isHEAD { // an application that saw HEAD may have left out the body that GET has
		return
	}
	r.declared = n
	r.headers = append(r.headers, [2]string{"Content-Length", strconv.FormatInt(n, 10)})
}

// finish sends what is due when the application has come to its end: the head of an empty body, or
// the error page. It reports whether the transport has all of a response. From then on nothing of
// the response works.
func (r *response) finish(failure error) (whole bool) {
	r.mu.Lock() // waits for a stray goroutine that is in the transport
	defer func() {
		if v := recover(); v != nil { // of the transport
			r.note(newPanic(v))
		}
		r.phase = over
		r.mu.Unlock()
	}()
	r.returned = true
	if r.raced.Load() {
		_ = r.fail(errOverlap)
	}
	if failure == nil && r.err == nil {
		_ = r.send(nil, true, false)
	}
	first := r.err
	switch {
	case first == nil:
	case errors.Is(failure, first), first == errNoReturn && errors.As(failure, new(*panicError)):
		first = nil // the application has returned it, or let the panic pass
	case first == errNoReturn && failure == errGoexit:
		first, failure = nil, first // it was the transport
	}
	if r.phase != sent || failure != nil && (first != nil || r.err == nil) {
		r.phase = moves[r.phase][fails].to
	}
	r.note(first)
	r.note(failure)
	if r.phase == failed {
		r.note(r.sendPage())
	}
	return r.phase == sent
}

// sendPage sends the error page (R110). The page says nothing of the cause, which is for the log.
func (r *response) sendPage() error {
	const page = "500 Internal Server Error\n"
	r.phase = started
	r.status, r.code = Status(500), 500
	r.headers = append(r.headers[:0], [2]string{"Content-Type", "text/plain"})
	r.declared, r.known.Blocks = -1, 1
	return r.send([]byte(page), false, false)
}

// end ends the response on the transport.
func (r *response) end(whole bool) {
	err := try(func() error { return r.t.End(whole) })
	if err != nil {
		r.ctx.Cancel(err)
	}
	r.note(err)
}

// close closes the body (R21).
func (r *response) close(body Body) {
	if body == nil {
		return
	}
	err := errGoexit // unless Close returns or panics
	defer func() { r.note(err) }()
	err = try(body.Close)
}
