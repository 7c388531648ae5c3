package nethttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

// A fileListener counts the bytes that its connections' ReadFrom gets as an io.LimitedReader on an
// *os.File. Package net sends these by sendfile(2).
type fileListener struct {
	net.Listener
	bytes *atomic.Int64
}

func (l *fileListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &fileConn{c.(*net.TCPConn), l.bytes}, nil
}

type fileConn struct {
	*net.TCPConn
	bytes *atomic.Int64
}

func (c *fileConn) ReadFrom(r io.Reader) (int64, error) {
	countFile(r, c.bytes)
	return c.TCPConn.ReadFrom(r)
}

func countFile(r io.Reader, bytes *atomic.Int64) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if _, ok := limited.R.(*os.File); ok {
			bytes.Add(limited.N)
		}
	}
}

// A hookedWriter calls hook after each Write. Like most writers that handlers put around
// net/http's, it is no io.ReaderFrom. A hookedReaderFrom is.
type hookedWriter struct {
	http.ResponseWriter
	hook func()
}

func (w hookedWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.hook()
	return n, err
}

func (w hookedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type hookedReaderFrom struct{ hookedWriter }

func (w hookedReaderFrom) ReadFrom(r io.Reader) (int64, error) {
	return w.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
}

// hooked gives h a hookedWriter, or under HTTP/1 a hookedReaderFrom if readerFrom is true.
func hooked(h http.Handler, readerFrom bool, hook func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hw := hookedWriter{w, hook}
		if _, can := w.(io.ReaderFrom); can && readerFrom {
			h.ServeHTTP(hookedReaderFrom{hw}, r)
			return
		}
		h.ServeHTTP(hw, r)
	})
}

// fileOf makes a file with this content, and returns it open at its start. The caller closes it.
func fileOf(t *testing.T, content []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func lengthOf(n int64) gateway.Headers {
	return gateway.Headers{{"Content-Length", strconv.FormatInt(n, 10)}}
}

// No byte of a file is lost, doubled, or sent beyond the length (R134-R137).
func TestAFileArrivesAsItIs(t *testing.T) {
	t.Parallel()
	const size = 1<<20 + 5
	content := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
	for _, c := range []struct {
		name    string
		method  string
		headers gateway.Headers
		change  func(f *os.File) error // before it is sent, and after its length is known
		want    []byte
		broken  bool
	}{
		{"whole, with its length", "GET", lengthOf(size), nil, content, false},
		{"whole, without", "GET", nil, nil, content, false},
		{"a part", "GET", lengthOf(700_000), func(f *os.File) error { _, err := f.Seek(100_000, io.SeekStart); return err }, content[100_000:800_000], false},
		{"no more than one block", "GET", lengthOf(8192), nil, content[:8192], false},
		{"an end of less than a block", "GET", nil, func(f *os.File) error { _, err := f.Seek(-5, io.SeekEnd); return err }, content[size-5:], false},
		{"nothing", "GET", nil, func(f *os.File) error { return f.Truncate(0) }, nil, false},
		{"it has shrunk", "GET", lengthOf(size), func(f *os.File) error { return f.Truncate(600_000) }, content[:600_000], true},
		{"it has grown", "GET", lengthOf(size), func(f *os.File) error { _, err := f.WriteAt(content, size); return err }, content, false},
		{"it has grown, without a length", "GET", nil, func(f *os.File) error { _, err := f.WriteAt(content, size); return err }, append(bytes.Clone(content), content...), false},
		{"HEAD", "HEAD", lengthOf(size), nil, nil, false},
	} {
		closed := make(chan struct{}, 1)
		h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			f := fileOf(t, content)
			if c.change != nil {
				if err := c.change(f); err != nil {
					t.Error(err)
				}
			}
			_, err := start("200 OK", c.headers, nil)
			return gateway.OnClose(gateway.Reader(f, 0), func() error {
				closed <- struct{}{}
				if err := f.Close(); err == nil {
					t.Errorf("%s: the file was left open", c.name)
				}
				return nil
			}), err
		}))
		look := func(t *testing.T, proto string, client *http.Client, url string) {
			r, _ := http.NewRequest(c.method, url, nil)
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if !bytes.Equal(body, c.want) || (err != nil) != c.broken {
				t.Errorf("%s: %d bytes arrive, with %v; want %d, broken %v", c.name, len(body), err, len(c.want), c.broken)
			}
			if got, want := response.Header.Get("Content-Length"), c.headers.Get("Content-Length"); got != want && want != "" {
				t.Errorf("%s: Content-Length is %q, want %q", c.name, got, want)
			}
			if ct, found := response.Header["Content-Type"]; found {
				t.Errorf("%s: Content-Type is %v", c.name, ct)
			}
			until(t, "Close", closed)
		}
		eachProtocol(t, h, look)
		t.Run("a writer that is no io.ReaderFrom", func(t *testing.T) { eachProtocol(t, hooked(h, false, func() {}), look) })
		t.Run("HTTP/1.1 with TLS", func(t *testing.T) {
			s := httptest.NewUnstartedServer(h)
			s.Config.ErrorLog = quiet
			s.StartTLS()
			defer s.Close()
			look(t, "HTTP/1.1", s.Client(), s.URL)
		})
	}
}

// A file whose response has a length and needs no encoding comes to the connection as a file. Its
// first block does not, since it goes out with the head.
func TestAFileGoesOutBySendfile(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
	size := int64(len(content))
	for _, c := range []struct {
		name    string
		request string
		headers gateway.Headers
		wrap    func(http.Handler) http.Handler
		want    int64
	}{
		{"with its length", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", lengthOf(size), nil, size - 8192},
		{"a part", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", lengthOf(20_000), nil, 20_000 - 8192},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", lengthOf(size), nil, size - 8192},
		{"a writer around that is an io.ReaderFrom", "GET / HTTP/1.0\r\n\r\n", lengthOf(size),
			func(h http.Handler) http.Handler { return hooked(h, true, func() {}) }, size - 8192},
		{"one that is none sees all of it", "GET / HTTP/1.0\r\n\r\n", lengthOf(size),
			func(h http.Handler) http.Handler { return hooked(h, false, func() {}) }, 0},
		{"chunks", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", nil, nil, 0},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", lengthOf(size), nil, 0},
	} {
		var h http.Handler = nethttp.Handler(answering("200 OK", c.headers, func() gateway.Body { return gateway.Reader(fileOf(t, content), 0) }))
		if c.wrap != nil {
			h = c.wrap(h)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var files atomic.Int64
		s := &http.Server{Handler: h, ErrorLog: quiet}
		go s.Serve(&fileListener{l, &files})
		answer := send(t, l.Addr().String(), c.request)
		s.Close()
		if got := files.Load(); got != c.want {
			t.Errorf("%s: %d bytes came as a file, want %d", c.name, got, c.want)
		}
		if n := min(c.want, 10_000); !strings.Contains(answer, string(content[:n])) {
			t.Errorf("%s: the answer is %.100q", c.name, answer)
		}
	}
}

func TestAClientThatLeavesInAFile(t *testing.T) {
	t.Parallel()
	for _, headers := range []gateway.Headers{nil, lengthOf(1 << 30)} {
		ended := make(chan error, 1)
		var lines lines
		h := logging(nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			f := fileOf(t, nil)
			if err := f.Truncate(1 << 30); err != nil { // no disk has to hold it
				t.Error(err)
			}
			_, err := start("200 OK", headers, nil)
			return gateway.OnClose(gateway.Reader(f, 0), func() error {
				until(t, "the end of the context", env.Context().Done())
				ended <- context.Cause(env.Context())
				return nil
			}), err
		})), &lines)
		look := func(t *testing.T, proto string, client *http.Client, url string) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, response.Body, 1<<20); err != nil {
				t.Error(err)
			}
			cancel()
			response.Body.Close()
			if err := until(t, "Close", ended); !errors.Is(err, gateway.ErrDisconnected) {
				t.Errorf("%s, %v: the cause is %v, want ErrDisconnected", proto, headers, err)
			}
		}
		eachProtocol(t, h, look)
		t.Run("a writer that is no io.ReaderFrom", func(t *testing.T) { eachProtocol(t, hooked(h, false, func() {}), look) })
		if got := lines.String(); got != "" {
			t.Errorf("%v: the log is %q", headers, got)
		}
	}
}

// If a file cannot be read any more, the client is not taken for gone: the response is cut off, and
// the log says why.
func TestAFileThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		readerFrom bool
		own        bool // a file with a Read of its own
		want       string
	}{
		{"by sendfile", true, false, "file already closed"},
		{"copied", false, false, "file already closed"},
		{"a file with a Read of its own", true, true, "the tape is torn"},
	} {
		var lines lines
		cause := make(chan error, 1)
		var f *os.File
		h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			f = fileOf(t, make([]byte, 100_000))
			_, err := start("200 OK", lengthOf(100_000), nil)
			body := gateway.Reader(f, 0)
			if c.own {
				body = gateway.Reader(&tornFile{File: f, left: 8192}, 0)
			}
			return gateway.OnClose(body, func() error { cause <- context.Cause(env.Context()); return nil }), err
		}))
		h = hooked(h, c.readerFrom, func() {
			if !c.own {
				f.Close()
			}
		})
		eachProtocol(t, logging(h, &lines), func(t *testing.T, proto string, client *http.Client, url string) {
			response, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if body, err := io.ReadAll(response.Body); err == nil {
				t.Errorf("%s: %d bytes end cleanly", c.name, len(body))
			}
			if err := until(t, "Close", cause); err == nil || errors.Is(err, gateway.ErrDisconnected) {
				t.Errorf("%s: the cause is %v", c.name, err)
			}
		})
		// The file's Close logs an error too.
		if got := lines.String(); strings.Count(got, c.want)-strings.Count(got, ": close ") != 3 {
			t.Errorf("%s: the log is %q, want %q for each protocol", c.name, got, c.want)
		}
	}
}

// A tornFile is a file whose Read fails where the system could read on.
type tornFile struct {
	*os.File
	left int
}

func (f *tornFile) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, errors.New("the tape is torn")
	}
	n, err := f.File.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}
