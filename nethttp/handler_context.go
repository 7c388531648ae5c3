package nethttp

import (
	"context"
	"log"
	"net/http"
	"time"

	"example.com/gateway"
)

// What an application's Context and Errors are under net/http.

// A parent is the parent of the application's Context. It has the values of the request's own
// context, and says why that has ended.
type parent exchange

var _ context.Context = (*parent)(nil)

func (p *parent) Deadline() (time.Time, bool) { return p.r.Context().Deadline() }

// Done is nil: an exchange watches only once the application has asked for its Context's Done.
func (p *parent) Done() <-chan struct{} { return nil }

func (p *parent) Err() error { return (*exchange)(p).cause() }

// Value hides how the request's context is cancelled: context.Cause is to find Err.
func (p *parent) Value(key any) any {
	if key == (exchangeKey{}) {
		return (*exchange)(p)
	}
	return context.WithoutCancel(p.r.Context()).Value(key)
}

// exchangeKey is the key of the exchange in its Context.
type exchangeKey struct{}

// exchangeOf returns the exchange of an environ, or nil if no exchange of this package made it.
func exchangeOf(env *gateway.Environ) *exchange {
	x, _ := env.Context().Value(exchangeKey{}).(*exchange)
	return x
}

// cause says why the request's own context has ended, or nil. net/http cancels it without a cause
// when the client is gone, and also when a read from the connection has met a deadline. A client that
// has its answer may go.
func (x *exchange) cause() error {
	ctx := x.r.Context()
	if ctx.Err() == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != context.Canceled {
		return cause
	}
	if x.isLate.Load() {
		return context.DeadlineExceeded
	}
	if x.isAnswered.Load() {
		return nil
	}
	return gateway.ErrDisconnected
}

// Watch implements lazyctx.Watcher: the application has asked for Done.
func (x *exchange) Watch() {
	unwatch := context.AfterFunc(x.r.Context(), func() {
		if x.cause() == gateway.ErrDisconnected {
			x.awaitReads() // only a Read gets to know that it was a deadline, and after the context has ended
		}
		if cause := x.cause(); cause != nil {
			x.ctx.Cancel(cause)
		}
	})
	x.unwatch.Store(&unwatch)
}

// An errorLog is the application's Errors: the log of the http.Server.
type errorLog exchange

func (e *errorLog) Write(p []byte) (int, error) {
	logger := log.Default()
	if s, ok := e.r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ErrorLog != nil {
		logger = s.ErrorLog
	}
	logger.Printf("%s", p)
	return len(p), nil
}
