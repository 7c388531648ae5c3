package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/gateway"
)

// The block of a Text, and that of a Bytes with one, leaves together with the end, since no code of
// the application runs in between. A Flush follows every other block, before the body is asked for the next one (R92).
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
		{"Bytes of one block", "GET", hello(func() gateway.Body {
			return gateway.Bytes([]byte("a"))
		}, "200 OK", nil), "head write end"},
		{"Bytes of two blocks", "GET", hello(func() gateway.Body {
			return gateway.Bytes([]byte("a"), []byte("b"))
		}, "200 OK", nil), "head write flush write flush end"},
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
		if s.rec.whole != (method == "HEAD") ||
			!strings.Contains(s.err.Error(), "the body went on after yield returned false") {
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

// A fileTransport is a recorder that sends files by itself. It notes a call of ReadFrom as "file".
type fileTransport struct {
	*recorder
	out    bytes.Buffer // the bytes of the body
	source io.Reader    // if it is not nil, ReadFrom must get it
	part   int64        // the size of the last part
	answer func(n int64) (int64, error)
}

func (f *fileTransport) Write(block []byte) (int, error) {
	f.out.Write(block)
	return f.recorder.Write(block)
}

// ReadFrom sends a part. At the call that is to fail it returns what answer makes of the size, or
// the recorder's error.
func (f *fileTransport) ReadFrom(src io.Reader) (int64, error) {
	part, isLimited := src.(*io.LimitedReader) // package net knows how to send this one
	if !isLimited || f.source != nil && part.R != f.source {
		return 0, errors.New("the source is not an io.LimitedReader on the application's reader")
	}
	f.part = part.N
	n, err := io.Copy(&f.out, part)
	if f.during != nil {
		f.during()
	}
	if failure := f.call("file"); len(f.calls) == f.failAt {
		if f.answer != nil {
			return f.answer(f.part)
		}
		return 0, failure
	}
	return n, err
}

// A chunk is the size of a part.
const chunk = 480 << 10

// content returns the content of a file that has size bytes.
func content(size int) []byte {
	return bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
}

// writeFile returns the path of a new file.
func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileGoesOutThroughTheTransportsOwnWay(t *testing.T) {
	t.Parallel()
	const size = 9<<20 + 5
	all := content(size)
	path, empty := writeFile(t, all), writeFile(t, nil)
	first := "head write flush"
	for _, test := range []struct {
		name, path, method, length string
		seek                       int64
		failAt                     int
		calls                      string // before the end
		want                       []byte
		err                        error
	}{
		{name: "whole", path: path, calls: first + strings.Repeat(" file flush", 20), want: all},
		{name: "from the position, to the length (R137)", path: path, seek: 100, length: "100000",
			calls: first + " file flush", want: all[100:100100]},
		{name: "no more than one block", path: path, length: "8192", calls: first, want: all[:8192]},
		{name: "one byte more than a block", path: path, length: "8193", calls: first + " file flush", want: all[:8193]},
		{name: "one byte more than a part", path: path, length: "499713", calls: first + " file flush file flush",
			want: all[:8192+chunk+1]},
		{name: "empty", path: empty, calls: "head"},
		{name: "HEAD", path: path, method: "HEAD", calls: "head flush"},
		{name: "shorter than declared (R87)", path: path, seek: size - 10000, length: "20000",
			calls: first + " file flush", want: all[size-10000:], err: gateway.ErrContentLength},
		{name: "the client leaves", path: path, failAt: 6, calls: first + " file flush file",
			want: all[:8192+2*chunk], err: errBoom},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := openFile(t, test.path)
			if _, err := f.Seek(test.seek, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			headers := plain
			if test.length != "" {
				headers = headers.Append("Content-Length", test.length)
			}
			s := script{rec: recorder{failAt: test.failAt, err: errBoom}}
			tr := &fileTransport{recorder: &s.rec, source: f}
			body := func() gateway.Body { return s.tracked(gateway.Reader(f, 0)) }
			s.respondThrough(tr, test.method, hello(body, "200 OK", headers))
			if !matches(s.err, test.err) {
				t.Errorf("Respond returned %v, want %v", s.err, test.err)
			}
			if tr.whole != (test.err == nil) {
				t.Errorf("End got %v after %v", tr.whole, s.err)
			}
			if got := strings.Join(tr.calls, " "); got != test.calls+" end" {
				t.Errorf("the transport's calls are %s, want %s end", got, test.calls)
			}
			if !bytes.Equal(tr.out.Bytes(), test.want) {
				t.Errorf("%d bytes went out, want %d, or they differ", tr.out.Len(), len(test.want))
			}
			if n := len(tr.events); tr.events[n-1] != "close" || slices.Index(tr.events, "close") != n-1 {
				t.Errorf("the body is not closed once, at the end (R21)")
			}
			if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("the file is not closed: %v (R134)", err)
			}
		})
	}
}

// Respond notices an unreadable file before it sends the head.
func TestFileThatCannotBeReadGetsTheErrorPage(t *testing.T) {
	t.Parallel()
	closed := openFile(t, "testdata/alphabet.txt")
	_ = closed.Close()
	used := gateway.Reader(openFile(t, "testdata/alphabet.txt"), 0)
	for range used.Blocks() {
	}
	for name, body := range map[string]gateway.Body{
		"a directory":                 gateway.Reader(openFile(t, t.TempDir()), 0),
		"a closed file":               gateway.Reader(closed, 0),
		"a nil file":                  gateway.Reader((*os.File)(nil), 0),
		"a file without permission":   gateway.Reader(&oddFile{stat: regular, err: fs.ErrPermission}, 0),
		"a body that was used":        used,
		"a file, and a status is bad": gateway.Reader(openFile(t, "testdata/alphabet.txt"), 0),
	} {
		status := "200 OK"
		if strings.Contains(name, "status") {
			status = "bad"
		}
		var s script
		tr := &fileTransport{recorder: &s.rec}
		s.respondThrough(tr, "GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, _ = start(status, plain, nil)
			return body, nil
		})
		if s.err == nil || !tr.whole || !slices.Equal(tr.events, errorPage[:2]) {
			t.Errorf("%s: sent %q, returned %v", name, tr.events, s.err)
		}
		if calls := strings.Join(tr.calls, " "); calls != "head write end" {
			t.Errorf("%s: the transport's calls are %s", name, calls)
		}
	}
}

// An oddFile is an fs.File with a Stat of its own, and an error of Read at its end.
type oddFile struct {
	strings.Reader
	stat func() (fs.FileInfo, error)
	err  error
}

func (f *oddFile) Stat() (fs.FileInfo, error) { return f.stat() }
func (f *oddFile) Close() error               { return nil }

func (f *oddFile) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil {
		err = f.err
	}
	return n, err
}

// regular is the Stat of a regular file.
func regular() (fs.FileInfo, error) { return os.Stat("testdata/alphabet.txt") }

// R135, R92: a source that may keep its reader waiting does not go through ReadFrom, and neither
// does a file that another reader or body may change.
func TestOnlyARegularFileGoesThroughReadFrom(t *testing.T) {
	t.Parallel()
	const path, text = "testdata/alphabet.txt", "abcdefghijklmnopqrstuvwxyz\n"
	file := func() *os.File { return openFile(t, path) }
	pipe := func() io.Reader {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return r
	}
	inMemory, err := fstest.MapFS{"file": &fstest.MapFile{Data: []byte(text)}}.Open("file")
	if err != nil {
		t.Fatal(err)
	}
	odd := func(stat func() (fs.FileInfo, error)) gateway.Body {
		return gateway.Reader(&oddFile{Reader: *strings.NewReader(text), stat: stat, err: io.EOF}, 10)
	}
	noStat := func() (fs.FileInfo, error) { return nil, errBoom }
	directory := func() (fs.FileInfo, error) { return os.Stat(".") }
	upper := bytes.ToUpper
	for _, c := range []struct {
		name string
		body gateway.Body
		file bool // through ReadFrom
		text string
	}{
		{"a regular file", gateway.Reader(file(), 10), true, text},
		{"a regular file with a Close", gateway.OnClose(gateway.OnClose(gateway.Reader(file(), 10), ok), ok), true, text},
		{"a file of another file system", gateway.Reader(inMemory, 10), true, text},
		{"a file with a Stat of its own", odd(regular), true, text},
		{"a pipe", gateway.Reader(pipe(), 10), false, text},
		{"a bufio.Reader on a file", gateway.Reader(bufio.NewReader(file()), 10), false, text},
		{"an io.LimitedReader on a file", gateway.Reader(io.LimitReader(file(), 20), 10), false, text[:20]},
		{"a struct around a file", gateway.Reader(struct{ io.Reader }{file()}, 10), false, text},
		{"a Map of a file", gateway.Map(gateway.Reader(file(), 10), upper), false, strings.ToUpper(text)},
		{"a body around a file", rich{gateway.Reader(file(), 10), t}, false, text},
		{"a file that has no Stat", odd(noStat), false, text},
		{"a file that is a directory", odd(directory), false, text},
		{"a reader in memory", gateway.Reader(strings.NewReader(text), 10), false, text},
		{"a Text", gateway.Text(text), false, text},
		{"a Stream", stream(text)(), false, text},
	} {
		var s script
		tr := &fileTransport{recorder: &s.rec}
		s.respondThrough(tr, "GET", hello(func() gateway.Body { return c.body }, "200 OK", nil))
		if got := tr.out.String(); s.err != nil || !tr.whole || got != c.text {
			t.Errorf("%s: sent %q, returned %v", c.name, got, s.err)
		}
		if got := slices.Contains(tr.calls, "file"); got != c.file {
			t.Errorf("%s: ReadFrom was called: %v, want %v; all calls are %q", c.name, got, c.file, tr.calls)
		}
	}
}

// ReadFrom fails, or returns an impossible count, for each part of a file.
func TestACountOfReadFromThatCannotBeBreaksTheResponse(t *testing.T) {
	t.Parallel()
	path := writeFile(t, content(8192+2*chunk+100))
	for _, c := range []struct {
		name   string
		answer func(n int64) (int64, error)
		err    error
	}{
		{"a negative count", func(int64) (int64, error) { return -1, nil }, io.ErrShortWrite},
		{"the most negative count", func(int64) (int64, error) { return -1 << 63, nil }, io.ErrShortWrite},
		{"one byte too many", func(n int64) (int64, error) { return n + 1, nil }, io.ErrShortWrite},
		{"none, though it has read", func(int64) (int64, error) { return 0, nil }, io.ErrShortWrite},
		{"far too many", func(int64) (int64, error) { return 1<<63 - 1, nil }, io.ErrShortWrite},
		{"an error", func(int64) (int64, error) { return 0, errBoom }, errBoom},
		{"an error after a half", func(n int64) (int64, error) { return n / 2, errBoom }, errBoom},
		{"an error after all", func(n int64) (int64, error) { return n, errBoom }, errBoom},
		{"an error, and a negative count", func(int64) (int64, error) { return -1, errBoom }, errBoom},
		{"an error, and too many", func(n int64) (int64, error) { return n + 1, errBoom }, errBoom},
	} {
		for _, length := range []string{"", "991332"} { // none, and that of the file
			for part := range 3 {
				headers := plain
				if length != "" {
					headers = headers.Append("Content-Length", length)
				}
				calls := "head write flush" + strings.Repeat(" file flush", part) + " file end"
				s := script{rec: recorder{failAt: 4 + 2*part}}
				tr := &fileTransport{recorder: &s.rec, answer: c.answer}
				s.respondThrough(tr, "GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
					_, err := start("200 OK", headers, nil)
					return gateway.OnClose(gateway.Reader(openFile(t, path), 0), func() error {
						if cause := context.Cause(s.env.Context()); !errors.Is(cause, c.err) {
							t.Errorf("%s in part %d: the cause of the context's end is %v", c.name, part, cause)
						}
						s.rec.closed()
						return nil
					}), err
				})
				if got := strings.Join(tr.calls, " "); got != calls {
					t.Errorf("%s in part %d: the transport's calls are %s, want %s", c.name, part, got, calls)
				}
				if !errors.Is(s.err, c.err) || errors.Is(s.err, gateway.ErrContentLength) || tr.whole || len(s.log) != 1 {
					t.Errorf("%s in part %d: returned %v, reported %q, whole: %v", c.name, part, s.err, s.log, tr.whole)
				}
				if tr.events[len(tr.events)-1] != "close" {
					t.Errorf("%s in part %d: the body is not closed", c.name, part)
				}
				s.checkEnded(t)
			}
		}
	}
}

// A lazyTransport takes only a part of each part of a file.
type lazyTransport struct {
	*fileTransport
	takes int64
}

func (l lazyTransport) ReadFrom(src io.Reader) (int64, error) {
	_ = l.call("file")
	return io.Copy(&l.out, io.LimitReader(src, l.takes))
}

// ReadFrom may return early, without an error and without having read more than it has sent. The
// client gets the rest of the file in blocks.
func TestARestThatReadFromLeavesGoesOutInBlocks(t *testing.T) {
	t.Parallel()
	want := content(8192 + chunk + 5000)
	path := writeFile(t, want)
	for _, takes := range []int64{0, 1, chunk - 1} {
		for _, length := range []string{"", strconv.Itoa(len(want)), "100000"} {
			headers, want := plain, want
			if length != "" {
				n, _ := strconv.Atoi(length)
				headers, want = headers.Append("Content-Length", length), want[:n]
			}
			var s script
			tr := lazyTransport{&fileTransport{recorder: &s.rec}, min(takes, int64(len(want)-8192))}
			body := func() gateway.Body { return gateway.Reader(openFile(t, path), 0) }
			s.respondThrough(tr, "GET", hello(body, "200 OK", headers))
			if s.err != nil || !tr.whole || !bytes.Equal(tr.out.Bytes(), want) {
				t.Errorf("%d of length %q: %d bytes, want %d; returned %v", takes, length, tr.out.Len(), len(want), s.err)
			}
			if !slices.Contains(tr.calls, "file") {
				t.Errorf("%d of length %q: ReadFrom was not called", takes, length)
			}
		}
	}
}

// A file's first Read may return an error beside its bytes, as any Read may.
func TestAnErrorBesideTheFirstBlockOfAFileIsSeen(t *testing.T) {
	t.Parallel()
	for _, fails := range []error{errBoom, io.EOF} {
		read := func(p []byte) (int, error) { return copy(p, "half"), fails }
		var s script
		tr := &fileTransport{recorder: &s.rec}
		s.respondThrough(tr, "GET", hello(func() gateway.Body { return gateway.Reader(readFile(read), 0) }, "200 OK", plain))
		wantErr := fails
		if fails == io.EOF {
			wantErr = nil
		}
		if got := tr.out.String(); got != "half" || tr.whole != (wantErr == nil) || !matches(s.err, wantErr) {
			t.Errorf("%v: %q, whole: %v, returned %v", fails, got, tr.whole, s.err)
		}
	}
}

// R24: start may be called as late as in the first Read of a file. The length that it declares
// holds for what the transport sends.
func TestAFileThatCallsStartIsHeldToItsLength(t *testing.T) {
	t.Parallel()
	var s script
	tr := &fileTransport{recorder: &s.rec}
	s.respondThrough(tr, "GET", func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		source := bytes.NewReader(content(100))
		first := true
		return gateway.Reader(readFile(func(p []byte) (int, error) {
			if first {
				first = false
				_, _ = start("200 OK", gateway.Headers{{"Content-Length", "30"}}, nil)
			}
			return source.Read(p[:min(len(p), 20)])
		}), 0), nil
	})
	if got := tr.out.String(); got != string(content(30)) || !tr.whole || s.err != nil {
		t.Errorf("%q, whole: %v, returned %v", got, tr.whole, s.err)
	}
}

// A readFile is a regular file with a Read of its own.
type readFile func(p []byte) (int, error)

func (f readFile) Read(p []byte) (int, error) { return f(p) }
func (f readFile) Stat() (fs.FileInfo, error) { return regular() }
func (f readFile) Close() error               { return nil }

// The transport sends a file in parts, so that the end of the Context stops it.
func TestAContextThatEndsStopsAFileAtTheNextPart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	s := script{ctx: ctx}
	s.rec.during = func() {
		if slices.Contains(s.rec.calls, "flush") { // after the first block
			cancel(gateway.ErrShutdown)
		}
	}
	tr := &fileTransport{recorder: &s.rec}
	f := openFile(t, writeFile(t, content(8192+2*chunk)))
	s.respondThrough(tr, "GET", hello(func() gateway.Body { return s.tracked(gateway.Reader(f, 0)) }, "200 OK", plain))
	if got := strings.Join(tr.calls, " "); got != "head write flush file flush end" {
		t.Errorf("the transport's calls are %s", got)
	}
	if !errors.Is(s.err, gateway.ErrShutdown) || tr.whole || tr.events[len(tr.events)-1] != "close" {
		t.Errorf("returned %v, whole: %v, the last event is %s", s.err, tr.whole, tr.events[len(tr.events)-1])
	}
}

func TestACallThatOverlapsAFileIsRefused(t *testing.T) {
	t.Parallel()
	var s script
	s.rec.during = func() {
		if !slices.Contains(s.rec.calls, "flush") {
			return
		}
		s.rec.during = nil
		done := make(chan error)
		go func() {
			_, err := s.start("200 OK", plain, errBoom)
			done <- err
		}()
		if <-done == nil {
			t.Error("start was not refused")
		}
	}
	tr := &fileTransport{recorder: &s.rec}
	f := openFile(t, writeFile(t, content(8192+2*chunk)))
	s.respondThrough(tr, "GET", hello(func() gateway.Body { return gateway.Reader(f, 0) }, "200 OK", plain))
	if tr.out.Len() != 8192+2*chunk || tr.whole || s.err == nil {
		t.Errorf("%d bytes went out, returned %v, whole: %v", tr.out.Len(), s.err, tr.whole)
	}
}
