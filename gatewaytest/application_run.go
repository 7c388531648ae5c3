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

// A run is one request with one fault: the server that the application meets, and what it saw. The server's part is called by the
// application's goroutines, and read when they have hung, too: mu guards it.
type run struct {
	a     *trial
	q     *testRequest
	fault fault

	cancel context.CancelCauseFunc
	moves  atomic.Int64 // grows while something happens

	mu      sync.Mutex
	log     log
	sends   int       // calls of WriteHead and Write
	began   time.Time // the first of them
	heads   int
	reads   int // of Input
	starts  int
	status  string
	names   []string // of the headers
	body    bytes.Buffer
	pos     int   // in the request's body
	failed  error // what Input failed with, as the application has seen it; not io.EOF
	endless bool  // the response was cut, since it did not end
	late    []late
	refused error // the first error that the application got from the writer
	wroteOn int   // how often it wrote after that
	mute    bool  // and then returned no error
	bodies  int   // that Call returned
	closes  int

	err       error // of Respond
	hung      bool
	vanished  bool // the application ended its goroutine
	goroutine string
}

// A late is a use of something after the end of the response.
type late struct{ rule, what string }

// A response without an end is cut after maxSends. The others bound what counts as something happening.
const maxSends, maxStarts, maxReads = 1000, 1000, 1000

// run sends the request to the application, and comes back even if the application does not.
func (a *trial) run(q *testRequest, f fault) *run {
	r := &run{a: a, q: q, fault: f}
	a.now.Store(&f)
	env := q.env.Clone()
	if f.whole {
		env.Vars["CONTENT_LENGTH"] = fmt.Sprint(f.length)
	}
	// The labels are in the Context as well, for an application that sets labels of its own.
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

// wait reports whether the run has ended, and gives up when nothing has happened for a while.
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

// event cancels the Context if this is where it is to be.
func (r *run) event(e event, n int) {
	if r.fault.cancel == e && r.fault.at == n {
		r.cancel(gateway.ErrDisconnected)
	}
}

// watched is the application as the run watches it. It changes nothing that the application could see, and OnClose lets the
// engine see as much of the body as it would without.
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
				r.refused, r.wroteOn = nil, 0 // it went with the response that this one replaces
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

// noteLate notes a use of something of the response after its end.
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

type lateReader struct {
	r  *run
	in io.Reader
}

func (l *lateReader) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	l.r.noteLate(err, "D5", "it reads Input")
	return n, err
}

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

// yieldsError reports that a body begins with an error.
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
		return err == nil && len(block) == 0 && steps < maxSends
	})
	return found
}

// runInput is the server's Input.
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
	if k <= maxReads || r.pos < end && len(p) > 0 { // who reads on after the end gets nowhere
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

// runTransport is the server's transport.
type runTransport run

// WriteHead implements gateway.Transport.
func (t *runTransport) WriteHead(status string, headers gateway.Headers) error {
	r := (*run)(t)
	if _, err := r.send(nil); err != nil {
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
	n, err := r.send(block)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.body.Write(block[:n])
	return n, err
}

// send is a call of the transport.
func (r *run) send(block []byte) (int, error) {
	r.mu.Lock()
	r.sends++
	k := r.sends
	if k == 1 {
		r.began = time.Now()
	}
	if k >= maxSends || time.Since(r.began) > r.a.patience && !r.a.virtual && !r.fault.slow {
		r.endless = true
	}
	gone := r.endless || r.hung
	r.mu.Unlock()
	r.moves.Add(1)
	r.event(onSend, k)
	if r.fault.slow {
		time.Sleep(r.a.delay)
	}
	switch {
	case gone:
		return 0, gateway.ErrDisconnected
	case r.fault.send == k && r.fault.sendErr == nil:
		return len(block) / 2, nil
	case r.fault.send == k:
		return 0, fmt.Errorf("transport call %d: %w", k, r.fault.sendErr)
	}
	return len(block), nil
}
