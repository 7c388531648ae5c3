//go:build interop && linux

package interop

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"time"
)

// large is 16 MiB with all byte values, in an order that does not repeat at any size of a buffer.
var large = func() []byte {
	b := make([]byte, 16<<20)
	state := uint32(1)
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = byte(state >> 24)
	}
	return b
}()

func hashOf(body []byte) string { return fmt.Sprintf("%d %x\n", len(body), sha256.Sum256(body)) }

func checkUpload(c *checker) {
	for _, body := range [][]byte{large, []byte("x"), {}} {
		answer := c.do(c.T, request{method: "POST", path: "/upload", body: body})
		c.expect(fmt.Sprint(len(body), " bytes"), string(answer.body), hashOf(body))
	}
}

// checkChunked: the host decodes the chunks (C34), and says how long the body is, or ends it.
func checkChunked(c *checker) {
	body := large[:300_000]
	var chunks bytes.Buffer
	for rest := body; len(rest) > 0; {
		n := min(len(rest), 70_001)
		fmt.Fprintf(&chunks, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	chunks.WriteString("0\r\n\r\n")
	for _, v := range []struct{ path, want string }{{"/upload", hashOf(body)}, {"/ignore?size=3", "xxx"}} {
		conn := c.connect(c.T)
		head := c.head(request{method: "POST", path: v.path, fields: []string{"Transfer-Encoding: chunked"}})
		go func() { _, _ = io.WriteString(conn, head+chunks.String()) }()
		answer, err := conn.answer("POST")
		if err != nil {
			c.Fatalf("%s: %v", c.site.name, err)
		}
		got := strconv.Itoa(answer.code)
		if rest := conn.rest(); answer.code < 400 {
			got += " " + rest
		}
		c.expect(v.path, got, "200 "+v.want)
	}
}

// checkUnread: C33: the application need not read the body; the host may insist that somebody does,
// else it loses the answer (mod_cgid, fcgiwrap). The answer arrives whole, and the process ends.
func checkUnread(c *checker) {
	w := c.watch(c.T)
	answer := c.do(c.T, request{method: "POST", path: "/ignore?size=1000&id=" + w.id, body: large})
	c.expect("answer", fmt.Sprint(answer.code, " ", len(answer.body), " ", errorText(answer.err)), "200 1000 ")
	c.ended(w, "start, closed")
}

// checkDeadlock: an answer that no pipe holds, while the body is not read. A host that writes the
// whole body before it reads any of the answer waits for the program, which waits for the host,
// until the host's own timeout.
func checkDeadlock(c *checker) {
	w := c.watch(c.T)
	conn := c.connect(c.T)
	head := c.head(request{method: "POST", path: "/ignore?size=1048576&id=" + w.id, body: large})
	start := time.Now()
	go func() {
		_, _ = io.WriteString(conn, head)
		_, _ = conn.Write(large)
	}()
	first := w.next(patience) // what is of interest is what happens from here on
	if err := conn.SetDeadline(start.Add(2 * hostTimeout)); err != nil {
		c.Fatal(err)
	}
	got := "no answer"
	if answer, err := conn.answer("POST"); err == nil {
		got = strconv.Itoa(answer.code)
		if rest := conn.rest(); answer.code < 400 {
			got += " " + strconv.Itoa(len(rest))
		}
		if time.Since(start) >= hostTimeout {
			got += " after the host's timeout"
		}
	}
	_ = conn.Close()
	c.expect("answer", got, "200 1048576")
	if c.listed("process") {
		c.expect("process", w.next(time.Second), "closed")
		return
	}
	c.expect("started", first, "start")
	c.ended(w, "closed")
}

// checkSlow sends a request byte by byte.
func checkSlow(c *checker) {
	conn := c.connect(c.T)
	body := []byte("byte by byte")
	head := c.head(request{method: "POST", path: "/echo?q=slow", fields: []string{"Cookie: c=slow"}, body: body})
	for _, b := range append([]byte(head), body...) {
		if _, err := conn.Write([]byte{b}); err != nil {
			c.Fatal(err)
		}
		time.Sleep(time.Millisecond / 2) // so that they do not travel together
	}
	answer, err := conn.answer("POST")
	if err != nil {
		c.Fatal(err)
	}
	c.expect("answer", fmt.Sprint(answer.code, " ", conn.rest()), "200 q=slow\nc=slow\nbyte by byte")
}

// checkCut sends half of an upload. Nobody may take it for a whole one.
func checkCut(c *checker) {
	half := large[:8<<20]
	head := request{method: "POST", fields: []string{"Content-Length: " + strconv.Itoa(len(large))}}
	c.cut("FIN", head, half, (*conn).CloseWrite)
	c.cut("RST", head, half, (*conn).reset)
}

// checkCutChunked: the same, where nobody knows how long it was to be.
func checkCutChunked(c *checker) {
	chunks := fmt.Appendf(nil, "%x\r\n", 1<<20)
	chunks = append(append(chunks, large[:1<<20]...), "\r\n10000\r\nhalf"...)
	head := request{method: "POST", fields: []string{"Transfer-Encoding: chunked"}}
	c.cut("FIN", head, chunks, (*conn).CloseWrite)
	c.cut("RST", head, chunks, (*conn).reset)
}

func (c *checker) cut(how string, r request, body []byte, end func(*conn) error) {
	c.Helper()
	w := c.watch(c.T)
	r.path = "/upload?id=" + w.id
	conn := c.connect(c.T)
	conn.send(c.T, c.head(r))
	_, _ = conn.Write(body) // a host may have refused it
	limit := patience
	if c.listed(how) {
		limit = time.Second / 2
	}
	event := w.next(limit)
	_ = end(conn)              // the host may have closed it
	_, _ = conn.answer("POST") // FIN: the host is done with it
	if event == "" {
		event = w.next(limit)
	}
	got := "not started"
	if event == "start" {
		if got = w.untilEnd(); got == "" {
			got = "killed"
		}
	}
	c.expect(how, got, "input: unexpected EOF")
}

// ended waits for the end of the process, and compares what it told before.
func (c *checker) ended(w *watch, events string) {
	c.Helper()
	c.expect("process", w.untilEnd(), events)
}

// rest reads the rest of the answer. It tells what is wrong with it.
func (c *conn) rest() string {
	body, err := io.ReadAll(c.body)
	if err != nil {
		return string(body) + "(" + err.Error() + ")"
	}
	return string(body)
}
