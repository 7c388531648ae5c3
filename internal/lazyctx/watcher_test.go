package lazyctx_test

import (
	"context"
	"errors"
	"testing"

	"example.com/gateway/internal/lazyctx"
)

type watcher struct{ times int }

func (w *watcher) Watch() { w.times++ }

// A Watcher is asked as the function of Init is: once, and only if there is something left to watch.
func TestWatcherIsAskedOnce(t *testing.T) {
	var c lazyctx.Context
	w := new(watcher)
	c.InitWatcher(context.Background(), w)
	_ = c.Cause()
	if w.times != 0 {
		t.Error("Cause watches")
	}
	_, _ = c.Done(), c.Err()
	if w.times != 1 {
		t.Errorf("asked %d times, want once", w.times)
	}
	boom := errors.New("boom")
	var ended lazyctx.Context
	w = new(watcher)
	ended.InitWatcher(context.Background(), w)
	ended.Cancel(boom)
	if <-ended.Done(); w.times != 0 || !errors.Is(context.Cause(&ended), boom) {
		t.Errorf("asked %d times after the end, the cause is %v", w.times, context.Cause(&ended))
	}
}
