package gatewaytest

import (
	"io"
	"net/http"
	"time"

	"example.com/gateway"
)

// closes is a case for a path on which Close must run once, last of all.
func closes(name string, app application, run func(x *exchange)) serverCase {
	return serverCase{rule: "R21", name: "close-runs-once-" + name, app: app, run: func(x *exchange) {
		run(x)
		x.wantClosed(1)
	}}
}

// request sends a request whose response does not matter to the case.
func request(method string) func(x *exchange) {
	return func(x *exchange) { x.send(method, "/", "") }
}

// failsBeside returns an error beside a body.
func failsBeside(*exchange, *gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
	return gateway.Text("unseen"), errSecret
}

// closed is app with a body that notes what closing notes.
func closed(app application) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := app(x, env, start)
		return x.closing(body), err
	}
}

// startsBadly starts with a bad status, and ignores the error.
func startsBadly(x *exchange, _ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, _ = start("bad", nil, nil)
	return x.closing(gateway.Text("unseen")), nil
}

// startsBadlyLate starts with a bad status inside of the iteration.
func startsBadlyLate(x *exchange, _ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return x.stream(func(x *exchange, yield func([]byte, error) bool) {
		_, err := start("bad", nil, nil)
		yield([]byte("unseen"), err)
	}), nil
}

// slowly is app with a Close that returns only when the client has all of the response.
func slowly(app application) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := app(x, env, start)
		return gateway.OnClose(body, func() error {
			x.await("client has all")
			x.note("close")
			return nil
		}), err
	}
}

// closesSlowly is a case for a response that the client must have before the body's Close returns.
func closesSlowly(response, method string, app application, code int, body string) serverCase {
	return serverCase{
		rule: "R21", name: "a-slow-close-does-not-hold-back-" + response, app: slowly(app),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request(method, "/", ""))
			x.want(c.replyKept(method), code, body)
			x.note("client has all")
			x.wantClosed(1)
		},
	}
}

// closeCases are about Close on every path.
var closeCases = []serverCase{
	closes("after-a-response", streamed(twoBlocks), request("GET")),
	closes("after-head", streamed(twoBlocks), request("HEAD")),
	closes("after-204", status("204 No Content", nil), request("GET")),
	closes("after-304", status("304 Not Modified", nil), request("GET")),
	closes("after-a-body-without-blocks", streamed(func(*exchange, func([]byte, error) bool) {}), request("GET")),
	closes("after-an-error-of-the-body", streamed(func(x *exchange, yield func([]byte, error) bool) {
		yield(nil, errSecret)
	}), request("GET")),
	closes("after-an-error-behind-a-block", streamed(func(x *exchange, yield func([]byte, error) bool) {
		_ = inTurn(yield, "one") && yield(nil, errSecret)
	}), request("GET")),
	closes("after-a-panic-of-the-body", streamed(func(x *exchange, yield func([]byte, error) bool) {
		inTurn(yield, "one")
		panic(errSecret)
	}), request("GET")),
	closes("after-too-much", declared(2, "one,", "two"), request("GET")),
	closes("after-too-little", declared(20, "one,", "two"), request("GET")),
	closes("beside-an-error-of-call", closed(failsBeside), request("GET")),
	closes("if-the-body-is-never-ranged", startsBadly, func(x *exchange) {
		x.wantErrorPage(x.get("/"))
		if n := x.count("iteration"); n != 0 {
			x.errorf("the body was ranged %d times although start had failed", n)
		}
	}),
	closes("after-a-head-that-was-refused-in-the-iteration", startsBadlyLate, func(x *exchange) {
		x.wantErrorPage(x.get("/"))
	}),
	{
		rule: "R21", name: "close-comes-after-the-iteration-and-after-the-last-block",
		app: slowly(answer("200 OK", length(7), func(x *exchange) gateway.Body {
			body := gateway.Stream(func(yield func([]byte, error) bool) { twoBlocks(x, yield) })
			return gateway.OnClose(body, func() error {
				if x.count("end of the iteration") != 1 {
					x.errorf("Close ran before the iteration was over")
				}
				return nil
			})
		})),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if c.next("one,two") {
				x.note("client has all")
			}
			x.wantClosed(1)
		},
	},
	closesSlowly("a-response-of-one-block", "GET", text("one block"), http.StatusOK, "one block"),
	closesSlowly("a-response-of-no-block", "GET", emptyAs("200 OK", plain), http.StatusOK, ""),
	closesSlowly("a-response-to-head", "HEAD", text("one block"), http.StatusOK, ""),
	closesSlowly("a-response-without-content", "GET", emptyAs("204 No Content", nil),
		http.StatusNoContent, ""),
	closesSlowly("the-error-page", "GET", failsBeside, http.StatusInternalServerError, "500 Internal Server Error\n"),
	{
		rule: "R21", name: "a-slow-close-does-not-hold-back-a-block-of-a-response-of-unknown-length",
		app: slowly(answer("200 OK", plain, func(x *exchange) gateway.Body {
			return gateway.Stream(func(yield func([]byte, error) bool) { twoBlocks(x, yield) })
		})),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if !c.next("one,two") {
				return
			}
			// Some servers cannot end such a response before a process ends, or a handler returns.
			var rest []byte
			var err error
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				rest, err = io.ReadAll(c.body)
			}()
			select {
			case <-ended:
			case <-time.After(patience / 50):
				x.remark("the end of a response of unknown length comes after Close")
			}
			x.note("client has all")
			<-ended
			if len(rest) > 0 || err != nil {
				x.errorf("after the last block there is %s, and the error %v", abridged(rest), err)
			}
			x.wantClosed(1)
		},
	},
}
