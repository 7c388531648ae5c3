package gatewaytest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/rules"
)

// An exchange is one case being run: the test, the client's end, and what the application has seen. Its methods may be called
// from the application's goroutines and from the client's, unless they say otherwise.
type exchange struct {
	t        *testing.T
	c        serverCase
	base     *url.URL
	excepted bool

	done chan struct{} // closed when the case is over: nobody waits any longer

	mu       sync.Mutex
	over     bool // an application that is still running has nobody to tell
	failures int
	isHung   bool
	remarked []string
	seen     []string
	changed  chan struct{} // closed and renewed when seen grows
	looks    []*look
	kept     map[string]any
	contexts []context.Context // of each call, which end with its response
	clients  []*client
}

func newExchange(t *testing.T, c serverCase, excepted bool) *exchange {
	return &exchange{t: t, c: c, excepted: excepted, changed: make(chan struct{}), done: make(chan struct{}),
		kept: make(map[string]any)}
}

// application is the case's, as a server gets it.
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

// run is the client's part.
func (x *exchange) run() {
	defer func() {
		x.leave() // a case that has failed, too: a server of one thread would wait for its clients in the next
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

// awaitEnd waits until all responses are over: D10, the Context ends with the response, after Close.
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

// errGiveUp ends the client's part of a case.
var errGiveUp = errors.New("gatewaytest: the case has failed")

// errorf is a failure of the server. It quotes the rule.
func (x *exchange) errorf(format string, args ...any) {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.failures++
	message := fmt.Sprintf(format, args...)
	if x.excepted {
		x.t.Logf("as excepted: %s", message)
		return
	}
	x.t.Errorf("%s\n\t%s\n\tThe server is to blame.", rules.Get(x.c.rule), message)
}

// fatalf is errorf for the client's goroutine, when there is no point in going on.
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

// hang says that the server did not do something in time.
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

// remark adds to the case's line in the results: what a server may do, and did.
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

func (x *exchange) counted(line string) (n int) {
	for _, s := range x.seen {
		if s == line {
			n++
		}
	}
	return n
}

// await waits until the line was noted, which it must be at some time, and reports whether it was. It is how an application
// waits for the client, and the client for the application.
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
		if count >= n || isHung { // a case hangs once, whatever it would still wait for
			return count >= n
		}
		select {
		case <-changed:
		case <-x.done:
			return false
		case <-deadline.C:
			x.hang()
			x.errorf("after %v it did not come to %q, %d times; what was seen: %s", patience, line, n, abridged([]byte(seen)))
			return false
		}
	}
}

// keep keeps something of a request beyond its end, as no application should; kept returns it.
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

// closing is body with a note "iteration" when it is ranged and "close" at each Close.
func (x *exchange) closing(body gateway.Body) gateway.Body { return &notingBody{body, x} }

type notingBody struct {
	gateway.Body
	x *exchange
}

func (n *notingBody) Blocks() iter.Seq2[[]byte, error] {
	n.x.note("iteration")
	return n.Body.Blocks()
}

func (n *notingBody) Close() error {
	err := n.Body.Close()
	n.x.note("close")
	return err
}

// wantClosed checks that n bodies were closed, no more; that was noted by closing. A server may close after the client has
// its answer.
func (x *exchange) wantClosed(n int) {
	x.t.Helper()
	if !x.awaitCount("close", n) {
		return
	}
	x.awaitEnd() // what comes too often comes before that
	if got := x.count("close"); got != n {
		x.errorf("Close was called %d times, want %d", got, n)
	}
}

// secret is in the errors of applications that fail on purpose.
const secret = "s3cret-detail"

var errSecret = errors.New(secret)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

// answer is an application that answers with a status, headers and a body.
func answer(status string, headers gateway.Headers, body func(x *exchange) gateway.Body) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start(status, headers, nil)
		return body(x), err
	}
}

// text is an answer of one block.
func text(s string) application {
	return answer("200 OK", plain, func(*exchange) gateway.Body { return gateway.Text(s) })
}

// streamed is an answer whose blocks come from seq.
func streamed(seq func(x *exchange, yield func([]byte, error) bool)) application {
	return answer("200 OK", plain, func(x *exchange) gateway.Body { return x.stream(seq) })
}

// stream is a body whose Close is noted.
func (x *exchange) stream(seq func(x *exchange, yield func([]byte, error) bool)) gateway.Body {
	return x.closing(gateway.Stream(func(yield func([]byte, error) bool) { seq(x, yield) }))
}

// inTurn yields blocks until it is told to stop.
func inTurn(yield func([]byte, error) bool, blocks ...string) bool {
	for _, b := range blocks {
		if !yield([]byte(b), nil) {
			return false
		}
	}
	return true
}

// length is plain with a Content-Length.
func length(n int) gateway.Headers { return plain.With("Content-Length", fmt.Sprint(n)) }

// allBytes has every byte value, and line ends of all kinds.
var allBytes = func() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b) + "\r\n\n\r\r\n.\r\n\x00\xff"
}()

// megabyte is 1 MiB in which no part looks like another.
var megabyte = func() string {
	b := make([]byte, 1<<20)
	seed := uint32(1)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return string(b)
}()
