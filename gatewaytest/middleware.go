package gatewaytest

import (
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/validate"
)

// TestMiddleware runs a middleware, with app inside, through the failures of [TestApplication] and
// through those of an application. The middleware must take each of them as TestApplication says.
// The lint of package validate looks at both sides of the middleware.
//
// So TestMiddleware also finds faults that do not show outside of the middleware: an inner body
// that is never closed (R21), blocks that are held back or swallowed (R94, R95), a body that is
// ranged in Call or sent through the writer (R96, R97), blocks that are used after their step of
// the iteration, and whatever else a [validate.Finding] says of the middleware, or of app.
//
// The failures of the inner application are:
//
//   - its Call returns an error, without a body and beside one;
//   - its body yields an error in place of the k-th block, for every k.
//
// The middleware must then close the body all the same. It may answer with an error page of its own
// as long as nothing was sent, and must not end a cut response as if it were whole.
//
// If app is nil, TestMiddleware tries several applications, each with all requests: functions and a
// struct, blocks and the writer, an early and a late start. They answer any request with text. The
// requests, the time that a run may take, testing/synctest and parallel tests are as for
// TestApplication.
func TestMiddleware(t *testing.T, mw gateway.Middleware, app gateway.Application, requests ...*gateway.Environ) {
	t.Helper()
	testMiddleware(t, mw, app, applicationPatience, requests)
}

func testMiddleware(t reporter, mw gateway.Middleware, app gateway.Application, patience time.Duration,
	environs []*gateway.Environ) {
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

// A findings is a list of what the lint has found since the last run.
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

// judgeLint adds the findings of the lint. A finding against the server is about the request that
// TestMiddleware was given: nothing else of the server comes from outside of this package.
func (r *run) judgeLint(a *trial) {
	for _, f := range a.lint.take() {
		seen, _, _ := strings.Cut(f.Text, "; the rule: ") // report quotes the rule
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

// A breaker is the application inside, but fails when the fault says so.
type breaker struct {
	app gateway.Application
	a   *trial
}

// errInner is the error that a breaker fails with.
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

// A broken body yields an error in place of its k-th block.
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
	innerCall   inner = iota + 1 // Call returns an error and no body
	innerBeside                  // Call returns an error beside a body
	innerBlock                   // the body yields an error
)

// innerFaults returns the faults of the application inside.
func (a *trial) innerFaults(first *run) []fault {
	if a.lint == nil {
		return nil
	}
	list := []fault{
		{step: "when the inner Call fails", inner: innerCall},
		{step: "when the inner Call fails beside a body", inner: innerBeside},
	}
	for _, k := range steps(max(first.writes+1, 3)) { // middleware may make fewer blocks than the inner body
		step := "when the inner body fails in place of its " + ordinal(k) + " block"
		list = append(list, fault{step: step, inner: innerBlock, block: k})
	}
	return list
}

// An innerApplication is one of the applications that TestMiddleware tries.
type innerApplication struct {
	name string // what is added to the name of a request
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
