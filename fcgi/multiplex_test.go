package fcgi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

// A script is an application that does what a test sends to it, a request by its path.
type script struct {
	t     testing.TB
	calls chan *scene
}

// A scene is one call of the script, which stays in it until the test lets it go on.
type scene struct {
	env  *gateway.Environ
	path string
	acts chan func(*scene)
	done chan struct{}
	body gateway.Body
	err  error
}

func newScript(t testing.TB) *script { return &script{t, make(chan *scene, 100)} }

func (s *script) call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	sc := &scene{env: env, path: env.Vars["PATH_INFO"], acts: make(chan func(*scene)), done: make(chan struct{})}
	defer close(sc.done)
	if strings.HasPrefix(sc.path, "/echo") {
		return echo(env, start)
	}
	s.calls <- sc
	for act := range sc.acts {
		act(sc)
	}
	_, err := start("200 OK", plain, nil)
	if sc.body == nil {
		sc.body = gateway.Text("answer to " + sc.path)
	}
	return sc.body, errors.Join(err, sc.err)
}

// next waits for the next call.
func (s *script) next(path string) *scene {
	s.t.Helper()
	sc := wait(s.t, s.calls, "the call for "+path)
	if sc.path != path {
		s.t.Fatalf("called for %s, want %s", sc.path, path)
	}
	return sc
}

func (sc *scene) do(f func(*scene)) { sc.acts <- f }
func (sc *scene) finish()           { close(sc.acts) }

// Eight uploads, a record of each in turn.
func TestInterleavedUploads(t *testing.T) {
	c := serve(t, echo).dial()
	const n = 8
	bodies := make([]string, n)
	records := make([][]string, n)
	for i := range n {
		id := uint16(i + 1)
		bodies[i] = strings.Repeat(string(rune('a'+i)), 300_000+i)
		list := pairs("REQUEST_METHOD", "POST", "PATH_INFO", fmt.Sprint("/", i), "CONTENT_LENGTH", fmt.Sprint(len(bodies[i])))
		records[i] = append(records[i], begin(id, responder, keepConn))
		for j := 0; j < len(list); j += 10 {
			records[i] = append(records[i], rec(paramsRecord, id, list[j:min(j+10, len(list))], i))
		}
		records[i] = append(records[i], rec(paramsRecord, id, ""))
		for j := 0; j < len(bodies[i]); j += 1000 {
			records[i] = append(records[i], rec(stdinRecord, id, bodies[i][j:min(j+1000, len(bodies[i]))], 8*i))
		}
		records[i] = append(records[i], rec(stdinRecord, id, ""))
	}
	var all strings.Builder
	for k := range records[n-1] {
		for i := range n {
			if k < len(records[i]) {
				all.WriteString(records[i][k])
			}
		}
	}
	c.sendAside(all.String())
	for i := range n {
		if a := c.read(uint16(i + 1)); a.body() != fmt.Sprintf("/%d %s", i, bodies[i]) {
			t.Errorf("upload %d: %d bytes: %.100q", i, len(a.stdout), a.stdout)
		}
	}
}

// Peers, finding 9: "one slow handler with an unread body blocks every other request and ABORT on
// that connection".
func TestUnreadBodyStallsNobody(t *testing.T) {
	s := newScript(t)
	c := serve(t, s.call).dial()
	body := strings.Repeat("0123456789", 1<<20)
	c.send(head(1, keepConn, "POST", "/slow", "CONTENT_LENGTH", fmt.Sprint(len(body))))
	slow := s.next("/slow")
	c.send(stream(stdinRecord, 1, body, 65535, 0)) // 10 MB are taken, though nobody reads them
	if a := c.roundTrip(2, request(2, keepConn, "POST", "/echo", "quick")); a.body() != "/echo quick" {
		t.Errorf("%q", a.stdout)
	}
	if a := c.roundTrip(2, get(2, "/echo/again")); a.body() != "/echo/again " {
		t.Errorf("%q", a.stdout)
	}
	// It is all there once the application wants it.
	got := make(chan string)
	slow.do(func(sc *scene) {
		go func() {
			b, err := io.ReadAll(sc.env.Input)
			if err != nil {
				t.Error(err)
			}
			got <- string(b)
		}()
	})
	if wait(t, got, "the body") != body {
		t.Error("the body is not what was sent")
	}
	slow.finish()
	if a := c.read(1); a.body() != "answer to /slow" {
		t.Errorf("%q", a.stdout)
	}
}

// The same when the body is read, but too slowly: a byte now and then.
func TestSlowReaderStallsNobody(t *testing.T) {
	s := newScript(t)
	c := serve(t, s.call).dial()
	c.send(head(1, keepConn, "POST", "/slow", "CONTENT_LENGTH", fmt.Sprint(4<<20)))
	slow := s.next("/slow")
	stop := make(chan struct{})
	reading := make(chan struct{})
	slow.do(func(sc *scene) {
		go func() {
			defer close(reading)
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				if _, err := sc.env.Input.Read(make([]byte, 1)); err != nil {
					return
				}
			}
		}()
	})
	c.send(stream(stdinRecord, 1, strings.Repeat("x", 4<<20), 65535, 0))
	if a := c.roundTrip(2, get(2, "/echo")); a.body() != "/echo " {
		t.Errorf("%q", a.stdout)
	}
	c.send(rec(abortRequest, 1, ""))
	wait(t, slow.env.Context().Done(), "the end of the context")
	close(stop)
	wait(t, reading, "the end of the reader")
	slow.finish()
	c.read(1)
}

// A body of which only a part fits into memory keeps its order while it is read and written in turns.
func TestBodyThroughMemoryAndFile(t *testing.T) {
	s := newScript(t)
	c := serve(t, s.call).dial()
	var body strings.Builder
	for i := range 600_000 {
		fmt.Fprintf(&body, "%06d\n", i)
	}
	all := body.String()
	c.send(head(1, keepConn, "POST", "/turns", "CONTENT_LENGTH", fmt.Sprint(len(all))), get(2, "/echo")) // seen as a host that multiplexes
	sc := s.next("/turns")
	c.read(2)
	read := make(chan string)
	rest := all
	var got strings.Builder
	for _, step := range []struct{ send, read int }{{1000, 0}, {300_000, 500}, {0, 200_000}, {300_000, 150_000}, {100, 250_600}, {700_000, 1}, {0, 600_000}, {1 << 30, 1 << 30}} {
		n := min(step.send, len(rest))
		c.send(strings.TrimSuffix(stream(stdinRecord, 1, rest[:n], 5000, 1), rec(stdinRecord, 1, "", 1)))
		if rest = rest[n:]; step.send == 1<<30 {
			c.send(rec(stdinRecord, 1, ""))
		}
		sc.do(func(sc *scene) {
			go func() {
				b, _ := io.ReadAll(io.LimitReader(sc.env.Input, int64(step.read)))
				read <- string(b)
			}()
		})
		got.WriteString(wait(t, read, "what was read"))
	}
	if got.String() != all {
		t.Errorf("%d bytes, want %d", got.Len(), len(all))
	}
	sc.finish()
	c.read(1)
}

// What a body takes on disk is gone with its request, however that ends.
func TestBodyFilesAreRemoved(t *testing.T) {
	s := newScript(t)
	c := serve(t, s.call).dial()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would close what was forgotten
	files := func() int { return openFiles(t, dir) }
	body := stream(stdinRecord, 1, strings.Repeat("x", 1<<20), 65535, 0)
	for _, ends := range []string{"answered", "aborted", "never begun"} {
		if ends == "never begun" {
			c.send(begin(1, responder, keepConn), body)
		} else {
			c.send(head(1, keepConn, "POST", "/unread", "CONTENT_LENGTH", fmt.Sprint(1<<20)), body)
		}
		c.roundTrip(2, get(2, "/echo")) // what was sent before has been dealt with
		if n := files(); n != 1 {
			t.Errorf("%s: %d files are open, want 1", ends, n)
		}
		if ends != "answered" {
			c.send(rec(abortRequest, 1, ""))
		}
		if ends != "never begun" {
			s.next("/unread").finish()
		}
		c.read(1)
		for stop := time.Now().Add(patience); files() > 0 && time.Now().Before(stop); time.Sleep(time.Millisecond) {
		}
		if n := files(); n != 0 {
			t.Errorf("%s: %d files are open", ends, n)
		}
	}
	c.send(begin(1, responder, keepConn), body)
	c.roundTrip(2, get(2, "/echo"))
	c.conn.Close()
	for stop := time.Now().Add(patience); files() > 0 && time.Now().Before(stop); time.Sleep(time.Millisecond) {
	}
	left, err := os.ReadDir(dir)
	if n := files(); n != 0 || len(left) != 0 || err != nil {
		t.Errorf("after the connection %d files are open, and there are %v, %v", n, left, err)
	}
}

// openFiles counts the open files of this process that are, or were, in dir.
func openFiles(t *testing.T, dir string) (n int) {
	if runtime.GOOS != "linux" {
		t.Skip("open files can be counted on Linux only")
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if name, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.HasPrefix(name, dir) {
			n++
		}
	}
	return n
}

// ABORT_REQUEST (5.4) cancels the context, says why, and leaves the id to the application until
// that has ended. Then END_REQUEST comes once, whatever the application does about it.
func TestAbort(t *testing.T) {
	s := newScript(t)
	c := serve(t, s.call).dial()
	for _, when := range []string{"watching", "reading", "writing", "polling", "not looking"} {
		c.send(head(1, keepConn, "POST", "/a", "CONTENT_LENGTH", "10"), rec(stdinRecord, 1, "some"))
		a := s.next("/a")
		stopped := make(chan error, 1)
		switch when {
		case "watching":
			a.do(func(sc *scene) {
				<-sc.env.Context().Done()
				stopped <- context.Cause(sc.env.Context())
			})
		case "polling":
			a.do(func(sc *scene) {
				for sc.env.Context().Err() == nil {
					time.Sleep(100 * time.Microsecond)
				}
				stopped <- context.Cause(sc.env.Context())
			})
			time.Sleep(time.Millisecond)
		case "reading":
			a.do(func(sc *scene) {
				b, err := io.ReadAll(sc.env.Input)
				if string(b) != "some" || err == nil {
					err = fmt.Errorf("read %q, %v", b, err)
				} else if errors.Is(err, io.ErrUnexpectedEOF) {
					err = nil
				}
				stopped <- err
			})
		case "writing":
			a.do(func(sc *scene) {
				sc.body = gateway.Stream(func(yield func([]byte, error) bool) {
					for yield([]byte("more"), nil) {
						runtime.Gosched()
					}
					stopped <- nil
				})
			})
			close(a.acts)
			c.until("output", func() bool { return len(c.answer(1).stdout) > 100 })
		case "not looking":
			stopped <- nil
		}
		c.send(rec(abortRequest, 1, ""), rec(abortRequest, 1, "", 5)) // the second is for a request that is being aborted
		if when == "not looking" {
			c.roundTrip(2, get(2, "/echo")) // the first has been seen
			c.send(rec(stdinRecord, 1, "late"))
		}
		if when == "writing" {
			c.until("END_REQUEST", func() bool { return c.answer(1).ends > 0 }) // what it waits for is that somebody reads
		}
		err := wait(t, stopped, "the end of an application that is "+when)
		switch when {
		case "watching", "polling":
			if !errors.Is(err, gateway.ErrDisconnected) || !strings.Contains(err.Error(), "abort") {
				t.Errorf("%s: the cause is %v, want ErrDisconnected and what told", when, err)
			}
		default:
			if err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		if when != "writing" {
			if c.answer(1).ends != 0 {
				t.Errorf("%s: END_REQUEST before the application has ended", when)
			}
			a.finish()
		}
		c.read(1)
		if a := c.roundTrip(1, get(1, "/echo")); a.body() != "/echo " || a.stderr != "" {
			t.Errorf("%s: the next request with that id got %+v", when, a)
		}
	}
}

// Peers, finding 6: "Cross-request response leak". The id comes again as soon as END_REQUEST allows
// it, whatever the old application still does.
func TestAbortedResponseNeverReachesTheNextRequest(t *testing.T) {
	s := newScript(t)
	c := serve(t, s.call).dial()
	whole := request(1, keepConn, "POST", "/a", "secret body")
	for i := 16; i <= len(whole); i++ { // ABORT at every point from BEGIN_REQUEST on where a record may start
		if !boundary(whole, i) {
			continue
		}
		c.send(whole[:i], rec(abortRequest, 1, ""))
		var kept *gateway.Environ
		if boundaryHasParams(whole, i) {
			a := s.next("/a")
			kept = a.env
			a.do(func(sc *scene) { sc.body = gateway.Text("SECRET-OF-A") })
			a.finish()
		}
		c.read(1)
		c.send(whole[i:]) // what the host had under way
		c.send(head(1, keepConn, "POST", "/b", "CONTENT_LENGTH", "4"))
		b := s.next("/b")
		if kept != nil {
			if n, err := io.WriteString(kept.Errors, "SECRET-OF-A"); err == nil {
				t.Errorf("cut at %d: wrote %d bytes to the log of a request that has ended", i, n)
			}
			if n, err := kept.Input.Read(make([]byte, 10)); n > 0 || err == nil {
				t.Errorf("cut at %d: read %d bytes, %v of a request that has ended", i, n, err)
			}
		}
		c.send(stream(stdinRecord, 1, "body", 10, 0))
		b.do(func(sc *scene) {
			body, err := io.ReadAll(sc.env.Input)
			sc.body = gateway.Text(fmt.Sprintf("B %s %v", body, err))
		})
		b.finish()
		if got := c.read(1); got.body() != "B body <nil>" || got.stderr != "" {
			t.Errorf("cut at %d: B got %q %q", i, got.stdout, got.stderr)
		}
	}
}

// boundary reports whether a record starts at i.
func boundary(records string, i int) bool {
	at := 0
	for at < i {
		at += 8 + int(records[at+4])<<8 + int(records[at+5]) + int(records[at+6])
	}
	return at == i
}

// boundaryHasParams reports whether the first i bytes have the end of PARAMS.
func boundaryHasParams(records string, i int) bool {
	return strings.Contains(records[:i], rec(paramsRecord, 1, ""))
}

// Two requests with one id are two answers with one id. The host has lost its mind; the connection
// ends.
func TestBeginTwice(t *testing.T) {
	s := newScript(t)
	c := serve(t, s.call).dial()
	c.send(get(1, "/a"))
	a := s.next("/a")
	watched := a.env.Context().Done()
	c.send(get(1, "/b"))
	wait(t, watched, "the end of the context")
	a.finish()
	if err := c.end(); err != nil || c.answer(1).body() != "answer to /a" || len(s.calls) > 0 {
		t.Errorf("%v, %s, %d more calls", err, c.all(), len(s.calls))
	}
}

// All ids there are: more than maxOpen get FCGI_OVERLOADED, memory stays bounded, and the
// connection works on.
func TestAllIDsOpen(t *testing.T) {
	c := serve(t, hello).dial()
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all strings.Builder
	for id := 1; id <= 65535; id++ {
		all.WriteString(begin(uint16(id), responder, keepConn))
	}
	c.sendAside(all.String())
	refused := 0
	_ = c.conn.SetReadDeadline(time.Now().Add(3 * patience)) // for 65,535 answers, and on a busy machine
	for id := uint16(1001); id != 0; id++ {
		for c.answer(id).ends == 0 {
			if err := c.record(); err != nil {
				t.Fatalf("request %d: %v", id, err)
			}
		}
		if c.answers[id].status == overloaded {
			refused++
		}
	}
	clear(c.answers)
	runtime.GC()
	runtime.ReadMemStats(&during)
	if refused != 65535-1000 {
		t.Errorf("%d were refused, want all but 1000", refused)
	}
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("open requests take %d bytes", grown)
	}
	all.Reset()
	for id := uint16(1); id <= 1000; id++ {
		if id%2 == 0 {
			all.WriteString(rec(abortRequest, id, ""))
		} else {
			all.WriteString(stream(paramsRecord, id, pairs("REQUEST_METHOD", "GET"), 100, 0))
		}
	}
	c.sendAside(all.String())
	for id := uint16(1); id <= 1000; id++ {
		if a := c.read(id); id%2 == 1 && a.stdout != helloAnswer || id%2 == 0 && a.stdout != "" {
			t.Fatalf("request %d: %q", id, a.stdout)
		}
	}
}

// Requests come and go on one connection from all sides: with bodies, without, aborted, slow, quick.
func TestManyAtOnce(t *testing.T) {
	var running, most atomic.Int64
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		for n := running.Add(1); ; {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		defer running.Add(-1)
		switch env.Vars["PATH_INFO"][1] {
		case 's':
			time.Sleep(3 * time.Millisecond)
		case 'u':
			return hello(env, start)
		case 'w':
			if env.Context().Err() != nil {
				return hello(env, start)
			}
		}
		return echo(env, start)
	}).dial()
	const ids, rounds = 40, 25
	var wg sync.WaitGroup
	var sending sync.Mutex
	ends := make([]chan *answer, ids+1)
	send := func(s string) {
		sending.Lock()
		defer sending.Unlock()
		_, _ = io.WriteString(c.conn, s)
	}
	for id := uint16(1); id <= ids; id++ {
		ends[id] = make(chan *answer, 1)
		wg.Go(func() {
			for i := range rounds {
				path := "/" + string("squwea"[(int(id)+i)%6]) + fmt.Sprint(id, "-", i)
				body := strings.Repeat(path, 1+i*200)
				list := head(id, keepConn, "POST", path, "CONTENT_LENGTH", fmt.Sprint(len(body)))
				send(list)
				half := len(body) / 2
				send(rec(stdinRecord, id, body[:min(half, 60000)]))
				aborted := path[1] == 'a'
				if aborted {
					send(rec(abortRequest, id, ""))
				} else {
					send(stream(stdinRecord, id, body[min(half, 60000):], 9000, 5))
				}
				a := <-ends[id]
				switch {
				case a == nil:
					return
				case aborted:
				case path[1] == 'u' || a.stdout == helloAnswer && path[1] == 'w':
					if a.stdout != helloAnswer {
						t.Errorf("%s: %.200q", path, a.stdout)
					}
				case a.body() != path+" "+body:
					t.Errorf("%s: %d bytes: %.200q", path, len(a.stdout), a.stdout)
				}
			}
		})
	}
	go func() {
		wg.Wait()
		c.conn.Close()
	}()
	_ = c.conn.SetReadDeadline(time.Now().Add(2 * patience))
	for {
		if err := c.record(); err != nil {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v; %s", err, c.all())
			}
			break
		}
		for id, a := range c.answers {
			if a.ends > 0 {
				delete(c.answers, id)
				ends[id] <- a
			}
		}
	}
	for id := 1; id <= ids; id++ {
		close(ends[id])
	}
	wg.Wait()
	if most.Load() < 2 {
		t.Error("never were two applications running")
	}
}

// An application that waits for another request on its connection gets it: its goroutine does not
// keep the connection to itself.
func TestApplicationWaitsForAnotherRequest(t *testing.T) {
	first := make(chan struct{})
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		switch env.Vars["PATH_INFO"] {
		case "/waits":
			<-first
		case "/comes":
			close(first)
		}
		return hello(env, start)
	}).dial()
	c.send(get(1, "/waits"), get(2, "/comes"))
	c.read(1)
	c.read(2)
}

// However often another goroutine has taken over from one that was with a slow application, one
// serves the connection.
func TestOneGoroutineServes(t *testing.T) {
	c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/watches" {
			_ = env.Context().Done()
		}
		time.Sleep(4 * time.Millisecond)
		return hello(env, start)
	}).dial()
	for i := range 20 {
		c.roundTrip(1, get(1, []string{"/", "/watches"}[i%2]))
	}
	n := 0
	for stop := time.Now().Add(patience); time.Now().Before(stop); time.Sleep(time.Millisecond) {
		if n = strings.Count(goroutines(), "fcgi.(*conn).serve("); n == 1 {
			return
		}
	}
	t.Errorf("%d goroutines serve one connection:\n%s", n, goroutines())
}

// The goroutine that an application leaves behind in Read ends with the response, and keeps nobody
// waiting.
func TestReaderLeftBehind(t *testing.T) {
	ended := make(chan error, 1)
	for _, flags := range []byte{keepConn, 0} {
		for _, delay := range []time.Duration{0, 10 * time.Millisecond} {
			c := serve(t, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				if env.Vars["PATH_INFO"] != "/leaves" {
					return hello(env, start)
				}
				in := make(chan struct{})
				go func() {
					close(in)
					_, err := io.ReadAll(env.Input)
					ended <- err
				}()
				<-in
				time.Sleep(delay)
				return hello(env, start)
			}).dial()
			c.send(head(1, flags, "POST", "/leaves", "CONTENT_LENGTH", "10"))
			if flags == keepConn {
				c.read(1)
				c.roundTrip(1, get(1, "/next"))
			} else if err := c.end(); err != nil || c.answer(1).stdout != helloAnswer { // soon, not after a timeout
				t.Errorf("%v %s", err, c.all())
			}
			if err := wait(t, ended, "the end of Read"); err == nil {
				t.Error("a body that was cut short ended cleanly")
			}
		}
	}
}

// Two requests read their bodies at the same time, one of them on the goroutine that serves.
func TestTwoReaders(t *testing.T) {
	c := serve(t, echo).dial()
	for range 20 {
		c.send(head(1, keepConn, "POST", "/one", "CONTENT_LENGTH", "6"), rec(stdinRecord, 1, "on"))
		c.send(head(2, keepConn, "POST", "/two", "CONTENT_LENGTH", "6"), rec(stdinRecord, 2, "tw"))
		c.send(rec(stdinRecord, 2, "otwo"))
		if a := c.read(2); a.body() != "/two twotwo" {
			t.Errorf("%q", a.stdout)
		}
		c.send(rec(stdinRecord, 1, "eone"))
		if a := c.read(1); a.body() != "/one oneone" {
			t.Errorf("%q", a.stdout)
		}
	}
}

// MaxHeaderBytes is for all parameters that are held for requests that have not begun, so that ids
// do not multiply it.
func TestParametersOfManyRequestsAreBounded(t *testing.T) {
	c := serve(t, hello, func(s *fcgi.Server) { s.MaxHeaderBytes = 10_000 }).dial()
	params := pairs("REQUEST_METHOD", "GET", "X", strings.Repeat("x", 3000))
	for id := uint16(1); id <= 5; id++ {
		c.send(begin(id, responder, keepConn), rec(paramsRecord, id, params))
	}
	for id := uint16(1); id <= 5; id++ {
		want := "200 OK"
		if id > 3 {
			want = "431 Request Header Fields Too Large"
		}
		if a := c.roundTrip(id, rec(paramsRecord, id, "")); a.line("Status") != want {
			t.Errorf("request %d: %q, want %s", id, a.stdout, want)
		}
	}
	if a := c.roundTrip(9, begin(9, responder, keepConn)+rec(paramsRecord, 9, params)+rec(paramsRecord, 9, "")); a.stdout != helloAnswer {
		t.Errorf("afterwards: %q", a.stdout)
	}
}

// An application that was slow, so that another goroutine has taken over, and then waits for its
// body, reads for itself from then on: what it is sent is not copied from goroutine to goroutine,
// or through a file, for the rest of its body.
func TestReaderThatWasSlowReadsForItselfAgain(t *testing.T) {
	frames := func(name string) int { return strings.Count(goroutines(), "fcgi.(*conn)."+name+"(") }
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] != "/" {
			return echo(env, start)
		}
		for range 3 {
			time.Sleep(time.Second) // another goroutine takes over
			if _, err := io.ReadFull(env.Input, make([]byte, 100_000)); err != nil {
				return nil, err
			}
		}
		return hello(env, start)
	}
	inBubble(t, app, nil, func(b *bubble) {
		c := b.dial()
		piece := rec(stdinRecord, 1, strings.Repeat("x", 50_000))
		c.send(head(1, keepConn, "POST", "/", "CONTENT_LENGTH", "300000"))
		for range 3 {
			time.Sleep(500 * time.Millisecond)
			if frames("next") != 1 || frames("pump") != 0 {
				t.Fatalf("while the application is slow: %s", goroutines())
			}
			time.Sleep(600 * time.Millisecond)
			c.send(piece)
			synctest.Wait() // it has that, and waits for more
			if frames("next") != 0 || frames("pump") != 1 {
				t.Fatalf("while the application reads: %s", goroutines())
			}
			c.send(piece)
		}
		c.send(rec(stdinRecord, 1, ""))
		if a := c.read(1); a.stdout != helloAnswer {
			t.Errorf("%q %q", a.stdout, a.stderr)
		}
		if a := c.roundTrip(1, get(1, "/echo")); a.body() != "/echo " {
			t.Errorf("afterwards: %q", a.stdout)
		}
	})
}
