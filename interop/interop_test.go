//go:build interop && linux

// Package interop puts one application, the program in testapp, under real web servers, as a CGI
// program and as a server behind them, and checks that it gets the same requests and that clients
// get the same responses from all of them.
//
//	interop/install                      # once, on Debian
//	go test -tags interop ./interop
//
// The configurations of the hosts are in testdata. What a host does in its own way is in
// differences_test.go, with the reason; a difference that is not listed there fails, and so does
// one that is listed and does not occur.
package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "example.com/gateway/serve" // so that a cached result is not used when it has changed
)

// A check is what is done with each host. The order matters only in that stop is the last.
type check struct {
	name string
	run  func(c *checker)
}

var checks = []check{
	{"get", checkGet},
	{"head", checkHead},
	{"query", checkQuery},
	{"environ", checkEnviron},
	{"paths", checkPaths},
	{"upload", checkUpload},
	{"chunked", checkChunked},
	{"unread", checkUnread},
	{"deadlock", checkDeadlock},
	{"slow", checkSlow},
	{"cut", checkCut},
	{"cut-chunked", checkCutChunked},
	{"status", checkStatus},
	{"moved", checkMoved},
	{"cookies", checkCookies},
	{"injection", checkInjection},
	{"panic-before", checkPanicBefore},
	{"panic-after", checkPanicAfter},
	{"stream", checkStream},
	{"close", checkClose},
	{"leave", checkLeave},
	{"leave-idle", checkLeaveIdle},
	{"garbage", checkGarbage},
	{"parallel", checkParallel},
	{"stop", checkStop},
}

func TestHosts(t *testing.T) {
	run(t, hosts, checks)
}

// run puts the program under each of the hosts and does each of the checks.
func run(t *testing.T, hosts []host, checks []check) {
	program := build(t)
	for _, h := range hosts {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, h, program)
			for _, run := range checks {
				t.Run(run.name, func(t *testing.T) {
					s.logs.mark()
					c := &checker{T: t, site: s, name: run.name, used: make(map[string]bool)}
					t.Cleanup(c.finish)
					run.run(c)
				})
			}
		})
	}
}

// build builds the CGI program, as its users would, and returns its path.
func build(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"testapp/main.go", "testapp/watch.go", "internal/quirk/quirk.go"} {
		if _, err := os.ReadFile(name); err != nil { // go test has to know that the result depends on it
			t.Fatal(err)
		}
	}
	program := filepath.Join(t.TempDir(), "app")
	if output, err := exec.Command("go", "build", "-o", program, "./testapp").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return program
}

// A checker is one check of one host.
type checker struct {
	*testing.T
	*site
	name string
	used map[string]bool // the aspects that were asked for
}

// expect compares one aspect with what it is on every host, or with what is listed for this one.
func (c *checker) expect(aspect, got, want string) {
	c.Helper()
	c.used[aspect] = true
	for _, d := range differences {
		if !d.of(c.site.name, c.name) || d.aspect != aspect {
			continue
		}
		switch {
		case d.covers(c.unfilled(got)):
		case got == want:
			c.Errorf("%s: %s: %s, as on other hosts: take %q off the list of differences", c.site.name, aspect, brief(got), d.why)
		default:
			c.Errorf("%s: %s: %s, want %s: %s (%s)", c.site.name, aspect, brief(got), brief(d.is), d.why, d.source)
		}
		return
	}
	if got != want {
		c.Errorf("%s: %s: %s, want %s", c.site.name, aspect, brief(got), brief(want))
	}
}

// unfilled puts the placeholders back in which the list of differences has: the ports, as in the
// configurations.
func (c *checker) unfilled(got string) string {
	got = replaceNumber(got, c.port, "@PORT@")
	if _, port, found := strings.Cut(c.backend, "127.0.0.1:"); found {
		got = replaceNumber(got, port, "@APP_PORT@")
	}
	return got
}

// replaceNumber replaces a number, but not where it is a part of another: 1048576 has the port
// 48576 in it.
func replaceNumber(s, number, by string) string {
	if number == "" {
		return s
	}
	return regexp.MustCompile(`\b`+number+`\b`).ReplaceAllString(s, by)
}

// listed reports whether the host is known to be different in an aspect.
func (c *checker) listed(aspect string) bool {
	return slices.ContainsFunc(differences, func(d difference) bool {
		return d.of(c.site.name, c.name) && d.aspect == aspect
	})
}

// finish is run after each check.
func (c *checker) finish() {
	for _, d := range differences {
		if d.of(c.site.name, c.name) && !c.used[d.aspect] && !c.Failed() {
			c.Errorf("%s: the check has no aspect %q, which is listed as different", c.site.name, d.aspect)
		}
	}
	if c.Failed() {
		c.Logf("the end of the log of %s:\n%s", c.site.name, c.logs.tail())
	}
}

func brief(s string) string {
	if len(s) > 300 {
		s = s[:200] + "..." + s[len(s)-80:]
	}
	return fmt.Sprintf("%q", s)
}

func TestDifferencesNameHostsAndChecks(t *testing.T) {
	seen := make(map[string]bool)
	hosts, checks := slices.Concat(hosts, servers), slices.Concat(checks, serverChecks)
	for _, d := range differences {
		if !slices.ContainsFunc(checks, func(c check) bool { return c.name == d.check }) {
			t.Errorf("there is no check %q", d.check)
		}
		if d.why == "" || d.source == "" {
			t.Errorf("%s/%s: %s: no reason or no source", d.hosts, d.check, d.aspect)
		}
		for _, name := range strings.Fields(d.hosts) {
			if !slices.ContainsFunc(hosts, func(h host) bool { return h.name == name }) {
				t.Errorf("there is no host %q", name)
			}
			key := strings.Join([]string{name, d.check, d.aspect}, "/")
			if seen[key] {
				t.Errorf("%s is listed twice", key)
			}
			seen[key] = true
		}
	}
}
