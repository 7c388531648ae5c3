package gatewaytest

import (
	"errors"
	"iter"
	"net/http"
	"runtime"

	"example.com/gateway"
)

// fails is a case for an application that fails before its first block. The client gets the error
// page, and the server lives on. fail runs in Call, or, if inBody is true, in the iteration.
func fails(rule, name string, inBody bool, fail func(x *exchange) error) serverCase {
	return serverCase{
		rule: rule, name: name,
		app: nextOr(func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old.With("Content-Length", "3"), nil, nil)
			if !inBody {
				return nil, fail(x)
			}
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if inTurn(yield, "") && yield(nil, fail(x)) {
					x.errorf("yield returned true for an error")
				}
			}), nil
		}),
		run: func(x *exchange) {
			x.wantErrorPage(x.get("/"))
			if inBody {
				x.wantClosed(1)
			}
			x.wantAlive()
		},
	}
}

// breaks is a case for an application that fails after its first block. The client can tell, Close
// runs, and the server lives on.
func breaks(rule, name string, fail func(x *exchange) error) serverCase {
	return serverCase{
		rule: rule, name: name,
		app: nextOr(func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
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
		}),
		run: func(x *exchange) {
			wantBegunAndBroken(x)
			x.wantClosed(1)
			x.wantAlive()
		},
	}
}

// closesBadly is a case for an application whose Close fails after a response that is whole, and
// stays whole.
func closesBadly(rule, name string, fail func(x *exchange) error) serverCase {
	return serverCase{
		rule: rule, name: name,
		app: nextOr(badlyClosed(gateway.Text, fail)),
		run: func(x *exchange) {
			x.want(x.get("/"), http.StatusOK, "whole")
			x.wantClosed(1)
			x.wantAlive()
		},
	}
}

// badlyClosed answers "whole" with a body whose Close fails.
func badlyClosed(body func(s string) gateway.Body, fail func(x *exchange) error) application {
	return answer("200 OK", plain, func(x *exchange) gateway.Body {
		return gateway.OnClose(body("whole"), func() error {
			x.note("close")
			return fail(x)
		})
	})
}

// exitsIn is a case for an application that ends its goroutine with runtime.Goexit before its first
// block, as t.FailNow does. Respond does not return then. The client gets the error page, or a
// response that is cut off.
func exitsIn(where string, app application) serverCase {
	return serverCase{
		rule: "R110", name: "the-server-survives-an-application-that-ends-its-goroutine-in-" + where,
		app: nextOr(app),
		run: func(x *exchange) {
			if r := x.get("/"); r.broken != nil {
				x.remark("the response is cut off")
			} else {
				x.wantErrorPage(r)
			}
			if where != "call" {
				x.wantClosed(1)
			}
			x.wantAlive()
		},
	}
}

// Ways to fail. Only failure and unsound return.
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

// An unsoundError is an error whose method Error panics if the pointer is nil.
type unsoundError struct{ text string }

func (e *unsoundError) Error() string { return e.text }

// A badBody fails when it is asked for its blocks.
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
	exitsIn("call", func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		x.wantStart(start, "200 OK", old, nil, nil)
		return nil, exits(x)
	}),
	exitsIn("the-iteration", func(x *exchange, _ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		x.wantStart(start, "200 OK", old, nil, nil)
		return x.stream(func(x *exchange, yield func([]byte, error) bool) { _ = exits(x) }), nil
	}),
	fails("R110", "an-error-before-the-first-block-is-a-500", true, failure),
	fails("R110", "a-panic-before-the-first-block-is-a-500", true, panicking),
	fails("R110", "an-error-of-the-body-that-panics-itself-is-a-500", true, unsound),
	breaks("D2", "an-error-after-a-block-can-be-told", failure),
	breaks("D2", "a-panic-after-a-block-can-be-told", panicking),
	breaks("D2", "a-panic-of-the-runtime-after-a-block-can-be-told", dereferences),
	breaks("D2", "a-body-that-ends-its-goroutine-after-a-block-can-be-told", exits),
	closesBadly("R110", "an-error-of-close-does-no-harm", failure),
	closesBadly("R110", "a-panic-of-close-does-no-harm", panicking),
	closesBadly("R110", "an-error-of-close-that-panics-itself-does-no-harm", unsound),
	closesBadly("R110", "a-close-that-ends-its-goroutine-does-no-harm", exits),
	{
		rule: "R110", name: "a-close-that-ends-its-goroutine-takes-no-byte-of-a-response-of-unknown-length",
		app: nextOr(badlyClosed(func(s string) gateway.Body {
			return gateway.Stream(func(yield func([]byte, error) bool) { inTurn(yield, s) })
		}, func(x *exchange) error {
			x.await("client has it")
			return exits(x)
		})),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if !c.next("whole") {
				return
			}
			x.note("client has it")
			r := c.reply("GET")
			if r.broken != nil { // some servers end such a response with the process, or the handler, that has failed
				x.remark("the end of the response is cut off")
				r.broken = nil
			}
			x.want(r, http.StatusOK, "")
			x.wantClosed(1)
			x.wantAlive()
		},
	},
	{
		rule: "R110", name: "a-body-that-ends-its-goroutine-after-the-last-declared-byte-loses-no-byte",
		app: nextOr(answer("200 OK", length(5), func(x *exchange) gateway.Body {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if inTurn(yield, "wh", "ole") && x.await("client has it") {
					_ = exits(x)
				}
			})
		})),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if !c.next("whole") {
				return
			}
			x.note("client has it")
			x.want(c.reply("GET"), http.StatusOK, "")
			x.wantClosed(1)
			x.wantAlive()
		},
	},
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
			x.wantStart(start, "500 Oh", plain.Append("X-Own", "1"), errors.New("its own"), nil)
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
