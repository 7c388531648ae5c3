package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/gateway"
)

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
			s.respondThrough(tr, "GET", hello(func() gateway.Body { return gateway.Reader(openFile(t, path), 0) }, "200 OK", headers))
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
		if got := tr.out.String(); got != "half" || tr.whole != (fails == io.EOF) || s.err != nil && !errors.Is(s.err, errBoom) {
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
