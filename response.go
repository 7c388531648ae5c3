package gateway

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"

	"example.com/gateway/internal/last"
	"example.com/gateway/internal/lazyctx"
)

// A phase is how far a response has come. These are all the states there are:
//
//	phase     start(nil)   start(cause)              block arrives       body ends        error or panic
//	idle      → started    → started                 ErrNotStarted       ErrNotStarted    send 500
//	started   ErrStarted   → started, replaced       send head → sent    send head        send 500
//	sent      ErrStarted   ErrHeadersSent + cause    send                done             break, report
//	over      ErrEnded     ErrEnded                  ErrEnded
//
// The writer moves like a block, but that even an empty first write sends the head (R76).
type phase uint8

const (
	idle    phase = iota // start was not called
	started              // status and headers are stored, nothing is sent
	sent                 // the head was handed to the transport
	over                 // nothing more is sent; what is left is to close the body
)

// A response is the one state machine of this module: a request's way from Call to Close. It is never reused, so that
// what an application keeps of one request cannot reach another.
type response struct {
	t      Transport
	env    *Environ         // the application's, with Input and Context that end with the response
	in     io.Reader        // the server's Input
	errors io.Writer        // the server's Errors, whatever the application makes of its own; not after Respond
	ctx    *lazyctx.Context // the application's Context

	mu       sync.Mutex  // held by start, write and yield; a call that finds it held overlaps another
	phase    phase       // guarded by mu, as all that follows but for the atomics
	raced    atomic.Bool // some call overlapped another
	closed   atomic.Bool // Input has ended, since the response is over
	returned bool        // Call has returned: the writer may not be used any more
	halted   bool        // yield has returned false
	dead     bool        // the transport failed: nothing more is sent to it
	cut      bool        // more was written than declared, as err says; the client got what was declared
	left     bool        // ... and said that the client is gone
	noBody   bool        // HEAD, 204, 205 or 304
	ignored  uint32      // how often the body went on after yield has returned false
	code     uint16      // of status
	head     bool        // the client's method is HEAD, whatever middleware makes of REQUEST_METHOD
	single   bool        // the body is known to be one block
	final    bool        // ... and its Close to do nothing
	locked   bool        // the goroutine that runs the application has the lock already

	status  string
	headers Headers
	scratch [2][2]string // of most headers

	declared int64 // Content-Length, or -1
	written  int64
	bytes    int64 // known number of bytes, or -1

	err error // the first misuse or failure; sticky
}

// errInCall, errOverlap, errRanOn, errNoBody and errGoexit are faults of an application that no caller would test for.
var (
	errInCall  = errors.New("gateway: the writer was used after Call returned; a body yields instead")
	errOverlap = errors.New("gateway: start, its writer or yield was called while another such call was going on")
	errRanOn   = errors.New("gateway: the body went on after yield returned false")
	errNoBody  = errors.New("gateway: Call returned neither a Body nor an error")
	errGoexit  = errors.New("gateway: the application ended its goroutine")
)

const (
	// maxIgnored is how often yield returns false before it panics, as a range loop does at once. It does that only where the panic
	// is recovered: on the goroutine that iterates.
	maxIgnored = 100

	// maxIgnoredElsewhere is how often it does before it ends any other goroutine that the body may have started.
	maxIgnoredElsewhere = 1 << 20
)

// newResponse returns a response with an environ for the application. A server of this module has made one for this request alone,
// and its Context, and gives them away; of another's there is a copy, for which it is all the same what becomes of it.
func newResponse(env *Environ, t Transport) *response {
	var r *response
	if ctx, ok := env.ctx.(*lazyctx.Context); ok && ctx.Take() {
		r = new(response)
		r.env, r.ctx = env, ctx
	} else {
		own := new(struct {
			response
			env Environ
			ctx lazyctx.Context
		})
		own.ctx.Init(env.Context(), nil)
		own.env = *env
		own.env.ctx = &own.ctx
		r = &own.response
		r.env, r.ctx = &own.env, &own.ctx
	}
	r.t, r.in, r.errors = t, env.Input, env.Errors // field by field: a literal of this size is built twice
	r.headers = r.scratch[:0]
	r.declared, r.bytes = -1, -1
	r.head = r.method() == "HEAD"
	r.env.Input = (*input)(r)
	if r.env.Errors == nil {
		r.env.Errors = io.Discard
	}
	if r.env.Vars == nil {
		r.env.Vars = make(map[string]string)
	}
	return r
}

func respond(app Application, env *Environ, t Transport) error {
	r := newResponse(env, t)
	var body Body
	var err error
	returned := false
	defer func() {
		if !returned { // the application called runtime.Goexit, as t.FailNow does
			_ = r.finish(body, errGoexit)
		}
	}()
	body, err = r.call(app)
	if err == nil {
		err = r.iterate(body)
	}
	returned = true
	return r.finish(body, err)
}

// call invokes the application, once (R4).
func (r *response) call(app Application) (body Body, err error) {
	defer recoverTo(&err)
	body, err = app.Call(r.env, r.start)
	if body == nil && err == nil {
		err = errNoBody
	}
	return body, sound(err)
}

// finish ends the response after Call and the iteration: with what is left to send, with the error page, or broken. It
// reports, closes the body last of all, and returns what Respond returns.
func (r *response) finish(body Body, err error) error {
	defer func() { // also when Close ends the goroutine
		r.closed.Store(true)
		r.ctx.Cancel(ErrEnded)
	}()
	if !r.locked {
		r.mu.Lock()
	}
	if r.raced.Load() && r.err == nil {
		r.err = errOverlap
	}
	if err == nil && r.err == nil {
		r.err = r.end()
	}
	if r.ignored > 0 && !errors.Is(err, errRanOn) {
		err = errors.Join(err, errRanOn) // a client that left is a reason to stop, not for going on
	}
	cutOnly := r.cut && (err == nil || errors.Is(err, r.err))
	broken := false
	if err != nil || r.err != nil {
		err, broken = r.fail(err)
		broken = broken && !cutOnly
	}
	r.phase = over // the lock waited for a stray goroutine in the transport; no further one gets in
	r.mu.Unlock()

	if body != nil {
		if cerr := r.closeBody(body); cerr != nil { // R21
			if !r.gone(cerr) {
				r.report(cerr)
			}
			err = errors.Join(err, cerr)
		}
	}
	switch {
	case broken:
		return &fault{sentinel: ErrBroken, cause: err}
	case errors.Is(err, ErrBroken): // of another response, which the application has had a part in
		return &whole{err}
	}
	return err
}

// end is the end of a body that met no error.
func (r *response) end() (err error) {
	defer recoverTo(&err) // a transport that panics does so here too
	switch r.phase {
	case idle:
		return ErrNotStarted
	case started:
		// R76: "or when the iterable is exhausted". wsgiref adds the length too; of a HEAD response, nothing is known.
		if !r.head {
			r.single, r.bytes = false, 0
		}
		if err := r.send(nil); err != nil {
			return err
		}
	}
	if r.declared >= 0 && r.written < r.declared && !r.noBody {
		return &fault{ErrContentLength, strconv.FormatInt(r.declared, 10) + " declared, " +
			strconv.FormatInt(r.written, 10) + " sent", nil}
	}
	return nil
}

// fail deals with the errors of a response that came to its end: the application's, and the one that was kept, unless that is what
// the application has returned. It returns them with what else went wrong, and whether the response is broken.
func (r *response) fail(err error) (_ error, broken bool) {
	kept := r.err
	if err != nil && errors.Is(err, kept) {
		kept = nil
	}
	switch {
	case kept == nil || err != nil && r.gone(kept): // what the application says is another matter than a client that left
		if !r.gone(err) {
			r.report(err)
		}
		err = errors.Join(kept, err)
	case err == nil || r.gone(err):
		if !r.gone(kept) {
			r.report(kept)
		}
		err = errors.Join(kept, err)
	default:
		err = errors.Join(kept, err)
		r.report(err)
	}
	if r.dead || r.phase == sent {
		return err, true
	}
	if perr := r.page(); perr != nil {
		if !r.gone(perr) {
			r.report(perr)
		}
		return errors.Join(err, perr), true
	}
	return err, false
}

// page sends the error page (R110). It says nothing of the cause: that is for the log.
func (r *response) page() (err error) {
	defer recoverTo(&err) // as in end
	const page = "500 Internal Server Error\n"
	r.phase = started
	r.status, r.code = Status(500), 500
	r.headers = append(r.headers[:0], [2]string{"Content-Type", "text/plain"})
	r.declared, r.written, r.single = -1, 0, true
	return r.send([]byte(page))
}

// gone reports that err only says what a client that left does to an application. Logs need not hear of it (T35). A panic
// they must hear of, of a body that does not stop for it, and of a client of somebody else's.
func (r *response) gone(err error) bool {
	if errors.As(err, new(*panicError)) || errors.Is(err, errRanOn) {
		return false
	}
	if !r.left && !errors.Is(r.ctx.Cause(), ErrDisconnected) {
		return false
	}
	return errors.Is(err, ErrDisconnected) || errors.Is(err, context.Canceled)
}

// start is the StartResponse of this response.
func (r *response) start(status string, headers Headers, cause error) (io.Writer, error) {
	if !r.mu.TryLock() {
		r.raced.Store(true)
		return (*writer)(r), errOverlap
	}
	defer r.mu.Unlock()
	switch p := r.phase; {
	case p == over:
		return (*writer)(r), ErrEnded
	case p != sent && r.halted:
		// The body's first block or error was refused. A start that comes after it would answer without it.
		return (*writer)(r), r.err
	case cause == nil && p != idle:
		// R82. R83: also when the first call itself failed, hence the phase is set before anything is checked.
		return (*writer)(r), r.keep(ErrStarted)
	case p == sent:
		// R80: "MUST raise an error" and "SHOULD re-raise" the given one.
		return (*writer)(r), r.keep(&fault{sentinel: ErrHeadersSent, cause: sound(cause)})
	}
	r.phase = started
	r.err = nil // R79: what the first call did wrong went with its response
	code, err := checkStatus(status)
	if err != nil {
		return (*writer)(r), r.keep(err)
	}
	r.headers = append(r.headers[:0], headers...) // a copy, which nobody changes between the check and the wire
	declared, err := r.headers.check()            // R73, R74: here, so that the error surfaces in the application
	if err != nil {
		return (*writer)(r), r.keep(err)
	}
	r.status, r.code, r.declared = status, uint16(code), declared
	return (*writer)(r), nil
}

// keep makes an error sticky. The first one stays.
func (r *response) keep(err error) error {
	if r.err == nil {
		r.err = err
	}
	return err
}

// A writer is the response as PEP 3333's write().
type writer response

func (w *writer) Write(p []byte) (int, error) {
	r := (*response)(w)
	if !r.mu.TryLock() {
		r.raced.Store(true)
		return 0, errOverlap
	}
	defer r.mu.Unlock()
	switch {
	case r.phase == over:
		return 0, ErrEnded
	case r.err != nil:
		return 0, r.err
	case r.returned:
		// R102: "MUST NOT invoke write() from within their return iterable".
		return 0, r.keep(errInCall)
	}
	if cause := r.stop(); cause != nil {
		return 0, r.keep(cause)
	}
	before := r.written
	if err := r.send(p); err != nil {
		return int(r.written - before), r.keep(err)
	}
	return len(p), nil
}

// send sends one block, and the head before the first. r.written counts what went out.
func (r *response) send(block []byte) error {
	if r.dead {
		return r.err
	}
	first := r.phase == started
	if first {
		r.complete(block)
		r.phase = sent
		if err := r.t.WriteHead(r.status, r.headers); err != nil {
			return r.lost(err)
		}
		if r.noBody {
			_, err := r.write(nil)
			return r.lost(err)
		}
	} else if r.noBody || len(block) == 0 {
		return nil
	}
	var over error
	if r.declared >= 0 && int64(len(block)) > r.declared-r.written {
		// R85: "SHOULD NOT" send more than was declared: it would become the start of the next response.
		over = &fault{ErrContentLength, strconv.FormatInt(r.declared, 10) + " declared, more written", nil}
		block = block[:r.declared-r.written]
		if len(block) == 0 && !first {
			r.cut = true
			return over
		}
	}
	n, err := r.write(block)
	r.written += int64(n)
	if err != nil {
		return r.lost(err)
	}
	if n < len(block) {
		return r.lost(io.ErrShortWrite)
	}
	r.cut = over != nil // and not before: the client has what was declared
	return over
}

// write hands a block to the transport, and tells it if nothing will follow.
func (r *response) write(block []byte) (int, error) {
	if r.final {
		if t, ok := r.t.(last.Writer); ok {
			return t.WriteLast(block)
		}
	}
	return r.t.Write(block)
}

// complete makes the head final, before the first block, or none, goes out.
func (r *response) complete(block []byte) {
	r.noBody = r.head || r.code == 204 || r.code == 205 || r.code == 304
	switch {
	case r.code == 204 && r.declared >= 0:
		r.headers = append(r.headers[:0], r.headers.Without("Content-Length")...) // RFC 9110, 8.6
		r.declared = -1
	case r.code == 205: // RFC 9110, 15.3.6: no content, and the length has to say so
		r.headers = append(r.headers[:0], r.headers.With("Content-Length", "0")...)
		r.declared = 0
	}
	if r.declared >= 0 || r.code == 204 || r.code == 304 {
		return
	}
	n := r.bytes
	if r.single {
		n = int64(len(block)) // R89: "the length of the first block"
	}
	// A HEAD response without a block is likely one whose application saw HEAD: what GET has, it did not say.
	if n < 0 || n == 0 && r.head {
		return
	}
	r.declared = n
	r.headers = append(r.headers, [2]string{"Content-Length", strconv.FormatInt(n, 10)})
}

func (r *response) method() string { return r.env.Vars["REQUEST_METHOD"] }

// lost is the error of a transport that failed. Nothing more is sent to it, and the Context ends.
func (r *response) lost(err error) error {
	if err == nil {
		return nil
	}
	err = sound(err)
	r.dead = true
	r.left = errors.Is(err, ErrDisconnected)
	r.ctx.Cancel(err)
	return r.keep(err)
}

// An input is the response's Input: the server's, until the response is over.
type input response

func (in *input) Read(p []byte) (int, error) {
	r := (*response)(in)
	if r.closed.Load() {
		return 0, ErrEnded
	}
	if r.in == nil {
		return 0, io.EOF
	}
	return r.in.Read(p)
}

// closeBody closes the body and makes a panic an error.
func (r *response) closeBody(body Body) (err error) {
	returned := false
	defer func() {
		if !returned && err == nil {
			r.report(errGoexit)
		}
	}()
	defer recoverTo(&err)
	err = sound(body.Close())
	returned = true
	return err
}
