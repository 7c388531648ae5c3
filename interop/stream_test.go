//go:build interop && linux

package interop

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// checkStream: R92: a block is on its way before the application makes the next.
func checkStream(c *checker) {
	w := c.watch(c.T)
	conn := c.connect(c.T)
	conn.send(c.T, c.head(request{path: "/stream?id=" + w.id}))
	w.began()
	first := make(chan string, 1)
	go func() {
		if _, err := conn.answer("GET"); err != nil {
			first <- err.Error()
			conn.body = strings.NewReader("")
			return
		}
		first <- conn.line()
	}()
	got := ""
	limit := patience / 2
	if c.listed("first block") {
		limit = time.Second / 2
	}
	select {
	case got = <-first:
	case <-time.After(limit):
		got = "held back"
	}
	c.expect("first block", got, "first\n")
	w.release()
	if got == "held back" {
		if got := <-first; got != "first\n" {
			c.Errorf("%s: the first block is %q", c.site.name, got)
		}
	}
	c.expect("rest", conn.rest(), "second\n")
	c.ended(w, "waiting, closed")
}

// checkClose: R21: Close runs after the response, and a host that has all of that must not keep it
// from running.
func checkClose(c *checker) {
	for _, method := range []string{"GET", "HEAD"} {
		w := c.watch(c.T)
		conn := c.connect(c.T)
		conn.send(c.T, c.head(request{method: method, path: "/close?id=" + w.id}))
		w.began()
		got := ""
		if w.next(patience) == "waiting" { // in Close
			got = w.undisturbed(time.Second / 2)
		}
		c.expect(method, got, "closed")
	}
}

// checkLeave: the client leaves in the middle of a response that goes on. R21: Close runs; the
// process ends.
func checkLeave(c *checker) {
	for _, how := range []struct {
		name  string
		leave func(*conn) error
	}{{"FIN", (*conn).Close}, {"RST", (*conn).reset}} {
		w, conn := c.begin("/endless?")
		_ = how.leave(conn)
		// A host that notices at once may kill: the program waits for its turn.
		c.expect(how.name, w.undisturbed(time.Second/2), "stopped, closed")
	}
}

// checkLeaveIdle: the client leaves while the application has nothing to say. A host that notices
// may tell it.
func checkLeaveIdle(c *checker) {
	for _, how := range []struct {
		name  string
		leave func(*conn) error
	}{{"FIN", (*conn).Close}, {"RST", (*conn).reset}} {
		w, conn := c.begin("/idle?")
		_ = how.leave(conn)
		c.expect(how.name, w.undisturbed(time.Second), "context ended, closed")
	}
}

// begin starts a response that waits after its first block, which the client then has, unless the
// host buffers.
func (c *checker) begin(path string) (*watch, *conn) {
	c.Helper()
	w := c.watch(c.T)
	conn := c.connect(c.T)
	conn.send(c.T, c.head(request{path: path + "&id=" + w.id}))
	w.began()
	if c.buffers() {
		if got := w.next(patience); got != "waiting" {
			c.Fatalf("%s: the program does not wait: %q", c.site.name, got)
		}
		return w, conn
	}
	if _, err := conn.answer("GET"); err != nil {
		c.Fatal(err)
	}
	if got := conn.line(); got != "first\n" {
		c.Fatalf("%s: the first block is %q", c.site.name, got)
	}
	if got := w.next(patience); got != "waiting" {
		c.Fatalf("%s: the program does not wait: %q", c.site.name, got)
	}
	return w, conn
}

// buffers reports whether the host is known to hold the first block back.
func (c *checker) buffers() bool {
	return slices.ContainsFunc(differences, func(d difference) bool {
		return d.of(c.site.name, "stream") && d.aspect == "first block"
	})
}

// checkGarbage sends what is no request. The host deals with that; it must still be there afterwards.
func checkGarbage(c *checker) {
	post := "POST " + c.script + "/upload HTTP/1.1\r\nHost: localhost\r\n"
	for _, g := range []struct{ name, text string }{
		{"no request line", "garbage\r\n\r\n"},
		{"no text", "\x00\x01\x02\xff\r\n\r\n"},
		{"no target", "GET\r\n\r\n"},
		{"no token", "G@T " + c.script + " HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"HTTP/9.9", "GET " + c.script + "/environ HTTP/9.9\r\nHost: localhost\r\nConnection: close\r\n\r\n"},
		{"no colon", "GET " + c.script + "/environ HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n"},
		{"length -1", post + "Content-Length: -1\r\n\r\n"},
		{"length x", post + "Content-Length: x\r\n\r\n"},
		{"two lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"},
		{"long target", "GET " + c.script + "/" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	} {
		conn := c.connect(c.T)
		_, _ = conn.Write([]byte(g.text))
		_ = conn.CloseWrite()
		got := "refused"
		if answer, err := conn.answer("GET"); errors.Is(err, os.ErrDeadlineExceeded) {
			got = "no answer"
		} else if err == nil && answer.code < 400 {
			got = strconv.Itoa(answer.code)
		}
		_ = conn.Close()
		c.expect(g.name, got, "refused")
	}
	answer := c.do(c.T, request{path: "/"})
	c.expect("afterwards", string(answer.body), "Hello World !\n")
}

// checkStop stops the host in the middle of a response.
func checkStop(c *checker) {
	w, _ := c.begin("/idle?")
	for _, p := range c.processes {
		_ = p.Cmd.Process.Signal(syscall.SIGTERM)
	}
	c.expect("process", w.undisturbed(time.Second), "context ended, closed")
}
