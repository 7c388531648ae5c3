package gateway_test

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"example.com/gateway"
)

// TestPhases has a case for each cell of the table moves that a call can reach: the writer does not
// exist before start, and in the phases failed and broken the error that was kept comes before any
// move. The cases use the writer in Call, since it does not work later (R102), and do all else
// inside the iteration, as late as is allowed (R24).
// A watchedContext counts who asks for its Done.
type watchedContext struct {
	context.Context
	asked int
}

func (c *watchedContext) Done() <-chan struct{} {
	c.asked++
	return c.Context.Done()
}

// A server may begin to watch for a client that leaves when its Context is asked for Done.
func TestOnlyTheApplicationAsksForDone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ask  func(ctx context.Context)
		want bool
	}{
		"nothing": {func(context.Context) {}, false},
		"a value": {func(ctx context.Context) { ctx.Value("x") }, false},
		"Done":    {func(ctx context.Context) { ctx.Done() }, true},
		"Err":     {func(ctx context.Context) { _ = ctx.Err() }, true},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		watched := &watchedContext{Context: ctx}
		s := &script{ctx: watched}
		s.run("GET", nil, func(s *script) {
			s.begin("200 OK", nil)
			s.send("a")
			c.ask(s.env.Context())
			s.send("b")
		})
		if isAsked := watched.asked > 0; isAsked != c.want || s.err != nil {
			t.Errorf("%s: Done was asked for %d times; %v", name, watched.asked, s.err)
		}
		cancel()
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	started := func(s *script) { s.begin("200 OK", nil) }
	written := func(s *script) { s.begin("200 OK", nil); s.write("a") }
	// two returns a function that runs first, which leads to the phase, and then f.
	two := func(first, f func(*script)) func(*script) { return func(s *script) { first(s); f(s) } }
	sent := func(s *script) { s.begin("200 OK", nil); s.send("a") }
	boom := func(s *script) { s.yield(nil, errBoom) }
	brokenEvents := []string{plainHead, `"a"`, "close"}
	notStarted := []error{gateway.ErrNotStarted}
	notStartedLog := []string{"start was not called"}

	for _, c := range []struct {
		name       string
		call, body func(*script)
		after      func(*script)
		want       want
	}{
		{name: "idle: start", body: started, want: want{
			events: []string{plainHead + "|Content-Length: 0", "close"},
			errs:   []error{nil},
		}},
		{name: "idle: start with a cause", body: func(s *script) { s.begin("404 Not Found", errBoom) }, want: want{
			events: []string{"404 Not Found|Content-Type: text/plain|Content-Length: 0", "close"},
			errs:   []error{nil},
		}},
		{name: "idle: block", body: func(s *script) { s.send("a") }, want: want{
			events: errorPage,
			going:  []bool{false},
			is:     notStarted, // R23
			log:    notStartedLog,
		}},
		{name: "idle: block, then start", body: func(s *script) { s.send("a"); s.begin("200 OK", nil) }, want: want{
			events: errorPage, // never "200 OK" without the block
			errs:   []error{gateway.ErrNotStarted},
			going:  []bool{false},
			is:     notStarted,
			log:    notStartedLog,
		}},
		{name: "idle: block, then start with a cause", body: func(s *script) {
			s.send("a")
			s.begin("200 OK", errBoom)
		}, want: want{
			events: errorPage,
			errs:   []error{gateway.ErrNotStarted},
			going:  []bool{false},
			is:     notStarted,
			log:    notStartedLog,
		}},
		{name: "idle: empty block", body: func(s *script) {
			s.send("")
			s.yield(nil, nil)
			s.begin("200 OK", nil)
			s.send("a")
		}, want: want{
			events: []string{plainHead, `"a"`, "close"}, // R76
			errs:   []error{nil},
			going:  []bool{true, true},
		}},
		{name: "idle: body ends", want: want{
			events: errorPage,
			is:     notStarted,
			log:    notStartedLog,
		}},
		{name: "idle: body ends after empty blocks", body: func(s *script) { s.send(""); s.send("") }, want: want{
			events: errorPage,
			going:  []bool{true, true},
			is:     notStarted,
			log:    notStartedLog,
		}},
		{name: "idle: error", body: boom, want: want{
			events: errorPage,
			is:     []error{errBoom},
			log:    []string{"boom"},
		}},
		{name: "idle: panic", body: func(*script) { panic(errBoom) }, want: want{
			events: errorPage,
			is:     []error{errBoom},
			log:    []string{"panic: boom"},
			stack:  true,
		}},
		{name: "idle: a block beside an error", body: func(s *script) { s.yield([]byte("a"), errBoom) }, want: want{
			events: errorPage,
			is:     []error{errBoom},
			log:    []string{"boom"},
		}},

		{name: "started: start", body: two(started, started), want: want{
			events: errorPage, // although the application ignores the error
			errs:   []error{nil, gateway.ErrStarted},
			is:     []error{gateway.ErrStarted}, // R82
			log:    []string{"start was called before, and without a cause"},
		}},
		{name: "started: start with a cause", body: two(started, func(s *script) {
			s.beginWith("503 Service Unavailable", gateway.Headers{{"Retry-After", "1"}}, errBoom)
			s.send("a")
		}), want: want{
			events: []string{"503 Service Unavailable|Retry-After: 1", `"a"`, "close"}, // R79
			errs:   []error{nil, nil},
			going:  []bool{true},
		}},
		{name: "started: block", body: two(started, func(s *script) { s.send("a") }), want: want{
			events: []string{plainHead, `"a"`, "close"},
			errs:   []error{nil},
			going:  []bool{true},
		}},
		{name: "started: empty block", body: two(started, func(s *script) {
			s.send("")
			s.begin("404 Not Found", errBoom) // it would be refused if the empty block had sent the head (R76)
		}), want: want{
			events: []string{"404 Not Found|Content-Type: text/plain|Content-Length: 0", "close"},
			errs:   []error{nil, nil},
			going:  []bool{true},
		}},
		{name: "started: write", call: written, want: want{
			events: []string{plainHead, `"a"`, "close"},
			errs:   []error{nil, nil},
		}},
		{name: "started: empty write", call: func(s *script) { started(s); s.write("") }, want: want{
			events: []string{plainHead, "close"}, // R76: "or upon the first invocation of write()"
			errs:   []error{nil, nil},
		}},
		{name: "started: write in the iteration", call: started, body: func(s *script) { s.write("a") }, want: want{
			events: errorPage, // R102
			errs:   []error{nil, errAny},
			is:     []error{errAny},
			log:    []string{"the writer was used after Call; a body yields instead"},
		}},
		{name: "started: body ends", call: started, want: want{
			events: []string{plainHead + "|Content-Length: 0", "close"},
			errs:   []error{nil},
		}},
		{name: "started: error", body: two(started, boom), want: want{
			events: errorPage,
			errs:   []error{nil},
			is:     []error{errBoom},
			log:    []string{"boom"},
		}},
		{name: "started: panic", body: two(started, func(*script) { panic(errBoom) }), want: want{
			events: errorPage,
			errs:   []error{nil},
			is:     []error{errBoom},
			log:    []string{"panic: boom"},
			stack:  true,
		}},
		{name: "started: panic in Call", call: two(started, func(*script) { panic("boom") }), want: want{
			events: errorPage[:2], // there is no body to close
			errs:   []error{nil},
			is:     []error{errAny},
			log:    []string{"panic: boom"},
			stack:  true,
		}},

		{name: "sent: start", body: two(sent, started), want: want{
			events: brokenEvents,
			errs:   []error{nil, gateway.ErrStarted},
			is:     []error{gateway.ErrStarted},
			broken: true,
			log:    []string{"start was called before, and without a cause"},
		}},
		{name: "sent: start with a cause", body: two(sent, func(s *script) {
			s.begin("500 Internal Server Error", errBoom)
			s.send("b")
		}), want: want{
			events: brokenEvents,
			errs:   []error{nil, both{gateway.ErrHeadersSent, errBoom}}, // R80
			going:  []bool{true, false},
			is:     []error{gateway.ErrHeadersSent, errBoom},
			broken: true,
			log:    []string{"headers were sent already: boom"},
		}},
		{name: "sent by write: start with a cause", call: two(written, func(s *script) {
			s.begin("500 Internal Server Error", errBoom)
			s.write("b")
		}), want: want{
			events: brokenEvents,
			errs:   []error{nil, nil, both{gateway.ErrHeadersSent, errBoom}, gateway.ErrHeadersSent}, // sticky
			is:     []error{gateway.ErrHeadersSent, errBoom},
			broken: true,
			log:    []string{"headers were sent already: boom"},
		}},
		{name: "sent: block", body: two(sent, func(s *script) { s.send("b"); s.send("c") }), want: want{
			events: []string{plainHead, `"a"`, `"b"`, `"c"`, "close"},
			errs:   []error{nil},
			going:  []bool{true, true, true},
		}},
		{name: "sent: empty block", body: two(sent, func(s *script) {
			s.send("")
			s.yield(nil, nil)
			s.send("b")
		}), want: want{
			events: []string{plainHead, `"a"`, `"b"`, "close"},
			errs:   []error{nil},
			going:  []bool{true, true, true},
		}},
		{name: "sent: write", call: two(written, func(s *script) { s.write("b") }), body: func(s *script) {
			s.send("c")
		}, want: want{
			events: []string{plainHead, `"a"`, `"b"`, `"c"`, "close"}, // R101
			errs:   []error{nil, nil, nil},
			going:  []bool{true},
		}},
		{name: "sent: empty write", call: func(s *script) { written(s); s.write("") }, want: want{
			events: []string{plainHead, `"a"`, "close"},
			errs:   []error{nil, nil, nil},
		}},
		{name: "sent: write in the iteration", call: written, body: func(s *script) {
			s.write("b")
			s.send("c")
		}, want: want{
			events: brokenEvents, // R102
			errs:   []error{nil, nil, errAny},
			going:  []bool{false},
			is:     []error{errAny},
			broken: true,
			log:    []string{"the writer was used after Call; a body yields instead"},
		}},
		{name: "sent: body ends", body: sent, want: want{
			events: []string{plainHead, `"a"`, "close"},
			errs:   []error{nil},
			going:  []bool{true},
		}},
		{name: "sent: error", body: two(sent, boom), want: want{
			events: brokenEvents,
			errs:   []error{nil},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"boom"},
		}},
		{name: "sent: a block beside an error", body: two(sent, func(s *script) {
			s.yield([]byte("b"), errBoom)
		}), want: want{
			events: brokenEvents,
			errs:   []error{nil},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"boom"},
		}},
		{name: "sent: panic", body: two(sent, func(*script) { panic(errBoom) }), want: want{
			events: brokenEvents,
			errs:   []error{nil},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"panic: boom"},
			stack:  true,
		}},
		{name: "sent: panic in Call", call: two(written, func(*script) { panic(errBoom) }), want: want{
			events: brokenEvents[:2],
			errs:   []error{nil, nil},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"panic: boom"},
			stack:  true,
		}},

		{name: "failed: start", body: two(boom, started), want: want{
			events: errorPage,
			errs:   []error{errBoom},
			is:     []error{errBoom},
			log:    []string{"boom"},
		}},
		{name: "failed: start with a cause", body: two(two(started, boom), func(s *script) {
			s.begin("200 OK", errAny)
		}), want: want{
			events: errorPage, // although a cause heals a start that failed
			errs:   []error{nil, errBoom},
			is:     []error{errBoom},
			log:    []string{"boom"},
		}},
		{name: "failed: panic", body: two(boom, func(*script) { panic("later") }), want: want{
			events: errorPage,
			is:     []error{errBoom, errAny},
			log:    []string{"boom", "panic: later"},
			stack:  true,
		}},

		{name: "broken: start", body: two(two(sent, boom), started), want: want{
			events: brokenEvents,
			errs:   []error{nil, gateway.ErrStarted},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"boom"},
		}},
		{name: "broken: start with a cause", body: two(two(sent, boom), func(s *script) {
			s.begin("200 OK", errAny)
		}), want: want{
			events: brokenEvents,
			errs:   []error{nil, both{gateway.ErrHeadersSent, errAny}},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"boom"},
		}},
		{name: "broken: panic", body: two(two(sent, boom), func(*script) { panic("later") }), want: want{
			events: brokenEvents,
			errs:   []error{nil},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"boom", "panic: later"},
			stack:  true,
		}},

		{name: "over: start", body: sent, after: started, want: want{
			events: brokenEvents,
			errs:   []error{nil, gateway.ErrEnded},
			going:  []bool{true},
		}},
		{name: "over: start, of a response that never started", after: started, want: want{
			events: errorPage,
			errs:   []error{gateway.ErrEnded},
			is:     notStarted,
			log:    notStartedLog,
		}},
		{name: "over: start with a cause", body: sent, after: func(s *script) { s.begin("200 OK", errBoom) }, want: want{
			events: brokenEvents,
			errs:   []error{nil, gateway.ErrEnded},
			going:  []bool{true},
		}},
		{name: "over: write", call: written, after: func(s *script) { s.write("b"); s.write("") }, want: want{
			events: brokenEvents,
			errs:   []error{nil, nil, gateway.ErrEnded, gateway.ErrEnded},
		}},
		{name: "over: block", body: sent, after: func(s *script) {
			s.send("b")
			s.send("")
			s.yield(nil, errBoom)
		}, want: want{
			events: brokenEvents,
			errs:   []error{nil},
			going:  []bool{true, false, false},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.run("GET", c.call, c.body)
			if c.after != nil {
				c.after(&s)
			}
			s.check(t, c.want)
		})
	}
}

// An application that ignores the error of a start has no response until it starts again with a
// cause (R79, R83).
func TestAStickyErrorIsNotOutrun(t *testing.T) {
	t.Parallel()
	var s script
	s.run("GET", func(s *script) {
		s.begin("bad", nil)
		s.write("a")
		s.write("b")
	}, func(s *script) { t.Error("the body was ranged") })
	s.check(t, want{
		events: errorPage,
		errs:   []error{gateway.ErrStatus, gateway.ErrStatus, gateway.ErrStatus},
		is:     []error{gateway.ErrStatus}, log: []string{`invalid status: "bad" is not three digits and a space`},
	})

	s = script{}
	s.run("GET", func(s *script) { s.begin("bad", nil); s.begin("200 OK", errBoom) }, nil)
	s.check(t, want{events: []string{plainHead + "|Content-Length: 0", "close"}, errs: []error{gateway.ErrStatus, nil}})
	s = script{}
	s.run("GET", func(s *script) { s.begin("bad", nil); s.begin("200 OK", nil) }, nil)
	s.check(t, want{
		events: errorPage, errs: []error{gateway.ErrStatus, gateway.ErrStarted},
		is: []error{gateway.ErrStatus}, log: []string{`invalid status: "bad" is not three digits and a space`},
	})
}

func TestAnErrorOfCallAndAStickyOneAreBothReported(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, _ = start("bad", nil, nil)
		return nil, errBoom
	}).check(t, want{
		events: errorPage[:2], is: []error{errBoom, gateway.ErrStatus},
		log: []string{`invalid status: "bad" is not three digits and a space`, "boom"},
	})
	s = script{}
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("bad", nil, nil)
		return nil, err
	}).check(t, want{
		events: errorPage[:2], is: []error{gateway.ErrStatus},
		log: []string{`invalid status: "bad" is not three digits and a space`},
	})
}

// R77: a head with a length of zero waits like any other, so that the application can still replace
// it.
func TestAHeadWithLengthZeroWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	var s script
	s.run("GET", func(s *script) {
		s.beginWith("200 OK", gateway.Headers{{"Content-Length", "0"}}, nil)
	}, func(s *script) {
		s.send("")
		if len(s.rec.events) != 0 {
			t.Errorf("sent %q before the end", s.rec.events)
		}
		s.begin("404 Not Found", errBoom)
	})
	s.check(t, want{
		events: []string{"404 Not Found|Content-Type: text/plain|Content-Length: 0", "close"},
		errs:   []error{nil, nil}, going: []bool{true},
	})
}

// R14: the writer is never nil. After an error of start it returns that error.
func TestTheWriterIsNeverNil(t *testing.T) {
	t.Parallel()
	start := func(headers gateway.Headers) func(*script) {
		return func(s *script) { s.beginWith("200 OK", headers, nil) }
	}
	for _, c := range []struct {
		name   string
		before func(*script)
		start  func(*script)
		want   error
	}{
		{"the status is bad", nil, func(s *script) { s.begin("200", nil) }, gateway.ErrStatus},
		{"a header is bad", nil, start(gateway.Headers{{"Connection", "close"}}), gateway.ErrHeader},
		{"the length is bad", nil, start(gateway.Headers{{"Content-Length", "x"}}), gateway.ErrContentLength},
		{"a second start", start(nil), start(nil), gateway.ErrStarted},
		{"the head was sent", func(s *script) { s.begin("200 OK", nil); s.write("a") },
			func(s *script) { s.begin("200 OK", errBoom) }, gateway.ErrHeadersSent},
		{"it worked", nil, start(nil), nil},
	} {
		var s script
		s.run("GET", func(s *script) {
			if c.before != nil {
				c.before(s)
			}
			c.start(s)
			if s.w == nil {
				t.Fatalf("%s: the writer is nil", c.name)
			}
			if err := s.errs[len(s.errs)-1]; !matches(err, c.want) {
				t.Errorf("%s: start returned %v", c.name, err)
			}
			if _, err := s.w.Write([]byte("b")); !matches(err, c.want) {
				t.Errorf("%s: Write returned %v, want %v", c.name, err, c.want)
			}
		}, nil)
		s.begin("200 OK", nil)
		if s.w == nil {
			t.Fatalf("%s: the writer is nil after the end", c.name)
		}
		if _, err := s.w.Write(nil); !errors.Is(err, gateway.ErrEnded) {
			t.Errorf("%s: after the end Write returned %v", c.name, err)
		}
	}
}

func TestAnErrorAtEveryStepIsReportedOnce(t *testing.T) {
	t.Parallel()
	failAtEveryStep(t, errBoom, errBoom, "boom")
}

// failAtEveryStep has an application fail at each of the steps, and checks the outcome: what the
// client gets, the error that Respond's error wraps, and the one line of the log.
func failAtEveryStep(t *testing.T, err, is error, line string) {
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond("GET", (&stepped{&s, step.name, func() error { return err }}).Call)
			s.check(t, want{events: step.events, is: []error{is}, broken: step.broken, log: []string{line}})
		})
	}
}

func TestAPanicAtEveryStepIsReportedWithItsStack(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond("GET", (&stepped{&s, step.name, explode}).Call)
			s.check(t, want{
				events: withoutBody(step.name, step.events),
				is:     []error{errBoom},
				broken: step.broken,
				log:    []string{"panic: boom"},
				stack:  true,
			})
			if !strings.Contains(strings.Join(s.log, ""), "gateway_test.explode(") {
				t.Error("the stack does not name the function that panicked")
			}
		})
	}
}

func explode() error { panic(errBoom) }

// Goexit ends the goroutine, as t.FailNow does. Respond then cannot return, and does all else as
// after an error.
func TestGoexitAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			var s script
			done := make(chan struct{})
			returned := false
			go func() {
				defer close(done)
				s.respond("GET", (&stepped{&s, step.name, func() error { runtime.Goexit(); return nil }}).Call)
				returned = true
			}()
			<-done
			if returned {
				t.Error("Respond returned")
			}
			s.check(t, want{
				events: withoutBody(step.name, step.events),
				broken: step.broken,
				log:    []string{"the application ended its goroutine"},
			})
			s.checkEnded(t)
		})
	}
}

// A request works after every failure of another one.
func TestAFailureLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	good := func() {
		t.Helper()
		var s script
		s.respond("GET", (&stepped{s: &s}).Call)
		s.check(t, want{events: steps[len(steps)-1].events})
	}
	good()
	for _, step := range steps {
		for _, fail := range []func() error{
			func() error { return errBoom },
			func() error { panic(errBoom) },
		} {
			var s script
			s.respond("GET", (&stepped{&s, step.name, fail}).Call)
			if s.err == nil {
				t.Errorf("%s: no error", step.name)
			}
			good()
		}
	}
}

func TestNothingOfARequestWorksAfterItsEnd(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "HEAD"} {
		var s script
		s.run(method, func(s *script) { s.begin("200 OK", nil) }, func(s *script) { s.send("a") })
		s.checkEnded(t)
		if cause := context.Cause(s.env.Context()); cause != gateway.ErrEnded {
			t.Errorf("the context's cause is %v", cause)
		}
		if len(s.log) != 0 {
			t.Errorf("env.Errors got %q", s.log)
		}
	}
}

func TestInputIsOpenUntilCloseReturns(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.OnClose(gateway.Text("x"), func() error {
			b, err := io.ReadAll(env.Input)
			if string(b) != "the request's body" {
				t.Errorf("Input has %q", b)
			}
			if env.Context().Err() != nil {
				t.Error("the context has ended before Close")
			}
			return err
		}), err
	})
	if s.err != nil {
		t.Error(s.err)
	}
}

// While a request is going on, its application uses start, writer, yield and Input of a request
// that is over.
func TestWhatOneRequestLeftBehindNeverReachesAnother(t *testing.T) {
	t.Parallel()
	var first, second script
	first.run("GET", func(s *script) { s.begin("200 OK", nil) }, func(s *script) { s.send("a") })
	writer := first.w
	second.run("GET", func(s *script) {
		s.begin("200 OK", nil)
		if _, err := first.start("404 Not Found", nil, nil); !errors.Is(err, gateway.ErrEnded) {
			t.Error(err)
		}
		if _, err := writer.Write([]byte("first")); !errors.Is(err, gateway.ErrEnded) {
			t.Error(err)
		}
	}, func(s *script) {
		s.send("b")
		if first.yield([]byte("first"), nil) {
			t.Error("the first request's yield returned true")
		}
		if _, err := first.env.Input.Read(make([]byte, 1)); !errors.Is(err, gateway.ErrEnded) {
			t.Error(err)
		}
		if s.env.Context().Err() != nil {
			t.Error("the second request's context has ended")
		}
		s.send("c")
	})
	second.check(t, want{
		events: []string{plainHead, `"b"`, `"c"`, "close"}, errs: []error{nil}, going: []bool{true, true},
	})
	if len(first.rec.events) != 3 {
		t.Errorf("the first transport saw %q", first.rec.events)
	}
}

// A breakage is a way in which a Transport fails: see recorder.
type breakage struct {
	name string
	err  error
	fail func()
}

var breakages = []breakage{
	{name: "error", err: errors.New("disk full")},
	{name: "disconnect", err: gone{}},
	{name: "short write"},
	{name: "panic", err: errBoom, fail: func() { panic(errBoom) }},
	{name: "Goexit", err: errBoom, fail: runtime.Goexit},
}

// A gone is an ErrDisconnected with the operating system's text.
type gone struct{}

func (gone) Error() string { return "broken pipe" }
func (gone) Unwrap() error { return gateway.ErrDisconnected }

// The transport fails at each of the calls that it gets when it does not fail, in each way.
func TestNothingIsSentAfterTheTransportFailed(t *testing.T) {
	t.Parallel()
	path := writeFile(t, content(8192+chunk+2000)) // one block and two parts
	length := func(n string) gateway.Headers { return plain.With("Content-Length", n) }
	for _, c := range []struct {
		name, method string
		headers      gateway.Headers
		call, body   func(*script) // run after start; they ignore every error
		file         bool          // the body is a file, which the transport sends by itself
		fails        bool          // Respond returns an error also if the transport does not fail
	}{
		{name: "one block", method: "GET", body: func(s *script) { s.send("hello") }},
		{name: "no block", method: "GET"},
		{name: "three blocks", method: "GET", body: func(s *script) {
			for s.yield([]byte("block"), nil) {
				if len(s.rec.events) > 3 {
					return
				}
			}
		}},
		{name: "write", method: "GET", call: func(s *script) { s.write("one"); s.write("two") }, body: func(s *script) {
			s.send("three")
		}},
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
		{name: "too long, by write", method: "GET", headers: length("3"), call: func(s *script) {
			s.write("hello")
		}, fails: true},
		{name: "too short", method: "GET", headers: length("9"), body: func(s *script) { s.send("hello") }, fails: true},
		{name: "a file", method: "GET", file: true},
		{name: "a file with a length", method: "GET", headers: length("501712"), file: true},
		{name: "a file for HEAD", method: "HEAD", file: true},
	} {
		run := func(failAt int, b breakage) (s *script, returned bool) {
			headers := c.headers
			if headers == nil {
				headers = plain
			}
			s = &script{rec: recorder{failAt: failAt, err: b.err, fail: b.fail}}
			app := func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
				s.beginWith("200 OK", headers, nil)
				if c.call != nil {
					c.call(s)
				}
				var body gateway.Body = &scripted{s, c.body}
				if c.file {
					body = s.tracked(gateway.Reader(openFile(t, path), 0))
				}
				return gateway.OnClose(body, func() error {
					cause := context.Cause(s.env.Context())
					switch {
					case failAt == 0 || b.fail != nil: // without an error of the transport the context goes on
					case cause == nil:
						t.Errorf("%s: the context has not ended after call %d of the transport failed", c.name, failAt)
					case b.err != nil && !errors.Is(cause, b.err):
						t.Errorf("%s: the cause of the context's end is %v, want %v", c.name, cause, b.err)
					}
					return nil
				}), nil
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				var transport gateway.Transport = &s.rec
				if c.file {
					transport = &fileTransport{recorder: &s.rec}
				}
				s.respondThrough(transport, c.method, app)
				returned = true
			}()
			<-done
			return s, returned
		}
		clean, _ := run(0, breakage{})
		if c.fails != (clean.err != nil) || len(clean.rec.calls) == 0 {
			t.Fatalf("%s: %v after %q", c.name, clean.err, clean.rec.events)
		}
		for k, call := range clean.rec.calls {
			for _, b := range breakages {
				if b.err == nil && call != "write" {
					continue // only a Write can be short
				}
				s, returned := run(k+1, b)
				name := c.name + ": " + b.name + " at call " + strconv.Itoa(k+1) + ", " + call
				want := slices.Clone(clean.rec.calls[:k+1])
				if call != "end" {
					want = append(want, "end")
				}
				if got := s.rec.calls; !slices.Equal(got, want) {
					t.Errorf("%s: the transport saw %q, want %q", name, got, want)
				}
				// A Call that a panic or a Goexit of the transport ends has no body to close.
				hasBody := b.fail == nil || c.call == nil || call == "end"
				if last := s.rec.events[len(s.rec.events)-1]; hasBody && last != "close" {
					t.Errorf("%s: the last event is %q", name, last)
				}
				if call != "end" && s.rec.whole {
					t.Errorf("%s: End was told that the response is whole", name)
				}
				cause := b.err
				if cause == nil {
					cause = io.ErrShortWrite
				}
				if returned != (b.name != "Goexit") || returned && !errors.Is(s.err, cause) {
					t.Errorf("%s: Respond returned %v, want it to wrap %v", name, s.err, cause)
				}
				s.checkEnded(t)
				if b.name == "disconnect" && !c.fails && len(s.log) != 0 {
					t.Errorf("%s: a client that left was reported: %q", name, s.log)
				}
				if b.name != "disconnect" && len(s.log) == 0 && !(b.name == "Goexit" && (call == "end" || !c.fails)) {
					t.Errorf("%s: nothing was reported", name)
				}
			}
		}
	}
}

// Write returns less than it got, or an impossible count, with an error or without.
func TestACountOfWriteThatIsNotTheBlocksBreaksTheResponse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		count func(n int) int
		taken int // of "hello", by the result of the application's Write
	}{
		{"none", func(int) int { return 0 }, 0},
		{"one too few", func(n int) int { return n - 1 }, 4},
		{"all of them", func(n int) int { return n }, 5}, // beside an error
		{"one too many", func(n int) int { return n + 1 }, 5},
		{"far too many", func(int) int { return math.MaxInt }, 5},
		{"a negative count", func(int) int { return -1 }, 0},
		{"the most negative count", func(int) int { return math.MinInt }, 0},
	} {
		for _, err := range []error{nil, errAny} {
			wrapped := err
			if err == nil && c.name == "all of them" {
				continue
			} else if err == nil {
				wrapped = io.ErrShortWrite
			}
			w := want{
				events: []string{plainHead, `"hello"`, "close"}, is: []error{wrapped}, broken: true,
				log: []string{wrapped.Error()},
			}
			s := script{rec: recorder{failAt: 2, err: err, count: c.count}}
			s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
				writer, _ := s.start("200 OK", plain, nil)
				if n, err := io.WriteString(writer, "hello"); n != c.taken || !errors.Is(err, wrapped) {
					t.Errorf("%s: Write returned %d, %v, want %d, %v", c.name, n, err, c.taken, wrapped)
				}
				return s.tracked(gateway.Text("more")), nil
			})
			s.check(t, w)

			s = script{rec: recorder{failAt: 2, err: err, count: c.count}}
			s.run("GET", nil, func(s *script) { s.begin("200 OK", nil); s.send("hello") })
			w.errs, w.going = []error{nil}, []bool{false}
			s.check(t, w)
		}
	}
}

func TestATransportThatPanicsDoesNotKeepTheBodyOpen(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]func(*script){
		"at a block":        func(s *script) { s.send("a") },
		"at the error page": func(s *script) { s.yield(nil, errBoom) },
	} {
		s := &script{rec: recorder{during: func() { panic("transport") }}}
		s.run("GET", func(s *script) { s.begin("200 OK", nil) }, body)
		if n := len(s.rec.events); n != 3 || s.rec.events[2] != "close" {
			t.Errorf("%s: the events are %q", name, s.rec.events)
		}
		if calls := strings.Join(s.rec.calls, " "); s.err == nil || s.rec.whole || calls != "head end" { // Write panics
			t.Errorf("%s: Respond returned %v, the transport's calls are %s", name, s.err, calls)
		}
	}
}

// The body is closed, and there is a report, also of an End and of a head that come when the
// application has ended.
func TestATransportThatEndsItsGoroutineIsReported(t *testing.T) {
	t.Parallel()
	for call, name := range []string{"head", "end"} {
		s := script{rec: recorder{failAt: call + 1, fail: runtime.Goexit}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run("GET", func(s *script) { s.begin("200 OK", nil) }, nil)
		}()
		<-done
		if len(s.log) != 1 || !strings.Contains(s.log[0], "the transport panicked, or ended the goroutine") {
			t.Errorf("%s: the log has %q", name, s.log)
		}
		if last := s.rec.events[len(s.rec.events)-1]; last != "close" {
			t.Errorf("%s: the last event is %s", name, last)
		}
	}
}

func TestACallThatOverlapsAnotherIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		overlap func(s *script) error // runs on another goroutine while the transport writes
	}{
		{"start", func(s *script) error {
			_, err := s.start("200 OK", plain, nil)
			return err
		}},
		{"start with a cause", func(s *script) error {
			_, err := s.start("200 OK", plain, errBoom)
			return err
		}},
		{"write", func(s *script) error {
			_, err := s.w.Write([]byte("stray"))
			return err
		}},
		{"yield", func(s *script) error {
			if s.yield([]byte("stray"), nil) {
				return nil
			}
			return errAny
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.rec.during = func() {
				s.rec.during = nil
				done := make(chan error)
				go func() { done <- c.overlap(&s) }()
				if <-done == nil {
					t.Error("the call was not refused")
				}
			}
			s.run("GET", nil, func(s *script) { s.begin("200 OK", nil); s.send("a"); s.send("b") })
			s.check(t, want{
				events: []string{plainHead, `"a"`, `"b"`, "close"},
				errs:   []error{nil}, going: []bool{true, true},
				is: []error{errAny}, broken: true,
				log: []string{"two calls of start, its writer or yield overlap"},
			})
		})
	}
}

// Goroutines of the application call everything all the time, while the response begins, goes on
// and ends. Whatever becomes of the response, the transport sees one response, never two calls at
// once, and Close is last. The race detector finds what the test does not.
func TestStrayGoroutinesHaveNoRace(t *testing.T) {
	t.Parallel()
	for range 200 {
		var s script
		var wg sync.WaitGroup
		stop := make(chan struct{})
		loop := func(f func()) {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						f()
					}
				}
			})
		}
		s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, _ := start("200 OK", plain, nil)
			ctx, input := env.Context(), env.Input
			loop(func() { _, _ = start("200 OK", plain, nil) })
			loop(func() { _, _ = start("404 Not Found", plain, errBoom) })
			loop(func() { _, _ = io.WriteString(w, "stray") })
			loop(func() { _ = ctx.Err(); _ = context.Cause(ctx) })
			loop(func() { _, _ = input.Read(make([]byte, 1)) })
			return s.tracked(gateway.Bytes([]byte("a"), []byte("b"))), nil
		})
		close(stop)
		wg.Wait()
		events := s.rec.events
		if len(events) < 3 || events[len(events)-1] != "close" || !strings.Contains(events[0], "|Content-Type: text/plain") {
			t.Fatalf("the events are %q", events)
		}
		if calls := strings.Join(s.rec.calls, " "); !inOrder.MatchString(calls) {
			t.Fatalf("the transport's calls are %s", calls)
		}
		for _, event := range events[1 : len(events)-1] {
			if event[0] != '"' {
				t.Fatalf("a second head: %q", events)
			}
		}
		s.checkEnded(t)
	}
}

func TestAStrayYieldAfterTheEndIsRefused(t *testing.T) {
	t.Parallel()
	var s script
	s.run("GET", nil, func(s *script) { s.begin("200 OK", nil); s.send("a") })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if s.yield([]byte("stray"), nil) {
					t.Error("yield returned true")
				}
			}
		})
	}
	wg.Wait()
	if len(s.rec.events) != 3 {
		t.Errorf("the transport saw %q", s.rec.events)
	}
}

func TestAContextThatEndsStopsTheIterationAtTheNextBlock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause error
		log   []string
	}{
		{gateway.ErrShutdown, []string{"server is shutting down"}},
		{gateway.ErrDisconnected, nil},
		{context.DeadlineExceeded, []string{"context deadline exceeded"}},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		var s script
		s.ctx = ctx
		s.run("GET", func(s *script) { s.begin("200 OK", nil) }, func(s *script) {
			s.send("a")
			cancel(c.cause)
			s.send("")
			if s.send("b"); context.Cause(s.env.Context()) != c.cause {
				t.Errorf("the cause is %v", context.Cause(s.env.Context()))
			}
		})
		s.check(t, want{
			events: []string{plainHead, `"a"`, "close"}, errs: []error{nil}, going: []bool{true, true, false},
			is: []error{c.cause}, broken: true, log: c.log,
		})
	}
}

// An application that has looked at its Context may have given up when that ended: its response is
// not whole, and the log says why, if not that the client has left. An application that has not
// looked has come to its own end.
func TestABodyThatEndsAfterItsContextIsWholeUnlessTheApplicationMayHaveGivenUp(t *testing.T) {
	t.Parallel()
	looks := map[string]func(context.Context){
		"nothing": func(context.Context) {},
		"Value":   func(ctx context.Context) { ctx.Value("key") },
		"Done":    func(ctx context.Context) { ctx.Done() },
		"Err":     func(ctx context.Context) { _ = ctx.Err() },
		"Cause":   func(ctx context.Context) { _ = context.Cause(ctx) },
		"a child": func(ctx context.Context) {
			_, cancel := context.WithCancel(ctx)
			cancel()
		},
	}
	for _, c := range []struct {
		looksAt, length string
		cause           error
		isWhole         bool
		log             string
	}{
		{"nothing", "", gateway.ErrShutdown, true, ""},
		{"nothing", "", gateway.ErrDisconnected, true, ""},
		{"nothing", "2", gateway.ErrShutdown, false, "server is shutting down"},
		{"nothing", "2", gateway.ErrDisconnected, false, ""},
		{"nothing", "2", nil, false, "2 declared, 1 sent"},
		{"nothing", "1", gateway.ErrShutdown, true, ""},
		{"Done", "", nil, true, ""},
		{"Done", "", gateway.ErrShutdown, false, "server is shutting down"},
		{"Done", "", context.DeadlineExceeded, false, "context deadline exceeded"},
		{"Done", "", gateway.ErrDisconnected, false, ""},
		{"Done", "1", gateway.ErrShutdown, true, ""},
		{"Done", "2", gateway.ErrDisconnected, false, ""},
		{"Err", "", gateway.ErrShutdown, false, "server is shutting down"},
		{"Cause", "", gateway.ErrShutdown, false, "server is shutting down"},
		{"a child", "", gateway.ErrShutdown, false, "server is shutting down"},
		{"Value", "", gateway.ErrShutdown, true, ""},
	} {
		for _, when := range []string{"before", "after"} { // the end of the Context
			if when == "after" && c.looksAt == "Cause" {
				continue // which asks for a Value then
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			s := script{ctx: ctx}
			s.run("GET", func(s *script) {
				headers := gateway.Headers{}
				if c.length != "" {
					headers = headers.With("Content-Length", c.length)
				}
				s.beginWith("200 OK", headers, nil)
			}, func(s *script) {
				s.send("a")
				if when == "before" {
					looks[c.looksAt](s.env.Context())
				}
				if c.cause != nil {
					cancel(c.cause)
				}
				if when == "after" {
					looks[c.looksAt](s.env.Context())
				}
			})
			cancel(nil)
			name := "looks at " + c.looksAt + " " + when + " the end, length " + strconv.Quote(c.length)
			if s.rec.whole != c.isWhole {
				t.Errorf("%s: the response is whole: %v, want %v", name, s.rec.whole, c.isWhole)
			}
			if c.cause != nil && !c.isWhole && !errors.Is(s.err, c.cause) {
				t.Errorf("%s: Respond returned %v, want %v", name, s.err, c.cause)
			}
			if log := strings.Join(s.log, ""); c.log == "" && log != "" || !strings.Contains(log, c.log) {
				t.Errorf("%s: the log is %q, want %q", name, log, c.log)
			}
		}
	}
}

// A body that sent nothing is an answer, as that with a status 503 after a shutdown may be.
func TestAnEmptyBodyIsWholeWhateverBecameOfItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gateway.ErrShutdown)
	s := script{ctx: ctx}
	s.run("GET", func(s *script) { s.begin("503 Service Unavailable", nil); <-s.env.Context().Done() }, func(*script) {})
	if !s.rec.whole || s.err != nil {
		t.Errorf("the response is whole: %v, %v", s.rec.whole, s.err)
	}
}

// A response of one block, and the error page, go out also when the Context had ended before.
func TestAContextThatEndedDoesNotHoldBackAResponse(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gateway.ErrShutdown)
	for _, fails := range []bool{false, true} {
		s := script{ctx: ctx}
		s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", nil, nil)
			if fails {
				err = errBoom
			}
			return gateway.Text("a"), err
		})
		w := want{events: []string{"200 OK|Content-Length: 1", `"a"`}}
		if fails {
			w = want{events: busyPage, is: []error{errBoom}, log: []string{"boom"}}
		}
		s.check(t, w)
	}
}

func TestStartSendsNothingAndCopiesTheHeaders(t *testing.T) {
	t.Parallel()
	var s script
	s.run("GET", func(s *script) {
		headers := gateway.Headers{{"A", "1"}, {"B", "2"}}
		s.beginWith("200 OK", headers, nil)
		headers[0] = [2]string{"Evil", "x\r\ny"}
		if len(s.rec.events) != 0 {
			t.Errorf("start sent %q (R75)", s.rec.events)
		}
	}, func(s *script) { s.send("a") })
	s.check(t, want{events: []string{"200 OK|A: 1|B: 2", `"a"`, "close"}, errs: []error{nil}})
}

// Respond adds to the head of these responses, or takes from it.
func TestTheHeadersOfAPackageVariableStayAsTheyAre(t *testing.T) {
	t.Parallel()
	list := make(gateway.Headers, 0, 10) // an append to the list would write behind it
	list = append(list, gateway.Headers{{"A", "1"}, {"Content-Length", "5"}, {"B", "2"}}...)
	before := slices.Clone(list[:cap(list)])
	for _, status := range []string{"200 OK", "204 No Content", "304 Not Modified", "bad"} {
		for _, headers := range []gateway.Headers{list, list[:1]} {
			var s script
			s.respond("GET", hello(text("hello"), status, headers))
		}
	}
	if !slices.Equal(list[:cap(list)], before) {
		t.Errorf("the list became %q", list[:cap(list)])
	}
}

func TestManyHeadersKeepTheirOrder(t *testing.T) {
	t.Parallel()
	var list gateway.Headers
	head := "200 OK"
	for i := range 50 {
		value := strings.Repeat("x", i)
		list = list.Append("Set-Cookie", value)
		head += "|Set-Cookie: " + value
	}
	var s script
	s.respond("GET", hello(text("a"), "200 OK", list)).check(t, want{events: []string{head + "|Content-Length: 1", `"a"`}})
}

func TestNothingIsAddedButContentLength(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body func() gateway.Body
		head string
	}{{text("<html>"), "200 OK|Content-Length: 6"}, {stream("<html>"), "200 OK"}} {
		var s script
		s.respond("GET", hello(c.body, "200 OK", nil)).check(t, want{events: []string{c.head, `"<html>"`}})
	}
}

// R116, R119-R121: to honour the headers of a request is up to the application. Respond changes
// nothing.
func TestTheServerPlaysDumb(t *testing.T) {
	t.Parallel()
	const date = "Thu, 01 Jan 1970 00:00:00 GMT"
	headers := gateway.Headers{{"ETag", `"x"`}, {"Last-Modified", date}, {"Accept-Ranges", "bytes"}}
	for _, vars := range []map[string]string{
		{"HTTP_IF_NONE_MATCH": `"x"`}, {"HTTP_IF_NONE_MATCH": "*"}, {"HTTP_IF_MATCH": `"y"`},
		{"HTTP_IF_MODIFIED_SINCE": "Thu, 01 Jan 2026 00:00:00 GMT"}, {"HTTP_RANGE": "bytes=0-1"},
		{"HTTP_ACCEPT_ENCODING": "gzip, br"}, {"HTTP_TE": "trailers"}, {"HTTP_CONNECTION": "close"},
		{"HTTP_EXPECT": "100-continue"}, {"HTTP_UPGRADE": "websocket"},
	} {
		vars["REQUEST_METHOD"] = "GET"
		var rec recorder
		err := gateway.Respond(hello(text("hello"), "200 OK", headers), &gateway.Environ{Vars: vars}, &rec)
		want := []string{`200 OK|ETag: "x"|Last-Modified: ` + date + `|Accept-Ranges: bytes|Content-Length: 5`, `"hello"`}
		if !slices.Equal(rec.events, want) || err != nil {
			t.Errorf("%q: sent %q, %v", vars, rec.events, err)
		}
	}
}

// Respond drops the blocks of these responses. They differ in their Content-Length.
func TestResponsesWithoutABody(t *testing.T) {
	t.Parallel()
	length := gateway.Headers{{"Content-Length", "5"}}
	for _, c := range []struct {
		name, method, status string
		headers              gateway.Headers
		body                 func() gateway.Body
		head                 string
	}{
		{"HEAD keeps the declared length", "HEAD", "200 OK", length, stream("a", "b"), "200 OK|Content-Length: 5"},
		{"HEAD, and the body is empty", "HEAD", "200 OK", length, text(""), "200 OK|Content-Length: 5"},
		{"HEAD, and the body is too long", "HEAD", "200 OK", length, stream("123456"), "200 OK|Content-Length: 5"},
		{"HEAD of one block has the length that GET has", "HEAD", "200 OK", nil, text("hello"), "200 OK|Content-Length: 5"},
		{"HEAD of several blocks", "HEAD", "200 OK", nil,
			func() gateway.Body { return gateway.Bytes([]byte("a"), []byte("b")) }, "200 OK|Content-Length: 2"},
		{"HEAD of a stream says nothing of the length", "HEAD", "200 OK", nil, stream("a", "b"), "200 OK"},
		{"HEAD without a block says nothing of the length", "HEAD", "200 OK", nil, text(""), "200 OK"},
		{"HEAD without a block, streamed", "HEAD", "200 OK", nil, stream(), "200 OK"},
		{"HEAD after empty blocks", "HEAD", "200 OK", nil, stream("", "", "a"), "200 OK"},
		{"204", "GET", "204 No Content", nil, stream("a", "b"), "204 No Content"},
		{"204 gets no length", "GET", "204 No Content", nil, text("hello"), "204 No Content"},
		{"204 gets no length, also without a body", "GET", "204 No Content", nil, text(""), "204 No Content"},
		{"204 loses its length, and nothing else", "GET", "204 No Content",
			gateway.Headers{{"A", "1"}, {"content-length", "5"}, {"B", "2"}}, text("hello"), "204 No Content|A: 1|B: 2"},
		{"304", "GET", "304 Not Modified", nil, stream("a", "b"), "304 Not Modified"},
		{"304 gets no length", "GET", "304 Not Modified", nil, text(""), "304 Not Modified"},
		{"304 keeps the length that 200 would have", "GET", "304 Not Modified", length, text(""),
			"304 Not Modified|Content-Length: 5"},
		{"HEAD of a 204", "HEAD", "204 No Content", length, text(""), "204 No Content"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond(c.method, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				body, err := hello(c.body, c.status, c.headers)(env, start)
				return s.tracked(body), err
			})
			s.check(t, want{events: []string{c.head, "close"}})
		})
	}
}

// RFC 9110, 15.3.6: a 205 has no content, and its length says so.
func TestResetContentHasNoContent(t *testing.T) {
	t.Parallel()
	for _, headers := range []gateway.Headers{nil, {{"Content-Length", "5"}}} {
		for _, body := range []func() gateway.Body{text("hello"), text(""), stream("a", "b"), stream()} {
			var s script
			s.respond("GET", hello(body, "205 Reset Content", headers))
			s.check(t, want{events: []string{"205 Reset Content|Content-Length: 0"}})
		}
	}
}

// Middleware may give the application another method. The client of a HEAD still waits for no body.
func TestHEADIsWhatTheClientSaid(t *testing.T) {
	t.Parallel()
	rewrite := func(method string) gateway.Middleware {
		return func(app gateway.Application) gateway.Application {
			return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				env.Vars["REQUEST_METHOD"] = method
				return app.Call(env, start)
			})
		}
	}
	var s script
	s.respond("HEAD", rewrite("GET")(hello(text("hello"), "200 OK", nil)).Call)
	s.check(t, want{events: []string{"200 OK|Content-Length: 5"}})

	s = script{}
	s.respond("GET", rewrite("HEAD")(hello(text("hello"), "200 OK", nil)).Call)
	s.check(t, want{events: []string{"200 OK|Content-Length: 5", `"hello"`}})

	s = script{}
	fails := func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errBoom }
	s.respond("HEAD", rewrite("GET")(gateway.ApplicationFunc(fails)).Call)
	s.check(t, want{events: []string{pageHead}, is: []error{errBoom}, log: []string{"boom"}})
}

func TestTheMethodIsCaseSensitive(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("head", hello(text("hello"), "200 OK", nil))
	s.check(t, want{events: []string{"200 OK|Content-Length: 5", `"hello"`}})
}

func TestContentLength(t *testing.T) {
	t.Parallel()
	declared := func(n string) gateway.Headers { return gateway.Headers{{"Content-Length", n}} }
	writes := func(text ...string) func(s *script) {
		return func(s *script) {
			s.beginWith("200 OK", declared("5"), nil)
			for _, text := range text {
				s.write(text)
			}
		}
	}
	yields := func(n string, text ...string) func(s *script) {
		return func(s *script) {
			s.beginWith("200 OK", declared(n), nil)
			for _, text := range text {
				s.send(text)
			}
		}
	}
	const head = "200 OK|Content-Length: 5"
	for _, c := range []struct {
		name       string
		call, body func(*script)
		want       want
	}{
		{"exact, in one block", nil, yields("5", "hello"), want{
			events: []string{head, `"hello"`, "close"}, errs: []error{nil}, going: []bool{true},
		}},
		{"exact, in several blocks", nil, yields("5", "he", "", "llo"), want{
			events: []string{head, `"he"`, `"llo"`, "close"}, errs: []error{nil}, going: []bool{true, true, true},
		}},
		{"exact, by write", writes("he", "llo"), nil, want{
			events: []string{head, `"he"`, `"llo"`, "close"}, errs: []error{nil, nil, nil},
		}},
		{"zero", nil, yields("0"), want{
			events: []string{"200 OK|Content-Length: 0", "close"}, errs: []error{nil},
		}},
		{"with leading zeros", nil, yields("0005", "hello"), want{
			events: []string{"200 OK|Content-Length: 0005", `"hello"`, "close"}, errs: []error{nil},
		}},
		{"too long, in one block", nil, yields("5", "hello, world"), want{ // R85
			events: []string{head, `"hello"`, "close"}, errs: []error{nil}, going: []bool{false},
			is: []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 5 declared, more written"},
		}},
		{"too long, in the second block", nil, yields("5", "hel", "lo, world"), want{
			events: []string{head, `"hel"`, `"lo"`, "close"}, errs: []error{nil}, going: []bool{true, false},
			is: []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 5 declared, more written"},
		}},
		{"too long, after all that was declared", nil, yields("5", "hello", ", world"), want{
			events: []string{head, `"hello"`, "close"}, errs: []error{nil}, going: []bool{true, false},
			is: []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 5 declared, more written"},
		}},
		{"too long, where zero is declared", nil, yields("0", "a"), want{
			events: []string{"200 OK|Content-Length: 0", "close"}, errs: []error{nil}, going: []bool{false},
			is: []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 0 declared, more written"},
		}},
		{"too long, by write", writes("hel", "lo, world", "!"), func(s *script) { s.send("more") }, want{ // R86
			events: []string{head, `"hel"`, `"lo"`, "close"},
			errs:   []error{nil, nil, gateway.ErrContentLength, gateway.ErrContentLength},
			is:     []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 5 declared, more written"},
		}},
		{"too long, by write and then a block", writes("hello"), func(s *script) { s.send("more") }, want{
			events: []string{head, `"hello"`, "close"}, errs: []error{nil, nil}, going: []bool{false},
			is: []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 5 declared, more written"},
		}},
		{"too long, and then a failure", nil, func(s *script) { yields("5", "hello, world")(s); panic(errBoom) }, want{
			events: []string{head, `"hello"`, "close"}, errs: []error{nil},
			is:  []error{gateway.ErrContentLength, errBoom},
			log: []string{"wrong Content-Length: 5 declared, more written", "panic: boom"}, stack: true,
		}},
		{"exact, and then a failure", nil, func(s *script) { yields("5", "hello")(s); panic(errBoom) }, want{
			events: []string{head, `"hello"`, "close"}, errs: []error{nil}, going: []bool{true},
			is: []error{errBoom}, log: []string{"panic: boom"}, stack: true,
		}},
		{"exact, and then an error", nil, func(s *script) { yields("5", "hello")(s); s.yield(nil, errBoom) }, want{
			events: []string{head, `"hello"`, "close"}, errs: []error{nil}, going: []bool{true},
			is: []error{errBoom}, log: []string{"boom"},
		}},
		{"nearly exact, and then an error", nil, func(s *script) { yields("5", "hell")(s); s.yield(nil, errBoom) }, want{
			events: []string{head, `"hell"`, "close"}, errs: []error{nil}, going: []bool{true}, broken: true,
			is: []error{errBoom}, log: []string{"boom"},
		}},
		{"too short", nil, yields("5", "hell"), want{ // R87
			events: []string{head, `"hell"`, "close"}, errs: []error{nil}, broken: true,
			is: []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 5 declared, 4 sent"},
		}},
		{"too short by all of it", nil, yields("5"), want{
			events: []string{head, "close"}, errs: []error{nil}, broken: true,
			is: []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 5 declared, 0 sent"},
		}},
		{"too short, by write", writes("hell"), nil, want{
			events: []string{head, `"hell"`, "close"}, errs: []error{nil, nil}, broken: true,
			is: []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 5 declared, 4 sent"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.run("GET", c.call, c.body).check(t, c.want)
		})
	}
}

// A response without a body is whole once its head is sent.
func TestAFailureAfterTheHeadLeavesAResponseWithoutABodyWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, status string }{
		{"HEAD", "200 OK"}, {"GET", "204 No Content"}, {"GET", "205 Reset Content"}, {"GET", "304 Not Modified"},
	} {
		for _, length := range []gateway.Headers{nil, {{"Content-Length", "5"}}} {
			var s script
			s.respond(c.method, func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				w, _ := start(c.status, length, nil)
				_, _ = w.Write([]byte("hello"))
				return nil, errBoom
			})
			if !s.rec.whole || !errors.Is(s.err, errBoom) {
				t.Errorf("%v, %v: whole %v, %v", c, length, s.rec.whole, s.err)
			}
		}
	}
}

// The writer keeps the contract of io.Writer.
func TestTheWriterSaysHowMuchWentOut(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, _ := start("200 OK", gateway.Headers{{"Content-Length", "5"}}, nil)
		for _, c := range []struct {
			text string
			n    int
			err  error
		}{
			{"hel", 3, nil},
			{"", 0, nil},
			{"lo, world", 2, gateway.ErrContentLength},
			{"!", 0, gateway.ErrContentLength},
		} {
			if n, err := w.Write([]byte(c.text)); n != c.n || !errors.Is(err, c.err) {
				t.Errorf("writing %q returned %d, %v, want %d, %v", c.text, n, err, c.n, c.err)
			}
		}
		return gateway.Text(""), nil
	})
	var head script
	head.respond("HEAD", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, _ := start("200 OK", nil, nil)
		for range 2 {
			if n, err := w.Write([]byte("hello")); n != 5 || err != nil {
				t.Errorf("writing for HEAD returned %d, %v", n, err)
			}
		}
		return gateway.Text(""), nil
	}).check(t, want{events: []string{"200 OK"}})
}
