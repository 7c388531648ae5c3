package single_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
)

// A pipeListener accepts what the test hands it: pipes work where time is not real.
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

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

// A bubble is a server where time is not real. It ends only when all goroutines have ended: that is the check for leaks.
type bubble struct {
	t     *testing.T
	p     *protocol
	host  net.Conn
	begun time.Time
	log   *buffer
}

func inBubble(t *testing.T, l backend.Limits, app gateway.ApplicationFunc, f func(b *bubble)) {
	t.Helper()
	for i := range protocols {
		synctest.Test(t, func(t *testing.T) {
			p := &protocols[i]
			listener := &pipeListener{make(chan net.Conn), make(chan struct{})}
			b := &bubble{t: t, p: p, begun: time.Now(), log: new(buffer)}
			s := p.server(app, l, log.New(b.log, "", 0))
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(listener) }()
			host, conn := net.Pipe()
			listener.conns <- conn
			b.host = host
			f(b)
			host.Close()
			synctest.Wait()
			s.Close()
			<-ended
		})
	}
}

// trickle sends s with one byte an interval, until that fails.
func (b *bubble) trickle(s string, interval time.Duration) (sent int) {
	for i := range len(s) {
		time.Sleep(interval)
		if _, err := io.WriteString(b.host, s[i:i+1]); err != nil {
			break
		}
		sent++
	}
	return sent
}

func TestReadHeaderTimeoutIsForAllVariables(t *testing.T) {
	for _, c := range []struct{ set, want time.Duration }{{0, 30 * time.Second}, {7 * time.Second, 7 * time.Second}} {
		inBubble(t, backend.Limits{ReadHeaderTimeout: c.set}, hello, func(b *bubble) {
			sent := b.trickle(b.p.request("0"), time.Second-time.Millisecond)
			if n := int(c.want / time.Second); sent != n {
				b.t.Errorf("one byte a second: %d bytes were accepted, want %d", sent, n)
			}
			if after := time.Since(b.begun).Round(time.Second); after != c.want+time.Second {
				b.t.Errorf("the connection has ended after %v", after)
			}
		})
	}
	inBubble(t, backend.Limits{ReadHeaderTimeout: -1}, hello, func(b *bubble) {
		go b.trickle(b.p.request("0"), time.Hour)
		if answer, err := io.ReadAll(b.host); body(string(answer)) != "hello" || err != nil {
			b.t.Errorf("without a limit: %q, %v", answer, err)
		}
	})
}

func TestReadTimeoutIsForTheNextBytes(t *testing.T) {
	for _, c := range []struct{ set, want time.Duration }{{0, time.Minute}, {7 * time.Second, 7 * time.Second}} {
		var took time.Duration
		var err error
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			begun := time.Now()
			_, err = io.Copy(io.Discard, env.Input)
			took = time.Since(begun)
			return ok(start, gateway.Text("hello"))
		}
		inBubble(t, backend.Limits{ReadTimeout: c.set}, app, func(b *bubble) {
			go func() {
				io.WriteString(b.host, b.p.request("20"))
				b.trickle(strings.Repeat("x", 20), c.want-time.Second)
			}()
			answer, rerr := io.ReadAll(b.host)
			if body(string(answer)) != "hello" || rerr != nil || err != nil || took != 20*(c.want-time.Second) {
				b.t.Errorf("slow bytes: %q, %v; Read: %v after %v", answer, rerr, err, took)
			}
		})
		inBubble(t, backend.Limits{ReadTimeout: c.set}, app, func(b *bubble) {
			go io.WriteString(b.host, b.p.request("20")+"xyz")
			io.ReadAll(b.host)
			if !errors.Is(err, os.ErrDeadlineExceeded) || took != c.want {
				b.t.Errorf("no more bytes: Read: %v after %v, want %v", err, took, c.want)
			}
		})
	}
}

// A Read that times out ends the Context, for that reason; what the application has to say of it is still sent.
func TestAReadThatTimesOutEndsTheContext(t *testing.T) {
	for _, asked := range []bool{false, true} {
		var before, cause, err error
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if asked {
				env.Context().Done()
			}
			if _, err := io.ReadFull(env.Input, make([]byte, 3)); err != nil {
				return nil, err
			}
			before = context.Cause(env.Context())
			_, err = io.Copy(io.Discard, env.Input)
			select {
			case <-env.Context().Done():
			case <-time.After(time.Hour):
			}
			cause = context.Cause(env.Context())
			_, err := start("408 Request Timeout", plain, nil)
			return gateway.Text("too slow"), err
		}
		inBubble(t, backend.Limits{}, app, func(b *bubble) {
			go io.WriteString(b.host, b.p.request("20")+"xyz")
			answer, rerr := io.ReadAll(b.host)
			if !strings.Contains(string(answer), " 408 Request Timeout\r\n") || body(string(answer)) != "too slow" || rerr != nil {
				b.t.Errorf("the answer is %q, %v", answer, rerr)
			}
			if before != nil || cause != context.DeadlineExceeded || !errors.Is(err, os.ErrDeadlineExceeded) {
				b.t.Errorf("Done asked for: %v: the cause is %v, and was %v before; Read: %v", asked, cause, before, err)
			}
			if b.log.String() != "" {
				b.t.Errorf("the log has %q", b.log.String())
			}
		})
	}
}

// ... also over a socket, on which the host may still be sending.
func TestTheAnswerToABodyThatIsTooSlowArrives(t *testing.T) {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		io.Copy(io.Discard, env.Input)
		status := "200 OK"
		if errors.Is(context.Cause(env.Context()), context.DeadlineExceeded) {
			status = "408 Request Timeout"
		}
		_, err := start(status, plain, nil)
		return gateway.Text("too slow"), err
	}
	each(t, func(t *testing.T, p *protocol) {
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, backend.Limits{ReadTimeout: 20 * time.Millisecond}, app)
			c := r.dial()
			io.WriteString(c, p.request("1000000")+"xyz")
			br := bufio.NewReader(c)
			br.Peek(1) // the answer is there
			io.WriteString(c, strings.Repeat("x", 1000000-3))
			answer, err := io.ReadAll(br)
			if !strings.Contains(string(answer), " 408 Request Timeout\r\n") || body(string(answer)) != "too slow" || err != nil {
				t.Errorf("%s: the answer is %q, %v", network, answer, err)
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
		inBubble(t, backend.Limits{WriteTimeout: c.set}, app, func(b *bubble) {
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
			if got := body(string(all)); got != strings.Repeat("0123456789", 9000) || closed.Load() != 1 || b.log.String() != "" {
				b.t.Errorf("a slow host gets %d bytes, Close was called %d times, the log has %q", len(got), closed.Load(), b.log.String())
			}
			closed.Store(0)
		})
		inBubble(t, backend.Limits{WriteTimeout: c.set}, app, func(b *bubble) {
			io.WriteString(b.host, b.p.request("0"))
			io.ReadFull(b.host, make([]byte, 10))
			begun := time.Now()
			for closed.Load() == 0 {
				time.Sleep(c.want / 7)
			}
			if after := time.Since(begun); after > 2*c.want+c.want/7 || cause == nil {
				b.t.Errorf("one that reads no more: Close came after %v, the Context's error is %v", after, cause)
			}
			if b.log.String() != "" { // T35: a host that left is no fault
				b.t.Errorf("the log has %q", b.log.String())
			}
			closed.Store(0)
		})
	}
}
