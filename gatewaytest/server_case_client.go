package gatewaytest

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"example.com/gateway"
)

// endless yields until yield returns false, and notes that.
func endless(x *exchange, yield func([]byte, error) bool) {
	block := []byte(megabyte[:1000])
	for yield(block, nil) {
		select {
		case <-x.done:
			return
		default:
		}
		if x.count("begun") == 0 {
			x.note("begun")
		}
	}
	x.note("stopped")
}

// refused is a response with a status that is no success.
var refused = regexp.MustCompile(`^HTTP/1\.[01] [^2]`)

// survives is a case for a client that sends something else than a request, or a part of a request,
// and leaves. The server may answer or not. It must not call the application, and must answer the
// next request.
func survives(name, sent string) serverCase {
	return serverCase{
		rule: "R4", name: name,
		app: nextOr(func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.errorf("the application was called, for %q %q", env.Vars["REQUEST_METHOD"], env.Vars["PATH_INFO"])
			return text("called")(x, env, start)
		}),
		run: func(x *exchange) {
			c := x.dial()
			if sent != "" {
				<-c.send(strings.ReplaceAll(sent, "HOST", x.base.Host))
			}
			_ = c.conn.CloseWrite()
			answer, _ := io.ReadAll(io.LimitReader(c.br, 1<<20))
			if len(answer) > 0 && !refused.Match(answer) {
				x.errorf("the answer is %s", abridged(answer))
			}
			x.wantAlive()
		},
	}
}

// clientCases are about clients that leave, stall or lie.
var clientCases = []serverCase{
	survives("a-client-that-says-nothing-does-no-harm", ""),
	survives("garbage-does-no-harm", "garbage\r\n\r\n"),
	survives("bytes-of-another-protocol-do-no-harm",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\xff\x80\r\n\r\n"),
	survives("a-request-line-that-ends-early-does-no-harm", "GET /evil"),
	survives("a-head-that-ends-early-does-no-harm", "GET /evil HTTP/1.1\r\nHost: HOST\r\nX-A: b"),
	survives("a-request-without-a-method-does-no-harm", " /evil HTTP/1.1\r\nHost: HOST\r\n\r\n"),
	survives("a-target-that-is-none-does-no-harm", "GET evil HTTP/1.1\r\nHost: HOST\r\n\r\n"),
	survives("a-header-without-a-colon-does-no-harm", "GET /evil HTTP/1.1\r\nHost: HOST\r\nevil\r\n\r\n"),
	survives("a-chunk-in-place-of-a-request-does-no-harm", "5\r\n12345\r\n0\r\n\r\n"),
	{
		rule: "R21", name: "a-client-that-leaves-in-mid-stream-ends-the-iteration",
		app: nextOr(streamed(endless)),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if !c.next(megabyte[:1000]) {
				return
			}
			c.leave()
			x.await("stopped")
			x.wantClosed(1)
			x.wantAlive()
		},
	},
	{
		rule: "R21", name: "a-client-that-resets-in-mid-stream-ends-the-iteration",
		app: nextOr(streamed(endless)),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if !c.next(megabyte[:1000]) {
				return
			}
			c.reset()
			x.await("stopped")
			x.wantClosed(1)
			x.wantAlive()
		},
	},
	{
		rule: "R21", name: "a-client-that-leaves-while-it-stalls-ends-the-iteration",
		app: nextOr(streamed(endless)),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			x.await("begun") // the client reads nothing
			c.reset()
			x.await("stopped")
			x.wantClosed(1)
			x.wantAlive()
		},
	},
	{
		rule: "R99", name: "a-client-that-leaves-is-an-error-of-the-writer",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			for {
				select {
				case <-x.done:
					return gateway.Bytes(), nil
				default:
				}
				if _, err := w.Write([]byte(megabyte[:1000])); err != nil {
					x.note("stopped")
					return x.closing(gateway.Bytes()), nil
				}
				if x.count("begun") == 0 {
					x.note("begun")
				}
			}
		}),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			x.await("begun")
			c.reset()
			x.await("stopped")
			x.wantClosed(1)
			if n := x.count("iteration"); n != 0 {
				x.errorf("the body was ranged %d times although the client is gone", n)
			}
		},
	},
	{
		rule: "D10", name: "the-context-ends-when-the-client-leaves",
		app: nextOr(func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			ctx := env.Context()
			context.AfterFunc(ctx, func() { x.note("context ended") })
			_, err := start("200 OK", plain, nil)
			body := gateway.Stream(func(yield func([]byte, error) bool) {
				if !inTurn(yield, megabyte[:1000]) || !x.await("client left") {
					return
				}
				select { // a server may notice by itself that the client has left, and need not
				case <-ctx.Done():
					x.note("noticed")
				case <-time.After(patience / 10):
				}
				endless(x, yield)
			})
			return gateway.OnClose(x.closing(body), func() error {
				x.await("context ended") // which is before the response is over
				if cause := context.Cause(ctx); !errors.Is(cause, gateway.ErrDisconnected) {
					x.errorf("the cause of the Context's end is %v, want ErrDisconnected", cause)
				}
				x.note("checked")
				return nil
			}), err
		}),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if !c.next(megabyte[:1000]) {
				return
			}
			c.reset()
			x.note("client left")
			x.await("stopped")
			x.await("checked")
			if x.count("noticed") == 0 {
				x.remark("that the client has left is noticed by a write")
			}
			x.wantClosed(1)
		},
	},
	{
		rule: "D10", name: "that-the-client-has-left-is-the-cause-also-if-nobody-waits-for-it",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			ctx := env.Context()
			_, err := start("200 OK", plain, nil)
			return gateway.OnClose(x.stream(endless), func() error {
				if cause := context.Cause(ctx); !errors.Is(cause, gateway.ErrDisconnected) {
					x.errorf("the cause of the Context's end is %v, want ErrDisconnected", cause)
				}
				x.note("checked")
				return nil
			}), err
		},
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if !c.next(megabyte[:1000]) {
				return
			}
			c.reset()
			x.await("checked")
		},
	},
	{
		rule: "R21", name: "a-client-that-leaves-before-the-answer-does-no-harm",
		app: nextOr(func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.note("called")
			x.await("client left")
			_, err := start("200 OK", plain, nil)
			return x.stream(twoBlocks), err
		}),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if !x.await("called") {
				return
			}
			c.reset()
			x.note("client left")
			x.wantClosed(1)
			x.wantAlive()
		},
	},
	{
		rule: "R21", name: "a-client-that-leaves-after-its-request-does-no-harm",
		app: nextOr(streamed(twoBlocks)),
		run: func(x *exchange) {
			for range 10 {
				c := x.dial()
				<-c.send(x.request("GET", "/", ""))
				c.reset()
			}
			x.wantAlive()
			x.awaitCount("close", x.count("iteration")) // the server may not have read all of the requests yet
		},
	},
	{
		rule: "R44", name: "a-client-that-sends-slowly-is-waited-for",
		run: func(x *exchange) {
			c := x.dial()
			for _, part := range strings.SplitAfter(x.request("POST", "/slow", "12345"), "\n") {
				<-c.send(part) // each in a packet of its own
			}
			x.want(c.reply("POST"), 200, "seen")
			x.wantBody(x.lastLook(0), "12345", nil)
		},
	},
	{
		rule: "R49", name: "a-client-that-stalls-in-its-request-stalls-no-other",
		run: func(x *exchange) {
			if l := x.ask("GET", "/", ""); !l.Multithread {
				x.remark("not asked for, the server says that it has one thread")
				return
			}
			var stalled []*client
			for range 5 {
				head, body := x.dial(), x.dial()
				<-head.send("GET " + x.target("/") + " HTTP/1.1\r\nHost: ")
				<-body.send(x.head("POST", "/", "Content-Length: 5", "Connection: close") + "12")
				stalled = append(stalled, body)
			}
			x.ask("GET", "/other", "")
			for _, c := range stalled { // which get their responses all the same
				c.send("345")
				x.want(c.reply("POST"), 200, "seen")
			}
		},
	},
	{
		rule: "R93", name: "a-client-that-reads-late-gets-everything",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			for range 8 {
				if !inTurn(yield, megabyte) {
					return
				}
				x.note("one is out")
			}
		}),
		run: func(x *exchange) {
			c := x.dial()
			<-c.send(x.request("GET", "/", ""))
			if !c.next(megabyte[:10]) {
				return
			}
			other := x.dial() // something else happens meanwhile
			other.leave()
			x.want(c.reply("GET"), 200, strings.Repeat(megabyte, 8)[10:])
		},
	},
	{
		rule: "C40", name: "a-client-that-ends-its-side-gets-its-answer",
		run: func(x *exchange) {
			c := x.dial()
			<-c.send(x.request("POST", "/", "12345"))
			if err := c.conn.CloseWrite(); err != nil {
				x.fatalf("%v", err)
			}
			r := c.reply("POST")
			if r.broken != nil {
				x.fatalf("the client has closed its sending half alone, and reads on: that is no client that has left. "+
					"But it got no whole answer: %v", r.broken)
			}
			x.want(r, 200, "seen")
			x.wantBody(x.lastLook(0), "12345", nil)
		},
	},
	{
		rule: "C40", name: "many-idle-connections-do-no-harm",
		run: func(x *exchange) {
			if l := x.ask("GET", "/", ""); !l.Multithread {
				x.remark("not asked for, the server says that it has one thread")
				return
			}
			for range 50 {
				x.dial()
			}
			x.ask("GET", "/", "")
		},
	},
}
