package gatewaytest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/rules"
)

// An exchange is one case that is being run: the test, the connections of the client, and what the
// application has seen. The goroutines of the application and those of the client may call its
// methods at the same time, unless a method says otherwise.
type exchange struct {
	t       *testing.T
	c       serverCase
	base    *url.URL
	isKnown bool // the case is a known failure

	done chan struct{} // closed when the case is over: nobody waits any longer

	mu       sync.Mutex
	over     bool // failures of an application that is still running no longer count
	failures int
	isHung   bool
	remarked []string
	seen     []string
	changed  chan struct{} // closed and renewed when seen grows
	looks    []*look
	kept     map[string]any
	contexts []context.Context // of each call of the application; a Context ends with its response
	clients  []*client
}

func newExchange(t *testing.T, c serverCase, isKnown bool) *exchange {
	return &exchange{t: t, c: c, isKnown: isKnown, changed: make(chan struct{}), done: make(chan struct{}),
		kept: make(map[string]any)}
}

// application returns the application of the case, for a server.
func (x *exchange) application() gateway.Application {
	call := x.c.app
	if call == nil {
		call = (*exchange).look
	}
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		x.mu.Lock()
		x.contexts = append(x.contexts, env.Context())
		x.mu.Unlock()
		return call(x, env, start)
	})
}

// run runs the client of the case.
func (x *exchange) run() {
	defer func() {
		x.leave() // also after a failure: in the next case a server of one thread would wait for this client
		close(x.done)
		x.mu.Lock()
		x.over = true
		x.mu.Unlock()
		if v := recover(); v != nil && v != errGiveUp {
			panic(v)
		}
	}()
	x.c.run(x)
	x.leave()
	x.awaitEnd()
}

// leave closes all connections.
func (x *exchange) leave() {
	x.mu.Lock()
	clients := x.clients
	x.mu.Unlock()
	for _, c := range clients {
		c.leave()
	}
}

// awaitEnd waits until all responses are over. A response's Context ends last, after Close.
func (x *exchange) awaitEnd() {
	x.t.Helper()
	x.mu.Lock()
	contexts, isHung := x.contexts, x.isHung
	x.mu.Unlock()
	if isHung {
		return
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for _, ctx := range contexts {
		select {
		case <-ctx.Done():
		case <-deadline.C:
			x.hang()
			x.fatalf("a response did not come to its end within %v after the client was done", patience)
		}
	}
}

// errGiveUp ends the client of a case.
var errGiveUp = errors.New("gatewaytest: the case has failed")

// errorf reports a failure of the server, and then quotes the rule: who does not know the rules by
// heart reads first what is wrong. In a known failure errorf only logs.
func (x *exchange) errorf(format string, args ...any) {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.failures++
	message := fmt.Sprintf(format, args...)
	if x.isKnown {
		x.t.Logf("as is known: %s", message)
		return
	}
	x.t.Errorf("%s\n\tThe server is to blame. The rule is %s", message, rules.Get(x.c.rule))
}

// fatalf is errorf, and ends the client, whose goroutine must be the caller's.
func (x *exchange) fatalf(format string, args ...any) {
	x.t.Helper()
	x.errorf(format, args...)
	panic(errGiveUp)
}

func (x *exchange) failed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.failures > 0
}

// hang notes that the server did not do something in time.
func (x *exchange) hang() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.isHung = true
}

func (x *exchange) hung() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.isHung
}

// remark adds to the case's line in the results. It is for what a server may do or leave, and what
// this server does.
func (x *exchange) remark(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s := fmt.Sprintf(format, args...); !slices.Contains(x.remarked, s) {
		x.remarked = append(x.remarked, s)
	}
}

func (x *exchange) remarks() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Join(x.remarked, "; ")
}

// note adds a line to what was seen, by the application or by the client.
func (x *exchange) note(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen = append(x.seen, fmt.Sprintf(format, args...))
	close(x.changed)
	x.changed = make(chan struct{})
}

// count returns how often the line was noted.
func (x *exchange) count(line string) (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.counted(line)
}

// counted is count for a caller that holds mu.
func (x *exchange) counted(line string) (n int) {
	for _, s := range x.seen {
		if s == line {
			n++
		}
	}
	return n
}

// await waits until the line was noted, and reports whether it was. By it the application waits for
// the client, and the client for the application. A line that does not come in time is a failure.
func (x *exchange) await(line string) bool {
	x.t.Helper()
	return x.awaitCount(line, 1)
}

// awaitCount waits until the line was noted n times.
func (x *exchange) awaitCount(line string, n int) bool {
	x.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		x.mu.Lock()
		count, changed, isHung := x.counted(line), x.changed, x.isHung
		seen := strings.Join(x.seen, "; ")
		x.mu.Unlock()
		if count >= n || isHung { // a case hangs once, however often it waits
			return count >= n
		}
		select {
		case <-changed:
		case <-x.done:
			return false
		case <-deadline.C:
			x.hang()
			x.errorf("after %v it did not come to %q, %d times; what was seen: %s", patience, line, n, abridged(seen))
			return false
		}
	}
}

// keep keeps a part of a request beyond the end of the request, as no application should. kept
// returns it.
func (x *exchange) keep(name string, v any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.kept[name] = v
}

func kept[T any](x *exchange, name string) T {
	x.mu.Lock()
	v, ok := x.kept[name].(T)
	x.mu.Unlock()
	if !ok {
		x.fatalf("the application was not called")
	}
	return v
}
