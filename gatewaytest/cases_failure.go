package gatewaytest

import (
	"errors"
	"iter"
	"net/http"
	"runtime"

	"example.com/gateway"
)

// fails is a case for an application that fails before its first block: a 500, nothing of what went wrong or was begun, and a
// server that lives on. fail runs in Call, or, if inBody is set, in the iteration.
func fails(rule, name string, inBody bool, fail func(x *exchange) error) serverCase {
	return serverCase{
		rule: rule, name: name,
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/next" {
				return text("alive")(x, env, start)
			}
			x.wantStart(start, "200 OK", old.With("Content-Length", "3"), nil, nil)
			if !inBody {
				return nil, fail(x)
			}
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if inTurn(yield, "") && yield(nil, fail(x)) {
					x.errorf("yield returned true for an error")
				}
			}), nil
		},
		run: func(x *exchange) {
			x.wantErrorPage(x.get("/"))
			if inBody {
				x.wantClosed(1)
			}
			x.wantAlive("/next", "alive")
		},
	}
}

// breaks is a case for an application that fails after its first block: the client can tell, Close runs, and the server lives
// on.
func breaks(rule, name string, fail func(x *exchange) error) serverCase {
	return serverCase{
		rule: rule, name: name,
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/next" {
				return text("alive")(x, env, start)
			}
			x.wantStart(start, "200 OK", plain, nil, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if !inTurn(yield, "begun") {
					return
				}
				x.await("client has it")
				if yield(nil, fail(x)) {
					x.errorf("yield returned true for an error")
				}
			}), nil
		},
		run: func(x *exchange) {
			wantBegunAndBroken(x)
			x.wantClosed(1)
			x.wantAlive("/next", "alive")
		},
	}
}

// closesBadly is a case for an application whose Close fails after a response that was whole.
func closesBadly(rule, name string, fail func() error) serverCase {
	return serverCase{
		rule: rule, name: name,
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/next" {
				return text("alive")(x, env, start)
			}
			x.wantStart(start, "200 OK", plain, nil, nil)
			return &badlyClosing{gateway.Text("whole"), x, fail}, nil
		},
		run: func(x *exchange) {
			x.want(x.get("/"), http.StatusOK, "whole")
			x.wantClosed(1)
			x.wantAlive("/next", "alive")
		},
	}
}

type badlyClosing struct {
	gateway.Body
	x    *exchange
	fail func() error
}

func (b *badlyClosing) Close() error {
	b.x.note("close")
	return b.fail()
}

// exitsIn is a case for an application that ends its goroutine with runtime.Goexit, as a t.FailNow in it does. Respond does not
// return then, and no server can know how far the response came: it ends it as a broken one, or after a whole page.
func exitsIn(where string, exit func(x *exchange, start gateway.StartResponse) gateway.Body) serverCase {
	return serverCase{
		rule: "R110", name: "the-server-survives-an-application-that-ends-its-goroutine-in-" + where,
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/next" {
				return text("alive")(x, env, start)
			}
			x.wantStart(start, "200 OK", plain, nil, nil)
			return exit(x, start), nil
		},
		run: func(x *exchange) {
			switch r := x.get("/"); {
			case r.broken != nil:
				x.remark("the response is broken off")
			case where == "close":
				x.want(r, http.StatusOK, "whole")
			default:
				x.wantErrorPage(r)
			}
			if where != "call" {
				x.wantClosed(1)
			}
			x.wantAlive("/next", "alive")
		},
	}
}

// failure returns errSecret, the others do not return.
func failure(*exchange) error     { return errSecret }
func panicking(*exchange) error   { panic(errSecret) }
func panicsText(*exchange) error  { panic("panic with " + secret) }
func panicsOddly(*exchange) error { panic(struct{ secret []string }{[]string{secret}}) }
func panicsNil(*exchange) error   { panic(nil) }

func dereferences(*exchange) error {
	var none *unsoundError
	return errors.New(none.text)
}

func exits(*exchange) error {
	runtime.Goexit()
	return nil
}

func unsound(*exchange) error { return (*unsoundError)(nil) }

// An unsoundError is an error whose text cannot be had.
type unsoundError struct{ text string }

func (e *unsoundError) Error() string { return e.text }

// A badBody fails before there is anything to range.
type badBody struct {
	*notingBody
	blocks func() iter.Seq2[[]byte, error]
}

func (b badBody) Blocks() iter.Seq2[[]byte, error] { return b.blocks() }

func unrangeable(blocks func() iter.Seq2[[]byte, error]) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		x.wantStart(start, "200 OK", old, nil, nil)
		return badBody{&notingBody{gateway.Bytes(), x}, blocks}, nil
	}
}

// failureCases are about applications that fail.
var failureCases = []serverCase{
	fails("R110", "an-error-before-the-head-is-a-500", false, failure),
	fails("R110", "a-panic-before-the-head-is-a-500", false, panicking),
	fails("R110", "a-panic-with-a-text-is-a-500", false, panicsText),
	fails("R110", "a-panic-with-any-value-is-a-500", false, panicsOddly),
	fails("R110", "a-panic-of-the-runtime-is-a-500", false, dereferences),
	fails("R110", "a-panic-with-nil-is-a-500", false, panicsNil),
	fails("R110", "an-error-that-panics-itself-is-a-500", false, unsound),
	exitsIn("call", func(x *exchange, start gateway.StartResponse) gateway.Body {
		runtime.Goexit()
		return nil
	}),
	exitsIn("the-iteration", func(x *exchange, start gateway.StartResponse) gateway.Body {
		return x.stream(func(x *exchange, yield func([]byte, error) bool) { runtime.Goexit() })
	}),
	exitsIn("close", func(x *exchange, start gateway.StartResponse) gateway.Body {
		return &badlyClosing{gateway.Text("whole"), x, func() error { runtime.Goexit(); return nil }}
	}),
	fails("R110", "an-error-before-the-first-block-is-a-500", true, failure),
	fails("R110", "a-panic-before-the-first-block-is-a-500", true, panicking),
	fails("R110", "an-error-of-the-body-that-panics-itself-is-a-500", true, unsound),
	breaks("D2", "an-error-after-a-block-can-be-told", failure),
	breaks("D2", "a-panic-after-a-block-can-be-told", panicking),
	breaks("D2", "a-panic-of-the-runtime-after-a-block-can-be-told", dereferences),
	breaks("D2", "a-body-that-ends-its-goroutine-after-a-block-can-be-told", exits),
	closesBadly("R110", "an-error-of-close-does-no-harm", func() error { return errSecret }),
	closesBadly("R110", "a-panic-of-close-does-no-harm", func() error { panic(errSecret) }),
	closesBadly("R110", "an-error-of-close-that-panics-itself-does-no-harm", func() error { return (*unsoundError)(nil) }),
	{
		rule: "R110", name: "a-body-whose-blocks-panic-is-a-500",
		app: unrangeable(func() iter.Seq2[[]byte, error] { panic(errSecret) }),
		run: func(x *exchange) {
			x.wantErrorPage(x.get("/"))
			x.wantClosed(1)
		},
	},
	{
		rule: "R110", name: "a-body-whose-blocks-are-nil-is-a-500",
		app: unrangeable(func() iter.Seq2[[]byte, error] { return nil }),
		run: func(x *exchange) {
			x.wantErrorPage(x.get("/"))
			x.wantClosed(1)
		},
	},
	{
		rule: "R110", name: "an-error-beside-a-body-is-a-500-and-the-body-is-not-ranged",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old, nil, nil)
			return x.closing(gateway.Text("unseen")), errSecret
		},
		run: func(x *exchange) {
			x.wantErrorPage(x.get("/"))
			x.wantClosed(1)
			if n := x.count("iteration"); n != 0 {
				x.errorf("the body was ranged %d times", n)
			}
		},
	},
	{
		rule: "D9", name: "the-error-page-has-a-length",
		app: func(*exchange, *gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errSecret },
		run: func(x *exchange) {
			r := x.get("/")
			x.wantErrorPage(r)
			x.wantHeader(r, "Content-Length", "26")
		},
	},
	{
		rule: "R109", name: "an-application-may-make-its-own-error-page",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old, nil, nil)
			x.wantStart(start, "500 Oh", plain.Add("X-Own", "1"), errors.New("its own"), nil)
			return gateway.Text("own page"), nil
		},
		run: func(x *exchange) {
			r := x.get("/")
			x.want(r, 500, "own page")
			x.wantHeader(r, "X-Own", "1")
		},
	},
	{
		rule: "D2", name: "an-error-after-what-was-written-can-be-told",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, _ := start("200 OK", plain, nil)
			x.write(w, "begun")
			x.await("client has it")
			return x.closing(gateway.Text("unseen")), errSecret
		},
		run: func(x *exchange) {
			wantBegunAndBroken(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "D2", name: "a-declared-length-that-an-error-cuts-can-be-told",
		app: answer("200 OK", length(100), func(x *exchange) gateway.Body {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if inTurn(yield, "begun") && x.await("client has it") {
					yield(nil, errSecret)
				}
			})
		}),
		run: wantBegunAndBroken,
	},
}
