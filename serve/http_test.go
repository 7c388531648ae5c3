package serve_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/serve"
)

// A pipeListener hands out connections that live inside of a synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	fail   int // so often, at first, with an error that passes
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if l.fail > 0 {
		l.fail--
		return nil, passing{}
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// A passing is an error like too many open files.
type passing struct{}

func (passing) Error() string   { return "on purpose" }
func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

// A bubble is the HTTP server of Run where time is not real. Its end is the check for leaks.
type bubble struct {
	t      *testing.T
	l      *pipeListener
	server interface{ Shutdown(context.Context) error }
	ended  chan error
}

func inBubble(t *testing.T, conns int, app gateway.ApplicationFunc, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := serve.NewHTTP(app, conns, 0)
		b := &bubble{t, &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{}), fail: 3}, s, make(chan error, 1)}
		go func() { b.ended <- s.Serve(b.l) }()
		f(b)
		synctest.Wait()
		s.Close()
		if err := <-b.ended; err != http.ErrServerClosed {
			t.Errorf("Serve has returned %v", err)
		}
		time.Sleep(time.Minute) // net/http waits half a second before it closes a connection that is not to be reset
	})
}

// dial returns a connection once it is accepted, or will be.
func (b *bubble) dial() net.Conn {
	client, server := net.Pipe()
	go func() {
		select {
		case b.l.conns <- server:
		case <-b.l.closed:
			server.Close()
		}
	}()
	return client
}

func text(start gateway.StartResponse, s string) (gateway.Body, error) {
	_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
	return gateway.Text(s), err
}

// answer reads one response.
func (b *bubble) answer(r *bufio.Reader) string {
	b.t.Helper()
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		b.t.Errorf("there is no answer: %v", err)
		return ""
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Errorf("the answer ends with %v", err)
	}
	return string(body)
}

const upload = "POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"

func TestABodyHasATimeForItsNextBytes(t *testing.T) {
	const chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name, head, piece, end string
		pieces                 int
		interval               time.Duration
	}{
		{"with a length", fmt.Sprintf(upload, ""), "x", "", 20, serve.ReadTimeout - time.Second},
		{"in chunks", chunked, "1\r\nx\r\n", "0\r\n\r\n", 20, serve.ReadTimeout - time.Second},
		{"one large chunk", chunked + "927c0\r\n", strings.Repeat("x", 300), "\r\n0\r\n\r\n", 2000, time.Second},
	} {
		var took time.Duration
		var err, cause error
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			begun := time.Now()
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, env.Input, make([]byte, 64<<10))
			took, cause = time.Since(begun), nil
			if err != nil {
				<-env.Context().Done()
				cause = context.Cause(env.Context())
			}
			return text(start, "hello")
		}
		inBubble(t, 0, app, func(b *bubble) {
			conn := b.dial()
			defer conn.Close()
			go func() {
				io.WriteString(conn, c.head)
				for range c.pieces {
					time.Sleep(c.interval)
					if _, err := io.WriteString(conn, c.piece); err != nil {
						return
					}
				}
				io.WriteString(conn, c.end)
			}()
			if s := b.answer(bufio.NewReader(conn)); s != "hello" || err != nil || took != time.Duration(c.pieces)*c.interval {
				b.t.Errorf("%s, slow bytes: %q; Read: %v after %v", c.name, s, err, took)
			}
		})
		inBubble(t, 0, app, func(b *bubble) {
			conn := b.dial()
			defer conn.Close()
			go io.WriteString(conn, c.head+c.piece)
			s := b.answer(bufio.NewReader(conn))
			if s != "hello" || !errors.Is(err, os.ErrDeadlineExceeded) || took != serve.ReadTimeout || cause != context.DeadlineExceeded {
				b.t.Errorf("%s, no more bytes: %q; Read: %v after %v; the Context's cause is %v", c.name, s, err, took, cause)
			}
		})
	}
}

// The deadline of a Read is for that Read: net/http waits for the end of the connection behind a body, and later for the next request.
func TestAnApplicationMayTakeItsTime(t *testing.T) {
	const long = time.Hour
	for _, path := range []string{"none", "some", "all", "late", "stream"} {
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			done := env.Context().Done()
			switch path {
			case "some", "late":
				_, _ = io.ReadFull(env.Input, make([]byte, 5))
			case "all", "stream":
				_, _ = io.ReadAll(env.Input)
			}
			time.Sleep(long)
			if path == "late" {
				if rest, err := io.ReadAll(env.Input); len(rest) != 15 || err != nil {
					t.Errorf("the rest of the body is %q, %v", rest, err)
				}
			}
			select {
			case <-done:
				t.Errorf("%s: the Context has ended: %v", path, context.Cause(env.Context()))
			default:
			}
			if path != "stream" {
				return text(start, "hello")
			}
			_, err := start("200 OK", nil, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				if yield([]byte("he"), nil) {
					time.Sleep(long)
				}
				if yield([]byte("llo"), nil) {
					time.Sleep(long)
				}
			}), err
		}
		inBubble(t, 0, app, func(b *bubble) {
			c := b.dial()
			defer c.Close()
			r := bufio.NewReader(c)
			for range 2 { // on the same connection
				go io.WriteString(c, fmt.Sprintf(upload, path)+strings.Repeat("x", 20))
				if s := b.answer(r); s != "hello" {
					b.t.Errorf("%s: the answer is %q", path, s)
				}
			}
			synctest.Wait()
		})
	}
}

// What an application leaves of its body keeps the time that nethttp has for it.
func TestWhatIsLeftOfABodyIsNotWaitedForLonger(t *testing.T) {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, _ = env.Input.Read(make([]byte, 1))
		return text(start, "hello")
	}
	inBubble(t, 0, app, func(b *bubble) {
		c := b.dial()
		defer c.Close()
		go io.WriteString(c, fmt.Sprintf(upload, "")+"xyz")
		r := bufio.NewReader(c)
		b.answer(r)
		begun := time.Now()
		if rest, _ := io.ReadAll(r); len(rest) > 0 || time.Since(begun) > 6*time.Second { // net/http adds half a second to the five
			b.t.Errorf("then %q, and the connection ended after %v", rest, time.Since(begun))
		}
	})
}

func TestAClientHasATimeToAccept(t *testing.T) {
	const size = 300_000 // more than one part
	content := bytes.Repeat([]byte("0123456789abcde\n"), size/16)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	var closed chan error // gets the cause; each bubble has its own
	bodies := map[string]func() (gateway.Headers, gateway.Body){
		"none":      func() (gateway.Headers, gateway.Body) { return nil, gateway.Bytes() },
		"one block": func() (gateway.Headers, gateway.Body) { return nil, gateway.Text(string(content)) },
		"two blocks": func() (gateway.Headers, gateway.Body) {
			return nil, gateway.Bytes(content[:100_000], content[100_000:])
		},
		"a stream": func() (gateway.Headers, gateway.Body) {
			return nil, gateway.Stream(func(yield func([]byte, error) bool) {
				_ = yield(content[:100_000], nil) && yield(content[100_000:], nil)
			})
		},
		"a file": func() (gateway.Headers, gateway.Body) {
			f, err := os.Open(path)
			if err != nil {
				t.Error(err)
			}
			return gateway.Headers{{"Content-Length", fmt.Sprint(len(content))}}, gateway.Reader(f, 0)
		},
	}
	for name, body := range bodies {
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			headers, body := body()
			_, err := start("200 OK", headers, nil)
			ctx := env.Context()
			_ = ctx.Done() // from here on it is told why it ends
			return gateway.OnClose(body, func() error {
				closed <- context.Cause(ctx)
				return nil
			}), err
		}
		const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
		inBubble(t, 0, app, func(b *bubble) {
			closed = make(chan error, 1)
			c := b.dial()
			defer c.Close()
			io.WriteString(c, request)
			begun := time.Now()
			s := b.answer(bufio.NewReaderSize(slowReader{c}, 1500))
			if name == "none" {
				<-closed
				return
			}
			if cause := <-closed; s != string(content) || cause != nil {
				b.t.Errorf("%s: a slow client gets %d bytes, want %d; the cause is %v", name, len(s), len(content), cause)
			}
			if took := time.Since(begun); took < 2*serve.WriteTimeout { // or this shows nothing
				b.t.Errorf("%s: the client was not slow: %v", name, took)
			}
		})
		inBubble(t, 0, app, func(b *bubble) {
			closed = make(chan error, 1)
			c := b.dial()
			defer c.Close()
			io.WriteString(c, request)
			io.ReadFull(c, make([]byte, 10))
			begun := time.Now()
			cause := <-closed
			if took := time.Since(begun); took != serve.WriteTimeout || !errors.Is(cause, gateway.ErrDisconnected) {
				b.t.Errorf("%s: one that reads no more: Close came after %v, the cause is %v", name, took, cause)
			}
		})
	}
}

// A slowReader gets a packet a second: one part takes it most of the time that it has.
type slowReader struct{ r io.Reader }

func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.r.Read(p[:min(len(p), 1500)])
}

// Connections beyond the limit wait until one ends, and what is waiting when the server stops is left to another process.
func TestNoMoreConnectionsThanTheLimit(t *testing.T) {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/wait" {
			<-env.Context().Done()
		}
		return text(start, "hello")
	}
	request := func(c net.Conn, path string) {
		io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	inBubble(t, 2, app, func(b *bubble) {
		first, second, third := b.dial(), b.dial(), b.dial()
		for _, c := range []net.Conn{first, second, third} {
			defer c.Close()
			go request(c, "/wait")
			synctest.Wait()
		}
		fourth := b.dial()
		defer fourth.Close()
		var answered atomic.Int32
		go func() {
			request(fourth, "/")
			if s := b.answer(bufio.NewReader(fourth)); s == "hello" {
				answered.Add(1)
			}
		}()
		time.Sleep(time.Hour)
		if n := answered.Load(); n != 0 {
			b.t.Errorf("with a limit of two connections a fourth was answered")
		}
		for _, c := range []net.Conn{first, second, third} { // whichever were accepted
			c.Close()
			time.Sleep(time.Second)
		}
		if n := answered.Load(); n != 1 {
			b.t.Errorf("the others have ended, and it was not answered")
		}
	})
	inBubble(t, 1, app, func(b *bubble) {
		c := b.dial()
		defer c.Close()
		r := bufio.NewReader(c)
		for range 3 { // a connection that is kept has its slot
			go request(c, "/")
			b.answer(r)
		}
		waiting := b.dial()
		defer waiting.Close()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.server.Shutdown(ctx); err != nil {
			b.t.Errorf("Shutdown has returned %v", err)
		}
	})
	inBubble(t, 1, app, func(b *bubble) {
		c := b.dial()
		defer c.Close()
		go request(c, "/wait")
		time.Sleep(time.Second) // the listener fails at first
		stopped := make(chan error, 1)
		go func() { stopped <- b.server.Shutdown(context.Background()) }()
		synctest.Wait()
		if len(b.ended) != 1 {
			b.t.Error("Serve waits for a connection to end although the server stops")
		}
		c.Close()
		if err := <-stopped; err != nil {
			b.t.Errorf("Shutdown has returned %v", err)
		}
	})
	if got := serve.MaxConns; got != 10000 {
		t.Errorf("the limit is %d", got)
	}
}

// A file still goes out by sendfile, a part at a time; and a client that stops reading it is found out.
func TestAFileGoesOutInParts(t *testing.T) {
	t.Parallel()
	const size = 1 << 30
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil { // no disk has to hold it
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		length := env.Vars["QUERY_STRING"]
		_, err = start("200 OK", gateway.Headers{{"Content-Length", length}}, nil)
		ctx := env.Context()
		_ = ctx.Done()
		return gateway.OnClose(gateway.Reader(f, 0), func() error { closed <- context.Cause(ctx); return nil }), err
	})
	for _, c := range []struct {
		length  int64
		stops   bool
		timeout time.Duration
	}{
		{1_000_000, false, 0},
		{size, true, 50 * time.Millisecond},
	} {
		s := serve.NewHTTP(app, 0, c.timeout)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		parts := partListener{Listener: l}
		go s.Serve(&parts)
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /?%d HTTP/1.1\r\nHost: x\r\n\r\n", c.length)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !c.stops {
			if n, err := io.Copy(io.Discard, response.Body); n != c.length || err != nil {
				t.Errorf("%d bytes arrive, %v; want %d", n, err, c.length)
			}
			if n := parts.bytes.Load(); n != c.length-8192 { // but for the first block
				t.Errorf("%d bytes came as a file", n)
			}
		}
		if cause := <-closed; errors.Is(cause, gateway.ErrDisconnected) != c.stops {
			t.Errorf("the cause is %v", cause)
		}
		conn.Close()
		s.Close()
	}
}

// A partListener counts what comes to its connections as package net makes a sendfile(2) of it.
type partListener struct {
	net.Listener
	bytes atomic.Int64
}

func (l *partListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &partConn{c.(*net.TCPConn), l}, nil
}

type partConn struct {
	*net.TCPConn
	l *partListener
}

func (c *partConn) ReadFrom(r io.Reader) (int64, error) {
	if part, ok := r.(*io.LimitedReader); ok && part.N <= 64<<10 {
		if _, ok := part.R.(*os.File); ok {
			c.l.bytes.Add(part.N)
		}
	}
	return c.TCPConn.ReadFrom(r)
}
