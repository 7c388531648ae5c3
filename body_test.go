package gateway_test

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/gateway"
)

// bodies has a body of each kind. All yield "ab", in one block or in two.
var bodies = map[string]func() gateway.Body{
	"Text":          func() gateway.Body { return gateway.Text("ab") },
	"Bytes":         func() gateway.Body { return gateway.Bytes([]byte("a"), []byte("b")) },
	"Bytes of one":  func() gateway.Body { return gateway.Bytes([]byte("ab")) },
	"Stream":        stream("a", "b"),
	"Reader":        func() gateway.Body { return gateway.Reader(strings.NewReader("ab"), 1) },
	"Map":           func() gateway.Body { return gateway.Map(stream("A", "B")(), bytes.ToLower) },
	"OnClose":       func() gateway.Body { return gateway.OnClose(stream("a", "b")(), ok) },
	"Map of Text":   func() gateway.Body { return gateway.Map(gateway.Text("AB"), bytes.ToLower) },
	"OnClose twice": func() gateway.Body { return gateway.OnClose(gateway.OnClose(gateway.Text("ab"), ok), ok) },
}

// blocksOf ranges a sequence to its end.
func blocksOf(seq iter.Seq2[[]byte, error]) (blocks []string, err error) {
	for block, e := range seq {
		if e != nil {
			return blocks, e
		}
		blocks = append(blocks, string(block))
	}
	return blocks, nil
}

func TestABodyIsForOneResponse(t *testing.T) {
	t.Parallel()
	for name, make := range bodies {
		body := make()
		if blocks, err := blocksOf(body.Blocks()); strings.Join(blocks, "") != "ab" || err != nil {
			t.Errorf("%s: %q, %v", name, blocks, err)
		}
		if blocks, err := blocksOf(body.Blocks()); len(blocks) != 0 || err != gateway.ErrEnded {
			t.Errorf("%s, a second time: %q, %v, want ErrEnded", name, blocks, err)
		}
		body = make()
		if err := body.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		if blocks, err := blocksOf(body.Blocks()); len(blocks) != 0 || err != gateway.ErrEnded {
			t.Errorf("%s, after Close: %q, %v, want ErrEnded", name, blocks, err)
		}
		if err := body.Close(); err != nil {
			t.Errorf("%s: a second Close: %v", name, err)
		}
		for range make().Blocks() {
			break // R22
		}
	}
	var s script
	body := gateway.Text("a")
	for range body.Blocks() {
	}
	s.respond("GET", hello(func() gateway.Body { return body }, "200 OK", nil)).check(t, want{
		events: errorPage[:2], is: []error{gateway.ErrEnded}, log: []string{"used after its end, or for a second response"},
	})
}

// R89, R138: a size that is certain becomes the Content-Length, also inside of OnClose.
func TestAKnownSizeBecomesAContentLength(t *testing.T) {
	t.Parallel()
	onClose := func(body gateway.Body) gateway.Body { return gateway.OnClose(body, ok) }
	double := func(block []byte) []byte { return append(slices.Clone(block), block...) }
	read := func(r io.Reader) *bytes.Buffer { var b bytes.Buffer; _, _ = io.CopyN(&b, r, 3); return &b }
	moved := strings.NewReader("12345")
	read(moved)
	for _, c := range []struct {
		name   string
		body   gateway.Body
		events []string
	}{
		{"Text", gateway.Text("hello"), []string{"200 OK|Content-Length: 5", `"hello"`}},
		{"Text in UTF-8", gateway.Text("é"), []string{"200 OK|Content-Length: 2", `"é"`}},
		{"Text, empty", gateway.Text(""), []string{"200 OK|Content-Length: 0"}},
		{"Bytes, none", gateway.Bytes(), []string{"200 OK|Content-Length: 0"}},
		{"Bytes, nil", gateway.Bytes(nil), []string{"200 OK|Content-Length: 0"}},
		{"Stream, none", stream()(), []string{"200 OK|Content-Length: 0"}},
		{"Bytes, two", gateway.Bytes([]byte("ab"), []byte("c")), []string{"200 OK|Content-Length: 3", `"ab"`, `"c"`}},
		{"Bytes, with empty ones", gateway.Bytes(nil, []byte("a"), []byte{}), []string{"200 OK|Content-Length: 1", `"a"`}},
		{"Bytes, all empty", gateway.Bytes(nil, nil), []string{"200 OK|Content-Length: 0"}},
		{"OnClose of Text", onClose(gateway.Text("hello")), []string{"200 OK|Content-Length: 5", `"hello"`}},
		{"OnClose of OnClose of Bytes", onClose(onClose(gateway.Bytes([]byte("a"), []byte("b")))),
			[]string{"200 OK|Content-Length: 2", `"a"`, `"b"`}},
		{"Map of one block", gateway.Map(gateway.Text("a"), double), []string{"200 OK|Content-Length: 2", `"aa"`}},
		{"Map of OnClose of one block", gateway.Map(onClose(gateway.Text("a")), double),
			[]string{"200 OK|Content-Length: 2", `"aa"`}},
		{"Map of one block to nothing", gateway.Map(gateway.Text("a"), func([]byte) []byte { return nil }),
			[]string{"200 OK|Content-Length: 0"}},
		{"Map of two blocks is not known", gateway.Map(gateway.Bytes([]byte("a"), []byte("b")), double),
			[]string{"200 OK", `"aa"`, `"bb"`}},
		{"Map of a Reader is not known", gateway.Map(gateway.Reader(strings.NewReader("a"), 0), double),
			[]string{"200 OK", `"aa"`}},
		{"strings.Reader", gateway.Reader(strings.NewReader("hello"), 3),
			[]string{"200 OK|Content-Length: 5", `"hel"`, `"lo"`}},
		{"strings.Reader from where it is", gateway.Reader(moved, 0), []string{"200 OK|Content-Length: 2", `"45"`}},
		{"bytes.Reader", gateway.Reader(bytes.NewReader([]byte("hello")), 0),
			[]string{"200 OK|Content-Length: 5", `"hello"`}},
		{"bytes.Buffer", onClose(gateway.Reader(bytes.NewBufferString("hello"), 0)),
			[]string{"200 OK|Content-Length: 5", `"hello"`}},
		{"another reader is not known", gateway.Reader(io.LimitReader(strings.NewReader("hello"), 9), 0),
			[]string{"200 OK", `"hello"`}},
		{"Stream is not known", stream("hello")(), []string{"200 OK", `"hello"`}},
	} {
		var s script
		s.respond("GET", hello(func() gateway.Body { return c.body }, "200 OK", nil))
		if !slices.Equal(s.rec.events, c.events) || s.err != nil {
			t.Errorf("%s: sent %q, %v, want %q", c.name, s.rec.events, s.err, c.events)
		}
	}
	// R89: "if write() unused"
	var s script
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, _ := start("200 OK", nil, nil)
		_, err := io.WriteString(w, "more")
		return gateway.Text("hello"), err
	}).check(t, want{events: []string{"200 OK", `"more"`, `"hello"`}})
	s = script{}
	s.respond("GET", hello(text(""), "404 Not Found", plain)).check(t, want{
		events: []string{"404 Not Found|Content-Type: text/plain|Content-Length: 0"}})
}

// R135, R138: Respond asks the readers of packages bytes and strings for their length, and no other
// reader.
func TestALengthThatIsAGuessIsNotTaken(t *testing.T) {
	t.Parallel()
	file := openFile(t, writeFile(t, []byte("hello")))
	for name, r := range map[string]io.Reader{"a Len of its own": lying{strings.NewReader("hello")}, "a file": file} {
		var s script
		s.respond("GET", hello(func() gateway.Body { return gateway.Reader(r, 0) }, "200 OK", nil))
		if !slices.Equal(s.rec.events, []string{"200 OK", `"hello"`}) || s.err != nil {
			t.Errorf("%s: sent %q, %v", name, s.rec.events, s.err)
		}
	}
}

// The Len of a lying reader is not its length.
type lying struct{ io.Reader }

func (lying) Len() int { return 1 }

// A source is a file. It counts its calls.
type source struct {
	io.Reader
	reads, asked, closes int   // asked has the bytes that all reads had room for
	err                  error // of Close
}

func (r *source) Read(p []byte) (int, error) {
	r.reads++
	r.asked += len(p)
	return r.Reader.Read(p)
}

func (r *source) Close() error {
	r.closes++
	return r.err
}

// R133, R136, R137, R139: Reader reads nothing before it is ranged.
func TestReaderIsReadWhenItIsSent(t *testing.T) {
	t.Parallel()
	t.Run("nothing is read or sent before it is returned", func(t *testing.T) { // R133, R136
		r := &source{Reader: strings.NewReader("hello")}
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
		r := &source{Reader: strings.NewReader("hello")}
		var s script
		s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_ = gateway.Reader(r, 0)
			return hello(text("other"), "200 OK", nil)(nil, start)
		}).check(t, want{events: []string{"200 OK|Content-Length: 5", `"other"`}})
		if r.reads != 0 {
			t.Errorf("it was read %d times", r.reads)
		}
	})
	t.Run("from where it stands when it is sent", func(t *testing.T) { // R137
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
			r := &source{Reader: strings.NewReader("0123456789")}
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

func TestReaderStopsAtTheDeclaredLength(t *testing.T) { // R137
	t.Parallel()
	digits := strings.NewReader("0123456789")
	_, _ = digits.Seek(2, io.SeekStart)
	var s script
	body := func() gateway.Body { return gateway.OnClose(gateway.Reader(digits, 3), ok) }
	s.respond("GET", hello(body, "206 Partial Content", gateway.Headers{{"Content-Length", "5"}})).check(t, want{
		events: []string{"206 Partial Content|Content-Length: 5", `"234"`, `"56"`}})
	if digits.Len() != 3 {
		t.Errorf("%d bytes are left, want 3", digits.Len())
	}
	s = script{}
	body = func() gateway.Body { return gateway.Reader(iotest.ErrReader(errBoom), 0) }
	s.respond("GET", hello(body, "200 OK", gateway.Headers{{"Content-Length", "0"}})).check(t, want{
		events: []string{"200 OK|Content-Length: 0"}})
	// The bytes that were written before count.
	s = script{}
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, _ := start("200 OK", gateway.Headers{{"Content-Length", "5"}}, nil)
		_, err := io.WriteString(w, "ab")
		return gateway.Reader(strings.NewReader("cdefgh"), 0), err
	}).check(t, want{events: []string{"200 OK|Content-Length: 5", `"ab"`, `"cde"`}})
}

func TestReaderOfAnythingThatReads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		r      io.Reader
		size   int
		blocks []string
		err    error
	}{
		{"at most a block at a time", strings.NewReader("12345"), 2, []string{"12", "34", "5"}, nil},
		{"each Read makes a block", iotest.OneByteReader(strings.NewReader("123")), 9, []string{"1", "2", "3"}, nil},
		{"data beside EOF", iotest.DataErrReader(strings.NewReader("123")), 2, []string{"12", "3"}, nil},
		{"an error", io.MultiReader(strings.NewReader("1"), iotest.ErrReader(errBoom)), 9, []string{"1"}, errBoom},
		{"data beside an error", &beside{"1", errBoom}, 9, []string{"1"}, errBoom},
		{"a body that was cut short", &beside{"1", io.ErrUnexpectedEOF}, 9, []string{"1"}, io.ErrUnexpectedEOF},
		{"empty", strings.NewReader(""), 9, nil, nil},
		{"no progress", new(nothing), 9, nil, io.ErrNoProgress},
	} {
		blocks, err := blocksOf(gateway.Reader(c.r, c.size).Blocks())
		if !slices.Equal(blocks, c.blocks) || err != c.err {
			t.Errorf("%s: %q, %v, want %q, %v", c.name, blocks, err, c.blocks, c.err)
		}
	}
	for _, size := range []int{0, -1} {
		for block := range gateway.Reader(strings.NewReader(strings.Repeat("x", 10000)), size).Blocks() {
			if len(block) != 8192 {
				t.Errorf("size %d makes a block of %d bytes", size, len(block))
			}
			break
		}
	}
}

// A beside returns its text and its error from one Read.
type beside struct {
	text string
	err  error
}

func (b *beside) Read(p []byte) (int, error) {
	n := copy(p, b.text)
	b.text = b.text[n:]
	return n, b.err
}

// A nothing is a broken reader, which returns neither a byte nor an error. Reader gives up after a
// hundred reads.
type nothing struct{ asked int }

func (n *nothing) Read([]byte) (int, error) {
	if n.asked++; n.asked > 100 {
		return 0, errBoom
	}
	return 0, nil
}

func TestReaderClosesItsFileOnce(t *testing.T) { // R134
	t.Parallel()
	file := &source{Reader: strings.NewReader("a"), err: errBoom}
	body := gateway.Reader(file, 0)
	if _, err := blocksOf(body.Blocks()); err != nil || file.closes != 0 {
		t.Errorf("the iteration: %v, closed %d times", err, file.closes)
	}
	if err := body.Close(); err != errBoom {
		t.Errorf("Close: %v", err)
	}
	if err := body.Close(); err != nil || file.closes != 1 {
		t.Errorf("a second Close: %v, closed %d times", err, file.closes)
	}
	file = &source{}
	if err := gateway.Reader(file, 0).Close(); err != nil || file.closes != 1 {
		t.Errorf("Close of a body that was never ranged: %v, closed %d times", err, file.closes)
	}
}

func TestMapKeepsTheBoundariesAndTheClose(t *testing.T) { // R94, R95
	t.Parallel()
	abc := io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errBoom))
	file := &source{Reader: iotest.OneByteReader(abc)}
	body := gateway.Map(gateway.Reader(file, 9), func(block []byte) []byte {
		if block[0] == 'b' {
			return nil // an empty block
		}
		return bytes.ToUpper(block)
	})
	blocks, err := blocksOf(body.Blocks())
	if !slices.Equal(blocks, []string{"A", "", "C"}) || err != errBoom {
		t.Errorf("%q, %v", blocks, err)
	}
	if err := body.Close(); err != nil || file.closes != 1 {
		t.Errorf("Close: %v, closed %d times", err, file.closes)
	}
	stopped := false
	inner := gateway.Stream(func(yield func([]byte, error) bool) { stopped = !yield([]byte("a"), nil) })
	for range gateway.Map(inner, bytes.ToUpper).Blocks() {
		break
	}
	if !stopped {
		t.Error("leaving the outer iteration did not stop the inner one")
	}
	calls := 0
	gateway.Map(stream("a")(), func(b []byte) []byte { calls++; return b }).Blocks()
	if calls != 0 {
		t.Error("f was called before the iteration")
	}
}

// R94, R95: each block of the inner body makes one block, also when the middleware keeps it back.
// R93: Map yields that block before it asks the inner body for the next. R96: Map does not range
// the inner body before the server ranges the outer.
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

func TestOnCloseRunsAfterTheBodysOwnClose(t *testing.T) {
	t.Parallel()
	var order []string
	note := func(name string, err error) func() error {
		return func() error { order = append(order, name); return err }
	}
	errOuter := errors.New("outer")
	body := gateway.OnClose(gateway.OnClose(gateway.Text("a"), note("inner", errBoom)), note("outer", errOuter))
	if err := body.Close(); !errors.Is(err, errBoom) || !errors.Is(err, errOuter) {
		t.Errorf("Close: %v", err)
	}
	if err := body.Close(); err != nil || !slices.Equal(order, []string{"inner", "outer"}) {
		t.Errorf("a second Close: %v; called %q", err, order)
	}

	order = nil
	var s script
	s.respond("GET", hello(func() gateway.Body {
		return gateway.OnClose(gateway.OnClose(gateway.Text("a"), func() error { panic(errBoom) }), note("outer", errOuter))
	}, "200 OK", nil))
	if !slices.Equal(order, []string{"outer"}) || !errors.Is(s.err, errBoom) || !s.rec.whole || len(s.log) != 1 {
		t.Errorf("after a panic: called %q, returned %v, reported %q", order, s.err, s.log)
	}
}

// R137: a part of a file is a file that was sought and a length. A middleware that counts bytes, or
// changes them, must not make an error of that. What is too much of any other body is one still.
func TestAPartOfAFileUnderMap(t *testing.T) {
	t.Parallel()
	same := func(b []byte) []byte { return b }
	double := func(b []byte) []byte { return bytes.Repeat(b, 2) }
	reader := func() gateway.Body { return gateway.Reader(strings.NewReader("0123456789"), 4) }
	for _, c := range []struct {
		name   string
		body   gateway.Body
		length string
		want   string
		err    error
	}{
		{"the same bytes", gateway.Map(reader(), same), "6", "012345", nil},
		{"more bytes", gateway.Map(reader(), double), "12", "012301234567", nil},
		{"twice", gateway.Map(gateway.Map(reader(), same), same), "6", "012345", nil},
		{"with OnClose between", gateway.Map(gateway.OnClose(reader(), ok), same), "6", "012345", nil},
		{"a Text", gateway.Map(gateway.Text("0123456789"), same), "6", "012345", gateway.ErrContentLength},
		{"a Text in OnClose", gateway.Map(gateway.OnClose(gateway.Text("0123456789"), ok), same), "6", "012345",
			gateway.ErrContentLength},
		{"too few bytes", gateway.Map(reader(), same), "11", "0123456789", gateway.ErrContentLength},
	} {
		var s script
		tr := &fileTransport{recorder: &s.rec}
		length := gateway.Headers{{"Content-Length", c.length}}
		s.respondThrough(tr, "GET", hello(func() gateway.Body { return c.body }, "200 OK", length))
		if got := tr.out.String(); got != c.want || !matches(s.err, c.err) {
			t.Errorf("%s: %q, want %q; returned %v, want %v", c.name, got, c.want, s.err, c.err)
		}
	}
}

// Beside an error the inner Call may return no body. Middleware wraps what it gets.
func TestANilBodyUnderMapAndOnClose(t *testing.T) {
	t.Parallel()
	for _, fails := range []error{errBoom, nil} {
		closed := 0
		var s script
		s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, _ = start("200 OK", plain, nil)
			body := gateway.Map(nil, func(b []byte) []byte { return b })
			inner := gateway.OnClose(nil, func() error { closed++; return body.Close() })
			return gateway.OnClose(inner, func() error { closed++; return nil }), fails
		})
		if fails != nil && !errors.Is(s.err, fails) || s.err == nil || s.rec.events[0] != pageHead || closed != 2 ||
			strings.Contains(s.err.Error(), "panic") {
			t.Errorf("%v: sent %q, returned %v, %d functions were called", fails, s.rec.events, s.err, closed)
		}
	}
}
