package gateway_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"example.com/gateway"
)

// The tests of this file hold what PEP 3333 leaves open to how it was decided here: HEAD, statuses without a body, lengths,
// and how a response ends early.

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

// TestResponsesWithoutABody: blocks are dropped, and the iteration stops after the first that is not empty.
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
		{"HEAD, and the body is empty (T28)", "HEAD", "200 OK", length, text(""), "200 OK|Content-Length: 5"},
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
		{"304 keeps the length that 200 would have", "GET", "304 Not Modified", length, text(""), "304 Not Modified|Content-Length: 5"},
		{"HEAD of a 204", "HEAD", "204 No Content", length, text(""), "204 No Content"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.respond(c.method, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				body, err := hello(c.body, c.status, c.headers)(env, start)
				return s.tracked(body), err
			})
			s.check(t, want{events: []string{c.head, `""`, "close"}})
		})
	}
}

func TestTheIterationOfAHEADResponseStopsAfterTheFirstBlock(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"200 OK", "204 No Content", "304 Not Modified"} {
		for _, method := range []string{"HEAD", "GET"} {
			if method == "GET" && status == "200 OK" {
				continue
			}
			var s script
			s.run(method, func(s *script) { s.begin(status, nil) }, func(s *script) { s.send(""); s.send("a") })
			if !slices.Equal(s.going, []bool{true, false}) || s.err != nil {
				t.Errorf("%s %s: yield returned %v, Respond %v", method, status, s.going, s.err)
			}
		}
	}
}

// TestHEADIsWhatTheClientSaid: the application may be given another method, the client still waits for no body.
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
	s.check(t, want{events: []string{"200 OK|Content-Length: 5", `""`}})

	s = script{}
	s.respond("GET", rewrite("HEAD")(hello(text("hello"), "200 OK", nil)).Call)
	s.check(t, want{events: []string{"200 OK|Content-Length: 5", `"hello"`}})

	s = script{}
	s.respond("HEAD", rewrite("GET")(gateway.ApplicationFunc(
		func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errBoom })).Call)
	s.check(t, want{events: []string{pageHead, `""`}, is: []error{errBoom}, log: []string{"boom"}})
}

func TestTheMethodIsCaseSensitive(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("head", hello(text("hello"), "200 OK", nil)).check(t, want{events: []string{"200 OK|Content-Length: 5", `"hello"`}})
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
			events: []string{"200 OK|Content-Length: 0", `""`, "close"}, errs: []error{nil},
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
			events: []string{"200 OK|Content-Length: 0", `""`, "close"}, errs: []error{nil}, going: []bool{false},
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
			events: []string{head, `"hello"`, "close"}, errs: []error{nil}, broken: true,
			is:  []error{gateway.ErrContentLength, errBoom},
			log: []string{`wrong Content-Length: 5 declared, more written\ngateway: panic: boom`}, stack: true,
		}},
		{"too short", nil, yields("5", "hell"), want{ // R87
			events: []string{head, `"hell"`, "close"}, errs: []error{nil}, broken: true,
			is: []error{gateway.ErrContentLength}, log: []string{"wrong Content-Length: 5 declared, 4 sent"},
		}},
		{"too short by all of it", nil, yields("5"), want{
			events: []string{head, `""`, "close"}, errs: []error{nil}, broken: true,
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

// TestTheWriterSaysHowMuchWentOut is the contract of io.Writer.
func TestTheWriterSaysHowMuchWentOut(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, _ := start("200 OK", gateway.Headers{{"Content-Length", "5"}}, nil)
		for _, c := range []struct {
			text string
			n    int
			err  error
		}{{"hel", 3, nil}, {"", 0, nil}, {"lo, world", 2, gateway.ErrContentLength}, {"!", 0, gateway.ErrContentLength}} {
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
	}).check(t, want{events: []string{"200 OK", `""`}})
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

// TestTheHeadersOfAPackageVariableStayAsTheyAre has responses whose head the engine adds to or takes from.
func TestTheHeadersOfAPackageVariableStayAsTheyAre(t *testing.T) {
	t.Parallel()
	list := make(gateway.Headers, 0, 10) // room for an append that writes behind it
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

func TestNothingIsAddedButContentLength(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", hello(text("<html>"), "200 OK", nil)).check(t, want{events: []string{"200 OK|Content-Length: 6", `"<html>"`}})
	s = script{}
	s.respond("GET", hello(stream("<html>"), "200 OK", nil)).check(t, want{events: []string{"200 OK", `"<html>"`}})
}

// TestManyHeadersKeepTheirOrder has more than the engine has room for beforehand.
func TestManyHeadersKeepTheirOrder(t *testing.T) {
	t.Parallel()
	var list gateway.Headers
	head := "200 OK"
	for i := range 50 {
		value := strings.Repeat("x", i)
		list = list.Add("Set-Cookie", value)
		head += "|Set-Cookie: " + value
	}
	var s script
	s.respond("GET", hello(text("a"), "200 OK", list)).check(t, want{events: []string{head + "|Content-Length: 1", `"a"`}})
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
		env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET", "PATH_INFO": "/app/x"}, Errors: &s.log}
		s.err = gateway.Respond(gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			s.env, s.start = env, start
			s.begin("200 OK", nil)
			return &scripted{&s, func(s *script) {
				s.send("a")
				cancel(c.cause)
				s.send("")
				if s.send("b"); context.Cause(s.env.Context()) != c.cause {
					t.Errorf("the cause is %v", context.Cause(s.env.Context()))
				}
			}}, nil
		}), env.WithContext(ctx), &s.rec)
		s.check(t, want{
			events: []string{plainHead, `"a"`, "close"}, errs: []error{nil}, going: []bool{true, true, false},
			is: []error{c.cause}, broken: true, log: c.log,
		})
	}
}

// TestAContextThatEndedDoesNotHoldBackAResponse: what is one block, or an error page, still goes out.
func TestAContextThatEndedDoesNotHoldBackAResponse(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gateway.ErrShutdown)
	for _, fails := range []bool{false, true} {
		var rec recorder
		err := gateway.Respond(gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", nil, nil)
			if fails {
				err = errBoom
			}
			return gateway.Text("a"), err
		}), new(gateway.Environ).WithContext(ctx), &rec)
		events := []string{"200 OK|Content-Length: 1", `"a"`}
		if fails {
			events = errorPage[:2]
		}
		if !slices.Equal(rec.events, events) || (err != nil) != fails || errors.Is(err, gateway.ErrBroken) {
			t.Errorf("sent %q, returned %v", rec.events, err)
		}
	}
}

func TestABodyThatGoesOnAfterItWasStopped(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "HEAD"} {
		s := &script{rec: recorder{failAt: 2, err: errBoom}}
		if method == "HEAD" {
			s.rec.failAt = 0
		}
		s.run(method, nil, func(s *script) {
			s.begin("200 OK", nil)
			for { // without a panic in yield this would go on for ever
				s.send("a")
			}
		})
		if last := s.rec.events[len(s.rec.events)-1]; len(s.rec.events) != 3 || last != "close" || len(s.log) != 1 {
			t.Errorf("%s: the transport saw %q, env.Errors got %q", method, s.rec.events, s.log)
		}
		if !errors.Is(s.err, gateway.ErrBroken) || !strings.Contains(s.err.Error(), "the body went on after yield returned false") {
			t.Errorf("%s: Respond returned %v", method, s.err)
		}
	}
}

// TestAStickyErrorIsNotOutrun has an application that ignores every error, and one that forgets to return them.
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

	// R79, R83: a second start with a cause makes good what the first did wrong; without one it does not.
	s = script{}
	s.run("GET", func(s *script) { s.begin("bad", nil); s.begin("200 OK", errBoom) }, nil)
	s.check(t, want{events: []string{plainHead + "|Content-Length: 0", `""`, "close"}, errs: []error{gateway.ErrStatus, nil}})
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
		log: []string{`invalid status: "bad" is not three digits and a space\nboom`},
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

func TestInputPassesThroughWhatTheServerGives(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("POST", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		b, err := io.ReadAll(env.Input)
		if string(b) != "the request's body" || err != nil {
			t.Errorf("Input has %q, %v", b, err)
		}
		if n, err := env.Input.Read(make([]byte, 1)); n != 0 || err != io.EOF { // R58
			t.Errorf("a read past the end returned %d, %v", n, err)
		}
		return hello(text("a"), "200 OK", nil)(env, start)
	})
	if s.err != nil {
		t.Error(s.err)
	}
}
