package gatewaytest

import (
	"errors"
	"fmt"
	"iter"

	"example.com/gateway"
)

// The applications of TestServer's cases are made of what follows.

var (
	plain = gateway.Headers{{"Content-Type", "text/plain"}}
	old   = plain.Append("X-Old", "1") // of a response that is not to be sent
)

// length is plain with a Content-Length.
func length(n int) gateway.Headers { return plain.With("Content-Length", fmt.Sprint(n)) }

// secret is in the errors of applications that fail on purpose. No client may see it.
const secret = "s3cret-detail"

var errSecret = errors.New(secret)

// answer is an application that answers with a status, headers and a body.
func answer(status string, headers gateway.Headers, body func(x *exchange) gateway.Body) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start(status, headers, nil)
		return body(x), err
	}
}

// text is an answer of one block.
func text(s string) application { return textAs("200 OK", plain, s) }

// textAs is an answer of one block with a status and headers.
func textAs(status string, headers gateway.Headers, s string) application {
	return answer(status, headers, func(*exchange) gateway.Body { return gateway.Text(s) })
}

// emptyAs is an answer of no block with a status and headers.
func emptyAs(status string, headers gateway.Headers) application {
	return answer(status, headers, func(*exchange) gateway.Body { return gateway.Bytes() })
}

// streamed is an answer whose blocks come from seq.
func streamed(seq func(x *exchange, yield func([]byte, error) bool)) application {
	return answer("200 OK", plain, func(x *exchange) gateway.Body { return x.stream(seq) })
}

// nextOr answers "/next" with "alive", and any other path with app.
func nextOr(app application) application {
	return func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/next" {
			return text("alive")(x, env, start)
		}
		return app(x, env, start)
	}
}

// wantStart calls start and checks the error: nil, or an error that wraps want.
func (x *exchange) wantStart(start gateway.StartResponse, status string, headers gateway.Headers, cause, want error) {
	x.t.Helper()
	w, err := start(status, headers, cause)
	if w == nil {
		x.errorf("start(%q) returned no writer", status)
	}
	if want == nil && err != nil || !errors.Is(err, want) {
		x.errorf("start(%q, %v, %v) returned %v, want %v", status, headers, cause, err, want)
	}
}

// stream is a body whose blocks come from seq. It notes what closing notes.
func (x *exchange) stream(seq func(x *exchange, yield func([]byte, error) bool)) gateway.Body {
	return x.closing(gateway.Stream(func(yield func([]byte, error) bool) { seq(x, yield) }))
}

// inTurn yields blocks until yield returns false, and reports whether all were taken.
func inTurn(yield func([]byte, error) bool, blocks ...string) bool {
	for _, b := range blocks {
		if !yield([]byte(b), nil) {
			return false
		}
	}
	return true
}

// twoBlocks yields two blocks.
func twoBlocks(x *exchange, yield func([]byte, error) bool) {
	inTurn(yield, "one,", "two")
	x.note("end of the iteration")
}

// closing is body, and notes "iteration" when the body is ranged and "close" at each Close.
func (x *exchange) closing(body gateway.Body) gateway.Body { return &notingBody{body, x} }

type notingBody struct {
	gateway.Body
	x *exchange
}

func (n *notingBody) Blocks() iter.Seq2[[]byte, error] {
	n.x.note("iteration")
	return n.Body.Blocks()
}

func (n *notingBody) Close() error {
	err := n.Body.Close()
	n.x.note("close")
	return err
}

// wantClosed checks that n bodies were closed, and no more. A server may close a body after the
// client has the response.
func (x *exchange) wantClosed(n int) {
	x.t.Helper()
	if !x.awaitCount("close", n) {
		return
	}
	x.awaitEnd() // a Close that is too much comes before that
	if got := x.count("close"); got != n {
		x.errorf("Close was called %d times, want %d", got, n)
	}
}

// allBytes has every byte value, and line ends of all kinds.
var allBytes = func() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b) + "\r\n\n\r\r\n.\r\n\x00\xff"
}()

// megabyte is 1 MiB in which no part looks like another.
var megabyte = func() string {
	b := make([]byte, 1<<20)
	seed := uint32(1)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return string(b)
}()
