package gatewaytest

import (
	"fmt"
	"strings"

	"example.com/gateway"
)

// lengthIs is a client that wants a body and its length as the Content-Length.
func lengthIs(body string) func(x *exchange) {
	return func(x *exchange) {
		r := x.get("/")
		x.want(r, 200, body)
		x.wantHeader(r, "Content-Length", fmt.Sprint(len(body)))
	}
}

// declared is an answer with a Content-Length and a stream of blocks.
func declared(n int, blocks ...string) application {
	return answer("200 OK", length(n), func(x *exchange) gateway.Body {
		return x.stream(func(x *exchange, yield func([]byte, error) bool) {
			for i, block := range blocks {
				if !yield([]byte(block), nil) {
					x.note("stopped at %d", i)
					return
				}
			}
			x.note("ran to the end")
		})
	})
}

// lengthCases are about the Content-Length of the response.
var lengthCases = []serverCase{
	{rule: "R89", name: "one-block-gets-a-length", app: text("fourteen bytes"), run: lengthIs("fourteen bytes")},
	{
		rule: "R89", name: "one-block-that-is-mapped-gets-the-length-of-what-is-sent",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			return gateway.Map(gateway.Text("one"), func(b []byte) []byte { return append(b, " and more"...) })
		}),
		run: lengthIs("one and more"),
	},
	{
		rule: "R20", name: "known-blocks-get-the-length-of-all",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			return gateway.OnClose(gateway.Bytes([]byte("one,"), nil, []byte("two")), func() error { return nil })
		}),
		run: lengthIs("one,two"),
	},
	{rule: "R89", name: "an-empty-body-gets-the-length-0", app: emptyAs("200 OK", plain), run: lengthIs("")},
	{
		rule: "R88", name: "a-body-of-unknown-length-ends-where-it-ends",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) { inTurn(yield, "one,", "two") }),
		run: func(x *exchange) {
			r := x.get("/")
			x.want(r, 200, "one,two")
			if v := r.header.Get("Content-Length"); v != "" && v != "7" {
				x.errorf("the Content-Length is %s", v)
			}
		},
	},
	{rule: "D3", name: "a-length-that-is-right-is-kept", app: declared(7, "one", ",", "two"), run: lengthIs("one,two")},
	{
		rule: "D3", name: "a-length-of-a-megabyte-is-kept",
		app: declared(1<<20, megabyte[:1<<19], megabyte[1<<19:]),
		run: lengthIs(megabyte),
	},
	{rule: "R77", name: "a-length-of-0-is-kept", app: declared(0), run: lengthIs("")},
	{rule: "R85", name: "a-block-beyond-the-length-is-cut", app: declared(4, "four and more"), run: lengthIs("four")},
	{rule: "R85", name: "blocks-beyond-the-length-are-cut", app: declared(6, "four", "four"), run: lengthIs("fourfo")},
	{rule: "R85", name: "beyond-a-length-of-0-nothing-is-sent", app: declared(0, "something"), run: lengthIs("")},
	{
		rule: "R86", name: "the-iteration-stops-when-there-is-too-much",
		app: declared(6, "four", "four", "four", "four"),
		run: func(x *exchange) {
			lengthIs("fourfo")(x)
			x.wantClosed(1)
			if x.count("stopped at 1") != 1 {
				x.errorf("yield did not return false for the block that was too much")
			}
		},
	},
	{
		rule: "R86", name: "the-iteration-goes-on-when-the-length-is-reached", app: declared(4, "four", "", ""),
		run: func(x *exchange) {
			lengthIs("four")(x)
			x.wantClosed(1)
			if x.count("ran to the end") != 1 {
				x.errorf("yield returned false for an empty block at the end")
			}
		},
	},
	{
		rule: "R85", name: "what-was-cut-does-not-become-the-next-response",
		app: declared(4, "fourHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.head("GET", "/"))
			x.want(c.replyKept("GET"), 200, "four")
			c.send(x.head("GET", "/", "Connection: close"))
			if r := c.replyKept("GET"); r.code != 0 {
				x.want(r, 200, "four") // the connection goes on
			}
		},
	},
	{
		rule: "R87", name: "too-few-bytes-can-be-told", app: declared(20, "too ", "few"),
		run: func(x *exchange) {
			r := x.get("/")
			x.wantBroken(r, "too few")
			x.wantClosed(1)
		},
	},
	{
		rule: "R87", name: "no-byte-of-those-declared-can-be-told", app: declared(20),
		run: func(x *exchange) { x.wantBroken(x.get("/"), "") },
	},
	{
		rule: "R87", name: "one-byte-too-few-can-be-told",
		app: textAs("200 OK", length(8), "7 bytes"),
		run: func(x *exchange) { x.wantBroken(x.get("/"), "7 bytes") },
	},
	{
		rule: "R87", name: "a-reader-that-is-too-short-can-be-told",
		app: answer("200 OK", length(1<<20+1),
			func(x *exchange) gateway.Body { return gateway.Reader(strings.NewReader(megabyte), 0) }),
		run: func(x *exchange) { x.wantBroken(x.get("/"), megabyte) },
	},
	{
		rule: "R138", name: "a-reader-of-known-length-gets-it",
		app: answer("200 OK", plain,
			func(x *exchange) gateway.Body { return gateway.Reader(strings.NewReader(megabyte), 0) }),
		run: lengthIs(megabyte),
	},
	{
		rule: "R79", name: "a-replaced-length-is-forgotten",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", length(3), nil, nil)
			x.wantStart(start, "200 OK", plain, errSecret, nil)
			return gateway.Text("longer than 3"), nil
		},
		run: lengthIs("longer than 3"),
	},
}
