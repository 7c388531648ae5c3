package fcgi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

// Hosts do not look at END_REQUEST's status. What tells them that a response is not whole is that
// there is no END_REQUEST; and nginx, which takes the end of the connection for that of a response,
// a record that it does not expect.
func TestBrokenResponseHasNoEnd(t *testing.T) {
	boom := errors.New("boom")
	for name, l := range map[string]func(testing.TB) net.Listener{"unix": listenUnix, "tcp": listenTCP} {
		for how, app := range map[string]gateway.ApplicationFunc{
			"error": func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				_, err := start("200 OK", plain, nil)
				return gateway.Stream(func(yield func([]byte, error) bool) {
					_ = yield([]byte("begun"), nil) && yield(nil, boom)
				}), err
			},
			"panic": func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				w, _ := start("200 OK", plain, nil)
				_, _ = io.WriteString(w, "begun")
				panic(boom)
			},
			"goexit": func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				w, _ := start("200 OK", plain, nil)
				_, _ = io.WriteString(w, "begun")
				runtime.Goexit()
				return nil, nil
			},
			"short": func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				_, err := start("200 OK", plain.Append("Content-Length", "99"), nil)
				return gateway.Text("begun"), err
			},
		} {
			for _, flags := range []byte{0, keepConn} {
				s := serveOn(t, l(t), app)
				c := s.dial()
				c.send(request(1, flags, "GET", "/", ""))
				err := c.end()
				a := c.answer(1)
				if a.ends > 0 || a.stdoutEnds > 0 || how != "short" && a.body() != "begun" || err != nil {
					t.Errorf("%s over %s: %v, %+v", how, name, err, a)
				}
				if len(c.values) != 1 || c.values[0] != "" {
					t.Errorf("%s over %s: the management records are %q, want an empty one", how, name, c.values)
				}
				if s.log.String() == "" {
					t.Errorf("%s over %s: nothing was logged", how, name)
				}
			}
		}
	}
}

// lighttpd takes a response for whole whose last block and end it gets at once.
func TestTheEndOfABrokenResponseComesAfterAPause(t *testing.T) {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			_ = yield([]byte("begun"), nil) && yield(nil, errors.New("boom"))
		}), err
	}
	inBubble(t, app, nil, func(b *bubble) {
		c := b.dial()
		c.send(get(1, "/"))
		c.until("the sign", func() bool { return len(c.values) == 1 })
		if got := time.Since(b.begun); got != 0 {
			t.Errorf("the block came after %v", got)
		}
		if err := c.end(); err != nil || time.Since(b.begun) != time.Millisecond {
			t.Errorf("the end came after %v, %v, want a millisecond", time.Since(b.begun), err)
		}
	})
}

// What a host must not send ends the requests that are going on, also where nobody has asked for
// the end of the Context.
func TestGarbageEndsTheContextOfAnApplicationThatDoesNotWatch(t *testing.T) {
	stopped := make(chan error, 1)
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
			for yield([]byte("x"), nil) {
				time.Sleep(time.Millisecond)
			}
		}), func() error { stopped <- context.Cause(env.Context()); return nil }), err
	}).dial()
	c.send(get(1, "/"), "\x07garbage")
	if err := wait(t, stopped, "the end of the stream"); !errors.Is(err, gateway.ErrDisconnected) {
		t.Errorf("the cause is %v", err)
	}
}

// The others on the connection come to their end first, and get all of it.
func TestBrokenResponseLeavesOthersTheirAnswer(t *testing.T) {
	for name, l := range map[string]func(testing.TB) net.Listener{"unix": listenUnix, "tcp": listenTCP} {
		s := newScript(t)
		c := serveOn(t, l(t), s.call).dial()
		c.send(get(1, "/a"))
		a := s.next("/a")
		c.send(get(2, "/b"))
		b := s.next("/b")
		b.do(func(sc *scene) {
			sc.body = gateway.Stream(func(yield func([]byte, error) bool) {
				_ = yield([]byte("begun"), nil) && yield(nil, errors.New("boom"))
			})
		})
		b.finish()
		c.until("b's output", func() bool {
			return strings.HasSuffix(c.answer(2).stdout, "begun") && strings.Contains(c.answer(2).stderr, "boom")
		})
		// A request that comes now cannot be served, and does not wait for the others to find that out.
		refused := func() bool {
			r := c.roundTrip(3, get(3, "/echo"))
			return r.status == overloaded && r.stdout == ""
		}
		for tries := 0; !refused(); tries++ { // b has perhaps not quite come to its end
			if tries == 1000 {
				t.Fatalf("%s: requests are served on the connection that is to end", name)
			}
		}
		text := strings.Repeat("x", 1<<20)
		a.do(func(sc *scene) { sc.body = gateway.Text(text) })
		a.finish()
		err := c.end()
		if got := c.answer(1); got.body() != text || got.ends != 1 {
			t.Errorf("%s: %v, a got %d bytes, %d ends", name, err, len(got.body()), got.ends)
		}
		if c.answer(2).ends != 0 || len(c.values) != 1 {
			t.Errorf("%s: b ended as if it were whole", name)
		}
	}
}

// An application that fails before anything was sent gets the page, and the connection goes on.
func TestFailuresBeforeTheHead(t *testing.T) {
	for how, app := range map[string]gateway.ApplicationFunc{
		"error": func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errors.New("boom") },
		"panic": func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { panic("boom") },
		"goexit": func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
			runtime.Goexit()
			return nil, nil
		},
		"slow goexit": func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
			time.Sleep(5 * time.Millisecond)
			runtime.Goexit()
			return nil, nil
		},
		"no start": func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return gateway.Text("x"), nil },
	} {
		s := serve(t, app)
		c := s.dial()
		for range 3 {
			a := c.roundTrip(1, get(1, "/"))
			if a.line("Status") != "500 Internal Server Error" || a.body() != "500 Internal Server Error\n" || a.status != requestComplete {
				t.Errorf("%s: %+v", how, a)
			}
			if a.stderr == "" || strings.Contains(a.stdout, "boom") {
				t.Errorf("%s: stderr %q, stdout %q", how, a.stderr, a.stdout)
			}
		}
		c.send(get(1, "/"), get(2, "/"), get(3, "/")) // beside each other
		for id := uint16(1); id <= 3; id++ {
			c.read(id)
		}
	}
}

// A context of which nobody asked for Done costs no goroutine, and the application comes to its
// end; one who asked is told.
func TestDisconnect(t *testing.T) {
	for name, l := range map[string]func(testing.TB) net.Listener{"unix": listenUnix, "tcp": listenTCP} {
		s := newScript(t)
		site := serveOn(t, l(t), s.call)

		c := site.dial()
		c.send(get(1, "/watching"))
		a := s.next("/watching")
		done := a.env.Context().Done()
		c.conn.Close()
		wait(t, done, "the end of the context")
		if err := context.Cause(a.env.Context()); !errors.Is(err, gateway.ErrDisconnected) {
			t.Errorf("%s: the cause is %v, want ErrDisconnected", name, err)
		}
		a.finish()

		c = site.dial()
		c.send(get(1, "/later")) // has left before anybody asks
		a = s.next("/later")
		c.conn.Close()
		time.Sleep(5 * time.Millisecond) // either order is fine
		wait(t, a.env.Context().Done(), "the end of the context")
		if err := context.Cause(a.env.Context()); !errors.Is(err, gateway.ErrDisconnected) {
			t.Errorf("%s: the cause is %v, want ErrDisconnected", name, err)
		}
		a.finish()

		c = site.dial()
		c.send(head(1, keepConn, "POST", "/reading", "CONTENT_LENGTH", "10"), rec(stdinRecord, 1, "some"))
		a = s.next("/reading")
		c.conn.Close()
		result := make(chan error, 1)
		a.do(func(sc *scene) {
			_, err := io.ReadAll(sc.env.Input)
			result <- err
		})
		if err := wait(t, result, "the end of the body"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: the body ended with %v, want ErrUnexpectedEOF", name, err)
		}
		a.finish()

		c = site.dial()
		c.send(get(1, "/writing"))
		a = s.next("/writing")
		a.do(func(sc *scene) {
			sc.body = gateway.Stream(func(yield func([]byte, error) bool) {
				for yield(make([]byte, 1000), nil) {
				}
				result <- context.Cause(sc.env.Context())
			})
		})
		a.finish()
		c.until("output", func() bool { return len(c.answer(1).stdout) > 5000 })
		c.conn.Close()
		if err := wait(t, result, "the end of the stream"); !errors.Is(err, gateway.ErrDisconnected) {
			t.Errorf("%s: the cause is %v, want ErrDisconnected", name, err)
		}
	}
}

// An acceptCounter counts the calls of Accept: once there is one more than there are clients, a
// goroutine serves each.
type acceptCounter struct {
	net.Listener
	calls atomic.Int64
}

func (l *acceptCounter) Accept() (net.Conn, error) {
	l.calls.Add(1)
	return l.Listener.Accept()
}

// served reports whether some connection has a goroutine, be it one that has not come to it yet.
func served() bool {
	all := stacks()
	return strings.Contains(all, "fcgi.(*conn)") ||
		strings.Contains(all, "created by example.com/gateway/internal/acceptor.(*Server).Serve in ")
}

// A thousand clients that vanish, at every point of a request, leave neither a goroutine nor memory.
func TestVanishedClients(t *testing.T) {
	l := &acceptCounter{Listener: listenUnix(t)}
	s := serveOn(t, l, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if strings.HasPrefix(env.Vars["PATH_INFO"], "/waits") {
			<-env.Context().Done()
		}
		return echo(env, start)
	})
	whole := request(1, keepConn, "POST", "/waits", strings.Repeat("x", 1000))
	dialled := int64(0)
	vanish := func(n int) {
		for i := range n {
			c := s.dial()
			c.send(whole[:len(whole)*i/n+1])
			c.conn.Close()
		}
		dialled += int64(n)
		for stop := time.Now().Add(patience); l.calls.Load() <= dialled; time.Sleep(time.Millisecond) {
			if time.Now().After(stop) {
				t.Fatal("some are still to be accepted")
			}
		}
		for stop := time.Now().Add(patience); served() && time.Now().Before(stop); {
			time.Sleep(time.Millisecond)
		}
	}
	vanish(100)
	var before, after runtime.MemStats
	collect := func(stats *runtime.MemStats) {
		for range 3 { // what is in a sync.Pool lives for two collections
			runtime.GC()
		}
		runtime.ReadMemStats(stats)
	}
	collect(&before)
	vanish(1000)
	collect(&after)
	if served() {
		t.Errorf("goroutines are left:\n%.3000s", goroutines())
	}
	// The test itself keeps a bit of each client.
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d bytes are left", grown)
	}
	if a := s.dial().roundTrip(1, get(1, "/")); a.body() != "/ " {
		t.Errorf("afterwards: %q", a.stdout)
	}
}

// Each limit is on by default, can be set, and answers with its status; the connection goes on.
func TestLimits(t *testing.T) {
	many := func(n int) []string {
		list := []string{}
		for i := range n {
			list = append(list, "X"+strings.Repeat("I", i), "")
		}
		return list
	}
	const tooLarge, tooMany = "413 Content Too Large", "431 Request Header Fields Too Large"
	for _, test := range []struct {
		name    string
		set     func(*fcgi.Server)
		request string
		want    string
	}{
		{"MaxHeaderBytes by default, kept", nil, get(1, "/", "X", strings.Repeat("x", 1<<20-200)), "200 OK"},
		{"MaxHeaderBytes by default", nil, get(1, "/", "X", strings.Repeat("x", 1<<20)), tooMany},
		{"MaxHeaderBytes kept", func(s *fcgi.Server) { s.MaxHeaderBytes = 1000 }, get(1, "/", "X", strings.Repeat("x", 800)), "200 OK"},
		{"MaxHeaderBytes", func(s *fcgi.Server) { s.MaxHeaderBytes = 1000 }, get(1, "/", "X", strings.Repeat("x", 1000)), tooMany},
		{"MaxHeaderBytes, far beyond", func(s *fcgi.Server) { s.MaxHeaderBytes = 1000 }, get(1, "/", "X", strings.Repeat("x", 10<<20)), tooMany},
		{"MaxHeaderBytes off", func(s *fcgi.Server) { s.MaxHeaderBytes = -1 }, get(1, "/", "X", strings.Repeat("x", 4<<20)), "200 OK"},
		{"MaxHeaders by default", nil, get(1, "/", many(1000)...), tooMany},
		{"MaxHeaders kept", func(s *fcgi.Server) { s.MaxHeaders = 16 }, get(1, "/", many(10)...), "200 OK"},
		{"MaxHeaders", func(s *fcgi.Server) { s.MaxHeaders = 16 }, get(1, "/", many(11)...), tooMany},
		{"MaxHeaders off", func(s *fcgi.Server) { s.MaxHeaders = -1 }, get(1, "/", many(1100)...), "200 OK"},
		{"MaxBodyBytes off by default", nil, request(1, keepConn, "POST", "/", strings.Repeat("x", 2<<20)), "200 OK"},
		{"MaxBodyBytes kept", func(s *fcgi.Server) { s.MaxBodyBytes = 1000 }, request(1, keepConn, "POST", "/", strings.Repeat("x", 1000)), "200 OK"},
		{"MaxBodyBytes", func(s *fcgi.Server) { s.MaxBodyBytes = 1000 }, request(1, keepConn, "POST", "/", strings.Repeat("x", 1001)), tooLarge},
		{"MaxBodyBytes, unknown length", func(s *fcgi.Server) { s.MaxBodyBytes = 1000 },
			request(1, keepConn, "POST", "/", strings.Repeat("x", 1001), "CONTENT_LENGTH", ""), "400 gateway: request has too large a body"},
		{"MaxBodyBytes, unknown length, kept", func(s *fcgi.Server) { s.MaxBodyBytes = 1000 },
			request(1, keepConn, "POST", "/", strings.Repeat("x", 1000), "CONTENT_LENGTH", ""), "200 OK"},
	} {
		set := test.set
		if set == nil {
			set = func(*fcgi.Server) {}
		}
		c := serve(t, echo, set).dial()
		for range 2 {
			c.sendAside(test.request)
			if a := c.read(1); a.line("Status") != test.want {
				t.Errorf("%s: %.200q, want %s", test.name, a.stdout, test.want)
			}
		}
		if a := c.roundTrip(1, get(1, "/")); a.body() != "/ " {
			t.Errorf("%s: afterwards %.200q", test.name, a.stdout)
		}
	}
}

// More requests than MaxRequests get a 503, and FCGI_OVERLOADED for hosts that look.
func TestMaxRequests(t *testing.T) {
	s := newScript(t)
	site := serve(t, s.call, func(s *fcgi.Server) { s.MaxRequests = 2 })
	one, two := site.dial(), site.dial()
	one.send(get(1, "/a"))
	a := s.next("/a")
	two.send(get(1, "/b"))
	b := s.next("/b")
	for range 3 {
		if r := one.roundTrip(2, get(2, "/echo")); r.line("Status") != "503 Service Unavailable" || r.status != overloaded {
			t.Errorf("%+v", r)
		}
	}
	a.finish()
	one.read(1)
	r := two.roundTrip(2, get(2, "/echo"))
	for r.status == overloaded { // a request's end arrives before its place is free
		r = two.roundTrip(2, get(2, "/echo"))
	}
	if r.body() != "/echo " || r.status != requestComplete {
		t.Errorf("%+v", r)
	}
	b.finish()
	two.read(1)
}

// Connections beyond MaxConns wait in the kernel until another one has ended.
func TestMaxConns(t *testing.T) {
	s := serve(t, hello, func(s *fcgi.Server) { s.MaxConns = 2 })
	one, two, three := s.dial(), s.dial(), s.dial()
	one.roundTrip(1, get(1, "/"))
	two.roundTrip(1, get(1, "/"))
	three.send(get(1, "/"))
	three.silent()
	one.conn.Close()
	if a := three.read(1); a.stdout != helloAnswer {
		t.Errorf("%q", a.stdout)
	}
	_ = two
}
