package nethttp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/nethttp"
	"example.com/gateway/request"
)

// defaults are the limits of a zero Server.
var defaults = request.Limits{}.WithDefaults()

// A pipeListener hands out connections that live inside of a synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	fail   int // so often, at first, Accept returns an error that passes
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
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

// dial returns a connection that is accepted, now or later.
func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	go func() {
		select {
		case l.conns <- server:
		case <-l.closed:
			server.Close()
		}
	}()
	return client
}

// A passing is an error of Accept that passes by itself, like too many open files.
type passing struct{}

func (passing) Error() string   { return "on purpose" }
func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

// A bubble is a Server in a synctest bubble, where time is not real. No goroutine may be left at
// the end.
type bubble struct {
	t      *testing.T
	l      *pipeListener
	server *nethttp.Server
	ended  chan error

	dialled net.Conn // the last connection of a client
}

func inBubble(t *testing.T, s *nethttp.Server, f func(b *bubble)) { runBubble(t, s, false, f) }

// inTLSBubble is inBubble with TLS.
func inTLSBubble(t *testing.T, s *nethttp.Server, f func(b *bubble)) {
	// net/http has a pool of channels for HTTP/2. Before Go 1.26 all servers share the pool, and a
	// channel of another bubble would end the process. Two collections empty a pool.
	emptyPools := func() { runtime.GC(); runtime.GC() }
	emptyPools()
	defer emptyPools()
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificateOf(t)}}
	runBubble(t, s, true, f)
}

func runBubble(t *testing.T, s *nethttp.Server, withTLS bool, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.ErrorLog = quiet
		b := &bubble{t: t, l: newPipeListener(), server: s, ended: make(chan error, 1)}
		b.l.fail = 3
		go func() {
			if withTLS {
				b.ended <- s.ServeTLS(b.l, "", "")
			} else {
				b.ended <- s.Serve(b.l)
			}
		}()
		time.Sleep(time.Second) // the listener fails at first
		f(b)
		synctest.Wait()
		s.Close()
		if err := <-b.ended; err != gateway.ErrShutdown {
			t.Errorf("Serve has returned %v", err)
		}
		time.Sleep(time.Minute) // net/http waits half a second before it closes a connection that is not to be reset
	})
}

// client returns an http.Client for HTTP/2 over TLS.
func (b *bubble) client() *http.Client {
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			b.dialled = b.l.dial()
			return b.dialled, nil
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func text(start gateway.StartResponse, s string) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text(s), err
}

// answer reads one response, and returns its body, or its status if that is not 200.
func (b *bubble) answer(r *bufio.Reader) string {
	b.t.Helper()
	response, err := http.ReadResponse(r, nil)
	for err == nil && response.StatusCode < 200 {
		response, err = http.ReadResponse(r, nil)
	}
	if err != nil {
		b.t.Errorf("there is no answer: %v", err)
		return ""
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Errorf("the answer ends with %v", err)
	}
	if response.StatusCode != 200 {
		return response.Status
	}
	return string(body)
}

const (
	hi     = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	upload = "POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"
	chunks = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
)

func TestServerKeepsTheRules(t *testing.T) {
	start := func(t *testing.T, s *nethttp.Server) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.ErrorLog = quiet
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(l) }()
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if s.Shutdown(ctx) != nil {
				s.Close()
			}
			if err := <-ended; err != gateway.ErrShutdown {
				t.Errorf("Serve has returned %v", err)
			}
		})
		return "http://" + l.Addr().String()
	}
	t.Run("at the root", func(t *testing.T) {
		gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
			return start(t, &nethttp.Server{Application: app})
		})
	})
	t.Run("below a prefix", func(t *testing.T) {
		gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
			return start(t, &nethttp.Server{Application: app, Prefix: "/blog/"}) + "/blog"
		})
	})
}

func TestLimitsOfAServer(t *testing.T) {
	big := strings.Repeat("x", 1000)
	header := func(n int, value string) (s string) {
		for i := range n {
			s += fmt.Sprintf("X-Header-%d: %s\r\n", i, value)
		}
		return s
	}
	const tooLarge = "431 Request Header Fields Too Large"
	for _, c := range []struct {
		name    string
		limits  request.Limits
		request string
		want    string
	}{
		{"none is passed", request.Limits{MaxHeaders: 50, MaxHeaderBytes: 9000, MaxBodyBytes: 10},
			"POST / HTTP/1.1\r\nHost: x\r\n" + header(8, big) + "Content-Length: 10\r\n\r\n0123456789", "0123456789"},
		{"MaxHeaders", request.Limits{MaxHeaders: 50}, "GET / HTTP/1.1\r\nHost: x\r\n" + header(50, "v") + "\r\n", tooLarge},
		{"MaxHeaders, by default", request.Limits{}, "GET / HTTP/1.1\r\nHost: x\r\n" + header(1000, "v") + "\r\n", tooLarge},
		{"MaxHeaders, none", request.Limits{MaxHeaders: -1}, "GET / HTTP/1.1\r\nHost: x\r\n" + header(1000, "v") + "\r\n", ""},
		{"MaxHeaderBytes, a little more", request.Limits{MaxHeaderBytes: 9000}, "GET / HTTP/1.1\r\nHost: x\r\n" + header(9, big) + "\r\n", tooLarge},
		{"MaxHeaderBytes, much more", request.Limits{MaxHeaderBytes: 9000}, "GET / HTTP/1.1\r\nHost: x\r\n" + header(50, big) + "\r\n", tooLarge},
		{"MaxHeaderBytes, by default", request.Limits{}, "GET / HTTP/1.1\r\nHost: x\r\n" + header(900, big+big) + "\r\n", tooLarge},
		{"MaxHeaderBytes, none", request.Limits{MaxHeaderBytes: -1}, "GET / HTTP/1.1\r\nHost: x\r\n" + header(900, big+big) + "\r\n", ""},
		{"MaxBodyBytes", request.Limits{MaxBodyBytes: 10}, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n0123456789a", "413 Request Entity Too Large"},
		{"MaxBodyBytes, a body of unknown length", request.Limits{MaxBodyBytes: 10}, chunks + "5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n",
			"0123456789, gateway: request has too large a body"},
		{"MaxBodyBytes, unknown and not too long", request.Limits{MaxBodyBytes: 10}, chunks + "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", "0123456789"},
	} {
		app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			body, err := io.ReadAll(env.Input)
			if err != nil {
				if !errors.Is(err, request.ErrBodyTooLarge) {
					t.Errorf("%s: Read: %v", c.name, err)
				}
				body = fmt.Appendf(body, ", %v", err)
			}
			return text(start, string(body))
		})
		inBubble(t, &nethttp.Server{Application: app, Limits: c.limits}, func(b *bubble) {
			conn := b.l.dial()
			defer conn.Close()
			go io.WriteString(conn, c.request)
			if s := b.answer(bufio.NewReader(conn)); s != c.want {
				b.t.Errorf("%s: the answer is %q, want %q", c.name, s, c.want)
			}
		})
	}
}

// The client may still be sending when it gets its answer. A reset would take the answer away.
func TestAHeadThatIsTooLargeGetsItsAnswer(t *testing.T) {
	t.Parallel()
	s := &nethttp.Server{Application: slowApp, ErrorLog: quiet, Limits: request.Limits{MaxHeaderBytes: 9000}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer s.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 1<<20))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
		t.Errorf("the answer is %q, %v", answer, err)
	}
}

func TestNoMoreRequestsThanTheLimit(t *testing.T) {
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/wait" {
			<-env.Context().Done()
		}
		return text(start, "hello")
	})
	inBubble(t, &nethttp.Server{Application: app, Limits: request.Limits{MaxRequests: 2}}, func(b *bubble) {
		ask := func(path string) net.Conn {
			conn := b.l.dial()
			io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			synctest.Wait()
			return conn
		}
		first, second := ask("/wait"), ask("/wait")
		defer second.Close()
		third := ask("/")
		defer third.Close()
		r := bufio.NewReader(third)
		if s := b.answer(r); s != "503 Service Unavailable" {
			b.t.Errorf("the third answer is %q", s)
		}
		first.Close()
		synctest.Wait()
		io.WriteString(third, hi)
		if s := b.answer(r); s != "hello" {
			b.t.Errorf("when one has ended, the answer is %q", s)
		}
	})
}

// A connection without a request has a time for the next one.
func TestAConnectionHasATimeForItsRequests(t *testing.T) {
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return text(start, "hello")
	})
	for _, c := range []struct {
		name   string
		limits request.Limits
		sent   string
		want   time.Duration // 0 is for ever
	}{
		{"nothing", request.Limits{}, "", defaults.ReadHeaderTimeout},
		{"half of a head", request.Limits{}, "GET / HTTP/1.1\r\nHost:", defaults.ReadHeaderTimeout},
		{"half of a head", request.Limits{ReadHeaderTimeout: 7 * time.Second}, "GET / HTTP/1.1\r\nHost:", 7 * time.Second},
		{"half of a head", request.Limits{ReadHeaderTimeout: -1, IdleTimeout: -1}, "GET / HTTP/1.1\r\nHost:", 0},
		{"a request", request.Limits{}, hi, defaults.IdleTimeout},
		{"a request", request.Limits{IdleTimeout: 7 * time.Second}, hi, 7 * time.Second},
		{"a request", request.Limits{IdleTimeout: -1, ReadHeaderTimeout: -1}, hi, 0},
		{"a request and a half", request.Limits{}, hi + "GET", defaults.IdleTimeout},
		{"a request and more than four bytes", request.Limits{}, hi + "GET /", defaults.ReadHeaderTimeout},
	} {
		inBubble(t, &nethttp.Server{Application: app, Limits: c.limits}, func(b *bubble) {
			conn := b.l.dial()
			defer conn.Close()
			begun := time.Now()
			go io.WriteString(conn, c.sent)
			ended := make(chan time.Duration, 1)
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				ended <- time.Since(begun)
			}()
			time.Sleep(time.Hour)
			synctest.Wait()
			select {
			case took := <-ended:
				if took.Truncate(time.Second) != c.want {
					b.t.Errorf("%s, %+v: the connection was closed after %v, want %v", c.name, c.limits, took, c.want)
				}
			default:
				if c.want != 0 {
					b.t.Errorf("%s, %+v: the connection is still open, want %v", c.name, c.limits, c.want)
				}
			}
		})
	}
}

func TestABodyHasATimeForItsNextBytes(t *testing.T) {
	for _, c := range []struct {
		name, head, piece, end string
		pieces                 int
		interval               time.Duration
	}{
		{"with a length", fmt.Sprintf(upload, ""), "x", "", 20, defaults.ReadTimeout - time.Second},
		{"in chunks", chunks, "1\r\nx\r\n", "0\r\n\r\n", 20, defaults.ReadTimeout - time.Second},
		{"one large chunk", chunks + "927c0\r\n", strings.Repeat("x", 300), "\r\n0\r\n\r\n", 2000, time.Second},
	} {
		var took time.Duration
		var err, cause error
		app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			begun := time.Now()
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, env.Input, make([]byte, 64<<10))
			took, cause = time.Since(begun), nil
			if err != nil {
				<-env.Context().Done()
				cause = context.Cause(env.Context())
			}
			return text(start, "hello")
		})
		inBubble(t, &nethttp.Server{Application: app}, func(b *bubble) {
			conn := b.l.dial()
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
		for timeout, want := range map[time.Duration]time.Duration{0: defaults.ReadTimeout, 7 * time.Second: 7 * time.Second} {
			inBubble(t, &nethttp.Server{Application: app, Limits: request.Limits{ReadTimeout: timeout}}, func(b *bubble) {
				conn := b.l.dial()
				defer conn.Close()
				go io.WriteString(conn, c.head+c.piece)
				s := b.answer(bufio.NewReader(conn))
				if s != "hello" || !errors.Is(err, os.ErrDeadlineExceeded) || took != want || cause != context.DeadlineExceeded {
					b.t.Errorf("%s, no more bytes: %q; Read: %v after %v, want %v; the Context's cause is %v", c.name, s, err, took, want, cause)
				}
			})
		}
		inBubble(t, &nethttp.Server{Application: app, Limits: request.Limits{ReadTimeout: -1}}, func(b *bubble) {
			conn := b.l.dial()
			go io.WriteString(conn, c.head+c.piece)
			time.AfterFunc(time.Hour, func() { conn.Close() })
			_, _ = io.Copy(io.Discard, conn)
			synctest.Wait()
			if errors.Is(err, os.ErrDeadlineExceeded) || took != time.Hour {
				b.t.Errorf("%s, without a timeout: Read: %v after %v", c.name, err, took)
			}
		})
	}
}

// Under HTTP/2 each stream has deadlines of its own.
func TestABodyHasATimeForItsNextBytesUnderHTTP2(t *testing.T) {
	const interval = 59 * time.Second // less than ReadTimeout
	for _, c := range []struct {
		name  string
		pause time.Duration   // of the application, after the first byte
		sends []time.Duration // the client sends a byte after each, and then the end
		stops bool            // or rather no end
		want  time.Duration   // how long the application reads
	}{
		{"slow bytes", 0, []time.Duration{interval, interval, interval}, false, 3 * interval},
		{"no more bytes", 0, []time.Duration{interval, interval}, true, 2*interval + defaults.ReadTimeout},
		{"nobody reads meanwhile", time.Hour, []time.Duration{0, time.Hour + interval}, false, time.Hour + interval},
	} {
		var took time.Duration
		var err, cause error
		app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["SERVER_PROTOCOL"] != "HTTP/2.0" {
				t.Errorf("the protocol is %s", env.Vars["SERVER_PROTOCOL"])
			}
			begun := time.Now()
			_, _ = io.ReadFull(env.Input, make([]byte, 1))
			time.Sleep(c.pause)
			_, err = io.Copy(io.Discard, env.Input)
			took, cause = time.Since(begun), context.Cause(env.Context())
			return text(start, "hello")
		})
		inTLSBubble(t, &nethttp.Server{Application: app}, func(b *bubble) {
			body, w := io.Pipe()
			defer w.Close()
			go func() {
				for _, interval := range c.sends {
					time.Sleep(interval)
					io.WriteString(w, "x")
				}
				if !c.stops {
					w.Close()
				}
			}()
			response, rerr := b.client().Post("https://x/", "text/plain", body)
			if rerr != nil {
				b.t.Errorf("%s: there is no answer: %v", c.name, rerr)
				return
			}
			defer response.Body.Close()
			got, _ := io.ReadAll(response.Body)
			isLate := errors.Is(err, os.ErrDeadlineExceeded)
			if string(got) != "hello" || took != c.want || c.stops != isLate || c.stops != (cause == context.DeadlineExceeded) {
				b.t.Errorf("%s: %q; Read: %v after %v, want %v; the Context's cause is %v", c.name, got, err, took, c.want, cause)
			}
		})
	}
}

// A deadline is for one Read or one Write. Behind the body net/http waits for the end of the
// connection, and later for the next request.
func TestAnApplicationMayTakeItsTime(t *testing.T) {
	const long = time.Hour
	for _, path := range []string{"none", "some", "all", "late", "hints", "stream"} {
		app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			done := env.Context().Done()
			switch path {
			case "some", "late":
				_, _ = io.ReadFull(env.Input, make([]byte, 5))
			case "all", "stream":
				_, _ = io.ReadAll(env.Input)
			case "hints":
				for range 2 {
					if err := nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>"}}); err != nil {
						t.Errorf("hints: %v", err)
					}
					time.Sleep(long)
				}
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
			return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
				if yield([]byte("he"), nil) {
					time.Sleep(long)
				}
				if yield([]byte("llo"), nil) {
					time.Sleep(long)
				}
			}), func() error { time.Sleep(long); return nil }), err
		})
		inBubble(t, &nethttp.Server{Application: app}, func(b *bubble) {
			c := b.l.dial()
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
		inTLSBubble(t, &nethttp.Server{Application: app}, func(b *bubble) {
			client := b.client()
			for range 2 {
				response, err := client.Post("https://x/"+path, "text/plain", strings.NewReader(strings.Repeat("x", 20)))
				if err != nil {
					b.t.Errorf("HTTP/2, %s: there is no answer: %v", path, err)
					return
				}
				if s, err := io.ReadAll(response.Body); string(s) != "hello" || err != nil || response.ProtoMajor != 2 {
					b.t.Errorf("%s, %s: the answer is %q, %v", response.Proto, path, s, err)
				}
				response.Body.Close()
			}
			synctest.Wait()
		})
	}
}

// The rest of a body that the application has not read gets the time that Handler gives it, and no
// ReadTimeout.
func TestWhatIsLeftOfABodyIsNotWaitedForLonger(t *testing.T) {
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, _ = env.Input.Read(make([]byte, 1))
		return text(start, "hello")
	})
	inBubble(t, &nethttp.Server{Application: app}, func(b *bubble) {
		c := b.l.dial()
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
		"hints":     func() (gateway.Headers, gateway.Body) { return nil, gateway.Bytes() },
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
			return lengthOf(size), gateway.Reader(f, 0)
		},
		"a file without a length": func() (gateway.Headers, gateway.Body) {
			f, err := os.Open(path)
			if err != nil {
				t.Error(err)
			}
			return nil, gateway.Reader(f, 0)
		},
	}
	for name, body := range bodies {
		app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			headers, body := body()
			if name == "hints" {
				_ = nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>"}})
			}
			_, err := start("200 OK", headers, nil)
			ctx := env.Context()
			_ = ctx.Done() // from here on it is told why it ends
			return gateway.OnClose(body, func() error {
				closed <- context.Cause(ctx)
				return nil
			}), err
		})
		inBubble(t, &nethttp.Server{Application: app}, func(b *bubble) {
			closed = make(chan error, 1)
			c := b.l.dial()
			defer c.Close()
			io.WriteString(c, hi)
			begun := time.Now()
			s := b.answer(bufio.NewReaderSize(slowReader{c}, 1500))
			if name == "none" || name == "hints" {
				<-closed
				return
			}
			if cause := <-closed; s != string(content) || cause != nil {
				b.t.Errorf("%s: a slow client gets %d bytes, want %d; the cause is %v", name, len(s), len(content), cause)
			}
			if took := time.Since(begun); took < 2*defaults.WriteTimeout { // or this shows nothing
				b.t.Errorf("%s: the client was not slow: %v", name, took)
			}
		})
		for timeout, want := range map[time.Duration]time.Duration{0: defaults.WriteTimeout, 7 * time.Second: 7 * time.Second} {
			inBubble(t, &nethttp.Server{Application: app, Limits: request.Limits{WriteTimeout: timeout}}, func(b *bubble) {
				closed = make(chan error, 1)
				c := b.l.dial()
				defer c.Close()
				io.WriteString(c, hi)
				io.ReadFull(c, make([]byte, 10))
				begun := time.Now()
				cause := <-closed
				if took := time.Since(begun); took != want || !errors.Is(cause, gateway.ErrDisconnected) {
					b.t.Errorf("%s: one that reads no more: Close came after %v, want %v; the cause is %v", name, took, want, cause)
				}
			})
		}
		inBubble(t, &nethttp.Server{Application: app, Limits: request.Limits{WriteTimeout: -1}}, func(b *bubble) {
			closed = make(chan error, 1)
			c := b.l.dial()
			io.WriteString(c, hi)
			io.ReadFull(c, make([]byte, 10))
			time.Sleep(time.Hour)
			if len(closed) > 0 {
				b.t.Errorf("%s: without a timeout the body was closed: %v", name, <-closed)
			}
			c.Close()
			<-closed
		})
	}
}

// A slowReader reads a packet a second, which is just enough for a part in its time.
type slowReader struct{ r io.Reader }

func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.r.Read(p[:min(len(p), 1500)])
}

// Under HTTP/2 a client that accepts no more loses its stream.
func TestAClientHasATimeToAcceptUnderHTTP2(t *testing.T) {
	closed := make(chan error, 1)
	block := bytes.Repeat([]byte("x"), 8<<20) // more than the client's window
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		ctx := env.Context()
		_ = ctx.Done()
		return gateway.OnClose(gateway.Bytes(block), func() error { closed <- context.Cause(ctx); return nil }), err
	})
	for _, reads := range []bool{true, false} {
		inTLSBubble(t, &nethttp.Server{Application: app}, func(b *bubble) {
			closed = make(chan error, 1)
			begun := time.Now()
			response, err := b.client().Get("https://x/")
			if err != nil {
				b.t.Errorf("there is no answer: %v", err)
				return
			}
			defer response.Body.Close()
			if reads {
				body, err := io.ReadAll(response.Body)
				if cause := <-closed; !bytes.Equal(body, block) || err != nil || cause != nil {
					b.t.Errorf("%d bytes arrive, %v; the cause is %v", len(body), err, cause)
				}
				return
			}
			cause := <-closed
			if took := time.Since(begun); took != defaults.WriteTimeout || !errors.Is(cause, gateway.ErrDisconnected) {
				b.t.Errorf("a client that reads nothing: Close came after %v, the cause is %v", took, cause)
			}
		})
	}
}

// A connection beyond the limit waits until another ends. A connection that is waiting when the
// server stops is left to another process.
func TestNoMoreConnectionsThanTheLimit(t *testing.T) {
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/wait" {
			<-env.Context().Done()
		}
		return text(start, "hello")
	})
	ask := func(c net.Conn, path string) {
		io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	limited := func(n int) *nethttp.Server {
		return &nethttp.Server{Application: app, Limits: request.Limits{MaxConns: n}}
	}
	inBubble(t, limited(2), func(b *bubble) {
		first, second, third := b.l.dial(), b.l.dial(), b.l.dial()
		for _, c := range []net.Conn{first, second, third} {
			defer c.Close()
			go ask(c, "/wait")
			synctest.Wait()
		}
		fourth := b.l.dial()
		defer fourth.Close()
		var answered atomic.Int32
		go func() {
			ask(fourth, "/")
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
	inBubble(t, limited(1), func(b *bubble) {
		c := b.l.dial()
		defer c.Close()
		r := bufio.NewReader(c)
		for range 3 { // a connection that is kept has its place
			go ask(c, "/")
			b.answer(r)
		}
		waiting := b.l.dial()
		defer waiting.Close()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.server.Shutdown(ctx); err != nil {
			b.t.Errorf("Shutdown has returned %v", err)
		}
	})
	inBubble(t, limited(1), func(b *bubble) {
		c := b.l.dial()
		defer c.Close()
		go ask(c, "/wait")
		synctest.Wait()
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
}

// A file goes out by sendfile, a part at a time, and a client that stops reading loses its
// connection.
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
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", gateway.Headers{{"Content-Length", env.Vars["QUERY_STRING"]}}, nil)
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
		s := &nethttp.Server{Application: app, ErrorLog: quiet, Limits: request.Limits{WriteTimeout: c.timeout}}
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

// A partListener counts the bytes that its connections' ReadFrom gets as parts of an *os.File.
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

// The comment of Server says what net/http makes of odd requests.
func TestWhatNetHTTPDecides(t *testing.T) {
	t.Parallel()
	left := make(chan struct{}, 1)
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := io.ReadAll(env.Input)
		if env.Vars["PATH_INFO"] == "/left" {
			select {
			case <-env.Context().Done():
				t.Error("net/http has noticed that the client has left")
			case <-time.After(300 * time.Millisecond):
			}
			_, err := start("200 OK", plain, nil)
			return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
				for block := make([]byte, 64<<10); yield(block, nil); {
				}
			}), func() error { left <- struct{}{}; return nil }), err
		}
		if err != nil {
			return nil, err
		}
		return text(start, fmt.Sprintf("%s %s %q;", env.Vars["REQUEST_METHOD"], env.Vars["PATH_INFO"], body))
	})
	addr := serveTCP(t, &nethttp.Server{Application: app, ErrorLog: quiet}, false)
	const last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for _, c := range []struct{ name, request, want string }{
		{"an empty line", "\r\n" + last, "400 Bad Request"},
		{"an empty line behind the body of a POST", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx\r\n" + last,
			`POST /p "x";GET /last "";`},
		{"chunks in HTTP/1.0", "POST /p HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" +
			"1\r\nx\r\n0\r\n\r\n" + last, `POST /p "";400 Bad Request`},
		{"a length beside chunks", "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" +
			"1\r\nx\r\n0\r\n\r\n" + last, `POST /p "x";GET /last "";`},
	} {
		got := ""
		for rest := send(t, addr, c.request); rest != ""; {
			_, body, _ := strings.Cut(rest, "\r\n\r\n")
			rest = ""
			if i := strings.Index(body, "HTTP/1."); i >= 0 {
				body, rest = body[:i], body[i:]
			}
			got += body
		}
		if got != c.want {
			t.Errorf("%s: the answers are %q, want %q", c.name, got, c.want)
		}
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /left HTTP/1.1\r\nHost: x\r\n\r\n")
	time.Sleep(50 * time.Millisecond)
	_, _ = io.WriteString(conn, "G")
	time.Sleep(50 * time.Millisecond)
	conn.Close()
	until(t, "a write that fails", left)
}
