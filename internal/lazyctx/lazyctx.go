// Package lazyctx has a context.Context that costs nothing until somebody asks for its Done or Err.
//
// Most applications never look at their request's context, while the means to end it early, such as
// a signal handler or a goroutine that waits for the connection's end, are expensive next to a
// request. The root package and the servers share this context. It imports nothing of the module.
package lazyctx

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Context becomes a cancellable context when Done or Err is first called. Init must be called
// before anything else. All other methods may be called concurrently.
type Context struct {
	// Set by Init, and read only.
	parent  context.Context
	watcher Watcher // may be nil

	// changed says that made or cause is there. A look at it costs less than the lock, and the
	// engine asks for the Cause before each block.
	changed atomic.Bool

	mu    sync.Mutex
	made  *made // guarded by mu; nil until Done, Err or, after the end, Value is called
	seen  bool  // guarded by mu; Done or Err was called
	cause error // guarded by mu; of the first Cancel, unless the parent had ended before
}

// A made is what a Context becomes.
type made struct {
	context.Context
	cancel context.CancelCauseFunc
}

// A Watcher begins to watch for the end of a Context.
type Watcher interface {
	// Watch is called once, when Done or Err is first called and the Context has not ended. Watch
	// sees to it that Cancel is called later, and must not call a method of the Context itself.
	Watch()
}

var _ context.Context = (*Context)(nil)

// Init sets the parent, and the watcher, which may be nil.
func (c *Context) Init(parent context.Context, watcher Watcher) {
	c.parent, c.watcher = parent, watcher
}

// Cancel ends the context, unless it or its parent has ended already: the first cause stays.
func (c *Context) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil && c.parentCause() != nil {
		return
	}
	c.changed.Store(true)
	if c.cause == nil {
		c.cause = cause
	}
	if c.made != nil {
		c.made.cancel(cause)
	}
}

// Cause returns why the context has ended, or nil. Unlike Err it does not begin to watch.
func (c *Context) Cause() error {
	if !c.changed.Load() {
		return c.parentCause()
	}
	c.mu.Lock()
	made, cause := c.made, c.cause
	c.mu.Unlock()
	switch {
	case made != nil:
		return context.Cause(made)
	case cause != nil:
		return cause
	}
	return c.parentCause()
}

// parentCause returns why the parent has ended, or nil. It does not make a parent of this package
// watch either.
func (c *Context) parentCause() error {
	if p, ok := c.parent.(*Context); ok {
		return p.Cause()
	}
	return context.Cause(c.parent)
}

// IsLookedAt reports whether somebody has called Done or Err, as context.Cause does for a context
// that goes on. A call of Value says nothing: a log asks for values.
func (c *Context) IsLookedAt() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} { return c.look().Done() }

// Err implements context.Context. It begins to watch as Done does: a loop that polls Err must see
// it change.
func (c *Context) Err() error { return c.look().Err() }

func (c *Context) look() context.Context {
	c.mu.Lock()
	c.seen = true
	c.mu.Unlock()
	return c.make()
}

// Deadline implements context.Context.
func (c *Context) Deadline() (deadline time.Time, ok bool) { return c.parent.Deadline() }

// Value implements context.Context.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	made, cause := c.made, c.cause
	c.mu.Unlock()
	if made == nil && cause == nil && c.parentCause() == nil {
		return c.parent.Value(key)
	}
	// context.Cause asks for a value to find the context that was cancelled. So there must be one.
	return c.make().Value(key)
}

// make makes the cancellable context, unless it is there, and returns it.
func (c *Context) make() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made
	}
	parent, cause := c.parent, c.cause
	if cause != nil {
		parent = context.WithoutCancel(parent) // which would otherwise begin to watch, for nothing
	} else {
		cause = c.parentCause() // a parent without a Done does not end its children
	}
	c.changed.Store(true)
	m := new(made)
	m.Context, m.cancel = context.WithCancelCause(parent)
	c.made = m
	if cause != nil {
		m.cancel(cause)
	} else if c.watcher != nil {
		c.watcher.Watch()
	}
	return m
}
