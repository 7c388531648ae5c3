package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/gateway"
)

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
	s.check(t, want{events: []string{plainHead, `"a"`, "close"}, errs: []error{nil}, is: []error{errAny}, broken: true, log: []string{"boom"}})
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
