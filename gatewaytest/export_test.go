package gatewaytest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/gateway"
)

// SetPatience changes how long TestServer waits for a step. A child process calls it before
// TestServer.
func SetPatience(d time.Duration) { patience = d }

// Elementary are the cases of TestServer that come first.
var Elementary = elementary

// Cases returns the rule and the name of each case of TestServer.
func Cases() (cases [][2]string) {
	for _, c := range serverCases() {
		cases = append(cases, [2]string{c.rule, c.name})
	}
	return cases
}

// A Failures is a test that does not fail. It keeps what it is told.
type Failures struct {
	mu     sync.Mutex
	Errors []string
	Logs   []string
}

func (f *Failures) Helper() {}

func (f *Failures) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Errors = append(f.Errors, fmt.Sprintf(format, args...))
}

func (f *Failures) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Logs = append(f.Logs, fmt.Sprintf(format, args...))
}

func (f *Failures) String() string { return strings.Join(f.Errors, "\n") }

// TryApplication is TestApplication with a test that does not fail and a patience of the caller's
// choice.
func TryApplication(patience time.Duration, app gateway.Application, requests ...*gateway.Environ) *Failures {
	f := new(Failures)
	testApplication(f, app, patience, requests)
	return f
}

// TryMiddleware is TestMiddleware in the same way.
func TryMiddleware(patience time.Duration, mw gateway.Middleware, app gateway.Application,
	requests ...*gateway.Environ) *Failures {
	f := new(Failures)
	testMiddleware(f, mw, app, patience, requests)
	return f
}

var Steps, Ordinal = steps, ordinal
