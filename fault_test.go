package gateway_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"

	"example.com/gateway"
)

// An application that works, as the steps of its life: what it does in Call, for each block, and in Close.
type stepped struct {
	s      *script
	failAt string // "call", "started", "block 0" to "block 3", "close"
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
			if err := a.step("block " + string(rune('0'+i))); err != nil {
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
	a.s.rec.events = append(a.s.rec.events, "close")
	return a.step("close")
}

// steps has what the client got before each step of a stepped application.
var steps = []struct {
	name   string
	events []string
}{
	{"call", errorPage},
	{"started", errorPage},
	{"block 0", errorPage},
	{"block 1", errorPage}, // the empty block 0 has sent nothing (R76)
	{"block 2", []string{plainHead, `"a"`, "close"}},
	{"block 3", []string{plainHead, `"a"`, `"b"`, "close"}},
	{"close", []string{plainHead, `"a"`, `"b"`, `"c"`, "close"}},
}

func TestAnErrorAtEveryStepIsReportedOnce(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond("GET", (&stepped{&s, step.name, func() error { return errBoom }}).Call)
			s.check(t, want{
				events: step.events,
				is:     []error{errBoom},
				broken: len(step.events) > 2 && step.events[0] == plainHead && step.name != "close",
				log:    []string{"boom"},
			})
		})
	}
}

func TestAPanicAtEveryStepIsReportedWithItsStack(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond("GET", (&stepped{&s, step.name, func() error { panic(errBoom) }}).Call)
			events := step.events
			if step.name == "call" || step.name == "started" {
				events = events[:2] // no body was returned
			}
			s.check(t, want{
				events: events,
				is:     []error{errBoom},
				broken: events[0] == plainHead && step.name != "close",
				log:    []string{"panic: boom"},
				stack:  true,
			})
			if !strings.Contains(strings.Join(s.log, ""), "fault_test.go") {
				t.Error("the stack does not name the file that panicked")
			}
		})
	}
}

// TestGoexitAtEveryStep ends the goroutine as t.FailNow does. Respond cannot return, but all else is as ever.
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
			events := step.events
			if step.name == "call" || step.name == "started" {
				events = events[:2]
			}
			if returned {
				t.Error("Respond returned")
			}
			s.check(t, want{events: events, log: []string{"the application ended its goroutine"}})
			s.checkEnded(t)
		})
	}
}

// checkEnded checks that nothing that the application may still hold of the request works.
func (s *script) checkEnded(t *testing.T) {
	t.Helper()
	seen := len(s.rec.events)
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
	if len(s.rec.events) != seen {
		t.Errorf("after the end the transport saw %q", s.rec.events[seen:])
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

// TestAFailureLeavesNothingBehind runs every failure between two requests that work.
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

func TestABodyThatIsMissingOrNilInside(t *testing.T) {
	t.Parallel()
	started := func(body gateway.Body) gateway.ApplicationFunc {
		return func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return body, err
		}
	}
	t.Run("nil", func(t *testing.T) {
		t.Parallel()
		var s script
		s.respond("GET", started(nil)).check(t, want{
			events: errorPage[:2],
			is:     []error{errAny},
			log:    []string{"Call returned neither a Body nor an error"}, // R15
		})
	})
	t.Run("nil after write", func(t *testing.T) {
		t.Parallel()
		var s script
		s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, _ := start("200 OK", plain, nil)
			_, err := io.WriteString(w, "a")
			return nil, err
		}).check(t, want{
			events: []string{plainHead, `"a"`},
			is:     []error{errAny},
			broken: true,
			log:    []string{"Call returned neither a Body nor an error"}, // R100
		})
	})
	t.Run("a typed nil", func(t *testing.T) {
		t.Parallel()
		var s script
		s.respond("GET", started((*stepped)(nil)))
		if !slices.Equal(s.rec.events, errorPage[:2]) || s.err == nil || errors.Is(s.err, gateway.ErrBroken) {
			t.Errorf("sent %q, returned %v", s.rec.events, s.err)
		}
	})
	t.Run("a nil sequence", func(t *testing.T) {
		t.Parallel()
		var s script
		s.respond("GET", started(s.tracked(gateway.Stream(nil))))
		if !slices.Equal(s.rec.events, errorPage) || s.err == nil || errors.Is(s.err, gateway.ErrBroken) {
			t.Errorf("sent %q, returned %v", s.rec.events, s.err)
		}
	})
	t.Run("a nil reader inside", func(t *testing.T) {
		t.Parallel()
		var s script
		s.respond("GET", started(gateway.Reader((*strings.Reader)(nil), 0)))
		if len(s.rec.events) != 2 || s.rec.events[0] != pageHead || s.err == nil {
			t.Errorf("sent %q, returned %v", s.rec.events, s.err)
		}
	})
}

// A frail error is what a nil pointer in an error interface is: its methods panic.
type frail struct{ text string }

func (f *frail) Error() string   { return f.text }
func (f *frail) Unwrap() error   { return errors.New(f.text) }
func (f *frail) Is(e error) bool { return e.Error() == f.text }

// Errors with one method that panics.
type (
	badIs     struct{ error }
	badAs     struct{ error }
	badUnwrap struct{ error }
)

func (badIs) Is(error) bool     { panic("Is") }
func (badAs) As(any) bool       { panic("As") }
func (badUnwrap) Unwrap() error { panic("Unwrap") }

func TestAnErrorWhoseMethodsPanicDoesNotPanicTheServer(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond("GET", (&stepped{&s, step.name, func() error { return (*frail)(nil) }}).Call)
			s.check(t, want{
				events: step.events,
				is:     []error{errAny},
				broken: step.events[0] == plainHead && step.name != "close",
				log:    []string{"an error whose methods panic, such as a nil pointer in an error interface"},
			})
		})
	}
	for name, err := range map[string]error{"Is": badIs{errBoom}, "As": badAs{errBoom}, "Unwrap": badUnwrap{errBoom}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, err })
			s.check(t, want{events: errorPage[:2], is: []error{errAny},
				log: []string{"an error whose methods panic, such as a nil pointer in an error interface"}})
		})
	}
	t.Run("as the cause given to start", func(t *testing.T) {
		t.Parallel()
		var s script
		s.run("GET", nil, func(s *script) {
			s.begin("200 OK", nil)
			s.send("a")
			s.begin("500 Oops", (*frail)(nil))
		})
		if len(s.log) != 1 || !errors.Is(s.err, gateway.ErrBroken) || !slices.Equal(s.rec.events, []string{plainHead, `"a"`, "close"}) {
			t.Errorf("sent %q, returned %v, reported %q", s.rec.events, s.err, s.log)
		}
	})
}

func TestPanicsOfEveryKindOfValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  string
	}{
		{"text", "text"},
		{errBoom, "boom"},
		{stringer("shown"), "shown"},
		{true, "true"},
		{-1, "-1"},
		{int64(-2), "-2"},
		{uint64(3), "3"},
		{1.5, "1.5"},
		{struct{}{}, "a value that is no error, string, number or Stringer"},
		{nil, nilPanic},
		{(*frail)(nil), "a value whose text method panics"},
		{"two\nlines", `two\nlines`},
	} {
		var s script
		s.run("GET", nil, func(*script) { panic(c.value) })
		s.check(t, want{events: errorPage, is: []error{errAny}, log: []string{"panic: " + c.want}, stack: true})
	}
}

// nilPanic is the runtime's text for a panic with nil, which has changed between the versions of Go.
var nilPanic = new(runtime.PanicNilError).Error()

type stringer string

func (s stringer) String() string { return string(s) }

// TestTheReportSurvivesTheApplicationsEnviron has applications that break what the report is written with (R11).
func TestTheReportSurvivesTheApplicationsEnviron(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*gateway.Environ){
		"no Errors":         func(env *gateway.Environ) { env.Errors = nil },
		"Errors that panic": func(env *gateway.Environ) { env.Errors = (*entryLog)(nil) },
		"no Vars":           func(env *gateway.Environ) { env.Vars = nil },
		"no Input":          func(env *gateway.Environ) { env.Input = nil },
		"nothing":           func(env *gateway.Environ) { *env = gateway.Environ{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond("GET", func(env *gateway.Environ, _ gateway.StartResponse) (gateway.Body, error) {
				spoil(env)
				return s.tracked(gateway.Text("x")), errBoom
			})
			if !slices.Equal(s.rec.events, errorPage) || !errors.Is(s.err, errBoom) || errors.Is(s.err, gateway.ErrBroken) {
				t.Errorf("sent %q, returned %v", s.rec.events, s.err)
			}
		})
	}
}

func TestNoLogEntryCanBeForged(t *testing.T) {
	t.Parallel()
	const forged = "\ngateway: GET /admin: all is well\r\n\x1b[2J\x7f\x00"
	const harmless = `\ngateway: GET /admin: all is well\x0d\n\x1b[2J\x7f\x00`
	var log entryLog
	env := &gateway.Environ{
		Vars:   map[string]string{"REQUEST_METHOD": "GET" + forged, "SCRIPT_NAME": "/a" + forged, "PATH_INFO": "/b" + forged},
		Errors: &log,
	}
	_ = gateway.Respond(gateway.ApplicationFunc(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
		return nil, errors.New("text" + forged)
	}), env, &recorder{})
	if len(log) != 1 {
		t.Fatalf("%d entries", len(log))
	}
	line, rest, _ := strings.Cut(log[0], "\n")
	if rest != "" || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7F }) {
		t.Errorf("control characters in %q", log[0])
	}
	if want := " /a" + harmless + "/b" + harmless + ": text" + harmless; !strings.HasSuffix(line, want) {
		t.Errorf("line %q, want it to end with %q", line, want)
	}
}

func TestALongReportIsCut(t *testing.T) {
	t.Parallel()
	var log entryLog
	env := &gateway.Environ{
		Vars:   map[string]string{"REQUEST_METHOD": "GET", "PATH_INFO": "/" + strings.Repeat("a", 1<<20)},
		Errors: &log,
	}
	_ = gateway.Respond(gateway.ApplicationFunc(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
		return nil, errors.New(strings.Repeat("b", 1<<20))
	}), env, &recorder{})
	if len(log) != 1 || len(log[0]) > 5000 || !strings.HasSuffix(log[0], "b...\n") || !strings.Contains(log[0], "a...: b") {
		t.Errorf("%d entries, the first of %d bytes", len(log), len(log[0]))
	}
}

func TestTheErrorPageHasNoDetail(t *testing.T) {
	t.Parallel()
	for _, fail := range []func() error{
		func() error { return errors.New("secret") },
		func() error { panic("secret") },
	} {
		for _, step := range steps[:4] {
			var s script
			s.respond("GET", (&stepped{&s, step.name, fail}).Call)
			if got := strings.Join(s.rec.events, ""); strings.Contains(got, "secret") || !strings.Contains(got, pageBody) {
				t.Errorf("%s: sent %s", step.name, got)
			}
			if log := strings.Join(s.log, ""); !strings.Contains(log, "secret") {
				t.Errorf("%s: the log has no detail: %s", step.name, log)
			}
		}
	}
}
