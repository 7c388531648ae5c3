package fcgi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

// Shutdown lets what is going on come to its end, closes what is idle, and accepts nothing more.
func TestShutdownDrains(t *testing.T) {
	s := newScript(t)
	site := serve(t, s.call)
	idle, busy := site.dial(), site.dial()
	idle.roundTrip(1, get(1, "/echo"))
	busy.send(get(1, "/busy"))
	sc := s.next("/busy")
	done := make(chan error, 1)
	go func() { done <- site.server.Shutdown(context.Background()) }()
	if err := idle.end(); err != nil {
		t.Errorf("the idle connection ended with %v", err)
	}
	if err := wait(t, site.done, "the return of Serve"); !errors.Is(err, gateway.ErrShutdown) {
		t.Errorf("Serve returned %v", err)
	}
	site.done <- gateway.ErrShutdown // for the cleanup
	if _, err := net.Dial(site.addr.Network(), site.addr.String()); err == nil {
		t.Error("it still accepts connections")
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v while a request was going on", err)
	case <-time.After(10 * time.Millisecond):
	}
	if sc.env.Context().Err() != nil {
		t.Errorf("the context has ended: %v", context.Cause(sc.env.Context()))
	}
	busy.send(get(2, "/echo")) // on a connection where something goes on
	busy.read(2)
	sc.finish()
	if err := busy.end(); err != nil || busy.answer(1).body() != "answer to /busy" {
		t.Errorf("%v, %s", err, busy.all())
	}
	if err := wait(t, done, "the return of Shutdown"); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// When its time is over, Shutdown cancels the contexts, which say why, and returns; Close cuts what
// is left.
func TestShutdownRunsOutOfTime(t *testing.T) {
	s := newScript(t)
	site := serve(t, s.call)
	c := site.dial()
	c.send(get(1, "/busy"))
	sc := s.next("/busy")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- site.server.Shutdown(ctx) }()
	ended := sc.env.Context().Done()
	cancel()
	if err := wait(t, done, "the return of Shutdown"); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	wait(t, ended, "the end of the context")
	if err := context.Cause(sc.env.Context()); !errors.Is(err, gateway.ErrShutdown) {
		t.Errorf("the cause is %v, want ErrShutdown", err)
	}
	sc.finish() // what it answers still goes out
	if a := c.read(1); a.body() != "answer to /busy" {
		t.Errorf("%q", a.stdout)
	}
}

// Close does not wait, and what the application sends from then on fails.
func TestCloseCuts(t *testing.T) {
	for _, watch := range []bool{true, false} {
		s := newScript(t)
		site := serve(t, s.call)
		c := site.dial()
		c.send(get(1, "/busy"))
		sc := s.next("/busy")
		if watch {
			_ = sc.env.Context().Done()
		}
		result := make(chan error, 1)
		sc.do(func(sc *scene) {
			sc.body = gateway.Stream(func(yield func([]byte, error) bool) {
				for yield([]byte("more"), nil) {
				}
				result <- context.Cause(sc.env.Context())
			})
		})
		if err := site.server.Close(); err != nil {
			t.Error(err)
		}
		_ = c.end()
		if c.answer(1).ends > 0 {
			t.Errorf("it was answered: %s", c.all())
		}
		sc.finish()
		if err := wait(t, result, "the end of the stream"); !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("watched %v: the cause is %v, want ErrShutdown", watch, err)
		}
	}
}

func TestServeAfterShutdown(t *testing.T) {
	for range 20 {
		s := &fcgi.Server{Application: gateway.ApplicationFunc(hello)}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		l := listenUnix(t)
		if err := s.Serve(l); !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("Serve: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener is open: %v", err)
		}
	}
}

// Several listeners, one server.
func TestServeOnTwoListeners(t *testing.T) {
	site := serve(t, hello)
	l := listenTCP(t)
	done := make(chan error, 1)
	go func() { done <- site.server.Serve(l) }()
	other, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	newClient(t, other).roundTrip(1, get(1, "/"))
	site.dial().roundTrip(1, get(1, "/"))
	site.server.Close()
	if err := wait(t, done, "the return of Serve"); !errors.Is(err, gateway.ErrShutdown) {
		t.Error(err)
	}
}

// A flakyListener fails before it accepts.
type flakyListener struct {
	net.Listener
	errs []error
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	return l.Listener.Accept()
}

// Peers, finding 5: "EMFILE on accept ends Serve (process gone)".
func TestTooManyOpenFilesIsRetried(t *testing.T) {
	full := &net.OpError{Op: "accept", Net: "unix", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	s := serveOn(t, &flakyListener{listenUnix(t), []error{full, full, full}}, hello)
	if a := s.dial().roundTrip(1, get(1, "/")); a.stdout != helloAnswer {
		t.Errorf("%q", a.stdout)
	}
	if log := s.log.String(); strings.Count(log, "too many open files") != 3 {
		t.Errorf("the log has %q", log)
	}
	broken := errors.New("broken for good")
	if err := fcgi.Serve(&flakyListener{listenUnix(t), []error{broken}}, gateway.ApplicationFunc(hello)); !errors.Is(err, broken) {
		t.Errorf("Serve: %v, want what Accept returned", err)
	}
}

// Section 3.2: FCGI_WEB_SERVER_ADDRS says who may connect, over TCP.
func TestWebServerAddrs(t *testing.T) {
	for _, test := range []struct {
		value string
		tcp   bool
	}{
		{"127.0.0.1", true}, {"192.0.2.1, 127.0.0.1", true}, {"::ffff:127.0.0.1", true},
		{"192.0.2.1", false}, {"", false}, {"nonsense", false},
	} {
		t.Setenv("FCGI_WEB_SERVER_ADDRS", test.value)
		s := serveOn(t, listenTCP(t), hello)
		c := s.dial()
		c.send(get(1, "/"))
		if test.tcp {
			c.read(1)
		} else if _ = c.end(); len(c.answers) > 0 || !strings.Contains(s.log.String(), "FCGI_WEB_SERVER_ADDRS") {
			t.Errorf("%q: %s, the log has %q", test.value, c.all(), s.log)
		}
		if a := serve(t, hello).dial().roundTrip(1, get(1, "/")); a.stdout != helloAnswer { // nobody has an address there
			t.Errorf("%q over unix: %q", test.value, a.stdout)
		}
	}
}

// Section 2.2: a host or process manager that starts the program hands it the listening socket as
// file descriptor 0.
func TestListenerIsStdin(t *testing.T) {
	if os.Getenv("FCGI_TEST_CHILD") != "" {
		err := fcgi.Serve(nil, gateway.ApplicationFunc(hello))
		fmt.Println("Serve:", err)
		os.Exit(3)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]net.Listener{"unix": listenUnix(t), "tcp": listenTCP(t)} {
		file, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, "-test.run=^TestListenerIsStdin$")
		cmd.Env = append(os.Environ(), "FCGI_TEST_CHILD=1")
		cmd.Stdin = file
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		file.Close()
		conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if a := newClient(t, conn).roundTrip(1, get(1, "/")); a.stdout != helloAnswer {
			t.Errorf("%s: %q", name, a.stdout)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		l.Close()
	}
	// What is no socket is said, as when a spawner gives a pipe.
	cmd := exec.Command(exe, "-test.run=^TestListenerIsStdin$")
	cmd.Env = append(os.Environ(), "FCGI_TEST_CHILD=1")
	cmd.Stdin = strings.NewReader("")
	if out, err := cmd.Output(); cmd.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), "Serve:") {
		t.Errorf("with a pipe: %v, %q", err, out)
	}
}

// Connections that come and requests that begin while the server stops: each is answered whole, or
// its connection closed before anything was said.
func TestShutdownRaces(t *testing.T) {
	for range 30 {
		site := serve(t, hello)
		const n = 8
		results := make(chan string, n)
		for i := range n {
			c := site.dial()
			go func() {
				for range i {
					if _, err := io.WriteString(c.conn, get(1, "/")); err != nil {
						break
					}
					buf := make([]byte, len(helloAnswer)+8+24)
					if n, err := io.ReadFull(c.conn, buf); n > 0 && err != nil {
						results <- fmt.Sprintf("%d bytes, %v", n, err)
						return
					} else if err != nil {
						break
					}
				}
				c.conn.Close()
				results <- ""
			}()
		}
		if err := site.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		for range n {
			if s := wait(t, results, "a client's end"); s != "" {
				t.Error(s)
			}
		}
	}
}
