package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"example.com/gateway"
)

// An uncomparable error can be compared by its type, and panics when it is.
type uncomparable struct{ v any }

func (uncomparable) Error() string { return "uncomparable" }

const unsound = "an error whose methods panic, such as a nil pointer in an error interface"

// No error, be it the application's or the transport's, keeps Close from running, or leaves Respond as a panic.
func TestAnErrorThatCannotBeComparedHarmsNobody(t *testing.T) {
	t.Parallel()
	bad := uncomparable{[]int{1}}
	var s script
	s.run("GET", nil, func(s *script) {
		s.yield(nil, bad)
		panic(bad)
	})
	s.check(t, want{events: append(errorPage[:2:2], "close"), is: []error{errAny}, log: []string{"panic: uncomparable"}, stack: true})

	s = script{rec: recorder{failAt: 2, err: bad}}
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, _ := start("200 OK", plain, nil)
		_, err := io.WriteString(w, "a")
		return s.tracked(gateway.Text("")), err
	})
	s.check(t, want{events: []string{plainHead, `"a"`, "close"}, is: []error{gateway.ErrBroken}, broken: true, log: []string{unsound}})
}

// A response that is whole is not broken for an ErrBroken that is of another one, as of an application that this one has run with
// Respond: the server would cut it off.
func TestAnErrBrokenOfAnotherResponseBreaksNothing(t *testing.T) {
	t.Parallel()
	inner := fmt.Errorf("inner: %w", fmt.Errorf("%w: %w", gateway.ErrBroken, errBoom))
	check := func(s *script, events ...string) {
		t.Helper()
		s.check(t, want{events: events, is: []error{errBoom}, log: []string{"inner: gateway: response is not whole: boom"}})
		if s.err == nil || !strings.Contains(s.err.Error(), "boom") || errors.As(s.err, new(interface{ Timeout() bool })) {
			t.Errorf("Respond returned %v", s.err)
		}
	}
	var s script
	check(s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, inner }), errorPage[:2]...)
	s = script{}
	check(s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := hello(text("a"), "200 OK", nil)(env, start)
		return gateway.OnClose(body, func() error { return inner }), err
	}), "200 OK|Content-Length: 1", `"a"`)
}

// What goes wrong beside a client that left, or because of another's, is for the log.
func TestOnlyWhatALeavingClientDoesIsLeftOutOfTheLog(t *testing.T) {
	t.Parallel()
	gone := fmt.Errorf("%w: EPIPE", gateway.ErrDisconnected)
	leaves := recorder{failAt: 2, err: gone}
	broken := []error{gateway.ErrBroken}
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
		}, broken, nil},
		{"the error of the writer, ignored", leaves, func(w io.Writer, _ *gateway.Environ) error {
			_, _ = io.WriteString(w, "a")
			return nil
		}, broken, nil},
		{"the end of the context", leaves, func(w io.Writer, env *gateway.Environ) error {
			_, _ = io.WriteString(w, "a")
			return env.Context().Err()
		}, []error{gateway.ErrBroken, context.Canceled}, nil},
		{"another failure after it", leaves, func(w io.Writer, _ *gateway.Environ) error {
			_, _ = io.WriteString(w, "a")
			return errBoom
		}, []error{gateway.ErrBroken, gateway.ErrDisconnected, errBoom}, []string{"boom"}},
		{"a client of somebody else's", recorder{}, func(io.Writer, *gateway.Environ) error {
			return fmt.Errorf("upstream: %w", gone)
		}, []error{gateway.ErrDisconnected}, []string{"upstream: gateway: client disconnected: EPIPE"}},
		{"an end of somebody else's context", recorder{}, func(io.Writer, *gateway.Environ) error {
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

// A body may yield from a goroutine that it waits for. There nobody recovers a panic, which would end the process for one HEAD
// request; and a loop that never ends is ended another way.
func TestABodyThatGoesOnOnAnotherGoroutine(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]int{"for a while": 150, "for ever": -1} {
		for _, method := range []string{"GET", "HEAD"} {
			if name == "for ever" && method == "GET" {
				continue
			}
			var s script
			s.run(method, func(s *script) { s.begin("200 OK", nil) }, func(s *script) {
				var wg sync.WaitGroup
				wg.Go(func() {
					for i := 0; i != times; i++ {
						s.yield([]byte("a"), nil)
					}
				})
				wg.Wait()
			})
			if last := s.rec.events[len(s.rec.events)-1]; last != "close" {
				t.Errorf("%s, %s: %q", name, method, s.rec.events)
			}
			if method == "GET" && s.err != nil || method == "HEAD" && (s.err == nil || len(s.log) != 1) {
				t.Errorf("%s, %s: Respond returned %v, the log has %q", name, method, s.err, s.log)
			}
		}
	}
}

// RFC 9110, 15.3.6: a 205 has no content, and says so.
func TestResetContentHasNoContent(t *testing.T) {
	t.Parallel()
	for _, headers := range []gateway.Headers{nil, {{"Content-Length", "5"}}} {
		for _, body := range []func() gateway.Body{text("hello"), text(""), stream("a", "b"), stream()} {
			var s script
			s.respond("GET", hello(body, "205 Reset Content", headers))
			s.check(t, want{events: []string{"205 Reset Content|Content-Length: 0", `""`}})
		}
	}
}
