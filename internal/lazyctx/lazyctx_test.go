package lazyctx_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"example.com/gateway/internal/lazyctx"
)

var (
	errFirst  = errors.New("first")
	errSecond = errors.New("second")
)

type key struct{}

// A watchFunc is a Watcher.
type watchFunc func()

func (f watchFunc) Watch() { f() }

// of returns a context, and how often it has been asked to watch.
func of(parent context.Context) (*lazyctx.Context, *int) {
	c, watched := new(lazyctx.Context), new(int)
	c.Init(parent, watchFunc(func() { *watched++ }))
	return c, watched
}

func ended(c context.Context) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

func TestNothingIsWatchedUntilDoneOrErr(t *testing.T) {
	t.Parallel()
	parent := context.WithValue(t.Context(), key{}, "value")
	c, watched := of(parent)
	if c.Value(key{}) != "value" || c.Cause() != nil {
		t.Error("Value or Cause is wrong")
	}
	if _, ok := c.Deadline(); ok {
		t.Error("a deadline from nowhere")
	}
	if *watched != 0 {
		t.Error("Value, Cause and Deadline began to watch")
	}
	for range 3 {
		if c.Err() != nil || ended(c) {
			t.Error("the context has ended")
		}
	}
	if *watched != 1 {
		t.Errorf("watch was called %d times, want once", *watched)
	}
	if c.Value(key{}) != "value" {
		t.Error("the value is gone")
	}
	c.Cancel(errFirst)
	_ = c.Err()
	if *watched != 1 {
		t.Error("watch was called again")
	}
}

func TestCancelBeforeAndAfterTheContextIsMade(t *testing.T) {
	t.Parallel()
	for _, made := range []bool{false, true} {
		c, watched := of(t.Context())
		if made {
			_ = c.Done()
		}
		c.Cancel(errFirst)
		c.Cancel(errSecond)
		if c.Cause() != errFirst { // the first stays
			t.Errorf("made %v: Cause is %v", made, c.Cause())
		}
		if !ended(c) || c.Err() != context.Canceled || context.Cause(c) != errFirst || c.Cause() != errFirst {
			t.Errorf("made %v: %v, %v, %v", made, c.Err(), context.Cause(c), c.Cause())
		}
		if want := map[bool]int{true: 1}[made]; *watched != want {
			t.Errorf("made %v: watch was called %d times, want %d", made, *watched, want)
		}
	}
	// context.Cause alone, without Done or Err before it.
	c, _ := of(t.Context())
	c.Cancel(errFirst)
	if context.Cause(c) != errFirst {
		t.Errorf("context.Cause is %v", context.Cause(c))
	}
}

func TestTheParentsEndIsTheContextsEnd(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before it is made", "after it is made", "before it exists"} {
		parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		if when == "before it exists" {
			cancel(errFirst)
		}
		c, watched := of(parent)
		if when == "after it is made" {
			_ = c.Done()
		}
		cancel(errFirst)
		if c.Cause() != errFirst || context.Cause(c) != errFirst || !ended(c) || c.Err() != context.Canceled {
			t.Errorf("%s: %v, %v, %v", when, c.Cause(), context.Cause(c), c.Err())
		}
		c.Cancel(errSecond)
		if c.Cause() != errFirst || context.Cause(c) != errFirst {
			t.Errorf("%s: the cause became %v", when, c.Cause())
		}
		if c.Value(key{}) != "value" {
			t.Errorf("%s: the value is gone", when)
		}
		if want := map[string]int{"after it is made": 1}[when]; *watched != want {
			t.Errorf("%s: watch was called %d times, want %d: there is nothing left to watch for", when, *watched, want)
		}
	}
}

// The first cause stays, also if nobody has looked at it.
func TestCancelComesTooLateForAParentThatHasEnded(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithCancelCause(t.Context())
	c, _ := of(parent)
	cancel(errFirst)
	c.Cancel(errSecond)
	if c.Cause() != errFirst || context.Cause(c) != errFirst {
		t.Errorf("the cause is %v and %v, want the parent's, which came first", c.Cause(), context.Cause(c))
	}
}

func TestADeadlineOfTheParent(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-time.Second)
	parent, cancel := context.WithDeadline(t.Context(), at)
	defer cancel()
	c, watched := of(parent)
	if got, ok := c.Deadline(); !ok || !got.Equal(at) {
		t.Errorf("Deadline is %v, %v", got, ok)
	}
	if c.Err() != context.DeadlineExceeded || c.Cause() != context.DeadlineExceeded || *watched != 0 {
		t.Errorf("%v, %v, watched %d times", c.Err(), c.Cause(), *watched)
	}
}

func TestChildrenEndWithIt(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		c, _ := of(t.Context())
		if before {
			c.Cancel(errFirst)
		}
		child, cancel := context.WithCancel(context.WithValue(c, key{}, "child"))
		defer cancel()
		called := make(chan struct{})
		defer context.AfterFunc(c, func() { close(called) })()
		lazy, _ := of(child)
		unmade, _ := of(c)
		if before == (child.Err() == nil) || before == (lazy.Err() == nil) {
			t.Errorf("before %v: child %v, lazy child %v", before, child.Err(), lazy.Err())
		}
		c.Cancel(errFirst)
		<-child.Done()
		<-lazy.Done()
		<-called
		if context.Cause(child) != errFirst || context.Cause(lazy) != errFirst ||
			lazy.Cause() != errFirst || unmade.Cause() != errFirst {
			t.Errorf("before %v: %v, %v, %v, %v", before, context.Cause(child), context.Cause(lazy),
				lazy.Cause(), unmade.Cause())
		}
		if lazy.Value(key{}) != "child" {
			t.Error("the value is gone")
		}
	}
}

// The child may be lazy or not.
func TestAChildThatIsCancelledLeavesItAlone(t *testing.T) {
	t.Parallel()
	c, _ := of(t.Context())
	child, cancel := context.WithCancel(c)
	cancel()
	lazy, _ := of(c)
	lazy.Cancel(errSecond)
	if child.Err() == nil || context.Cause(lazy) != errSecond || c.Err() != nil || c.Cause() != nil {
		t.Errorf("%v, %v, %v", child.Err(), context.Cause(lazy), c.Err())
	}
}

// The context of Respond has such a parent, the context of a server.
func TestALazyParentIsAskedToWatchOnlyByDone(t *testing.T) {
	t.Parallel()
	parent, watched := of(t.Context())
	c, _ := of(parent)
	_, _ = c.Cause(), c.Value(key{})
	_, _ = c.Deadline()
	if *watched != 0 {
		t.Error("the parent was asked to watch")
	}
	done := c.Done()
	if *watched != 1 {
		t.Errorf("the parent was asked to watch %d times", *watched)
	}
	parent.Cancel(errFirst)
	<-done
	if c.Cause() != errFirst || context.Cause(c) != errFirst {
		t.Errorf("%v, %v", c.Cause(), context.Cause(c))
	}
	// The end of the child, never asked for, does not make the parent watch either.
	parent, watched = of(t.Context())
	c, _ = of(parent)
	c.Cancel(errFirst)
	if c.Err() == nil || *watched != 0 || parent.Cause() != nil {
		t.Errorf("%v, watched %d times, %v", c.Err(), *watched, parent.Cause())
	}
}

func TestThereNeedBeNoWatcher(t *testing.T) {
	t.Parallel()
	var c lazyctx.Context
	c.Init(t.Context(), nil)
	if c.Err() != nil {
		t.Error(c.Err())
	}
	if c.Cancel(errFirst); !ended(&c) {
		t.Error("it has not ended")
	}
}

// The test says most under the race detector.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	for range 100 {
		parent, _ := of(t.Context())
		c := new(lazyctx.Context)
		var wg sync.WaitGroup
		c.Init(parent, watchFunc(func() { wg.Go(func() { c.Cancel(errFirst) }) }))
		for _, f := range []func(){
			func() { <-c.Done() },
			func() { _ = c.Err() },
			func() { _ = c.Cause() },
			func() { _ = c.Value(key{}) },
			func() { _ = context.Cause(c) },
			func() { c.Cancel(errFirst) },
			func() { parent.Cancel(errFirst) },
			func() {
				child, cancel := context.WithCancel(c)
				<-child.Done()
				cancel()
			},
		} {
			wg.Go(f)
		}
		wg.Wait()
		if context.Cause(c) != errFirst {
			t.Fatal(context.Cause(c))
		}
	}
}

func TestWhatIsNeverAskedForCostsNothing(t *testing.T) {
	parent := context.Background()
	var c lazyctx.Context
	if n := testing.AllocsPerRun(100, func() {
		c = lazyctx.Context{}
		c.Init(parent, nil)
		_ = c.Cause()
		_ = c.Value(key{})
		c.Cancel(errFirst)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The parent of a server's context may have no Done. If it has ended before the watching begins,
// that must show at once.
func TestAParentWithoutADoneThatHasEnded(t *testing.T) {
	gone := errors.New("gone")
	for name, look := range map[string]func(ctx context.Context) error{
		"Cause": context.Cause,
		"Err": func(ctx context.Context) error {
			if ctx.Err() == nil {
				return nil
			}
			return context.Cause(ctx)
		},
		"Done": func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			default:
				return nil
			}
		},
	} {
		var c lazyctx.Context
		c.Init(undone{context.Background(), gone}, watchFunc(func() { t.Errorf("%s: it is watched", name) }))
		c.Cancel(errors.New("too late"))
		if err := look(&c); err != gone {
			t.Errorf("%s: the cause is %v", name, err)
		}
	}
}

// An undone is a context that has ended, and whose Done is nil.
type undone struct {
	context.Context
	cause error
}

func (u undone) Err() error { return u.cause }
