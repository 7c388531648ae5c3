package middleware

import (
	"context"
	"errors"
	"sync"
	"time"

	"example.com/gateway"
)

// Timeout returns a middleware that ends a request's Context, with context.DeadlineExceeded, when
// the response is not over d after the request has reached it. The application finds the time with
// the Context's Deadline.
//
// Nothing interrupts an application that does not look at its Context: in Go nothing could. What an
// application does that looks, or yields blocks:
//
//   - An error of an application that has sent nothing makes the page "503 Service Unavailable".
//   - A response that has begun is cut off at its next block, so that the client can tell.
//   - A response that begins late is begun all the same, and is whole if it has one block.
//
// The time is that of the whole request, with the body that the client sends and the blocks that the
// client reads. A slow client is a matter of the server's ReadTimeout and WriteTimeout. Timeout is
// not for an application that streams without an end, and Mount keeps the two apart.
//
// An outer deadline that comes earlier stays. Timeout panics if d is not positive.
func Timeout(d time.Duration) gateway.Middleware {
	if d <= 0 {
		panic("middleware: Timeout needs a positive duration")
	}
	return func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(
			env *gateway.Environ, start gateway.StartResponse,
		) (gateway.Body, error) {
			ctx := &deadline{Context: env.Context(), at: time.Now().Add(d)}
			if outer, ok := ctx.Context.Deadline(); ok && outer.Before(ctx.at) {
				return app.Call(env, start)
			}
			timer := time.AfterFunc(d, func() { env.Cancel(context.DeadlineExceeded) })
			env.OnEnd(func(gateway.Outcome) { timer.Stop() })
			return app.Call(env.WithContext(ctx), start)
		})
	}
}

// A deadline is a Context with its deadline. The Context ends because Cancel ends its parent, and
// not by itself: a context.WithDeadline would make the server watch each client. Done is a channel
// of its own. With the parent's, package context would make a child's Err that of the parent.
type deadline struct {
	context.Context
	at time.Time

	once sync.Once
	done chan struct{}
}

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} {
	d.once.Do(func() {
		d.done = make(chan struct{})
		context.AfterFunc(d.Context, func() { close(d.done) })
	})
	return d.done
}

// AfterFunc is what package context looks for, so that a child needs no goroutine.
func (d *deadline) AfterFunc(f func()) func() bool { return context.AfterFunc(d.Context, f) }

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Err implements context.Context.
func (d *deadline) Err() error {
	err := d.Context.Err()
	if err != nil && errors.Is(context.Cause(d.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}
