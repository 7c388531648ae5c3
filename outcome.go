package gateway

import (
	"context"
	"errors"
	"sync"
	"time"
)

// An Outcome is what became of a response. [Environ.OnEnd] tells it.
type Outcome struct {
	// Status is the status that the transport got. It is that of the error page if the application
	// failed before anything was sent.
	Status string

	// Bytes is how many bytes of the body the transport has taken, also of a file that the
	// transport sends by a way of its own.
	Bytes int64

	// HeadAt is when the transport got the head, and the first block with it. It is the zero time
	// if OnEnd was called after that.
	HeadAt time.Time

	// Whole says that the transport has ended the response cleanly. An error page is whole.
	Whole bool

	// Err is what Respond returns: everything that went wrong, joined, and nil if nothing did.
	Err error
}

// OnEnd has f called with what became of the response, once, on every path, and last of all: after
// the end of the response and the body's Close, also if the application fails, panics or ends its
// goroutine. So middleware logs, measures and releases without a body of its own around the inner
// one, and nothing of that is lost: neither its length, nor the way on which a server sends a file.
//
// OnEnd may be called by any goroutine until Close has returned, and more than once: the function
// of the last call is called first. f runs on the goroutine of Respond, which waits for it. A panic
// of f is reported, and changes nothing of the response.
//
// A copy of the Environ, such as a Clone, is of the same response. OnEnd does nothing if the Environ
// does not come from [Respond].
func (e *Environ) OnEnd(f func(Outcome)) {
	if r := e.response; r != nil {
		if r.ending.Load() == nil {
			r.ending.CompareAndSwap(nil, new(ending))
		}
		end := r.ending.Load()
		end.mu.Lock()
		defer end.mu.Unlock()
		end.calls = append(end.calls, f)
	}
}

// An ending is what OnEnd asked for. It has a mutex of its own: with that of the response, OnEnd
// would be a step of the application's that overlaps another, and would wait for the transport.
type ending struct {
	headAt time.Time // guarded by the mutex of the response

	mu    sync.Mutex
	calls []func(Outcome) // guarded by mu
}

// Cancel ends the request's Context with a cause, unless the Context has ended already. Respond then
// stops the body at its next block: its comment says what becomes of the response. A cause that
// wraps [ErrShutdown] or context.DeadlineExceeded makes the error page a 503.
//
// Any goroutine may call Cancel, at any time. A nil cause counts as context.Canceled. Cancel does
// nothing if the Environ does not come from [Respond]: a server ends the Context that it has given to
// WithContext.
func (e *Environ) Cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	if r := e.response; r != nil {
		r.ctx.Cancel(guard(cause))
	}
}

// tell calls the functions of OnEnd. Each call is deferred, since one of them may end the goroutine.
func (r *response) tell(whole bool) {
	end := r.ending.Load()
	if end == nil {
		return
	}
	end.mu.Lock() // a goroutine that the application left behind may call OnEnd right now
	calls := end.calls
	end.mu.Unlock()
	outcome := Outcome{r.status, r.written, end.headAt, whole, r.faults}
	for _, f := range calls {
		defer r.call(func() error { f(outcome); return nil })
	}
}

// pageCode returns the status code of the page for a response that has failed before it began.
func (r *response) pageCode(failure error) int {
	cause := guard(r.ctx.Cause())
	isOver := errors.Is(cause, context.DeadlineExceeded) || errors.Is(cause, ErrShutdown)
	if isOver && !isPanic(failure) {
		return 503 // the application may have given up, and the client may come again
	}
	return 500
}
