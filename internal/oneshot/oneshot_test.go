package oneshot_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
)

func TestShutdownWaitsAndThenTells(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		begun, end, cause := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		r := p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				begun <- struct{}{}
				select {
				case <-end:
				case <-env.Context().Done():
					cause <- context.Cause(env.Context())
				}
				return ok(start, gateway.Text("hello"))
			})
		answers := make(chan string, 2)
		fresh := r.dial() // accepted, and has said nothing yet
		io.WriteString(fresh, p.request("0")[:5])
		ask := func() { answers <- body(r.ask(p.request("0"))) }
		go ask()
		<-begun
		ended := make(chan error, 1)
		go func() { ended <- r.s.Shutdown(t.Context()) }()
		for {
			c, err := net.Dial("tcp", r.addr.String())
			if err != nil {
				break // it is no longer listening
			}
			c.Close()
		}
		io.WriteString(fresh, p.request("0")[5:])
		<-begun
		select {
		case err := <-ended:
			t.Errorf("Shutdown has not waited: %v", err)
		default:
		}
		close(end)
		if a := <-answers; a != "hello" {
			t.Errorf("the request that was going on: %q", a)
		}
		if b, err := io.ReadAll(fresh); body(string(b)) != "hello" || err != nil {
			t.Errorf("the one that was on its way: %q, %v", b, err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Shutdown: %v", err)
		}

		end = make(chan struct{})
		r = p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				close(begun)
				<-env.Context().Done()
				cause <- context.Cause(env.Context())
				return ok(start, gateway.Text("hello"))
			})
		begun = make(chan struct{})
		go ask()
		<-begun
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.s.Shutdown(ctx); err != context.Canceled {
			t.Errorf("Shutdown without time: %v", err)
		}
		if err := <-cause; !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("the cause is %v", err)
		}
		if a := <-answers; a != "hello" { // its first block is still sent
			t.Errorf("the request that was told: %q", a)
		}
		if err := r.s.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown after all: %v", err)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		begun, cause := make(chan struct{}), make(chan error, 1)
		r := p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				close(begun)
				_, err := io.ReadAll(env.Input) // which is not coming
				<-env.Context().Done()
				cause <- context.Cause(env.Context())
				return nil, err
			})
		c := r.dial()
		io.WriteString(c, p.request("10")+"12345")
		<-begun
		if err := r.s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-cause; !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("the cause is %v", err)
		}
		if b, _ := io.ReadAll(c); len(b) > 0 {
			t.Errorf("the host gets %q", b)
		}
		if _, err := net.DialTimeout("tcp", r.addr.String(), time.Second); err == nil {
			t.Error("it is still listening")
		}
		if err := r.s.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown after Close: %v", err)
		}
	})
}

func TestMoreRequestsThanMaxRequestsGet503(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		begun, end := make(chan struct{}), make(chan struct{})
		r := p.start(t, "tcp", request.Limits{MaxRequests: 2},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				if env.Vars["PATH_INFO"] == "/wait" {
					begun <- struct{}{}
					<-end
				}
				return ok(start, gateway.Text("hello"))
			})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if answer := r.ask(p.request("0", "PATH_INFO", "/wait")); body(answer) != "hello" {
					t.Errorf("one that was going on: %q", answer)
				}
			})
			<-begun
		}
		for range 3 { // a refused request takes no place
			if answer := r.ask(p.request("100000") + strings.Repeat("x", 100000)); !strings.Contains(answer, " 503 ") {
				t.Errorf("one more: %q", answer)
			}
		}
		close(end)
		wg.Wait()
		r.answers("/") // both are counted off
		if log := r.log.String(); strings.Count(log, "too many requests are going on\n") != 3 {
			t.Errorf("the log has %q", log)
		}
	})
}

func TestMoreConnectionsThanMaxConnsWait(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "tcp", request.Limits{MaxConns: 2}, hello)
		one, two := r.dial(), r.dial() // which send nothing
		three := r.dial()
		io.WriteString(three, p.request("0"))
		three.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := three.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("the third is served: %v", err)
		}
		one.Close()
		three.SetReadDeadline(time.Now().Add(30 * time.Second))
		if b, err := io.ReadAll(three); body(string(b)) != "hello" || err != nil {
			t.Errorf("when there is a place: %q, %v", b, err)
		}
		two.Close()
	})
}

// R122: a deployer can have an application called one request at a time.
func TestMaxConnsOfOneIsOneCallAtATime(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		var running atomic.Int32
		r := p.start(t, "tcp", request.Limits{MaxConns: 1},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				if n := running.Add(1); n != 1 {
					t.Errorf("%d calls at a time", n)
				}
				body, err := ok(start, gateway.Bytes([]byte("two"), []byte("blocks")))
				return gateway.OnClose(body, func() error {
					running.Add(-1)
					return nil
				}), err
			})
		var wg sync.WaitGroup
		for range 20 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if answer := r.ask(p.request("0")); body(answer) != "twoblocks" {
					t.Errorf("the answer is %q", answer)
				}
			}()
		}
		wg.Wait()
	})
}

// Bytes that are not the protocol get no answer and one line in the log, and the server goes on.
func TestWhatIsNotTheProtocol(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "tcp", request.Limits{}, hello)
		for i, in := range []string{"GET / HTTP/1.1\r\n\r\n", "\x01\x01\x00\x01\x00\x08\x00\x00",
			"\xff\xff\xff\xff", "abc:def"} {
			c := r.dial()
			io.WriteString(c, in)
			if b, _ := io.ReadAll(c); len(b) > 0 {
				t.Errorf("%q is answered with %q", in, b)
			}
			if r.log.String() == "" { // it is written before the connection ends
				t.Fatalf("%q: the log has %q", in, r.log.String())
			}
			if log := r.log.String(); strings.Count(log, "\n") != i+1 || !strings.Contains(log, p.name+": ") {
				t.Errorf("%q: the log has %q", in, log)
			}
			r.answers("/")
		}
	})
}

// A request that was never whole is neither answered nor logged.
func TestAHostThatLeavesBeforeTheRequestIsWhole(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		whole := p.request("0")
		r := p.start(t, "tcp", request.Limits{}, hello)
		for n := range len(whole) {
			c := r.dial()
			io.WriteString(c, whole[:n])
			c.(*net.TCPConn).CloseWrite()
			if b, _ := io.ReadAll(c); len(b) > 0 {
				t.Errorf("%d bytes are answered with %q", n, b)
			}
		}
		r.answers("/")
		if log := r.log.String(); log != "" {
			t.Errorf("the log has %q", log)
		}
	})
}

func TestReadHeaderTimeoutIsForAllVariables(t *testing.T) {
	for _, c := range []struct{ set, want time.Duration }{{0, 30 * time.Second}, {7 * time.Second, 7 * time.Second}} {
		inBubble(t, request.Limits{ReadHeaderTimeout: c.set}, hello, func(b *bubble) {
			sent := b.trickle(b.p.request("0"), time.Second-time.Millisecond)
			if n := int(c.want / time.Second); sent != n {
				b.t.Errorf("one byte a second: %d bytes were accepted, want %d", sent, n)
			}
			if after := time.Since(b.begun).Round(time.Second); after != c.want+time.Second {
				b.t.Errorf("the connection has ended after %v", after)
			}
		})
	}
	inBubble(t, request.Limits{ReadHeaderTimeout: -1}, hello, func(b *bubble) {
		go b.trickle(b.p.request("0"), time.Hour)
		if answer, err := io.ReadAll(b.host); body(string(answer)) != "hello" || err != nil {
			b.t.Errorf("without a limit: %q, %v", answer, err)
		}
	})
}
