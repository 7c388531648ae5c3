package oneshot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
)

func TestTheEnviron(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "tcp", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				fmt.Fprint(env.Errors, "one entry\nof two lines")
				return ok(start, gateway.Text(fmt.Sprintf("%v %v %v %s %q %q %q %q %q", env.Multithread,
					env.Multiprocess, env.RunOnce, env.URLScheme,
					env.Vars["HTTP_X"], env.Vars["HTTP_COOKIE"], env.Vars["A"], env.Vars["HTTP_PROXY"],
					env.Vars["SERVER_NAME"])))
			})
		answer := r.ask(p.request("0", "HTTP_X", "1", "HTTP_X", "2", "HTTP_COOKIE", "a=1",
			"HTTP_COOKIE", "b=2", "A", "1", "A", "2",
			"HTTP_PROXY", "http://evil", "HTTPS", "on"))
		if want := `true true false https "1, 2" "a=1; b=2" "2" "" "localhost"`; body(answer) != want {
			t.Errorf("%s, want %s", body(answer), want)
		}
		if log := r.log.String(); log != "one entry\nof two lines\n" {
			t.Errorf("the log has %q", log)
		}
	})
}

// Many requests at a time have bodies of different sizes, and no body has a byte of another.
func TestNoRequestSeesAnothersBody(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "unix", request.Limits{}, echo)
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				for j := range 40 {
					want := strings.Repeat(fmt.Sprintf("<%d.%d>", i, j), 1+(i*j*37)%3000)
					if got := body(r.ask(p.request(fmt.Sprint(len(want))) + want)); got != want {
						t.Errorf("client %d, request %d: %d bytes that begin with %.50q, want %d of %.50q",
							i, j, len(got), got, len(want), want)
						return
					}
				}
			})
		}
		clients.Wait()
	})
}

// A refused request is answered, and the answer arrives although the host is still sending.
func TestWhatIsRefused(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		limits := request.Limits{MaxHeaders: 20, MaxHeaderBytes: 2000, MaxBodyBytes: 1000}
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
				{"too large variables", "431", "too many or too large headers",
					p.request("2000000", "A", strings.Repeat("x", 2000))},
				{"too large a body", "413", "too large a body", p.request("2000000")},
				{"an absurd length", "413", "too large a body", p.request("9223372036854775807")},
				{"a length that overflows", "400", "CONTENT_LENGTH", p.request("9223372036854775808")},
				{"a negative length", "400", "CONTENT_LENGTH", p.request("-1")},
				{"a length with a sign", "400", "CONTENT_LENGTH", p.request("+5")},
				{"two lengths", "400", "CONTENT_LENGTH is there twice", p.request("5", "CONTENT_LENGTH", "6")},
				{"raw chunks in another coding", "411", "unknown length", p.request("", "HTTP_TRANSFER_ENCODING", "gzip, chunked")},
				{"a tunnel", "501", "tunnel", p.request("2000000", "REQUEST_METHOD", "-", "REQUEST_METHOD", "CONNECT")},
				{"a target that is no path", "400", "REQUEST_URI", p.request("2000000", "REQUEST_URI", "a:b")},
				// nginx with scgi_request_buffering off has in CONTENT_LENGTH what has come.
				{"a length of nothing beside the client's", "400", "CONTENT_LENGTH is not what the client has sent",
					p.request("0", "HTTP_CONTENT_LENGTH", "9")},
				{"a length of a part beside the client's", "400", "CONTENT_LENGTH is not what the client has sent",
					p.request("4", "HTTP_CONTENT_LENGTH", "9")},
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
			answer := r.ask(p.request("", "HTTP_TRANSFER_ENCODING", "chunked") + "0\r\n\r\n")
			if strings.Contains(answer, " 411 ") != (p.name == "scgi") {
				t.Errorf("chunks over %s: %q", network, answer)
			}
			if answer := r.ask(p.request("1000") + strings.Repeat("x", 1000)); body(answer) != "hello" {
				t.Errorf("a body as large as may be: %q", answer)
			}
		}
	})
}

// A response that was cut off does not look whole: over TCP there is a reset, and over a Unix
// socket no byte follows.
func TestABrokenResponse(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, request.Limits{},
				func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
					_, err := start("200 OK", plain.Append("Content-Length", "10"), nil)
					return gateway.Stream(func(yield func([]byte, error) bool) {
						if !yield([]byte("half"), nil) {
							return
						}
						switch env.Vars["PATH_INFO"] {
						case "/error":
							yield(nil, errors.New("no more"))
						case "/panic":
							panic("no more")
						case "/goexit":
							runtime.Goexit()
						}
					}), err
				})
			for _, path := range []string{"/short", "/error", "/panic", "/goexit"} {
				c := r.dial()
				io.WriteString(c, p.request("0", "PATH_INFO", path))
				br := readHead(t, c)
				got, err := io.ReadAll(br)
				if string(got) != "half" || network == "tcp" && !errors.Is(err, syscall.ECONNRESET) ||
					network == "unix" && err != nil {
					t.Errorf("%s over %s: %q, %v", path, network, got, err)
				}
				if !strings.Contains(r.log.String(), path) {
					t.Errorf("%s: the log has %q", path, r.log.String())
				}
			}
		}
	})
}

// For an application that fails before it has answered, the host gets an error page, and the server
// goes on.
func TestAnApplicationThatFails(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "unix", request.Limits{},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				switch env.Vars["PATH_INFO"] {
				case "/panic":
					panic("secret")
				case "/error":
					return nil, errors.New("secret")
				case "/goexit":
					runtime.Goexit()
				case "/nothing":
					return nil, nil
				}
				return ok(start, gateway.Text("hello"))
			})
		for _, path := range []string{"/panic", "/error", "/goexit", "/nothing"} {
			answer := r.ask(p.request("0", "PATH_INFO", path))
			if !strings.Contains(answer, " 500 Internal Server Error\r\n") || strings.Contains(answer, "secret") {
				t.Errorf("%s: %q", path, answer)
			}
			if !strings.Contains(r.log.String(), "POST "+path+": ") {
				t.Errorf("%s: the log has %q", path, r.log.String())
			}
			r.answers("/")
		}
	})
}

// The response is whole before the application ends its goroutine, and stays whole: the connection
// is not reset, although nobody has read the request's body.
func TestAWholeResponseBeforeGoexitStaysWhole(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, request.Limits{},
				func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
					body := gateway.Text("hello")
					switch env.Vars["PATH_INFO"] {
					case "/call":
						runtime.Goexit()
					case "/written":
						w, err := start("200 OK", gateway.Headers{{"Content-Length", "5"}}, nil)
						if err != nil {
							return nil, err
						}
						_, _ = io.WriteString(w, "hello")
						runtime.Goexit()
					case "/stream":
						body = gateway.Reader(strings.NewReader("hello"), 2)
					}
					return ok(start, gateway.OnClose(body, func() error { runtime.Goexit(); return nil }))
				})
			for path, want := range map[string]string{"/call": "500 Internal Server Error\n",
				"/written": "hello", "/text": "hello", "/stream": "hello"} {
				for range 20 {
					answer := r.ask(p.request("100000", "PATH_INFO", path) + strings.Repeat("x", 100000))
					if body(answer) != want {
						t.Fatalf("%s over %s: %q", path, network, answer)
					}
				}
			}
			if n := strings.Count(r.log.String(), "the application ended its goroutine"); n != 80 {
				t.Errorf("over %s the log has %d lines of 80", network, n)
			}
		}
	})
}

// An answer that is given before the body was read arrives although the host is still sending.
func TestAnAnswerBeforeTheBodyWasReadArrives(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		const size = 8 << 20
		for _, network := range []string{"tcp", "unix"} {
			inRead := make(chan error, 1)
			r := p.start(t, network, request.Limits{},
				func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
					switch env.Vars["PATH_INFO"] {
					case "/some":
						io.CopyN(io.Discard, env.Input, 100000)
					case "/left": // httputil.ReverseProxy does so when its own server answers early
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
				// The host reads nothing before it has sent all, for which somebody must read.
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
			r := p.start(t, "tcp", request.Limits{}, app)
			var memory runtime.MemStats
			for range 3 { // the content of a sync.Pool survives two collections
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
			for range 3 { // the content of a sync.Pool survives two collections
				runtime.GC()
			}
			runtime.ReadMemStats(&memory)
			if memory.HeapAlloc > heap+4<<20 {
				t.Errorf("the heap has grown from %d to %d bytes", heap, memory.HeapAlloc)
			}
		})
	}
}
