package fcgi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

// Shutdown lets the requests that are going on come to their end, closes what is quiet, and accepts
// nothing more.
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

// A host sends its next request on a kept connection when it has the answer to the last, and cannot
// know that the server stops. Each request is answered, and the connection ends when it is quiet.
func TestShutdownUnderALoopingHost(t *testing.T) {
	t.Parallel()
	const servers, parallel = 1000, 50
	var lost, answered atomic.Int64
	one := func(network string) {
		l := listenUnix(t)
		if network == "tcp" {
			l = listenTCP(t)
		}
		server := &fcgi.Server{Application: gateway.ApplicationFunc(echo), ErrorLog: log.New(io.Discard, "", 0)}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		c := newClient(t, conn)
		stopped := make(chan error, 1)
		stopAt, stopLooping := 5+rand.IntN(10), 20+rand.IntN(20)
		var stop time.Time
		sent := time.Now() // when the last request was sent
		for i := range stopLooping {
			if i == stopAt {
				stop = time.Now()
				go func() { stopped <- server.Shutdown(context.Background()) }()
			}
			id := uint16(i + 1)
			text := get(id, "/echo")
			if i%2 == 0 {
				text = request(id, keepConn, "POST", "/echo", "body")
			}
			before := sent // the one before
			sent = time.Now()
			_, err := io.WriteString(conn, text)
			for err == nil && c.answer(id).ends == 0 {
				err = c.record()
			}
			// The server waits for half a second behind its answer to the request before.
			slow := time.Since(before) > 450*time.Millisecond || time.Since(stop) > time.Second
			if err != nil && c.answer(id).stdout == "" && !stop.IsZero() && slow {
				conn.Close()
				<-stopped
				<-served
				return // the machine is so slow that the server had the right to end the connection
			}
			if err != nil {
				t.Errorf("request %d of %d, with the stop at %d: %v", i, stopLooping, stopAt, err)
				lost.Add(1)
				break
			}
			answered.Add(1)
		}
		quietSince := time.Now()
		if err := c.end(); err != nil {
			t.Errorf("the connection ends with %v", err)
		}
		// A server that has waited for a request for a second asks for the end of the connection
		// behind an answer, and waits for the host to close its half.
		conn.Close()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if took := time.Since(quietSince); took > 2*time.Second {
			t.Errorf("Shutdown returned %v after the last answer", took)
		}
		<-served
	}
	var all sync.WaitGroup
	free := make(chan struct{}, parallel)
	for i := range servers {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			one([]string{"unix", "tcp"}[i%2])
		})
	}
	all.Wait()
	if lost.Load() > 0 {
		t.Errorf("%d requests were lost, %d answered", lost.Load(), answered.Load())
	}
}

// A part of a request does not hold Shutdown, however long ReadHeaderTimeout is.
func TestShutdownDoesNotWaitForTheRestOfARequest(t *testing.T) {
	for name, part := range map[string]string{
		"nothing":           "",
		"a byte":            "\x01",
		"a BEGIN_REQUEST":   begin(1, responder, keepConn),
		"a half of a query": begin(1, responder, keepConn) + rec(paramsRecord, 1, "\x0e\x03REQUEST"),
	} {
		inBubble(t, echo, nil, func(b *bubble) {
			fresh, kept := b.dial(), b.dial()
			b.answers("before", kept)
			for _, c := range []*client{fresh, kept} {
				c.sendAside(part)
			}
			synctest.Wait()
			start := time.Now()
			if err := b.server.Shutdown(context.Background()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s: Shutdown took %v", name, took)
			}
		})
	}
}

// nginx is told with each answer not to use the connection again, in one write with the answer's
// end. A request that it sends all the same is answered. No other host gets that record, which
// would hide the end of the connection from Apache.
func TestNginxIsToldThatTheServerStops(t *testing.T) {
	for software, told := range map[string]bool{"nginx/1.22.1": true, "Apache/2.4.71 (Debian)": false, "": false} {
		inBubble(t, echo, nil, func(b *bubble) {
			c := b.dial()
			c.farewell = told
			ask := func(i int) {
				t.Helper()
				if a := c.roundTrip(1, get(1, "/echo", "SERVER_SOFTWARE", software)); a.body() != "/echo " {
					t.Errorf("%q, answer %d: %q", software, i, a.stdout)
				}
			}
			ask(0)
			done := make(chan error, 1)
			go func() { done <- b.server.Shutdown(context.Background()) }()
			for i := 1; i < 3; i++ {
				time.Sleep(499 * time.Millisecond)
				if c.farewells > 0 {
					t.Errorf("%q: there is a farewell before answer %d", software, i)
				}
				ask(i)
				if told {
					if err := c.record(); err != nil || c.farewells != 1 {
						t.Errorf("%q, after answer %d: %d farewells, %v", software, i, c.farewells, err)
					}
					c.farewells = 0
				}
			}
			b.endsAfter("quiet", c, 500*time.Millisecond)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// A host that goes on for longer than a second gets the end of the connection right behind an
// answer: it must not wait for the body's Close, and send its next request meanwhile.
func TestAHostThatGoesOnGetsTheEndOfTheConnection(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	site := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := echo(env, start)
		return gateway.OnClose(body, func() error {
			if env.Vars["PATH_INFO"] == "/last" {
				<-release
			}
			return nil
		}), err
	})
	c := site.dial()
	c.roundTrip(1, get(1, "/echo"))
	done := make(chan error, 1)
	begun := time.Now()
	go func() { done <- site.server.Shutdown(context.Background()) }()
	for time.Since(begun) < 700*time.Millisecond {
		time.Sleep(100 * time.Millisecond)
		c.roundTrip(1, get(1, "/echo"))
	}
	time.Sleep(time.Until(begun.Add(1100 * time.Millisecond)))
	if a := c.roundTrip(1, get(1, "/last")); a.body() != "/last " {
		t.Errorf("the last answer is %q", a.stdout)
	}
	if err := c.end(); err != nil {
		t.Errorf("the connection ends with %v", err)
	}
	close(release)
	c.conn.Close()
	if err := wait(t, done, "the return of Shutdown"); err != nil {
		t.Error(err)
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
