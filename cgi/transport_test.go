package cgi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

// A recorder keeps each Write, and fails the one with the given number.
type recorder struct {
	writes []string
	failAt int // from 1
	short  int // how many bytes the failing Write still takes
	err    error
}

func (r *recorder) Write(p []byte) (int, error) {
	if len(r.writes)+1 == r.failAt {
		r.writes = append(r.writes, string(p[:r.short]))
		return r.short, r.err
	}
	r.writes = append(r.writes, string(p))
	return len(p), nil
}

func respond(status string, headers gateway.Headers, body func() gateway.Body) gateway.ApplicationFunc {
	return func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start(status, headers, nil)
		return body(), err
	}
}

func text(s string) func() gateway.Body {
	return func() gateway.Body { return gateway.Text(s) }
}

func stream(blocks ...string) func() gateway.Body {
	return func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for _, block := range blocks {
				if !yield([]byte(block), nil) {
					return
				}
			}
		})
	}
}

// Each string of want is one Write: the head and the first block together, each further block by
// itself (R16, R92).
func TestWireFormat(t *testing.T) {
	t.Parallel()
	html := gateway.Headers{{"Content-Type", "text/html"}}
	for _, c := range []struct {
		name   string
		method string
		app    gateway.ApplicationFunc
		want   []string
	}{
		{"one block", "GET", hello, []string{helloResponse}},
		{"three blocks and an empty one", "GET", threeBlocks,
			[]string{"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\none,", "two,", "three"}},
		{"an empty first block", "GET", respond("200 OK", plain, stream("", "", "a")), // R76
			[]string{"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\na"}},
		{"no block", "GET", respond("200 OK", plain, stream()),
			[]string{"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"}},
		{"no header", "GET", respond("404 Not Found", nil, stream("a", "b")), // no Content-Type is invented
			[]string{"Status: 404 Not Found\r\n\r\na", "b"}},
		// C57: "CGI fields first"; the others, and values of one name, stay in order.
		{"the order of headers", "GET", respond("302 Found",
			gateway.Headers{{"X-A", "1"}, {"Set-Cookie", "b=2"}, {"location", "/x"},
				{"Set-Cookie", "a=1"}, {"X-B", ""}, {"CONTENT-TYPE", "a/b"}, {"Set-Cookie", "b=2"},
				{"x-a", "2"}}, text("a")),
			[]string{"Status: 302 Found\r\nlocation: /x\r\nCONTENT-TYPE: a/b\r\nX-A: 1\r\nSet-Cookie: b=2\r\nSet-Cookie: a=1\r\n" +
				"X-B: \r\nSet-Cookie: b=2\r\nx-a: 2\r\nContent-Length: 1\r\n\r\na"}},
		// R9, R18
		{"bytes of a value", "GET", respond("200 Schön\xff", gateway.Headers{{"X-A", "\t\xe9 ü: \xff"}},
			stream("\x00\r\n\xff")),
			[]string{"Status: 200 Schön\xff\r\nX-A: \t\xe9 ü: \xff\r\n\r\n\x00\r\n\xff"}},
		// C37: HEAD, 204 and 304 have no body. On HEAD and 304 the length is that of the response
		// to GET.
		{"HEAD", "HEAD", hello, []string{"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\n"}},
		{"HEAD of a stream", "HEAD", threeBlocks, []string{"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n"}},
		{"HEAD with a length of its own", "HEAD", respond("200 OK", html.With("Content-Length", "1000"), stream()),
			[]string{"Status: 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n"}},
		{"204", "GET", respond("204 No Content", nil, text("body")), []string{"Status: 204 No Content\r\n\r\n"}},
		{"204 with a length", "GET", respond("204 No Content", gateway.Headers{{"Content-Length", "4"}},
			stream("body")),
			[]string{"Status: 204 No Content\r\n\r\n"}},
		{"304", "GET", respond("304 Not Modified", gateway.Headers{{"ETag", `"x"`}}, stream("a", "b")),
			[]string{"Status: 304 Not Modified\r\nETag: \"x\"\r\n\r\n"}},
		{"304 with a length", "GET", respond("304 Not Modified",
			gateway.Headers{{"Content-Length", "4"}}, stream("body")),
			[]string{"Status: 304 Not Modified\r\nContent-Length: 4\r\n\r\n"}},
		// R85
		{"more than declared", "GET", respond("200 OK", gateway.Headers{{"Content-Length", "3"}},
			stream("ab", "cd", "ef")),
			[]string{"Status: 200 OK\r\nContent-Length: 3\r\n\r\nab", "c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := new(recorder)
			p := &cgi.Program{Env: with(get, "REQUEST_METHOD="+c.method), Stdin: strings.NewReader(""),
				Stdout: out, Stderr: io.Discard}
			if err := p.Run(c.app); err != nil {
				t.Error(err)
			}
			if !slices.Equal(out.writes, c.want) {
				t.Errorf("the writes are %q, want %q", out.writes, c.want)
			}
		})
	}
}

// The head and the first block leave together, as far as one write(2) takes them. No byte is lost
// or doubled where they are cut.
func TestHeadLeavesWithTheFirstBlock(t *testing.T) {
	t.Parallel()
	const head = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n"
	for _, size := range []int{1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20} {
		block := make([]byte, size)
		for i := range block {
			block[i] = byte(i>>16 + i>>8 + i)
		}
		out := new(recorder)
		app := respond("200 OK", plain, stream(string(block), "second"))
		p := &cgi.Program{Env: get, Stdin: strings.NewReader(""), Stdout: out, Stderr: io.Discard}
		if err := p.Run(app); err != nil {
			t.Error(err)
		}
		if first := out.writes[0]; !strings.HasPrefix(first, head) || len(first) < len(head)+min(size, 64<<10) {
			t.Errorf("%d: the first write has %d bytes and begins with %.60q", size, len(first), first)
		}
		if strings.Join(out.writes, "") != head+string(block)+"second" {
			t.Errorf("%d: what arrived is not what was sent", size)
		}
		if last := out.writes[len(out.writes)-1]; last != "second" {
			t.Errorf("%d: the second block went out in a write of %d bytes", size, len(last))
		}
		if size <= 64<<10 && len(out.writes) != 2 {
			t.Errorf("%d: %d writes for two blocks", size, len(out.writes))
		}
	}
}

// Whichever write fails, and whatever part of it went out: the application gets the error, nothing
// more is written, Close runs once, and Run returns the error.
func TestFailedWriteEndsTheResponse(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{syscall.EPIPE, syscall.ECONNRESET, syscall.ENOSPC, nil} { // nil: a short write
		for failAt := 1; failAt <= 3; failAt++ {
			for _, short := range []int{0, 1, 3} {
				out := &recorder{failAt: failAt, short: short, err: fault}
				var stderr bytes.Buffer
				blocks, closed := 0, 0
				var cause error
				app := gateway.ApplicationFunc(func(env *gateway.Environ,
					start gateway.StartResponse) (gateway.Body, error) {
					_, err := start("200 OK", plain, nil)
					body := gateway.Stream(func(yield func([]byte, error) bool) {
						for yield([]byte("block"), nil) {
							blocks++
						}
						cause = context.Cause(env.Context())
					})
					return gateway.OnClose(body, func() error { closed++; return nil }), err
				})
				p := &cgi.Program{Env: get, Stdin: strings.NewReader(""), Stdout: out, Stderr: &stderr}
				err := p.Run(app)
				want := fault
				if fault == nil {
					want = io.ErrShortWrite
				}
				if !errors.Is(err, want) || !errors.Is(cause, want) {
					t.Errorf("write %d: Run returned %v, the Context's cause is %v, want %v", failAt, err, cause, want)
				}
				gone := fault == syscall.EPIPE || fault == syscall.ECONNRESET
				if errors.Is(cause, gateway.ErrDisconnected) != gone {
					t.Errorf("%v: the cause is %v", fault, cause)
				}
				// A client that has left is not reported.
				if lines := strings.Count(stderr.String(), "\n"); gone != (lines == 0) || lines > 1 {
					t.Errorf("%v: stderr is %q", fault, stderr.String())
				}
				if blocks != failAt-1 || closed != 1 || len(out.writes) != failAt {
					t.Errorf("write %d failed: %d blocks went out, Close ran %d times, %d writes",
						failAt, blocks, closed, len(out.writes))
				}
			}
		}
	}
}
