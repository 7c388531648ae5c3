package gatewaytest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// around is middleware that does something with the inner body.
func around(f func(body body) body) gateway.Middleware {
	return func(app gateway.Application) gateway.Application {
		return appFunc(func(env *environ, start start) (body, error) {
			b, err := app.Call(env, start)
			if err != nil || b == nil {
				return b, err
			}
			return f(b), nil
		})
	}
}

// generating is middleware whose body is made by a function, from the inner one.
func generating(f func(inner iter.Seq2[[]byte, error], yield func([]byte, error) bool)) gateway.Middleware {
	return around(func(b body) body {
		return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) { f(b.Blocks(), yield) }), b.Close)
	})
}

var correctMiddleware = []struct {
	name string
	mw   gateway.Middleware
}{
	{"none", gateway.Chain()},
	{"map", upper},
	{"pull", generating(func(inner iter.Seq2[[]byte, error], yield func([]byte, error) bool) {
		next, stop := iter.Pull2(inner)
		defer stop()
		for {
			block, err, ok := next()
			if !ok || !yield(block, err) {
				return
			}
		}
	})},
	{"map around pull", gateway.Chain(upper, generating(func(
		inner iter.Seq2[[]byte, error], yield func([]byte, error) bool,
	) {
		for block, err := range inner {
			if !yield(block, err) {
				return
			}
		}
	}))},
	{"empty blocks while it collects", generating(func(inner iter.Seq2[[]byte, error], yield func([]byte, error) bool) {
		var all []byte
		for block, err := range inner {
			if all = append(all, block...); !yield(nil, err) || err != nil {
				return
			}
		}
		yield(all, nil)
	})},
	{"banner", generating(func(inner iter.Seq2[[]byte, error], yield func([]byte, error) bool) {
		for block, err := range inner {
			if !yield(block, err) {
				return
			}
		}
		yield([]byte("the end"), nil)
	})},
	{"timeout", func(app gateway.Application) gateway.Application {
		return appFunc(func(env *environ, start start) (body, error) {
			ctx, cancel := context.WithTimeout(env.Context(), time.Hour)
			b, err := app.Call(env.WithContext(ctx), start)
			if b == nil {
				cancel()
				return nil, err
			}
			return gateway.OnClose(b, func() error { cancel(); return nil }), err
		})
	}},
	{"error page", func(app gateway.Application) gateway.Application {
		return appFunc(func(env *environ, start start) (body, error) {
			b, err := app.Call(env, start)
			if err == nil {
				return b, nil
			}
			if b != nil {
				err = errors.Join(err, b.Close())
			}
			_, err = start("500 Sorry", plain, err)
			return gateway.Text("sorry"), err
		})
	}},
	{"answer of its own", func(gateway.Application) gateway.Application { return appFunc(hello) }},
	{"two headers", func(app gateway.Application) gateway.Application {
		return appFunc(func(env *environ, start start) (body, error) {
			return app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
				return start(status, headers.Append("X-A", "1").Append("X-A", "2"), cause)
			})
		})
	}},
}

func TestCorrectMiddlewarePasses(t *testing.T) {
	for _, c := range correctMiddleware {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			gatewaytest.TestMiddleware(t, c.mw, nil)
			gatewaytest.TestMiddleware(t, c.mw, appFunc(upload), post("some text"))
			gatewaytest.TestMiddleware(t, c.mw, appFunc(echo), post("some text"))
			synctest.Test(t, func(t *testing.T) { gatewaytest.TestMiddleware(t, c.mw, appFunc(ticks), get("/")) })
		})
	}
}

// lostClose is a body without its Close.
type lostClose struct{ body }

func (lostClose) Close() error { return nil }

func TestWrongMiddlewareFails(t *testing.T) {
	for _, c := range []struct {
		name string
		mw   gateway.Middleware
		app  gateway.Application
		want []string
	}{
		{"nil", nil, nil, []string{"TestMiddleware needs a middleware"}},
		{"nil application", func(gateway.Application) gateway.Application { return nil }, nil,
			[]string{"R1", "the middleware made a nil application", "The middleware is to blame."}},
		{"Close that is lost", around(func(b body) body { return lostClose{b} }), nil,
			[]string{"R21", "the inner body was not closed", "GET / around text, when nothing fails",
				"The middleware is to blame."}},
		{"body that is dropped", around(func(body) body { return gateway.Text("mine") }), nil,
			[]string{"R21", "The middleware is to blame."}},
		{"body beside an error that is dropped", func(app gateway.Application) gateway.Application {
			return appFunc(func(env *environ, start start) (body, error) {
				b, err := app.Call(env, start)
				if err != nil {
					return nil, err
				}
				return b, nil
			})
		}, nil, []string{"R21", "when the inner Call fails beside a body"}},
		{"two calls of Close", around(func(b body) body { return gateway.OnClose(b, b.Close) }), nil,
			[]string{"R21", "a second time"}},
		{"error that is swallowed", generating(func(inner iter.Seq2[[]byte, error], yield func([]byte, error) bool) {
			for block, err := range inner {
				if err != nil || !yield(block, nil) {
					return
				}
			}
		}), nil,
			[]string{"D2", "when the inner body fails in place of its 1st block", "an error of the inner application",
				"The middleware is to blame."}},
		{"blocks that are kept", generating(func(inner iter.Seq2[[]byte, error], yield func([]byte, error) bool) {
			var all [][]byte
			for block, err := range inner {
				if all = append(all, block); !yield(nil, err) || err != nil {
					return
				}
			}
			for _, block := range all {
				if !yield(block, nil) {
					return
				}
			}
		}), nil, []string{"D8", "an inner block was kept"}},
		{"blocks that are joined", generating(func(inner iter.Seq2[[]byte, error], yield func([]byte, error) bool) {
			var all []byte
			for block, err := range inner {
				if err != nil {
					yield(nil, err)
					return
				}
				all = append(all, block...)
			}
			yield(all, nil)
		}), nil, []string{"R94"}},
		{"body that is ranged in Call", around(func(b body) body {
			blocks := [][]byte{}
			var failed error
			for block, err := range b.Blocks() {
				failed = errors.Join(failed, err)
				blocks = append(blocks, bytes.Clone(block))
			}
			return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
				for _, block := range blocks {
					if !yield(block, nil) {
						return
					}
				}
				if failed != nil {
					yield(nil, failed)
				}
			}), b.Close)
		}), appFunc(ticks), []string{"R96"}},
		{"panic", func(app gateway.Application) gateway.Application {
			return appFunc(func(env *environ, start start) (body, error) {
				panic("boom")
			})
		}, nil, []string{"R109", "panics"}},
		{"application that is wrong", gateway.Chain(), appFunc(answering("200 OK", nil, "x")),
			[]string{"C48", "The application is to blame."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, gatewaytest.TryMiddleware(3*time.Second, c.mw, c.app), c.want...)
		})
	}
}

// Without an application there are several.
func TestMiddlewareIsTriedWithSeveralApplications(t *testing.T) {
	t.Parallel()
	var seen []string
	gatewaytest.TestMiddleware(t, around(func(b body) body {
		return gateway.Map(b, func(block []byte) []byte {
			if !slices.Contains(seen, string(block)) {
				seen = append(seen, string(block))
			}
			return block
		})
	}), nil, get("/"))
	for _, want := range []string{"Hello World !\n", "one, ", "three\n"} {
		if !slices.Contains(seen, want) {
			t.Errorf("no application yields %q: %q", want, seen)
		}
	}
}

// shout is the middleware of the example.
func TestShout(t *testing.T) { gatewaytest.TestMiddleware(t, shout, nil) }
