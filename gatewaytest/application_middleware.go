package gatewaytest

import (
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/rules"
	"example.com/gateway/validate"
)

// TestMiddleware is [TestApplication] for middleware, with an application inside: it runs what mw makes of app through the failures
// that a server can have, and through those of an application, under the lint of package validate, which sees both sides.
//
// So it also finds what the outside of middleware does not show: an inner body that is never closed (R21), blocks that are held back
// or swallowed (R94, R95), a body that is ranged in Call or sent through the writer (R96, R97), blocks kept past their step (D8), and
// whatever else a [validate.Finding] says of the middleware, or of app. Beyond the failures of TestApplication,
//
//   - the inner Call returns an error, without a body and beside one;
//   - the inner body yields an error in place of its k-th block;
//
// and the middleware must close the body all the same, and may answer with an error page of its own as long as nothing was sent,
// but not end the response as if it were whole (D2).
//
// If app is nil, there are several, each tried with all requests: functions and a struct, blocks and the writer, an early and a late
// start. They answer any request with text. The requests are as for TestApplication, and so are time and what it may be called from.
func TestMiddleware(t *testing.T, mw gateway.Middleware, app gateway.Application, requests ...*gateway.Environ) {
	t.Helper()
	testMiddleware(t, mw, app, applicationPatience, requests)
}

func testMiddleware(t reporter, mw gateway.Middleware, app gateway.Application, patience time.Duration, environs []*gateway.Environ) {
	t.Helper()
	if mw == nil {
		t.Errorf("gatewaytest: TestMiddleware needs a middleware, not nil")
		return
	}
	apps := innerApplications
	if app != nil {
		apps = []innerApplication{{"", app}}
	}
	list := newTestRequests(t, patience, environs)
	for _, inside := range apps {
		a := newTrial(nil, patience)
		a.lint = new(findings)
		linter := validate.Linter{Report: a.lint.add}
		if a.app = linter.Middleware(mw)(&breaker{app: inside.app, a: a}); !a.tryAll(t, list, inside.name) {
			return
		}
	}
}

// A findings is what the lint has found and no run was blamed for yet.
type findings struct {
	mu   sync.Mutex
	list []validate.Finding
}

func (l *findings) add(f validate.Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, f)
}

func (l *findings) take() (list []validate.Finding) {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list, l.list = l.list, nil
	return list
}

// judgeLint makes findings of those of the lint. One against the server is of the request that the test was given.
func (r *run) judgeLint(a *trial) {
	for _, f := range a.lint.take() {
		_, seen, _ := strings.Cut(f.Text, strings.TrimSuffix(rules.Get(f.Rule).Text, ".")+": ")
		if f.Place != "" {
			seen += " (" + f.Place + ")"
		}
		r.find(f.Rule, "lint "+f.Side.String(), "%s", seen)
		who := "The " + f.Side.String()
		if f.Side == validate.SideServer {
			who = "The request that TestMiddleware was given"
		}
		for _, found := range r.q.findings {
			if found.rule == f.Rule && found.kind == "lint "+f.Side.String() {
				found.blame = who + " is to blame."
			}
		}
	}
}

// A breaker is the application inside, which fails when the fault says so.
type breaker struct {
	app gateway.Application
	a   *trial
}

// errInner is what it fails with.
var errInner = errors.New("an error of the inner application, made by gatewaytest")

// Call implements gateway.Application.
func (b *breaker) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	f := b.a.now.Load()
	body, err := b.app.Call(env, start)
	switch {
	case err != nil || body == nil:
	case f.inner == innerCall:
		return nil, errors.Join(errInner, body.Close())
	case f.inner == innerBeside:
		return body, errInner
	case f.inner == innerBlock:
		return broken{body, f.block}, nil
	}
	return body, err
}

// broken is a body that yields an error in place of its k-th block.
type broken struct {
	gateway.Body
	k int
}

// Blocks implements gateway.Body.
func (b broken) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		k := 0
		for block, err := range b.Body.Blocks() {
			if k++; k == b.k {
				yield(nil, errInner)
				return
			}
			if !yield(block, err) {
				return
			}
		}
	}
}

// An inner is how the application inside fails.
type inner uint8

const (
	innerCall   inner = iota + 1 // Call returns an error,
	innerBeside                  // or one beside a body,
	innerBlock                   // or the body yields one
)

// innerFaults are those of the application inside.
func (a *trial) innerFaults(first *run) []fault {
	if a.lint == nil {
		return nil
	}
	list := []fault{{step: "when the inner Call fails", inner: innerCall}, {step: "when the inner Call fails beside a body", inner: innerBeside}}
	for _, k := range steps(max(first.sends, 3)) { // middleware may make fewer of them
		list = append(list, fault{step: "when the inner body fails in place of its " + ordinal(k) + " block", inner: innerBlock, block: k})
	}
	return list
}

// An innerApplication is one of those that TestMiddleware has.
type innerApplication struct {
	name string // as the request's name goes on
	app  gateway.Application
}

var innerApplications = []innerApplication{
	{" around text", inText}, {" around blocks", inBlocks}, {" around an application that writes", inWriting},
	{" around an application that starts late", inLate{}},
}

var (
	innerPlain = gateway.Headers{{"Content-Type", "text/plain"}}

	inText = gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", innerPlain, nil)
		return gateway.Text("Hello World !\n"), err
	})
	inBlocks = gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", innerPlain, nil)
		return gateway.Stream(innerBlocks), err
	})
	inWriting = gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", innerPlain, nil)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte("written, ")); err != nil {
			return nil, err
		}
		return gateway.Stream(innerBlocks), nil
	})
)

func innerBlocks(yield func([]byte, error) bool) {
	for _, block := range []string{"one, ", "two, ", "", "three\n"} {
		if !yield([]byte(block), nil) {
			return
		}
	}
}

// An inLate starts the response inside the iteration.
type inLate struct{}

// Call implements gateway.Application.
func (inLate) Call(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return gateway.Stream(func(yield func([]byte, error) bool) {
		if !yield(nil, nil) {
			return
		}
		if _, err := start("200 OK", innerPlain, nil); err != nil {
			yield(nil, err)
			return
		}
		innerBlocks(yield)
	}), nil
}
