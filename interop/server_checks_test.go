//go:build interop && linux

package interop

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// serverChecks has stop last, as checks has.
var serverChecks = slices.Concat(checks[:len(checks)-1], []check{
	{"uploads", checkUploads},
	{"mixture", checkMixture},
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
