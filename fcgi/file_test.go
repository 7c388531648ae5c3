package fcgi_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gateway"
)

// numbered is text of which no part is like another.
func numbered(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%08d\n", i)
	}
	return b.String()[:size]
}

func fileOf(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fileBody is what an application does that answers with a file.
func fileBody(path string, headers gateway.Headers, start gateway.StartResponse) (gateway.Body, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	_, err = start("200 OK", headers, nil)
	return gateway.Reader(f, 0), err
}

// An upper file has all that an *os.File has, and other bytes.
type upper struct{ *os.File }

func (u upper) Read(p []byte) (int, error) {
	n, err := u.File.Read(p)
	copy(p, strings.Repeat("U", n))
	return n, err
}

// A file's bytes are in records like any other's, whether they come by sendfile or not.
func TestFiles(t *testing.T) {
	const size = 3_000_000
	content := numbered(size)
	path := fileOf(t, content)
	for network, l := range map[string]func(testing.TB) net.Listener{"unix": listenUnix, "tcp": listenTCP} {
		for _, test := range []struct {
			name, length string
			open         func(f *os.File) io.Reader
			blockSize    int
			want         string
		}{
			{"whole", "", func(f *os.File) io.Reader { return f }, 0, content},
			{"whole, with a length", fmt.Sprint(size), func(f *os.File) io.Reader { return f }, 1, content},
			{"a part", "1000000", func(f *os.File) io.Reader { _, _ = f.Seek(1_234_567, io.SeekStart); return f }, 100, content[1_234_567:2_234_567]},
			{"the end", "", func(f *os.File) io.Reader { _, _ = f.Seek(-100_000, io.SeekEnd); return f }, 65_536, content[size-100_000:]},
			{"one block", "500", func(f *os.File) io.Reader { return f }, 1000, content[:500]},
			{"with a Read of its own", "", func(f *os.File) io.Reader { return upper{f} }, 5000, strings.Repeat("U", size)},
			{"a pipe", "", func(f *os.File) io.Reader {
				r, w, err := os.Pipe()
				if err != nil {
					t.Error(err)
				}
				go func() {
					_, _ = io.Copy(w, f)
					w.Close()
				}()
				return r
			}, 5000, content},
			{"one that says it is larger", "", func(*os.File) io.Reader {
				r, err := os.Open(cpus)
				if err != nil {
					return strings.NewReader(contentOf(cpus))
				}
				return r
			}, 1, contentOf(cpus)},
			{"one that says it is empty", "", func(*os.File) io.Reader {
				r, err := os.Open(environ)
				if err != nil {
					return strings.NewReader(contentOf(environ))
				}
				return r
			}, 1, contentOf(environ)},
		} {
			c := serveOn(t, l(t), func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				f, err := os.Open(path)
				if err != nil {
					return nil, err
				}
				headers := plain
				if test.length != "" {
					headers = headers.Append("Content-Length", test.length)
				}
				_, err = start("200 OK", headers, nil)
				body := gateway.Reader(test.open(f), test.blockSize)
				return gateway.OnClose(body, func() error { _ = f.Close(); return nil }), err
			}).dial()
			for range 2 {
				if a := c.roundTrip(1, get(1, "/")); a.body() != test.want || a.stderr != "" {
					t.Errorf("%s, %s: %d bytes, want %d, or others; the log has %q", network, test.name, len(a.body()), len(test.want), a.stderr)
				}
			}
		}
	}
}

// Files that Linux makes up: one has a size of 4096 bytes and a few bytes of content, the other has
// the size 0.
const (
	cpus    = "/sys/devices/system/cpu/possible"
	environ = "/proc/self/environ"
)

func contentOf(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "not a Linux"
	}
	return string(b)
}

// The records of several files, and of answers that are none, are whole, whoever sends in between.
func TestFilesBesideOthers(t *testing.T) {
	content := numbered(2_000_000)
	path := fileOf(t, content)
	for _, l := range []func(testing.TB) net.Listener{listenUnix, listenTCP} {
		c := serveOn(t, l(t), func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/text" {
				_, err := start("200 OK", plain, nil)
				return gateway.Stream(func(yield func([]byte, error) bool) {
					for range 200 {
						if !yield([]byte("text"), nil) {
							return
						}
					}
				}), err
			}
			return fileBody(path, plain, start)
		}).dial()
		var requests []string
		for id := uint16(1); id <= 6; id++ {
			requests = append(requests, get(id, []string{"/text", "/file"}[id%2]))
		}
		c.send(requests...)
		for id := uint16(1); id <= 6; id++ {
			want := []string{strings.Repeat("text", 200), content}[id%2]
			if a := c.read(id); a.body() != want {
				t.Errorf("request %d: %d bytes, want %d, or others", id, len(a.body()), len(want))
			}
		}
	}
}

// A file that is cut while it is sent breaks its own response, and leaves the connection to the
// others until they have ended.
func TestFileThatIsCut(t *testing.T) {
	content := numbered(16_000_000) // more than sockets hold
	for _, l := range []func(testing.TB) net.Listener{listenUnix, listenTCP} {
		path := fileOf(t, content)
		s := newScript(t)
		c := serveOn(t, l(t), func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] != "/cut" {
				return s.call(env, start)
			}
			return fileBody(path, plain.Append("Content-Length", fmt.Sprint(len(content))), start)
		}).dial()
		c.send(get(2, "/other"))
		other := s.next("/other")
		c.send(get(1, "/cut"))
		c.until("the beginning", func() bool { return len(c.answer(1).stdout) > 100_000 })
		if err := os.Truncate(path, 50_000); err != nil {
			t.Fatal(err)
		}
		c.until("the log", func() bool { // within a record, or between two
			log := c.answer(1).stderr
			return strings.Contains(log, "unexpected EOF") || strings.Contains(log, "16000000 declared")
		})
		other.finish()
		_ = c.end()
		if a := c.answer(2); a.body() != "answer to /other" || a.ends != 1 {
			t.Errorf("the other got %+v", a)
		}
		if a := c.answer(1); a.ends != 0 {
			t.Errorf("the one that was cut ended as if it were whole")
		}
	}
}

// A client that leaves in the middle of a file ends it.
func TestClientThatLeavesInAFile(t *testing.T) {
	path := fileOf(t, numbered(16_000_000))
	for how, leave := range map[string]func(c *client){
		"close": func(c *client) { c.conn.Close() },
		"abort": func(c *client) { c.send(rec(abortRequest, 1, "")); c.read(1) },
	} {
		closed := make(chan error, 1)
		c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			body, err := fileBody(path, plain, start)
			if err != nil {
				return nil, err
			}
			return gateway.OnClose(body, func() error {
				closed <- env.Context().Err()
				return nil
			}), nil
		}).dial()
		c.send(get(1, "/"))
		c.until("the beginning", func() bool { return len(c.answer(1).stdout) > 100_000 })
		leave(c)
		if err := wait(t, closed, "Close"); err == nil {
			t.Errorf("%s: the context has not ended", how)
		}
	}
}
