package gateway_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"example.com/gateway"
)

// The tests of this file use what belongs to one goroutine from another. They say most under the race detector.

func TestACallThatOverlapsAnotherIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		overlap func(s *script, yield func([]byte, error) bool) error // while the transport writes
	}{
		{"start", func(s *script, _ func([]byte, error) bool) error {
			_, err := s.start("200 OK", plain, nil)
			return err
		}},
		{"start with a cause", func(s *script, _ func([]byte, error) bool) error {
			_, err := s.start("200 OK", plain, errBoom)
			return err
		}},
		{"write", func(s *script, _ func([]byte, error) bool) error {
			_, err := s.w.Write([]byte("stray"))
			return err
		}},
		{"yield", func(_ *script, yield func([]byte, error) bool) error {
			if yield([]byte("stray"), nil) {
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
				go func() { done <- c.overlap(&s, s.yield) }()
				if <-done == nil {
					t.Error("it was not refused")
				}
			}
			s.run("GET", nil, func(s *script) { s.begin("200 OK", nil); s.send("a"); s.send("b") })
			s.check(t, want{
				events: []string{plainHead, `"a"`, `"b"`, "close"},
				errs:   []error{nil}, going: []bool{true, true},
				is: []error{errAny}, broken: true,
				log: []string{"start, its writer or yield was called while another such call was going on"},
			})
		})
	}
}

// TestStrayGoroutinesHaveNoRace has goroutines that call everything all the time, while the response begins, runs and
// ends. Whatever comes of it, the transport sees one response, never two calls at once, and Close is last.
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
			t.Fatalf("the transport saw %q", events)
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

// TestWhatOneRequestLeftBehindNeverReachesAnother uses all of a request that is over while the next one runs.
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
	second.check(t, want{events: []string{plainHead, `"b"`, `"c"`, "close"}, errs: []error{nil}, going: []bool{true, true}})
	if len(first.rec.events) != 3 {
		t.Errorf("the first transport saw %q", first.rec.events)
	}
}

// TestOneApplicationServesManyAtOnce is R2 and R49.
func TestOneApplicationServesManyAtOnce(t *testing.T) {
	t.Parallel()
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Text(env.Vars["PATH_INFO"]), err
	})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			path := "/" + strings.Repeat("x", i)
			for range 50 {
				var rec recorder
				env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET", "PATH_INFO": path}}
				if err := gateway.Respond(app, env, &rec); err != nil || rec.events[1] != `"`+path+`"` {
					t.Errorf("%q, %v", rec.events, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestTheInputMayBeReadWhileTheResponseIsWritten is what Environ says of the one thing that is for another goroutine.
func TestTheInputMayBeReadWhileTheResponseIsWritten(t *testing.T) {
	t.Parallel()
	var s script
	s.run("POST", func(s *script) { s.begin("200 OK", nil) }, func(s *script) {
		read := make(chan string)
		go func() {
			b, _ := io.ReadAll(s.env.Input)
			read <- string(b)
		}()
		s.send("a")
		s.send("b")
		if got := <-read; got != "the request's body" {
			t.Errorf("Input has %q", got)
		}
	})
	s.check(t, want{events: []string{plainHead, `"a"`, `"b"`, "close"}, errs: []error{nil}, going: []bool{true, true}})
}
