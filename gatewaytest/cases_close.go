package gatewaytest

import "example.com/gateway"

// closes is a case for a path on which Close must run once, last of all.
func closes(name string, app application, run func(x *exchange)) serverCase {
	return serverCase{rule: "R21", name: "close-runs-once-" + name, app: app, run: func(x *exchange) {
		run(x)
		x.wantClosed(1)
	}}
}

// request sends a request whose answer is of no matter to the case.
func request(method string) func(x *exchange) {
	return func(x *exchange) { x.send(method, "/", "") }
}

// twoBlocks is a body of two.
func twoBlocks(x *exchange, yield func([]byte, error) bool) {
	inTurn(yield, "one,", "two")
	x.note("end of the iteration")
}

// closeCases are about Close on every path.
var closeCases = []serverCase{
	closes("after-a-response", streamed(twoBlocks), request("GET")),
	closes("after-head", streamed(twoBlocks), request("HEAD")),
	closes("after-204", answer("204 No Content", nil, func(x *exchange) gateway.Body { return x.stream(twoBlocks) }), request("GET")),
	closes("after-304", answer("304 Not Modified", nil, func(x *exchange) gateway.Body { return x.stream(twoBlocks) }), request("GET")),
	closes("after-a-body-without-blocks", streamed(func(*exchange, func([]byte, error) bool) {}), request("GET")),
	closes("after-an-error-of-the-body", streamed(func(x *exchange, yield func([]byte, error) bool) { yield(nil, errSecret) }), request("GET")),
	closes("after-an-error-behind-a-block", streamed(func(x *exchange, yield func([]byte, error) bool) { _ = inTurn(yield, "one") && yield(nil, errSecret) }), request("GET")),
	closes("after-a-panic-of-the-body", streamed(func(x *exchange, yield func([]byte, error) bool) { inTurn(yield, "one"); panic(errSecret) }), request("GET")),
	closes("after-too-much", declared(2, "one,", "two"), request("GET")),
	closes("after-too-little", declared(20, "one,", "two"), request("GET")),
	closes("beside-an-error-of-call", func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return x.closing(gateway.Text("unseen")), errSecret
	}, request("GET")),
	closes("if-the-body-is-never-ranged", func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, _ = start("bad", nil, nil)
		return x.closing(gateway.Text("unseen")), nil
	}, func(x *exchange) {
		x.wantErrorPage(x.get("/"))
		if n := x.count("iteration"); n != 0 {
			x.errorf("the body was ranged %d times although start had failed", n)
		}
	}),
	closes("after-a-head-that-was-refused-in-the-iteration", func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return x.stream(func(x *exchange, yield func([]byte, error) bool) {
			_, err := start("bad", nil, nil)
			yield([]byte("unseen"), err)
		}), nil
	}, func(x *exchange) { x.wantErrorPage(x.get("/")) }),
	{
		rule: "R21", name: "close-comes-after-the-iteration-and-after-the-last-block",
		app: answer("200 OK", length(7), func(x *exchange) gateway.Body {
			return gateway.OnClose(x.stream(twoBlocks), func() error {
				// The client has all of the response and did not need Close for that.
				x.await("client has all")
				if x.count("end of the iteration") != 1 {
					x.errorf("Close ran before the iteration was over")
				}
				x.note("waited")
				return nil
			})
		}),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if c.next("one,two") {
				x.note("client has all")
				x.await("waited")
			}
			x.wantClosed(1)
		},
	},
}
