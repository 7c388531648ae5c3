package middleware_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/middleware"
)

func TestTimeoutIsAMiddleware(t *testing.T) {
	t.Parallel()
	gatewaytest.TestMiddleware(t, middleware.Timeout(time.Hour), nil, get("", "/"),
		gatewaytest.NewEnviron("HEAD", "/", nil),
		gatewaytest.NewEnviron("POST", "/", strings.NewReader("a")))
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	// waits waits for the Context, and at most for d.
	waits := func(env *environ, d time.Duration) error {
		select {
		case <-env.Context().Done():
			return env.Context().Err()
		case <-time.After(d):
			return nil
		}
	}
	for _, c := range []struct {
		name   string
		app    appFunc
		status string
		body   string
		took   time.Duration
		whole  bool
		err    error
	}{
		{"in time", func(env *environ, start start) (body, error) {
			err := waits(env, time.Second)
			body, _ := start.Answer(200, plain, gateway.Text("ok"))
			return body, err
		}, "200 OK", "ok", time.Second, true, nil},
		{"nothing was sent", func(env *environ, start start) (body, error) {
			body, _ := start.Answer(200, plain, gateway.Text("ok"))
			return body, waits(env, time.Minute)
		}, "503 Service Unavailable", "503 Service Unavailable\n", 3 * time.Second, true,
			context.DeadlineExceeded},
		{"nothing was sent by the body", func(env *environ, start start) (body, error) {
			return start.Answer(200, plain, gateway.Stream(func(yield func([]byte, error) bool) {
				yield(nil, waits(env, time.Minute))
			}))
		}, "503 Service Unavailable", "503 Service Unavailable\n", 3 * time.Second, true,
			context.DeadlineExceeded},
		{"an error of the application's own", func(env *environ, start start) (body, error) {
			waits(env, time.Minute)
			return nil, errBoom
		}, "503 Service Unavailable", "503 Service Unavailable\n", 3 * time.Second, true, errBoom},
		{"an error in time", func(env *environ, start start) (body, error) {
			return nil, errBoom
		}, "500 Internal Server Error", "500 Internal Server Error\n", 0, true, errBoom},
		{"blocks without a look at the Context", func(env *environ, start start) (body, error) {
			return start.Answer(200, plain, gateway.Stream(func(yield func([]byte, error) bool) {
				for yield([]byte("a"), nil) {
					time.Sleep(2 * time.Second)
				}
			}))
		}, "200 OK", "aa", 4 * time.Second, false, context.DeadlineExceeded},
		{"a block that comes late", func(env *environ, start start) (body, error) {
			time.Sleep(time.Minute)
			return start.Answer(200, plain, gateway.Text("late"))
		}, "200 OK", "late", time.Minute, true, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got gateway.Outcome
			began := time.Now()
			app := middleware.Timeout(3 * time.Second)(c.app)
			response := gatewaytest.Record(appFunc(func(env *environ, start start) (body, error) {
				env.OnEnd(func(o gateway.Outcome) { got = o })
				return app.Call(env, start)
			}), get("", "/"))
			if got.Status != c.status || got.Whole != c.whole || !errors.Is(got.Err, c.err) ||
				response.Body() != c.body {
				t.Errorf("%s: %+v, %q", c.name, got, response.Body())
			}
			if took := time.Since(began); took != c.took {
				t.Errorf("%s: took %v", c.name, took)
			}
			time.Sleep(time.Hour) // a timer that goes on would end the bubble with a panic
		})
	}
}

func TestTheContextHasTheDeadline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		outer, inner time.Duration
		want         time.Duration
	}{
		{"one", time.Hour, 0, time.Hour},
		{"the outer one is earlier", time.Second, time.Minute, time.Second},
		{"the inner one is earlier", time.Minute, time.Second, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			app := gateway.Application(appFunc(func(env *environ, start start) (body, error) {
				ctx, cancel := context.WithCancel(env.Context())
				defer cancel()
				at, ok := ctx.Deadline()
				if !ok || at.Sub(began) != c.want {
					t.Errorf("%s: the deadline is at %v, %v", c.name, at.Sub(began), ok)
				}
				if err := env.Context().Err(); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				<-ctx.Done()
				if ctx.Err() != context.DeadlineExceeded {
					t.Errorf("%s: a child ends with %v", c.name, ctx.Err())
				}
				if time.Since(began) != c.want || env.Context().Err() != context.DeadlineExceeded ||
					!errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
					t.Errorf("%s: ended after %v with %v, %v", c.name, time.Since(began),
						env.Context().Err(), context.Cause(ctx))
				}
				return start.Answer(200, plain, nil)
			}))
			if c.inner > 0 {
				app = middleware.Timeout(c.inner)(app)
			}
			gatewaytest.Record(middleware.Timeout(c.outer)(app), get("", "/"))
		})
	}
}

// The end of the Context for another reason stays what it is.
func TestAnotherEndIsNoTimeout(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(context.Background())
	app := middleware.Timeout(time.Hour)(appFunc(func(env *environ, start start) (body, error) {
		cancel(gateway.ErrShutdown)
		<-env.Context().Done()
		if err := env.Context().Err(); err != context.Canceled {
			t.Errorf("the Context ends with %v", err)
		}
		if cause := context.Cause(env.Context()); !errors.Is(cause, gateway.ErrShutdown) {
			t.Errorf("the cause is %v", cause)
		}
		return start.Answer(200, plain, nil)
	}))
	gatewaytest.Record(app, get("", "/").WithContext(ctx))
}

func TestTimeoutTakesNoTimeThatIsOver(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, -1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Timeout(%v) does not panic", d)
				}
			}()
			middleware.Timeout(d)
		}()
	}
}
