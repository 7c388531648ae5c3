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

// bodies has one of each kind that is ranged, with what it yields.
var bodies = map[string]func() gateway.Body{
	"Text":          func() gateway.Body { return gateway.Text("ab") },
	"Bytes":         func() gateway.Body { return gateway.Bytes([]byte("a"), []byte("b")) },
	"Bytes of one":  func() gateway.Body { return gateway.Bytes([]byte("ab")) },
	"Stream":        stream("a", "b"),
	"Reader":        func() gateway.Body { return gateway.Reader(strings.NewReader("ab"), 1) },
	"Map":           func() gateway.Body { return gateway.Map(stream("A", "B")(), bytes.ToLower) },
	"OnClose":       func() gateway.Body { return gateway.OnClose(stream("a", "b")(), func() error { return nil }) },
	"Map of Text":   func() gateway.Body { return gateway.Map(gateway.Text("AB"), bytes.ToLower) },
	"OnClose twice": func() gateway.Body { return gateway.OnClose(gateway.OnClose(gateway.Text("ab"), ok), ok) },
}

func ok() error { return nil }

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
		events: errorPage[:2], is: []error{gateway.ErrEnded}, log: []string{"used after its end"},
	})
}

// TestAKnownSizeBecomesAContentLength, also through wrappers (R89, R138), and only a size that is certain.
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
		{"Text in UTF-8 (T28)", gateway.Text("é"), []string{"200 OK|Content-Length: 2", `"é"`}},
		{"Text, empty", gateway.Text(""), []string{"200 OK|Content-Length: 0", `""`}},
		{"Bytes, none", gateway.Bytes(), []string{"200 OK|Content-Length: 0", `""`}},
		{"Bytes, nil", gateway.Bytes(nil), []string{"200 OK|Content-Length: 0", `""`}},
		{"Bytes, two", gateway.Bytes([]byte("ab"), []byte("c")), []string{"200 OK|Content-Length: 3", `"ab"`, `"c"`}},
		{"Bytes, with empty ones", gateway.Bytes(nil, []byte("a"), []byte{}), []string{"200 OK|Content-Length: 1", `"a"`}},
		{"Bytes, all empty", gateway.Bytes(nil, nil), []string{"200 OK|Content-Length: 0", `""`}},
		{"OnClose of Text", onClose(gateway.Text("hello")), []string{"200 OK|Content-Length: 5", `"hello"`}},
		{"OnClose of OnClose of Bytes", onClose(onClose(gateway.Bytes([]byte("a"), []byte("b")))),
			[]string{"200 OK|Content-Length: 2", `"a"`, `"b"`}},
		{"Map of one block", gateway.Map(gateway.Text("a"), double), []string{"200 OK|Content-Length: 2", `"aa"`}},
		{"Map of OnClose of one block", gateway.Map(onClose(gateway.Text("a")), double), []string{"200 OK|Content-Length: 2", `"aa"`}},
		{"Map of one block to nothing", gateway.Map(gateway.Text("a"), func([]byte) []byte { return nil }),
			[]string{"200 OK|Content-Length: 0", `""`}},
		{"Map of two blocks is not known", gateway.Map(gateway.Bytes([]byte("a"), []byte("b")), double), []string{"200 OK", `"aa"`, `"bb"`}},
		{"Map of a Reader is not known", gateway.Map(gateway.Reader(strings.NewReader("a"), 0), double), []string{"200 OK", `"aa"`}},
		{"strings.Reader", gateway.Reader(strings.NewReader("hello"), 3), []string{"200 OK|Content-Length: 5", `"hel"`, `"lo"`}},
		{"strings.Reader from where it is", gateway.Reader(moved, 0), []string{"200 OK|Content-Length: 2", `"45"`}},
		{"bytes.Reader", gateway.Reader(bytes.NewReader([]byte("hello")), 0), []string{"200 OK|Content-Length: 5", `"hello"`}},
		{"bytes.Buffer", onClose(gateway.Reader(bytes.NewBufferString("hello"), 0)), []string{"200 OK|Content-Length: 5", `"hello"`}},
		{"another reader is not known", gateway.Reader(io.LimitReader(strings.NewReader("hello"), 9), 0), []string{"200 OK", `"hello"`}},
		{"Stream is not known", stream("hello")(), []string{"200 OK", `"hello"`}},
	} {
		var s script
		s.respond("GET", hello(func() gateway.Body { return c.body }, "200 OK", nil))
		if !slices.Equal(s.rec.events, c.events) || s.err != nil {
			t.Errorf("%s: sent %q, %v, want %q", c.name, s.rec.events, s.err, c.events)
		}
	}
	// R89 holds only "if write() unused".
	var s script
	s.respond("GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, _ := start("200 OK", nil, nil)
		_, err := io.WriteString(w, "more")
		return gateway.Text("hello"), err
	}).check(t, want{events: []string{"200 OK", `"more"`, `"hello"`}})
	// The empty block of a list of one, and then nothing.
	s = script{}
	s.respond("GET", hello(text(""), "404 Not Found", plain)).check(t, want{
		events: []string{"404 Not Found|Content-Type: text/plain|Content-Length: 0", `""`}})
}

func TestReaderStopsAtTheDeclaredLength(t *testing.T) { // R137
	t.Parallel()
	source := strings.NewReader("0123456789")
	_, _ = source.Seek(2, io.SeekStart)
	var s script
	s.respond("GET", hello(func() gateway.Body { return gateway.OnClose(gateway.Reader(source, 3), ok) }, "206 Partial Content",
		gateway.Headers{{"Content-Length", "5"}})).check(t, want{
		events: []string{"206 Partial Content|Content-Length: 5", `"234"`, `"56"`}})
	if source.Len() != 3 {
		t.Errorf("%d bytes are left of the source, want 3", source.Len())
	}
	s = script{}
	s.respond("GET", hello(func() gateway.Body { return gateway.Reader(iotest.ErrReader(errBoom), 0) }, "200 OK",
		gateway.Headers{{"Content-Length", "0"}})).check(t, want{events: []string{"200 OK|Content-Length: 0", `""`}})
	// After a write the rest of what was declared is left.
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
		{"what a Read returned goes out at once", iotest.OneByteReader(strings.NewReader("123")), 9, []string{"1", "2", "3"}, nil},
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

type beside struct {
	text string
	err  error
}

func (b *beside) Read(p []byte) (int, error) {
	n := copy(p, b.text)
	b.text = b.text[n:]
	return n, b.err
}

// nothing is a reader that is broken. It may be asked a hundred times.
type nothing struct{ asked int }

func (n *nothing) Read([]byte) (int, error) {
	if n.asked++; n.asked > 100 {
		return 0, errBoom
	}
	return 0, nil
}

// A closeCounter is a file.
type closeCounter struct {
	io.Reader
	n   int
	err error
}

func (c *closeCounter) Close() error { c.n++; return c.err }

func TestReaderClosesItsFileOnce(t *testing.T) { // R134, T18
	t.Parallel()
	file := &closeCounter{Reader: strings.NewReader("a"), err: errBoom}
	body := gateway.Reader(file, 0)
	if _, err := blocksOf(body.Blocks()); err != nil || file.n != 0 {
		t.Errorf("the iteration: %v, closed %d times", err, file.n)
	}
	if err := body.Close(); err != errBoom {
		t.Errorf("Close: %v", err)
	}
	if err := body.Close(); err != nil || file.n != 1 {
		t.Errorf("a second Close: %v, closed %d times", err, file.n)
	}
	file = &closeCounter{}
	if err := gateway.Reader(file, 0).Close(); err != nil || file.n != 1 {
		t.Errorf("Close of a body that was never ranged: %v, closed %d times", err, file.n)
	}
}

func TestMapKeepsTheBoundariesAndTheClose(t *testing.T) { // R94, R95
	t.Parallel()
	file := &closeCounter{Reader: iotest.OneByteReader(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errBoom)))}
	body := gateway.Map(gateway.Reader(file, 9), func(block []byte) []byte {
		if block[0] == 'b' {
			return nil // an empty block is passed on as one
		}
		return bytes.ToUpper(block)
	})
	blocks, err := blocksOf(body.Blocks())
	if !slices.Equal(blocks, []string{"A", "", "C"}) || err != errBoom {
		t.Errorf("%q, %v", blocks, err)
	}
	if err := body.Close(); err != nil || file.n != 1 {
		t.Errorf("Close: %v, closed %d times", err, file.n)
	}
	stopped := false
	for range gateway.Map(gateway.Stream(func(yield func([]byte, error) bool) { stopped = !yield([]byte("a"), nil) }), bytes.ToUpper).Blocks() {
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
	if !slices.Equal(order, []string{"outer"}) || !errors.Is(s.err, errBoom) || errors.Is(s.err, gateway.ErrBroken) || len(s.log) != 1 {
		t.Errorf("after a panic: called %q, returned %v, reported %q", order, s.err, s.log)
	}
}

// TestCloseRunsWhateverBecomesOfTheBody: a body returned beside an error is closed, never ranged.
func TestCloseRunsWhateverBecomesOfTheBody(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
		return s.tracked(gateway.Stream(func(func([]byte, error) bool) { t.Error("the body was ranged") })), errBoom
	}).check(t, want{events: errorPage, is: []error{errBoom}, log: []string{"boom"}})
}
