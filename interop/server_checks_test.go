//go:build interop && linux

package interop

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// serverChecks has stop last, as checks has.
var serverChecks = slices.Concat(checks[:len(checks)-1], []check{
	{"uploads", checkUploads},
	{"mixture", checkMixture},
	{"broken", checkBroken},
	{"files", checkFiles},
	{"pipe", checkPipe},
}, checks[len(checks)-1:])

// checkUploads: eight large uploads at a time, each another.
func checkUploads(c *checker) {
	const n, size = 8, 4 << 20
	var wg sync.WaitGroup
	for i := range n {
		body := large[i*size/4:][:size]
		wg.Go(func() {
			answer, err := c.try(request{method: "POST", path: "/upload", body: body})
			if err != nil {
				c.Errorf("%s: upload %d: %v", c.site.name, i, err)
			} else if got := string(answer.body); got != hashOf(body) {
				c.Errorf("%s: upload %d: %s, want %s", c.site.name, i, brief(got), brief(hashOf(body)))
			}
		})
	}
	wg.Wait()
}

// checkBroken: a response that breaks right behind its last block is seen to be broken, each time,
// and the client does not wait for the rest. The host survives what the application logs.
func checkBroken(c *checker) {
	const n, atOnce = 50, 10
	for _, length := range []string{"declared", "undeclared"} {
		var whole, hangs atomic.Int32
		var wg sync.WaitGroup
		for range atOnce {
			wg.Go(func() {
				for range n / atOnce {
					answer, err := c.try(request{path: "/break?length=" + length, keep: true})
					switch {
					case err == nil && answer.code != 200:
						c.Errorf("%s: %s: status %d", c.site.name, length, answer.code)
					case err == nil && answer.err == nil:
						whole.Add(1)
					case errors.Is(err, os.ErrDeadlineExceeded), err == nil && errors.Is(answer.err, os.ErrDeadlineExceeded):
						hangs.Add(1)
					}
				}
			})
		}
		wg.Wait()
		c.expect(length, fmt.Sprintf("%d of %d look whole, %d hang", whole.Load(), n, hangs.Load()),
			fmt.Sprintf("0 of %d look whole, 0 hang", n))
	}
	c.logged("planted behind the last block")
}

// checkFiles: no byte comes of a file that the file does not have, whatever stat says of it.
func checkFiles(c *checker) {
	want, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		c.Fatal(err)
	}
	for range 5 {
		answer := c.do(c.T, request{path: "/sysfs"})
		c.expect("a file of sysfs", fmt.Sprintf("%d %q %v", answer.code, answer.body, answer.err),
			fmt.Sprintf("200 %q <nil>", want))
	}
}

// checkPipe: R92: what a pipe has is on its way before more is there.
func checkPipe(c *checker) {
	w := c.watch(c.T)
	conn := c.connect(c.T)
	conn.send(c.T, c.head(request{path: "/pipe?id=" + w.id}))
	w.began()
	if _, err := conn.answer("GET"); err != nil {
		c.Fatal(err)
	}
	c.expect("the first line", conn.line(), "first\n")
	w.release()
	c.expect("the rest", conn.rest(), "second\n")
	c.ended(w, "waiting")
}

// checkMixture: requests of all kinds after and beside each other, over whatever connections the
// host keeps to the server. None gets anything of another's answer, also where that one was broken
// off, had no body, or came before its request's body was read.
func checkMixture(c *checker) {
	const clients, rounds = 4, 6
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for j := 0; j < rounds && !c.Failed(); j++ {
				c.mix(fmt.Sprintf("%d-%d", i, j))
			}
		})
	}
	wg.Wait()
}

// mix does one request of each kind. mark is for what must come back.
func (c *checker) mix(mark string) {
	size := 1000 + len(mark) // other than that of any other answer
	for _, r := range []struct {
		request
		want string
	}{
		{request{method: "POST", path: "/echo?m=" + mark, body: []byte(mark)}, "200 m=" + mark + "\n\n" + mark},
		{request{method: "POST", path: fmt.Sprintf("/ignore?size=%d", size), body: large[:100_000]}, "200 " + strings.Repeat("x", size)},
		{request{path: "/status/204"}, "204 "},
		{request{path: "/status/304"}, "304 "},
		{request{path: "/panic?when=before"}, "500 500 Internal Server Error\n"},
		{request{path: "/echo?m=" + mark}, "200 m=" + mark + "\n\n"},
	} {
		answer, err := c.try(r.request)
		got := ""
		if err == nil {
			got = fmt.Sprintf("%d %s", answer.code, answer.body)
		}
		if got != r.want {
			c.Errorf("%s: %s: got %s (%v), want %s", c.site.name, r.path, brief(got), err, brief(r.want))
			return
		}
	}
	// One that leaves after a few bytes of the answer, and one that does without having sent its body.
	if conn, err := c.dial(); err == nil {
		_, _ = io.WriteString(conn, c.head(request{path: "/endless?"}))
		_, _ = conn.r.ReadByte()
		_ = conn.reset()
	}
	if conn, err := c.dial(); err == nil {
		_, _ = io.WriteString(conn, c.head(request{method: "POST", path: "/upload", fields: []string{"Content-Length: 100000"}}))
		_, _ = conn.Write(large[:50_000])
		_ = conn.Close()
	}
}
