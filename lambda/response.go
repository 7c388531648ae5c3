package lambda

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"example.com/gateway"
	"example.com/gateway/request"
)

const (
	// maxResponse is the size of a buffered answer, which Lambda calls 6 MB.
	maxResponse = 6<<20 + 100

	// maxALBResponse is the size of an answer that a load balancer takes.
	maxALBResponse = 1 << 20
)

var (
	// errTooLarge is the error of a buffered response that Lambda does not take.
	errTooLarge = errors.New("lambda: the response is too large")

	// errAbandoned is what an application gets that goes on after its deadline.
	errAbandoned = errors.New("lambda: the deadline has passed, and the response is over")
)

// A response is the gateway.Transport of one invocation. A buffered response is collected, and sent
// by End. A streamed one is sent block by block.
type response struct {
	api    *api
	inv    *invocation
	form   form
	stream bool

	mu     sync.Mutex // held by each method; abandon takes it when the deadline is there
	over   bool       // guarded by mu: the end was sent, or somebody has given up
	began  bool       // guarded by mu: a streamed response is on its way
	status string     // guarded by mu, like the rest
	head   []byte     // of a streamed response, until it begins
	fields [][2]string
	body   []byte
	failed error // why the response cannot be sent
	unsent error // why Lambda did not get the end of the response
}

var _ gateway.Transport = (*response)(nil)

// WriteHead implements gateway.Transport.
func (r *response) WriteHead(status string, headers gateway.Headers) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return errAbandoned
	}
	r.status = status
	if !r.stream {
		r.fields = append(r.fields, headers...) // End writes them, behind the headers' end
		return nil
	}
	r.head = append(r.appendHead(make([]byte, 0, 512), status, headers),
		"}\x00\x00\x00\x00\x00\x00\x00\x00"...)
	return nil
}

// Write implements gateway.Transport.
func (r *response) Write(block []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
		return 0, errAbandoned
	case r.stream:
		if err := r.begin(); err != nil {
			return 0, err
		}
		if err := r.lost(r.api.write(block)); err != nil {
			return 0, err
		}
	case len(r.body)+len(block) > r.max(): // the answer cannot be smaller
		r.failed = r.tooLarge()
		return 0, r.failed
	default:
		r.body = append(r.body, block...)
	}
	return len(block), nil
}

// Flush implements gateway.Transport. Nobody gets a part of a buffered response.
func (r *response) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
		return errAbandoned
	case !r.stream:
		return nil
	}
	if err := r.begin(); err != nil {
		return err
	}
	return r.lost(r.api.flush())
}

// begin sends the head of a streamed response, unless it was sent.
func (r *response) begin() error {
	if r.began {
		return nil
	}
	r.began = true
	err := r.api.beginStream(r.inv)
	if err == nil {
		err = r.api.write(r.head)
	}
	return r.lost(err)
}

// lost returns the error of a streamed response that the Runtime API takes no more of: its client
// has left, as far as anybody here can know.
func (r *response) lost(err error) error {
	if err == nil {
		return nil
	}
	r.failed = request.Disconnected(err)
	return r.failed
}

// End implements gateway.Transport.
func (r *response) End(whole bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return errAbandoned
	}
	r.over = true
	switch {
	case !whole:
		return r.endBroken()
	case r.stream:
		err := r.begin()
		if err == nil {
			err = r.api.endStream("", "")
		}
		r.unsent = r.lost(err)
		return r.unsent
	}
	answer := r.appendAnswer()
	if len(answer) > r.max() {
		r.failed = r.tooLarge()
		return errors.Join(r.failed, r.endBroken())
	}
	r.unsent = r.api.respond(r.inv, answer)
	return r.unsent
}

// What Lambda is told of a response that is cut off. The cause is in the log.
const (
	brokenKind    = "Function.ResponseBroken"
	brokenMessage = "the response is not whole; the log of the invocation says why"

	timeoutKind    = "Function.Timeout"
	timeoutMessage = "the application had not returned at its deadline"
)

// endBroken ends a response that is not whole. Of one that is too large nothing was sent yet, and
// the client gets the page that it gets of an application that has failed.
func (r *response) endBroken() error {
	if errors.Is(r.failed, errTooLarge) {
		const page = "500 Internal Server Error"
		r.status, r.fields, r.body = page, [][2]string{{"Content-Type", "text/plain"}},
			[]byte(page+"\n")
		r.unsent = r.api.respond(r.inv, r.appendAnswer())
		return r.unsent
	}
	return r.fail(brokenKind, brokenMessage)
}

// fail ends a response with an error.
func (r *response) fail(kind, message string) error {
	switch {
	case !r.began:
		r.unsent = r.api.fail(r.inv, kind, message)
	case r.failed != nil: // the connection is closed
		r.unsent = r.failed
		return nil
	default:
		r.unsent = r.api.endStream(kind, message)
	}
	return r.unsent
}

// abandon ends the response of an application that has not returned at its deadline. What the
// application does later gets an error. It reports whether the response was still going on.
func (r *response) abandon() bool {
	if !r.mu.TryLock() { // in the middle of sending
		r.api.interrupt()
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	r.over = true
	_ = r.fail(timeoutKind, timeoutMessage)
	return true
}

func (r *response) max() int {
	if r.form >= formALB {
		return maxALBResponse
	}
	return maxResponse
}

func (r *response) tooLarge() error {
	if r.form >= formALB {
		return fmt.Errorf("%w: as JSON it has more than the %d bytes that a load balancer takes "+
			"of a function; a function URL or a REST API takes more, streamed", errTooLarge,
			maxALBResponse)
	}
	return fmt.Errorf("%w: as JSON it has more than the %d bytes that Lambda takes at a time; "+
		"stream it, with Server.Stream or GATEWAY=lambda:stream, and the function URL or REST API "+
		"set to stream", errTooLarge, maxResponse)
}

// appendAnswer returns the JSON of a buffered response.
func (r *response) appendAnswer() []byte {
	isBase64 := !utf8.Valid(r.body)
	for _, field := range r.fields {
		isBase64 = isBase64 || strings.EqualFold(field[0], "Content-Encoding")
	}
	b := make([]byte, 0, len(r.body)+len(r.body)/2+512)
	b = r.appendHead(b, r.status, r.fields)
	if !isBase64 {
		b = appendUTF8(append(b, `,"isBase64Encoded":false,"body":`...), r.body)
		return append(b, '}')
	}
	b = append(b, `,"isBase64Encoded":true,"body":"`...)
	b = base64.StdEncoding.AppendEncode(b, r.body)
	return append(b, `"}`...)
}

// appendHead appends the head of a response as JSON, without its last brace.
func (r *response) appendHead(b []byte, status string, fields [][2]string) []byte {
	b = append(append(b, `{"statusCode":`...), status[:3]...)
	if r.form >= formALB {
		b = appendString(append(b, `,"statusDescription":`...), status)
	}
	switch r.form {
	case formURL, formHTTP:
		return appendSingle(b, fields, true)
	case formALB:
		return appendSingle(b, fields, false)
	}
	b = append(b, `,"multiValueHeaders":{`...)
	eachName(fields, func(i int, values []string) {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(appendString(b, fields[i][0]), ':')
		b = appendList(b, values)
	})
	return append(b, '}')
}

// appendSingle appends headers of which each name has one value. Cookies have a list of their own,
// or, without it, names that differ in case, as only they cannot be joined with a comma.
func appendSingle(b []byte, fields [][2]string, hasCookies bool) []byte {
	b = append(b, `,"headers":{`...)
	member := func(name, value string) {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = appendString(append(appendString(b, name), ':'), value)
	}
	var cookies []string
	eachName(fields, func(i int, values []string) {
		name := fields[i][0]
		if !strings.EqualFold(name, "Set-Cookie") {
			member(name, strings.Join(values, ", "))
			return
		}
		if cookies = values; !hasCookies {
			for n, value := range values {
				member(cookieName(n), value)
			}
		}
	})
	b = append(b, '}')
	if hasCookies && cookies != nil {
		b = appendList(append(b, `,"cookies":`...), cookies)
	}
	return b
}

// cookieName returns the nth way to write Set-Cookie. There are 512.
func cookieName(n int) string {
	name := []byte("set-cookie")
	for i := range name {
		if name[i] == '-' {
			continue
		}
		if n&1 != 0 {
			name[i] -= 'a' - 'A'
		}
		n >>= 1
	}
	return string(name)
}

// eachName calls f once for each name, in any case, with the index of the first header that has it,
// and all values, in order.
func eachName(fields [][2]string, f func(i int, values []string)) {
	for i := range fields {
		if indexOf(fields[:i], fields[i][0]) >= 0 {
			continue
		}
		var one [1]string
		values := append(one[:0], fields[i][1])
		for _, other := range fields[i+1:] {
			if strings.EqualFold(other[0], fields[i][0]) {
				values = append(values, other[1])
			}
		}
		f(i, values)
	}
}

func indexOf(fields [][2]string, name string) int {
	for i := range fields {
		if strings.EqualFold(fields[i][0], name) {
			return i
		}
	}
	return -1
}

func appendList(b []byte, values []string) []byte {
	b = append(b, '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, value)
	}
	return append(b, ']')
}
