package single_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
	"example.com/gateway/internal/testhost"
)

// A narrow listener's connections hold so little that their other end is felt at once.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(16 << 10)
	}
	return c, err
}

// startNarrow is start with a narrow listener.
func (p *protocol) startNarrow(t *testing.T, network string, l backend.Limits, app gateway.ApplicationFunc) *running {
	t.Helper()
	r := &running{t: t, p: p, log: new(buffer)}
	r.s = p.server(app, l, log.New(r.log, "", 0))
	r.addr = testhost.Backend(t, wrapped{r.s}, network)
	return r
}

type wrapped struct{ server }

func (w wrapped) Serve(l net.Listener) error { return w.server.Serve(narrow{l}) }

// readSlowly reads to the end, size bytes an interval, and when it was late, on a busy machine, what it has missed.
func readSlowly(c net.Conn, size int, interval time.Duration) (all []byte, err error) {
	begun := time.Now()
	for ; ; time.Sleep(interval) {
		n := max(size, int(time.Since(begun)/interval+1)*size-len(all))
		b := make([]byte, n)
		n, err := io.ReadFull(c, b)
		all = append(all, b[:n]...)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// numbered is text of which no part is like another.
func numbered(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

// WriteTimeout is for a host that accepts nothing. One that is slow, and takes longer than that for what any buffer holds, gets
// every byte, once.
func TestASlowHostGetsAllOfAFile(t *testing.T) {
	const size, from = 512 << 10, 1000
	want := numbered(size)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		length := env.Vars["HTTP_X_LENGTH"]
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			return nil, err
		}
		_, err = start("200 OK", plain.Add("Content-Length", length), nil)
		if env.Vars["PATH_INFO"] == "/blocks" {
			return gateway.Reader(struct{ io.ReadCloser }{f}, 8<<10), err // of which a socket takes all or nothing
		}
		return gateway.Reader(f, 0), err
	}
	each(t, func(t *testing.T, p *protocol) {
		var hosts sync.WaitGroup // at once, since each takes seconds
		for _, c := range []struct {
			name, network, path, length string
			narrow                      bool
			timeout                     time.Duration
			rate                        int // bytes each 50 ms
		}{
			// 64 KiB take longer than the timeout.
			{"a file over TCP", "tcp", "/file", "100000", true, 2 * time.Second, 1200},
			{"a file over a Unix socket", "unix", "/file", "100000", true, 2 * time.Second, 1200},
			// A socket says that there is room when most of what it holds is gone, which takes longer than the timeout.
			{"a file over a socket that holds more", "unix", "/file", "500000", false, time.Second, 5000},
			{"blocks over a socket that holds more", "unix", "/blocks", "500000", false, time.Second, 5000},
		} {
			startIt := p.start
			if c.narrow {
				startIt = p.startNarrow
			}
			r := startIt(t, c.network, backend.Limits{WriteTimeout: c.timeout}, app)
			conn := r.dial()
			if tcp, ok := conn.(*net.TCPConn); ok {
				tcp.SetReadBuffer(16 << 10)
			}
			hosts.Go(func() {
				io.WriteString(conn, p.request("0", "PATH_INFO", c.path, "HTTP_X_LENGTH", c.length))
				answer, err := readSlowly(conn, c.rate, 50*time.Millisecond)
				n, _ := strconv.Atoi(c.length)
				if got := body(string(answer)); got != string(want[from:from+n]) || err != nil || r.log.String() != "" {
					t.Errorf("%s: %d bytes of %d, %v, the log has %q", c.name, len(got), n, err, r.log.String())
				}
			})
		}
		hosts.Wait()
	})
}

// One that accepts nothing is cut.
func TestAHostThatReadsNoMoreOfAFileIsCut(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, make([]byte, 64<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, network := range []string{"tcp", "unix"} {
			closed := make(chan error, 1)
			app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				f, err := os.Open(path)
				if err != nil {
					return nil, err
				}
				ctx := env.Context()
				body, err := ok(start, gateway.Reader(f, 0))
				return gateway.OnClose(body, func() error { closed <- context.Cause(ctx); return nil }), err
			}
			r := p.start(t, network, backend.Limits{WriteTimeout: 100 * time.Millisecond}, app)
			c := r.dial()
			io.WriteString(c, p.request("0"))
			if err := <-closed; !errors.Is(err, gateway.ErrDisconnected) || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: the cause is %v", network, err)
			}
			if b, _ := io.ReadAll(c); len(b) == 0 || len(b) >= 64<<20 {
				t.Errorf("%s: the host gets %d bytes", network, len(b))
			}
			if log := r.log.String(); log != "" {
				t.Errorf("%s: the log has %q", network, log)
			}
		}
	})
}

// What is an *os.File need not have pages that the system can send.
func TestAFileThatIsNone(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		want := numbered(300_000)
		open := func(path string) (*os.File, error) {
			if path != "/pipe" {
				return os.Open(path)
			}
			r, w, err := os.Pipe()
			if err == nil {
				go func() {
					defer w.Close()
					for part := range slices.Chunk(want, 70_000) {
						w.Write(part)
						time.Sleep(20 * time.Millisecond) // the next SendFile is there before there is anything
					}
				}()
			}
			return r, err
		}
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			f, err := open(env.Vars["PATH_INFO"])
			if err != nil {
				return nil, err
			}
			return ok(start, gateway.Reader(f, 1)) // one byte as a block, and the rest as a file
		}
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, backend.Limits{}, app)
			if got := body(r.ask(p.request("0", "PATH_INFO", "/pipe"))); got != string(want) {
				t.Errorf("a pipe over %s: %d bytes, want %d", network, len(got), len(want))
			}
			for _, path := range []string{"/proc/version", "/proc/filesystems", "/sys/kernel/mm/transparent_hugepage/enabled", "/dev/null"} {
				want, err := os.ReadFile(path)
				if err != nil {
					continue // another system
				}
				if got := body(r.ask(p.request("0", "PATH_INFO", path))); got != string(want) {
					t.Errorf("%s over %s: %q, want %q", path, network, got, want)
				}
			}
		}
	})
}

// A secret is a file of which nobody is to see the bytes as they are. It has all that an *os.File has.
type secret struct{ *os.File }

func (s secret) Read(p []byte) (n int, err error) {
	n, err = s.File.Read(p)
	for i := range p[:n] {
		p[i] ^= 0x55
	}
	return n, err
}

// A type that has a file in it is no file: what its Read makes of the bytes is what is sent.
func TestATypeWithAFileInItIsRead(t *testing.T) {
	content := numbered(300_000)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(content)
	for i := range want {
		want[i] ^= 0x55
	}
	each(t, func(t *testing.T, p *protocol) {
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, backend.Limits{}, func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				f, err := os.Open(path)
				if err != nil {
					return nil, err
				}
				return ok(start, gateway.Reader(secret{f}, 0))
			})
			if got := body(r.ask(p.request("0", "PATH_INFO", "/"))); got != string(want) {
				t.Errorf("over %s: %d bytes, want %d, or they are not what Read has made of them", network, len(got), len(want))
			}
		}
	})
}
