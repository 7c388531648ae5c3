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
	watcher Watcher
	given   bool

	mu    sync.Mutex
	made  *made // nil until it is asked for
	cause error // of Cancel
}

// A made is what a Context was made into.
type made struct {
	context.Context
	cancel context.CancelCauseFunc
}

var _ context.Context = (*Context)(nil)

// Init sets the parent, and a function that is called once, when Done or Err is first asked for and the context has
// not ended: it arranges for Cancel to be called some time later, and must not call it itself. watch may be nil.
func (c *Context) Init(parent context.Context, watch func()) {
	c.parent = parent
	if watch != nil {
		c.watcher = watchFunc(watch)
	}
}

// A Watcher is the function of Init as an interface, which a server's request can be without an allocation.
type Watcher interface{ Watch() }

type watchFunc func()

func (f watchFunc) Watch() { f() }

// InitWatcher is Init with a Watcher.
func (c *Context) InitWatcher(parent context.Context, watcher Watcher) {
	c.parent, c.watcher = parent, watcher
}

// Give says that the context, and the Environ that it is the Context of, belong to one request, and that whoever takes them first may
// do with both what the response requires.
func (c *Context) Give() { c.given = true }

// Take reports whether they were given, and nobody has taken them.
func (c *Context) Take() bool {
	given := c.given
	if given { // and otherwise nothing is written: others may ask at the same time
		c.given = false
	}
	return given
}

// Cancel ends the context. The first cause stays, be it the parent's.
func (c *Context) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil && c.parentCause() != nil {
		return
	}
	if c.cause == nil {
		c.cause = cause
	}
	if c.made != nil {
		c.made.cancel(cause)
	}
}

// Cause returns why the context has ended, or nil. Unlike Err it does not begin to watch.
func (c *Context) Cause() error {
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
	made, cause := c.made, c.cause
	c.mu.Unlock()
	if made == nil && cause == nil && c.parentCause() == nil {
		return c.parent.Value(key)
	}
	// context.Cause finds the context that was cancelled by asking for a value.
	return c.make().Value(key)
}

func (c *Context) make() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made
	}
	m := new(made)
	if c.cause != nil {
		// Too late to watch anything, the parent included.
		m.Context, m.cancel = context.WithCancelCause(context.WithoutCancel(c.parent))
		m.cancel(c.cause)
		c.made = m
		return m
	}
	m.Context, m.cancel = context.WithCancelCause(c.parent)
	if cause := c.parentCause(); cause != nil {
		m.cancel(cause) // a parent without a Done does not tell by itself that it has ended
	}
	c.made = m
	if m.Err() == nil && c.watcher != nil {
		c.watcher.Watch()
	}
	return m
}
