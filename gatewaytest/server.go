package gatewaytest

import (
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/rules"
)

// patience is how long a step of a case may take before the server counts as hanging. It is long, since a wrong verdict on
// a busy machine is worse than a slow one on a broken server. Only a test changes it.
var patience = 10 * time.Second

// maxHangs is how many cases may hang before TestServer gives up: a server that never answers is to fail long before the
// test binary runs out of time.
const maxHangs = 3

// An Exception is a case that a server cannot pass because of its host, as an Apache that drops the Content-Length of a
// program. Its reason is printed with the results. An exception whose case passes all the same fails the test.
type Exception struct {
	Case   string // the name that TestServer prints, "R89/one-block-gets-a-length"
	Reason string // why no server of that protocol, or behind that host, can pass it
}

// TestServer proves that a server keeps the rules of PEP 3333 and RFC 3875 that can be seen from outside. It runs a table of
// cases, each a subtest: an application, requests of a client over a real connection, and what both must have seen. The
// applications misbehave in some of them, the clients in others.
//
// For each case TestServer calls start, which must serve app over HTTP, in this process, until the end of the test that it
// is given (t.Cleanup), and return the URL under which app is mounted, "http://127.0.0.1:8000" or with a prefix. For a
// gateway protocol that is the server together with a web server in front of it; that one must pass blocks on as they come,
// and must not hide from the client that a response broke off. start may be called many times, one after the other.
//
// A failure quotes the rule and says what was seen; the server is to blame. A case that takes longer than ten seconds for a
// step fails as a hang, also if start does not return, or if after the case what it gave to t.Cleanup does not within thirty;
// that is then left behind. After three hangs the rest is not run. At the end the results are logged, a line for each
// case: go test shows them of a run that passes with -v.
func TestServer(t *testing.T, start func(t *testing.T, app gateway.Application) (baseURL string), exceptions ...Exception) {
	t.Helper()
	if start == nil {
		t.Fatal("gatewaytest: TestServer needs a start func")
	}
	results, err := newMatrix(exceptions)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range serverCases() {
		results.known[c.id()] = true
		if results.hangs >= maxHangs {
			results.skip(c)
			continue
		}
		ended := runBounded(t, c.id(), func(t *testing.T) {
			reason, excepted := results.reasons[c.id()]
			x := newExchange(t, c, excepted)
			ran := false
			defer func() { results.add(x, ran, reason) }()
			base := x.startServer(start)
			if base == nil {
				return
			}
			x.base = base
			ran = true
			x.run()
			if excepted && !x.failed() {
				t.Errorf("gatewaytest: the exception for %s is not needed: it passes. The reason given was: %s", c.id(), reason)
			}
		})
		if !ended {
			results.stuck(c)
			t.Errorf("gatewaytest: %s: what start has given to t.Cleanup did not return within %v", c.id(), cleanupPatience())
		}
	}
	for _, e := range exceptions {
		if !results.known[e.Case] {
			t.Errorf("gatewaytest: there is no case %q to except", e.Case)
		}
	}
	if results.skipped > 0 && results.ran == 0 {
		t.Error("gatewaytest: no case was run: start has skipped all")
	}
	if results.hangs >= maxHangs {
		t.Errorf("gatewaytest: %d cases hung; the cases after them were not run", results.hangs)
	}
	t.Log(results.String())
}

// cleanupPatience is how long t.Cleanup may take: longer than the grace that a server gives its requests.
func cleanupPatience() time.Duration { return 3 * patience }

// runBounded is t.Run, and reports false if the subtest's Cleanup does not return. It is then left behind on its goroutine, as
// is the server that it should have stopped: package testing has no way to end it, and lets Run be called beside it.
func runBounded(t *testing.T, name string, f func(t *testing.T)) bool {
	t.Helper()
	over, done, returned := make(chan struct{}), make(chan struct{}), false
	go func() {
		defer close(done)
		t.Run(name, func(t *testing.T) {
			defer close(over)
			f(t)
		})
		returned = true
	}()
	select {
	case <-done: // also if -run has left it out
	case <-over:
		timer := time.NewTimer(cleanupPatience())
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			return false
		}
	}
	if !returned { // the subtest has called FailNow of t
		runtime.Goexit()
	}
	return true
}

// startServer calls start and does not wait for it for ever. It does so on a goroutine of its own, where start may call
// t.Fatal too: a deferred send tells a return from an exit. It returns nil if there is no server to talk to.
func (x *exchange) startServer(start func(*testing.T, gateway.Application) string) *url.URL {
	x.t.Helper()
	type result struct {
		base     string
		returned bool
		panicked any
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			r.panicked = recover()
			done <- r
		}()
		r.base = start(x.t, x.application())
		r.returned = true
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-done:
		switch {
		case r.panicked != nil:
			x.t.Errorf("gatewaytest: start panicked: %v", r.panicked)
		case !r.returned: // it has called t.Fatal or t.Skip
		case r.base == "":
			x.t.Error("gatewaytest: start returned no URL")
		default:
			u, err := url.Parse(r.base)
			if err == nil && u.Scheme == "http" && u.Port() != "" && u.RawQuery == "" && u.Fragment == "" {
				return u
			}
			x.t.Errorf("gatewaytest: start returned %q, which is not like http://127.0.0.1:8000 or http://127.0.0.1:8000/prefix", r.base)
		}
	case <-timer.C:
		x.hang()
		x.t.Errorf("gatewaytest: start did not return within %v", patience)
	}
	return nil
}

// A serverCase is one row of the table.
type serverCase struct {
	rule string // the one that a failure quotes
	name string // what must be, in words with dashes

	// app is the application's Call, which may tell x what it saw. nil is (*exchange).look.
	app application

	// run is the client: it sends requests and checks the answers and what the application saw.
	run func(x *exchange)
}

type application func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error)

func (c serverCase) id() string { return c.rule + "/" + c.name }

// elementary are the cases that come first: of a server that fails them, the others tell nothing but that, and at length.
var elementary = []string{
	"C40/a-request-gets-an-answer",
	"R58/a-request-without-a-body-has-an-empty-one",
	"R55/the-body-ends-where-it-should-on-an-open-connection",
	"C32/what-follows-the-body-is-not-of-it",
	"R15/a-body-of-one-block-arrives",
	"R21/close-runs-once-after-a-response",
}

// serverCases returns the whole table, the elementary ones first and the others in the order of the rules' numbers.
func serverCases() []serverCase {
	cases := slices.Concat(environCases, pathCases, requestHeaderCases, inputCases, startCases, headerCases, bodyCases,
		writeCases, lengthCases, methodCases, failureCases, closeCases, isolationCases, clientCases)
	position := make(map[string]int, len(rules.All))
	for i, r := range rules.All {
		position[r.ID] = len(elementary) + i
	}
	place := func(c serverCase) int {
		if i := slices.Index(elementary, c.id()); i >= 0 {
			return i
		}
		return position[c.rule]
	}
	slices.SortStableFunc(cases, func(a, b serverCase) int { return place(a) - place(b) })
	return cases
}

// A matrix is the result of each case.
type matrix struct {
	reasons map[string]string // of exceptions
	known   map[string]bool
	rows    []string
	ok      bool // the last row
	passed  int
	ran     int
	skipped int // by start
	hangs   int
}

func newMatrix(exceptions []Exception) (*matrix, error) {
	m := &matrix{reasons: map[string]string{}, known: map[string]bool{}}
	for _, e := range exceptions {
		if e.Reason == "" {
			return nil, fmt.Errorf("gatewaytest: the exception for %q gives no reason", e.Case)
		}
		m.reasons[e.Case] = e.Reason
	}
	return m, nil
}

func (m *matrix) add(x *exchange, ran bool, reason string) {
	if ran || x.t.Failed() {
		m.ran++
	} else {
		m.skipped++
	}
	m.ok = false
	result := "ok"
	switch {
	case x.t.Failed():
		result = "FAILED"
	case !ran:
		result = "not run: start has skipped it"
	case reason != "":
		result = "excepted: " + reason
	default:
		m.ok = true
		m.passed++
		if remark := x.remarks(); remark != "" {
			result = "ok: " + remark
		}
	}
	if x.hung() {
		m.hangs++
	}
	m.row(x.c, result)
}

// stuck says of the case that was added last that it does not come to its end.
func (m *matrix) stuck(c serverCase) {
	if m.ok {
		m.passed--
	}
	m.hangs++
	m.rows = m.rows[:len(m.rows)-1]
	m.row(c, "FAILED: the Cleanup of start hangs")
}

func (m *matrix) skip(c serverCase) { m.row(c, "not run: too many cases before it hung") }

func (m *matrix) row(c serverCase, result string) {
	m.rows = append(m.rows, fmt.Sprintf("%-72s %s", c.id(), result))
}

func (m *matrix) String() string {
	return fmt.Sprintf("%d of %d cases passed\n%s", m.passed, len(m.rows), strings.Join(m.rows, "\n"))
}
