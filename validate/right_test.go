package validate_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/validate"
)

// A right is a correct application, maybe under a correct middleware, and the request that it gets.
type right struct {
	name string
	app  func() gateway.ApplicationFunc // made anew for each request
	env  func() *gateway.Environ        // default: a GET
	mw   gateway.Middleware             // default: none
	fail bool                           // the application fails, which is its right
}

func same(f gateway.ApplicationFunc) func() gateway.ApplicationFunc {
	return func() gateway.ApplicationFunc { return f }
}

func bodied(body func() gateway.Body) func() gateway.ApplicationFunc {
	return same(answers("200 OK", plain, body))
}

func upload(text string) func() *gateway.Environ {
	return func() *gateway.Environ { return withInput(text) }
}

// A greeting is PEP 3333's AppClass.
type greeting struct {
	env   *gateway.Environ
	start gateway.StartResponse
}

func newGreeting(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return &greeting{env, start}, nil
}

func (g *greeting) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !yield(nil, nil) { // an empty block may come before start (R76)
			return
		}
		if _, err := g.start("200 OK", plain, nil); err != nil {
			yield(nil, err)
			return
		}
		_ = yield([]byte("Hello "), nil) && yield(nil, nil) && yield([]byte(g.env.Vars["SERVER_NAME"]), nil)
	}
}

func (g *greeting) Close() error { return nil }

// latinator is the middleware of PEP 3333. It changes headers, and whatever is written and yielded.
func latinator(app gateway.Application) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
			w, err := start(status, headers.Without("Content-Length"), cause)
			return writerFunc(func(p []byte) (int, error) {
				if _, err := w.Write(pigLatin(p)); err != nil {
					return 0, err
				}
				return len(p), nil
			}), err
		})
		if err != nil || body == nil {
			return body, err
		}
		return gateway.Map(body, pigLatin), nil
	})
}

func pigLatin(block []byte) []byte {
	latin := append(bytes.Clone(block), "ay"...)
	slices.Reverse(latin[:len(block)])
	return latin
}

// More correct middleware, each of another shape.
var (
	keepsBackWithEmptyBlocks gateway.Middleware = through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
		return bodyOf{func(yield func([]byte, error) bool) {
			var all []byte
			for block, err := range body.Blocks() {
				all = append(all, block...)
				if err != nil || !yield(nil, err) { // R94
					return
				}
			}
			yield(all, nil)
		}, body.Close}, nil
	})
	pulls gateway.Middleware = through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
		return bodyOf{func(yield func([]byte, error) bool) {
			next, stop := iter.Pull2(body.Blocks())
			defer stop()
			for {
				block, err, ok := next()
				if !ok || !yield(block, err) {
					return
				}
			}
		}, body.Close}, nil
	})
	addsToTheBody gateway.Middleware = through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
		return bodyOf{func(yield func([]byte, error) bool) {
			if !yield([]byte("<"), nil) {
				return
			}
			for block, err := range body.Blocks() {
				for range 2 {
					if !yield(block, err) {
						return
					}
				}
			}
			yield([]byte(">"), nil)
		}, body.Close}, nil
	})
	leavesEarly gateway.Middleware = through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
		return bodyOf{func(yield func([]byte, error) bool) {
			for block, err := range body.Blocks() {
				yield(block, err)
				return
			}
		}, body.Close}, nil
	})
	throwsAway gateway.Middleware = through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
		return text(), body.Close()
	})
	takesLateErrors gateway.Middleware = func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
				if cause != nil {
					return io.Discard, nil // R112
				}
				return start(status, headers, nil)
			})
		})
	}
	looksAndAnswers gateway.Middleware = through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
		return bodyOf{func(yield func([]byte, error) bool) {
			for range body.Blocks() {
				break
			}
			yield([]byte("something else"), nil)
		}, body.Close}, nil
	})
	readsOn gateway.Middleware = through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
		return bodyOf{func(yield func([]byte, error) bool) {
			going := true
			for block, err := range body.Blocks() { // to the end, even if the client has left: for a cache, say
				going = going && yield(block, err)
			}
		}, body.Close}, nil
	})
	asksForMore gateway.Middleware = func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			body, err := app.Call(env, start)
			if err != nil || body == nil {
				return body, err
			}
			return bodyOf{func(yield func([]byte, error) bool) {
				ask := func() error { // a request of the middleware's own
					other, err := app.Call(env.Clone(), func(string, gateway.Headers, error) (io.Writer, error) { return io.Discard, nil })
					if err != nil {
						return err
					}
					rangeAll(other.Blocks())
					return other.Close()
				}
				if err := ask(); err != nil {
					yield(nil, err)
					return
				}
				body.Blocks()(yield)
				_ = ask()
			}, body.Close}, nil
		})
	}
	callsTwice gateway.Middleware = func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			asked := 0
			first, err := app.Call(env.Clone(), func(string, gateway.Headers, error) (io.Writer, error) { asked++; return io.Discard, nil })
			if err != nil {
				return first, err
			}
			for _, err := range first.Blocks() { // a request of the middleware's own
				if err != nil {
					return first, err
				}
			}
			if err := first.Close(); err != nil {
				return nil, err
			}
			return app.Call(env, start)
		})
	}
	answersForErrors gateway.Middleware = func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			sorry := func(cause error) (gateway.Body, error) {
				_, err := start("500 Sorry", plain, cause)
				return gateway.Text("sorry"), err
			}
			body, err := app.Call(env, start)
			if err != nil {
				return sorry(err)
			}
			return bodyOf{func(yield func([]byte, error) bool) {
				for block, err := range body.Blocks() {
					if err != nil {
						page, err := sorry(err)
						if err != nil {
							yield(nil, err)
							return
						}
						page.Blocks()(yield)
						return
					}
					if !yield(block, nil) {
						return
					}
				}
			}, body.Close}, nil
		})
	}
	// takesErrorPages answers an inner start that has a cause with an error of its own (R112).
	takesErrorPages gateway.Middleware = func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			taken := errors.New("taken")
			body, err := app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
				if cause == nil {
					return start(status, headers, nil)
				}
				w, err := start("500 Sorry", plain, cause)
				return w, errors.Join(err, taken)
			})
			if err != nil || body == nil {
				return body, err
			}
			return bodyOf{func(yield func([]byte, error) bool) {
				for block, err := range body.Blocks() {
					if errors.Is(err, taken) {
						yield([]byte("sorry"), nil)
						return
					}
					if !yield(block, err) {
						return
					}
				}
			}, body.Close}, nil
		})
	}
	// includes puts the inner response into a page of its own, and ends the page if the inner
	// response fails.
	includes gateway.Middleware = func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if _, err := start("200 OK", plain, nil); err != nil {
				return nil, err
			}
			body, err := app.Call(env, func(string, gateway.Headers, error) (io.Writer, error) { return io.Discard, nil })
			if err != nil || body == nil {
				return body, err
			}
			return bodyOf{func(yield func([]byte, error) bool) {
				for block, err := range body.Blocks() {
					if err != nil {
						block = []byte(" and no more")
					}
					if !yield(block, nil) {
						return
					}
				}
			}, body.Close}, nil
		})
	}
	forbids gateway.Middleware = func(gateway.Application) gateway.Application {
		return app(answers("403 Forbidden", plain, text))
	}
	withTimeout gateway.Middleware = func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			ctx, cancel := context.WithCancel(env.Context())
			body, err := app.Call(env.WithContext(ctx), start)
			if body == nil {
				cancel()
				return nil, err
			}
			return gateway.OnClose(body, func() error { cancel(); return nil }), err
		})
	}
	mounts gateway.Middleware = func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			env = env.Clone()
			env.ShiftPath()
			return app.Call(env, start)
		})
	}
	startsLate gateway.Middleware = func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			var status string
			var headers gateway.Headers
			var stored, begun bool
			body, err := app.Call(env, func(s string, h gateway.Headers, cause error) (io.Writer, error) {
				status, headers, stored = s, slices.Clone(h), true
				return io.Discard, nil
			})
			if err != nil || body == nil {
				return body, err
			}
			return bodyOf{func(yield func([]byte, error) bool) {
				begin := func() error {
					if begun || !stored {
						return nil
					}
					begun = true
					_, err := start(status, headers.With("X-Seen", "yes"), nil)
					return err
				}
				for block, err := range body.Blocks() {
					if err == nil && len(block) > 0 {
						err = begin()
					}
					if !yield(block, err) || err != nil {
						return
					}
				}
				if err := begin(); err != nil {
					yield(nil, err)
				}
			}, body.Close}, nil
		})
	}
)

var rights = []right{
	// The five examples.
	{name: "function", app: same(hello)},
	{name: "struct", app: same(newGreeting)},
	{name: "stream", app: same(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if _, err := start("200 OK", gateway.Headers{{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}}, nil); err != nil {
			return nil, err
		}
		body := gateway.Stream(func(yield func([]byte, error) bool) {
			for i := range 3 {
				if !yield([]byte("data: tick "+strconv.Itoa(i)+"\n\n"), nil) || env.Context().Err() != nil {
					return
				}
			}
		})
		return gateway.OnClose(body, func() error {
			_, err := io.WriteString(env.Errors, "ticks: closed\n")
			return err
		}), nil
	})},
	{name: "middleware", mw: latinator, app: same(writesAndYields)},
	{name: "upload", env: upload("one\ntwo\nthree"), app: same(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		lines := 0
		in := bufio.NewScanner(env.Input)
		for in.Scan() {
			lines++
		}
		_, err := start("200 OK", plain, in.Err())
		return gateway.Text("lines: " + strconv.Itoa(lines) + "\n"), err
	})},

	// The bodies.
	{name: "empty text", app: bodied(func() gateway.Body { return gateway.Text("") })},
	{name: "no blocks", app: bodied(empty)},
	{name: "some blocks", app: bodied(func() gateway.Body { return gateway.Bytes([]byte("a"), nil, []byte("bc")) })},
	{name: "stream", app: bodied(abc)},
	{name: "one buffer for all blocks", app: bodied(func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) {
			buf := make([]byte, 1)
			for c := byte('a'); c < 'f'; c++ {
				if buf[0] = c; !yield(buf, nil) {
					return
				}
			}
		})
	})},
	{name: "reader of a string", app: bodied(func() gateway.Body { return gateway.Reader(strings.NewReader("12345678"), 3) })},
	{name: "reader of a part", app: same(answers("200 OK", plain.Append("Content-Length", "4"), func() gateway.Body {
		return gateway.Reader(strings.NewReader("12345678"), 3)
	}))},
	{name: "reader of a file", app: bodied(func() gateway.Body {
		f, err := os.Open("right_test.go")
		if err != nil {
			panic(err)
		}
		return gateway.Reader(f, 0)
	})},
	{name: "echo", env: upload("abc"), app: same(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Reader(env.Input, 2), err // Input has no Close that Reader could call
	})},
	{name: "map", app: bodied(func() gateway.Body { return gateway.Map(text(), bytes.ToUpper) })},
	{name: "map of several", app: bodied(func() gateway.Body { return gateway.Map(gateway.Bytes([]byte("a"), []byte("b")), pigLatin) })},
	{name: "on close", app: bodied(func() gateway.Body { return gateway.OnClose(text(), func() error { return nil }) })},

	// The head.
	{name: "no content", app: same(answers("204 No Content", nil, empty))},
	{name: "reset content", app: same(answers("205 Reset Content", nil, empty))},
	{name: "reset content of no length",
		app: same(answers("205 Reset Content", gateway.Headers{{"Content-Length", "0"}}, empty))},
	{name: "not modified", app: same(answers("304 Not Modified", gateway.Headers{{"ETag", `"a"`}, {"Content-Length", "100"}}, empty))},
	{name: "redirect", app: same(answers("302 Found", gateway.Headers{{"Location", "/elsewhere"}}, empty))},
	{name: "redirect to another host", app: same(answers("302 Found", gateway.Headers{{"Location", "https://example.org/#a"}}, empty))},
	{name: "empty Location", app: same(answers("200 OK", gateway.Headers{{"Location", ""}, {"Content-Type", "text/plain"}}, text))},
	{name: "odd but lawful headers", app: same(answers("299 Odd", gateway.Headers{{"content-TYPE", "text/plain"}, {"X_a.b~1", "caf\xe9\tau lait"},
		{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}, {"5G", ""}, {"Content-Length", "14"}}, text))},
	{name: "no headers and no body", app: same(answers("200 OK", nil, empty))},
	{name: "one list for all requests", app: same(answers("404 Not Found", plain, text))},
	{name: "changes its own list after start", app: same(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		list := gateway.Headers{{"Content-Type", "text/plain"}, {"X-A", "a"}}
		_, err := start("200 OK", list, nil)
		list[1] = [2]string{"X-B", "b"} // start has copied it (R67)
		return text(), err
	})},
	{name: "second start with a cause", app: same(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, _ = start("200 OK", plain.Append("Content-Length", "3"), nil)
		_, err := start("500 Internal Server Error", plain, errBoom)
		return text(), err
	})},
	{name: "the length of a HEAD", env: func() *gateway.Environ { return environ("HEAD") },
		app: same(answers("200 OK", plain.Append("Content-Length", "100"), empty))},
	{name: "a body for a HEAD", env: func() *gateway.Environ { return environ("HEAD") }, app: same(answers("200 OK", nil, text))},
	{name: "start in the first step", app: same(newGreeting), env: func() *gateway.Environ { return environ("HEAD") }},

	// The writer.
	{name: "writer and body", app: same(writesAndYields)},
	{name: "writer alone", app: same(writes(plain.Append("Content-Length", "3"), "ab", "", "c"))},

	// Failures that are an application's right.
	{name: "error of Call", fail: true, app: same(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errBoom })},
	{name: "error of Call beside a body", fail: true, app: same(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, _ = start("200 OK", plain, nil)
		return text(), errBoom
	})},
	{name: "error of the first step", fail: true, app: bodied(func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) { yield(nil, errBoom) })
	})},
	{name: "error in the middle", fail: true, app: same(answers("200 OK", plain.Append("Content-Length", "100"), func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) { _ = yield([]byte("half"), nil) && yield(nil, errBoom) })
	}))},
	{name: "error of Close", fail: true, app: bodied(func() gateway.Body { return gateway.OnClose(text(), func() error { return errBoom }) })},
	{name: "late error", fail: true, app: same(failsLate)},
	{name: "late error that does not compare", fail: true, app: bodiedWithStart(func(start gateway.StartResponse, yield func([]byte, error) bool) {
		if yield([]byte("half"), nil) {
			_, err := start("500 Internal Server Error", plain, manyErrors{errBoom})
			yield(nil, err)
		}
	})},
	{name: "panic in Call", fail: true, app: same(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { panic(errBoom) })},
	{name: "panic in the body", fail: true, app: bodied(func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) { yield([]byte("half"), nil); panic(errBoom) })
	})},
	{name: "panic in Close", fail: true, app: bodied(func() gateway.Body { return gateway.OnClose(text(), func() error { panic(errBoom) }) })},

	// The request.
	{name: "all read four times", env: upload("a"), app: same(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		for range 4 { // as a middleware, a parser and a drain may
			if _, err := io.ReadAll(env.Input); err != nil {
				return nil, err
			}
		}
		return hello(env, start)
	})},
	{name: "reads once past the end", env: upload("a"), app: same(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		b, err := io.ReadAll(env.Input)
		if err != nil {
			return nil, err
		}
		n, err := env.Input.Read(make([]byte, 1))
		_, serr := start("200 OK", plain, nil)
		return gateway.Text(fmt.Sprint(len(b), n, err)), serr
	})},
	{name: "Input that often has nothing", app: same(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		b, err := io.ReadAll(env.Input)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Text(strconv.Itoa(len(b))), err
	}), env: func() *gateway.Environ {
		reads := 0
		return inputOf(func(p []byte) (int, error) {
			switch reads++; {
			case reads == 400:
				return 0, io.EOF
			case reads%100 == 0: // 99 times nothing is as often as may be
				return 1, nil
			}
			return 0, nil
		})()
	}},
	{name: "reads nothing", env: upload("abc"), app: same(hello)},
	{name: "reads while it answers", env: upload("abc"), app: bodiedByInput()},
	{name: "body of unknown length", app: bodiedByInput(), env: func() *gateway.Environ {
		env := withInput("abc")
		delete(env.Vars, "CONTENT_LENGTH")
		return env
	}},
	{name: "body that was cut short", app: bodiedByInput(), fail: true, env: func() *gateway.Environ {
		env := withInput("abc")
		env.Input = io.MultiReader(strings.NewReader("ab"), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))
		return env
	}},
	{name: "changes its environ", app: same(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		env.Vars["PATH_INFO"], env.Vars["HTTP_PROXY"] = "anything", "x"
		env.Input, env.URLScheme, env.Extra = nil, "", map[string]any{"": nil}
		return hello(&gateway.Environ{}, start)
	})},
	{name: "an environ with its values", env: func() *gateway.Environ {
		env := environ("PROPFIND")
		env.Extra = map[string]any{"test.role": "x", "test.a_b.c2": nil}
		env.URLScheme, env.Vars["HTTPS"] = "https", "on"
		env.Vars["SERVER_PROTOCOL"], env.Vars["CONTENT_LENGTH"], env.Vars["CONTENT_TYPE"] = "INCLUDED", "", ""
		env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"], env.Vars["HTTP_X_EMPTY"] = "/app", "", ""
		env.RunOnce, env.Multiprocess, env.Multithread = true, true, false
		return env
	}, app: same(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		var b strings.Builder
		for name, value := range env.All() {
			if !strings.HasPrefix(name, "wsgi.input") && name != "wsgi.errors" {
				fmt.Fprintln(&b, name, value)
			}
		}
		_, err := start("200 OK", plain, nil)
		return gateway.Text(b.String()), err
	})},
	{name: "mounted under an empty segment", mw: mounts, app: same(hello), env: func() *gateway.Environ {
		env := environ("GET")
		env.Vars["REQUEST_URI"], env.Vars["PATH_INFO"] = "//hello", "//hello"
		return env
	}},
	{name: "calls itself", app: func() gateway.ApplicationFunc { // a request within a request is one thread
		var whole gateway.Application
		whole = validate.Linter{Report: func(f validate.Finding) { panic(f.String()) }}.Application(
			gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				if env.Vars["PATH_INFO"] == "/inner" {
					return hello(env, start)
				}
				inner := env.Clone()
				inner.Vars["PATH_INFO"] = "/inner"
				return whole.Call(inner, start)
			}))
		return whole.Call
	}, env: func() *gateway.Environ {
		env := environ("GET")
		env.Multithread = false
		return env
	}},

	{name: "pulls from itself", app: func() gateway.ApplicationFunc { // a coroutine has a stack of its own
		var whole gateway.Application
		whole = validate.Linter{Report: func(f validate.Finding) { panic(f.String()) }}.Application(
			gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				if env.Vars["PATH_INFO"] == "/inner" {
					return answers("200 OK", plain, abc)(env, start)
				}
				inner := env.Clone()
				inner.Vars["PATH_INFO"] = "/inner"
				return pulls(whole).Call(inner, start)
			}))
		return whole.Call
	}, env: func() *gateway.Environ {
		env := environ("GET")
		env.Multithread = false
		return env
	}},

	{name: "calls itself on a goroutine of its own", app: func() gateway.ApplicationFunc { // and waits for the answer
		var whole gateway.Application
		whole = validate.Linter{Report: func(f validate.Finding) { panic(f.String()) }}.Application(
			gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (body gateway.Body, err error) {
				if env.Vars["PATH_INFO"] == "/inner" {
					return hello(env, start)
				}
				inner := env.Clone()
				inner.Vars["PATH_INFO"] = "/inner"
				answered := make(chan struct{})
				go func() {
					defer close(answered)
					body, err = whole.Call(inner, start)
				}()
				<-answered
				return body, err
			}))
		return whole.Call
	}, env: func() *gateway.Environ {
		env := environ("GET")
		env.Multithread = false
		return env
	}},

	// Middleware, most of it around a body of three blocks.
	{name: "none at all", mw: gateway.Chain(), app: bodied(abc)},
	{name: "latinator", mw: latinator, app: bodied(abc)},
	{name: "latinator of bytes", mw: latinator, app: bodied(func() gateway.Body { return gateway.Bytes([]byte("ab"), []byte("c")) })},
	{name: "keeps back with empty blocks", mw: keepsBackWithEmptyBlocks, app: bodied(abc)},
	{name: "pulls", mw: pulls, app: bodied(abc)},
	{name: "adds to the body", mw: addsToTheBody, app: bodied(abc)},
	{name: "leaves early", mw: leavesEarly, app: bodied(abc)},
	{name: "throws the body away", mw: throwsAway, app: bodied(abc)},
	{name: "calls twice", mw: callsTwice, app: bodied(abc)},
	{name: "takes late errors for itself", mw: takesLateErrors, app: same(failsLate)},
	{name: "looks at the first block and answers itself", mw: looksAndAnswers, app: bodied(abc)},
	{name: "reads on when the client has left", mw: readsOn, app: bodied(abc)},
	{name: "asks for more", mw: asksForMore, app: bodied(abc)},
	{name: "forbids", mw: forbids, app: bodied(abc)},
	{name: "with a context of its own", mw: withTimeout, app: bodied(abc)},
	{name: "mounts", mw: mounts, app: bodied(abc)},
	{name: "starts late", mw: startsLate, app: bodied(abc)},
	{name: "a body that has what kept blocks are overwritten with", mw: addsToTheBody, app: bodied(func() gateway.Body {
		return yields("\xDB\xDB\xDB\xDB\xDB\xDB\xDB\xDB", "\xDB\xDB\xDB\xDB\xDB\xDB\xDB\xDB\xDB", "\xDB\xDB\xDB\xDB")
	})},
	{name: "many blocks", mw: keepsBackWithEmptyBlocks, app: bodied(func() gateway.Body { return yields(strings.Split(strings.Repeat("a lot ", 1000), " ")...) })},
	{name: "maps behind a pull", mw: gateway.Chain(latinator, pulls), app: same(failsHalfway), fail: true},
	{name: "several", mw: gateway.Chain(withTimeout, latinator, startsLate, mounts), app: bodied(abc)},
	{name: "lint within lint", mw: gateway.Chain(validate.Application, latinator, validate.Middleware(pulls)), app: bodied(abc)},
	{name: "an application that fails within", mw: gateway.Chain(withTimeout, latinator), fail: true, app: same(failsLate)},
	{name: "answers for an error of Call", mw: answersForErrors, app: same(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errBoom })},
	{name: "answers for an error of the first step", mw: answersForErrors, app: bodied(func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) { yield(nil, errBoom) })
	})},
	{name: "takes the error page for itself", mw: takesErrorPages, app: bodiedWithStart(func(start gateway.StartResponse, yield func([]byte, error) bool) {
		if _, err := start("500 Internal Server Error", plain, errBoom); err != nil {
			yield(nil, err)
		}
	})},
	{name: "includes what fails", mw: includes, app: same(failsHalfway)},
	{name: "an application that fails halfway within", mw: gateway.Chain(withTimeout, latinator), fail: true, app: same(failsHalfway)},
	{name: "a failure that the client does not wait for", mw: leavesEarly, app: same(failsHalfway)},
	{name: "an application that panics within", mw: latinator, fail: true, app: bodied(func() gateway.Body {
		return gateway.Stream(func(yield func([]byte, error) bool) { yield([]byte("half"), nil); panic(errBoom) })
	})},
	{name: "head through middleware", mw: gateway.Chain(pulls, latinator), app: bodied(abc), env: func() *gateway.Environ { return environ("HEAD") }},
}

type manyErrors []error

func (m manyErrors) Error() string { return "many errors" }

func bodiedWithStart(f func(start gateway.StartResponse, yield func([]byte, error) bool)) func() gateway.ApplicationFunc {
	return same(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) { f(start, yield) }), err
	})
}

func writesAndYields(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	w, err := start("200 OK", plain, nil)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, "through the writer\n"); err != nil {
		return nil, err
	}
	return gateway.Text("through the body\n"), nil
}

func bodiedByInput() func() gateway.ApplicationFunc {
	return same(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for p := make([]byte, 2); ; {
				n, err := env.Input.Read(p)
				if n > 0 && !yield(p[:n], nil) || err == io.EOF {
					return
				}
				if err != nil {
					yield(nil, err)
					return
				}
			}
		}), err
	})
}

// An outcome is everything that a server can see of a request.
type outcome struct {
	events []string
	log    string
	err    string
	isBoom bool
	broken bool
}

var stackOrGoroutine = regexp.MustCompile(`(?s)\ngoroutine \d+ \[.*`)

func outcomeOf(app gateway.Application, env *gateway.Environ, t *recorder) (o outcome) {
	var log strings.Builder
	env.Errors = &log
	err := gateway.Respond(app, env, t)
	o.events, o.log = t.events, stackOrGoroutine.ReplaceAllString(log.String(), "\n")
	o.broken = !t.whole
	if err != nil {
		o.err, o.isBoom = err.Error(), errors.Is(err, errBoom)
	}
	return o
}

func (o outcome) equal(p outcome) bool {
	return slices.Equal(o.events, p.events) && o.log == p.log && o.err == p.err && o.isBoom == p.isBoom && o.broken == p.broken
}

// TestNothingChangesForACorrectPair runs each pair without the lint and with it, under
// gateway.Respond, for clients that stay and clients that leave, and under a toy. The head, the
// blocks, the log and the error must be the same, and the lint must find nothing.
func TestNothingChangesForACorrectPair(t *testing.T) {
	t.Parallel()
	rounds := 100
	if testing.Short() {
		rounds = 3
	}
	for _, c := range rights {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.env == nil {
				c.env = func() *gateway.Environ { return environ("GET") }
			}
			var got collector
			linter := got.linter()
			wrap := func(app gateway.Application, linted bool) gateway.Application {
				switch {
				case c.mw != nil && linted:
					return linter.Middleware(c.mw)(app)
				case c.mw != nil:
					return c.mw(app)
				case linted:
					return linter.Application(app)
				}
				return app
			}
			for range rounds {
				for _, transport := range []recorder{{}, {err: gateway.ErrDisconnected}, {err: errBoom}} {
					plainOne, lintedOne := transport, transport
					want := outcomeOf(wrap(c.app(), false), c.env(), &plainOne)
					o := outcomeOf(wrap(c.app(), true), c.env(), &lintedOne)
					if !o.equal(want) {
						t.Fatalf("with the lint:\n\t%+v\nwithout:\n\t%+v", o, want)
					}
					if transport.err == nil && c.fail != (want.err != "") {
						t.Fatalf("the case fails with %q, want a failure: %v", want.err, c.fail)
					}
				}
				func() {
					defer func() { _ = recover() }() // a toy does not recover
					var plainOne, lintedOne toy
					func() {
						defer func() { _ = recover() }()
						plainOne.serve(wrap(c.app(), false), c.env())
					}()
					lintedOne.serve(wrap(c.app(), true), c.env())
					if plainOne.out.String() != lintedOne.out.String() || errors.Is(plainOne.err, errBoom) != errors.Is(lintedOne.err, errBoom) ||
						!slices.Equal(plainOne.headers, lintedOne.headers) {
						t.Errorf("with the lint: %q %v %q, without: %q %v %q", lintedOne.headers, lintedOne.err, lintedOne.out.String(),
							plainOne.headers, plainOne.err, plainOne.out.String())
					}
				}()
				if len(got.findings()) > 0 {
					t.Fatalf("found%s", got.texts())
				}
			}
			runtime.GC() // must not report a body that was closed
			if len(got.findings()) > 0 {
				t.Fatalf("found%s", got.texts())
			}
		})
	}
}

// TestConcurrentRequestsAreNoFinding also checks that concurrent requests do not share state.
func TestConcurrentRequestsAreNoFinding(t *testing.T) {
	t.Parallel()
	var got collector
	concurrent(true)(got.linter().Application(readsAll(1, 1)), environ("GET"))
	linted := got.linter().Middleware(latinator)(gateway.ApplicationFunc(writesAndYields))
	done := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 50 {
				respond(linted, environ("GET"))
			}
		}()
	}
	for range 8 {
		<-done
	}
	if len(got.findings()) > 0 {
		t.Errorf("found%s", got.texts())
	}
}

// TestRequestsInTurnAreNoFinding checks that a server of one thread may have several responses
// under way (R49).
func TestRequestsInTurnAreNoFinding(t *testing.T) {
	t.Parallel()
	var got collector
	linted := got.linter().Application(app(answers("200 OK", plain, abc)))
	var nexts []func() ([]byte, error, bool)
	var all strings.Builder
	for range 3 {
		env := environ("GET")
		env.Multithread = false
		body, err := linted.Call(env, new(toy).start)
		if err != nil {
			t.Fatal(err)
		}
		next, stop := iter.Pull2(body.Blocks())
		nexts = append(nexts, next)
		defer func() { stop(); _ = body.Close() }()
	}
	for range 4 {
		for _, next := range nexts {
			block, _, _ := next()
			all.Write(block)
		}
	}
	if all.String() != "aaabbbccc" || len(got.findings()) > 0 {
		t.Errorf("sent %q, found%s", all.String(), got.texts())
	}
}

// TestErrorsAndPanicsPassThroughAsTheyAre checks that the values are the same, not only alike.
func TestErrorsAndPanicsPassThroughAsTheyAre(t *testing.T) {
	t.Parallel()
	lint := func(f gateway.ApplicationFunc) gateway.Application { return new(collector).linter().Application(f) }
	start := new(toy).start
	if _, err := lint(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errBoom }).Call(environ("GET"), start); err != errBoom {
		t.Errorf("Call returned %v", err)
	}
	value := &struct{ int }{1}
	func() {
		defer func() {
			if v := recover(); v != value {
				t.Errorf("recovered %v", v)
			}
		}()
		_, _ = lint(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { panic(value) }).Call(environ("GET"), start)
	}()
	body, err := lint(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return bodyOf{func(yield func([]byte, error) bool) { yield([]byte("beside"), errBoom) }, func() error { return errBoom }}, nil
	}).Call(environ("GET"), start)
	if err != nil {
		t.Fatal(err)
	}
	for block, err := range body.Blocks() {
		if string(block) != "beside" || err != errBoom {
			t.Errorf("yielded %q, %v", block, err)
		}
	}
	if err := body.Close(); err != errBoom {
		t.Errorf("Close returned %v", err)
	}
	ended := make(chan bool)
	go func() {
		defer func() { ended <- recover() == nil }()
		_, _ = lint(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { runtime.Goexit(); return nil, nil }).Call(environ("GET"), start)
		t.Error("Goexit was lost")
	}()
	if !<-ended {
		t.Error("Goexit became a panic")
	}
}
