// Package lazyctx has a context that costs nothing until somebody asks for its Done.
//
// Most applications never look at their request's context, and what would cancel it (a signal handler, a goroutine
// that watches a socket) is expensive next to a request. The root package and the servers share this one; it imports
// nothing of the module.
package lazyctx

import (
	"context"
	"sync"
	"time"
)

// A Context is made into a real, cancellable context when Done or Err is first called. Init must be called before
// anything else. All other methods may be called concurrently.
type Context struct {
	parent  context.Context
	watch   func()
	watcher Watcher

	mu     sync.Mutex
	inner  context.Context // nil until it is asked for
	cancel context.CancelCauseFunc
	cause  error // of Cancel
}

var _ context.Context = (*Context)(nil)

// Init sets the parent, and a function that is called once, when Done or Err is first asked for and the context has
// not ended: it arranges for Cancel to be called some time later, and must not call it itself. watch may be nil.
func (c *Context) Init(parent context.Context, watch func()) {
	c.parent, c.watch = parent, watch
}

// A Watcher is the function of Init as an interface, which a server's request can be without an allocation.
type Watcher interface{ Watch() }

// InitWatcher is Init with a Watcher.
func (c *Context) InitWatcher(parent context.Context, watcher Watcher) {
	c.parent, c.watcher = parent, watcher
}

// Cancel ends the context. The first cause stays, be it the parent's.
func (c *Context) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil && c.parentCause() != nil {
		return
	}
	if c.cause == nil {
		c.cause = cause
	}
	if c.cancel != nil {
		c.cancel(cause)
	}
}

// Cause returns why the context has ended, or nil. Unlike Err it does not begin to watch.
func (c *Context) Cause() error {
	c.mu.Lock()
	inner, cause := c.inner, c.cause
	c.mu.Unlock()
	switch {
	case inner != nil:
		return context.Cause(inner)
	case cause != nil:
		return cause
	}
	return c.parentCause()
}

func (c *Context) parentCause() error {
	if p, ok := c.parent.(*Context); ok {
		return p.Cause()
	}
	return context.Cause(c.parent)
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} { return c.make().Done() }

// Err implements context.Context. It watches as Done does: a loop that polls Err must see it change.
func (c *Context) Err() error { return c.make().Err() }

// Deadline implements context.Context.
func (c *Context) Deadline() (deadline time.Time, ok bool) { return c.parent.Deadline() }

// Value implements context.Context.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	inner, cause := c.inner, c.cause
	c.mu.Unlock()
	if inner == nil && cause == nil && c.parentCause() == nil {
		return c.parent.Value(key)
	}
	// context.Cause finds the context that was cancelled by asking for a value.
	return c.make().Value(key)
}

func (c *Context) make() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		return c.inner
	}
	if c.cause != nil {
		// Too late to watch anything, the parent included.
		c.inner, c.cancel = context.WithCancelCause(context.WithoutCancel(c.parent))
		c.cancel(c.cause)
		return c.inner
	}
	c.inner, c.cancel = context.WithCancelCause(c.parent)
	if cause := c.parentCause(); cause != nil {
		c.cancel(cause) // a parent without a Done does not tell by itself that it has ended
	}
	switch {
	case c.inner.Err() != nil:
	case c.watch != nil:
		c.watch()
	case c.watcher != nil:
		c.watcher.Watch()
	}
	return c.inner
}
