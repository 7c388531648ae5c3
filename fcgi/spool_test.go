package fcgi_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

// A body that is larger than what is kept of it, and that nobody reads, holds the host up, but not
// for ever: what comes behind it is seen, and the application that does read gets what was kept,
// and an error.
func TestBodyThatIsTooLargeToBeKept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	defer fcgi.SetMaxFile(1 << 20)()
	body := strings.Repeat(rec(stdinRecord, 1, strings.Repeat("x", 65535)), 40)
	for _, then := range []string{"another request", "an abort", "the end of the connection"} {
		var cause, readErr error
		var got int64
		app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/echo" {
				return echo(env, start)
			}
			<-env.Context().Done()
			cause = context.Cause(env.Context())
			got, readErr = io.Copy(io.Discard, env.Input)
			return hello(env, start)
		}
		inBubble(t, app, nil, func(b *bubble) {
			c := b.dial()
			first := head(1, keepConn, "POST", "/slow", "CONTENT_LENGTH", "8000000") + body
			switch then { // in one write each: the next one would wait for it, and not as synctest has it
			case "another request":
				c.sendAside(first, get(2, "/echo"))
				if a := c.read(2); a.body() != "/echo " {
					t.Errorf("%s: %q", then, a.stdout)
				}
				c.roundTrip(1, rec(abortRequest, 1, ""))
			case "an abort":
				c.sendAside(first, rec(abortRequest, 1, ""))
				c.read(1)
			default:
				c.sendAside(first)
				time.Sleep(time.Minute)
				c.conn.Close()
			}
			synctest.Wait()
			if !errors.Is(cause, gateway.ErrDisconnected) {
				t.Errorf("%s: the cause is %v", then, cause)
			}
			if got < 1<<20 || got > 2<<20 || readErr == nil {
				t.Errorf("%s: read %d bytes, %v", then, got, readErr)
			}
		})
	}
}

// An application that is slow, but reads, gets all of a body that is larger than what is kept of it.
func TestSlowReaderOfALargeBody(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	defer fcgi.SetMaxFile(1 << 20)()
	const size = 6 << 20
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		n, buf := 0, make([]byte, 32<<10)
		for {
			m, err := env.Input.Read(buf)
			if n += m; err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
			time.Sleep(3 * time.Second)
		}
		_, err := start("200 OK", plain, nil)
		return gateway.Text(strconv.Itoa(n)), err
	}
	inBubble(t, app, func(s *fcgi.Server) { s.ReadTimeout = -1 }, func(b *bubble) {
		c := b.dial()
		c.sendAside(request(1, keepConn, "POST", "/", strings.Repeat("x", size)))
		_ = c.conn.SetReadDeadline(time.Time{})
		if err := c.record(); err != nil {
			t.Fatal(err)
		}
		if a := c.read(1); a.body() != strconv.Itoa(size) {
			t.Errorf("%q %q", a.stdout, a.stderr)
		}
	})
}

// What nobody will read is not kept: beyond CONTENT_LENGTH, beyond MaxBodyBytes, of a request that
// was refused.
func TestBodyBeyondItsLimitIsNotKept(t *testing.T) {
	for _, test := range []struct {
		name, length, want string
		files              int
	}{
		{"CONTENT_LENGTH", "5", "read 5 bytes, <nil>", 0},
		{"no CONTENT_LENGTH", "", "read 1000 bytes, gateway: request has too large a body", 0},
		{"refused", "1001", "", 0},
		{"kept", "1000", "read 1000 bytes, <nil>", 0},
	} {
		dir := t.TempDir()
		t.Setenv("TMPDIR", dir)
		s := newScript(t)
		c := serve(t, s.call, func(s *fcgi.Server) { s.MaxBodyBytes = 1000 }).dial()
		c.send(head(1, keepConn, "POST", "/unread", "CONTENT_LENGTH", test.length))
		for range 40 {
			c.send(rec(stdinRecord, 1, strings.Repeat("x", 65535)))
		}
		c.roundTrip(2, get(2, "/echo")) // what was sent before has been dealt with
		if runtime.GOOS == "linux" {
			if n := openFiles(t, dir); n != test.files {
				t.Errorf("%s: %d files are open", test.name, n)
			}
		}
		if test.want != "" {
			sc := s.next("/unread")
			sc.do(func(sc *scene) {
				n, err := io.Copy(io.Discard, sc.env.Input)
				if err != nil && !errors.Is(err, gateway.ErrContentLength) {
					t.Errorf("%s: %v is no ErrContentLength", test.name, err)
				}
				text := "<nil>"
				if err != nil {
					text = err.Error()
				}
				sc.body = gateway.Text("read " + strconv.FormatInt(n, 10) + " bytes, " + text)
			})
			sc.finish()
		}
		if a := c.read(1); test.want != "" && a.body() != test.want || test.want == "" && a.line("Status") != "413 Content Too Large" {
			t.Errorf("%s: %q", test.name, a.stdout)
		}
	}
}

// A request that has not begun holds no more of its body than it may have of parameters, all of a
// connection together.
func TestBodiesOfRequestsThatNeverBeginAreBounded(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := serve(t, echo, func(s *fcgi.Server) { s.MaxHeaderBytes = 100_000 }).dial()
	chunk := strings.Repeat("x", 30_000)
	for id := uint16(1); id <= 5; id++ {
		c.send(begin(id, responder, keepConn), rec(stdinRecord, id, chunk), rec(stdinRecord, id, ""))
	}
	params := pairs("REQUEST_METHOD", "POST", "PATH_INFO", "/", "CONTENT_LENGTH", "30000")
	for id := uint16(1); id <= 5; id++ {
		want := "200 OK"
		if id > 3 {
			want = "400 fcgi: body is too large to be kept until it is read"
		}
		if a := c.roundTrip(id, stream(paramsRecord, id, params, 100, 0)); a.line("Status") != want {
			t.Errorf("request %d: %.100q, want %s", id, a.stdout, want)
		}
	}
}

// Many bodies that nobody reads do not add up in memory: what is too much goes to files.
func TestUnreadBodiesOfAConnectionAreBoundedInMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("open files can be counted on Linux only")
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s := newScript(t)
	c := serve(t, s.call).dial()
	const n, size = 40, 200 << 10 // each of them less than is kept in memory of one
	var scenes []*scene
	for id := uint16(1); id <= n; id++ {
		c.send(head(id, keepConn, "POST", "/unread", "CONTENT_LENGTH", strconv.Itoa(size)), stream(stdinRecord, id, strings.Repeat("x", size), 65535, 0))
		scenes = append(scenes, s.next("/unread"))
	}
	c.roundTrip(99, get(99, "/echo"))
	if files := openFiles(t, dir); files < n/4 || files > n*3/4 {
		t.Errorf("%d of %d bodies are in files", files, n)
	}
	for i, sc := range scenes {
		sc.do(func(sc *scene) {
			if got, err := io.Copy(io.Discard, sc.env.Input); got != size || err != nil {
				t.Errorf("body %d: %d bytes, %v", i, got, err)
			}
		})
		sc.finish()
	}
	for id := uint16(1); id <= n; id++ {
		c.read(id)
	}
	// All of it was given back: the next ones fit.
	c.send(head(1, keepConn, "POST", "/unread", "CONTENT_LENGTH", strconv.Itoa(size)), stream(stdinRecord, 1, strings.Repeat("x", size), 65535, 0))
	sc := s.next("/unread")
	c.roundTrip(99, get(99, "/echo"))
	if files := openFiles(t, dir); files != 0 {
		t.Errorf("afterwards %d files are open", files)
	}
	sc.finish()
	c.read(1)
}
