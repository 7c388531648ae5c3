package gatewaytest_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

var correct = []struct {
	name     string
	app      func() gateway.Application
	requests []func() *environ
}{
	{"function", same(hello), requests(gets("/"))},
	{"struct that starts late", same(newGreeting), requests(gets("/x"))},
	{"nothing", same(func(env *environ, start start) (body, error) {
		_, err := start("204 No Content", nil, nil)
		return gateway.Bytes(), err
	}), nil},
	{"blocks", same(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Bytes([]byte("one"), nil, []byte("two")), err
	}), nil},
	{"reader", same(echo), requests(posts(strings.Repeat("echo\n", 9)))},
	{"lines", same(drainAll), requests(posts("one\ntwo\nthree"))},
	{"upload", same(upload), requests(posts("some text"), posts(""), posts(strings.Repeat("long ", 1000)))},
	{"upload of unknown length", same(upload), requests(func() *environ {
		return gatewaytest.NewEnviron("POST", "/", io.MultiReader(strings.NewReader("some text")))
	})},
	{"upload that is not read", same(hello), requests(posts("some text"))},
	{"upload read in part", same(func(env *environ, start start) (body, error) {
		var magic [4]byte
		if _, err := io.ReadFull(env.Input, magic[:]); err != nil {
			return nil, err
		}
		_, err := start("200 OK", plain, nil)
		return gateway.Bytes(magic[:]), err
	}), requests(posts("PK\x03\x04 and more"))},
	{"upload that answers 200 with an error", same(func(env *environ, start start) (body, error) {
		b, err := io.ReadAll(env.Input)
		_, serr := start("200 OK", plain, nil)
		return gateway.Text(fmt.Sprintf(`{"size": %d, "error": "%v"}`, len(b), err)), serr
	}), requests(posts("some text"))},
	{"upload that fails as a page", same(func(env *environ, start start) (body, error) {
		b, err := io.ReadAll(env.Input)
		if err != nil {
			_, err = start("500 Sorry", plain, err)
			return gateway.Text("Sorry"), err
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Bytes(b), err
	}), requests(posts("some text"))},
	{"writer", same(printed), nil},
	{"writer that stops at an error and does not say so", same(func(env *environ, start start) (body, error) {
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		for range 3 {
			if _, err := io.WriteString(w, "x"); err != nil {
				return gateway.Bytes(), nil
			}
		}
		return gateway.Text("y"), nil
	}), nil},
	{"buffered writer", same(func(env *environ, start start) (body, error) {
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		out := bufio.NewWriterSize(w, 16)
		for i := range 20 {
			fmt.Fprintln(out, "line", i) // the error stays, and Flush has it
		}
		return gateway.Bytes(), out.Flush()
	}), nil},
	{"writers that race, whose error comes last", same(func(env *environ, start start) (body, error) {
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		var mu sync.Mutex
		var done sync.WaitGroup
		for range 4 {
			done.Add(1)
			go func() {
				defer done.Done()
				mu.Lock()
				defer mu.Unlock()
				_, werr := io.WriteString(w, "x")
				err = errors.Join(err, werr)
			}()
		}
		done.Wait()
		return gateway.Bytes(), err
	}), nil},
	{"error of the writer that the body yields", same(func(env *environ, start start) (body, error) {
		w, err := start("200 OK", plain, nil)
		for range 3 {
			_, werr := io.WriteString(w, "x")
			err = errors.Join(err, werr)
		}
		return gateway.Stream(func(yield func([]byte, error) bool) {
			if err != nil {
				yield(nil, err)
			}
		}), nil
	}), nil},
	{"ticker", same(ticks), nil},
	{"goroutine that Close waits for", same(produced), nil},
	{"middleware", func() gateway.Application { return upper(appFunc(printed)) }, nil},
	{"middleware around a stream", func() gateway.Application { return upper(appFunc(produced)) }, nil},
	{"goroutines of a pool", func() gateway.Application { return new(pool) }, nil},
	{"another date each time", same(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain.Append("Date", rand.Text()), nil)
		return gateway.Text("x"), err
	}), nil},
	{"another body each time", same(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Text(rand.Text()), err
	}), nil},
	{"goroutines that race for the body", same(raced), nil},
	{"clock of a second", same(clock), nil},
	{"time that it took", same(func(env *environ, start start) (body, error) {
		began := time.Now()
		_, err := io.Copy(io.Discard, env.Input)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Text("It took " + time.Since(began).Round(time.Millisecond).String()), err
	}), requests(posts("some text"))},
	{"cache with an age", func() gateway.Application {
		var full atomic.Bool
		return appFunc(func(env *environ, start start) (body, error) {
			headers := plain
			if full.Swap(true) {
				headers = headers.Append("Age", "0")
			}
			return answering("200 OK", headers, "x")(env, start)
		})
	}, nil},
	{"header that comes and goes", func() gateway.Application {
		var n atomic.Int64
		return appFunc(func(env *environ, start start) (body, error) {
			headers := plain
			if n.Add(1)%3 == 0 {
				headers = headers.Append("Set-Cookie", "a=b")
			}
			return answering("200 OK", headers, "x")(env, start)
		})
	}, nil},
	{"goroutine that ends soon after", same(func(env *environ, start start) (body, error) {
		ctx := env.Context()
		go func() { <-ctx.Done() }()
		return hello(env, start)
	}), nil},
	{"labels of its own", same(func(env *environ, start start) (b body, err error) {
		pprof.Do(env.Context(), pprof.Labels("app", "x"), func(context.Context) { b, err = hello(env, start) })
		return b, err
	}), nil},
	{"redirect after a second start", same(func(env *environ, start start) (body, error) {
		if _, err := start("200 OK", plain, nil); err != nil {
			return nil, err
		}
		_, err := start("303 See Other", plain.With("Location", "/"), errors.New("not here"))
		return gateway.Text("gone"), err
	}), nil},
	{"variables changed", same(func(env *environ, start start) (body, error) {
		b := gateway.Text(env.ShiftPath() + env.Vars["PATH_INFO"])
		clear(env.Vars)
		_, err := start("200 OK", plain, nil)
		return b, err
	}), requests(gets("/a/b"))},
	{"error after the last byte", same(func(env *environ, start start) (body, error) {
		b, err := io.ReadAll(env.Input)
		if length, lerr := env.ContentLength(); lerr != nil || int64(len(b)) < length {
			return nil, errors.Join(err, lerr)
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Bytes(b), err
	}), requests(posts("some text"))},
	{"refusal that does not mind the body", same(func(env *environ, start start) (body, error) {
		_, _ = io.Copy(io.Discard, env.Input)
		_, err := start("403 Forbidden", plain, nil)
		return gateway.Text("no"), err
	}), requests(posts("some text"))},
	{"no end, in other blocks each time", same(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for block := []byte("xxxxxxxx"); yield(block[:1+rand.Text()[0]%8], nil); {
			}
		}), err
	}), requests(gets("/"))},
	{"no end", same(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for yield([]byte("again and "), nil) {
			}
		}), err
	}), requests(gets("/"))},
}

func same(app appFunc) func() gateway.Application { return func() gateway.Application { return app } }

func requests(list ...func() *environ) []func() *environ { return list }

func gets(target string) func() *environ { return func() *environ { return get(target) } }

func posts(body string) func() *environ { return func() *environ { return post(body) } }

// made makes the requests. A request's body can be read once.
func made(list []func() *environ) (environs []*environ) {
	for _, f := range list {
		environs = append(environs, f())
	}
	return environs
}

func TestCorrectApplicationsPass(t *testing.T) {
	for _, c := range correct {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			gatewaytest.TestApplication(t, c.app(), made(c.requests)...)
		})
	}
}

// An application meets each of the failures, at the place that the failure's name says.
func TestAnApplicationMeetsEveryFault(t *testing.T) {
	t.Parallel()
	met := make(map[string]bool)
	app := appFunc(func(env *environ, start start) (body, error) {
		gone := func(where string) {
			if context.Cause(env.Context()) == gateway.ErrDisconnected {
				met["the Context ends "+where] = true
			}
		}
		gone("before Call")
		before := env.Context().Err() != nil
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		if !before {
			gone("at start")
		}
		before = env.Context().Err() != nil
		n, err := w.Write([]byte("abcd"))
		switch {
		case n == 2 && errors.Is(err, io.ErrShortWrite):
			met["a short Write"] = true
		case errors.Is(err, gateway.ErrDisconnected):
			met["a client that left"] = true
		case n == 4 && err != nil:
			met["a Flush that fails"] = true
		case err != nil:
			met["a Write that fails"] = true
		case !before:
			gone("at Write")
		}
		if err != nil {
			return nil, err
		}
		b := make([]byte, 10)
		for began := time.Now(); ; {
			before := env.Context().Err() != nil
			n, err := env.Input.Read(b)
			if !before {
				gone("at Read")
			}
			switch {
			case n == 1:
				met["a byte at a time"] = true
			case n == 4 && err == io.EOF:
				met["io.EOF beside the last bytes"] = true
			case n == 3:
				met["a body that is cut"] = true
			}
			switch {
			case err == io.ErrUnexpectedEOF:
				met["a Read with io.ErrUnexpectedEOF"] = true
			case err != nil && err != io.EOF:
				met["a Read that fails"] = true
			case err == io.EOF && time.Since(began) >= time.Millisecond:
				met["a Read that takes a while"] = true
			}
			if err == io.EOF {
				return gateway.OnClose(gateway.Bytes(), func() error {
					if cause := context.Cause(env.Context()); cause != nil && cause != gateway.ErrDisconnected {
						met["an End that fails"] = true
					}
					return nil
				}), nil
			}
			if err != nil {
				return nil, err
			}
		}
	})
	env := post("0123")
	gatewaytest.TestApplication(t, app, env)
	for _, what := range []string{"the Context ends before Call", "the Context ends at start",
		"the Context ends at Write", "the Context ends at Read",
		"a short Write", "a client that left", "a Write that fails", "a Flush that fails", "an End that fails",
		"a byte at a time", "io.EOF beside the last bytes", "a body that is cut",
		"a Read with io.ErrUnexpectedEOF", "a Read that fails", "a Read that takes a while"} {
		if !met[what] {
			t.Errorf("it never met %s", what)
		}
	}
}

// The application may change its environ (R11), and the environ of the test stays as it is.
func TestARequestIsNotChanged(t *testing.T) {
	t.Parallel()
	env := get("/a/b")
	gatewaytest.TestApplication(t, appFunc(func(env *environ, start start) (body, error) {
		text := env.ShiftPath()
		env.Extra = map[string]any{"app.x": 1}
		_, err := start("200 OK", plain, nil)
		return gateway.Text(text), err
	}), env)
	if env.Vars["PATH_INFO"] != "/a/b" || env.Extra != nil {
		t.Errorf("the request has become %v, %v", env.Vars, env.Extra)
	}
}

// Two bodies without an end are compared as far as both go.
func TestBodiesWithoutAnEndAreCompared(t *testing.T) {
	t.Parallel()
	streaming := func(text func() string) *gatewaytest.Failures {
		return gatewaytest.TryApplication(10*time.Second, appFunc(func(env *environ, start start) (body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				for yield([]byte(text()), nil) {
				}
			}), err
		}), get("/"))
	}
	if f := streaming(func() string { return "xxxxxxxx"[:1+rand.Text()[0]%8] }); len(f.Errors)+len(f.Logs) > 0 {
		t.Errorf("blocks of another size are another body: %v %v", f.Errors, f.Logs)
	}
	if f := streaming(rand.Text); len(f.Errors) > 0 || len(f.Logs) != 1 {
		t.Errorf("two bodies were taken for one: %v %v", f.Errors, f.Logs)
	}
}
