package gateway_test

import (
	"bytes"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
)

// The block of a Text leaves together with the end, since no code of the application runs in
// between. A Flush follows every other block, before the body is asked for the next one (R92).
func TestTheOnlyBlockLeavesTogetherWithTheEnd(t *testing.T) {
	t.Parallel()
	written := func(text string, body gateway.Body) gateway.ApplicationFunc {
		return func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, _ := start("200 OK", nil, nil)
			_, err := w.Write([]byte(text))
			return body, err
		}
	}
	onClose := func() gateway.Body { return gateway.OnClose(gateway.Text("a"), ok) }
	mapped := func() gateway.Body { return gateway.Map(gateway.Text("a"), bytes.ToUpper) }
	for _, c := range []struct {
		name, method string
		app          gateway.ApplicationFunc
		calls        string
	}{
		{"Text", "GET", hello(text("a"), "200 OK", nil), "head write end"},
		{"Text, empty", "GET", hello(text(""), "200 OK", nil), "head end"},
		{"Text for HEAD", "HEAD", hello(text("a"), "200 OK", nil), "head end"},
		{"Text after write", "GET", written("a", gateway.Text("b")), "head write flush write end"},
		{"Text, and start is ignored", "GET", hello(text("a"), "bad", nil), "head write end"},
		{"Text, and start is not called", "GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
			return gateway.Text("a"), nil
		}, "head write end"},
		{"Text with a Close", "GET", hello(onClose, "200 OK", nil), "head write end"},
		{"Map over Text", "GET", hello(mapped, "200 OK", nil), "head write flush end"},
		{"Stream", "GET", hello(stream("a", "b"), "200 OK", nil), "head write flush write flush end"},
		{"Stream, empty", "GET", hello(stream(), "200 OK", nil), "head end"},
		{"Stream for HEAD", "HEAD", hello(stream("a", "b"), "200 OK", nil), "head flush end"},
		{"write, empty", "GET", written("", gateway.Bytes()), "head flush end"},
	} {
		var rec recorder
		_ = gateway.Respond(c.app, &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": c.method}}, &rec)
		if calls := strings.Join(rec.calls, " "); calls != c.calls {
			t.Errorf("%s: %s, want %s", c.name, calls, c.calls)
		}
	}
}

// R16, R92: the transport has sent a block before the body is asked for the next one. R99: it has
// sent the bytes of a Write when Write returns.
func TestEachBlockIsSentBeforeTheNextIsMade(t *testing.T) {
	t.Parallel()
	var s script
	seen := func(want string) {
		t.Helper()
		if got := s.rec.events[len(s.rec.events)-1]; got != want {
			t.Errorf("the last event is %s, want %s", got, want)
		}
		if last := s.rec.calls[len(s.rec.calls)-1]; last != "flush" {
			t.Errorf("after %s the last call is %s, want flush", want, last)
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

// D8, R16: a body may write over its block once yield has returned.
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

// R94: middleware yields an empty block for each that it keeps back. Respond sends nothing for
// them.
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

func TestABodyThatGoesOnAfterItWasStopped(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "HEAD"} {
		s := &script{rec: recorder{failAt: 2, err: errBoom}}
		if method == "HEAD" {
			s.rec.failAt = 0
		}
		s.run(method, nil, func(s *script) {
			s.begin("200 OK", nil)
			for { // only a panic of yield ends this
				s.send("a")
			}
		})
		events := []string{plainHead, `"a"`, "close"}
		if method == "HEAD" {
			events = []string{plainHead, "close"}
		}
		if !slices.Equal(s.rec.events, events) || !strings.Contains(s.log[len(s.log)-1], "the body went on") {
			t.Errorf("%s: the events are %q, env.Errors got %q", method, s.rec.events, s.log)
		}
		if s.rec.whole || !strings.Contains(s.err.Error(), "the body went on after yield returned false") {
			t.Errorf("%s: Respond returned %v", method, s.err)
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
		if !slices.Equal(s.rec.events, errorPage[:2]) || s.err == nil || !s.rec.whole {
			t.Errorf("sent %q, returned %v", s.rec.events, s.err)
		}
	})
	t.Run("a nil sequence", func(t *testing.T) {
		t.Parallel()
		var s script
		s.respond("GET", started(s.tracked(gateway.Stream(nil))))
		if !slices.Equal(s.rec.events, errorPage) || s.err == nil || !s.rec.whole {
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

// A body returned beside an error is closed, never ranged.
func TestCloseRunsWhateverBecomesOfTheBody(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
		return s.tracked(gateway.Stream(func(func([]byte, error) bool) { t.Error("the body was ranged") })), errBoom
	}).check(t, want{events: errorPage, is: []error{errBoom}, log: []string{"boom"}})
}

// A rich body has methods that a server might be tempted to call.
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

// R26: Respond calls Blocks and Close of a Body, and no other method.
func TestOtherMethodsOfABodyAreNotUsed(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return rich{s.tracked(gateway.Text("hello")), t}, err
	}).check(t, want{events: []string{plainHead, `"hello"`, "close"}})
}
