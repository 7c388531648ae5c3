package gatewaytest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing/iotest"
	"time"

	"example.com/gateway"
)

// chunked returns a request whose body comes in chunks.
func (x *exchange) chunked(path string, list ...string) string {
	return x.head("POST", path, "Transfer-Encoding: chunked", "Connection: close") + chunks(list...)
}

// chunks is a body in chunks. A body ends with an empty chunk.
func chunks(list ...string) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
	}
	return b.String()
}

// lengthy returns a request with a body, after which the connection is kept.
func (x *exchange) lengthy(path, body string) string {
	return x.head("POST", path, fmt.Sprintf("Content-Length: %d", len(body))) + body
}

// leavesUnread is a case for a body that looks like requests. The application leaves the body
// unread, in whole or in part. The server must not take the rest of the body for the next request:
// requests are smuggled so, past a proxy that shares its connections. A server may end the
// connection, or refuse the request.
func leavesUnread(name string, first func(x *exchange, evil string) string) serverCase {
	return serverCase{
		rule: "C33", name: name,
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			path := env.Vars["PATH_INFO"]
			switch path {
			case "/first", "/next":
			default:
				x.errorf("the application was called for %s, which is of a body",
					abridged(env.Vars["REQUEST_METHOD"]+" "+path))
			}
			switch env.Vars["QUERY_STRING"] {
			case "part":
				_, _ = io.ReadFull(env.Input, make([]byte, 3))
			case "fail":
				return nil, errSecret
			}
			return text(path)(x, env, start)
		},
		run: func(x *exchange) {
			evil := x.head("GET", "/evil")
			for query, code := range map[string]int{"none": 200, "part": 200, "fail": 500} {
				c := x.dial()
				request := first(x, evil)
				sent := c.send(strings.Replace(request, "/first", "/first?"+query, 1))
				r := c.replyKept("POST")
				if r.code != code && (r.code < 400 || r.code == 500) || r.broken != nil {
					x.errorf("the first answer is %q, error %v; want %d", r.status, r.broken, code)
				}
				if c.close {
					x.remark("the connection ends with the answer")
					c.leave()
					<-sent
					continue
				}
				<-sent
				next := c.send(x.head("GET", "/next", "Connection: close"))
				r = c.replyKept("GET")
				c.leave()
				<-next
				if r.code != 0 { // the connection goes on
					x.want(r, 200, "/next")
				} else {
					x.remark("the connection ends after the answer")
				}
			}
		},
	}
}

// wantUpload sends a body and checks that the application gets it.
func wantUpload(method, body string) func(x *exchange) {
	return func(x *exchange) {
		l := x.ask(method, "/", body)
		x.wantBody(l, body, nil)
		if n, err := l.ContentLength(); n != int64(len(body)) || err != nil {
			x.errorf("ContentLength is %d, %v; want %d", n, err, len(body))
		}
	}
}

// inputCases are about the body of the request.
var inputCases = []serverCase{
	{
		// A read that never ends is the most frequent bug report about any gateway.
		rule: "R55", name: "the-body-ends-where-it-should-on-an-open-connection",
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.head("POST", "/", "Content-Length: 5") + "12345")
			x.want(c.replyKept("POST"), 200, "seen")
			x.wantBody(x.lastLook(0), "12345", nil)
		},
	},
	{
		rule: "C32", name: "what-follows-the-body-is-not-of-it",
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.head("POST", "/", "Content-Length: 5", "Connection: close") + "12345" +
				"GET /smuggled HTTP/1.1\r\n\r\n")
			x.want(c.replyKept("POST"), 200, "seen")
			x.wantBody(x.lastLook(0), "12345", nil)
			if n := x.lookCount(); n != 1 {
				x.errorf("the application was called %d times on a connection that was to be closed", n)
			}
		},
	},
	{
		rule: "R58", name: "a-request-without-a-body-has-an-empty-one",
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.head("GET", "/")) // the connection stays open
			x.want(c.replyKept("GET"), 200, "seen")
			l := x.lastLook(0)
			x.wantBody(l, "", nil)
			if l == nil {
				return
			}
			if n, err := l.ContentLength(); n > 0 || err != nil {
				x.errorf("ContentLength is %d, %v", n, err)
			}
		},
	},
	{
		rule: "C10", name: "a-body-of-no-bytes-is-empty",
		run: func(x *exchange) {
			l := x.ask("POST", "/", "", "Content-Length: 0")
			x.wantBody(l, "", nil)
			if n, err := l.ContentLength(); n > 0 || err != nil {
				x.errorf("ContentLength is %d, %v", n, err)
			}
		},
	},
	{rule: "C10", name: "the-length-is-the-bodys", run: wantUpload("POST", "12345")},
	{rule: "C31", name: "all-byte-values-arrive", run: wantUpload("POST", allBytes)},
	{rule: "C31", name: "a-body-of-one-byte-arrives", run: wantUpload("PUT", "\x00")},
	{rule: "C31", name: "a-megabyte-arrives", run: wantUpload("POST", megabyte)},
	{rule: "R44", name: "a-get-may-have-a-body", run: wantUpload("GET", "odd but lawful")},
	{
		rule: "R58", name: "a-read-past-the-end-ends-again",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			body, err := x.look(env, start)
			for range 3 {
				if n, err := env.Input.Read(make([]byte, 8)); n != 0 || err != io.EOF {
					x.errorf("a read past the end returned %d, %v", n, err)
				}
			}
			return body, err
		},
		run: func(x *exchange) {
			x.wantBody(x.ask("POST", "/", "12345"), "12345", nil)
			x.wantBody(x.ask("GET", "/", ""), "", nil)
		},
	},
	{
		rule: "R54", name: "a-body-is-read-byte-by-byte",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			env.Input = iotest.OneByteReader(env.Input)
			return x.look(env, start)
		},
		run: func(x *exchange) { x.wantBody(x.ask("POST", "/", allBytes), allBytes, nil) },
	},
	{
		rule: "R54", name: "a-read-of-nothing-takes-nothing",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if n, err := env.Input.Read(nil); n != 0 || err != nil {
				x.errorf("a read of nothing returned %d, %v", n, err)
			}
			return x.look(env, start)
		},
		run: func(x *exchange) { x.wantBody(x.ask("POST", "/", "12345"), "12345", nil) },
	},
	{
		rule: "R55", name: "a-large-read-gets-no-more-than-the-body",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			p := make([]byte, 1000)
			n, err := io.ReadFull(env.Input, p)
			if string(p[:n]) != "12345" || err != io.ErrUnexpectedEOF { // the error of io.ReadFull at a clean end
				x.errorf("a read of 1000 got %s, %v", abridged(p[:n]), err)
			}
			if _, err := env.Input.Read(p); err != io.EOF {
				x.errorf("then the error %v", err)
			}
			return text("read")(x, env, start)
		},
		run: func(x *exchange) { x.want(x.send("POST", "/", "12345"), 200, "read") },
	},
	{
		rule: "R44", name: "a-body-is-read-inside-the-iteration",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				body, err := io.ReadAll(env.Input)
				_ = yield(body, err)
			}), err
		},
		run: func(x *exchange) { x.want(x.send("POST", "/", "late"), 200, "late") },
	},
	{
		rule: "R44", name: "a-body-is-read-after-the-answer-has-begun",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if inTurn(yield, "begun,") {
					body, err := io.ReadAll(env.Input)
					_ = yield(body, err)
				}
			}), err
		},
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.lengthy("/", "and read"))
			x.want(c.replyKept("POST"), 200, "begun,and read")
		},
	},
	{
		rule: "R44", name: "a-body-is-the-answer",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", length(len(allBytes)), nil)
			return gateway.Reader(env.Input, 16), err
		},
		run: func(x *exchange) { x.want(x.send("POST", "/", allBytes), 200, allBytes) },
	},
	{
		rule: "C33", name: "a-body-that-nobody-reads-costs-no-answer",
		app: text("unread"),
		run: func(x *exchange) { x.want(x.send("POST", "/", megabyte), 200, "unread") },
	},
	{
		rule: "C33", name: "a-body-that-is-read-in-part-costs-no-answer",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			p := make([]byte, 10)
			if _, err := io.ReadFull(env.Input, p); err != nil || string(p) != megabyte[:10] {
				x.errorf("the first bytes are %q, error %v", p, err)
			}
			return text("enough")(x, env, start)
		},
		run: func(x *exchange) { x.want(x.send("POST", "/", megabyte), 200, "enough") },
	},
	{
		rule: "C33", name: "an-error-page-arrives-although-the-body-is-unread",
		app: func(*exchange, *gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, errSecret },
		run: func(x *exchange) { x.wantErrorPage(x.send("POST", "/", megabyte[:300<<10])) },
	},
	leavesUnread("what-is-unread-of-a-body-is-no-request",
		func(x *exchange, evil string) string { return x.lengthy("/first", evil) }),
	leavesUnread("what-is-unread-of-a-large-body-is-no-request", func(x *exchange, evil string) string {
		return x.lengthy("/first", strings.Repeat(evil, (1<<20)/len(evil)))
	}),
	leavesUnread("what-is-unread-of-a-body-in-chunks-is-no-request", func(x *exchange, evil string) string {
		return x.head("POST", "/first", "Transfer-Encoding: chunked") + chunks(evil, evil, "")
	}),
	{
		rule: "D5", name: "a-body-that-was-cut-short-does-not-end-cleanly",
		run: func(x *exchange) {
			c := x.dial()
			<-c.send(x.head("POST", "/", "Content-Length: 100", "Connection: close") + "0123456789")
			if err := c.conn.CloseWrite(); err != nil {
				x.fatalf("%v", err)
			}
			_ = c.replyKept("POST")
			x.leave()
			x.awaitEnd()
			if l := x.lastLook(0); l != nil {
				x.wantBody(l, "0123456789", io.ErrUnexpectedEOF)
			} else {
				x.remark("the application was not called")
			}
		},
	},
	{
		rule: "D5", name: "a-body-whose-client-left-does-not-end-cleanly",
		run: func(x *exchange) {
			c := x.dial()
			<-c.send(x.head("POST", "/", "Content-Length: 1000000", "Connection: close") + megabyte[:100])
			c.reset()
			x.ask("GET", "/", "")
			x.awaitEnd()
			x.mu.Lock()
			looks := x.looks
			x.mu.Unlock()
			for _, l := range looks {
				if l.Vars["CONTENT_LENGTH"] == "1000000" && l.err == nil {
					x.errorf("the body ended cleanly after %d of 1000000 bytes", len(l.body))
				}
			}
		},
	},
	{
		rule: "D5", name: "after-the-response-input-is-an-error",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.keep("input", env.Input)
			return text("unread")(x, env, start)
		},
		run: func(x *exchange) {
			x.want(x.send("POST", "/", "12345"), 200, "unread")
			x.awaitEnd()
			// Input ends a moment after the body's Close has returned.
			input := kept[io.Reader](x, "input")
			for deadline := time.Now().Add(patience / 10); ; time.Sleep(time.Millisecond) {
				n, err := input.Read(make([]byte, 8))
				if n == 0 && errors.Is(err, gateway.ErrEnded) {
					return
				}
				if time.Now().After(deadline) {
					x.errorf("a read after the response returned %d, %v; want ErrEnded", n, err)
					return
				}
			}
		},
	},
	{
		rule: "C34", name: "a-body-in-chunks-is-decoded-or-refused",
		run: func(x *exchange) {
			l := x.askOrRefuse("POST", x.chunked("/", "12345", "6", allBytes, ""))
			if l == nil {
				return
			}
			x.wantBody(l, "123456"+allBytes, nil)
			if n, err := l.ContentLength(); n != -1 && n != int64(len("123456"+allBytes)) || err != nil {
				x.errorf("ContentLength is %d, %v; want the length, or -1 for not known", n, err)
			}
		},
	},
	{
		// RFC 9112, 6.3: "Transfer-Encoding overrides the Content-Length", or both together are
		// refused.
		rule: "R118", name: "chunks-win-over-a-length-or-both-are-refused",
		run: func(x *exchange) {
			for _, header := range [][]string{{"Content-Length: 4", "Transfer-Encoding: chunked"},
				{"Transfer-Encoding: chunked", "Content-Length: 4"},
				{"Content-Length: 400", "Transfer-Encoding: chunked"}} {
				head := x.head("POST", "/", append(header, "Connection: close")...)
				l := x.askOrRefuse("POST", head+chunks("12345678", ""))
				if l == nil {
					continue
				}
				x.wantBody(l, "12345678", nil)
				if v := l.Vars["CONTENT_LENGTH"]; v != "" && v != "-1" && v != "8" {
					x.errorf("CONTENT_LENGTH is %q", v)
				}
			}
		},
	},
	{
		// RFC 9112, 6.1 and 6.3: nobody knows where such a body ends.
		rule: "C34", name: "a-transfer-coding-that-nobody-knows-reaches-no-application",
		run: func(x *exchange) {
			for _, coding := range []string{"x-unknown", "x-unknown, chunked", "chunked, x-unknown", "xchunked",
				"chunked-x"} {
				head := x.head("POST", "/", "Transfer-Encoding: "+coding, "Connection: close")
				x.mustRefuse("POST", head+chunks("12345", ""))
			}
		},
	},
	{
		rule: "R118", name: "an-empty-body-in-chunks-is-empty-or-refused",
		run: func(x *exchange) {
			if l := x.askOrRefuse("POST", x.chunked("/", "")); l != nil {
				x.wantBody(l, "", nil)
			}
		},
	},
	{
		rule: "R118", name: "a-megabyte-in-chunks-is-decoded-or-refused",
		run: func(x *exchange) {
			if l := x.askOrRefuse("POST", x.chunked("/", megabyte[:1<<19], megabyte[1<<19:], "")); l != nil {
				x.wantBody(l, megabyte, nil)
			}
		},
	},
	{
		rule: "D5", name: "a-body-in-chunks-that-was-cut-short-does-not-end-cleanly",
		run: func(x *exchange) {
			c := x.dial()
			<-c.send(x.chunked("/", "12345", "67890"))
			if err := c.conn.CloseWrite(); err != nil {
				x.fatalf("%v", err)
			}
			_ = c.replyKept("POST")
			x.leave()
			x.awaitEnd()
			if l := x.lastLook(0); l != nil && l.err == nil {
				x.errorf("the body %s ended cleanly, without its last chunk", abridged(l.body))
			}
		},
	},
	{
		rule: "R114", name: "a-client-that-waits-for-a-continue-gets-one",
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.head("POST", "/", "Content-Length: 5", "Expect: 100-continue", "Connection: close"))
			line, err := c.br.ReadString('\n')
			if err != nil {
				x.hang()
				x.fatalf("the client waits for its 100 (Continue): %q, %v", line, err)
			}
			if !strings.HasPrefix(line, "HTTP/1.1 100 ") { // a server may refuse the request before the body has come
				if x.lookCount() > 0 || !strings.HasPrefix(line, "HTTP/1.1 4") {
					x.errorf("the server sends %q", line)
				}
				x.remark("refused")
				return
			}
			for line != "\r\n" && err == nil {
				line, err = c.br.ReadString('\n')
			}
			c.send("12345")
			x.want(c.reply("POST"), 200, "seen")
			x.wantBody(x.lastLook(0), "12345", nil)
		},
	},
	{
		rule: "R115", name: "an-old-client-gets-no-continue",
		run: func(x *exchange) {
			c := x.dial()
			c.send("POST " + x.target("/") + " HTTP/1.0\r\nHost: " + x.base.Host +
				"\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n12345")
			line, _ := c.br.ReadString('\n')
			if strings.Contains(line, " 100 ") {
				x.errorf("a client of HTTP/1.0 got %q", line)
			}
		},
	},
	{
		rule: "C10", name: "two-lengths-reach-no-application",
		run: func(x *exchange) {
			head := x.head("POST", "/", "Content-Length: 5", "Content-Length: 7", "Connection: close")
			x.mustRefuse("POST", head+"1234567")
		},
	},
	{
		rule: "C10", name: "a-length-that-is-no-number-reaches-no-application",
		run: func(x *exchange) {
			for _, v := range []string{"+5", "-5", "5, 5, 6", "0x5", "5.0", "five", "99999999999999999999999"} {
				x.mustRefuse("POST", x.head("POST", "/", "Content-Length: "+v, "Connection: close")+"12345")
			}
		},
	},
}
