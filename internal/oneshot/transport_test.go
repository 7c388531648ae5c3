package oneshot_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
)

// A file is sent from its offset, as much of it as was declared, over every kind of socket.
func TestAFile(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		want := make([]byte, 3<<20+12345)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			f, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			headers := plain
			if env.Vars["PATH_INFO"] == "/part" {
				f.Seek(1000, io.SeekStart)
				headers = plain.Append("Content-Length", "2000000")
			}
			_, err = start("200 OK", headers, nil)
			return gateway.Reader(f, 0), err
		}
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, request.Limits{}, app)
			if got := body(r.ask(p.request("0"))); got != string(want) {
				t.Errorf("over %s: %d bytes, want %d", network, len(got), len(want))
			}
			if got := body(r.ask(p.request("0", "PATH_INFO", "/part"))); got != string(want[1000:2001000]) {
				t.Errorf("a part over %s: %d bytes, want 2000000", network, len(got))
			}
			c := r.dial() // a host that leaves in the middle is no fault
			io.WriteString(c, p.request("0"))
			io.ReadFull(c, make([]byte, 100000))
			c.Close()
			if err := r.s.Shutdown(t.Context()); err != nil || r.log.String() != "" {
				t.Errorf("a host that leaves over %s: %v, the log has %q", network, err, r.log.String())
			}
		}
	})
}

// A response without a length ends when its last block is there. The host does not wait for the
// body's Close.
func TestTheEndOfAResponseWithoutALengthDoesNotWaitForClose(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		for _, network := range []string{"tcp", "unix"} {
			done := make(chan struct{})
			r := p.start(t, network, request.Limits{},
				func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
					two := gateway.Stream(func(yield func([]byte, error) bool) {
						_ = yield([]byte("one "), nil) && yield([]byte("two"), nil)
					})
					return ok(start, gateway.OnClose(two, func() error { <-done; return nil }))
				})
			c := r.dial()
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(c, p.request("0"))
			if answer, err := io.ReadAll(c); err != nil || body(string(answer)) != "one two" {
				t.Errorf("over %s, while Close runs: %q, %v", network, answer, err)
			}
			close(done)
			c.Close()
		}
	})
}

// A file that cannot be read is a fault of the application: the host has not left.
func TestAFileThatCannotBeRead(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, request.Limits{},
				func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
					f, err := os.Open(path)
					if err != nil {
						return nil, err
					}
					if env.Vars["PATH_INFO"] == "/closed" {
						f.Close()
					}
					_, err = start("200 OK", plain, nil)
					return gateway.Reader(f, 0), err
				})
			if got := r.ask(p.request("0", "PATH_INFO", "/closed")); !strings.Contains(got, " 500 ") {
				t.Errorf("%s: %.100q", network, got)
			}
			if log := r.log.String(); !strings.Contains(log, "file already closed") {
				t.Errorf("%s: the log has %q", network, log)
			}
		}
	})
}

// WriteTimeout ends a response of which the host accepts nothing. A slow host gets every byte,
// once, also when it takes longer than WriteTimeout for the bytes that a buffer holds.
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
		_, err = start("200 OK", plain.Append("Content-Length", length), nil)
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
			// A socket says that it has room when most of what it holds is gone, which takes longer
			// than the timeout.
			{"a file over a socket that holds more", "unix", "/file", "500000", false, time.Second, 5000},
			{"blocks over a socket that holds more", "unix", "/blocks", "500000", false, time.Second, 5000},
		} {
			startIt := p.start
			if c.narrow {
				startIt = p.startNarrow
			}
			r := startIt(t, c.network, request.Limits{WriteTimeout: c.timeout}, app)
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

// A host that accepts nothing is cut off.
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
			r := p.start(t, network, request.Limits{WriteTimeout: 100 * time.Millisecond}, app)
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

// Not every *os.File has pages that the system can send.
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
			r := p.start(t, network, request.Limits{}, app)
			if got := body(r.ask(p.request("0", "PATH_INFO", "/pipe"))); got != string(want) {
				t.Errorf("a pipe over %s: %d bytes, want %d", network, len(got), len(want))
			}
			for _, path := range []string{"/proc/version", "/proc/filesystems",
				"/sys/kernel/mm/transparent_hugepage/enabled", "/dev/null"} {
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

// A secret is a file whose Read changes the bytes. It has the other methods of an *os.File.
type secret struct{ *os.File }

func (s secret) Read(p []byte) (n int, err error) {
	n, err = s.File.Read(p)
	for i := range p[:n] {
		p[i] ^= 0x55
	}
	return n, err
}

// A type that embeds a file is no file: the bytes that its Read returns are sent.
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
			r := p.start(t, network, request.Limits{},
				func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
					f, err := os.Open(path)
					if err != nil {
						return nil, err
					}
					return ok(start, gateway.Reader(secret{f}, 0))
				})
			if got := body(r.ask(p.request("0", "PATH_INFO", "/"))); got != string(want) {
				t.Errorf("over %s: %d bytes, want %d, or not those that Read has returned", network,
					len(got), len(want))
			}
		}
	})
}

func TestWriteTimeoutIsForTheNextBytes(t *testing.T) {
	for _, c := range []struct{ set, want time.Duration }{{0, time.Minute}, {7 * time.Second, 7 * time.Second}} {
		var cause error // written before closed
		var closed atomic.Int32
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return ok(start, gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
				for range 3 {
					if !yield([]byte(strings.Repeat("0123456789", 3000)), nil) {
						return
					}
				}
			}), func() error {
				cause = env.Context().Err()
				closed.Add(1)
				return nil
			}))
		}
		inBubble(t, request.Limits{WriteTimeout: c.set}, app, func(b *bubble) {
			io.WriteString(b.host, b.p.request("0"))
			var all []byte
			for buf := make([]byte, 1000); ; { // no block is accepted within one time, but each time something is
				time.Sleep(c.want - time.Second)
				n, err := b.host.Read(buf)
				all = append(all, buf[:n]...)
				if err != nil {
					break
				}
			}
			if got := body(string(all)); got != strings.Repeat("0123456789", 9000) ||
				closed.Load() != 1 || b.log.String() != "" {
				b.t.Errorf("a slow host gets %d bytes, Close was called %d times, the log has %q",
					len(got), closed.Load(), b.log.String())
			}
			closed.Store(0)
		})
		inBubble(t, request.Limits{WriteTimeout: c.set}, app, func(b *bubble) {
			io.WriteString(b.host, b.p.request("0"))
			io.ReadFull(b.host, make([]byte, 10))
			begun := time.Now()
			for closed.Load() == 0 {
				time.Sleep(c.want / 7)
			}
			if after := time.Since(begun); after > 2*c.want+c.want/7 || cause == nil {
				b.t.Errorf("one that reads no more: Close came after %v, the Context's error is %v", after, cause)
			}
			if b.log.String() != "" { // a host that has left is no fault
				b.t.Errorf("the log has %q", b.log.String())
			}
			closed.Store(0)
		})
	}
}
