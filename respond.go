package gateway

import (
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/internal/sized"
)

// The engine, which Respond starts: the order of events of one response.

// A phase is how far a response has come.
type phase uint8

const (
	idle    phase = iota // start was not called
	started              // status and headers are stored, and the transport has nothing
	sent                 // the transport has the head, and each block so far
	failed               // something failed before the head was sent: the error page is due
	broken               // something failed after the head was sent: End(false) is due
	over                 // nothing more of the application is taken: End and then Close are due
)

// A response is one request's way through the engine. No response is used for a second request: an
// application that keeps a part of one response cannot reach another with it.
type response struct {
	// Set by newResponse, and read only. The application may change env at any time.
	t                    Transport
	log                  io.Writer // the server's Errors; may be nil
	method, script, path string    // REQUEST_METHOD, SCRIPT_NAME and PATH_INFO

	// What the application gets. They guard themselves; env is the application's to change.
	env Environ
	ctx lazyctx.Context
	in  input

	// What Respond returns. Only its goroutine touches it.
	faults error

	// The application's calls of start, its writer and yield hold mu, and never wait for it: a call
	// that finds mu held overlaps another.
	mu    sync.Mutex
	raced atomic.Bool // a call overlapped another

	// Guarded by mu: how far the response has come.
	phase    phase
	returned bool  // Call has returned, and the writer is of no use any more (R102)
	stopped  bool  // yield has returned false
	err      error // the first misuse or failure; a restart of a response that was not sent clears it

	// Guarded by mu: the head, as start got it, and what the transport has taken.
	code     uint16
	status   string
	headers  Headers
	scratch  [2][2]string // the headers, if they fit
	declared int64        // Content-Length, or -1
	known    sized.Size   // what the body says of itself
	written  int64        // bytes of the body
	hasLeft  bool         // the transport has said that the client has left

	// What OnEnd asked for, or nil. It guards itself.
	ending atomic.Pointer[ending]
}

func newResponse(env *Environ, t Transport) *response {
	r := new(response)
	r.t, r.log, r.in.r, r.declared, r.known = t, env.Errors, env.Input, -1, sized.Unknown
	r.headers = r.scratch[:0]
	r.ctx.Init(env.Context(), nil)
	r.env = *env
	r.env.ctx, r.env.Input, r.env.response = &r.ctx, &r.in, r
	if r.env.Errors == nil {
		r.env.Errors = io.Discard
	}
	if r.env.Vars == nil {
		r.env.Vars = make(map[string]string)
	}
	r.method, r.script, r.path = env.Vars["REQUEST_METHOD"], env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"]
	return r
}

// enter takes the lock for a step of the application's, and reports whether it got the lock. A step
// that does not get it overlaps another.
func (r *response) enter() bool {
	if !r.mu.TryLock() {
		r.raced.Store(true)
		return false
	}
	return true
}

// keep stores err if the response has no error yet, and returns err.
func (r *response) keep(err error) error {
	if r.err == nil {
		r.err = err
	}
	return err
}

// fail stops the application's response: nothing more of it is sent. It keeps err. A response of
// which the client has all declared bytes stays whole, and so does one without a body.
func (r *response) fail(err error) error {
	if r.phase < sent {
		r.phase = failed
	} else if r.phase == sent && r.written != r.declared && !r.isBodiless() {
		r.phase = broken
	}
	return r.keep(err)
}

// start is the StartResponse of this response.
func (r *response) start(status string, headers Headers, cause error) (io.Writer, error) {
	w := (*writer)(r)
	if !r.enter() {
		return w, errOverlap
	}
	defer r.mu.Unlock()
	switch { // the order of calls: R79, R80, R82
	case r.phase == over:
		return w, ErrEnded
	case r.phase == failed:
		return w, r.err
	case r.phase == started && cause == nil:
		return w, r.keep(ErrStarted) // which another start, with a cause, heals
	case r.phase >= sent && cause == nil:
		return w, r.fail(ErrStarted)
	case r.phase >= sent:
		cause = guard(cause)
		f := newFault("R80", ErrHeadersSent, cause.Error())
		f.wraps = append(f.wraps, cause)
		return w, r.fail(f)
	}
	// The error of the call before went with its response (R79). This call counts even if its
	// arguments are refused (R83).
	r.phase, r.err = started, nil
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
		return 0, r.fail(errAfterCall) // R102: "MUST NOT invoke write() from within their return iterable"
	}
	before := r.written
	if err := r.send(p, false, true); err != nil {
		return int(r.written - before), err
	}
	return len(p), nil // also of a response that has no body
}

// send sends the head, if the transport does not have it (R76), and then the block. With hasEnded
// there is no block, and the body is at its end. mu is held, and the response has no error.
func (r *response) send(block []byte, hasEnded, flush bool) error {
	isFirst := r.phase == started
	if r.phase == idle {
		return r.fail(ErrNotStarted) // R23
	} else if isFirst { // also if the context has ended: at least the first block goes out
		r.completeHead(block, hasEnded)
	} else if cause := guard(r.ctx.Cause()); cause != nil && !hasEnded {
		return r.fail(cause)
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
		if err := r.deliver(isFirst, block, nil, flush); err != nil {
			return err
		}
	}
	if isShort := r.written < r.declared; hasEnded && !r.isBodiless() {
		switch cause := guard(r.ctx.Cause()); {
		case cause != nil && (isShort || r.declared < 0 && r.ctx.IsLookedAt()):
			return r.fail(cause) // the application may have given up
		case isShort:
			return r.fail(newFault("R87", ErrContentLength,
				strconv.FormatInt(r.declared, 10)+" declared, "+strconv.FormatInt(r.written, 10)+" sent"))
		}
	}
	return r.keep(excess) // no failure: the client has all declared bytes
}

// deliver has the transport send the head, if isFirst, and then a block or a part of a file, and
// flush them if flush says so.
func (r *response) deliver(isFirst bool, block []byte, part *io.LimitedReader, flush bool) (err error) {
	// A transport that panics, or ends the goroutine, leaves the response broken, whatever the
	// application makes of the panic: only a transport that returns gets to the line that undoes
	// this.
	first := r.err
	r.phase, r.err = broken, errNoReturn
	if isFirst {
		if end := r.ending.Load(); end != nil {
			end.headAt = time.Now()
		}
		err = r.t.WriteHead(r.status, r.headers)
	}
	size := int64(len(block))
	got, n := size, int64(0) // what the transport has got, and what it says that it has sent
	switch {
	case err != nil:
	case part != nil:
		size = part.N
		n, err = r.t.(io.ReaderFrom).ReadFrom(part)
		got = size - part.N
	case size > 0:
		var m int
		m, err = r.t.Write(block)
		n = int64(m)
	}
	r.written += min(max(n, 0), size)
	if err == nil && (n < got || n > size) {
		err = io.ErrShortWrite
	}
	if err == nil && flush {
		err = r.t.Flush()
	}
	r.phase, r.err = sent, first
	if err != nil {
		r.phase, err = broken, guard(err)
		r.lose(err)
		return r.keep(err)
	}
	return nil
}

// lose ends the Context for an error of the transport.
func (r *response) lose(err error) {
	r.hasLeft = r.hasLeft || errors.Is(err, ErrDisconnected)
	r.ctx.Cancel(err)
}

// isBodiless reports whether the response has no body, whatever the application yields: RFC 9110,
// 6.4.1.
func (r *response) isBodiless() bool {
	return r.method == "HEAD" || r.code == 204 || r.code == 205 || r.code == 304
}

// completeHead adds or corrects the Content-Length, when the first block is known or the body has
// ended without one.
func (r *response) completeHead(block []byte, hasEnded bool) {
	n := r.known.Bytes
	if hasEnded || r.known.Blocks == 1 {
		n = int64(len(block)) // R89: "the length of the first bytestring"
	}
	switch {
	case r.code == 204 && r.declared >= 0: // RFC 9110, 8.6: no length
		r.headers, r.declared = r.headers.Without("Content-Length"), -1
	case r.code == 205: // RFC 9110, 15.3.6: no content, and the length says so
		r.headers, r.declared = r.headers.With("Content-Length", "0"), 0
	case r.code == 204, r.code == 304, r.declared >= 0, n < 0:
	case n > 0 || r.method != "HEAD": // for HEAD an application may have left out the body that GET has
		r.headers, r.declared = append(r.headers, [2]string{"Content-Length", strconv.FormatInt(n, 10)}), n
	}
}

// finish sends what is left when the application has ended: the head of an empty body, or the error
// page. It reports whether the transport has all of a response. After finish, start, its writer and
// yield return errors.
func (r *response) finish(failure error) (whole bool) {
	fault := errNoReturn // unless the transport returns
	r.mu.Lock()          // waits for a stray goroutine that is in the transport
	defer func() {
		if v := recover(); v != nil { // of the transport
			fault = newPanic(v)
		}
		r.note(fault)
		r.phase = over
		r.mu.Unlock()
	}()
	if r.raced.Load() {
		_ = r.fail(errOverlap)
	}
	if failure == nil && r.err == nil {
		_ = r.send(nil, true, false)
	}
	first := r.err
	switch {
	case first == nil:
	case errors.Is(failure, first), first == errNoReturn && isPanic(failure):
		first = nil // the application has returned it, or let the panic pass
	case first == errNoReturn && failure == errGoexit:
		first, failure = nil, first // it was the transport
	}
	if failure != nil || r.phase < sent {
		_ = r.fail(failure)
	}
	r.note(first)
	r.note(failure)
	if r.phase == failed { // R110. The page says nothing of the cause, which is for the log.
		code := r.pageCode(failure)
		r.phase, r.status, r.code = started, Status(code), uint16(code)
		r.headers = append(r.headers[:0], [2]string{"Content-Type", "text/plain"})
		r.declared, r.known.Blocks = -1, 1
		r.note(r.send([]byte(r.status+"\n"), false, false))
	}
	fault = nil
	return r.phase == sent
}

// end ends the response on the transport. whole stays true if End does what it is to do.
func (r *response) end(whole *bool) {
	isWhole := *whole
	*whole = false
	err := errNoReturn // unless End returns or panics
	defer func() {
		if err != nil {
			r.lose(err)
		}
		r.note(err)
	}()
	err = try(func() error { return r.t.End(isWhole) })
	*whole = isWhole && err == nil
}

// close closes the body (R21).
func (r *response) close(body Body) {
	if body != nil {
		r.call(body.Close)
	}
}

// call calls a function of the application's, and notes its error, a panic and the goroutine's end.
func (r *response) call(f func() error) {
	err := errGoexit // unless f returns or panics
	defer func() { r.note(err) }()
	err = try(f)
}
