package single_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
)

// net/http/fcgi answers no client that closes its half.
func TestAHostThatClosesItsHalfIsAnswered(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, backend.Limits{}, echo)
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

// D5: a body that was cut short is not a whole one.
func TestABodyThatIsCutShort(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		got := make(chan error, 1)
		r := p.start(t, "tcp", backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
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

// The Context ends when the host is gone, once Done was asked for: before, during and after the body.
func TestDoneTellsThatTheHostIsGone(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		asked, cause := make(chan struct{}), make(chan error, 1)
		r := p.start(t, "tcp", backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			var done <-chan struct{}
			if env.Vars["PATH_INFO"] == "/first" {
				done = env.Context().Done()
			}
			if env.Vars["PATH_INFO"] == "/in" {
				done = env.Context().Done()
				asked <- struct{}{}
			}
			io.Copy(io.Discard, env.Input)
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

// More bytes than CONTENT_LENGTH are nobody's, and do not hide the end of the connection.
func TestDoneWhenTheHostSendsMoreThanTheBody(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		got, cause := make(chan string, 1), make(chan error, 1)
		r := p.start(t, "tcp", backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
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

// A thousand hosts that vanish at every point leave nothing behind.
func TestAThousandHostsThatVanish(t *testing.T) {
	for i := range protocols { // not parallel: goroutines are counted
		p := &protocols[i]
		t.Run(p.name, func(t *testing.T) {
			app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				switch env.Vars["PATH_INFO"] {
				case "/read":
					_, err := io.Copy(io.Discard, env.Input)
					return gateway.Text(""), err
				case "/wait":
					<-env.Context().Done()
					return nil, env.Context().Err()
				}
				return ok(start, gateway.Stream(func(yield func([]byte, error) bool) {
					for block := make([]byte, 64<<10); yield(block, nil); {
					}
				}))
			}
			before := runtime.NumGoroutine()
			r := p.start(t, "tcp", backend.Limits{}, app)
			var memory runtime.MemStats
			for range 3 { // what is in a sync.Pool lives for two collections
				runtime.GC()
			}
			runtime.ReadMemStats(&memory)
			heap := memory.HeapAlloc
			for i := range 1000 {
				c, err := net.Dial("tcp", r.addr.String())
				if err != nil {
					t.Fatal(err)
				}
				switch i % 5 {
				case 0: // says nothing
				case 1:
					whole := p.request("0")
					io.WriteString(c, whole[:i%len(whole)])
				case 2:
					io.WriteString(c, p.request("1000000", "PATH_INFO", "/read")+"begun")
				case 3:
					io.WriteString(c, p.request("0", "PATH_INFO", "/wait"))
				case 4:
					io.WriteString(c, p.request("0", "PATH_INFO", "/endless"))
					io.ReadFull(c, make([]byte, 100))
				}
				if i%2 == 0 {
					c.(*net.TCPConn).SetLinger(0)
				}
				c.Close()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := r.s.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown: %v: some request goes on", err)
			}
			for n := 0; runtime.NumGoroutine() > before && n < 1000; n++ { // those that are about to end
				time.Sleep(5 * time.Millisecond)
			}
			if now := runtime.NumGoroutine(); now > before {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines before, %d after:\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
			}
			for range 3 { // what is in a sync.Pool lives for two collections
				runtime.GC()
			}
			runtime.ReadMemStats(&memory)
			if memory.HeapAlloc > heap+4<<20 {
				t.Errorf("the heap has grown from %d to %d bytes", heap, memory.HeapAlloc)
			}
		})
	}
}

// E21: an answer that is given before the body was read arrives, although the host is still sending.
func TestAnAnswerBeforeTheBodyWasReadArrives(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		const size = 8 << 20
		for _, network := range []string{"tcp", "unix"} {
			inRead := make(chan error, 1)
			r := p.start(t, network, backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				switch env.Vars["PATH_INFO"] {
				case "/some":
					io.CopyN(io.Discard, env.Input, 100000)
				case "/left": // as httputil.ReverseProxy does when its own server answers early
					io.ReadFull(env.Input, make([]byte, 10))
					go func() {
						_, err := io.Copy(io.Discard, env.Input)
						inRead <- err
					}()
				}
				return ok(start, gateway.Text("hello"))
			})
			for _, path := range []string{"/none", "/some", "/left"} {
				c := r.dial()
				io.WriteString(c, p.request("8388608", "PATH_INFO", path)+"0123456789")
				// The host reads only when it has sent all, which it cannot unless somebody takes it.
				if path == "/left" {
					readHead(t, c) // the application has answered, and its goroutine waits for more
				}
				for sent := 10; sent < size; {
					n, err := io.WriteString(c, strings.Repeat("x", min(64<<10, size-sent)))
					if err != nil {
						t.Fatalf("%s %s: after %d bytes: %v", network, path, sent, err)
					}
					sent += n
				}
				b, err := io.ReadAll(c)
				if err != nil || path != "/left" && body(string(b)) != "hello" {
					t.Errorf("%s %s: %q, %v", network, path, b, err)
				}
				if path == "/left" {
					if err := <-inRead; !errors.Is(err, gateway.ErrEnded) {
						t.Errorf("%s: the goroutine got %v, want ErrEnded", network, err)
					}
				}
				c.Close()
			}
		}
	})
}
