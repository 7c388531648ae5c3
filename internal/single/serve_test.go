package single_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
)

// Bodies of different sizes, many at a time: none has a byte of another's, whatever is reused.
func TestNoRequestSeesAnothersBody(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "unix", backend.Limits{}, echo)
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				for j := range 40 {
					want := strings.Repeat(fmt.Sprintf("<%d.%d>", i, j), 1+(i*j*37)%3000)
					if got := body(r.ask(p.request(fmt.Sprint(len(want))) + want)); got != want {
						t.Errorf("client %d, request %d: %d bytes that begin with %.50q, want %d of %.50q", i, j, len(got), got, len(want), want)
						return
					}
				}
			})
		}
		clients.Wait()
	})
}

func TestTheEnviron(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "tcp", backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			fmt.Fprint(env.Errors, "one entry\nof two lines")
			return ok(start, gateway.Text(fmt.Sprintf("%v %v %v %s %q %q %q %q %q", env.Multithread, env.Multiprocess, env.RunOnce, env.URLScheme,
				env.Vars["HTTP_X"], env.Vars["HTTP_COOKIE"], env.Vars["A"], env.Vars["HTTP_PROXY"], env.Vars["SERVER_NAME"])))
		})
		answer := r.ask(p.request("0", "HTTP_X", "1", "HTTP_X", "2", "HTTP_COOKIE", "a=1", "HTTP_COOKIE", "b=2", "A", "1", "A", "2",
			"HTTP_PROXY", "http://evil", "HTTPS", "on"))
		if want := `true true false https "1, 2" "a=1; b=2" "2" "" "localhost"`; body(answer) != want {
			t.Errorf("%s, want %s", body(answer), want)
		}
		if log := r.log.String(); log != "one entry\nof two lines\n" {
			t.Errorf("the log has %q", log)
		}
	})
}

// A response that is not whole does not look whole: TCP has a reset for that, a Unix socket at least no more bytes.
func TestABrokenResponse(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				_, err := start("200 OK", plain.Add("Content-Length", "10"), nil)
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
				if string(got) != "half" || network == "tcp" && !errors.Is(err, syscall.ECONNRESET) || network == "unix" && err != nil {
					t.Errorf("%s over %s: %q, %v", path, network, got, err)
				}
				if !strings.Contains(r.log.String(), path) {
					t.Errorf("%s: the log has %q", path, r.log.String())
				}
			}
		}
	})
}

// An application that fails before it has answered is answered for, and the server goes on.
func TestAnApplicationThatFails(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		r := p.start(t, "unix", backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
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

func TestShutdownWaitsAndThenTells(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		begun, end, cause := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		r := p.start(t, "tcp", backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
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
		r = p.start(t, "tcp", backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
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
		r := p.start(t, "tcp", backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
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

// A file goes out as it is, from where it stands, as much as was declared, over every kind of socket and none.
func TestAFile(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		want := make([]byte, 3<<20+12345)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			f, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			headers := plain
			if env.Vars["PATH_INFO"] == "/part" {
				f.Seek(1000, io.SeekStart)
				headers = plain.Add("Content-Length", "2000000")
			}
			_, err = start("200 OK", headers, nil)
			return gateway.Reader(f, 0), err
		}
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, backend.Limits{}, app)
			if got := body(r.ask(p.request("0"))); got != string(want) {
				t.Errorf("over %s: %d bytes, want %d", network, len(got), len(want))
			}
			if got := body(r.ask(p.request("0", "PATH_INFO", "/part"))); got != string(want[1000:2001000]) {
				t.Errorf("a part over %s: %d bytes, want 2000000", network, len(got))
			}
			c := r.dial() // a host that leaves in the middle is no fault
			io.WriteString(c, p.request("0"))
			io.ReadFull(c, make([]byte, 100000))
			c.Close()
			if err := r.s.Shutdown(t.Context()); err != nil || r.log.String() != "" {
				t.Errorf("a host that leaves over %s: %v, the log has %q", network, err, r.log.String())
			}
		}
	})
}

// A file that cannot be read is a fault of the application, and not a host that has left.
func TestAFileThatCannotBeRead(t *testing.T) {
	each(t, func(t *testing.T, p *protocol) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, network := range []string{"tcp", "unix"} {
			r := p.start(t, network, backend.Limits{}, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				f, err := os.Open(path)
				if err != nil {
					return nil, err
				}
				if env.Vars["PATH_INFO"] == "/closed" {
					f.Close()
				}
				_, err = start("200 OK", plain, nil)
				return gateway.Reader(f, 0), err
			})
			if got := r.ask(p.request("0", "PATH_INFO", "/closed")); !strings.Contains(got, " 500 ") {
				t.Errorf("%s: %.100q", network, got)
			}
			if log := r.log.String(); !strings.Contains(log, "file already closed") {
				t.Errorf("%s: the log has %q", network, log)
			}
		}
	})
}
