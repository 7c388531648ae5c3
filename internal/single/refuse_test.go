package single_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
)

// Whatever is refused is answered, and the answer arrives although the host is still sending (E21).
func TestWhatIsRefused(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		limits := backend.Limits{MaxHeaders: 20, MaxHeaderBytes: 2000, MaxBodyBytes: 1000}
		many := make([]string, 0, 80)
		for i := range 20 {
			many = append(many, fmt.Sprint("HTTP_X", i), "")
		}
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, limits, hello)
			for _, c := range []struct {
				name, want, log string
				request         string
			}{
				{"too many variables", "431", "too many or too large headers", p.request("2000000", many...)},
				{"too large variables", "431", "too many or too large headers", p.request("2000000", "A", strings.Repeat("x", 2000))},
				{"too large a body", "413", "too large a body", p.request("2000000")},
				{"an absurd length", "413", "too large a body", p.request("9223372036854775807")},
				{"a length that overflows", "400", "CONTENT_LENGTH", p.request("9223372036854775808")},
				{"a negative length", "400", "CONTENT_LENGTH", p.request("-1")},
				{"a length with a sign", "400", "CONTENT_LENGTH", p.request("+5")},
				{"two lengths (E22)", "400", "CONTENT_LENGTH is there twice", p.request("5", "CONTENT_LENGTH", "6")},
				{"raw chunks", "411", "unknown length", p.request("", "HTTP_TRANSFER_ENCODING", "chunked")},
				{"no method", "400", "no REQUEST_METHOD", p.request("2000000", "REQUEST_METHOD", "-")},
				{"CR LF in a header", "400", "line break", p.request("2000000", "HTTP_X", "a\r\nb")},
				{"a line break in a name", "400", "header's name", p.request("2000000", "HTTP_X\nY", "a")},
				{"a line break in the name of a variable", "400", "variable's name", p.request("2000000", "X\nY", "a")},
				{"a space in a name", "400", "variable's name", p.request("2000000", "A B", "a")},
				{"an equals sign in a name", "400", "variable's name", p.request("2000000", "LD_PRELOAD=x", "a")},
				{"a path without a slash", "400", "PATH_INFO", p.request("2000000", "PATH_INFO", "x")},
			} {
				answer := r.ask(c.request + strings.Repeat("body", 500000))
				if !strings.Contains(answer[:min(len(answer), 20)], " "+c.want+" ") {
					t.Errorf("%s over %s: %.200q, want %s", c.name, network, answer, c.want)
				}
				if log := r.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, c.log) {
					t.Errorf("%s over %s: the log has %q, want one line with %q", c.name, network, log, c.log)
				}
				r.log.mu.Lock()
				r.log.b.Reset()
				r.log.mu.Unlock()
			}
			if answer := r.ask(p.request("1000") + strings.Repeat("x", 1000)); body(answer) != "hello" {
				t.Errorf("a body as large as may be: %q", answer)
			}
		}
	})
}

// What is not the protocol gets no answer, one line in the log, and harms nobody.
func TestWhatIsNotTheProtocol(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "tcp", backend.Limits{}, hello)
		for i, in := range []string{"GET / HTTP/1.1\r\n\r\n", "\x01\x01\x00\x01\x00\x08\x00\x00", "\xff\xff\xff\xff", "abc:def"} {
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

// A request that was never whole is nobody's business.
func TestAHostThatLeavesBeforeTheRequestIsWhole(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		whole := p.request("0")
		r := p.start(t, "tcp", backend.Limits{}, hello)
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

func TestMoreRequestsThanMaxRequestsGet503(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		begun, end := make(chan struct{}), make(chan struct{})
		r := p.start(t, "tcp", backend.Limits{MaxRequests: 2}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
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
		for range 3 { // those that are refused take no place
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
		r := p.start(t, "tcp", backend.Limits{MaxConns: 2}, hello)
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

// R122: an application that stands only one call at a time can have it so.
func TestMaxConnsOfOneIsOneCallAtATime(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		var running atomic.Int32
		r := p.start(t, "tcp", backend.Limits{MaxConns: 1}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
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
