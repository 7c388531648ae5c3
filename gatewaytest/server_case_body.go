package gatewaytest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"example.com/gateway"
)

// bodyIs is a client that wants the body of a whole response.
func bodyIs(body string) func(x *exchange) {
	return func(x *exchange) { x.want(x.get("/"), 200, body) }
}

// wantEach is a client that reads blocks as they come, and notes "got 0", "got 1" and so on for an
// application that waits for that.
func wantEach(blocks ...string) func(x *exchange) {
	return func(x *exchange) {
		c := x.dial()
		c.send(x.request("GET", "/", ""))
		for i, block := range blocks {
			if !c.next(block) {
				return
			}
			x.note("got %d", i)
		}
		x.want(c.reply("GET"), 200, "")
	}
}

var numbered = func() (blocks []string) {
	for i := range 20 {
		blocks = append(blocks, fmt.Sprintf("block %d;", i))
	}
	return blocks
}()

// blockSizes are the sizes that buffers usually have, and one byte less and one byte more than
// each.
var blockSizes = func() (sizes []int) {
	for size := 512; size <= 1<<16; size *= 2 {
		sizes = append(sizes, size-1, size, size+1, 1)
	}
	return append(sizes, 1<<17)
}()

// bodyCases are about the blocks of a body.
var bodyCases = []serverCase{
	{
		rule: "R16", name: "each-block-arrives-before-the-next-is-asked-for",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			for i, block := range numbered {
				// yield has returned, so that this block is on its way to the client.
				if !yield([]byte(block), nil) || !x.await(fmt.Sprint("got ", i)) {
					return
				}
			}
		}),
		run: wantEach(numbered...),
	},
	{
		rule: "R92", name: "a-block-arrives-between-empty-ones",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			for i, block := range numbered[:5] {
				if !inTurn(yield, "", block, "") || !x.await(fmt.Sprint("got ", i)) {
					return
				}
			}
		}),
		run: wantEach(numbered[:5]...),
	},
	{
		rule: "R92", name: "a-large-block-arrives-before-the-next-is-asked-for",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			if inTurn(yield, megabyte) && x.await("got 0") {
				inTurn(yield, "end")
			}
		}),
		run: wantEach(megabyte, "end"),
	},
	{
		rule: "R92", name: "a-block-of-a-declared-length-arrives-at-once",
		app: answer("200 OK", length(16), func(x *exchange) gateway.Body {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if inTurn(yield, numbered[0]) && x.await("got 0") {
					inTurn(yield, numbered[1])
				}
			})
		}),
		run: wantEach(numbered[0], numbered[1]),
	},
	{
		rule: "R93", name: "what-a-reader-has-read-arrives-before-it-reads-on",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			r, w := io.Pipe()
			go func() {
				for i, block := range numbered {
					if _, err := io.WriteString(w, block); err != nil || !x.await(fmt.Sprint("got ", i)) {
						break
					}
				}
				w.Close()
			}()
			return gateway.Reader(r, 0)
		}),
		run: wantEach(numbered...),
	},
	{
		rule: "R90", name: "an-old-client-gets-the-blocks-as-they-are",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			if inTurn(yield, "one,") && x.await("got 0") {
				inTurn(yield, "two")
			}
		}),
		run: func(x *exchange) {
			c := x.dial()
			c.send("GET " + x.target("/") + " HTTP/1.0\r\nHost: " + x.base.Host + "\r\n\r\n")
			if !c.next("one,") {
				return
			}
			x.note("got 0")
			r := c.reply("GET")
			x.want(r, 200, "two")
			x.wantHeader(r, "Transfer-Encoding")
			if strings.Contains(strings.ToLower(r.head), "chunked") {
				x.errorf("a client of HTTP/1.0 got chunks: %s", abridged(r.head))
			}
		},
	},
	{
		rule: "R15", name: "a-body-of-no-blocks-is-empty",
		app: streamed(func(*exchange, func([]byte, error) bool) {}),
		run: bodyIs(""),
	},
	{
		rule: "R76", name: "a-body-of-empty-blocks-is-empty",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) { inTurn(yield, "", "", "") }),
		run: bodyIs(""),
	},
	{rule: "R15", name: "a-body-of-one-block-arrives", app: text("one"), run: bodyIs("one")},
	{
		rule: "C40", name: "a-request-gets-an-answer", app: text("answered"),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.head("GET", "/")) // the connection stays open
			x.want(c.replyKept("GET"), 200, "answered")
		},
	},
	{
		rule: "R15", name: "a-body-of-many-blocks-arrives",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			for i := range 2000 {
				if !yield(fmt.Appendf(nil, "%d,", i), nil) {
					return
				}
			}
		}),
		run: func(x *exchange) {
			var want []byte
			for i := range 2000 {
				want = fmt.Appendf(want, "%d,", i)
			}
			bodyIs(string(want))(x)
		},
	},
	{
		rule: "R76", name: "an-empty-block-ends-nothing",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) { inTurn(yield, "a", "", "b", "", "", "c") }),
		run: bodyIs("abc"),
	},
	{rule: "R18", name: "all-byte-values-are-sent-as-they-are", app: text(allBytes), run: bodyIs(allBytes)},
	{
		rule: "R18", name: "a-body-that-looks-like-a-protocol-is-a-body",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			inTurn(yield, "0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "Status: 500 Evil\r\n\r\n", "\x01\x06\x00\x01")
		}),
		run: bodyIs("0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nStatus: 500 Evil\r\n\r\n\x01\x06\x00\x01"),
	},
	{rule: "R16", name: "a-block-of-a-megabyte-arrives", app: text(megabyte), run: bodyIs(megabyte)},
	{
		rule: "R16", name: "blocks-of-a-megabyte-arrive",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			inTurn(yield, megabyte, allBytes, megabyte, megabyte)
		}),
		run: bodyIs(megabyte + allBytes + megabyte + megabyte),
	},
	{
		rule: "D8", name: "a-block-is-the-bodys-again-after-its-step",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			block := make([]byte, 8)
			for i := range 200 {
				copy(block, fmt.Sprintf("%07d;", i))
				if !yield(block, nil) {
					return
				}
				copy(block, "KEPT!!!!")
			}
		}),
		run: func(x *exchange) {
			var want []byte
			for i := range 200 {
				want = fmt.Appendf(want, "%07d;", i)
			}
			bodyIs(string(want))(x)
		},
	},
	{
		// A transport may hold a block by reference until Flush or End returns, and no longer.
		rule: "D8", name: "a-block-of-any-size-is-the-bodys-again-after-its-step",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			buffer := make([]byte, 1<<17)
			for _, size := range blockSizes {
				block := buffer[:size]
				copy(block, megabyte)
				if !yield(block, nil) {
					return
				}
				clear(block)
			}
		}),
		run: func(x *exchange) {
			var want strings.Builder
			for _, size := range blockSizes {
				want.WriteString(megabyte[:size])
			}
			bodyIs(want.String())(x)
		},
	},
	{
		rule: "D8", name: "a-block-that-the-client-has-not-read-yet-does-not-change",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			block := []byte("as it was")
			if yield(block, nil) {
				copy(block, "KEPT!!!!!")
			}
			x.note("overwritten")
		}),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			x.await("overwritten")
			x.want(c.reply("GET"), 200, "as it was")
		},
	},
	{
		rule: "D8", name: "a-large-block-that-is-overwritten-arrives-as-it-was",
		app: streamed(func(x *exchange, yield func([]byte, error) bool) {
			block := []byte(megabyte)
			for range 3 {
				copy(block, megabyte)
				if !yield(block, nil) {
					return
				}
				clear(block)
			}
		}),
		run: bodyIs(megabyte + megabyte + megabyte),
	},
	{
		rule: "R134", name: "a-reader-is-closed",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			return gateway.Reader(struct {
				io.Reader
				io.Closer
			}{strings.NewReader("a file"), closerFunc(func() error {
				x.note("close")
				return nil
			})}, 2)
		}),
		run: func(x *exchange) {
			bodyIs("a file")(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "R137", name: "a-reader-gives-what-was-declared-and-no-more",
		app: answer("200 OK", length(4), func(x *exchange) gateway.Body {
			return gateway.Reader(io.MultiReader(strings.NewReader("four and more")), 3)
		}),
		run: bodyIs("four"),
	},
	{
		rule: "D2", name: "a-reader-that-fails-breaks-the-response",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			return gateway.Reader(io.MultiReader(strings.NewReader("begun"), readerFunc(func([]byte) (int, error) {
				x.await("client has it")
				return 0, errSecret
			})), 0)
		}),
		run: wantBegunAndBroken,
	},
	{
		rule: "R16", name: "middleware-maps-block-by-block",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			return gateway.Map(x.stream(func(x *exchange, yield func([]byte, error) bool) {
				for i, block := range numbered[:3] {
					if !yield([]byte(block), nil) || !x.await(fmt.Sprint("got ", i)) {
						return
					}
				}
			}), bytes.ToUpper)
		}),
		run: func(x *exchange) {
			wantEach(strings.ToUpper(numbered[0]), strings.ToUpper(numbered[1]), strings.ToUpper(numbered[2]))(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "R20", name: "middleware-that-maps-known-blocks-claims-no-length-for-them",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			return gateway.Map(gateway.Bytes([]byte("one,"), []byte("two")),
				func(b []byte) []byte { return append(b, "!"...) })
		}),
		run: bodyIs("one,!two!"),
	},
	{
		rule: "D2", name: "middleware-that-maps-lets-an-error-through",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			return gateway.Map(x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if inTurn(yield, "BEGUN") && x.await("client has it") {
					yield(nil, errSecret)
				}
			}), bytes.ToLower)
		}),
		run: func(x *exchange) {
			wantBegunAndBroken(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "R21", name: "what-an-application-hangs-on-close-runs-after-it",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			return gateway.OnClose(x.closing(gateway.Text("one")), func() error {
				x.note("after close %d", x.count("close"))
				return nil
			})
		}),
		run: func(x *exchange) {
			bodyIs("one")(x)
			x.await("after close 1")
			x.wantClosed(1)
		},
	},
	{
		rule: "R22", name: "a-body-that-goes-on-after-the-end-is-stopped",
		app: answer("200 OK", length(3), func(x *exchange) gateway.Body {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				for range 1000 {
					yield([]byte("more"), nil) // whatever yield returns
				}
				x.errorf("the body ran on for 1000 blocks")
			})
		}),
		run: func(x *exchange) {
			r := x.get("/")
			if r.extra != "" || !strings.HasPrefix("mor", r.body) {
				x.errorf("the body is %s and then %s, declared was 3", abridged(r.body), abridged(r.extra))
			}
			x.wantClosed(1)
		},
	},
	{
		rule: "R26", name: "a-body-is-asked-for-blocks-and-close-alone",
		app: answer("200 OK", plain, func(x *exchange) gateway.Body {
			return &talented{x.closing(gateway.Text("blocks")), x}
		}),
		run: func(x *exchange) {
			bodyIs("blocks")(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "R20", name: "a-body-is-for-one-response",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.mu.Lock()
			defer x.mu.Unlock()
			body, ok := x.kept["body"].(gateway.Body)
			if !ok {
				body = gateway.Text("once")
				x.kept["body"] = body
			}
			_, err := start("200 OK", plain, nil)
			return body, err
		},
		run: func(x *exchange) {
			bodyIs("once")(x)
			x.awaitEnd()
			x.wantErrorPage(x.get("/"))
			x.awaitEnd()
			for _, err := range kept[gateway.Body](x, "body").Blocks() {
				if !errors.Is(err, gateway.ErrEnded) {
					x.errorf("a used body yields the error %v, want ErrEnded", err)
				}
			}
		},
	},
}

// A talented body has methods that a server may be tempted to use, and must not use.
type talented struct {
	gateway.Body
	x *exchange
}

func (b *talented) Read([]byte) (int, error) {
	b.x.errorf("Read was called")
	return 0, io.EOF
}

func (b *talented) WriteTo(io.Writer) (int64, error) {
	b.x.errorf("WriteTo was called")
	return 0, nil
}

func (b *talented) Len() int {
	b.x.errorf("Len was called")
	return 1
}

func (b *talented) String() string {
	b.x.errorf("String was called")
	return ""
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
