package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
)

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

// R6, R7, R123: middleware that knows nothing of the application fits around every style of it, and
// the client sees no difference.
func TestMiddlewareIsTransparent(t *testing.T) {
	t.Parallel()
	fails := func(step string, fail func() error) func(s *script) gateway.Application {
		return func(s *script) gateway.Application { return &stepped{s, step, fail} }
	}
	boom := func() error { return errBoom }
	for name, app := range map[string]func(s *script) gateway.Application{
		"a function":         func(s *script) gateway.Application { return hello(text("a"), "200 OK", plain) },
		"blocks":             func(s *script) gateway.Application { return hello(stream("a", "", "b"), "200 OK", plain) },
		"a late start":       func(s *script) gateway.Application { return late{} },
		"the writer":         func(s *script) gateway.Application { return written("a", "b") },
		"a failure":          fails("call", boom),
		"a late failure":     fails("block 3", boom),
		"a panic":            fails("block 2", explode),
		"a failure in Close": fails("close", boom),
		"a Reader": func(s *script) gateway.Application {
			return hello(func() gateway.Body { return gateway.Reader(strings.NewReader("abc"), 2) }, "200 OK", plain)
		},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			var without, with script
			without.respond(method, app(&without).Call)
			with.respond(method, gateway.Chain(passing, passing)(app(&with)).Call)
			if !slices.Equal(without.rec.events, with.rec.events) {
				t.Errorf("%s %s: %q, with middleware %q", method, name, without.rec.events, with.rec.events)
			}
			if without.rec.whole != with.rec.whole || len(without.log) != len(with.log) {
				t.Errorf("%s %s: %v, with middleware %v", method, name, without.err, with.err)
			}
		}
	}
}

// passing is middleware that changes nothing, but wraps the start and the body.
func passing(app gateway.Application) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
			return start(status, headers.Append("X", "x").Without("X"), cause)
		})
		if body == nil {
			return nil, err
		}
		return gateway.OnClose(body, ok), err
	})
}

// A late is an application that calls start inside the iteration of its body (R24).
type late struct{}

func (late) Call(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return gateway.Stream(func(yield func([]byte, error) bool) {
		if _, err := start("200 OK", plain, nil); err != nil {
			yield(nil, err)
			return
		}
		_ = yield([]byte("a"), nil) && yield([]byte("b"), nil)
	}), nil
}

// R97: middleware that gives the blocks of the inner body to the outer writer gets an error.
func TestMiddlewareCannotWriteWhatItsInnerBodyYields(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		var outer io.Writer
		inner := func(status string, headers gateway.Headers, cause error) (w io.Writer, err error) {
			outer, err = start(status, headers, cause)
			return outer, err
		}
		body, err := hello(stream("a", "b"), "200 OK", plain)(env, inner)
		return s.tracked(gateway.Map(body, func(block []byte) []byte {
			if _, err := outer.Write(block); err == nil {
				t.Error("the writer took a block")
			}
			return nil
		})), err
	})
	if !slices.Equal(s.rec.events, errorPage) || s.err == nil {
		t.Errorf("sent %q, returned %v", s.rec.events, s.err)
	}
}

// R112, R113: an application that gives start the cause, and returns the error of start, lets
// middleware take the error and the page.
func TestMiddlewareMayTakeAnErrorForItself(t *testing.T) {
	t.Parallel()
	errOwn := errors.New("the middleware's own")
	app := func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if _, err := start("200 OK", plain, nil); err != nil {
			return nil, err
		}
		return gateway.Stream(func(yield func([]byte, error) bool) {
			if !yield([]byte("a"), nil) {
				return
			}
			if _, err := start("500 Oops", plain, errBoom); err != nil {
				yield(nil, err)
				return
			}
			yield([]byte("the page"), nil)
		}), nil
	}
	t.Run("an error of its own", func(t *testing.T) {
		var s script
		s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return app(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
				if cause != nil {
					return nil, errOwn
				}
				return start(status, headers, cause)
			})
		}).check(t, want{
			events: []string{plainHead, `"a"`}, is: []error{errOwn}, broken: true,
			log: []string{"the middleware's own"},
		})
	})
	t.Run("the page", func(t *testing.T) {
		var s script
		var taken []string
		s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			failed := false
			body, err := app(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
				if cause != nil {
					failed = true
					return io.Discard, nil
				}
				return start(status, headers, cause)
			})
			return gateway.Map(body, func(block []byte) []byte {
				if failed {
					taken = append(taken, string(block))
					return nil
				}
				return block
			}), err
		}).check(t, want{events: []string{plainHead, `"a"`}})
		if !slices.Equal(taken, []string{"the page"}) {
			t.Errorf("the middleware took %q", taken)
		}
	})
}

// R2, R49: Respond and the application keep the requests of several goroutines apart.
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

func TestNilFieldsOfAnEnvironAreEmptyOnes(t *testing.T) {
	t.Parallel()
	var rec recorder
	app := func(env *gateway.Environ, _ gateway.StartResponse) (gateway.Body, error) {
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
	}
	err := gateway.Respond(gateway.ApplicationFunc(app), new(gateway.Environ), &rec)
	if !errors.Is(err, errBoom) || !rec.whole {
		t.Error(err)
	}
	if !slices.Equal(rec.events, errorPage[:2]) {
		t.Errorf("sent %q", rec.events)
	}
}

func TestRespondPanicsWithoutAnEnvironOrATransport(t *testing.T) {
	t.Parallel()
	for name, respond := range map[string]func(app gateway.Application){
		"Environ":   func(app gateway.Application) { _ = gateway.Respond(app, nil, new(recorder)) },
		"Transport": func(app gateway.Application) { _ = gateway.Respond(app, new(gateway.Environ), nil) },
	} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, "needs an Environ and a Transport") {
					t.Errorf("without %s the panic is %q", name, text)
				}
			}()
			respond(gateway.ApplicationFunc(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
				t.Errorf("the application is called without %s", name)
				return nil, nil
			}))
		}()
	}
}

func TestANilApplicationFailsLikeAnyOther(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]gateway.Application{
		"nil":               nil,
		"a nil function":    gateway.ApplicationFunc(nil),
		"a nil inside":      (*stepped)(nil),
		"nil in middleware": passing(nil),
	} {
		var rec recorder
		var log entryLog
		env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET"}, Errors: &log}
		err := gateway.Respond(app, env, &rec)
		if !slices.Equal(rec.events, errorPage[:2]) || !rec.whole || err == nil {
			t.Errorf("%s: sent %q, returned %v", name, rec.events, err)
		}
		if len(log) != 1 || !strings.Contains(log[0], "nil pointer") {
			t.Errorf("%s: reported %q", name, log)
		}
	}
}

func TestTheApplicationGetsACopyOfTheEnviron(t *testing.T) {
	t.Parallel()
	input, log := strings.NewReader("body"), new(entryLog)
	env := &gateway.Environ{
		Vars: map[string]string{"REQUEST_METHOD": "GET"}, URLScheme: "http", Input: input, Errors: log, RunOnce: true,
	}
	ctx := env.Context()
	app := func(got *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if got == env || got.URLScheme != "http" || !got.RunOnce || got.Vars["REQUEST_METHOD"] != "GET" {
			t.Errorf("the application got %v", got)
		}
		*got = gateway.Environ{}
		return hello(text("a"), "200 OK", nil)(got, start)
	}
	if err := gateway.Respond(gateway.ApplicationFunc(app), env, new(recorder)); err != nil {
		t.Error(err)
	}
	if env.URLScheme != "http" || !env.RunOnce || env.Input != input || env.Errors != log || env.Context() != ctx ||
		env.Vars["REQUEST_METHOD"] != "GET" {
		t.Errorf("the server's environ became %v", env)
	}
}

// A holder is a Transport that holds back as much as it may: the headers and the blocks, by
// reference, until Flush or End.
type holder struct {
	recorder
	status  string
	headers gateway.Headers
	blocks  [][]byte
}

func (h *holder) WriteHead(status string, headers gateway.Headers) error {
	h.status, h.headers = status, headers
	return nil
}

func (h *holder) Write(block []byte) (int, error) {
	h.blocks = append(h.blocks, block)
	return len(block), nil
}

func (h *holder) Flush() error {
	h.release()
	return nil
}

func (h *holder) End(whole bool) error {
	h.release()
	return h.recorder.End(whole)
}

func (h *holder) release() {
	if h.status != "" {
		_ = h.recorder.WriteHead(h.status, h.headers)
	}
	for _, block := range h.blocks {
		_, _ = h.recorder.Write(block)
	}
	h.status, h.headers, h.blocks = "", nil, nil
}

// Each of these applications writes over its memory as soon as it may.
func TestATransportMayHoldBackUntilFlushOrEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		app    gateway.ApplicationFunc
		events []string
	}{
		{"the blocks of a body", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				for _, letter := range "abc" {
					block := []byte(string(letter))
					if !yield(block, nil) {
						return
					}
					clear(block)
				}
			}), err
		}, []string{plainHead, `"a"`, `"b"`, `"c"`}},
		{"what is written", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("200 OK", plain, nil)
			for _, letter := range "abc" {
				p := []byte(string(letter))
				if err == nil {
					_, err = w.Write(p)
				}
				clear(p)
			}
			return gateway.Text("d"), err
		}, []string{plainHead, `"a"`, `"b"`, `"c"`, `"d"`}},
		{"a Reader", hello(func() gateway.Body {
			return gateway.Reader(io.MultiReader(strings.NewReader("abc")), 1)
		}, "200 OK", plain), []string{plainHead, `"a"`, `"b"`, `"c"`}},
		{"the list of headers", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			headers := gateway.Headers{{"A", "1"}, {"B", "2"}, {"C", "3"}}
			_, err := start("200 OK", headers, nil)
			clear(headers)
			return gateway.Text("a"), err
		}, []string{"200 OK|A: 1|B: 2|C: 3|Content-Length: 1", `"a"`}},
		{"the error page", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errBoom },
			errorPage[:2]},
	} {
		var h holder
		err := gateway.Respond(c.app, &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET"}}, &h)
		if !slices.Equal(h.events, c.events) || !h.whole {
			t.Errorf("%s: sent %q, want %q, returned %v", c.name, h.events, c.events, err)
		}
	}
}

// A richTransport has methods that a server might have for itself, and that Respond might be
// tempted to call.
type richTransport struct {
	*fileTransport
	t *testing.T
}

func (r *richTransport) used(name string)                        { r.t.Errorf("%s was called", name) }
func (r *richTransport) WriteString(s string) (int, error)       { r.used("WriteString"); return len(s), nil }
func (r *richTransport) WriteLast(p []byte) (int, error)         { r.used("WriteLast"); return len(p), nil }
func (r *richTransport) CanSend(*os.File) bool                   { r.used("CanSend"); return true }
func (r *richTransport) SendFile(*os.File, int64) (int64, error) { r.used("SendFile"); return 0, nil }
func (r *richTransport) WriteHeader(int)                         { r.used("WriteHeader") }
func (r *richTransport) Header() http.Header                     { r.used("Header"); return nil }
func (r *richTransport) FlushError() error                       { r.used("FlushError"); return nil }
func (r *richTransport) Sync() error                             { r.used("Sync"); return nil }
func (r *richTransport) Close() error                            { r.used("Close"); return nil }
func (r *richTransport) CloseWrite() error                       { r.used("CloseWrite"); return nil }
func (r *richTransport) Read([]byte) (int, error)                { r.used("Read"); return 0, io.EOF }
func (r *richTransport) SetWriteDeadline(time.Time) error        { r.used("SetWriteDeadline"); return nil }
func (r *richTransport) Context() context.Context                { r.used("Context"); return context.Background() }
func (r *richTransport) WriteBlocks([][]byte) (int64, error)     { r.used("WriteBlocks"); return 0, nil }
func (r *richTransport) WriteTo(io.Writer) (int64, error)        { r.used("WriteTo"); return 0, nil }
func (r *richTransport) Unwrap() gateway.Transport               { r.used("Unwrap"); return r.recorder }
func (r *richTransport) Push(string, *http.PushOptions) error    { r.used("Push"); return nil }
func (r *richTransport) WriteTrailers(gateway.Headers) error     { r.used("WriteTrailers"); return nil }

// Respond calls the four methods of a Transport, and ReadFrom for a file.
func TestOtherMethodsOfATransportAreNotUsed(t *testing.T) {
	t.Parallel()
	file := func() gateway.Body { return gateway.Reader(openFile(t, "testdata/alphabet.txt"), 8) }
	for _, method := range []string{"GET", "HEAD"} {
		for name, app := range map[string]gateway.ApplicationFunc{
			"Text":    hello(text("a"), "200 OK", plain),
			"Bytes":   hello(func() gateway.Body { return gateway.Bytes([]byte("a"), []byte("b")) }, "200 OK", plain),
			"Stream":  hello(stream("a", "b"), "200 OK", plain),
			"written": written("a", "b"),
			"Reader":  hello(file, "200 OK", plain),
			"failure": func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errBoom },
		} {
			var s script
			s.respondThrough(&richTransport{&fileTransport{recorder: &s.rec}, t}, method, app)
			calls := strings.Join(s.rec.calls, " ")
			isInOrder := inOrder.MatchString(calls)
			if name == "Reader" && method == "GET" {
				isInOrder = calls == "head write flush file flush end"
			}
			if !isInOrder || !s.rec.whole {
				t.Errorf("%s %s: the transport's calls are %s", method, name, calls)
			}
		}
	}
}

func TestAnswerIsAResponseInOneCall(t *testing.T) {
	t.Parallel()
	location := gateway.Headers{{"Location", "/"}}
	var s script
	for _, c := range []struct {
		name string
		call func(start gateway.StartResponse) (gateway.Body, error)
		want []string
		is   error
	}{
		{"a body", func(start gateway.StartResponse) (gateway.Body, error) {
			return start.Answer(404, plain, gateway.OnClose(gateway.Text("a"), func() error {
				s.rec.closed()
				return nil
			}))
		}, []string{"404 Not Found|Content-Type: text/plain|Content-Length: 1", `"a"`, "close"}, nil},
		{"no body", func(start gateway.StartResponse) (gateway.Body, error) {
			return start.Answer(303, location, nil)
		}, []string{"303 See Other|Location: /|Content-Length: 0"}, nil},
		{"a code that is none", func(start gateway.StartResponse) (gateway.Body, error) {
			return start.Answer(42, plain, gateway.OnClose(gateway.Text("a"), func() error {
				s.rec.closed() // although start has refused the response
				return nil
			}))
		}, append(slices.Clone(errorPage[:2]), "close"), gateway.ErrStatus},
		{"after a start", func(start gateway.StartResponse) (gateway.Body, error) {
			start("200 OK", plain, nil)
			return start.Answer(404, plain, nil)
		}, errorPage[:2], gateway.ErrStarted},
	} {
		s = script{}
		s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return c.call(start)
		})
		if !slices.Equal(s.rec.events, c.want) || !errors.Is(s.err, c.is) {
			t.Errorf("%s: %q, %v", c.name, s.rec.events, s.err)
		}
	}
}
