package fcgi_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

// A pipeListener accepts what the test hands it. It works in a synctest bubble, where time is not real.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// A bubble is a server in a synctest bubble. The bubble ends only when all its goroutines have:
// that is the check for leaks.
type bubble struct {
	t      *testing.T
	l      *pipeListener
	server *fcgi.Server
	log    *safeBuffer
	begun  time.Time
	done   chan error
}

func inBubble(t *testing.T, app gateway.ApplicationFunc, set func(*fcgi.Server), f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, l: &pipeListener{make(chan net.Conn), make(chan struct{})}, log: new(safeBuffer), begun: time.Now(), done: make(chan error, 1)}
		b.server = &fcgi.Server{Application: app, ErrorLog: log.New(b.log, "", 0)}
		if set != nil {
			set(b.server)
		}
		go func() { b.done <- b.server.Serve(b.l) }()
		defer func() {
			b.server.Close()
			<-b.done
		}()
		f(b)
	})
}

func (b *bubble) dial() *client {
	b.t.Helper()
	ours, theirs := net.Pipe()
	b.l.conns <- theirs
	return newClient(b.t, ours)
}

// endsAfter checks that the server ends the connection after that time, counted from now, and not
// before: what the cache of deadlines saves may make it a sixteenth less.
func (b *bubble) endsAfter(what string, c *client, want time.Duration) {
	b.t.Helper()
	begun := time.Now()
	_ = c.conn.SetReadDeadline(time.Time{})
	for c.record() == nil {
	}
	if got := time.Since(begun); got > want || got < want*15/16 {
		b.t.Errorf("%s: the connection ended after %v, want %v", what, got, want)
	}
}

// lasts checks that a request is still served after that time.
func (b *bubble) answers(what string, c *client) {
	b.t.Helper()
	if a := c.roundTrip(1, get(1, "/echo")); a.body() != "/echo " {
		b.t.Errorf("%s: %q", what, a.stdout)
	}
}

func TestIdleTimeout(t *testing.T) {
	for _, test := range []struct{ set, want time.Duration }{{0, 5 * time.Minute}, {7 * time.Second, 7 * time.Second}} {
		inBubble(t, echo, func(s *fcgi.Server) { s.IdleTimeout = test.set }, func(b *bubble) {
			c := b.dial()
			for range 5 {
				b.answers("in time", c)
				time.Sleep(test.want * 14 / 16)
			}
			b.answers("in time", c)
			b.endsAfter("idle", c, test.want)
			if s := b.log.String(); s != "" {
				b.t.Errorf("the log has %q", s)
			}
		})
	}
	// Also after a request that took so long that the next one was waited for meanwhile, by a read
	// without a deadline.
	for _, took := range []time.Duration{time.Millisecond, time.Second, time.Hour} {
		slow := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			time.Sleep(took)
			return echo(env, start)
		}
		answered := func(c *client, request ...string) {
			c.send(request...)
			_ = c.conn.SetReadDeadline(time.Time{})
			for c.answer(1).ends == 0 {
				if err := c.record(); err != nil {
					t.Fatalf("took %v: %v", took, err)
				}
			}
			delete(c.answers, 1)
		}
		inBubble(t, slow, func(s *fcgi.Server) { s.IdleTimeout = 7 * time.Second }, func(b *bubble) {
			c := b.dial()
			for range 3 {
				answered(c, get(1, "/echo"))
				time.Sleep(6 * time.Second)
			}
			answered(c, get(1, "/echo"))
			b.endsAfter("idle", c, 7*time.Second)
		})
		// And half a header that came meanwhile is waited for as long as any.
		inBubble(t, slow, func(s *fcgi.Server) { s.ReadHeaderTimeout = 3 * time.Second }, func(b *bubble) {
			c := b.dial()
			answered(c, get(1, "/echo"), get(2, "/")[:4])
			b.endsAfter("half a header", c, 3*time.Second)
		})
	}
	inBubble(t, echo, func(s *fcgi.Server) { s.IdleTimeout = -1 }, func(b *bubble) {
		c := b.dial()
		for range 3 {
			b.answers("without a timeout", c)
			time.Sleep(1000 * time.Hour)
		}
	})
}

// Half a header and then silence; one byte a second; a connection that sends nothing at all.
func TestReadHeaderTimeout(t *testing.T) {
	whole := head(1, keepConn, "GET", "/")
	for _, test := range []struct{ set, want time.Duration }{{0, 30 * time.Second}, {7 * time.Second, 7 * time.Second}} {
		set := func(s *fcgi.Server) { s.ReadHeaderTimeout = test.set }
		for _, n := range []int{0, 1, 4, 8, 16, 20, len(whole) - 8, len(whole) - 1} {
			inBubble(t, echo, set, func(b *bubble) {
				c := b.dial()
				c.send(whole[:n])
				b.endsAfter("silence", c, test.want)
			})
			inBubble(t, echo, set, func(b *bubble) {
				c := b.dial()
				b.answers("first", c)
				time.Sleep(time.Minute)
				if n > 0 {
					c.send(whole[:n])
					b.endsAfter("silence in the second request", c, test.want)
				}
			})
		}
		for name, bytes := range map[string]string{
			"parameters":        begin(1, responder, keepConn) + rec(paramsRecord, 1, strings.Repeat("x", 1000)),
			"tiny records":      begin(1, responder, keepConn) + strings.Repeat(rec(paramsRecord, 1, "x"), 1000),
			"an unknown record": rec(99, 1, strings.Repeat("x", 1000)),
			"padding":           strings.Repeat(rec(99, 1, "", 200), 10),
			"STDIN":             begin(1, responder, keepConn) + rec(stdinRecord, 1, strings.Repeat("x", 1000)),
		} {
			inBubble(t, echo, set, func(b *bubble) {
				c := b.dial()
				begun := time.Now()
				for i := range len(bytes) {
					if _, err := io.WriteString(c.conn, bytes[i:i+1]); err != nil {
						break
					}
					time.Sleep(time.Second)
				}
				if got := time.Since(begun); got > test.want+time.Second {
					b.t.Errorf("%s, one byte a second: the connection ended after %v, want %v", name, got, test.want)
				}
			})
		}
	}
	inBubble(t, echo, func(s *fcgi.Server) { s.ReadHeaderTimeout = -1 }, func(b *bubble) {
		c := b.dial()
		whole := head(1, keepConn, "GET", "/", "CONTENT_LENGTH", "0")
		for i := range len(whole) {
			time.Sleep(time.Hour)
			c.send(whole[i : i+1])
		}
		c.read(1)
	})
}

// Parameters that do not come end their request, and not what else goes on on the connection.
func TestReadHeaderTimeoutOfOneOfSeveral(t *testing.T) {
	s := newScript(t)
	inBubble(t, s.call, nil, func(b *bubble) {
		s.calls = make(chan *scene, 1)
		c := b.dial()
		c.send(get(1, "/long"))
		sc := <-s.calls
		c.send(begin(2, responder, keepConn), rec(paramsRecord, 2, "\x01\x01x"))
		begun := time.Now()
		_ = c.conn.SetReadDeadline(time.Time{})
		for c.answer(2).ends == 0 {
			if err := c.record(); err != nil {
				b.t.Fatal(err)
			}
		}
		if got := time.Since(begun); got != 30*time.Second || c.answer(2).stdout != "" {
			b.t.Errorf("it ended after %v with %q", got, c.answer(2).stdout)
		}
		time.Sleep(time.Hour)
		sc.finish()
		if a := c.read(1); a.body() != "answer to /long" {
			b.t.Errorf("%q", a.stdout)
		}
	})
}

// A body ends with an error when nothing of it comes for a while, and the application can say so;
// while something comes, it may take for ever.
func TestReadTimeout(t *testing.T) {
	for _, test := range []struct{ set, want time.Duration }{{0, time.Minute}, {7 * time.Second, 7 * time.Second}} {
		for _, delay := range []time.Duration{0, time.Second} { // on the goroutine that serves, or beside it
			var cause error
			app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				if env.Vars["PATH_INFO"] == "/" {
					time.Sleep(delay)
				}
				body, err := echo(env, start)
				cause = context.Cause(env.Context())
				return body, err
			}
			inBubble(t, app, func(s *fcgi.Server) { s.ReadTimeout = test.set }, func(b *bubble) {
				c := b.dial()
				c.send(head(1, keepConn, "POST", "/", "CONTENT_LENGTH", "1000"), rec(stdinRecord, 1, "ab"), rec(stdinRecord, 1, strings.Repeat("c", 1000))[:108])
				time.Sleep(delay)
				begun := time.Now()
				_ = c.conn.SetReadDeadline(time.Time{})
				for c.answer(1).ends == 0 {
					if err := c.record(); err != nil {
						b.t.Fatal(err)
					}
				}
				if got := time.Since(begun); got > test.want || got < test.want*15/16 {
					b.t.Errorf("Read waited %v, want %v", got, test.want)
				}
				if a := c.answer(1); a.line("Status") != "400 "+os.ErrDeadlineExceeded.Error() && !strings.Contains(a.stdout, "timeout") ||
					a.body() != "/ ab"+strings.Repeat("c", 100) {
					b.t.Errorf("%q", a.stdout)
				}
				if cause != context.DeadlineExceeded {
					b.t.Errorf("the context ended with %v", cause)
				}
			})
			inBubble(t, app, func(s *fcgi.Server) { s.ReadTimeout = test.set }, func(b *bubble) {
				c := b.dial()
				body := strings.Repeat("x", 100)
				c.send(head(1, keepConn, "POST", "/", "CONTENT_LENGTH", "100"))
				for i := range len(body) { // far longer than the timeout in all
					time.Sleep(test.want * 14 / 16)
					c.send(rec(stdinRecord, 1, body[i:i+1]))
				}
				if a := c.read(1); a.body() != "/ "+body || cause != nil {
					b.t.Errorf("%q, the context ended with %v", a.stdout, cause)
				}
			})
		}
	}
}

// Bytes of another request are no reason to wait longer for this one's.
func TestReadTimeoutBesideATrickle(t *testing.T) {
	inBubble(t, echo, nil, func(b *bubble) {
		c := b.dial()
		c.send(head(1, keepConn, "POST", "/stalls", "CONTENT_LENGTH", "10"))
		time.Sleep(time.Second)
		c.send(head(2, keepConn, "POST", "/trickles", "CONTENT_LENGTH", "100"))
		_ = c.conn.SetWriteDeadline(time.Time{})
		trickled := make(chan struct{})
		defer func() { <-trickled }()
		go func() {
			defer close(trickled)
			for range 100 {
				_, _ = io.WriteString(c.conn, rec(stdinRecord, 2, "x"))
				time.Sleep(time.Second)
			}
		}()
		_ = c.conn.SetReadDeadline(time.Time{})
		for c.answer(1).ends == 0 {
			if err := c.record(); err != nil {
				b.t.Fatal(err)
			}
		}
		if got := time.Since(b.begun); got > 61*time.Second || got < 55*time.Second {
			b.t.Errorf("the one that stalls ended after %v", got)
		}
		for c.answer(2).ends == 0 {
			if err := c.record(); err != nil {
				b.t.Fatal(err)
			}
		}
		if a := c.answer(2); a.body() != "/trickles "+strings.Repeat("x", 100) {
			b.t.Errorf("%q", a.stdout)
		}
	})
}

// An application that is only slow meets no timeout, whatever timeouts were set on its connection
// before.
func TestSlowApplicationHasNoTimeout(t *testing.T) {
	s := newScript(t)
	inBubble(t, s.call, nil, func(b *bubble) {
		s.calls = make(chan *scene, 1)
		c := b.dial()
		for range 2 {
			c.send(head(1, keepConn, "POST", "/slow", "CONTENT_LENGTH", "4"), rec(stdinRecord, 1, "bo"))
			sc := <-s.calls
			time.Sleep(time.Second)
			read := make(chan string)
			go func() {
				body, err := io.ReadAll(sc.env.Input)
				read <- string(body)
				if err != nil {
					b.t.Error(err)
				}
			}()
			time.Sleep(time.Second) // now it waits for the goroutine that reads
			c.send(rec(stdinRecord, 1, "dy"))
			if got := <-read; got != "body" {
				b.t.Errorf("read %q", got)
			}
			if sc.env.Context().Err() != nil {
				b.t.Error(context.Cause(sc.env.Context()))
			}
			time.Sleep(1000 * time.Hour)
			if sc.env.Context().Err() != nil {
				b.t.Error(context.Cause(sc.env.Context()))
			}
			sc.finish()
			if a := c.read(1); a.body() != "answer to /slow" {
				b.t.Errorf("%q", a.stdout)
			}
			b.answers("afterwards", c)
		}
	})
}

// A host that does not read: the write fails after the timeout, and the application hears of it
// (net/http/fcgi blocks for ever).
func TestWriteTimeout(t *testing.T) {
	for _, test := range []struct{ set, want time.Duration }{{0, time.Minute}, {7 * time.Second, 7 * time.Second}} {
		result := make(chan error, 1)
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				for yield(make([]byte, 1000), nil) {
				}
				result <- context.Cause(env.Context())
			}), err
		}
		inBubble(t, app, func(s *fcgi.Server) { s.WriteTimeout = test.set }, func(b *bubble) {
			result = make(chan error, 1)
			c := b.dial()
			c.send(get(1, "/"))
			begun := time.Now()
			err := <-result
			if got := time.Since(begun); got > test.want || got < test.want*3/4 {
				b.t.Errorf("the write failed after %v, want %v", got, test.want)
			}
			if !errors.Is(err, gateway.ErrDisconnected) || !errors.Is(err, os.ErrDeadlineExceeded) {
				b.t.Errorf("the cause is %v", err)
			}
		})
	}
	// One that reads slowly, but reads, gets all of it.
	big := strings.Repeat("x", 2<<20)
	inBubble(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Text(big), err
	}, nil, func(b *bubble) {
		c := b.dial()
		c.send(get(1, "/"))
		_ = c.conn.SetReadDeadline(time.Time{})
		for c.answer(1).ends == 0 {
			time.Sleep(10 * time.Second) // a record each
			if err := c.record(); err != nil {
				b.t.Fatalf("%v after %d bytes and %v", err, len(c.answer(1).stdout), time.Since(b.begun))
			}
		}
		if c.answer(1).body() != big {
			b.t.Errorf("%d bytes", len(c.answer(1).body()))
		}
	})
}

// The deadline of a request's context is the application's to set; the server's stays.
func TestContextOfTheApplication(t *testing.T) {
	inBubble(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		ctx, cancel := context.WithTimeout(env.Context(), patience/2)
		defer cancel()
		<-ctx.Done()
		if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) || env.Context().Err() != nil {
			t.Errorf("%v %v", err, env.Context().Err())
		}
		return echo(env, start)
	}, nil, func(b *bubble) {
		b.answers("afterwards", b.dial())
	})
}

// A host that has its answer may go: what the application still has to do is not in vain.
func TestAHostThatGoesWithItsAnswerEndsNoContext(t *testing.T) {
	var causes chan error // of the bubble
	inBubble(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		env.Context().Done()
		body, err := echo(env, start)
		return gateway.OnClose(body, func() error {
			time.Sleep(time.Second)
			causes <- context.Cause(env.Context())
			return nil
		}), err
	}, nil, func(b *bubble) {
		causes = make(chan error, 1)
		c := b.dial()
		c.send(get(1, "/"))
		c.read(1)
		c.conn.Close()
		if cause := <-causes; cause != nil {
			t.Errorf("the Context has ended with %v", cause)
		}
	})
}

// The host may take its time for the rest of a body that nobody reads. That time is not the next
// request's.
func TestTheRestOfABodyAfterTheAnswerMayTakeItsTime(t *testing.T) {
	inBubble(t, echoUnread, func(s *fcgi.Server) { s.ReadHeaderTimeout = 10 * time.Second }, func(b *bubble) {
		c := b.dial()
		c.send(head(1, keepConn, "POST", "/", "CONTENT_LENGTH", "1000000"))
		c.read(1)
		whole := rec(stdinRecord, 1, strings.Repeat("x", 50_000))
		for range 3 {
			for rest := whole; rest != ""; time.Sleep(4 * time.Second) {
				n := min(7_000, len(rest))
				c.send(rest[:n])
				rest = rest[n:]
			}
		}
		c.send(rec(stdinRecord, 1, ""))
		next := get(2, "/next")
		time.Sleep(9 * time.Second)
		c.send(next[:5])
		time.Sleep(9 * time.Second)
		c.send(next[5:])
		if a := c.read(2); a.body() != "/next" {
			t.Errorf("the next request got %q", a.stdout)
		}
		// A host that does not go on is cut off as before.
		c.send(head(3, keepConn, "POST", "/", "CONTENT_LENGTH", "1000000"))
		c.read(3)
		c.send(rec(stdinRecord, 3, strings.Repeat("x", 50_000))[:100])
		b.endsAfter("a rest that does not come", c, 10*time.Second)
	})
}

// echoUnread answers with the path, and leaves the body unread.
func echoUnread(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text(env.Vars["PATH_INFO"]), err
}

// A host that did not read for too long may go on to read. It gets what the system has buffered, and
// nginx takes the mere end of the connection for that of a response without a length.
func TestAResponseThatAWriteTimeoutCutsOffEndsByAReset(t *testing.T) {
	failed := make(chan bool)
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for yield(make([]byte, 1<<20), nil) {
			}
			close(failed)
		}), err
	}
	c := serveOn(t, listenTCP(t), app, func(s *fcgi.Server) { s.WriteTimeout = 100 * time.Millisecond }).dial()
	c.send(get(1, "/"))
	<-failed
	if err := c.end(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
}
