package gatewaytest

import (
	"errors"
	"fmt"
	"io"

	"example.com/gateway"
)

// written is an answer that uses the writer in Call.
func written(call func(x *exchange, w io.Writer) (gateway.Body, error)) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		return call(x, w)
	}
}

// write writes, and checks that the writer has taken all.
func (x *exchange) write(w io.Writer, s string) {
	x.t.Helper()
	if n, err := io.WriteString(w, s); n != len(s) || err != nil {
		x.errorf("the writer returned %d, %v for %s", n, err, abridged(s))
	}
}

// writeCases are about the writer that start returns.
var writeCases = []serverCase{
	{
		rule: "R99", name: "what-is-written-comes-before-the-blocks",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			x.write(w, "written,")
			x.write(w, "twice,")
			return gateway.Bytes([]byte("yielded,"), []byte("twice")), nil
		}),
		run: bodyIs("written,twice,yielded,twice"),
	},
	{
		rule: "R99", name: "what-is-written-goes-out-at-once",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			for i, block := range numbered {
				x.write(w, block)
				if !x.await(fmt.Sprint("got ", i)) {
					break
				}
			}
			return gateway.Bytes(), nil
		}),
		run: wantEach(numbered...),
	},
	{
		rule: "R76", name: "an-empty-write-sends-the-head",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			x.write(w, "")
			x.await("got the head")
			return gateway.Text("later"), nil
		}),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			if err := c.readHead("GET"); err != nil {
				x.fatalf("no head: %v", err)
			}
			x.note("got the head")
			x.want(c.reply("GET"), 200, "later")
		},
	},
	{
		rule: "R76", name: "after-an-empty-write-it-is-too-late-for-another-head",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("200 OK", plain, nil)
			x.write(w, "")
			x.wantStart(start, "404 Not Found", old, errSecret, gateway.ErrHeadersSent)
			return nil, err
		},
		run: func(x *exchange) {
			if r := x.get("/"); r.code != 0 && r.code != 200 {
				x.errorf("the status is %q although the head was sent", r.status)
			}
		},
	},
	{
		rule: "R100", name: "all-may-be-written",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			fmt.Fprintf(w, "%d bottles", 99)
			return x.closing(gateway.Bytes()), nil
		}),
		run: func(x *exchange) {
			bodyIs("99 bottles")(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "R101", name: "after-what-was-written-empty-blocks-send-nothing",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			x.write(w, "written,")
			return gateway.Bytes(nil, []byte("yielded"), nil), nil
		}),
		run: bodyIs("written,yielded"),
	},
	{
		rule: "R89", name: "what-was-written-counts-against-the-length-of-one-block",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			x.write(w, "written, ")
			return gateway.Text("one block"), nil
		}),
		run: bodyIs("written, one block"),
	},
	{
		rule: "D8", name: "what-was-written-may-be-overwritten",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			block := []byte("as it was")
			x.write(w, string(block))
			if _, err := w.Write(block); err != nil {
				return nil, err
			}
			copy(block, "KEPT!!!!!")
			x.note("overwritten")
			return gateway.Bytes(), nil
		}),
		run: func(x *exchange) {
			c := x.dial()
			c.send(x.request("GET", "/", ""))
			x.await("overwritten")
			x.want(c.reply("GET"), 200, "as it wasas it was")
		},
	},
	{
		rule: "R99", name: "a-megabyte-may-be-written",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			x.write(w, megabyte)
			x.write(w, allBytes)
			return gateway.Bytes(), nil
		}),
		run: bodyIs(megabyte + allBytes),
	},
	{
		rule: "R102", name: "the-writer-is-refused-inside-the-iteration",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if !inTurn(yield, "begun") {
					return
				}
				x.await("client has it")
				if n, err := io.WriteString(w, "out of order"); n != 0 || err == nil {
					x.errorf("the writer returned %d, %v inside the iteration", n, err)
				}
				if inTurn(yield, "gone on") {
					x.errorf("yield took a block after that")
				}
			}), nil
		}),
		run: wantBegunAndBroken,
	},
	{
		rule: "R102", name: "the-writer-is-refused-before-the-first-block-of-the-iteration",
		app: written(func(x *exchange, w io.Writer) (gateway.Body, error) {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				_, _ = io.WriteString(w, "out of order")
				inTurn(yield, "gone on")
			}), nil
		}),
		run: func(x *exchange) { x.wantErrorPage(x.get("/")) },
	},
	{
		rule: "R86", name: "the-writer-takes-no-more-than-was-declared",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("200 OK", length(4), nil)
			if err != nil {
				return nil, err
			}
			x.write(w, "fo")
			if n, err := io.WriteString(w, "ur and more"); n != 2 || !errors.Is(err, gateway.ErrContentLength) {
				x.errorf("the writer returned %d, %v; want 2 and ErrContentLength", n, err)
			}
			if n, err := io.WriteString(w, "more"); n != 0 || !errors.Is(err, gateway.ErrContentLength) {
				x.errorf("then it returned %d, %v; want 0 and ErrContentLength", n, err)
			}
			return x.closing(gateway.Text("and more")), nil
		},
		run: func(x *exchange) {
			bodyIs("four")(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "D5", name: "after-the-response-the-writer-and-start-are-errors",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("200 OK", plain, nil)
			x.keep("start", start)
			x.keep("writer", w)
			return gateway.Text("over"), err
		},
		run: func(x *exchange) {
			bodyIs("over")(x)
			x.awaitEnd()
			n, err := io.WriteString(kept[io.Writer](x, "writer"), "late")
			if n != 0 || !errors.Is(err, gateway.ErrEnded) {
				x.errorf("the writer returned %d, %v; want ErrEnded", n, err)
			}
			x.wantStart(kept[gateway.StartResponse](x, "start"), "500 Late", old, nil, gateway.ErrEnded)
			x.wantStart(kept[gateway.StartResponse](x, "start"), "500 Late", old, errSecret, gateway.ErrEnded)
			bodyIs("over")(x)
		},
	},
}
