package gateway_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
)

// TestOutcomes: middleware that asks with OnEnd is told of each response, however it ends.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	const page, busy = "500 Internal Server Error", "503 Service Unavailable"
	ok := hello(text("hello"), "200 OK", plain)
	blocks := func(f func(s *script)) func(s *script) gateway.ApplicationFunc {
		return func(s *script) gateway.ApplicationFunc {
			return func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
				return &scripted{s, f}, nil
			}
		}
	}
	fails := func(step string, fail func() error) func(s *script) gateway.ApplicationFunc {
		return func(s *script) gateway.ApplicationFunc { return (&stepped{s, step, fail}).Call }
	}
	boom := func() error { return errBoom }
	goexit := func() error { runtime.Goexit(); return nil }
	cancels := func(cause error, text string) func(s *script) gateway.ApplicationFunc {
		return blocks(func(s *script) {
			s.begin("200 OK", nil)
			s.send(text)
			s.env.Cancel(cause)
			s.yield(nil, context.Cause(s.env.Context()))
		})
	}
	for _, c := range []struct {
		name   string
		app    func(s *script) gateway.ApplicationFunc
		method string
		failAt int // a call of the transport
		want   gateway.Outcome
	}{
		{name: "whole", want: gateway.Outcome{Status: "200 OK", Bytes: 5, Whole: true}},
		{name: "without a body", method: "HEAD", want: gateway.Outcome{Status: "200 OK", Whole: true}},
		{name: "replaced before it began", app: blocks(func(s *script) {
			s.begin("200 OK", nil)
			s.begin("404 Not Found", errBoom)
			s.send("no")
		}), want: gateway.Outcome{Status: "404 Not Found", Bytes: 2, Whole: true}},
		{name: "an error of Call", app: fails("call", boom),
			want: gateway.Outcome{Status: page, Bytes: 26, Whole: true, Err: errBoom}},
		{name: "a panic of Call", app: fails("call", explode),
			want: gateway.Outcome{Status: page, Bytes: 26, Whole: true, Err: errAny}},
		{name: "a goroutine that ends", app: fails("call", goexit),
			want: gateway.Outcome{Status: page, Bytes: 26, Whole: true, Err: errAny}},
		{name: "an error after a block", app: fails("block 2", boom),
			want: gateway.Outcome{Status: "200 OK", Bytes: 1, Err: errBoom}},
		{name: "an error of Close", app: fails("close", boom),
			want: gateway.Outcome{Status: "200 OK", Bytes: 3, Whole: true, Err: errBoom}},
		{name: "a head that the transport does not take", failAt: 1,
			want: gateway.Outcome{Status: "200 OK", Err: errBoom}},
		{name: "half a block", failAt: 2, want: gateway.Outcome{Status: "200 OK", Bytes: 2, Err: errBoom}},
		{name: "an end that fails", failAt: 3, want: gateway.Outcome{Status: "200 OK", Bytes: 5, Err: errBoom}},
		{name: "a deadline before the head", app: cancels(context.DeadlineExceeded, ""),
			want: gateway.Outcome{Status: busy, Bytes: 24, Whole: true, Err: context.DeadlineExceeded}},
		{name: "a stop before the head", app: cancels(gateway.ErrShutdown, ""),
			want: gateway.Outcome{Status: busy, Bytes: 24, Whole: true, Err: gateway.ErrShutdown}},
		{name: "a cause of the application's before the head", app: cancels(errBoom, ""),
			want: gateway.Outcome{Status: page, Bytes: 26, Whole: true, Err: errBoom}},
		{name: "no cause", app: cancels(nil, ""),
			want: gateway.Outcome{Status: page, Bytes: 26, Whole: true, Err: context.Canceled}},
		{name: "a deadline after a block", app: cancels(context.DeadlineExceeded, "a"),
			want: gateway.Outcome{Status: "200 OK", Bytes: 1, Err: context.DeadlineExceeded}},
		{name: "a panic behind the deadline", app: blocks(func(s *script) {
			s.env.Cancel(context.DeadlineExceeded)
			panic("a bug")
		}), want: gateway.Outcome{Status: page, Bytes: 26, Whole: true, Err: errAny}},
	} {
		s := script{rec: recorder{failAt: c.failAt, err: errBoom}}
		app, method := ok, "GET"
		if c.app != nil {
			app = c.app(&s)
		}
		if c.method != "" {
			method = c.method
		}
		var got []gateway.Outcome
		ended := make(chan struct{})
		go func() { // Goexit would end the test
			defer close(ended)
			s.respond(method, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				env.Clone().OnEnd(func(o gateway.Outcome) {
					if !slices.Contains(s.rec.calls, "end") || context.Cause(env.Context()) == gateway.ErrEnded {
						t.Errorf("%s: told after %q", c.name, s.rec.calls)
					}
					got = append(got, o)
				})
				return app(env, start)
			})
		}()
		<-ended
		if len(got) != 1 {
			t.Errorf("%s: told %d times", c.name, len(got))
			continue
		}
		if !matches(got[0].Err, c.want.Err) || got[0].HeadAt.IsZero() {
			t.Errorf("%s: %+v", c.name, got[0])
		}
		got[0].Err, got[0].HeadAt = c.want.Err, time.Time{}
		if got[0] != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got[0], c.want)
		}
	}
}

// A file that the transport sends by a way of its own still goes that way, and its bytes count.
func TestTheOutcomeOfAFile(t *testing.T) {
	t.Parallel()
	var s script
	tr := &fileTransport{recorder: &s.rec}
	var got gateway.Outcome
	f := openFile(t, "testdata/alphabet.txt")
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	s.respondThrough(tr, "GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		env.OnEnd(func(o gateway.Outcome) { got = o })
		return start.Answer(200, plain, gateway.Reader(f, 4))
	})
	if got.Bytes != info.Size() || !got.Whole || !slices.Contains(tr.calls, "file") {
		t.Errorf("%+v of %d bytes; the transport's calls are %q", got, info.Size(), tr.calls)
	}
}

// The last function is called first; a function that panics, or ends the goroutine, keeps no other
// from being called; and what is asked after the end is not told.
func TestOnEndCallsEachFunctionOnce(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){
		"returns": func() {}, "panics": func() { panic(errBoom) }, "ends the goroutine": runtime.Goexit,
	} {
		var s script
		var told []string
		tell := func(word string) func(gateway.Outcome) {
			return func(gateway.Outcome) { told = append(told, word) }
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				env.OnEnd(tell("a"))
				env.OnEnd(func(o gateway.Outcome) {
					tell("b")(o)
					env.OnEnd(tell("too late"))
					fail()
				})
				return start.Answer(200, plain, gateway.OnClose(gateway.Text("x"), func() error {
					env.OnEnd(tell("c"))
					return nil
				}))
			})
		}()
		<-ended
		s.env.OnEnd(tell("too late"))
		if got := strings.Join(told, " "); got != "c b a" {
			t.Errorf("%s: told %s", name, got)
		}
		if isLogged := len(s.log) == 1; isLogged != (name != "returns") {
			t.Errorf("%s: the log has %q", name, s.log)
		}
	}
}

// An Environ that a test has made by hand is of no response.
func TestAnEnvironWithoutAResponse(t *testing.T) {
	t.Parallel()
	env := &gateway.Environ{}
	env.OnEnd(func(gateway.Outcome) { t.Error("told") })
	env.Cancel(errBoom)
	if err := env.Context().Err(); err != nil {
		t.Error(err)
	}
}

func TestHeadAtIsTheTimeOfTheFirstBlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got gateway.Outcome
		began := time.Now()
		new(script).respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			env.OnEnd(func(o gateway.Outcome) { got = o })
			return start.Answer(200, plain, gateway.Stream(func(yield func([]byte, error) bool) {
				time.Sleep(time.Second)
				yield(nil, nil)
				time.Sleep(time.Second)
				yield([]byte("a"), nil)
				time.Sleep(time.Second)
				yield([]byte("b"), nil)
			}))
		})
		if took := got.HeadAt.Sub(began); took != 2*time.Second {
			t.Errorf("the head went out after %v", took)
		}
	})
}

// OnEnd and Cancel may be called by any goroutine, also while the transport has the response.
func TestOnEndAndCancelWhileTheResponseGoesOn(t *testing.T) {
	t.Parallel()
	var s script
	var told int
	var calls sync.WaitGroup
	s.rec.during = func() {
		calls.Go(func() { s.env.OnEnd(func(gateway.Outcome) { told++ }) })
		calls.Go(func() { s.env.Cancel(errBoom) })
	}
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body := gateway.Stream(func(yield func([]byte, error) bool) {
			for yield([]byte("a"), nil) {
				calls.Wait()
			}
		})
		return start.Answer(200, plain, body)
	})
	if told != 1 || !errors.Is(s.err, errBoom) || s.rec.whole {
		t.Errorf("told %d times; Respond returned %v", told, s.err)
	}
}

// OnEnd is no step of the response: it does not wait for one, and no step overlaps it. Here the
// transport reads the application's file in the middle of one.
func TestOnEndDoesNotWaitForTheTransport(t *testing.T) {
	t.Parallel()
	var s script
	tr := &fileTransport{recorder: &s.rec}
	told, waits := 0, false
	s.respondThrough(tr, "GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		source := strings.NewReader("hello")
		return start.Answer(200, plain, gateway.Reader(readFile(func(p []byte) (int, error) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				env.OnEnd(func(gateway.Outcome) { told++ })
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				waits = true
			}
			return source.Read(p[:1])
		}), 1))
	})
	if waits || told == 0 || s.err != nil || !tr.whole || !slices.Contains(tr.calls, "file") {
		t.Errorf("OnEnd waits: %v; told %d times; Respond returned %v; the transport's calls are %q",
			waits, told, s.err, tr.calls)
	}
}

// What the application has left behind may call OnEnd while the functions are called.
func TestOnEndWhileTheFunctionsAreCalled(t *testing.T) {
	t.Parallel()
	var s script
	var calls sync.WaitGroup
	stop := make(chan struct{})
	told := 0
	s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		env.OnEnd(func(gateway.Outcome) { told++; close(stop) })
		running := make(chan struct{})
		calls.Go(func() {
			env.OnEnd(func(gateway.Outcome) {})
			close(running)
			for {
				select {
				case <-stop:
					return
				default:
					env.OnEnd(func(gateway.Outcome) {})
				}
			}
		})
		<-running
		return start.Answer(200, plain, gateway.Stream(func(yield func([]byte, error) bool) {
			for range 100 {
				if !yield([]byte("a"), nil) {
					return
				}
			}
		}))
	})
	calls.Wait()
	if told != 1 || s.err != nil || !s.rec.whole {
		t.Errorf("told %d times; Respond returned %v", told, s.err)
	}
}
