package oneshot_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
)

// net/http/fcgi answers no client that closes its half.
func TestAHostThatClosesItsHalfIsAnswered(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, request.Limits{}, echo)
			for range 20 {
				c := r.dial()
				io.WriteString(c, p.request("4")+"body")
				c.(interface{ CloseWrite() error }).CloseWrite()
				if b, err := io.ReadAll(c); body(string(b)) != "body" || err != nil {
					t.Fatalf("%s: %q, %v", network, b, err)
				}
			}
		}
	})
}

// A body that was cut short does not look whole.
func TestABodyThatIsCutShort(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		got := make(chan error, 1)
		r := p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				_, err := io.ReadAll(env.Input)
				got <- err
				return ok(start, gateway.Text("hello"))
			})
		c := r.dial()
		io.WriteString(c, p.request("5")+"body")
		c.(*net.TCPConn).CloseWrite()
		if err := <-got; err != io.ErrUnexpectedEOF {
			t.Errorf("half-closed: %v", err)
		}
		if b, _ := io.ReadAll(c); body(string(b)) != "hello" {
			t.Errorf("half-closed: the answer is %q", b)
		}
		c = r.dial()
		io.WriteString(c, p.request("5")+"body")
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		if err := <-got; err == nil || err == io.EOF {
			t.Errorf("reset: %v", err)
		}
		r.answers("/")
	})
}

// The Context ends when the host is gone, once Done was asked for: before, during and after the
// body.
func TestDoneTellsThatTheHostIsGone(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		asked, cause := make(chan struct{}), make(chan error, 1)
		r := p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				var done <-chan struct{}
				if env.Vars["PATH_INFO"] == "/first" {
					done = env.Context().Done()
				}
				if env.Vars["PATH_INFO"] == "/in" {
					done = env.Context().Done()
					asked <- struct{}{}
				}
				b, _ := io.ReadAll(env.Input)
				if path := env.Vars["PATH_INFO"]; string(b) != "body" && (path == "/first" || path == "/last") {
					t.Errorf("%s: the body is %q", path, b)
				}
				if done == nil {
					done = env.Context().Done()
				}
				if path := env.Vars["PATH_INFO"]; path == "/first" || path == "/last" {
					asked <- struct{}{}
				}
				<-done
				cause <- context.Cause(env.Context())
				return ok(start, gateway.Text("hello"))
			})
		for _, path := range []string{"/first", "/in", "/after", "/last"} {
			for _, reset := range []bool{false, true} {
				c := r.dial()
				sent := "body"
				if path == "/in" || path == "/after" {
					sent = "bo"
				}
				io.WriteString(c, p.request("4", "PATH_INFO", path)+sent)
				if path != "/after" {
					<-asked
				}
				select {
				case err := <-cause:
					t.Errorf("%s: it has ended before: %v", path, err)
				default:
				}
				if reset {
					c.(*net.TCPConn).SetLinger(0)
				}
				c.Close()
				if err := <-cause; !errors.Is(err, gateway.ErrDisconnected) {
					t.Errorf("%s, reset %v: the cause is %v", path, reset, err)
				}
			}
		}
		if log := r.log.String(); log != "" {
			t.Errorf("the log has %q", log)
		}
	})
}

// A host that has its answer may go: what the application still has to do is not in vain.
func TestAHostThatGoesWithItsAnswerEndsNoContext(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		gone, cause := make(chan struct{}), make(chan error, 1)
		r := p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				env.Context().Done()
				body, err := ok(start, gateway.Text("hello"))
				return gateway.OnClose(body, func() error {
					<-gone
					time.Sleep(50 * time.Millisecond) // whoever waits for the host has seen that
					cause <- context.Cause(env.Context())
					return nil
				}), err
			})
		c := r.dial()
		io.WriteString(c, p.request("0"))
		if n, err := io.ReadAtLeast(c, make([]byte, 1000), 5); err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		c.Close()
		close(gone)
		if err := <-cause; err != nil {
			t.Errorf("the Context has ended with %v", err)
		}
	})
}

func TestWhoWaitsForTheHostReadsNothingOfTheBody(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				env.Context().Done()
				time.Sleep(20 * time.Millisecond) // whoever would read it has done so
				read := make(chan string, 1)
				go func() {
					b, err := io.ReadAll(env.Input)
					read <- fmt.Sprint(string(b), err)
				}()
				select {
				case b := <-read:
					return ok(start, gateway.Text(b))
				case <-time.After(5 * time.Second):
					return ok(start, gateway.Text("nothing"))
				}
			})
		if got := body(r.ask(p.request("4") + "body")); got != "body<nil>" {
			t.Errorf("the application reads %q", got)
		}
	})
}

// Bytes after the body reach nobody, and do not hide the end of the connection.
func TestDoneWhenTheHostSendsMoreThanTheBody(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		got, cause := make(chan string, 1), make(chan error, 1)
		r := p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				b, _ := io.ReadAll(env.Input)
				done := env.Context().Done()
				got <- string(b)
				<-done
				cause <- context.Cause(env.Context())
				return ok(start, gateway.Text("hello"))
			})
		c := r.dial()
		io.WriteString(c, p.request("4")+"bodymore")
		if b := <-got; b != "body" {
			t.Errorf("the body is %q", b)
		}
		io.WriteString(c, strings.Repeat("more", 10000))
		c.Close()
		if err := <-cause; !errors.Is(err, gateway.ErrDisconnected) {
			t.Errorf("the cause is %v", err)
		}
	})
}

// While the application works, the host may be silent for any time: no time-out of a read is one of
// the request.
func TestAHostThatWaitsForTheAnswerIsNotGone(t *testing.T) {
	for _, size := range []int{0, 5} {
		var err, cause error
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err = io.Copy(io.Discard, env.Input)
			select {
			case <-env.Context().Done():
			case <-time.After(time.Hour):
			}
			cause = context.Cause(env.Context())
			return ok(start, gateway.Text("hello"))
		}
		inBubble(t, request.Limits{}, app, func(b *bubble) {
			go io.WriteString(b.host, b.p.request(fmt.Sprint(size))+strings.Repeat("x", size))
			answer, rerr := io.ReadAll(b.host)
			if body(string(answer)) != "hello" || rerr != nil || err != nil || cause != nil {
				b.t.Errorf("a body of %d: %q, %v; Read: %v; the cause is %v", size, answer, rerr, err, cause)
			}
		})
	}
}

// A request whose application never asks for the end of the Context has no goroutine that waits for
// the host.
// Who waits was begun by watchIfReady, which the stack of a goroutine says also before it runs.
func TestNobodyWaitsForTheHostUnasked(t *testing.T) { // not parallel: goroutines of all tests are looked at
	for i := range protocols {
		p := &protocols[i]
		r := p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				io.Copy(io.Discard, env.Input)
				stacks := make([]byte, 1<<20)
				stacks = stacks[:runtime.Stack(stacks, true)]
				return ok(start, gateway.Text(fmt.Sprint(strings.Contains(string(stacks), "watchIfReady"))))
			})
		if got := body(r.ask(p.request("4") + "body")); got != "false" {
			t.Errorf("%s: somebody waits: %s", p.name, got)
		}
	}
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
		inBubble(t, request.Limits{ReadTimeout: c.set}, app, func(b *bubble) {
			go func() {
				io.WriteString(b.host, b.p.request("20"))
				b.trickle(strings.Repeat("x", 20), c.want-time.Second)
			}()
			answer, rerr := io.ReadAll(b.host)
			if body(string(answer)) != "hello" || rerr != nil || err != nil || took != 20*(c.want-time.Second) {
				b.t.Errorf("slow bytes: %q, %v; Read: %v after %v", answer, rerr, err, took)
			}
		})
		inBubble(t, request.Limits{ReadTimeout: c.set}, app, func(b *bubble) {
			go io.WriteString(b.host, b.p.request("20")+"xyz")
			io.ReadAll(b.host)
			if !errors.Is(err, os.ErrDeadlineExceeded) || took != c.want {
				b.t.Errorf("no more bytes: Read: %v after %v, want %v", err, took, c.want)
			}
		})
	}
}

// A Read that times out ends the Context, for that reason. The answer of the application is still
// sent.
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
		inBubble(t, request.Limits{}, app, func(b *bubble) {
			go io.WriteString(b.host, b.p.request("20")+"xyz")
			answer, rerr := io.ReadAll(b.host)
			if !strings.Contains(string(answer), " 408 Request Timeout\r\n") ||
				body(string(answer)) != "too slow" || rerr != nil {
				b.t.Errorf("the answer is %q, %v", answer, rerr)
			}
			if before != nil || cause != context.DeadlineExceeded || !errors.Is(err, os.ErrDeadlineExceeded) {
				b.t.Errorf("Done asked for: %v: the cause is %v, and was %v before; Read: %v", asked,
					cause, before, err)
			}
			if b.log.String() != "" {
				b.t.Errorf("the log has %q", b.log.String())
			}
		})
	}
}

// The answer also arrives over a socket on which the host is still sending.
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
			r := p.start(t, network, request.Limits{ReadTimeout: 20 * time.Millisecond}, app)
			c := r.dial()
			io.WriteString(c, p.request("1000000")+"xyz")
			br := bufio.NewReader(c)
			br.Peek(1) // the answer is there
			if _, err := io.WriteString(c, strings.Repeat("x", 1000000-3)); err != nil {
				t.Errorf("%s: the rest of the body is not read: %v", network, err)
			}
			answer, err := io.ReadAll(br)
			if !strings.Contains(string(answer), " 408 Request Timeout\r\n") ||
				body(string(answer)) != "too slow" || err != nil {
				t.Errorf("%s: the answer is %q, %v", network, answer, err)
			}
		}
	})
}

// A Read that waits for another, and gets its turn after the response, does not set the time-out of
// a read: what the host still sends has the time of a drain.
func TestAReadThatBeginsAfterTheResponseCutsNoDrainShort(t *testing.T) {
	const timeout = 300 * time.Millisecond
	each(t, func(t *testing.T, p *protocol) {
		var reads sync.WaitGroup
		r := p.start(t, "tcp", request.Limits{ReadTimeout: timeout},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				for range 5 { // one waits for the host, and the others for that one
					reads.Go(func() { env.Input.Read(make([]byte, 1)) })
				}
				time.Sleep(timeout / 10)
				return ok(start, gateway.Text("hello"))
			})
		var hosts sync.WaitGroup
		for range 5 {
			c := r.dial()
			hosts.Go(func() {
				io.WriteString(c, p.request("1000000"))
				br := bufio.NewReader(c)
				br.Peek(1) // the answer is there
				for _, part := range []string{"x", strings.Repeat("x", 1000000-1)} {
					if _, err := io.WriteString(c, part); err != nil {
						t.Errorf("what the host still sends is not read: %v", err)
					}
					time.Sleep(2 * timeout)
				}
				if b, err := io.ReadAll(br); body(string(b)) != "hello" || err != nil {
					t.Errorf("%q, %v", b, err)
				}
			})
		}
		hosts.Wait()
		reads.Wait()
	})
}
