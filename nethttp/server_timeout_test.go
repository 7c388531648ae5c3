package nethttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
	"example.com/gateway/request"
)

// A pausing reads a byte at a time, and takes three seconds for each.
type pausing struct{ r io.Reader }

func (p pausing) Read(b []byte) (int, error) {
	time.Sleep(3 * time.Second)
	return p.r.Read(b[:min(len(b), 1)])
}

// What the server waits for beside the client has no WriteTimeout: the application, the source of
// its body, and the client's own body.
func TestAWriteTimeoutIsForTheClientAlone(t *testing.T) {
	limits := request.Limits{WriteTimeout: time.Second, ReadTimeout: 10 * time.Second}
	readAll := func(r io.Reader) error {
		if all, err := io.ReadAll(r); string(all) != "hello" || err != nil {
			return fmt.Errorf("the body is %q, %w", all, err)
		}
		return nil
	}
	native := func(f func(env *gateway.Environ) (gateway.Body, error)) gateway.Application {
		return appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			body, err := f(env)
			if err == nil {
				_, err = start("200 OK", plain, nil)
			}
			return body, err
		})
	}
	for name, app := range map[string]gateway.Application{
		"an application that pauses": native(func(*gateway.Environ) (gateway.Body, error) {
			return gateway.Stream(func(yield func([]byte, error) bool) {
				for _, block := range []string{"he", "l", "lo"} {
					time.Sleep(3 * time.Second)
					if !yield([]byte(block), nil) {
						return
					}
				}
			}), nil
		}),
		"a source that is slow": native(func(*gateway.Environ) (gateway.Body, error) {
			return gateway.Reader(pausing{strings.NewReader("hello")}, 0), nil
		}),
		"a body that is read slowly": native(func(env *gateway.Environ) (gateway.Body, error) {
			return gateway.Text("hello"), readAll(pausing{env.Input})
		}),
		"a body that is sent back as it comes": native(func(env *gateway.Environ) (gateway.Body, error) {
			return gateway.Reader(pausing{env.Input}, 0), nil
		}),
		"a body that is read late, after early hints": native(func(env *gateway.Environ) (gateway.Body, error) {
			if err := nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>"}}); err != nil {
				return nil, err
			}
			time.Sleep(3 * time.Second)
			return gateway.Text("hello"), readAll(env.Input) // the first Read sends a 100 (Continue)
		}),
		"a handler that pauses": nethttp.Application(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, block := range []string{"he", "l", "lo"} {
				_, _ = io.WriteString(w, block)
				_ = http.NewResponseController(w).Flush()
				time.Sleep(3 * time.Second)
			}
		})),
		"a handler that copies": nethttp.Application(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			if _, err := io.Copy(w, pausing{r.Body}); err != nil {
				t.Error(err)
			}
		})),
	} {
		inBubble(t, &nethttp.Server{Application: app, Limits: limits}, func(b *bubble) {
			c := b.l.dial()
			defer c.Close()
			expect := ""
			if strings.Contains(name, "read late") { // a client that waits for a 100 sends no body after a response
				expect = "Expect: 100-continue\r\n"
			}
			go io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n"+expect+"Content-Length: 5\r\n\r\nhello")
			if s := b.answer(bufio.NewReader(c)); s != "hello" {
				b.t.Errorf("%s: the answer is %q", name, s)
			}
			synctest.Wait()
		})
		inTLSBubble(t, &nethttp.Server{Application: app, Limits: limits}, func(b *bubble) {
			client := b.client()
			response, err := client.Post("https://x/", "text/plain", strings.NewReader("hello"))
			if err != nil {
				b.t.Errorf("HTTP/2, %s: there is no answer: %v", name, err)
				return
			}
			defer response.Body.Close()
			if s, err := io.ReadAll(response.Body); string(s) != "hello" || err != nil || response.ProtoMajor != 2 {
				b.t.Errorf("%s, %s: the answer is %q, %v", response.Proto, name, s, err)
			}
			synctest.Wait()
		})
	}
}

// A pipe is an *os.File, and no file: its writer may take its time.
func TestAPipeIsNotWaitedForWithAWriteTimeout(t *testing.T) {
	t.Parallel()
	const pause = 200 * time.Millisecond
	pipe := func() *os.File {
		r, w, err := os.Pipe()
		if err != nil {
			t.Error(err)
			return nil
		}
		go func() {
			defer w.Close()
			for _, block := range []string{"he", "l", "lo"} {
				_, _ = io.WriteString(w, block)
				time.Sleep(3 * pause)
			}
		}()
		return r
	}
	for name, app := range map[string]gateway.Application{
		"Reader": appFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", lengthOf(5), nil)
			return gateway.Reader(pipe(), 0), err
		}),
		"io.Copy": nethttp.Application(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_ = http.NewResponseController(w).Flush()
			r := pipe()
			defer r.Close()
			if _, err := io.Copy(w, r); err != nil {
				t.Error(err)
			}
		})),
	} {
		addr := serveTCP(t, &nethttp.Server{Application: app, ErrorLog: quiet,
			Limits: request.Limits{WriteTimeout: pause}}, false)
		response, err := http.Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); string(body) != "hello" || err != nil {
			t.Errorf("%s: the answer is %q, %v", name, body, err)
		}
		response.Body.Close()
	}
}

// A request that no application sees has the limits too: the server waits for ever neither for its
// body nor for a client that reads no answer.
func TestARequestWithoutAnApplicationHasItsTime(t *testing.T) {
	app := appFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return text(start, "hello")
	})
	for _, path := range []string{"POST /elsewhere", "OPTIONS *", "this is no request"} {
		for _, reads := range []bool{true, false} {
			closed := make(chan time.Time, 1)
			inBubble(t, &nethttp.Server{Application: app, Prefix: "/blog"}, func(b *bubble) {
				c, server := net.Pipe()
				defer c.Close()
				b.l.conns <- &closing{server, closed}
				begun := time.Now()
				io.WriteString(c, path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1") // and no more
				if reads {
					go io.Copy(io.Discard, c)
				}
				time.Sleep(time.Hour)
				if len(closed) == 0 {
					b.t.Errorf("%s: a client that reads %v is waited for for ever", path, reads)
				} else if took := (<-closed).Sub(begun); took > 2*defaults.WriteTimeout {
					b.t.Errorf("%s: a client that reads %v is waited for for %v", path, reads, took)
				}
			})
		}
	}
}

// Under HTTP/2 a client that reads nothing at all has no stream to lose, and loses its connection.
func TestAClientThatReadsNothingLosesItsConnectionUnderHTTP2(t *testing.T) {
	app := appFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Bytes(make([]byte, 1<<20)), err
	})
	inTLSBubble(t, &nethttp.Server{Application: app}, func(b *bubble) {
		closed := make(chan time.Time, 1)
		client, server := net.Pipe()
		deaf := &deaf{Conn: client, left: 4 << 10, closed: make(chan struct{})}
		go func() { b.l.conns <- &closing{server, closed} }()
		transport := b.client().Transport.(*http.Transport)
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return deaf, nil }
		ctx, cancel := context.WithCancel(b.t.Context())
		go func() {
			r, _ := http.NewRequestWithContext(ctx, "GET", "https://x/", nil)
			if response, err := transport.RoundTrip(r); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
			}
		}()
		begun := time.Now()
		time.Sleep(time.Hour)
		if len(closed) == 0 {
			b.t.Error("the connection is open after an hour")
		} else if took := (<-closed).Sub(begun); took > defaults.WriteTimeout+5*time.Second {
			b.t.Errorf("the connection is open for %v", took)
		}
		cancel()
		deaf.Close()
	})
}

// A deaf is a connection whose client reads the first bytes, and then no more.
type deaf struct {
	net.Conn
	left   int
	once   sync.Once
	closed chan struct{}
}

func (d *deaf) Read(p []byte) (int, error) {
	if d.left == 0 {
		<-d.closed
		return 0, net.ErrClosed
	}
	n, err := d.Conn.Read(p[:min(len(p), d.left)])
	d.left -= n
	return n, err
}

func (d *deaf) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Conn.Close()
}

// A closing notes when the server closes the connection.
type closing struct {
	net.Conn
	closed chan time.Time
}

func (c *closing) Close() error {
	select {
	case c.closed <- time.Now():
	default:
	}
	return c.Conn.Close()
}
