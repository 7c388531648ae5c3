package gatewaytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gateway"
)

// A run is one request with one fault. It is the server that the application meets, and keeps what
// that server sees.
type run struct {
	a     *trial
	q     *testRequest
	fault fault

	cancel context.CancelCauseFunc
	moves  atomic.Int64 // grows while something happens

	// mu guards what follows: goroutines of the application change it, also when the run was given
	// up.
	mu      sync.Mutex
	log     log
	calls   []string  // the methods of the transport that were called, in order
	writes  int       // calls of Write
	began   time.Time // the first call of the transport
	heads   int
	reads   int // of Input
	starts  int
	status  string
	names   []string // of the headers
	body    bytes.Buffer
	pos     int    // how far the request's body was read
	failed  error  // the error that Input gave the application, but for io.EOF
	endless bool   // the server has ended the response, which did not end by itself
	late    []late // uses after the end of the response
	refused error  // the first error that the application got from the writer
	wroteOn int    // how often the application wrote after that
	mute    bool   // the application wrote on, and returned no error
	bodies  int    // how many bodies Call returned
	closes  int
	hung    bool // the run was given up, and whatever the application still calls fails

	// What became of the run, for the time after it.
	err       error  // of Respond
	vanished  bool   // the application has ended its goroutine
	goroutine string // where the application hangs
}

// A late is a use of a part of the response after its end.
type late struct{ rule, what string }

// maxWrites is how many blocks of a response are taken before the server ends it. Calls of start
// beyond maxStarts, and Reads at the end of Input beyond maxReads, do not count as something that
// happens: an application may hang in a loop.
const maxWrites, maxStarts, maxReads = 1000, 1000, 1000

// run sends the request to the application. It returns also if the application hangs.
func (a *trial) run(q *testRequest, f fault) *run {
	r := &run{a: a, q: q, fault: f}
	a.now.Store(&f)
	env := q.env.Clone()
	if f.whole {
		env.Vars["CONTENT_LENGTH"] = fmt.Sprint(f.length)
	}
	// The Context has the label too, for an application that sets labels of its own.
	ctx, cancel := context.WithCancelCause(pprof.WithLabels(env.Context(), pprof.Labels(labelKey, a.label)))
	r.cancel = cancel
	defer cancel(gateway.ErrEnded)
	env = env.WithContext(ctx)
	env.Errors = &r.log
	env.Input = (*runInput)(r)

	done := make(chan struct{})
	go func() {
		returned := false
		defer func() {
			r.vanished = !returned
			close(done)
		}()
		pprof.SetGoroutineLabels(a.ctx)
		r.event(onCall, 1)
		r.err = gateway.Respond(r.watched(), env, (*runTransport)(r))
		returned = true
	}()
	if !r.wait(done) {
		r.mu.Lock()
		r.hung = true
		r.mu.Unlock()
		a.hangs = true
		_, r.goroutine = a.goroutines()
	}
	return r
}

// wait waits for the end of the run, and returns false when nothing has happened for some time.
func (r *run) wait(done <-chan struct{}) bool {
	timer := time.NewTimer(r.a.patience)
	defer timer.Stop()
	moves := r.moves.Load()
	for {
		select {
		case <-done:
			return true
		case <-timer.C:
			now := r.moves.Load()
			if now == moves {
				return false
			}
			moves = now
			timer.Reset(r.a.patience)
		}
	}
}

// event cancels the Context if the fault says so.
func (r *run) event(e event, n int) {
	if r.fault.cancel == e && r.fault.at == n {
		r.cancel(gateway.ErrDisconnected)
	}
}

// watched is the application with a look at what it does. The application cannot tell. Nor can
// Respond, which looks through OnClose at the body.
func (r *run) watched() gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		env.Input = &lateReader{r, env.Input}
		body, err := r.a.app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
			r.mu.Lock()
			r.starts++
			n := r.starts
			r.mu.Unlock()
			if n <= maxStarts {
				r.moves.Add(1)
			}
			r.event(onStart, n)
			w, err := start(status, headers, cause)
			r.noteLate(err, "R23", "it calls start")
			if err == nil {
				r.mu.Lock()
				r.refused, r.wroteOn = nil, 0 // the error went with the response that this one replaces
				r.mu.Unlock()
			}
			return &lateWriter{r, w}, err
		})
		r.mu.Lock()
		swallowed := err == nil && r.wroteOn > 0
		r.mu.Unlock()
		if swallowed && !yieldsError(body) { // Respond does not range the body of a response that failed
			r.mu.Lock()
			r.mute = true
			r.mu.Unlock()
		}
		if body != nil {
			r.mu.Lock()
			r.bodies++
			r.mu.Unlock()
			body = gateway.OnClose(body, func() error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.closes++
				return nil
			})
		}
		return body, err
	})
}

// noteLate notes a use of a part of the response after its end, which the error tells.
func (r *run) noteLate(err error, rule, what string) {
	if err == nil || !errors.Is(err, gateway.ErrEnded) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.late) < 10 {
		r.late = append(r.late, late{rule, what})
	}
}

// A lateReader is Input, and notes a Read after the end of the response.
type lateReader struct {
	r  *run
	in io.Reader
}

func (l *lateReader) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	l.r.noteLate(err, "D5", "it reads Input")
	return n, err
}

// A lateWriter is the writer of start. It notes a Write after the end of the response, or after an
// error.
type lateWriter struct {
	r *run
	w io.Writer
}

func (l *lateWriter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	l.r.noteLate(err, "R102", "it uses the writer")
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	switch {
	case l.r.refused != nil:
		l.r.wroteOn++
	case errors.Is(err, errFault), errors.Is(err, gateway.ErrDisconnected), errors.Is(err, io.ErrShortWrite):
		l.r.refused = err
	}
	return n, err
}

// yieldsError reports whether the body begins with an error.
func yieldsError(body gateway.Body) (found bool) {
	if body == nil {
		return false
	}
	seq := body.Blocks()
	if seq == nil {
		return false
	}
	steps := 0
	seq(func(block []byte, err error) bool {
		found = found || err != nil
		steps++
		return err == nil && len(block) == 0 && steps < maxWrites
	})
	return found
}

// A runInput is the Input of a run.
type runInput run

func (in *runInput) Read(p []byte) (int, error) {
	r := (*run)(in)
	r.mu.Lock()
	r.reads++
	k := r.reads
	r.mu.Unlock()
	r.event(onRead, k)
	if r.fault.slow {
		time.Sleep(r.a.delay)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return 0, r.failed
	}
	end := len(r.q.body)
	if r.fault.cut || r.fault.whole {
		end = r.fault.length
	}
	switch {
	case r.hung:
		r.failed = gateway.ErrDisconnected
	case r.fault.read == k:
		r.failed = r.fault.readErr
	case r.pos == end && r.fault.cut:
		r.failed = io.ErrUnexpectedEOF
	}
	if k <= maxReads || r.pos < end && len(p) > 0 {
		r.moves.Add(1)
	}
	if r.failed != nil {
		return 0, r.failed
	}
	if r.pos == end {
		return 0, io.EOF
	}
	if r.fault.drip && len(p) > 1 {
		p = p[:1]
	}
	n := copy(p, r.q.body[r.pos:end])
	r.pos += n
	if r.pos == end && r.fault.eofWith {
		return n, io.EOF
	}
	return n, nil
}

// A runTransport is the transport of a run.
type runTransport run

// WriteHead implements gateway.Transport.
func (t *runTransport) WriteHead(status string, headers gateway.Headers) error {
	r := (*run)(t)
	if _, err := r.call(writeHead, 0); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heads++
	r.status = strings.Clone(status)
	for name := range headers.All() {
		r.names = append(r.names, name)
	}
	return nil
}

// Write implements gateway.Transport.
func (t *runTransport) Write(block []byte) (int, error) {
	r := (*run)(t)
	n, err := r.call(write, len(block))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.body.Write(block[:n])
	return n, err
}

// Flush implements gateway.Transport.
func (t *runTransport) Flush() error {
	_, err := (*run)(t).call(flush, 0)
	return err
}

// End implements gateway.Transport.
func (t *runTransport) End(bool) error {
	_, err := (*run)(t).call(end, 0)
	return err
}

// The methods of a transport, as messages have them.
const (
	writeHead = "WriteHead"
	write     = "Write"
	flush     = "Flush"
	end       = "End"
)

// call is what all methods of the transport have in common. It returns how many of size bytes the
// transport takes, and why not all.
func (r *run) call(method string, size int) (int, error) {
	r.mu.Lock()
	r.calls = append(r.calls, method)
	k := len(r.calls)
	if k == 1 {
		r.began = time.Now()
	}
	if method == write {
		r.writes++
	}
	if r.writes >= maxWrites || time.Since(r.began) > r.a.patience && !r.a.virtual && !r.fault.slow {
		r.endless = true
	}
	gone := r.endless || r.hung
	r.mu.Unlock()
	r.moves.Add(1)
	r.event(onCallOfTransport, k)
	if r.fault.slow && (method == writeHead || method == write) {
		time.Sleep(r.a.delay)
	}
	switch {
	case gone:
		return 0, gateway.ErrDisconnected
	case r.fault.call == k && r.fault.callErr == nil:
		return size / 2, nil
	case r.fault.call == k:
		return 0, fmt.Errorf("transport call %d: %w", k, r.fault.callErr)
	}
	return size, nil
}
