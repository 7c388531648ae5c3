//go:build interop && linux

package programs

import (
	"context"
	"flag"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/host"
)

var requests = flag.Int("requests", 160, "how many requests a program gets that must leave nothing")

// mixed is a CGI program that ends in as many ways as testdata/php/end.php.
const mixed = `#!/bin/sh
case ${QUERY_STRING#mark=many&} in
how=exit) printf 'Content-Type: text/plain\n\nso far\n';;
how=exit-3) printf 'Content-Type: text/plain\n\nso far\n'; exit 3;;
how=kill) kill -9 $$;;
how=kill-after) printf 'Content-Type: text/plain\n\nso far\n'; kill -9 $$;;
how=short) printf 'Content-Length: 1000\n\nso far\n';;
how=child) sleep 30 & printf 'Content-Type: text/plain\n\nso far\n';;
how=slow) sleep 30;;
how=endless) printf 'Content-Type: text/plain\n\n'; while printf 'still here\n'; do sleep 0.01; done;;
esac
`

// Programs die, hang and are left by their clients, many times and several at a time. What stays
// behind of processes, goroutines and files TestMain finds; descriptors are counted here, while no
// other test runs.
func TestManyRequestsLeaveNothing(t *testing.T) {
	s := startPHP(t)
	limits := host.Options{HeadTimeout: patience / 100, ReadTimeout: patience / 100}
	fpm := s.fpm("spare")
	cgi := &host.CGI{Path: s.write("mixed", mixed, 0o755), MaxProcesses: 4, MaxWaiting: -1,
		WaitTimeout: patience, Grace: patience / 100}
	fpm.Options, cgi.Options = limits, limits
	kinds := []string{"exit", "exit-3", "kill", "kill-after", "short", "endless"}
	for name, test := range map[string]struct {
		app   gateway.Application
		kinds []string
	}{
		"fpm": {fpm, kinds},
		"cgi": {cgi, append([]string{"slow", "child"}, kinds...)},
	} {
		t.Run(name, func(t *testing.T) {
			c := &client{T: t, front: "http", log: new(messages)}
			c.going, c.come = new(atomic.Int64), new(atomic.Int64)
			c.address = startHTTP(t, c.count(test.app), log.New(c.log, "", 0))
			c.http = newHTTPClient(t)
			c.fetch("exit", false)
			c.http.CloseIdleConnections()
			before := descriptors(t)
			c.many(test.kinds)
			c.http.CloseIdleConnections()
			c.calm()
			if !soon(func() bool { return descriptors(t) <= before }) {
				t.Errorf("%d descriptors before, %d now", before, descriptors(t))
			}
		})
	}
}

// many sends requests of all kinds, eight at a time. Some clients leave.
func (c *client) many(kinds []string) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range *requests / 8 {
				kind := kinds[i%len(kinds)]
				leaves := kind == "endless" || i%3 == 0
				text, err := c.fetch(kind, leaves)
				if kind == "exit" && !leaves && (err != nil || text != "so far\n") {
					c.Errorf("%q, %v", text, err)
				}
			}
		})
	}
	all.Wait()
}

// fetch sends a request. A client that leaves does so soon.
func (c *client) fetch(how string, leaves bool) (text string, err error) {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	if leaves {
		time.AfterFunc(time.Duration(rand.IntN(50))*time.Millisecond, cancel)
	}
	req, err := http.NewRequestWithContext(ctx, "GET", c.url("/end.php?mark=many&how="+how), nil)
	if err != nil {
		return "", err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// descriptors counts those that this process has open.
func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
