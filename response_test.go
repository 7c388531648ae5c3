package gateway_test

import (
	"errors"
	"slices"
	"testing"

	"example.com/gateway"
	"example.com/gateway/internal/last"
)

const plainHead = "200 OK|Content-Type: text/plain"

// TestPhases has a case for every cell of the table above the engine's phase type. What needs the writer happens in Call,
// since the writer ends with it (R102); all else happens inside the first iteration, the latest that is allowed (R24).
// One cell does not exist: a write in the idle phase, as the writer comes from start.
func TestPhases(t *testing.T) {
	t.Parallel()
	started := func(s *script) { s.begin("200 OK", nil) }
	written := func(s *script) { s.begin("200 OK", nil); s.write("a") }
	// two runs f as the second step of a body, after the first did what led to the phase.
	two := func(first, f func(*script)) func(*script) { return func(s *script) { first(s); f(s) } }
	sent := func(s *script) { s.begin("200 OK", nil); s.send("a") }
	brokenEvents := []string{plainHead, `"a"`, "close"}

	for _, c := range []struct {
		name       string
		call, body func(*script)
		after      func(*script)
		want       want
	}{
		{name: "idle: start", body: started, want: want{
			events: []string{plainHead + "|Content-Length: 0", `""`, "close"},
			errs:   []error{nil},
		}},
		{name: "idle: start with a cause", body: func(s *script) { s.begin("404 Not Found", errBoom) }, want: want{
			events: []string{"404 Not Found|Content-Type: text/plain|Content-Length: 0", `""`, "close"},
			errs:   []error{nil},
		}},
		{name: "idle: block", body: func(s *script) { s.send("a") }, want: want{
			events: errorPage,
			going:  []bool{false},
			is:     []error{gateway.ErrNotStarted}, // R23
			log:    []string{"start was not called"},
		}},
		{name: "idle: block, then start", body: func(s *script) { s.send("a"); s.begin("200 OK", nil) }, want: want{
			events: errorPage, // never "200 OK" without the block
			errs:   []error{gateway.ErrNotStarted},
			going:  []bool{false},
			is:     []error{gateway.ErrNotStarted},
			log:    []string{"start was not called"},
		}},
		{name: "idle: block, then start with a cause", body: func(s *script) { s.send("a"); s.begin("200 OK", errBoom) }, want: want{
			events: errorPage,
			errs:   []error{gateway.ErrNotStarted},
			going:  []bool{false},
			is:     []error{gateway.ErrNotStarted},
			log:    []string{"start was not called"},
		}},
		{name: "idle: empty block", body: func(s *script) { s.send(""); s.yield(nil, nil); s.begin("200 OK", nil); s.send("a") }, want: want{
			events: []string{plainHead, `"a"`, "close"}, // R76
			errs:   []error{nil},
			going:  []bool{true, true},
		}},
		{name: "idle: body ends", want: want{
			events: errorPage,
			is:     []error{gateway.ErrNotStarted},
			log:    []string{"start was not called"},
		}},
		{name: "idle: body ends after empty blocks", body: func(s *script) { s.send(""); s.send("") }, want: want{
			events: errorPage,
			going:  []bool{true, true},
			is:     []error{gateway.ErrNotStarted},
			log:    []string{"start was not called"},
		}},
		{name: "idle: error", body: func(s *script) { s.yield(nil, errBoom) }, want: want{
			events: errorPage,
			is:     []error{errBoom},
			log:    []string{"boom"},
		}},
		{name: "idle: panic", body: func(*script) { panic(errBoom) }, want: want{
			events: errorPage,
			is:     []error{errBoom},
			log:    []string{"panic: boom"},
			stack:  true,
		}},

		{name: "started: start", body: two(started, started), want: want{
			events: errorPage, // ignoring the error does not help
			errs:   []error{nil, gateway.ErrStarted},
			is:     []error{gateway.ErrStarted}, // R82
			log:    []string{"start was called before, and without a cause"},
		}},
		{name: "started: start with a cause", body: two(started, func(s *script) {
			s.beginWith("503 Service Unavailable", gateway.Headers{{"Retry-After", "1"}}, errBoom)
			s.send("a")
		}), want: want{
			events: []string{"503 Service Unavailable|Retry-After: 1", `"a"`, "close"}, // R79
			errs:   []error{nil, nil},
			going:  []bool{true},
		}},
		{name: "started: block", body: two(started, func(s *script) { s.send("a") }), want: want{
			events: []string{plainHead, `"a"`, "close"},
			errs:   []error{nil},
			going:  []bool{true},
		}},
		{name: "started: empty block", body: two(started, func(s *script) {
			s.send("")
			s.begin("404 Not Found", errBoom) // still possible, so the head has not left (R76)
		}), want: want{
			events: []string{"404 Not Found|Content-Type: text/plain|Content-Length: 0", `""`, "close"},
			errs:   []error{nil, nil},
			going:  []bool{true},
		}},
		{name: "started: write", call: written, want: want{
			events: []string{plainHead, `"a"`, "close"},
			errs:   []error{nil, nil},
		}},
		{name: "started: empty write", call: func(s *script) { started(s); s.write("") }, want: want{
			events: []string{plainHead, `""`, "close"}, // R76: "or upon the first invocation of write()"
			errs:   []error{nil, nil},
		}},
		{name: "started: write in the iteration", call: started, body: func(s *script) { s.write("a") }, want: want{
			events: errorPage, // R102
			errs:   []error{nil, errAny},
			is:     []error{errAny},
			log:    []string{"the writer was used after Call returned; a body yields instead"},
		}},
		{name: "started: body ends", call: started, want: want{
			events: []string{plainHead + "|Content-Length: 0", `""`, "close"},
			errs:   []error{nil},
		}},
		{name: "started: error", body: two(started, func(s *script) { s.yield(nil, errBoom) }), want: want{
			events: errorPage,
			errs:   []error{nil},
			is:     []error{errBoom},
			log:    []string{"boom"},
		}},
		{name: "started: error, then start with a cause", body: two(started, func(s *script) {
			s.yield(nil, errBoom)
			s.begin("200 OK", errAny)
		}), want: want{
			events: errorPage, // an error ends the body, and is not forgotten
			errs:   []error{nil, errBoom},
			is:     []error{errBoom},
			log:    []string{"boom"},
		}},
		{name: "started: panic", body: two(started, func(*script) { panic(errBoom) }), want: want{
			events: errorPage,
			errs:   []error{nil},
			is:     []error{errBoom},
			log:    []string{"panic: boom"},
			stack:  true,
		}},
		{name: "started: panic in Call", call: two(started, func(*script) { panic("boom") }), want: want{
			events: errorPage[:2], // there is no body to close
			errs:   []error{nil},
			is:     []error{errAny},
			log:    []string{"panic: boom"},
			stack:  true,
		}},

		{name: "sent: start", body: two(sent, started), want: want{
			events: brokenEvents,
			errs:   []error{nil, gateway.ErrStarted},
			is:     []error{gateway.ErrStarted},
			broken: true,
			log:    []string{"start was called before, and without a cause"},
		}},
		{name: "sent: start with a cause", body: two(sent, func(s *script) {
			s.begin("500 Internal Server Error", errBoom)
			s.send("b")
		}), want: want{
			events: brokenEvents,
			errs:   []error{nil, both{gateway.ErrHeadersSent, errBoom}}, // R80
			going:  []bool{true, false},
			is:     []error{gateway.ErrHeadersSent, errBoom},
			broken: true,
			log:    []string{"headers were sent already: boom"},
		}},
		{name: "sent by write: start with a cause", call: two(written, func(s *script) {
			s.begin("500 Internal Server Error", errBoom)
			s.write("b")
		}), want: want{
			events: brokenEvents,
			errs:   []error{nil, nil, both{gateway.ErrHeadersSent, errBoom}, gateway.ErrHeadersSent}, // sticky
			is:     []error{gateway.ErrHeadersSent, errBoom},
			broken: true,
			log:    []string{"headers were sent already: boom"},
		}},
		{name: "sent: block", body: two(sent, func(s *script) { s.send("b"); s.send("c") }), want: want{
			events: []string{plainHead, `"a"`, `"b"`, `"c"`, "close"},
			errs:   []error{nil},
			going:  []bool{true, true, true},
		}},
		{name: "sent: empty block", body: two(sent, func(s *script) { s.send(""); s.yield(nil, nil); s.send("b") }), want: want{
			events: []string{plainHead, `"a"`, `"b"`, "close"},
			errs:   []error{nil},
			going:  []bool{true, true, true},
		}},
		{name: "sent: write", call: func(s *script) { written(s); s.write("b") }, body: func(s *script) { s.send("c") }, want: want{
			events: []string{plainHead, `"a"`, `"b"`, `"c"`, "close"}, // R101
			errs:   []error{nil, nil, nil},
			going:  []bool{true},
		}},
		{name: "sent: empty write", call: func(s *script) { written(s); s.write("") }, want: want{
			events: []string{plainHead, `"a"`, "close"},
			errs:   []error{nil, nil, nil},
		}},
		{name: "sent: write in the iteration", call: written, body: func(s *script) { s.write("b"); s.send("c") }, want: want{
			events: brokenEvents, // R102
			errs:   []error{nil, nil, errAny},
			going:  []bool{false},
			is:     []error{errAny},
			broken: true,
			log:    []string{"the writer was used after Call returned; a body yields instead"},
		}},
		{name: "sent: body ends", body: sent, want: want{
			events: []string{plainHead, `"a"`, "close"},
			errs:   []error{nil},
			going:  []bool{true},
		}},
		{name: "sent: error", body: two(sent, func(s *script) { s.yield(nil, errBoom) }), want: want{
			events: brokenEvents,
			errs:   []error{nil},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"boom"},
		}},
		{name: "sent: panic", body: two(sent, func(*script) { panic(errBoom) }), want: want{
			events: brokenEvents,
			errs:   []error{nil},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"panic: boom"},
			stack:  true,
		}},
		{name: "sent: panic in Call", call: two(written, func(*script) { panic(errBoom) }), want: want{
			events: brokenEvents[:2],
			errs:   []error{nil, nil},
			is:     []error{errBoom},
			broken: true,
			log:    []string{"panic: boom"},
			stack:  true,
		}},

		{name: "over: start", body: sent, after: started, want: want{
			events: brokenEvents,
			errs:   []error{nil, gateway.ErrEnded},
			going:  []bool{true},
		}},
		{name: "over: start, of a response that never started", after: started, want: want{
			events: errorPage,
			errs:   []error{gateway.ErrEnded},
			is:     []error{gateway.ErrNotStarted},
			log:    []string{"start was not called"},
		}},
		{name: "over: start with a cause", body: sent, after: func(s *script) { s.begin("200 OK", errBoom) }, want: want{
			events: brokenEvents,
			errs:   []error{nil, gateway.ErrEnded},
			going:  []bool{true},
		}},
		{name: "over: write", call: written, after: func(s *script) { s.write("b"); s.write("") }, want: want{
			events: brokenEvents,
			errs:   []error{nil, nil, gateway.ErrEnded, gateway.ErrEnded},
		}},
		{name: "over: block", body: sent, after: func(s *script) { s.send("b"); s.send(""); s.yield(nil, errBoom) }, want: want{
			events: brokenEvents,
			errs:   []error{nil},
			going:  []bool{true, false, false},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s script
			s.run("GET", c.call, c.body)
			if c.after != nil {
				c.after(&s)
			}
			s.check(t, c.want)
		})
	}
}

// errAny stands for an error that has no name.
var errAny = errors.New("any error")

// both is what an error must wrap, all of it.
type both []error

func (b both) Error() string { return errors.Join(b...).Error() }

// matches reports whether err is what a want has for it.
func matches(err, want error) bool {
	switch want := want.(type) {
	case nil:
		return err == nil
	case both:
		return !slices.ContainsFunc(want, func(one error) bool { return !errors.Is(err, one) })
	}
	return err != nil && (want == errAny || errors.Is(err, want))
}

// A lastRecorder is a transport of this module that has a use for knowing which block is the last one.
type lastRecorder struct{ recorder }

var _ last.Writer = (*lastRecorder)(nil)

func (r *lastRecorder) WriteLast(block []byte) (int, error) {
	r.events = append(r.events, "last")
	return r.Write(block)
}

// TestTheLastBlockIsAnnouncedOnlyIfNothingFollows, neither a block nor a Close that does something.
func TestTheLastBlockIsAnnouncedOnlyIfNothingFollows(t *testing.T) {
	t.Parallel()
	written := func(body gateway.Body) gateway.ApplicationFunc {
		return func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, _ := start("200 OK", nil, nil)
			_, err := w.Write([]byte("a"))
			return body, err
		}
	}
	for _, c := range []struct {
		name, method string
		app          gateway.ApplicationFunc
		events       []string
	}{
		{"Text", "GET", hello(text("a"), "200 OK", nil), []string{"200 OK|Content-Length: 1", "last", `"a"`}},
		{"Text, empty", "GET", hello(text(""), "200 OK", nil), []string{"200 OK|Content-Length: 0", "last", `""`}},
		{"Text for HEAD", "HEAD", hello(text("a"), "200 OK", nil), []string{"200 OK|Content-Length: 1", "last", `""`}},
		{"Text after write", "GET", written(gateway.Text("b")), []string{"200 OK", `"a"`, "last", `"b"`}},
		{"Text, and start is ignored", "GET", hello(text("a"), "bad", nil), []string{pageHead, pageBody}},
		{"Text, never started", "GET", func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return gateway.Text("a"), nil },
			[]string{pageHead, "last", pageBody}},
		{"Text with a Close", "GET", hello(func() gateway.Body { return gateway.OnClose(gateway.Text("a"), ok) }, "200 OK", nil),
			[]string{"200 OK|Content-Length: 1", `"a"`}},
		{"Stream", "GET", hello(stream("a"), "200 OK", nil), []string{"200 OK", `"a"`}},
	} {
		var rec lastRecorder
		_ = gateway.Respond(c.app, &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": c.method}}, &rec)
		if !slices.Equal(rec.events, c.events) {
			t.Errorf("%s: %q, want %q", c.name, rec.events, c.events)
		}
	}
}
