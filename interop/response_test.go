//go:build interop && linux

package interop

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"example.com/gateway/interop/internal/process"
)

func checkStatus(c *checker) {
	for _, code := range []int{200, 201, 204, 206, 299, 301, 304, 307, 400, 401, 404, 418, 451, 499, 500, 503, 599} {
		want := fmt.Sprintf("%d status %d\n", code, code)
		if code == 204 || code == 304 { // the engine drops what the application sends
			want = fmt.Sprintf("%d ", code)
		}
		answer := c.do(c.T, request{path: "/status/" + strconv.Itoa(code)})
		c.expect(strconv.Itoa(code), fmt.Sprintf("%d %s", answer.code, answer.body), want)
		if code == 404 {
			c.expect("status line", strconv.Itoa(answer.line), "404")
		}
	}
	// C40: a 1xx is no response.
	c.expect("103", strconv.Itoa(c.do(c.T, request{path: "/status/103"}).code), "500")
}

// checkMoved: C45. An explicit Status keeps hosts from redirecting internally (C43).
func checkMoved(c *checker) {
	for _, to := range []string{"http://elsewhere.invalid/x?y=1#z", c.script + "/environ"} {
		answer := c.do(c.T, request{path: "/moved?to=" + strings.NewReplacer("?", "%3F", "#", "%23", "=", "%3D").Replace(to)})
		c.expect(to, fmt.Sprintf("%d %s %s", answer.code, answer.header.Get("Location"), answer.body), "302 "+to+" moved\n")
	}
}

func checkCookies(c *checker) {
	answer := c.do(c.T, request{path: "/cookies"})
	c.expect("Set-Cookie", strings.Join(answer.header["Set-Cookie"], "|"), "b=1; Path=/|a=2|b=3")
}

// checkInjection: R69: a value with a line break is refused, and nothing of it gets out.
func checkInjection(c *checker) {
	for _, value := range []string{"a\r\nSet-Cookie: x=1", "a\nSet-Cookie: x=1", "a\r\n\r\n<script>", "a\x00b"} {
		answer := c.do(c.T, request{method: "POST", path: "/header", body: []byte(value)})
		c.expect(strconv.Quote(value), fmt.Sprintf("%d %s", answer.code, answer.body), "500 500 Internal Server Error\n")
		for name, values := range answer.header {
			if name == "X-Value" || name == "Set-Cookie" || strings.Contains(strings.Join(values, ""), "script") {
				c.Errorf("%s: injected: %s: %q", c.site.name, name, values)
			}
		}
	}
	answer := c.do(c.T, request{method: "POST", path: "/header", body: []byte("fine\t\xe9")})
	c.expect("HTAB and a byte above ASCII", fmt.Sprintf("%d %s", answer.code, answer.header.Get("X-Value")), "200 fine\t\xe9")
}

// checkPanicBefore: R110: a page for the client, and the cause for the log.
func checkPanicBefore(c *checker) {
	answer := c.do(c.T, request{path: "/panic?when=before"})
	c.expect("answer", fmt.Sprintf("%d %s", answer.code, answer.body), "500 500 Internal Server Error\n")
	c.logged("planted before the response")
	c.logged("main.panics")
}

// checkPanicAfter: the client must be able to see that the response is not whole, as far as the
// host lets it.
func checkPanicAfter(c *checker) {
	for _, when := range []string{"undeclared", "declared"} {
		w, conn := c.begin("/panic?when=" + when)
		w.release()
		got := "broken"
		if c.buffers() {
			_, err := conn.answer("GET")
			if err != nil {
				c.Fatal(err)
			}
		}
		if _, err := io.ReadAll(conn.body); err == nil {
			got = "looks whole"
		}
		c.expect(when, got, "broken")
		c.ended(w, "")
		c.logged("planted in the response")
		c.logged("main.panics")
	}
}

// logged waits until the host's log has the text: it may be written after the answer.
func (c *checker) logged(text string) {
	c.Helper()
	if !process.Soon(func() bool { return strings.Contains(c.logs.since(), text) }) {
		c.Errorf("%s: the log has no %q", c.site.name, text)
	}
}

// checkParallel: each of many requests at a time gets its own answer.
func checkParallel(c *checker) {
	const n = 50
	var wg sync.WaitGroup
	free := make(chan struct{}, cmp.Or(c.atOnce, n))
	for i := range n {
		body := fmt.Appendf(nil, "%d %s", i, large[i*10_000:(i+1)*10_000])
		want := fmt.Sprintf("200 i=%d\nc=%d\n%s", i, i, body)
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			answer, err := c.try(request{
				method: "POST", path: fmt.Sprintf("/echo?i=%d", i), fields: []string{fmt.Sprintf("Cookie: c=%d", i)}, body: body,
			})
			if err != nil {
				c.Errorf("%s: request %d: %v", c.site.name, i, err)
				return
			}
			if got := fmt.Sprintf("%d %s", answer.code, answer.body); got != want {
				c.Errorf("%s: request %d got %s", c.site.name, i, brief(got))
			}
		})
	}
	wg.Wait()
}
