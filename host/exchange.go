package host

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/header"
	"example.com/gateway/internal/lazyctx"
)

// A protocol is what one kind of program adds to an exchange.
type protocol struct {
	name     string // of the program, in messages: "FastCGI unix:/run/php-fpm.sock"
	collects bool   // a body is collected although its length is known, unless Options.Stream is set
	isNPH    bool   // a body in chunks is decoded

	// wait waits until the program may be asked, which is not the program's time. It may be nil.
	wait func(ctx context.Context) error

	// open begins a request: it reaches or starts the program, and sends the variables. It is called
	// if wait has returned nil. Its errors wrap those of the package. When ctx ends, open comes back
	// soon. What the program says beside its answer is written to log, which any goroutine may do
	// until close has returned.
	open func(ctx context.Context, vars []variable, b *body, log io.Writer) (session, error)
}

// A session is one request at a program. Read is called by one goroutine, and Write with CloseWrite
// by another. All return soon after abort.
type session interface {
	// Read reads the answer. It returns io.EOF only if the protocol says that the answer is whole,
	// and else an error that wraps one of the package. An error may come beside the last bytes, and
	// is the last that is asked for. If d is positive, Read waits no longer than that, and returns
	// os.ErrDeadlineExceeded if nothing has come, or at once os.ErrNoDeadline where the system has no
	// such wait. Neither is the end of the answer.
	Read(p []byte, d time.Duration) (int, error)

	// Write sends a part of the body, and CloseWrite says that the body is whole. Neither is called
	// for a body without a byte, which open deals with. An error says that the program takes no
	// more; the program may answer all the same.
	io.Writer
	CloseWrite() error

	// abort ends the request at once: the client has left, or the program is too slow. Any
	// goroutine may call it, at any time and more than once.
	abort()

	// close gives back what the session has. It is called once, when Read has returned an error or
	// abort was called. Write may still be going on.
	close()
}

// An exchange is one request to a program, and its answer. The goroutine that sends the request's
// body uses clock, cancel, session and sent, too. All else belongs to the goroutine of the request.
type exchange struct {
	o      *Options
	env    *gateway.Environ
	name   string          // of the program
	ctx    lazyctx.Context // ends with the request's Context, and by cancel
	clock  clock
	total  *time.Timer // of Options.Timeout; nil without one
	log    programLog
	answer answer

	session   session
	opened    atomic.Bool   // there is a session
	stopAbort func() bool   // the end of the request's Context is not to call session.abort any more
	wait      time.Duration // how long Read is to wait, if it is not to wait for the program
	end       error         // of Read

	sent       chan struct{} // closed when no more of the request's body is sent
	isHeadSent bool          // without a block
}

// How much of an answer that nobody wants is read, and for how long in all, before the program is
// made to end: the answer to HEAD has a body for some programs.
const (
	drainBytes = 256 << 10
	drainTime  = time.Second
)

const (
	// headWait is how long the client's head waits for the first block. Until then the answer of a
	// program that fails can be a page. A program that sends its head and then waits for its first
	// event wants the client to know.
	headWait = 50 * time.Millisecond

	// endWait is how long the first block waits for the end of the answer. A small page mostly ends
	// at once, and goes out in one write, with a length.
	endWait = 5 * time.Millisecond

	// sendWait is how long the end of an exchange waits for the end of the request's body.
	sendWait = 50 * time.Millisecond
)

// maxRedirects is how many local redirects a request may take.
const maxRedirects = 10

// serve serves a request through a program. script has the variables of the script that the path
// leads to.
func (o *Options) serve(
	env *gateway.Environ, start gateway.StartResponse, p protocol, script map[string]string,
) (gateway.Body, error) {
	x := &exchange{o: o, env: env, name: p.name}
	b, err := o.newBody(env, p.collects)
	if err != nil {
		return x.refuse(start, err)
	}
	vars, err := o.variables(env, script, b.length)
	if err != nil {
		b.close()
		return x.refuse(start, err)
	}
	x.begin()
	if p.wait != nil {
		err = p.wait(&x.ctx)
	}
	if err == nil {
		x.clock.resume()
		x.session, err = p.open(&x.ctx, vars, b, &x.log)
		x.clock.pause()
	}
	if err != nil {
		b.close()
		err = x.cause(err)
		x.stop()
		return x.refuse(start, err)
	}
	x.opened.Store(true)
	x.stopAbort = context.AfterFunc(env.Context(), x.session.abort)
	if x.ctx.Cause() != nil {
		x.session.abort()
	}
	x.answer.r = watched{x}
	x.sent = make(chan struct{})
	if b.isEmpty() {
		close(x.sent)
	} else {
		go x.send(b)
	}
	h, err := x.readHead()
	if err != nil {
		err = x.cause(err)
		x.close()
		return x.refuse(start, err)
	}
	if h.isLocal && o.Local != nil {
		x.close()
		return x.redirect(start, h.headers.Get("Location"))
	}
	isDecoded := p.isNPH && h.chunked && x.hasBody(h)
	if isDecoded {
		h.headers = h.headers.Without("Content-Length") // the chunks win (RFC 9112, 6.3)
	}
	x.clock.set(orDefault(o.ReadTimeout, defaultReadTimeout))
	w, err := start(h.status, h.headers, nil)
	if err != nil {
		x.close()
		return nil, err
	}
	if x.hasBody(h) && x.awaitBody(h) {
		x.isHeadSent = true
		_, _ = w.Write(nil) // whose error is the response's
	}
	body := gateway.Stream(func(yield func([]byte, error) bool) { x.blocks(start, yield) })
	switch {
	case isDecoded:
		x.answer.decodeChunks()
	case x.end == io.EOF && x.answer.hasBlock() && x.answer.has(max(h.length, 0)):
		block, _ := x.answer.next()
		body = gateway.Bytes(block) // all of it: the client gets a length
	}
	return gateway.OnClose(body, func() error { x.close(); return nil }), nil
}

// awaitBody waits a moment for the first block, and another for the end behind it. It returns true
// if the head is to go out alone: no block has come, and the program has all of the request. nginx
// passes no more of a request on when its answer has begun. Errors of the answer come again.
func (x *exchange) awaitBody(h head) bool {
	x.clock.resume()
	defer func() { x.wait = 0; x.clock.pause() }()
	if x.wait = headWait; x.end == nil && !x.answer.hasBlock() && h.length != 0 {
		if err := x.answer.more(); err != nil {
			return x.end == nil && isClosed(x.sent)
		}
	}
	late := time.Now().Add(endWait)
	for x.end == nil && !h.chunked && !x.answer.has(h.length) && x.answer.hasRoom() {
		if x.wait = time.Until(late); x.wait <= 0 || x.answer.more() != nil {
			break
		}
	}
	return false
}

// orDefault returns a limit as Options has it: zero is the default, and a negative number is none,
// for which orDefault returns 0.
func orDefault(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return max(d, 0)
}

// begin starts the Context of the exchange and its clocks.
func (x *exchange) begin() {
	x.ctx.Init(x.env.Context(), nil)
	if d := x.o.Timeout; d > 0 {
		x.total = time.AfterFunc(d, func() {
			x.cancel(fmt.Errorf("%w: more than %v in all", ErrTimeout, d))
		})
	}
	x.clock.late = func(d time.Duration) {
		x.cancel(fmt.Errorf("%w: nothing came for %v", ErrTimeout, d))
	}
	x.clock.pauses = 1 // until something is waited for
	x.clock.set(orDefault(x.o.HeadTimeout, defaultHeadTimeout))
}

// cancel ends the exchange because of an error. Any goroutine may call it.
func (x *exchange) cancel(why error) {
	x.ctx.Cancel(why)
	if x.opened.Load() { // serve looks at ctx behind that
		x.session.abort()
	}
}

// stop stops what begin has started.
func (x *exchange) stop() {
	if x.total != nil {
		x.total.Stop()
	}
	x.clock.stop()
	x.ctx.Cancel(nil)
}

// send sends the body.
func (x *exchange) send(b *body) {
	defer close(x.sent)
	defer b.close()
	if _, err := io.Copy(onlyWriter{x.session}, clocked{b.reader(), x}); err == nil {
		_ = x.session.CloseWrite()
	}
}

// onlyWriter hides a ReadFrom.
type onlyWriter struct{ io.Writer }

// clocked is the body of the request. The program is not slow while the client is: the clock stands
// still meanwhile. A body that is cut short ends the exchange, since the program would take what
// there is for the whole.
type clocked struct {
	io.Reader
	x *exchange
}

func (c clocked) Read(p []byte) (int, error) {
	if !c.x.clock.pause() {
		return 0, gateway.ErrEnded // Environ.Input is not for us any more
	}
	n, err := c.Reader.Read(p)
	if err != nil && err != io.EOF {
		c.x.cancel(err)
	}
	c.x.clock.resume()
	return n, err
}

// watched is the answer of the program. The clock runs while it is waited for. Nobody asks the
// session for its end a second time: a program that is ended after a whole answer would have failed
// by then.
type watched struct{ x *exchange }

func (w watched) Read(p []byte) (n int, err error) {
	switch {
	case w.x.end != nil:
		return 0, w.x.end
	case w.x.wait > 0: // the clock runs already
		n, err = w.x.session.Read(p, w.x.wait)
	default:
		w.x.clock.resume()
		n, err = w.x.session.Read(p, 0)
		w.x.clock.pause()
	}
	if err != os.ErrDeadlineExceeded && err != os.ErrNoDeadline {
		w.x.end = err
	}
	return n, err
}

// readHead reads the head of the answer, and deals with the interim heads before it.
func (x *exchange) readHead() (head, error) {
	for {
		h, err := x.answer.readHead()
		x.report()
		if err != nil || h.code >= 200 {
			return h, err
		}
		if h.code == 103 && x.o.EarlyHints != nil {
			if err := x.o.EarlyHints(x.env, h.headers.Without("Content-Length")); err != nil {
				x.logf("early hints: %v", err)
			}
		}
	}
}

// hasBody reports whether the answer with a head has a body.
func (x *exchange) hasBody(h head) bool {
	return x.env.Vars["REQUEST_METHOD"] != "HEAD" && h.code != 204 && h.code != 304
}

// blocks yields the body of the answer. Before the first block the client mostly has nothing, and
// gets the page of an error.
func (x *exchange) blocks(start gateway.StartResponse, yield func([]byte, error) bool) {
	for isFirst := !x.isHeadSent; ; isFirst = false {
		block, err := x.answer.next()
		x.report()
		switch {
		case err == io.EOF:
			return
		case err != nil:
			err = x.cause(err)
			code := statusOf(err)
			if !isFirst || code == 0 {
				yield(nil, fmt.Errorf("%s: %w", x.name, err))
				return
			}
			page, err := x.page(start, code, err)
			yield([]byte(page), err)
			return
		case !yield(block, nil):
			return
		}
	}
}

// cause returns why the exchange was ended, if it was, or else err.
func (x *exchange) cause(err error) error {
	if cause := x.ctx.Cause(); cause != nil {
		return cause
	}
	return err
}

// close ends the exchange, at the end of the answer or before.
func (x *exchange) close() {
	if x.end == nil && x.ctx.Cause() == nil {
		late := time.AfterFunc(drainTime, x.session.abort)
		for n := 0; x.end == nil && n < drainBytes; {
			block, err := x.answer.next()
			if err != nil {
				break
			}
			n += len(block)
		}
		late.Stop()
	}
	x.stop()
	if !x.stopAbort() || x.end == nil {
		x.session.abort()
	}
	x.session.close()
	x.awaitSend()
	x.answer.giveBack()
	x.log.end()
	x.report()
}

// awaitSend waits a moment for the goroutine that sends the request's body, which may be about to
// read Input. It does not wait for a client that is slow.
func (x *exchange) awaitSend() {
	if isClosed(x.sent) {
		return
	}
	late := time.NewTimer(sendWait)
	defer late.Stop()
	select {
	case <-x.sent:
	case <-late.C:
	}
}

// redirect answers a local redirect.
func (x *exchange) redirect(start gateway.StartResponse, location string) (gateway.Body, error) {
	const key = "host.redirects"
	n, _ := x.env.Extra[key].(int)
	if n == maxRedirects {
		return x.refuse(start, fmt.Errorf("%w: %d local redirects, the last to %q", ErrAnswer, n,
			location))
	}
	target, _, _ := strings.Cut(location, "#")
	escaped, query, _ := strings.Cut(target, "?")
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return x.refuse(start, fmt.Errorf("%w: a local redirect to %q: %v", ErrAnswer, location,
			err))
	}
	env := x.env.Clone()
	for _, name := range []string{
		"CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "PATH_TRANSLATED", "DOCUMENT_URI",
	} {
		delete(env.Vars, name)
	}
	if env.Vars["REQUEST_METHOD"] != "HEAD" {
		env.Vars["REQUEST_METHOD"] = "GET"
	}
	env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = "", path
	env.Vars["QUERY_STRING"], env.Vars["REQUEST_URI"] = query, target
	env.Input = strings.NewReader("")
	if env.Extra == nil {
		env.Extra = make(map[string]any)
	}
	env.Extra[key] = n + 1
	return x.o.Local.Call(env, start)
}

// logf writes a line to Environ.Errors, with the program's name.
func (x *exchange) logf(format string, args ...any) {
	_, _ = io.WriteString(x.env.Errors, x.name+": "+header.OneLine(fmt.Sprintf(format, args...), 2*maxLine)+"\n")
}

// report writes the lines that the program has written beside its answer to Environ.Errors, which
// is not for concurrent use.
func (x *exchange) report() {
	for _, line := range x.log.take() {
		x.logf("%s", line)
	}
}
