package gatewaytest

import (
	"net/url"
	"runtime"
	"testing"
	"time"

	"example.com/gateway"
)

// patience is how long TestServer waits for a step of a case. It is long, since a wrong verdict on
// a busy machine is worse than a slow verdict on a broken server. Only tests of this package change
// it.
var patience = 10 * time.Second

// maxHangs is how many cases may hang before TestServer runs no more of them. A server that never
// answers then fails long before the test binary runs out of time.
const maxHangs = 3

// A KnownFailure is a case of [TestServer] that a server cannot pass because of its protocol or its
// host: an Apache, for example, drops the Content-Length of a CGI program. TestServer prints the
// reason with the results. A known failure that passes fails the test, so that the list cannot
// become stale.
type KnownFailure struct {
	Case   string // the name that TestServer prints, such as "R89/one-block-gets-a-length"
	Reason string // why no server of that protocol, or behind that host, can pass the case
}

// TestServer proves that a server keeps the rules of PEP 3333 and RFC 3875 that can be seen from
// outside. It runs a table of cases, a subtest each. A case has an application, requests that a
// client sends over a real connection, and checks of what both have seen. Applications misbehave in
// some of the cases, and clients in others.
//
// For each case TestServer calls start, one call after the other. start must serve app over HTTP,
// in this process, until the end of the test that start is given, and must return the URL under
// which app is mounted: "http://127.0.0.1:8000", or a URL with a path. By t.Cleanup start has the
// server stopped: the function given to t.Cleanup closes the listener and the connections, and
// returns when the server has returned. For a gateway protocol, such as FastCGI, start runs the
// server together with a web server in front of it. That web server passes on the head and
// each block as they come, and each header as it is: repeated ones in order, names in any case. It
// does not hide from the client that a response is cut off. It ends the connection to the server
// when its client has left, and not when the client has closed only its sending half.
//
// Behind a web server TestServer sees the server's own framing through that alone. That the rest of
// a body is no request, and that garbage does no harm, is for tests of the server's own.
// ExampleTestServer, in example_server_test.go, is a whole server.
//
// TestServer does not test what a server adds to the contract: its limits and time-outs, and how it
// stops.
//
// A failure says what was seen, and quotes the rule. Why an application has failed is in the log of
// the server, the Errors of the request, which goes where start has it go: to t.Output, for one. A
// case fails as a hang if a step takes longer
// than ten seconds, if start does not return within ten seconds, or if the functions that start has
// given to t.Cleanup do not return within thirty. TestServer leaves the hanging goroutine behind,
// and runs no more cases after three hangs. At the end it logs the results, a line for each case;
// go test prints the log of a test that passes if -v is set.
//
// Each known failure must name a case that exists, must give a reason, and must fail. TestServer
// may be called from parallel tests.
func TestServer(t *testing.T, start func(t *testing.T, app gateway.Application) (baseURL string),
	known ...KnownFailure) {
	t.Helper()
	if start == nil {
		t.Fatal("gatewaytest: TestServer needs a start func")
	}
	results, err := newResults(known)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range serverCases() {
		results.cases[c.id()] = true
		if results.hangs >= maxHangs {
			results.skip(c)
			continue
		}
		ended := runBounded(t, c.id(), func(t *testing.T) {
			reason, isKnown := results.reasons[c.id()]
			x := newExchange(t, c, isKnown)
			ran := false
			defer func() { results.add(x, ran, reason) }()
			base := x.startServer(start)
			if base == nil {
				return
			}
			x.base = base
			ran = true
			x.run()
			if isKnown && !x.failed() {
				t.Errorf("gatewaytest: %s passes, and is listed as a known failure: remove it from the list. "+
					"The reason given was: %s", c.id(), reason)
			}
		})
		if !ended {
			results.stuck(c)
			t.Errorf("gatewaytest: %s: the functions that start has given to t.Cleanup did not return within %v",
				c.id(), cleanupPatience())
		}
	}
	for _, k := range known {
		if !results.cases[k.Case] {
			t.Errorf("gatewaytest: a known failure names the case %q, and there is no such case", k.Case)
		}
	}
	if results.skipped > 0 && results.ran == 0 {
		t.Error("gatewaytest: no case was run: start has skipped all")
	}
	if results.hangs >= maxHangs {
		t.Errorf("gatewaytest: %d cases hung; the cases after them were not run", results.hangs)
	}
	if t.Failed() {
		t.Log("gatewaytest: what the applications reported is in the server's log, where start has it go; " +
			"applications fail on purpose in some cases")
	}
	t.Log(results.String())
}

// cleanupPatience is how long t.Cleanup may take. It is longer than the grace that a server gives
// its requests.
func cleanupPatience() time.Duration { return 3 * patience }

// runBounded is t.Run, but returns false if the subtest's Cleanup does not return. Package testing
// has no way to end such a subtest. It stays on its goroutine, and Run may be called beside it.
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
	case <-done: // also if the flag -run leaves the subtest out
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

// startServer calls start, and returns nil if there is no server to talk to. start runs on a
// goroutine of its own, since it may hang, and since it may end its goroutine by t.Fatal: the
// deferred send tells that from a return.
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
		case !r.returned: // start has called t.Fatal or t.Skip
		case r.base == "":
			x.t.Error("gatewaytest: start returned no URL")
		default:
			u, err := url.Parse(r.base)
			if err == nil && u.Scheme == "http" && u.Port() != "" && u.RawQuery == "" && u.Fragment == "" {
				return u
			}
			x.t.Errorf("gatewaytest: start returned %q, which is not like http://127.0.0.1:8000 "+
				"or http://127.0.0.1:8000/prefix", r.base)
		}
	case <-timer.C:
		x.hang()
		x.t.Errorf("gatewaytest: start did not return within %v", patience)
	}
	return nil
}
