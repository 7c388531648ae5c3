package gatewaytest

import (
	"fmt"
	"io"
	"strings"

	"example.com/gateway"
)

// wantBodiless sends a request whose response has no body, and checks that no byte follows the
// head.
func (x *exchange) wantBodiless(method, path string, code int) *reply {
	x.t.Helper()
	r := x.send(method, path, "")
	x.want(r, code, "")
	if v := r.header.Get("Transfer-Encoding"); v != "" {
		x.errorf("the Transfer-Encoding is %q", v)
	}
	return r
}

// status is an answer with a body, for a status that must not have one.
func status(status string, headers gateway.Headers) application {
	return answer(status, headers, func(x *exchange) gateway.Body {
		return x.stream(func(x *exchange, yield func([]byte, error) bool) { inTurn(yield, "no ", "body") })
	})
}

// method is a case for a method that the application is to see.
func method(name string) serverCase {
	return serverCase{
		rule: "C21", name: "the-method-" + strings.ToLower(name) + "-passes",
		run: func(x *exchange) {
			l := x.ask(name, "/", "body")
			x.wantVar(l, "REQUEST_METHOD", name)
			x.wantBody(l, "body", nil)
		},
	}
}

// methodCases are about methods, and about statuses without a body.
var methodCases = []serverCase{
	method("PUT"), method("PATCH"), method("DELETE"), method("OPTIONS"),
	method("PROPFIND"), method("BREW"), method("M-SEARCH"),
	{
		rule: "C21", name: "the-method-head-is-not-turned-into-get",
		run: func(x *exchange) { x.wantVar(x.ask("HEAD", "/", ""), "REQUEST_METHOD", "HEAD") },
	},
	{
		rule: "C37", name: "head-has-no-body",
		app: text("a body"),
		run: func(x *exchange) { x.wantBodiless("HEAD", "/", 200) },
	},
	{
		rule: "D1", name: "head-has-the-head-of-get",
		app: textAs("203 Odd", plain.Append("X-A", "1").Append("X-A", "2"), "a body"),
		run: func(x *exchange) {
			get, head := x.get("/"), x.wantBodiless("HEAD", "/", 203)
			for _, name := range []string{"Content-Type", "X-A", "Content-Length"} {
				x.wantHeader(head, name, get.header.Values(name)...)
			}
		},
	},
	{
		rule: "D1", name: "head-keeps-a-declared-length", app: declared(1234567, "less"),
		run: func(x *exchange) { x.wantHeader(x.wantBodiless("HEAD", "/", 200), "Content-Length", "1234567") },
	},
	{
		rule: "D1", name: "head-of-an-empty-body-claims-no-length",
		app: emptyAs("200 OK", plain),
		run: func(x *exchange) { x.wantHeader(x.wantBodiless("HEAD", "/", 200), "Content-Length") },
	},
	{
		rule: "D1", name: "head-stops-the-iteration-after-the-first-block",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			if inTurn(yield, "", "", "first") {
				x.errorf("yield returned true for a block of a HEAD response")
			}
		}),
		run: func(x *exchange) {
			x.wantBodiless("HEAD", "/", 200)
			x.wantClosed(1)
		},
	},
	{
		rule: "C37", name: "head-drops-what-is-written",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			x.write(w, "written")
			x.write(w, "twice")
			return gateway.Text("yielded"), nil
		}),
		run: func(x *exchange) { x.wantBodiless("HEAD", "/", 200) },
	},
	{
		rule: "C37", name: "head-is-the-clients-whatever-middleware-makes-of-it",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			env.Vars["REQUEST_METHOD"] = "GET"
			return text("a body")(x, env, start)
		},
		run: func(x *exchange) { x.wantBodiless("HEAD", "/", 200) },
	},
	{
		rule: "D9", name: "head-gets-the-error-pages-head",
		app: func(*exchange, *gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errSecret },
		run: func(x *exchange) { x.wantBodiless("HEAD", "/", 500) },
	},
	{
		rule: "D1", name: "204-has-neither-body-nor-length",
		app: status("204 No Content", gateway.Headers{{"X-A", "1"}, {"Content-Length", "7"}}),
		run: func(x *exchange) {
			r := x.wantBodiless("GET", "/", 204)
			x.wantHeader(r, "Content-Length")
			x.wantHeader(r, "X-A", "1")
			x.wantClosed(1)
		},
	},
	{
		rule: "D1", name: "204-gets-no-length-from-its-blocks",
		app: textAs("204 No Content", nil, "no body"),
		run: func(x *exchange) {
			r := x.wantBodiless("GET", "/", 204)
			x.wantHeader(r, "Content-Length")
			x.wantHeader(r, "Content-Type")
		},
	},
	{
		rule: "D1", name: "204-of-an-empty-body-has-no-length",
		app: emptyAs("204 No Content", nil),
		run: func(x *exchange) { x.wantHeader(x.wantBodiless("DELETE", "/", 204), "Content-Length") },
	},
	{
		rule: "D1", name: "304-has-no-body-and-keeps-its-headers",
		app: status("304 Not Modified", gateway.Headers{{"ETag", `"x"`}}),
		run: func(x *exchange) {
			x.wantHeader(x.wantBodiless("GET", "/", 304), "Etag", `"x"`)
			x.wantClosed(1)
		},
	},
	{
		rule: "D1", name: "304-gets-no-length-from-an-empty-body",
		app: emptyAs("304 Not Modified", nil),
		run: func(x *exchange) { x.wantHeader(x.wantBodiless("GET", "/", 304), "Content-Length") },
	},
	{
		rule: "C37", name: "a-dropped-body-does-not-become-the-next-response",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			code := "200 OK"
			if q := env.Vars["QUERY_STRING"]; q != "" {
				code = q + " Bodiless"
			}
			_, err := start(code, plain, nil)
			return gateway.Text("HTTP/1.1 200 OK\r\n\r\nevil"), err
		},
		run: func(x *exchange) {
			for _, first := range [][2]string{{"HEAD", "/"}, {"GET", "/?204"}, {"GET", "/?304"}} {
				c := x.dial()
				c.send(x.head(first[0], first[1]))
				r := c.replyKept(first[0])
				if r.body != "" || r.broken != nil {
					x.errorf("%s %s got %s, %v", first[0], first[1], abridged(r.body), r.broken)
				}
				c.send(x.head("GET", "/", "Connection: close"))
				if r := c.replyKept("GET"); r.code != 0 {
					x.want(r, 200, "HTTP/1.1 200 OK\r\n\r\nevil")
				} else {
					x.remark("connections are not kept")
				}
			}
		},
	},
	{
		rule: "C21", name: "a-method-keeps-its-case-or-is-refused",
		run: func(x *exchange) {
			for _, method := range []string{"get", "Get", "pOST"} {
				if l := x.askOrRefuse("GET", x.request(method, "/", "")); l != nil {
					x.wantVar(l, "REQUEST_METHOD", method)
				}
			}
		},
	},
	{
		rule: "D11", name: "a-tunnel-is-refused",
		run: func(x *exchange) {
			x.mustRefuse("CONNECT", x.request("CONNECT", "/", ""))
			x.mustRefuse("CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nConnection: close\r\n\r\n")
		},
	},
	{
		rule: "R4", name: "a-request-right-behind-another-is-not-lost",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if _, err := io.ReadAll(env.Input); err != nil {
				return nil, err
			}
			return text(env.Vars["PATH_INFO"])(x, env, start)
		},
		run: func(x *exchange) {
			for _, first := range []string{x.head("GET", "/1"), x.lengthy("/1", "a body")} {
				c := x.dial()
				c.send(first + x.head("GET", "/2")) // both in one packet
				x.want(c.replyKept("GET"), 200, "/1")
				if c.close {
					x.remark("connections are not kept")
					return
				}
				c.send(x.head("GET", "/3", "Connection: close")) // which is answered next if the other is lost
				r := c.replyKept("GET")
				if r.code == 0 {
					x.remark("connections are not kept")
					return
				}
				x.want(r, 200, "/2")
			}
		},
	},
	{
		rule: "R4", name: "a-kept-connection-serves-one-request-after-another",
		run: func(x *exchange) {
			c := x.dial()
			for i := range 3 {
				body := fmt.Sprint("body ", i)
				c.send(x.head("POST", fmt.Sprint("/", i), fmt.Sprint("Content-Length: ", len(body))) + body)
				r := c.replyKept("POST")
				if r.code == 0 && i > 0 {
					x.remark("connections are not kept")
					return
				}
				x.want(r, 200, "seen")
				l := x.lastLook(i)
				x.wantBody(l, body, nil)
				x.wantVar(l, "PATH_INFO", fmt.Sprint("/", i))
				if c.close {
					x.remark("connections are not kept")
					return
				}
			}
		},
	},
}
