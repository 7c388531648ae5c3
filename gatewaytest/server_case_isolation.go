package gatewaytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"example.com/gateway"
)

// concurrently sends n requests at once to a server that says Multithread or Multiprocess, and one
// after the other to any other server. The requests must not wait for each other: Multiprocess is
// about other processes (R50), and this process may serve one request at a time.
func (x *exchange) concurrently(n int, send func(i int)) {
	flags := x.ask("GET", "/flags", "")
	if !flags.Multithread && !flags.Multiprocess {
		x.remark("one after the other, for the server says that it has one thread")
		for i := range n {
			send(i)
		}
		return
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() {
				if v := recover(); v != nil && v != errGiveUp {
					panic(v)
				}
			}()
			send(i)
		}()
	}
	wg.Wait()
}

// flagsOr answers "/flags" with look, and any other path with app.
func flagsOr(app application) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/flags" {
			return x.look(env, start)
		}
		return app(x, env, start)
	}
}

// echo answers with the query, a header and the body of the request, block by block.
func echo(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain.Append("X-Query", env.Vars["QUERY_STRING"]), nil)
	return x.stream(func(x *exchange, yield func([]byte, error) bool) {
		if !inTurn(yield, env.Vars["QUERY_STRING"], ",", env.Vars["HTTP_X_OWN"], ",") {
			return
		}
		body, err := io.ReadAll(env.Input)
		_ = yield(body, err)
	}), err
}

// isolationCases are about requests beside each other and after each other.
var isolationCases = []serverCase{
	{
		rule: "R4", name: "fifty-requests-get-an-answer-each",
		app: flagsOr(echo),
		run: func(x *exchange) {
			x.concurrently(50, func(i int) {
				body := fmt.Sprint("body of ", i, megabyte[i*1000:][:i*100])
				r := x.send("POST", fmt.Sprint("/?", i), body, fmt.Sprint("X-Own: own ", i))
				x.want(r, 200, fmt.Sprintf("%d,own %d,%s", i, i, body))
				x.wantHeader(r, "X-Query", fmt.Sprint(i))
			})
			x.awaitCount("close", 50)
			x.wantClosed(50)
		},
	},
	{
		rule: "R49", name: "a-server-with-threads-does-not-wait-for-a-slow-application",
		app: flagsOr(func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/slow" {
				x.note("slow began")
				x.await("fast is done")
			}
			return text("done")(x, env, start)
		}),
		run: func(x *exchange) {
			l := x.ask("GET", "/flags", "")
			if !l.Multithread {
				x.remark("not asked for, the server says that it has one thread")
				return
			}
			slow := x.dial()
			slow.send(x.request("GET", "/slow", ""))
			if !x.await("slow began") {
				return
			}
			x.want(x.get("/fast"), 200, "done")
			x.note("fast is done")
			x.want(slow.reply("GET"), 200, "done")
		},
	},
	{
		rule: "R49", name: "a-server-of-one-thread-calls-once-at-a-time",
		app: flagsOr(func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.mu.Lock()
			n, _ := x.kept["running"].(int)
			x.kept["running"] = n + 1
			x.mu.Unlock()
			if n > 0 {
				x.errorf("the application was called while another call of it went on")
			}
			time.Sleep(5 * time.Millisecond) // a server of several threads calls the application again in this time
			body, err := text("done")(x, env, start)
			return gateway.OnClose(body, func() error {
				x.mu.Lock()
				defer x.mu.Unlock()
				x.kept["running"] = x.kept["running"].(int) - 1
				return nil
			}), err
		}),
		run: func(x *exchange) {
			if l := x.ask("GET", "/flags", ""); l.Multithread || l.RunOnce {
				x.remark("not asked for, Multithread is %v, RunOnce %v", l.Multithread, l.RunOnce)
				return
			}
			var wg sync.WaitGroup
			for range 10 {
				c := x.dial()
				c.send(x.request("GET", "/", ""))
				wg.Add(1)
				go func() {
					defer wg.Done()
					_, _ = io.ReadAll(c.br)
				}()
			}
			wg.Wait()
		},
	},
	{
		rule: "D5", name: "what-a-goroutine-writes-late-reaches-no-other-response",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/first" {
				w, err := start("200 OK", plain, nil)
				go func() {
					if !x.await("first is over") {
						return
					}
					if n, err := io.WriteString(w, "stray"); n != 0 || !errors.Is(err, gateway.ErrEnded) {
						x.errorf("a late write returned %d, %v; want ErrEnded", n, err)
					}
					x.wantStart(start, "200 Stray", old, errSecret, gateway.ErrEnded)
					if n, err := env.Input.Read(make([]byte, 100)); n != 0 || !errors.Is(err, gateway.ErrEnded) {
						x.errorf("a late read returned %d, %v; want ErrEnded", n, err)
					}
					if env.Context().Err() == nil {
						x.errorf("the Context of the first request goes on")
					}
					x.note("stray is done")
				}()
				return gateway.Text("first"), err
			}
			if err := env.Context().Err(); err != nil {
				x.errorf("the Context of the second request has ended: %v", err)
			}
			_, err := start("200 OK", plain, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if !inTurn(yield, "sec") {
					return
				}
				x.note("first is over")
				x.await("stray is done")
				inTurn(yield, "ond,")
				body, err := io.ReadAll(env.Input)
				_ = yield(body, err)
			}), err
		},
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.head("GET", "/first"))
			x.want(c.replyKept("GET"), 200, "first")
			x.awaitEnd()
			if c.close {
				c = x.dial()
			}
			c.send(x.head("POST", "/second", "Content-Length: 4", "Connection: close") + "body")
			r := c.reply("POST")
			if r.code == 0 { // the server has closed the connection without saying so before
				r = x.send("POST", "/second", "body")
			}
			x.want(r, 200, "second,body")
			x.wantHeader(r, "X-Old")
		},
	},
	{
		rule: "D5", name: "a-yield-that-is-kept-reaches-no-other-response",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				x.mu.Lock()
				stray, ok := x.kept["yield"].(func([]byte, error) bool)
				x.kept["yield"] = yield
				x.mu.Unlock()
				inTurn(yield, "one,")
				if ok && stray([]byte("stray"), nil) {
					x.errorf("the yield of a response that is over took a block")
				}
				inTurn(yield, "two")
			}), err
		},
		run: func(x *exchange) {
			for range 2 {
				x.want(x.get("/"), 200, "one,two")
				x.awaitEnd()
			}
		},
	},
	{
		rule: "D10", name: "the-context-of-a-request-is-its-own",
		app: flagsOr(func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/long" {
				_, err := start("200 OK", plain, nil)
				return x.stream(func(x *exchange, yield func([]byte, error) bool) {
					x.note("long began")
					x.await("short are over")
					if err := context.Cause(env.Context()); err != nil {
						x.errorf("the Context has ended with other requests: %v", err)
					}
					inTurn(yield, "long")
				}), err
			}
			return text("short")(x, env, start)
		}),
		run: func(x *exchange) {
			l := x.ask("GET", "/flags", "")
			if !l.Multithread {
				x.remark("not asked for, the server says that it has one thread")
				return
			}
			long := x.dial()
			long.send(x.request("GET", "/long", ""))
			if !x.await("long began") {
				return
			}
			for range 3 {
				x.want(x.get("/short"), 200, "short")
			}
			x.note("short are over")
			x.want(long.reply("GET"), 200, "long")
		},
	},
}
