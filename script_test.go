package gateway_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
)

// What the tests of this package share: a Transport that records, a script that is one request, and
// small applications.

// errBoom is the error with which the applications of these tests fail.
var errBoom = errors.New("boom")

// errAny stands for any error in a want.
var errAny = errors.New("any error")

// A both stands in a want for an error that wraps all of these.
type both []error

func (b both) Error() string { return errors.Join(b...).Error() }

// matches reports whether err is the error that a want asks for. nil asks for no error.
func matches(err, want error) bool {
	switch want := want.(type) {
	case nil:
		return err == nil
	case both:
		return !slices.ContainsFunc(want, func(one error) bool { return !errors.Is(err, one) })
	}
	return err != nil && (want == errAny || errors.Is(err, want))
}

// Heads and blocks as a recorder notes them.
const (
	plainHead = "200 OK|Content-Type: text/plain" // of the headers plain
	pageHead  = "500 Internal Server Error|Content-Type: text/plain|Content-Length: 26"
	pageBody  = `"500 Internal Server Error\n"`
)

// errorPage has the events of a response whose application failed before anything was sent (R110,
// R21).
var errorPage = []string{pageHead, pageBody, "close"}

// busyPage has the events of a response whose Context ended before anything was sent, because the
// time was over or the server stops.
var busyPage = []string{"503 Service Unavailable|Content-Type: text/plain|Content-Length: 24",
	`"503 Service Unavailable\n"`}

// A recorder is a Transport that notes its calls. It has no lock: Respond promises that calls never
// overlap, and the race detector checks the promise.
type recorder struct {
	events []string // heads and blocks, and "close" for the body's Close
	calls  []string // "head", "write", "flush" and "end"
	whole  bool     // the argument of the last End

	failAt int             // the number of the call that fails, counted from 1
	err    error           // the error of that call
	count  func(n int) int // the result of that call, if it is a Write of n bytes; nil means half of them
	fail   func()          // if it is not nil, that call runs it first

	during func() // if it is not nil, each Write runs it
}

var _ gateway.Transport = (*recorder)(nil)

// call notes a call and returns its error.
func (r *recorder) call(name string) error {
	r.calls = append(r.calls, name)
	if len(r.calls) != r.failAt {
		return nil
	}
	if r.fail != nil {
		r.fail()
	}
	return r.err
}

func (r *recorder) WriteHead(status string, headers gateway.Headers) error {
	event := status
	for name, value := range headers.All() {
		event += "|" + name + ": " + value
	}
	r.events = append(r.events, event)
	return r.call("head")
}

func (r *recorder) Write(block []byte) (int, error) {
	r.events = append(r.events, strconv.Quote(string(block)))
	if r.during != nil {
		r.during()
	}
	if err := r.call("write"); len(r.calls) == r.failAt {
		if r.count != nil {
			return r.count(len(block)), err
		}
		return len(block) / 2, err
	}
	return len(block), nil
}

func (r *recorder) Flush() error { return r.call("flush") }

func (r *recorder) End(whole bool) error {
	r.whole = whole
	return r.call("end")
}

// closed notes the Close of a body, which comes after the end of the response.
func (r *recorder) closed() {
	event := "close"
	if !slices.Contains(r.calls, "end") {
		event = "close before the end"
	}
	r.events = append(r.events, event)
}

// inOrder is the order of a Transport's calls.
var inOrder = regexp.MustCompile(`^head( write| flush)* end$`)

// An entryLog is an Environ's Errors. Each Write is one entry.
type entryLog []string

func (l *entryLog) Write(p []byte) (int, error) {
	*l = append(*l, string(p))
	return len(p), nil
}

// A script is one request. It has the means of an application, for the functions that a test gives
// to run, and notes the outcome.
type script struct {
	ctx    context.Context // the context of the server's Environ, or nil
	errors io.Writer       // the Errors of the server's Environ; nil means log

	rec   recorder
	log   entryLog
	env   *gateway.Environ // of the application
	start gateway.StartResponse
	w     io.Writer // the writer of the last start
	yield func([]byte, error) bool
	errs  []error // the errors of begin, beginWith and write
	going []bool  // the results of send
	err   error   // the error of Respond
}

func (s *script) begin(status string, cause error) { s.beginWith(status, plain, cause) }

func (s *script) beginWith(status string, headers gateway.Headers, cause error) {
	w, err := s.start(status, headers, cause)
	s.w, s.errs = w, append(s.errs, err)
}

func (s *script) write(text string) {
	n, err := io.WriteString(s.w, text)
	if err == nil && n != len(text) {
		err = io.ErrShortWrite
	}
	s.errs = append(s.errs, err)
}

func (s *script) send(text string) { s.going = append(s.going, s.yield([]byte(text), nil)) }

// run responds to a request of the method with an application whose Call runs call and whose body
// runs body. Either may be nil.
func (s *script) run(method string, call, body func(s *script)) *script {
	return s.respond(method, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if call != nil {
			call(s)
		}
		return &scripted{s, body}, nil
	})
}

// respond responds to a request of the method with the application.
func (s *script) respond(method string, app gateway.ApplicationFunc) *script {
	return s.respondThrough(&s.rec, method, app)
}

// respondThrough is respond for another transport than the script's own.
func (s *script) respondThrough(t gateway.Transport, method string, app gateway.ApplicationFunc) *script {
	env := &gateway.Environ{
		Vars:   map[string]string{"REQUEST_METHOD": method, "SCRIPT_NAME": "/app", "PATH_INFO": "/x"},
		Input:  strings.NewReader("the request's body"),
		Errors: &s.log,
	}
	if s.errors != nil {
		env.Errors = s.errors
	}
	if s.ctx != nil {
		env = env.WithContext(s.ctx)
	}
	call := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		s.env, s.start = env, start
		return app(env, start)
	}
	s.err = gateway.Respond(gateway.ApplicationFunc(call), env, t)
	return s
}

// tracked returns body with a Close that is noted as an event. The size of the body stays known.
func (s *script) tracked(body gateway.Body) gateway.Body {
	return gateway.OnClose(body, func() error {
		s.rec.closed()
		return nil
	})
}

// A scripted body runs a function of the test as its iteration. Its Close is noted as an event.
type scripted struct {
	s *script
	f func(s *script)
}

func (b *scripted) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		b.s.yield = yield
		if b.f != nil {
			b.f(b.s)
		}
	}
}

func (b *scripted) Close() error {
	b.s.rec.closed()
	return nil
}

// A want is the outcome that a script must have.
type want struct {
	events []string
	errs   []error  // see matches
	going  []bool   // nil if it does not matter
	is     []error  // Respond's error wraps these; if there are none, it is nil
	broken bool     // the argument of End is false
	log    []string // the first line of each entry, without the request
	stack  bool     // the last entry has a stack
}

// check compares the outcome of the script with w. It also checks the order of the transport's
// calls.
func (s *script) check(t *testing.T, w want) {
	t.Helper()
	if !slices.Equal(s.rec.events, w.events) {
		t.Errorf("the events are:\n\t%s\nwant:\n\t%s", strings.Join(s.rec.events, "\n\t"), strings.Join(w.events, "\n\t"))
	}
	if len(s.errs) != len(w.errs) {
		t.Errorf("start and write returned %v, want %v", s.errs, w.errs)
	} else {
		for i, err := range w.errs {
			if !matches(s.errs[i], err) {
				t.Errorf("call %d of start and write returned %v, want %v", i+1, s.errs[i], err)
			}
		}
	}
	if w.going != nil && !slices.Equal(s.going, w.going) {
		t.Errorf("yield returned %v, want %v", s.going, w.going)
	}
	if (s.err == nil) != (len(w.is) == 0) {
		t.Errorf("Respond returned %v, want an error: %v", s.err, len(w.is) != 0)
	}
	for _, err := range w.is {
		if !matches(s.err, err) {
			t.Errorf("Respond returned %v, which does not wrap %v", s.err, err)
		}
	}
	if s.rec.whole == w.broken {
		t.Errorf("the argument of End is %v", s.rec.whole)
	}
	if calls := strings.Join(s.rec.calls, " "); !inOrder.MatchString(calls) {
		t.Errorf("the transport's calls are %s", calls)
	}
	s.checkLog(t, w)
}

func (s *script) checkLog(t *testing.T, w want) {
	t.Helper()
	if len(s.log) != len(w.log) {
		t.Errorf("env.Errors got %d entries, want %d: %q", len(s.log), len(w.log), s.log)
		return
	}
	for i, entry := range s.log {
		line, stack, ended := strings.Cut(entry, "\n")
		_, text, _ := strings.Cut(line, " /app/x: ")
		if text != w.log[i] || !ended || !strings.HasPrefix(line, "gateway: ") {
			t.Errorf("line %q on env.Errors, want it to end with %q", line, w.log[i])
		}
		wantStack := w.stack && i == len(s.log)-1
		if strings.HasPrefix(stack, "goroutine ") != wantStack || !wantStack && stack != "" {
			t.Errorf("env.Errors got after the line: %q, want a stack: %v", stack, wantStack)
		}
	}
}

// checkEnded checks that whatever an application may keep of its request is of no use any more.
func (s *script) checkEnded(t *testing.T) {
	t.Helper()
	events, calls := len(s.rec.events), len(s.rec.calls)
	if w, err := s.start("200 OK", plain, nil); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("start returned %v", err)
	} else if _, err := w.Write([]byte("x")); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("write returned %v", err)
	}
	if n, err := s.env.Input.Read(make([]byte, 1)); n != 0 || !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("Input.Read returned %d, %v", n, err)
	}
	if s.env.Context().Err() == nil {
		t.Error("the context has not ended")
	}
	if s.yield != nil && s.yield([]byte("x"), nil) {
		t.Error("yield returned true")
	}
	if len(s.rec.events) != events || len(s.rec.calls) != calls {
		t.Errorf("after the end the transport saw %q, %q", s.rec.calls[calls:], s.rec.events[events:])
	}
}

// hello returns an application that calls start and returns the body.
func hello(body func() gateway.Body, status string, headers gateway.Headers) gateway.ApplicationFunc {
	return func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start(status, headers, nil)
		return body(), err
	}
}

func text(s string) func() gateway.Body { return func() gateway.Body { return gateway.Text(s) } }

func stream(blocks ...string) func() gateway.Body {
	return func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for _, block := range blocks {
				if !yield([]byte(block), nil) {
					return
				}
			}
		})
	}
}

// ok is a Close with nothing to do.
func ok() error { return nil }

// written returns an application that sends its texts through the writer, and returns an empty body
// (R100).
func written(texts ...string) gateway.ApplicationFunc {
	return func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", plain, nil)
		for _, text := range texts {
			if err == nil {
				_, err = io.WriteString(w, text)
			}
		}
		return gateway.Bytes(), err
	}
}

// A stepped is an application with a step before each of its acts. One of the steps may fail.
type stepped struct {
	s      *script
	failAt string // the name of a step, see steps
	fail   func() error
}

func (a *stepped) step(name string) error {
	if name == a.failAt {
		return a.fail()
	}
	return nil
}

func (a *stepped) Call(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if err := a.step("call"); err != nil {
		return a, err
	}
	if _, err := start("200 OK", plain, nil); err != nil {
		return a, err
	}
	return a, a.step("started")
}

func (a *stepped) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i, block := range []string{"", "a", "b", "c"} {
			if err := a.step("block " + strconv.Itoa(i)); err != nil {
				yield(nil, err)
				return
			}
			if !yield([]byte(block), nil) {
				return
			}
		}
	}
}

func (a *stepped) Close() error {
	a.s.rec.closed()
	return a.step("close")
}

// steps has the steps of a stepped application in their order, and the events of a response in
// which the step fails.
var steps = []struct {
	name   string
	events []string
	broken bool // the head was sent before the step, and End after it
}{
	{"call", errorPage, false},
	{"started", errorPage, false},
	{"block 0", errorPage, false},
	{"block 1", errorPage, false}, // block 0 is empty and has sent nothing (R76)
	{"block 2", []string{plainHead, `"a"`, "close"}, true},
	{"block 3", []string{plainHead, `"a"`, `"b"`, "close"}, true},
	{"close", []string{plainHead, `"a"`, `"b"`, `"c"`, "close"}, false},
}

// withoutBody returns the events of a step that fails by a panic or a Goexit: a Call that does not
// return gives no body to close.
func withoutBody(name string, events []string) []string {
	if name == "call" || name == "started" {
		return events[:len(events)-1]
	}
	return events
}

// startWith returns the error of start for a status and headers. It fails the test if an
// application that ignores the error gets anything but the error page.
func startWith(t *testing.T, status string, headers gateway.Headers) error {
	t.Helper()
	var s script
	var err error
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err = start(status, headers, nil)
		return gateway.Text("a"), nil
	})
	if err == nil {
		return nil
	}
	if s.rec.events[0] != pageHead || !errors.Is(s.err, err) || len(s.log) != 1 {
		t.Errorf("status %q, headers %q: sent %q, returned %v, reported %q", status, headers, s.rec.events, s.err, s.log)
	}
	for _, entry := range s.log {
		if line := strings.TrimSuffix(entry, "\n"); hasControl(line) {
			t.Errorf("status %q, headers %q: control characters in the log: %q", status, headers, line)
		}
	}
	return err
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7F })
}

func openFile(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
