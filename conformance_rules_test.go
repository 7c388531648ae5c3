package gateway_test

import (
	"errors"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
)

// The tests of this file prove rules that docs/conformance.md has and that no other test is about.

// R16, R92: a block is with the transport before the body is asked for the next one. R99: so is what was written, when
// Write returns.
func TestEachBlockIsSentBeforeTheNextIsMade(t *testing.T) {
	t.Parallel()
	var s script
	seen := func(want string) {
		t.Helper()
		if got := s.rec.events[len(s.rec.events)-1]; got != want {
			t.Errorf("the transport last saw %s, want %s", got, want)
		}
	}
	s.run("GET", func(s *script) {
		s.begin("200 OK", nil)
		s.write("one")
		seen(`"one"`)
		s.write("two")
		seen(`"two"`)
	}, func(s *script) {
		for i := range 20 {
			s.send(strconv.Itoa(i))
			seen(strconv.Quote(strconv.Itoa(i)))
		}
	})
	if s.err != nil {
		t.Error(s.err)
	}
}

// D8, R16: a body may write over its block once yield has returned, since nobody keeps it.
func TestABlockMayBeWrittenOverAfterItsStep(t *testing.T) {
	t.Parallel()
	var s script
	var made []string
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return s.tracked(gateway.Stream(func(yield func([]byte, error) bool) {
			block := make([]byte, 4)
			for i := range 5 {
				for j := range block {
					block[j] = byte('a' + i)
				}
				made = append(made, strconv.Quote(string(block)))
				if !yield(block, nil) {
					return
				}
				clear(block)
			}
		})), err
	})
	s.check(t, want{events: append(append([]string{plainHead}, made...), "close")})
}

// R14: whatever start returned, the writer beside it can be used, and returns the error.
func TestTheWriterIsNeverNil(t *testing.T) {
	t.Parallel()
	bad := gateway.Headers{{"Connection", "close"}}
	for _, c := range []struct {
		name   string
		before func(*script)
		start  func(*script)
		want   error
	}{
		{"the status is bad", nil, func(s *script) { s.begin("200", nil) }, gateway.ErrStatus},
		{"a header is bad", nil, func(s *script) { s.beginWith("200 OK", bad, nil) }, gateway.ErrHeader},
		{"the length is bad", nil, func(s *script) { s.beginWith("200 OK", gateway.Headers{{"Content-Length", "x"}}, nil) },
			gateway.ErrContentLength},
		{"a second start", func(s *script) { s.begin("200 OK", nil) }, func(s *script) { s.begin("200 OK", nil) }, gateway.ErrStarted},
		{"the head was sent", func(s *script) { s.begin("200 OK", nil); s.write("a") },
			func(s *script) { s.begin("200 OK", errBoom) }, gateway.ErrHeadersSent},
		{"it worked", nil, func(s *script) { s.begin("200 OK", nil) }, nil},
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
		s.begin("200 OK", nil) // after the response
		if s.w == nil {
			t.Fatalf("%s: the writer is nil after the end", c.name)
		}
		if _, err := s.w.Write(nil); !errors.Is(err, gateway.ErrEnded) {
			t.Errorf("%s: after the end Write returned %v", c.name, err)
		}
	}
}

// A rich body has what a server might be tempted to use.
type rich struct {
	gateway.Body
	t *testing.T
}

func (r rich) used(name string)                  { r.t.Errorf("%s was called (R26)", name) }
func (r rich) Len() int                          { r.used("Len"); return 1 }
func (r rich) Size() (int, int64)                { r.used("Size"); return 1, 1 }
func (r rich) Limit(int64)                       { r.used("Limit") }
func (r rich) Read([]byte) (int, error)          { r.used("Read"); return 0, io.EOF }
func (r rich) WriteTo(io.Writer) (int64, error)  { r.used("WriteTo"); return 0, nil }
func (r rich) Bytes() []byte                     { r.used("Bytes"); return nil }
func (r rich) String() string                    { r.used("String"); return "" }
func (r rich) Flush() error                      { r.used("Flush"); return nil }
func (r rich) Next() ([]byte, error)             { r.used("Next"); return nil, io.EOF }
func (r rich) All() iter.Seq2[[]byte, error]     { r.used("All"); return nil }
func (r rich) Name() string                      { r.used("Name"); return "" }
func (r rich) Seek(int64, int) (int64, error)    { r.used("Seek"); return 0, nil }
func (r rich) ReadAt([]byte, int64) (int, error) { r.used("ReadAt"); return 0, io.EOF }
func (r rich) Write(p []byte) (int, error)       { r.used("Write"); return len(p), nil }
func (r rich) Unwrap() gateway.Body              { r.used("Unwrap"); return r.Body }
func (r rich) ContentLength() int64              { r.used("ContentLength"); return 1 }
func (r rich) Header() gateway.Headers           { r.used("Header"); return nil }
func (r rich) Stat() (os.FileInfo, error)        { r.used("Stat"); return nil, errBoom }
func (r rich) Fd() uintptr                       { r.used("Fd"); return 0 }
func (r rich) ReadFrom(io.Reader) (int64, error) { r.used("ReadFrom"); return 0, nil }
func (r rich) Call(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
	r.used("Call")
	return nil, errBoom
}

// R26: of a Body only Blocks and Close are used.
func TestOtherMethodsOfABodyAreNotUsed(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return rich{s.tracked(gateway.Text("hello")), t}, err
	}).check(t, want{events: []string{plainHead, `"hello"`, "close"}})
}

// A richInput has what an application might be tempted to use.
type richInput struct {
	*strings.Reader // Seek, WriteTo, ReadAt, Len
	closed          bool
}

func (r *richInput) Close() error { r.closed = true; return nil }

// R63, R64: what lies behind Input cannot be reached past Read, so that it ends where the engine says.
func TestInputHasOnlyRead(t *testing.T) {
	t.Parallel()
	input := &richInput{Reader: strings.NewReader("body")}
	env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "POST"}, Input: input}
	err := gateway.Respond(gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		for name, found := range map[string]bool{
			"Close": is[io.Closer](env.Input), "Seek": is[io.Seeker](env.Input), "WriteTo": is[io.WriterTo](env.Input),
			"ReadAt": is[io.ReaderAt](env.Input), "UnreadByte": is[io.ByteScanner](env.Input), "Len": is[interface{ Len() int }](env.Input),
		} {
			if found {
				t.Errorf("Input has %s", name)
			}
		}
		return hello(text("a"), "200 OK", nil)(env, start)
	}), env, new(recorder))
	if err != nil || input.closed {
		t.Errorf("Respond returned %v; the server's Input was closed: %v", err, input.closed)
	}
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

// R77: a head that says there is nothing to come waits like any other, so that it can still be replaced.
func TestAHeadWithLengthZeroWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	var s script
	s.run("GET", func(s *script) { s.beginWith("200 OK", gateway.Headers{{"Content-Length", "0"}}, nil) }, func(s *script) {
		s.send("")
		if len(s.rec.events) != 0 {
			t.Errorf("sent %q before the end", s.rec.events)
		}
		s.begin("404 Not Found", errBoom)
	})
	s.check(t, want{
		events: []string{"404 Not Found|Content-Type: text/plain|Content-Length: 0", `""`, "close"},
		errs:   []error{nil, nil}, going: []bool{true},
	})
}

// R135, R138: nothing but a reader of the standard library that lies in memory is asked for its length, and no file is.
func TestALengthThatIsAGuessIsNotTaken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.Reader{"a Len of its own": lying{strings.NewReader("hello")}, "a file": file} {
		var s script
		s.respond("GET", hello(func() gateway.Body { return gateway.Reader(r, 0) }, "200 OK", nil))
		if !slices.Equal(s.rec.events, []string{"200 OK", `"hello"`}) || s.err != nil {
			t.Errorf("%s: sent %q, %v", name, s.rec.events, s.err)
		}
	}
}

// A lying reader has a Len that is not its length.
type lying struct{ io.Reader }

func (lying) Len() int { return 1 }

// A countingReader counts what is done to it.
type countingReader struct {
	io.Reader
	reads, asked, closes int
}

func (r *countingReader) Read(p []byte) (int, error) {
	r.reads++
	r.asked += len(p)
	return r.Reader.Read(p)
}

func (r *countingReader) Close() error { r.closes++; return nil }

// R133, R136, R137, R139: Reader is a Body that does nothing before it is ranged.
func TestReaderIsReadWhenItIsSent(t *testing.T) {
	t.Parallel()
	t.Run("nothing is read or sent before it is returned", func(t *testing.T) { // R133, R136
		r := &countingReader{Reader: strings.NewReader("hello")}
		var s script
		s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", nil, nil)
			body := gateway.Reader(r, 0)
			if r.reads != 0 || len(s.rec.events) != 0 {
				t.Errorf("%d reads, sent %q", r.reads, s.rec.events)
			}
			return body, err
		})
		if !slices.Equal(s.rec.events, []string{"200 OK", `"hello"`}) || r.closes != 1 {
			t.Errorf("sent %q, closed %d times", s.rec.events, r.closes)
		}
	})
	t.Run("it is not sent when it is not returned", func(t *testing.T) { // R133, R136
		r := &countingReader{Reader: strings.NewReader("hello")}
		var s script
		s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_ = gateway.Reader(r, 0)
			return hello(text("other"), "200 OK", nil)(nil, start)
		}).check(t, want{events: []string{"200 OK|Content-Length: 5", `"other"`}})
		if r.reads != 0 {
			t.Errorf("it was read %d times", r.reads)
		}
	})
	t.Run("from where it stands", func(t *testing.T) { // R137: at the time of sending
		r := strings.NewReader("0123456789")
		body := gateway.Reader(r, 0)
		if _, err := r.Seek(7, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var s script
		s.respond("GET", hello(func() gateway.Body { return body }, "200 OK", nil)).
			check(t, want{events: []string{"200 OK|Content-Length: 3", `"789"`}})
	})
	t.Run("to the declared length", func(t *testing.T) { // R137: "or Content-Length bytes"
		for _, wrap := range []gateway.Middleware{gateway.Chain(), passing} {
			r := &countingReader{Reader: strings.NewReader("0123456789")}
			var s script
			s.respond("GET", wrap(hello(func() gateway.Body { return gateway.Reader(r, 2) }, "200 OK",
				gateway.Headers{{"Content-Length", "5"}})).Call)
			s.check(t, want{events: []string{"200 OK|Content-Length: 5", `"01"`, `"23"`, `"4"`}})
			if r.asked > 5 {
				t.Errorf("%d bytes were asked for", r.asked)
			}
		}
	})
}

// passing is middleware that changes nothing, with the means that the package has for it.
func passing(app gateway.Application) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
			return start(status, headers.Add("X", "x").Without("X"), cause)
		})
		if body == nil {
			return nil, err
		}
		return gateway.OnClose(body, func() error { return nil }), err
	})
}

// R6, R7, R123: middleware of no knowledge fits around every style of application, and the client sees no difference.
func TestMiddlewareIsTransparent(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]func(s *script) gateway.Application{
		"a function":         func(s *script) gateway.Application { return hello(text("a"), "200 OK", plain) },
		"blocks":             func(s *script) gateway.Application { return hello(stream("a", "", "b"), "200 OK", plain) },
		"a late start":       func(s *script) gateway.Application { return late{} },
		"the writer":         func(s *script) gateway.Application { return written("a", "b") },
		"a failure":          func(s *script) gateway.Application { return &stepped{s, "call", func() error { return errBoom }} },
		"a late failure":     func(s *script) gateway.Application { return &stepped{s, "block 3", func() error { return errBoom }} },
		"a panic":            func(s *script) gateway.Application { return &stepped{s, "block 2", func() error { panic("boom") }} },
		"a failure in Close": func(s *script) gateway.Application { return &stepped{s, "close", func() error { return errBoom }} },
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
			if errors.Is(without.err, gateway.ErrBroken) != errors.Is(with.err, gateway.ErrBroken) || len(without.log) != len(with.log) {
				t.Errorf("%s %s: %v, with middleware %v", method, name, without.err, with.err)
			}
		}
	}
}

// late is an application whose instance is the body, and starts when it is ranged (R24).
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

// written sends its texts through the writer, and an empty body (R100).
func written(texts ...string) gateway.ApplicationFunc {
	return func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", plain, nil)
		for _, text := range texts {
			if err == nil {
				_, err = io.WriteString(w, text)
			}
		}
		return gateway.Bytes(), err
	}
}

// R94, R95: a block of the inner body is a block of the mapped one, also when the middleware keeps it back. R93: and is
// passed up before the next is asked for. R96: nothing is ranged before the server does.
func TestMapYieldsABlockForABlock(t *testing.T) {
	t.Parallel()
	asked := 0
	var kept []byte
	body := gateway.Map(gateway.Stream(func(yield func([]byte, error) bool) {
		for _, block := range []string{"a", "b", "", "c", "d"} {
			asked++
			if !yield([]byte(block), nil) {
				return
			}
		}
	}), func(block []byte) []byte { // pairs
		if kept = append(kept, block...); len(kept) < 2 {
			return nil
		}
		pair := kept
		kept = nil
		return pair
	})
	if asked != 0 {
		t.Error("the inner body was ranged too early (R96)")
	}
	var got []string
	for block, err := range body.Blocks() {
		if err != nil {
			t.Error(err)
		}
		if got = append(got, string(block)); asked != len(got) {
			t.Errorf("block %d was passed up when the inner body had made %d (R93)", len(got), asked)
		}
	}
	if !slices.Equal(got, []string{"", "ab", "", "", "cd"}) {
		t.Errorf("the blocks are %q", got)
	}
}

// R94: the server takes the empty blocks of a middleware that keeps some back, and sends nothing for them.
func TestEmptyBlocksOfMiddlewareSendNothing(t *testing.T) {
	t.Parallel()
	var s script
	n := 0
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Map(stream("a", "b", "c", "d")(), func(block []byte) []byte {
			if n++; n%2 == 1 {
				return nil
			}
			return block
		}), err
	}).check(t, want{events: []string{plainHead, `"b"`, `"d"`}})
}

// R97: the outer writer does not take what the inner body yields.
func TestMiddlewareCannotWriteWhatItsInnerBodyYields(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		var outer io.Writer
		body, err := hello(stream("a", "b"), "200 OK", plain)(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
			w, err := start(status, headers, cause)
			outer = w
			return w, err
		})
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

// R112, R113: an application that does its part lets middleware have the error and its page.
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
			if _, err := start("500 Oops", plain, errBoom); err != nil { // always with the cause
				yield(nil, err) // and never kept to itself
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
		}).check(t, want{events: []string{plainHead, `"a"`}, is: []error{errOwn}, broken: true, log: []string{"the middleware's own"}})
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

// R116, R119-R121: what a client asks for in headers is the application's to honour; the server changes nothing.
func TestTheServerPlaysDumb(t *testing.T) {
	t.Parallel()
	headers := gateway.Headers{{"ETag", `"x"`}, {"Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"}, {"Accept-Ranges", "bytes"}}
	for _, vars := range []map[string]string{
		{"HTTP_IF_NONE_MATCH": `"x"`}, {"HTTP_IF_NONE_MATCH": "*"}, {"HTTP_IF_MATCH": `"y"`},
		{"HTTP_IF_MODIFIED_SINCE": "Thu, 01 Jan 2026 00:00:00 GMT"}, {"HTTP_RANGE": "bytes=0-1"},
		{"HTTP_ACCEPT_ENCODING": "gzip, br"}, {"HTTP_TE": "trailers"}, {"HTTP_CONNECTION": "close"},
		{"HTTP_EXPECT": "100-continue"}, {"HTTP_UPGRADE": "websocket"},
	} {
		vars["REQUEST_METHOD"] = "GET"
		var rec recorder
		err := gateway.Respond(hello(text("hello"), "200 OK", headers), &gateway.Environ{Vars: vars}, &rec)
		want := []string{`200 OK|ETag: "x"|Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT|Accept-Ranges: bytes|Content-Length: 5`, `"hello"`}
		if !slices.Equal(rec.events, want) || err != nil {
			t.Errorf("%q: sent %q, %v", vars, rec.events, err)
		}
	}
}

// R124, R126: the functions of an Environ look at it as it is now, and leave nothing in it.
func TestFunctionsOfAnEnvironKeepNoCopy(t *testing.T) {
	t.Parallel()
	env := &gateway.Environ{
		Vars:      map[string]string{"HTTP_ACCEPT": "a", "CONTENT_LENGTH": "1", "SERVER_NAME": "one.example", "HTTP_COOKIE": "a=b"},
		URLScheme: "http",
		Extra:     map[string]any{"my.thing": 1},
	}
	look := func() (string, int64, string) {
		n, err := env.ContentLength()
		if err != nil {
			t.Error(err)
		}
		return env.Header("Accept"), n, env.URL()
	}
	before := env.Clone()
	if accept, n, url := look(); accept != "a" || n != 1 || url != "http://one.example" {
		t.Errorf("%q, %d, %q", accept, n, url)
	}
	for range env.All() {
	}
	if !maps.Equal(env.Vars, before.Vars) || !maps.Equal(env.Extra, before.Extra) {
		t.Errorf("looking has left %q, %v", env.Vars, env.Extra)
	}
	env.Vars["HTTP_ACCEPT"], env.Vars["CONTENT_LENGTH"], env.Vars["SERVER_NAME"] = "b", "2", "two.example"
	if accept, n, url := look(); accept != "b" || n != 2 || url != "http://two.example" {
		t.Errorf("after a change: %q, %d, %q", accept, n, url)
	}
}

// R42, R53: the keys that the package itself gives are wsgi's, in the form that all must have, and nobody's Extra hides them.
func TestTheKeysOfTheDictionary(t *testing.T) {
	t.Parallel()
	env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET"}, URLScheme: "https",
		Extra: map[string]any{"fcgi.role": "responder", "wsgi.url_scheme": "gopher", "wsgi.version": 2}}
	all := maps.Collect(env.All())
	if all["wsgi.version"] != [2]int{1, 0} || all["wsgi.url_scheme"] != "https" || all["fcgi.role"] != "responder" {
		t.Errorf("%v", all)
	}
	form := regexp.MustCompile(`^[a-z0-9]+\.[a-z0-9_.]+$`)
	for key := range all {
		if _, found := env.Vars[key]; !found && !form.MatchString(key) {
			t.Errorf("the key %q has not the form of R53", key)
		}
	}
}
