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

// Where no file can be written, the host has to wait with what does not fit into memory, and nothing
// is lost: not to an application that reads late, and not to one that reads after a part of the body
// has gone to a file on a disk that is full by now.
func TestBodyWaitsInTheHostIfThereIsNoRoomForIt(t *testing.T) {
	const size = 3 << 20
	for _, test := range []struct {
		name string
		fill func(t *testing.T)
	}{
		{"no folder", func(t *testing.T) { t.Setenv("TMPDIR", "/nonexistent") }},
		{"the disk is full", func(t *testing.T) { t.Setenv("TMPDIR", t.TempDir()); t.Cleanup(fcgi.SetFileSpace(700_000)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.fill(t)
			app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				if env.Vars["PATH_INFO"] == "/echo" {
					return echo(env, start)
				}
				time.Sleep(time.Minute) // longer than anybody who shares the connection would wait
				body, err := io.ReadAll(env.Input)
				if err != nil {
					return nil, err
				}
				_, err = start("200 OK", plain, nil)
				return gateway.Bytes(body), err
			}
			body := numbered(size)
			inBubble(t, app, nil, func(b *bubble) {
				c := b.dial()
				c.sendAside(request(1, keepConn, "POST", "/", body))
				_ = c.conn.SetReadDeadline(time.Time{})
				if err := c.record(); err != nil {
					t.Fatal(err)
				}
				if a := c.read(1); a.body() != body {
					t.Errorf("%d bytes came back, want %d: %.100q %q", len(a.body()), size, a.stdout, a.stderr)
				}
				if a := c.roundTrip(1, get(1, "/echo")); a.body() != "/echo " {
					t.Errorf("afterwards: %q", a.stdout)
				}
				if n := strings.Count(b.log.String(), "has to wait in the web server"); n != 1 {
					t.Errorf("the log has %d lines of it, want 1:\n%s", n, b.log)
				}
			})
		})
	}
}

// A body that cannot be kept fails after a time, if other requests are behind it that would have to
// wait for ever.
func TestBodyThatCannotBeKeptDoesNotHoldUpOthersForEver(t *testing.T) {
	t.Setenv("TMPDIR", "/nonexistent")
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/echo" {
			return echo(env, start)
		}
		time.Sleep(15 * time.Second)
		if _, err := io.Copy(io.Discard, env.Input); err == nil && env.Vars["PATH_INFO"] == "/" {
			t.Error("the body that was not kept is whole")
		}
		return hello(env, start)
	}
	inBubble(t, app, nil, func(b *bubble) {
		c := b.dial()
		c.send(get(7, "/waits")) // so that the server knows a host that multiplexes
		c.sendAside(head(1, keepConn, "POST", "/", "CONTENT_LENGTH", "1000000"),
			stream(stdinRecord, 1, strings.Repeat("x", 1_000_000), 65535, 0), get(2, "/echo"))
		if a := c.read(2); a.body() != "/echo " || time.Since(b.begun) > 12*time.Second {
			t.Errorf("after %v: %q", time.Since(b.begun), a.stdout)
		}
		c.read(1)
		c.read(7)
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

// What a request that does not begin held of the parameters and bodies is given back.
func TestRequestsThatWereAbortedGiveBackWhatTheyHeld(t *testing.T) {
	c := serve(t, echo, func(s *fcgi.Server) { s.MaxHeaderBytes = 1000 }).dial()
	for range 5 {
		c.roundTrip(1, begin(1, responder, keepConn)+rec(paramsRecord, 1, strings.Repeat("x", 600))+rec(abortRequest, 1, ""))
	}
	if a := c.roundTrip(1, get(1, "/", "X", strings.Repeat("x", 600))); a.body() != "/ " {
		t.Errorf("afterwards: %q", a.stdout)
	}
}

// A body that comes before its parameters, and that neither memory nor a file takes, must not keep
// the parameters away.
func TestABodyBeforeItsParametersFailsIfThereIsNoRoomForIt(t *testing.T) {
	c := serve(t, echo).dial()
	t.Setenv("TMPDIR", "/nonexistent")
	params := pairs("REQUEST_METHOD", "POST", "PATH_INFO", "/", "CONTENT_LENGTH", "400000")
	a := c.roundTrip(1, begin(1, responder, keepConn)+stream(stdinRecord, 1, strings.Repeat("x", 400_000),
		65535, 0)+stream(paramsRecord, 1, params, 100, 0))
	if want := "400 fcgi: body is too large to be kept until it is read"; a.line("Status") != want {
		t.Errorf("%.100q, want %s", a.stdout, want)
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

// A body waits for memory that other bodies hold, and goes on as soon as they give it back.
func TestABodyGoesOnWhenAnotherGivesBackItsMemory(t *testing.T) {
	t.Setenv("TMPDIR", "/nonexistent")
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/echo" {
			return echo(env, start)
		}
		time.Sleep(2 * time.Second)
		return hello(env, start)
	}
	inBubble(t, app, nil, func(b *bubble) {
		c := b.dial()
		const held = 256 << 10
		var parts []string
		for id := uint16(1); id <= 16; id++ { // together all that a connection holds
			parts = append(parts, head(id, keepConn, "POST", "/", "CONTENT_LENGTH", strconv.Itoa(held)),
				stream(stdinRecord, id, strings.Repeat("x", held), 32768, 0))
		}
		c.sendAside(append(parts, request(17, keepConn, "POST", "/echo", "hello"))...)
		if a := c.read(17); a.body() != "/echo hello" || time.Since(b.begun) > 3*time.Second {
			t.Errorf("after %v: %q, %q", time.Since(b.begun), a.stdout, a.stderr)
		}
		for id := uint16(1); id <= 16; id++ {
			c.read(id)
		}
	})
}
