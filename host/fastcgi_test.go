package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/errno"
)

// hello answers each request.
func hello(q fcgiRequest, _ int) string { return page(q.id, "hello") }

// Each record of PARAMS has whole pairs, and as many as fit.
func TestVariablesAreWholeInEachRecord(t *testing.T) {
	got := make(chan fcgiRequest, 1)
	b := newBackend(t, "unix", func(c net.Conn, n int) {
		answering(t, func(q fcgiRequest, n int) string { got <- q; return hello(q, n) })(c, n)
	})
	for _, sizes := range [][]int{{0}, {127}, {128}, {65_000}, {65_000, 65_000},
		{30_000, 30_000, 30_000}, {60_000, 4_000, 60_000},
		{65_500}, slices.Repeat([]int{9_000}, 100)} {
		vars := map[string]string{}
		for i, n := range sizes {
			vars[fmt.Sprintf("V%d", i)] = strings.Repeat("x", n)
		}
		app := &FastCGI{Addresses: b.address, Options: Options{Vars: vars}}
		if r := get(app); r.Body() != "hello" || !r.Whole {
			t.Fatalf("%d: %s, %q", sizes, r.Status, r.Errors)
		}
		q := <-got
		total := 0
		for name, value := range vars {
			if q.vars[name] != value {
				t.Errorf("%d: %s has %d bytes, want %d", sizes, name, len(q.vars[name]), len(value))
			}
			total += len(value)
		}
		if want := total/30_000 + 2; len(q.records) > want || slices.Max(q.records) > 65535 ||
			slices.Contains(q.records, 0) {
			t.Errorf("%d: records of %d", sizes, q.records)
		}
		if q.vars["REQUEST_METHOD"] != "GET" || q.id != 1 || q.keep {
			t.Errorf("%d: %+v", sizes, q)
		}
	}
	if n := b.accepted(); n != 9 {
		t.Errorf("%d connections", n)
	}
}

// What no record has room for never leaves. Nobody is asked.
func TestVariablesThatFastCGIHasNoRoomFor(t *testing.T) {
	b := newBackend(t, "unix", func(net.Conn, int) {})
	for _, test := range []struct {
		n, times int
		code     int
		says     string
	}{
		{65_536, 1, 431, "HTTP_X0 has 65536 bytes"},
		{65_535, 1, 431, "HTTP_X0 has 65535 bytes"},
		{65_535 - 8 - len("HTTP_X0") + 5, 1, 431, "HTTP_X0 has"},
		{60_000, 20, 431, "more than 1048576 bytes"},
	} {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		for i := range test.times {
			env.Vars[fmt.Sprintf("HTTP_X%d", i)] = strings.Repeat("x", test.n)
		}
		r := gatewaytest.Record(&FastCGI{Addresses: b.address, MaxIdle: 1}, env)
		if r.Code() != test.code || !strings.Contains(r.Errors, test.says) || len(r.Errors) > 1000 {
			t.Errorf("%d: %s, the log has %.200q, want %q", test.n, r.Status, r.Errors, test.says)
		}
	}
	if n := b.accepted(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestTheBodyOfAFastCGIRequest(t *testing.T) {
	b := newBackend(t, "unix", answering(t, func(q fcgiRequest, _ int) string {
		return page(q.id, fmt.Sprintf("%s %d %x", q.vars["CONTENT_LENGTH"], len(q.body),
			len(q.body)*31))
	}))
	for _, n := range []int{1, smallBody, smallBody + 1, maxMemory, maxMemory + 1, 1_000_000} {
		for _, o := range []Options{{}, {Stream: true}} {
			body := strings.Repeat("x", n)
			r := post(&FastCGI{Addresses: b.address, Options: o}, body)
			if want := fmt.Sprintf("%d %d %x", n, n, n*31); r.Body() != want {
				t.Errorf("%d bytes, %v: %q, %q", n, o.Stream, r.Body(), r.Errors)
			}
			env := gatewaytest.NewEnviron("POST", "/", undeclared(body))
			want := fmt.Sprintf("%d %d %x", n, n, n*31)
			if o.Stream {
				want = fmt.Sprintf(" %d %x", n, n*31)
			}
			if r := gatewaytest.Record(&FastCGI{Addresses: b.address, Options: o},
				env); r.Body() != want {
				t.Errorf("%d bytes without a length, %v: %q, %q", n, o.Stream, r.Body(), r.Errors)
			}
		}
	}
}

// A server may answer before it has read, and need not read at all.
func TestAServerThatAnswersBeforeItReads(t *testing.T) {
	const size = 4 << 20
	body := strings.Repeat("x", size)
	for _, kind := range []string{"FastCGI", "SCGI", "uwsgi"} {
		for _, reads := range []bool{true, false} {
			if !reads && kind != "FastCGI" {
				continue // the end of the connection is a reset then
			}
			done := make(chan struct{}, 2)
			b := newBackend(t, "tcp", func(c net.Conn, _ int) {
				answer := "Status: 200\r\n" + textHead + body
				if kind == "FastCGI" {
					if _, err := readFCGIHead(bufio.NewReaderSize(c, 16)); err != nil {
						t.Error(err)
					}
					block := rec(stdout, 1, body[:32768])
					answer = rec(stdout, 1, textHead) + strings.Repeat(block, size/32768) + end(1, 0, 0)
				}
				if _, err := io.WriteString(c, answer); err != nil {
					t.Error(err)
				}
				if reads {
					_ = c.(*net.TCPConn).CloseWrite()
					_, _ = io.Copy(io.Discard, c)
				} else {
					<-done // to close with something unread is a reset
				}
			})
			for _, o := range []Options{{}, {Stream: true}} {
				r := post(client(kind, b.address, o), body)
				if !r.Whole || r.Body() != body {
					t.Errorf("%s: %s, %d bytes, %v, %q", kind, r.Status, len(r.Body()), r.Err,
						r.Errors)
				}
				done <- struct{}{}
			}
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	b := newBackend(t, "unix", answering(t, hello))
	app := &FastCGI{Addresses: b.address, MaxIdle: 2}
	for range 10 {
		if r := get(app); r.Body() != "hello" {
			t.Fatal(r.Status, r.Errors)
		}
	}
	if n := b.accepted(); n != 1 {
		t.Errorf("%d connections for 10 requests", n)
	}
	// The connection of a POST is kept too, but a POST does not take one, and neither does a GET
	// with a body.
	for range 3 {
		if r := post(app, ""); r.Body() != "hello" {
			t.Fatal(r.Status, r.Errors)
		}
		env := gatewaytest.NewEnviron("GET", "/", strings.NewReader("body"))
		if r := gatewaytest.Record(app, env); r.Body() != "hello" {
			t.Fatal(r.Status, r.Errors)
		}
	}
	if n := b.accepted(); n != 7 {
		t.Errorf("%d connections, want 7", n)
	}
	if n := len(app.dialer.addresses[0].idle); n != 2 {
		t.Errorf("%d are kept, want 2", n)
	}
	app.CloseIdleConnections()
	if n := len(app.dialer.addresses[0].idle); n != 0 {
		t.Errorf("%d are kept, want none", n)
	}
	get(app)
	if n := b.accepted(); n != 8 {
		t.Errorf("%d connections, want 8", n)
	}
	app.CloseIdleConnections()
}

// Connections that nobody uses do not stay.
func TestIdleConnectionsAreClosed(t *testing.T) {
	ended := make(chan struct{}, 1)
	b := newBackend(t, "unix", func(c net.Conn, n int) {
		answering(t, hello)(c, n)
		ended <- struct{}{}
	})
	app := &FastCGI{Addresses: b.address, MaxIdle: 2}
	get(app)
	if left := app.pool.sweep(&app.dialer, time.Now().Add(-idleTime)); !left {
		t.Error("a connection that was just used is closed")
	}
	if left := app.pool.sweep(&app.dialer, time.Now()); left {
		t.Error("one is left")
	}
	<-ended
}

// A response that is not read to its end, or a request that is not sent to its end, costs the
// connection.
func TestConnectionsThatAreNotKept(t *testing.T) {
	large := strings.Repeat("x", 60_000)
	for _, test := range []struct {
		name  string
		serve func(c net.Conn, r *bufio.Reader, q fcgiRequest)
		run   func(app gateway.Application) *gatewaytest.Response
	}{
		{"no KEEP_CONN in effect", func(c net.Conn, _ *bufio.Reader, q fcgiRequest) {
			_, _ = io.WriteString(c, page(q.id, "hello"))
			c.Close()
		}, get},
		{"a client that reads a part", func(c net.Conn, _ *bufio.Reader, q fcgiRequest) {
			_, _ = io.WriteString(c, rec(stdout, q.id, textHead+"hello"))
			for range 100 {
				_, _ = io.WriteString(c, rec(stdout, q.id, large))
			}
			_, _ = io.WriteString(c, end(q.id, 0, 0))
		}, func(app gateway.Application) *gatewaytest.Response {
			return get(gateway.ApplicationFunc(func(env *gateway.Environ,
				start gateway.StartResponse) (gateway.Body, error) {
				body, err := app.Call(env, start)
				return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
					for block, err := range body.Blocks() {
						yield(block[:5], err)
						return
					}
				}), body.Close), err
			}))
		}},
		{"padding that does not come", func(c net.Conn, _ *bufio.Reader, q fcgiRequest) {
			all := page(q.id, "hello")
			_, _ = io.WriteString(c, all[:len(all)-16]+rec(endRequest, q.id,
				"\x00\x00\x00\x00\x00\x00\x00\x00", 9)[:20])
		}, get},
	} {
		b := newBackend(t, "unix", func(c net.Conn, _ int) {
			r := bufio.NewReader(c)
			for {
				q, err := readFCGI(r)
				if err != nil {
					return
				}
				test.serve(c, r, q)
			}
		})
		app := &FastCGI{Addresses: b.address, MaxIdle: 2}
		for range 2 {
			if r := test.run(app); r.Body() != "hello" {
				t.Errorf("%s: %s, %.100q, %q", test.name, r.Status, r.Body(), r.Errors)
			}
		}
		if n := b.accepted(); n != 2 {
			t.Errorf("%s: %d connections for 2 requests", test.name, n)
		}
		app.CloseIdleConnections()
	}
}

// An answer that is whole before the request's body is costs the connection: what is left of the
// body would be the next request.
func TestAConnectionOfHalfABodyIsNotKept(t *testing.T) {
	body, more := io.Pipe()
	defer more.Close()
	b := newBackend(t, "unix", func(c net.Conn, n int) {
		r := bufio.NewReader(c)
		q, err := readFCGIHead(r)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, page(q.id, "hello"))
		_, _ = io.Copy(io.Discard, r)
	})
	app := &FastCGI{Addresses: b.address, MaxIdle: 2, Options: Options{Stream: true}}
	env := gatewaytest.NewEnviron("POST", "/", body)
	env.Vars["HTTP_TRANSFER_ENCODING"] = "chunked"
	r := gatewaytest.Record(app, env)
	if r.Body() != "hello" || !r.Whole {
		t.Errorf("%s, %q", r.Status, r.Errors)
	}
	if n := len(app.dialer.addresses[0].idle); n != 0 {
		t.Errorf("%d are kept, want none", n)
	}
}

// A kept connection that its server closes, at whatever time, costs nobody an answer. A request
// that may not be sent twice is not.
func TestAKeptConnectionThatDies(t *testing.T) {
	for _, test := range []struct {
		name     string
		dies     func(c net.Conn, r *bufio.Reader) // after the first answer
		requests int32                             // that the server sees
		code     int
	}{
		{"at once", func(c net.Conn, _ *bufio.Reader) {}, 2, 200},
		{"when the request has come", func(c net.Conn, r *bufio.Reader) { _, _ = readFCGI(r) }, 2,
			200},
		{"with a reset", func(c net.Conn, r *bufio.Reader) { _, _ = r.Peek(1) }, 2, 200},
		{"after a byte of the answer", func(c net.Conn, r *bufio.Reader) {
			q, _ := readFCGI(r)
			_, _ = io.WriteString(c, page(q.id, "")[:1])
		}, 1, 502},
	} {
		for _, network := range []string{"unix", "tcp"} {
			var requests atomic.Int32
			died := make(chan struct{}, 1)
			b := newBackend(t, network, func(c net.Conn, n int) {
				r := bufio.NewReader(c)
				q, err := readFCGI(r)
				if err != nil {
					return
				}
				requests.Add(1)
				_, _ = io.WriteString(c, page(q.id, "hello"))
				if n == 0 {
					test.dies(c, r)
					c.Close()
					died <- struct{}{}
				} else {
					readSome(c)
				}
			})
			app := &FastCGI{Addresses: b.address, MaxIdle: 2}
			get(app)
			if test.name == "at once" {
				<-died
			}
			if r := get(app); r.Code() != test.code || !r.Whole {
				t.Errorf("%s: %s, %q", test.name, r.Status, r.Errors)
			}
			if n := requests.Load(); n != test.requests {
				t.Errorf("%s: %d requests, want %d", test.name, n, test.requests)
			}
			app.CloseIdleConnections()
		}
	}
}

// A request is sent again once, and only if the server has taken it on a connection that was kept.
func TestARequestIsSentAgainOnce(t *testing.T) {
	var requests atomic.Int32
	b := newBackend(t, "unix", func(c net.Conn, n int) {
		r := bufio.NewReader(c)
		for {
			q, err := readFCGI(r)
			if err != nil || requests.Add(1) > 1 {
				return
			}
			_, _ = io.WriteString(c, page(q.id, "hello"))
		}
	})
	app := &FastCGI{Addresses: b.address, MaxIdle: 2}
	if r := get(app); r.Body() != "hello" {
		t.Fatal(r.Status, r.Errors)
	}
	if r := get(app); r.Code() != 502 || !strings.Contains(r.Errors, "without an answer") {
		t.Errorf("%s, %q", r.Status, r.Errors)
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests, want 3: one, and one that is sent twice", n)
	}
	get(app)
	if n := requests.Load(); n != 4 {
		t.Errorf("a request on a new connection was sent %d times", n-3)
	}
}

// A client that leaves ends the request at the server: with ABORT_REQUEST, and the end of the
// connection.
func TestAClientThatLeavesAFastCGIServer(t *testing.T) {
	for _, test := range []struct {
		name  string
		serve func(c net.Conn, r *bufio.Reader) error // up to when the client leaves
		body  bool                                    // has a body that stops
	}{
		{"before the head", func(c net.Conn, r *bufio.Reader) error {
			_,
				err := readFCGI(r)
			return err
		}, false},
		{"in the head", func(c net.Conn, r *bufio.Reader) error {
			_, _ = readFCGI(r)
			_, err := io.WriteString(c, rec(stdout, 1, "Content-"))
			return err
		}, false},
		{"in the body", func(c net.Conn, r *bufio.Reader) error {
			_, _ = readFCGI(r)
			_, err := io.WriteString(c, rec(stdout, 1, textHead+"hello"))
			return err
		}, false},
		{"in the upload", func(c net.Conn, r *bufio.Reader) error {
			_,
				err := readFCGIHead(r)
			return err
		}, true},
		{"in the upload, and in the answer", func(c net.Conn, r *bufio.Reader) error {
			_, _ = readFCGIHead(r)
			_, err := io.WriteString(c, rec(stdout, 1, textHead+"hello"))
			return err
		}, true},
	} {
		ctx, leave := context.WithCancelCause(context.Background())
		saw := make(chan error, 1)
		b := newBackend(t, "unix", func(c net.Conn, _ int) {
			r := bufio.NewReader(c)
			if err := test.serve(c, r); err != nil {
				saw <- err
				return
			}
			leave(gateway.ErrDisconnected)
			for {
				kind, _, _, err := readRecord(r)
				if err != nil {
					saw <- fmt.Errorf("no ABORT_REQUEST: %w", err)
					return
				}
				if kind == abortRequest {
					break
				}
			}
			_, err := r.ReadByte()
			saw <- err
		})
		var body io.Reader
		if test.body {
			pr, pw := io.Pipe()
			defer pw.Close()
			context.AfterFunc(ctx, func() { pw.CloseWithError(gateway.ErrDisconnected) })
			body = pr
		}
		env := gatewaytest.NewEnviron("GET", "/", body).WithContext(ctx)
		if test.body {
			env.Vars["HTTP_TRANSFER_ENCODING"] = "chunked"
		}
		r := gatewaytest.Record(&FastCGI{Addresses: b.address, Options: Options{Stream: true},
			MaxIdle: 1}, env)
		if !errors.Is(r.Err, gateway.ErrDisconnected) {
			t.Errorf("%s: %s, %v", test.name, r.Status, r.Err)
		}
		if err := <-saw; err != io.EOF && !errno.IsReset(err) {
			t.Errorf("%s: the server saw %v, want the end", test.name, err)
		}
	}
}

// PHP-FPM sends a short page and its end together.
func TestAnAnswerThatIsThereAtOnceHasALength(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		length, body string
		whole        bool
	}{
		{"a page", page(1, "hello"), "5", "hello", true},
		{"a page in two records", rec(stdout, 1, textHead+"hel") + rec(stdout, 1, "lo") + end(1, 0, 0),
			"5", "hello", true},
		{"no body", page(1, ""), "0", "", true},
		{"a record of another request", rec(stdout, 1, textHead+"hello") + rec(stdout, 2, "x"), "",
			"hello", false},
		{"a script that has failed", rec(stdout, 1, textHead+"hello") + end(1, 1, 0), "", "hello", false},
	} {
		b := newBackend(t, "unix", func(c net.Conn, _ int) {
			_, _ = readFCGI(bufio.NewReader(c))
			_, _ = io.WriteString(c, test.answer)
			readSome(c)
		})
		r := get(&FastCGI{Addresses: b.address})
		if r.Headers.Get("Content-Length") != test.length || r.Body() != test.body || r.Whole != test.whole {
			t.Errorf("%s: %v, %q, whole: %v, %v", test.name, r.Headers, r.Body(), r.Whole, r.Err)
		}
	}
}

// A client may leave while its request is sent again. The race detector sees what goes wrong.
func TestARequestIsAbortedWhileItIsSentAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan struct{})
	b := newBackend(t, "unix", func(c net.Conn, n int) {
		if n == 1 {
			cancel() // it reads nothing, so that the request does not fit into the socket
			<-left
			return
		}
		r := bufio.NewReader(c)
		_, _ = readFCGI(r)
		_, _ = io.WriteString(c, page(1, "hello"))
		_, _ = r.ReadByte() // of the next request
	})
	app := &FastCGI{Addresses: b.address, MaxIdle: 1}
	defer app.CloseIdleConnections()
	if r := get(app); r.Code() != 200 {
		t.Fatalf("%s, %s", r.Status, r.Errors)
	}
	env := gatewaytest.NewEnviron("GET", "/", nil).WithContext(ctx)
	for i := range 16 {
		env.Vars[fmt.Sprint("HTTP_X", i)] = strings.Repeat("x", 60_000)
	}
	r := gatewaytest.Record(app, env)
	close(left)
	if !errors.Is(r.Err, context.Canceled) || b.accepted() != 2 {
		t.Errorf("%s, %v, on %d connections", r.Status, r.Err, b.accepted())
	}
}
