package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"example.com/gateway"
	"example.com/gateway/internal/rules"
)

// ruleOf returns the rule that an error stands for, or "".
func ruleOf(err error) string {
	var ruled interface{ Rule() string }
	if errors.As(err, &ruled) {
		return ruled.Rule()
	}
	return ""
}

func TestAnErrorHasTheRuleThatItStandsFor(t *testing.T) {
	t.Parallel()
	// starts returns Respond's error for an application that calls start and ignores its error.
	starts := func(status string, headers ...[2]string) error {
		var s script
		return s.respond("GET", hello(text("a"), status, headers)).err
	}
	runs := func(call, body func(*script)) error {
		var s script
		return s.run("GET", call, body).err
	}
	begin := func(s *script) { s.begin("200 OK", nil) }
	sends := func(s *script) { begin(s); s.send("a") }
	// declares returns Respond's error for a body of one byte.
	declares := func(length string) error { return starts("200 OK", [2]string{"Content-Length", length}) }
	overlap := func() error {
		var s script
		s.rec.during = func() {
			done := make(chan bool)
			go func() { done <- s.yield([]byte("stray"), nil) }()
			<-done
		}
		return s.run("GET", nil, sends).err
	}
	returns := func(err error) error {
		var s script
		return s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, err }).err
	}
	length := func() error {
		env := gateway.Environ{Vars: map[string]string{"CONTENT_LENGTH": "-1"}}
		_, err := env.ContentLength()
		return err
	}
	for _, c := range []struct {
		name string
		err  error
		rule string
	}{
		{"ErrStarted", gateway.ErrStarted, "R82"},
		{"ErrNotStarted", gateway.ErrNotStarted, "R23"},
		{"ErrHeadersSent", gateway.ErrHeadersSent, "R80"},
		{"ErrStatus", gateway.ErrStatus, "R65"},
		{"ErrHeader", gateway.ErrHeader, "C46"},
		{"ErrContentLength", gateway.ErrContentLength, "R85"},
		{"ErrEnded", gateway.ErrEnded, "R2"},
		{"ErrDisconnected", gateway.ErrDisconnected, ""},
		{"ErrShutdown", gateway.ErrShutdown, ""},
		{"an error of the application", returns(errBoom), ""},

		{"neither a body nor an error", returns(nil), "R15"},
		{"a body that goes on", runs(begin, func(s *script) { s.yield(nil, errBoom); s.send("a") }), "R22"},
		{"a block before start", runs(nil, func(s *script) { s.send("a") }), "R23"},
		{"no reason in the status", starts("200"), "R65"},
		{"an informational status", starts("100 Continue"), "R65"},
		{"a line break in the status", starts("200 O\nK"), "R66"},
		{"a name that is no token", starts("200 OK", [2]string{"X Y", "a"}), "R68"},
		{"a line break in a value", starts("200 OK", [2]string{"X", "a\nb"}), "R69"},
		{"a hop-by-hop header", starts("200 OK", [2]string{"Connection", "close"}), "R72"},
		{"a late cause", runs(nil, func(s *script) { sends(s); s.begin("500 Oops", errBoom) }), "R80"},
		{"a second start", runs(nil, func(s *script) { begin(s); begin(s) }), "R82"},
		{"a body that is too long", declares("0"), "R85"},
		{"a body that is too short", declares("2"), "R87"},
		{"the writer in the iteration", runs(begin, func(s *script) { s.write("a") }), "R102"},
		{"calls that overlap", overlap(), "R102"},
		{"a panic", runs(nil, func(*script) { panic("boom") }), "R109"},
		{"a CONTENT_LENGTH that is no length", length(), "C10"},
		{"a Content-Length that is no length", declares("one"), "C46"},
		{"two Content-Lengths", starts("200 OK", [2]string{"Content-Length", "1"}, [2]string{"Content-Length", "1"}), "C46"},
		{"two Locations", starts("200 OK", [2]string{"Location", "/"}, [2]string{"Location", "/"}), "C46"},
		{"a Status", starts("200 OK", [2]string{"Status", "200 OK"}), "C46"},

		{"wrapped by the application", returns(fmt.Errorf("page: %w", starts("200"))), "R65"},
	} {
		if c.err == nil {
			t.Errorf("%s: no error", c.name)
		}
		if got := ruleOf(c.err); got != c.rule {
			t.Errorf("%s: the rule of %q is %q, want %q", c.name, c.err, got, c.rule)
		}
		if c.rule != "" {
			rules.Get(c.rule) // panics if there is no such rule
		}
	}
}

// A coded error is known by its type, and is every errAny.
type coded struct{ code int }

func (c *coded) Error() string     { return "code " + strconv.Itoa(c.code) }
func (c *coded) Is(err error) bool { return err == errAny }

// Respond guards itself against the methods of an error. Its caller can still ask what the error
// is.
func TestAnErrorOfTheApplicationCanBeRecognised(t *testing.T) {
	t.Parallel()
	noFile := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	own := fmt.Errorf("page: %w", errors.Join(&coded{7}, errBoom, noFile))
	check := func(name string, err error) {
		t.Helper()
		for _, target := range []error{own, errBoom, errAny, fs.ErrNotExist} {
			if !errors.Is(err, target) {
				t.Errorf("%s: %v is not %v", name, err, target)
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, gateway.ErrDisconnected) {
			t.Errorf("%s: %v is io.EOF or ErrDisconnected", name, err)
		}
		var code *coded
		var path *fs.PathError
		if !errors.As(err, &code) || code.code != 7 || !errors.As(err, &path) || path.Path != "x" {
			t.Errorf("%s: %v lost its type: %v, %v", name, err, code, path)
		}
		if errors.As(err, new(*frail)) {
			t.Errorf("%s: %v is a *frail", name, err)
		}
	}
	for _, step := range steps {
		var s script
		s.respond("GET", (&stepped{&s, step.name, func() error { return own }}).Call)
		check("returned at "+step.name, s.err)
		s = script{}
		s.respond("GET", (&stepped{&s, step.name, func() error { panic(own) }}).Call)
		check("panicked with at "+step.name, s.err)
	}
	for call := 1; call <= 4; call++ { // head, write, flush, end
		s := script{rec: recorder{failAt: call, err: own}}
		s.run("GET", func(s *script) { s.begin("200 OK", nil) }, func(s *script) { s.send("a") })
		check("of the transport, call "+strconv.Itoa(call), s.err)
		s = script{rec: recorder{failAt: call, err: own}}
		var cause error
		s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
			s.begin("200 OK", nil)
			s.write("a")
			return gateway.OnClose(gateway.Text(""), func() error { cause = context.Cause(s.env.Context()); return nil }), nil
		})
		check("the cause of the context, call "+strconv.Itoa(call), cause)
	}
	var s script
	s.run("GET", nil, func(s *script) { s.begin("200 OK", nil); s.send("a"); s.begin("500 Oops", own) })
	check("as the cause given to start", s.errs[1])
	check("as the cause given to start, and ignored", s.err)
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
		{(*frail)(nil), "a value whose text method panics, as that of a nil pointer does"},
		{"two\nlines", `two\nlines`},
	} {
		var s script
		s.run("GET", nil, func(*script) { panic(c.value) })
		s.check(t, want{events: errorPage, is: []error{errAny}, log: []string{"panic: " + c.want}, stack: true})
	}
}

// nilPanic is the runtime's text for a panic with nil. It differs between versions of Go.
var nilPanic = new(runtime.PanicNilError).Error()

type stringer string

func (s stringer) String() string { return string(s) }

// The methods of a frail error panic if the error is a nil pointer in an interface.
type frail struct{ text string }

func (f *frail) Error() string   { return f.text }
func (f *frail) Unwrap() error   { return errors.New(f.text) }
func (f *frail) Is(e error) bool { return e.Error() == f.text }

// The Error method of a shy error panics when it is called a second time.
type shy struct{ said bool }

func (e *shy) Error() string {
	if e.said {
		panic("shy")
	}
	e.said = true
	return "shy"
}

// Errors with one method that panics.
type (
	badIs     struct{ error }
	badAs     struct{ error }
	badUnwrap struct{ error }
)

// A yes says that it is whatever it is asked for, and sets nothing.
type yes struct{ error }

func (yes) Is(error) bool { return true }
func (yes) As(any) bool   { return true }

func (badIs) Is(error) bool     { panic("Is") }
func (badAs) As(any) bool       { panic("As") }
func (badUnwrap) Unwrap() error { panic("Unwrap") }

func TestAnErrorWhoseMethodsPanicDoesNotPanicTheServer(t *testing.T) {
	t.Parallel()
	failAtEveryStep(t, (*frail)(nil), errAny, "a value whose text method panics, as that of a nil pointer does")
	for name, err := range map[string]error{"Is": badIs{errBoom}, "As": badAs{errBoom}, "Unwrap": badUnwrap{errBoom}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, err })
			s.check(t, want{events: errorPage[:2], is: []error{errAny}, log: []string{"boom"}})
			if errors.Is(s.err, errAny) || errors.As(s.err, new(*frail)) {
				t.Error("the error matches any other")
			}
		})
	}
	t.Run("Error, the second time", func(t *testing.T) {
		t.Parallel()
		var s script
		s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, new(shy) })
		s.check(t, want{events: errorPage[:2], is: []error{errAny}, log: []string{"shy"}})
		for range 2 {
			if text := s.err.Error(); text != "shy" {
				t.Errorf("the text of Respond's error is %q", text)
			}
		}
	})
	t.Run("as the cause given to start", func(t *testing.T) {
		t.Parallel()
		var s script
		s.run("GET", nil, func(s *script) {
			s.begin("200 OK", nil)
			s.send("a")
			s.begin("500 Oops", (*frail)(nil))
		})
		if len(s.log) != 1 || s.rec.whole || !slices.Equal(s.rec.events, []string{plainHead, `"a"`, "close"}) {
			t.Errorf("sent %q, returned %v, reported %q", s.rec.events, s.err, s.log)
		}
	})
}

func TestAnErrorThatSaysYesToEverythingHarmsNobody(t *testing.T) {
	t.Parallel()
	failAtEveryStep(t, yes{errBoom}, errAny, "boom")
}

// With GODEBUG=panicnil=1 recover cannot tell panic(nil) from no panic.
func TestAPanicWithNilIsAFailure(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	var s script
	s.run("GET", nil, func(s *script) {
		s.begin("200 OK", nil)
		s.send("half")
		panic(nil)
	})
	if s.err == nil || s.rec.whole {
		t.Errorf("returned %v, whole: %v", s.err, s.rec.whole)
	}
}

// An uncomparable error panics when it is compared, since v is a slice.
type uncomparable struct{ v any }

func (uncomparable) Error() string { return "uncomparable" }

// Neither an error of the application nor an error of the transport keeps Close from running, or
// leaves Respond as a panic.
func TestAnErrorThatCannotBeComparedHarmsNobody(t *testing.T) {
	t.Parallel()
	bad := uncomparable{[]int{1}}
	var s script
	s.run("GET", nil, func(s *script) {
		s.yield(nil, bad)
		panic(bad)
	})
	s.check(t, want{
		events: errorPage, is: []error{errAny},
		log: []string{"uncomparable", "panic: uncomparable"}, stack: true,
	})

	s = script{rec: recorder{failAt: 2, err: bad}}
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, _ := start("200 OK", plain, nil)
		_, err := io.WriteString(w, "a")
		return s.tracked(gateway.Text("")), err
	})
	s.check(t, want{
		events: []string{plainHead, `"a"`, "close"}, is: []error{errAny}, broken: true,
		log: []string{"uncomparable"},
	})
}

// A failure that does not come from the client's leaving is logged, also beside one that does.
func TestOnlyWhatALeavingClientDoesIsLeftOutOfTheLog(t *testing.T) {
	t.Parallel()
	gone := fmt.Errorf("%w: EPIPE", gateway.ErrDisconnected)
	leaves := recorder{failAt: 2, err: gone}
	left := []error{gateway.ErrDisconnected}
	for _, c := range []struct {
		name string
		rec  recorder
		app  func(w io.Writer, env *gateway.Environ) error
		is   []error
		log  []string
	}{
		{"the error of the writer", leaves, func(w io.Writer, _ *gateway.Environ) error {
			_, err := io.WriteString(w, "a")
			return fmt.Errorf("page: %w", err)
		}, left, nil},
		{"the error of the writer, ignored", leaves, func(w io.Writer, _ *gateway.Environ) error {
			_, _ = io.WriteString(w, "a")
			return nil
		}, left, nil},
		{"the end of the context", leaves, func(w io.Writer, env *gateway.Environ) error {
			_, _ = io.WriteString(w, "a")
			return env.Context().Err()
		}, []error{gateway.ErrDisconnected, context.Canceled}, nil},
		{"another failure after it", leaves, func(w io.Writer, _ *gateway.Environ) error {
			_, _ = io.WriteString(w, "a")
			return errBoom
		}, []error{gateway.ErrDisconnected, errBoom}, []string{"boom"}},
		{"the client of another server", recorder{}, func(io.Writer, *gateway.Environ) error {
			return fmt.Errorf("upstream: %w", gone)
		}, []error{gateway.ErrDisconnected}, []string{"upstream: gateway: client disconnected: EPIPE"}},
		{"the end of another context", recorder{}, func(io.Writer, *gateway.Environ) error {
			return fmt.Errorf("upstream: %w", context.Canceled)
		}, []error{context.Canceled}, []string{"upstream: context canceled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := script{rec: c.rec}
			s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				w, err := start("200 OK", plain, nil)
				if err == nil {
					err = c.app(w, env)
				}
				return gateway.Text(""), err
			})
			events := []string{plainHead, `"a"`}
			if c.rec.failAt == 0 {
				events = errorPage[:2]
			}
			s.check(t, want{events: events, is: c.is, broken: c.rec.failAt != 0, log: c.log})
		})
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
		if !errors.Is(s.err, gateway.ErrDisconnected) || s.rec.whole || len(s.log) != 0 {
			t.Errorf("%s: Respond returned %v, env.Errors got %q", name, s.err, s.log)
		}
	}
}

func TestAClientThatTheServerSawLeaveIsNotReported(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancelCause(t.Context())
	s := &script{ctx: ctx}
	s.respond("GET", func(env *gateway.Environ, _ gateway.StartResponse) (gateway.Body, error) {
		leave(gone{})
		return nil, env.Context().Err()
	})
	if !errors.Is(s.err, context.Canceled) || len(s.log) != 0 {
		t.Errorf("Respond returned %v, env.Errors got %q", s.err, s.log)
	}
}

// A server that stops cuts responses off, and then its writes fail. Why the response was cut off is
// reported once, and no client that has left.
func TestAClientThatLeavesAfterTheDeadlineIsNotReported(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	s := &script{ctx: ctx, rec: recorder{failAt: 4, err: gone{}}} // End
	s.run("GET", nil, func(s *script) {
		s.begin("200 OK", nil)
		s.send("a")
		stop(gateway.ErrShutdown)
		s.send("b")
	})
	if got := strings.Join(s.rec.calls, " "); got != "head write flush end" || s.rec.whole {
		t.Errorf("%s, whole: %v", got, s.rec.whole)
	}
	if len(s.log) != 1 || !strings.Contains(s.log[0], gateway.ErrShutdown.Error()[len("gateway: "):]) {
		t.Errorf("env.Errors got %q", s.log)
	}
	if !errors.Is(s.err, gateway.ErrShutdown) || !errors.Is(s.err, gateway.ErrDisconnected) {
		t.Errorf("Respond has returned %v", s.err)
	}
}

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

// R11: these applications change the fields of their Environ from which a report is made.
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
			if !slices.Equal(s.rec.events, errorPage) || !errors.Is(s.err, errBoom) || !s.rec.whole {
				t.Errorf("sent %q, returned %v", s.rec.events, s.err)
			}
		})
	}
}

// A goroutine of the application may change Vars until Close has returned. A report before that
// must not read them: the runtime ends a process for that.
func TestAReportDoesNotReadTheApplicationsVars(t *testing.T) {
	t.Parallel()
	for range 20 {
		var s script
		s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			var stop atomic.Bool
			begun, done := make(chan bool), make(chan bool)
			go func() {
				defer close(done)
				env.Vars["X"] = "first"
				close(begun)
				for !stop.Load() {
					env.Vars["X"] = "x"
				}
			}()
			<-begun
			_, err := start("200 OK", plain, nil)
			failing := gateway.Stream(func(yield func([]byte, error) bool) { yield(nil, errBoom) })
			return gateway.OnClose(failing, func() error {
				stop.Store(true)
				<-done
				return nil
			}), err
		})
		if !errors.Is(s.err, errBoom) || len(s.log) != 1 || !strings.Contains(s.log[0], "GET /app/x") {
			t.Errorf("returned %v, reported %q", s.err, s.log)
		}
	}
}

// A server or middleware of net/http may end the context with any error as the cause.
func TestACauseWhoseMethodsPanicHarmsNobody(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(badIs{errBoom})
	s := script{ctx: ctx}
	s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errAny })
	s.check(t, want{events: errorPage[:2], is: []error{errAny}, log: []string{"any error"}})
	s = script{ctx: ctx}
	s.run("GET", nil, func(s *script) {
		s.begin("200 OK", nil)
		s.send("a")
		s.send("b")
	})
	s.check(t, want{
		events: []string{plainHead, `"a"`, "close"}, errs: []error{nil}, is: []error{errAny}, broken: true,
		log: []string{"boom"},
	})
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

func TestNoLogEntryCanBeForged(t *testing.T) {
	t.Parallel()
	const forged = "\ngateway: GET /admin: all is well\r\n\x1b[2J\x7f\x00"
	const harmless = `\ngateway: GET /admin: all is well\r\n\x1b[2J\x7f\x00`
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
	if len(log) != 1 || len(log[0]) > 5000 {
		t.Fatalf("%d entries, the first of %d bytes", len(log), len(log[0]))
	}
	if !strings.HasSuffix(log[0], "b...\n") || !strings.Contains(log[0], "a...: b") {
		t.Errorf("the entry is %s", log[0])
	}
}

// A badLog is an Environ's Errors of which every Write fails.
type badLog func(p []byte) (int, error)

func (f badLog) Write(p []byte) (int, error) { return f(p) }

// R47: the client and the caller of Respond get the same, whatever the log does.
func TestAFailureOfTheLogChangesNothing(t *testing.T) {
	t.Parallel()
	for name, log := range map[string]badLog{
		"an error":           func([]byte) (int, error) { return 0, errBoom },
		"ErrDisconnected":    func([]byte) (int, error) { return 0, gateway.ErrDisconnected },
		"a short count":      func(p []byte) (int, error) { return len(p) / 2, nil },
		"an impossible one":  func(p []byte) (int, error) { return -1, nil },
		"a panic":            func([]byte) (int, error) { panic(errBoom) },
		"a panic with nil":   func([]byte) (int, error) { panic(nil) },
		"a panic of another": func([]byte) (int, error) { panic(gateway.ErrStarted) },
	} {
		for _, step := range steps {
			for way, fail := range map[string]func() error{
				"error": func() error { return errAny },
				"panic": func() error { panic(errAny) },
			} {
				var good, bad script
				good.respond("GET", (&stepped{&good, step.name, fail}).Call)
				writes := 0
				bad.errors = badLog(func(p []byte) (int, error) { writes++; return log(p) })
				bad.respond("GET", (&stepped{&bad, step.name, fail}).Call)
				if !slices.Equal(bad.rec.events, good.rec.events) || !slices.Equal(bad.rec.calls, good.rec.calls) {
					t.Errorf("%s, and %s at %s: sent %q", name, way, step.name, bad.rec.events)
				}
				if bad.err.Error() != good.err.Error() || !errors.Is(bad.err, errAny) || bad.rec.whole != good.rec.whole {
					t.Errorf("%s, and %s at %s: Respond returned %v, want %v", name, way, step.name, bad.err, good.err)
				}
				if writes != len(good.log) {
					t.Errorf("%s, and %s at %s: %d entries, want %d", name, way, step.name, writes, len(good.log))
				}
				bad.checkEnded(t)
			}
		}
		// The transport fails, too.
		for call := 1; call <= 4; call++ { // head, write, flush, end
			bad := script{rec: recorder{failAt: call, err: errAny}, errors: log}
			bad.run("GET", func(s *script) { s.begin("200 OK", nil) }, func(s *script) { s.send("a") })
			events := bad.rec.events
			if bad.err.Error() != errAny.Error() || bad.rec.whole != (call == 4) || events[len(events)-1] != "close" {
				t.Errorf("%s, and call %d of the transport fails: returned %v after %q", name, call, bad.err, events)
			}
		}
	}
}

// A client that leaves in its upload is no fault of the application that returns the error of its
// Read. The same error of another source is one.
func TestTheErrorOfABodyThatWasCutShortIsNotLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		body      error // of Input
		fail      func(env *gateway.Environ) error
		isWritten bool
	}{
		{"as it is", io.ErrUnexpectedEOF, func(env *gateway.Environ) error {
			_, err := io.ReadAll(env.Input)
			return err
		}, false},
		{"wrapped", io.ErrUnexpectedEOF, func(env *gateway.Environ) error {
			_, err := io.ReadAll(env.Input)
			return fmt.Errorf("upload: %w", err)
		}, false},
		{"of a server that says why", fmt.Errorf("reset: %w", gateway.ErrDisconnected), func(env *gateway.Environ) error {
			_, err := io.ReadAll(env.Input)
			return err
		}, false},
		{"of another source", io.EOF, func(env *gateway.Environ) error {
			_, err := io.ReadFull(strings.NewReader("a"), make([]byte, 2))
			return err
		}, true},
		{"another error", io.ErrUnexpectedEOF, func(env *gateway.Environ) error {
			_, _ = io.ReadAll(env.Input)
			return errBoom
		}, true},
		{"in a panic", io.ErrUnexpectedEOF, func(env *gateway.Environ) error {
			_, err := io.ReadAll(env.Input)
			panic(err)
		}, true},
	} {
		var log entryLog
		env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "POST"},
			Input: iotest.ErrReader(c.body), Errors: &log}
		app := func(env *gateway.Environ, _ gateway.StartResponse) (gateway.Body, error) {
			return nil, c.fail(env)
		}
		err := gateway.Respond(gateway.ApplicationFunc(app), env, new(recorder))
		if err == nil || (len(log) > 0) != c.isWritten {
			t.Errorf("%s: %v, the log has %q", c.name, err, log)
		}
	}
}
