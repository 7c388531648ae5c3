package gateway_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
)

// errBoom is what an application of these tests fails with.
var errBoom = errors.New("boom")

const (
	pageHead = "500 Internal Server Error|Content-Type: text/plain|Content-Length: 26"
	pageBody = `"500 Internal Server Error\n"`
)

// errorPage is what a failed application's client gets, and Close (R110, R21).
var errorPage = []string{pageHead, pageBody, "close"}

// A recorder is a Transport that writes down what it is asked to send. It has no lock: that calls never overlap is the
// engine's promise, which the race detector holds it to.
type recorder struct {
	events []string
	calls  int
	failAt int    // this call fails, counted from 1
	err    error  // with this; nil makes it a Write that sends less and has no error
	during func() // runs in each Write
}

var _ gateway.Transport = (*recorder)(nil)

func (r *recorder) WriteHead(status string, headers gateway.Headers) error {
	r.calls++
	event := status
	for name, value := range headers.All() {
		event += "|" + name + ": " + value
	}
	r.events = append(r.events, event)
	if r.calls == r.failAt {
		return r.err
	}
	return nil
}

func (r *recorder) Write(block []byte) (int, error) {
	r.calls++
	r.events = append(r.events, strconv.Quote(string(block)))
	if r.during != nil {
		r.during()
	}
	if r.calls == r.failAt {
		return len(block) / 2, r.err
	}
	return len(block), nil
}

// An entryLog is an Environ's Errors; one Write is one entry (Environ.Errors).
type entryLog []string

func (l *entryLog) Write(p []byte) (int, error) {
	*l = append(*l, string(p))
	return len(p), nil
}

// A script is one request: an application that does what a test says, and what came of it.
type script struct {
	rec   recorder
	log   entryLog
	env   *gateway.Environ
	start gateway.StartResponse
	w     io.Writer // of the last start
	yield func([]byte, error) bool
	errs  []error // what each start and write returned
	going []bool  // what each yield returned
	err   error   // what Respond returned
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

// run answers a request of the method with an application that calls call, and whose body calls body. Either may be nil.
func (s *script) run(method string, call, body func(s *script)) *script {
	return s.respond(method, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if call != nil {
			call(s)
		}
		return &scripted{s, body}, nil
	})
}

func (s *script) respond(method string, app gateway.ApplicationFunc) *script {
	env := &gateway.Environ{
		Vars:   map[string]string{"REQUEST_METHOD": method, "SCRIPT_NAME": "/app", "PATH_INFO": "/x"},
		Input:  strings.NewReader("the request's body"),
		Errors: &s.log,
	}
	s.err = gateway.Respond(gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		s.env, s.start = env, start
		return app(env, start)
	}), env, &s.rec)
	return s
}

// tracked returns body with a Close that the recorder sees. Its size stays known.
func (s *script) tracked(body gateway.Body) gateway.Body {
	return gateway.OnClose(body, func() error {
		s.rec.events = append(s.rec.events, "close")
		return nil
	})
}

// A scripted body runs a function of the test as its iteration.
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
	b.s.rec.events = append(b.s.rec.events, "close")
	return nil
}

// A want is what must have come of a script.
type want struct {
	events []string // what the transport saw, and "close"
	errs   []error  // what each start and write returned; nil is success
	going  []bool   // what each yield returned
	is     []error  // what Respond's error wraps; none is a nil error
	broken bool     // and whether it wraps ErrBroken
	log    []string // first line of each entry, without the request
	stack  bool     // the first entry has a stack
}

func (s *script) check(t *testing.T, w want) {
	t.Helper()
	if !slices.Equal(s.rec.events, w.events) {
		t.Errorf("the transport saw, and the body:\n\t%s\nwant:\n\t%s",
			strings.Join(s.rec.events, "\n\t"), strings.Join(w.events, "\n\t"))
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
	if errors.Is(s.err, gateway.ErrBroken) != w.broken {
		t.Errorf("Respond returned %v, want it to wrap ErrBroken: %v", s.err, w.broken)
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
		if wantStack := w.stack && i == 0; strings.HasPrefix(stack, "goroutine ") != wantStack || !wantStack && stack != "" {
			t.Errorf("env.Errors got after the line: %q, want a stack: %v", stack, wantStack)
		}
	}
}

func TestChainPutsTheFirstOutermost(t *testing.T) {
	t.Parallel()
	var order []string
	mark := func(name string) gateway.Middleware {
		return func(app gateway.Application) gateway.Application {
			return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				order = append(order, name)
				return app.Call(env, start)
			})
		}
	}
	app := gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		order = append(order, "app")
		_, err := start("200 OK", plain, nil)
		return gateway.Text("x"), err
	})
	for _, c := range []struct {
		chain gateway.Middleware
		want  string
	}{
		{gateway.Chain(), "app"},
		{gateway.Chain(mark("a")), "a app"},
		{gateway.Chain(mark("a"), mark("b"), mark("c")), "a b c app"},
		{gateway.Chain(gateway.Chain(mark("a"), mark("b")), mark("c")), "a b c app"},
	} {
		order = nil
		var s script
		s.respond("GET", c.chain(app).Call)
		if got := strings.Join(order, " "); got != c.want || s.err != nil {
			t.Errorf("called %s, want %s (error %v)", got, c.want, s.err)
		}
	}
}

func TestNilFieldsOfAnEnvironAreEmptyOnes(t *testing.T) {
	t.Parallel()
	var rec recorder
	err := gateway.Respond(gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if b, err := io.ReadAll(env.Input); len(b) != 0 || err != nil {
			t.Errorf("Input has %q, %v", b, err)
		}
		if _, err := io.WriteString(env.Errors, "dropped\n"); err != nil {
			t.Error(err)
		}
		env.Vars["X"] = "a map to write to" // R11
		if env.Context().Err() != nil {
			t.Error("the context has ended")
		}
		return nil, errBoom
	}), new(gateway.Environ), &rec)
	if !errors.Is(err, errBoom) || errors.Is(err, gateway.ErrBroken) {
		t.Error(err)
	}
	if !slices.Equal(rec.events, errorPage[:2]) {
		t.Errorf("sent %q", rec.events)
	}
}

// A breakage is a way for a Transport to fail.
type breakage struct {
	name string
	err  error
}

var breakages = []breakage{
	{"error", errors.New("disk full")},
	{"disconnect", gone{}},
	{"short write", nil},
}

// gone is a Transport's ErrDisconnected with what the system said (EPIPE).
type gone struct{}

func (gone) Error() string { return "broken pipe" }
func (gone) Unwrap() error { return gateway.ErrDisconnected }

// TestNothingIsSentAfterTheTransportFailed breaks the transport at every call that a run without failure has.
func TestNothingIsSentAfterTheTransportFailed(t *testing.T) {
	t.Parallel()
	length := func(n string) gateway.Headers { return plain.With("Content-Length", n) }
	for _, c := range []struct {
		name, method string
		headers      gateway.Headers
		call, body   func(*script) // after start; all that they return is ignored
		fails        bool          // also without a failure of the transport
	}{
		{name: "one block", method: "GET", body: func(s *script) { s.send("hello") }},
		{name: "no block", method: "GET"},
		{name: "three blocks", method: "GET", body: func(s *script) {
			for s.yield([]byte("block"), nil) {
				if s.rec.calls > 3 {
					return
				}
			}
		}},
		{name: "write", method: "GET", call: func(s *script) { s.write("one"); s.write("two") },
			body: func(s *script) { s.send("three") }},
		{name: "empty write", method: "GET", call: func(s *script) { s.write(""); s.write("one") }},
		{name: "HEAD", method: "HEAD", body: func(s *script) { s.send("hello") }},
		{name: "HEAD with write", method: "HEAD", call: func(s *script) { s.write("one"); s.write("two") }},
		{name: "error page", method: "GET", body: func(s *script) { s.yield(nil, errAny) }, fails: true},
		{name: "error page for HEAD", method: "HEAD", body: func(s *script) { panic(errAny) }, fails: true},
		{name: "error after a block", method: "GET", body: func(s *script) {
			if s.yield([]byte("one"), nil) {
				s.yield(nil, errAny)
			}
		}, fails: true},
		{name: "too long", method: "GET", headers: length("3"), body: func(s *script) { s.send("hello") }, fails: true},
		{name: "too long, in the second block", method: "GET", headers: length("7"), body: func(s *script) {
			if s.yield([]byte("hello"), nil) {
				s.send("hello")
			}
		}, fails: true},
		{name: "too long, by write", method: "GET", headers: length("3"), call: func(s *script) { s.write("hello") }, fails: true},
		{name: "too short", method: "GET", headers: length("9"), body: func(s *script) { s.send("hello") }, fails: true},
	} {
		run := func(failAt int, err error) *script {
			headers := c.headers
			if headers == nil {
				headers = plain
			}
			s := &script{rec: recorder{failAt: failAt, err: err}}
			return s.respond(c.method, func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				s.beginWith("200 OK", headers, nil)
				if c.call != nil {
					c.call(s)
				}
				return gateway.OnClose(&scripted{s, c.body}, func() error {
					if cause := context.Cause(s.env.Context()); s.rec.failAt > 0 && cause == nil {
						t.Errorf("%s: the context has not ended after call %d of the transport failed", c.name, failAt)
					} else if err != nil && s.rec.failAt > 0 && !errors.Is(cause, err) {
						t.Errorf("%s: the cause of the context's end is %v, want %v", c.name, cause, err)
					}
					return nil
				}), nil
			})
		}
		clean := run(0, nil)
		if c.fails != (clean.err != nil) || clean.rec.calls == 0 {
			t.Fatalf("%s: %v after %q", c.name, clean.err, clean.rec.events)
		}
		for k := 1; k <= clean.rec.calls; k++ {
			for _, b := range breakages {
				call := clean.rec.events[k-1]
				if isHead := call[0] != '"'; b.err == nil && (isHead || call == `""`) {
					continue // nothing to be short of
				}
				s := run(k, b.err)
				name := c.name + ": " + b.name + " at call " + strconv.Itoa(k) + ", " + call
				if got, want := s.rec.events, append(slices.Clone(clean.rec.events[:k]), "close"); !slices.Equal(got, want) {
					t.Errorf("%s: the transport saw %q, want %q", name, got, want)
				}
				cause := b.err
				if cause == nil {
					cause = io.ErrShortWrite
				}
				if !errors.Is(s.err, gateway.ErrBroken) || !errors.Is(s.err, cause) {
					t.Errorf("%s: Respond returned %v, want it to wrap ErrBroken and %v", name, s.err, cause)
				}
				if b.name == "disconnect" && !c.fails && len(s.log) != 0 {
					t.Errorf("%s: a client that left was reported: %q", name, s.log)
				}
				if b.name != "disconnect" && len(s.log) == 0 {
					t.Errorf("%s: nothing was reported", name)
				}
			}
		}
	}
}

func TestATransportThatPanicsDoesNotKeepTheBodyOpen(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]func(*script){
		"at a block":        func(s *script) { s.send("a") },
		"at the end":        nil,
		"at the error page": func(s *script) { s.yield(nil, errBoom) },
	} {
		s := &script{rec: recorder{during: func() { panic("transport") }}}
		s.run("GET", func(s *script) { s.begin("200 OK", nil) }, body)
		if n := len(s.rec.events); n != 3 || s.rec.events[2] != "close" {
			t.Errorf("%s: the transport saw %q", name, s.rec.events)
		}
		if !errors.Is(s.err, gateway.ErrBroken) {
			t.Errorf("%s: Respond returned %v", name, s.err)
		}
	}
}

// TestAPanicIsReportedAlsoWhenTheClientLeft has a body that trips over the end that it was told of.
func TestAPanicIsReportedAlsoWhenTheClientLeft(t *testing.T) {
	t.Parallel()
	s := &script{rec: recorder{failAt: 2, err: gateway.ErrDisconnected}}
	s.run("GET", nil, func(s *script) {
		s.begin("200 OK", nil)
		s.send("a")
		panic("in the clean-up")
	})
	if len(s.log) != 1 || !strings.Contains(s.log[0], "in the clean-up") {
		t.Errorf("env.Errors got %q", s.log)
	}
}

func TestAClientThatLeftIsReturnedAndNotReported(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(s *script) error{
		"the error of the write is ignored":  func(*script) error { return nil },
		"the error of the write is returned": func(s *script) error { return s.errs[len(s.errs)-1] },
		"the error of the context":           func(s *script) error { return s.env.Context().Err() },
		"the cause of the context":           func(s *script) error { return context.Cause(s.env.Context()) },
	} {
		s := &script{rec: recorder{failAt: 2, err: gone{}}}
		s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
			s.begin("200 OK", nil)
			s.write("a")
			err := then(s)
			return gateway.OnClose(gateway.Text("b"), func() error { return err }), err
		})
		if !errors.Is(s.err, gateway.ErrDisconnected) || !errors.Is(s.err, gateway.ErrBroken) || len(s.log) != 0 {
			t.Errorf("%s: Respond returned %v, env.Errors got %q", name, s.err, s.log)
		}
	}
}
