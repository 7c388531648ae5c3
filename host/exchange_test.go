package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/request"
)

// A program stands in for a program and its protocol: it gets the variables and the body, and
// writes the answer. Its answer is whole if it returns nil.
type program func(p *process) error

// A process is one run of a program.
type process struct {
	vars    map[string]string
	stdin   *io.PipeReader
	stdout  *io.PipeWriter
	log     io.Writer
	aborted chan struct{} // closed by abort

	s *fakeSession
}

func (p *process) print(s string) error {
	_, err := io.WriteString(p.stdout, s)
	return err
}

func (p program) open(
	ctx context.Context, vars []variable, b *body, log io.Writer,
) (session, error) {
	if p == nil {
		return nil, fmt.Errorf("%w: there is none", ErrUnavailable)
	}
	s := &fakeSession{aborted: make(chan struct{}), ended: make(chan struct{})}
	run := &process{vars: map[string]string{}, log: log, aborted: s.aborted, s: s}
	for _, v := range vars {
		run.vars[v.name] = v.value
	}
	run.stdin, s.stdin = io.Pipe()
	stdout, w := io.Pipe()
	run.stdout = w
	s.stdout = stdout
	s.came = make(chan piece)
	go s.pump()
	if b.isEmpty() {
		s.stdin.Close()
	}
	go func() {
		defer close(s.ended)
		err := p(run)
		run.stdin.Close()
		if err != nil {
			err = fmt.Errorf("%w: %v", ErrCutShort, err)
		}
		run.stdout.CloseWithError(err)
	}()
	return s, nil
}

type fakeSession struct {
	stdin   *io.PipeWriter
	stdout  *io.PipeReader
	came    chan piece // of stdout
	left    piece
	aborted chan struct{}
	ended   chan struct{}
	once    sync.Once
	closes  int
}

var errAborted = errors.New("the session was aborted")

// A piece is what a Read of a program's output has returned.
type piece struct {
	text string
	err  error
}

// pump reads the output of the program, so that Read can come back before anything has come.
func (s *fakeSession) pump() {
	defer close(s.came)
	block := make([]byte, blockSize)
	for {
		n, err := s.stdout.Read(block)
		select {
		case s.came <- piece{string(block[:n]), err}:
		case <-s.aborted:
			err = errAborted
		}
		if err != nil {
			return
		}
	}
}

func (s *fakeSession) Read(p []byte, d time.Duration) (int, error) {
	if s.left.text == "" && s.left.err == nil {
		var late <-chan time.Time
		if d > 0 {
			late = time.After(d)
		}
		select {
		case came, ok := <-s.came:
			if s.left = came; !ok {
				s.left.err = errAborted
			}
		case <-late:
			return 0, os.ErrDeadlineExceeded
		}
	}
	n := copy(p, s.left.text)
	if s.left.text = s.left.text[n:]; n > 0 {
		return n, nil
	}
	return 0, s.left.err
}

func (s *fakeSession) Write(p []byte) (int, error) { return s.stdin.Write(p) }
func (s *fakeSession) CloseWrite() error           { return s.stdin.Close() }
func (s *fakeSession) close()                      { s.closes++ }

func (s *fakeSession) abort() {
	s.once.Do(func() {
		s.stdin.CloseWithError(errAborted)
		s.stdout.CloseWithError(errAborted)
		close(s.aborted)
	})
}

// app returns the application that is the program, hosted with the options. It is an error if a
// session is not closed once.
func (p program) app(t *testing.T, o Options, whole bool) gateway.Application {
	var mu sync.Mutex
	var sessions []*fakeSession
	counted := p
	if p != nil {
		counted = func(run *process) error {
			mu.Lock()
			sessions = append(sessions, run.s)
			mu.Unlock()
			return p(run)
		}
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range sessions {
			<-s.ended
			if s.closes != 1 {
				t.Errorf("a session was closed %d times", s.closes)
			}
		}
	})
	return gateway.ApplicationFunc(func(env *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		return o.serve(env, start, protocol{name: "program x", collects: whole, open: counted.open},
			nil)
	})
}

// echo answers with what it has got.
func echo(p *process) error {
	body, err := io.ReadAll(p.stdin)
	if err != nil {
		return err
	}
	return p.print(fmt.Sprintf("Status: 200 OK\nContent-Type: text/plain\n\n%s %s?%s %q %q",
		p.vars["REQUEST_METHOD"], p.vars["PATH_INFO"], p.vars["QUERY_STRING"], p.vars["CONTENT_LENGTH"], body))
}

func TestAProgramIsAnApplication(t *testing.T) {
	app := program(echo).app(t, Options{}, true)
	gatewaytest.TestApplication(t, app,
		gatewaytest.NewEnviron("GET", "/a/b?c", nil),
		gatewaytest.NewEnviron("HEAD", "/", nil),
		gatewaytest.NewEnviron("POST", "/", strings.NewReader("hello")))
}

func TestAProgramThatStreamsIsAnApplication(t *testing.T) {
	stream := program(func(p *process) error {
		if err := p.print("Content-Type: text/plain\n\n"); err != nil {
			return err
		}
		_, err := io.Copy(p.stdout, p.stdin)
		return err
	})
	gatewaytest.TestApplication(t, stream.app(t, Options{Stream: true}, true),
		gatewaytest.NewEnviron("POST", "/", strings.NewReader(strings.Repeat("hello", 10))))
}

// undeclared hides the length of a body.
func undeclared(s string) io.Reader { return struct{ io.Reader }{strings.NewReader(s)} }

func TestTheBodyOfTheRequest(t *testing.T) {
	large := strings.Repeat("0123456789", 20_000)
	for _, test := range []struct {
		name    string
		options Options
		whole   bool
		body    io.Reader
		length  string // the CONTENT_LENGTH that the program gets
		want    string
	}{
		{"no body", Options{}, true, nil, "", ""},
		{"an empty body", Options{}, true, strings.NewReader(""), "0", ""},
		{"an empty body of unknown length", Options{}, true, undeclared(""), "", ""},
		{"a small body", Options{}, true, strings.NewReader("hello"), "5", "hello"},
		{"a small body of unknown length", Options{}, true, undeclared("hello"), "5", "hello"},
		{"a large body", Options{}, true, strings.NewReader(large), "200000", large},
		{"a large body of unknown length", Options{}, true, undeclared(large), "200000", large},
		{"what fits into memory", Options{}, true, undeclared(large[:maxMemory]), "65536",
			large[:maxMemory]},
		{"a byte more", Options{}, true, undeclared(large[:maxMemory+1]), "65537",
			large[:maxMemory+1]},
		{"straight through", Options{}, false, strings.NewReader(large), "200000", large},
		{"straight through, of unknown length", Options{}, false, undeclared(large), "200000",
			large},
		{"streamed", Options{Stream: true}, true, strings.NewReader(large), "200000", large},
		{"streamed, of unknown length", Options{Stream: true}, true, undeclared(large), "", large},
		{"streamed, empty", Options{Stream: true}, true, undeclared(""), "", ""},
		{"as large as the limit", Options{MaxBodyBytes: 5}, true, undeclared("hello"), "5",
			"hello"},
		{"no limit", Options{MaxBodyBytes: -1}, true, undeclared("hello"), "5", "hello"},
	} {
		app := program(func(p *process) error {
			body, err := io.ReadAll(p.stdin)
			if string(body) != test.want || err != nil {
				t.Errorf("%s: the program gets %d bytes, %v", test.name, len(body), err)
			}
			if got := p.vars["CONTENT_LENGTH"]; got != test.length {
				t.Errorf("%s: the program gets the CONTENT_LENGTH %q, want %q", test.name, got,
					test.length)
			}
			return p.print("A: b\n\nok")
		}).app(t, test.options, test.whole)
		env := gatewaytest.NewEnviron("POST", "/", test.body)
		if r := gatewaytest.Record(app, env); r.Body() != "ok" || r.Err != nil || !r.Whole ||
			r.Errors != "" {
			t.Errorf("%s: %s %q, %v", test.name, r.Status, r.Body(), r.Err)
		}
	}
	if left, _ := os.ReadDir(os.TempDir()); slices.ContainsFunc(left, func(e os.DirEntry) bool {
		return strings.HasPrefix(e.Name(), "gateway-body-") && isOurs(e)
	}) {
		t.Error("a file is left")
	}
}

// isOurs reports whether a file is so new that this test may have made it.
func isOurs(e os.DirEntry) bool {
	info, err := e.Info()
	return err == nil && time.Since(info.ModTime()) < time.Minute
}

func TestABodyThatNoProgramGets(t *testing.T) {
	large := strings.Repeat("0123456789", 20_000)
	notCalled := program(func(p *process) error {
		t.Error("the program was called")
		return nil
	})
	for _, test := range []struct {
		name    string
		options Options
		body    io.Reader
		length  string
		status  string
		says    string
	}{
		{"a larger length", Options{MaxBodyBytes: 4}, strings.NewReader("hello"), "5",
			"413 Content Too Large", "too large"},
		{"a larger length, streamed", Options{MaxBodyBytes: 4, Stream: true},
			strings.NewReader("hello"), "5", "413 Content Too Large", "too large"},
		{"a larger body", Options{MaxBodyBytes: 4}, undeclared("hello"), "",
			"413 Content Too Large", "too large"},
		{"a larger body, in a file", Options{MaxBodyBytes: 100_000}, undeclared(large), "",
			"413 Content Too Large", "too large"},
		{"a length that is none", Options{}, strings.NewReader("hello"), "five", "400 Bad Request",
			"Content-Length"},
	} {
		env := gatewaytest.NewEnviron("POST", "/", test.body)
		env.Vars["CONTENT_LENGTH"] = test.length
		r := gatewaytest.Record(notCalled.app(t, test.options, true), env)
		if r.Status != test.status || !strings.Contains(r.Errors, test.says) {
			t.Errorf("%s: %s, %q; want %s", test.name, r.Status, r.Errors, test.status)
		}
	}
	t.Run("a disk that is full", func(t *testing.T) {
		t.Setenv("TMPDIR", t.TempDir()+"/none")
		r := gatewaytest.Record(notCalled.app(t, Options{}, true),
			gatewaytest.NewEnviron("POST", "/", undeclared(large)))
		if r.Code() != 507 || !strings.Contains(r.Errors, "cannot be kept") {
			t.Errorf("%s, %q", r.Status, r.Errors)
		}
	})
	t.Run("a body that is cut short", func(t *testing.T) {
		for _, length := range []int{5, 100, 100_000} {
			body := io.MultiReader(strings.NewReader(large[:length]),
				iotest.ErrReader(io.ErrUnexpectedEOF))
			r := gatewaytest.Record(notCalled.app(t, Options{}, true),
				gatewaytest.NewEnviron("POST", "/", body))
			if !errors.Is(r.Err, io.ErrUnexpectedEOF) {
				t.Errorf("%v", r.Err)
			}
		}
	})
}

// A streamed body that ends early must not look whole to the program.
func TestABodyThatStopsEndsTheProgram(t *testing.T) {
	for _, test := range []struct {
		end  error
		code int
	}{
		{io.ErrUnexpectedEOF, 500}, // which no client sees
		{errors.New("the disk fails"), 500},
	} {
		app := program(func(p *process) error {
			_, err := io.ReadAll(p.stdin)
			if err == nil {
				t.Error("the body looks whole")
			}
			<-p.aborted
			return err
		}).app(t, Options{Stream: true}, true)
		body := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(test.end))
		r := gatewaytest.Record(app, gatewaytest.NewEnviron("POST", "/", body))
		if !errors.Is(r.Err, test.end) || r.Code() != test.code {
			t.Errorf("%v: %s, %v", test.end, r.Status, r.Err)
		}
	}
}

// A streamed body that is larger than allowed is a 413 as well, if nothing was answered.
func TestAStreamedBodyThatIsTooLarge(t *testing.T) {
	app := program(func(p *process) error {
		_, err := io.ReadAll(p.stdin)
		return err
	}).app(t, Options{Stream: true, MaxBodyBytes: 4}, true)
	r := gatewaytest.Record(app, gatewaytest.NewEnviron("POST", "/", undeclared("hello")))
	if r.Code() != 413 {
		t.Errorf("%s, %v", r.Status, r.Err)
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name    string
		program program
		code    int
		says    string
	}{
		{"cannot be reached", nil, 502, "there is none"},
		{"no answer", func(p *process) error { return nil }, 502, "there is none"},
		{"ends in its head", func(p *process) error { return p.print("A: b\n") }, 502,
			"in its head"},
		{"fails before its head", func(p *process) error { return errors.New("signal: killed") },
			502, "signal: killed"},
		{"fails before its body",
			func(p *process) error { p.print("A: b\n\n"); return errors.New("exit status 1") }, 502,
			"exit status 1"},
		{"fails in its head",
			func(p *process) error { p.print("A: b\n"); return errors.New("exit status 1") }, 502,
			"exit status 1"},
		{"a page without a head", func(p *process) error { return p.print("<html>\n") }, 502,
			`"<html>"`},
		{"a header of others", func(p *process) error { return p.print("A\x00: b\n\n") }, 502,
			"is no header"},
	} {
		r := gatewaytest.Record(test.program.app(t, Options{}, true),
			gatewaytest.NewEnviron("GET", "/secret", nil))
		if r.Code() != test.code || r.Err != nil || r.Body() != r.Status+"\n" || !r.Whole {
			t.Errorf("%s: %s %q, %v", test.name, r.Status, r.Body(), r.Err)
		}
		if !strings.HasPrefix(r.Errors, "program x: ") || !strings.Contains(r.Errors, test.says) ||
			strings.Count(r.Errors, "\n") != 1 {
			t.Errorf("%s: the log has %q, want %q", test.name, r.Errors, test.says)
		}
	}
}

func TestAnswersThatAreCutShortAreBroken(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		end          error
		is           error
	}{
		{"fails in its body", "A: b\n\nhel", errors.New("exit status 1"), ErrCutShort},
		{"less than declared", "Content-Length: 6\n\nhello", nil, gateway.ErrContentLength},
		{"more than declared", "Content-Length: 4\n\nhello", nil, gateway.ErrContentLength},
	} {
		app := program(func(p *process) error { p.print(test.answer); return test.end }).app(t,
			Options{}, true)
		r := gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/", nil))
		whole := test.name == "more than declared" // what was declared is there
		if !errors.Is(r.Err, test.is) || r.Whole != whole || r.Code() != 200 {
			t.Errorf("%s: %s, whole: %v, %v", test.name, r.Status, r.Whole, r.Err)
		}
	}
}

// All that is wrong with the end comes after the last declared byte: the response is whole.
func TestAFailureAfterTheDeclaredBytes(t *testing.T) {
	app := program(func(p *process) error {
		p.print("Content-Length: 5\n\nhello")
		return errors.New("exit status 1")
	}).app(t, Options{}, true)
	r := gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/", nil))
	if !r.Whole || r.Body() != "hello" {
		t.Errorf("whole: %v, %q", r.Whole, r.Body())
	}
}

func TestTimeouts(t *testing.T) {
	sleep := func(before, after string) program {
		return func(p *process) error {
			p.print(before)
			select {
			case <-time.After(time.Hour):
			case <-p.aborted:
				return errAborted
			}
			return p.print(after)
		}
	}
	drip := func(p *process) error {
		p.print("A: b\n\n")
		for p.print(".") == nil {
			time.Sleep(time.Second)
		}
		return errAborted
	}
	for _, test := range []struct {
		name    string
		program program
		options Options
		after   time.Duration // 0 is never
		code    int
	}{
		{"no head", sleep("", "A: b\n\n"), Options{}, 60 * time.Second, 504},
		{"half a head", sleep("A: b\n", "\n"), Options{}, 60 * time.Second, 504},
		{"no body", sleep("A: b\n\n", "hello"), Options{}, 60*time.Second + headWait, 200},
		{"half a body", sleep("A: b\n\nhel", "lo"), Options{}, 60*time.Second + endWait, 200},
		{"no head for a time", sleep("", "A: b\n\n"), Options{HeadTimeout: 5 * time.Second},
			5 * time.Second, 504},
		{"no body for a time", sleep("A: b\n\n", "hello"), Options{ReadTimeout: 7 * time.Second},
			7*time.Second + headWait, 200},
		{"no limit for the head", sleep("", "A: b\n\n"), Options{HeadTimeout: -1}, 0, 200},
		{"no limit for the body", sleep("A: b\n\n", "hello"), Options{ReadTimeout: -1}, 0, 200},
		{"in all, before the head", sleep("", "A: b\n\n"), Options{Timeout: 3 * time.Second},
			3 * time.Second, 504},
		{"in all", drip, Options{Timeout: 3500 * time.Millisecond}, 3500 * time.Millisecond, 200},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			r := gatewaytest.Record(test.program.app(t, test.options, true),
				gatewaytest.NewEnviron("GET", "/", nil))
			took := time.Since(begin)
			if test.after == 0 {
				if took != time.Hour || !r.Whole || r.Code() != test.code {
					t.Errorf("%s: %s after %v, whole: %v, %v", test.name, r.Status, took, r.Whole,
						r.Err)
				}
				return
			}
			if took != test.after || r.Code() != test.code || r.Whole != (test.code == 504) ||
				!strings.Contains(r.Errors, ErrTimeout.Error()) {
				t.Errorf("%s: %s after %v, whole: %v, %v %q", test.name, r.Status, took, r.Whole,
					r.Err, r.Errors)
			}
		})
	}
}

// A program that sends its head, and then waits for its first event, reaches the client: an
// EventSource opens. A program that fails at once still gets a page.
func TestAHeadWaitsAMomentForTheFirstBlock(t *testing.T) {
	prints := func(pause time.Duration, text string, err error) program {
		return func(p *process) error {
			p.print("A: b\n\n")
			select {
			case <-time.After(pause):
			case <-p.aborted:
				return errAborted
			}
			p.print(text)
			return err
		}
	}
	for _, c := range []struct {
		name    string
		method  string
		program program
		status  string
		after   time.Duration // when the client gets the head
		body    string
		whole   bool
	}{
		{"a block at once", "GET", prints(headWait/2, "hello", nil), "200 OK", headWait / 2, "hello",
			true},
		{"a block later", "GET", prints(time.Second, "hello", nil), "200 OK", headWait, "hello", true},
		{"no block at once", "GET", prints(headWait/2, "", nil), "200 OK", headWait / 2, "", true},
		{"no block later", "GET", prints(time.Second, "", nil), "200 OK", headWait, "", true},
		{"a failure at once", "GET", prints(headWait/2, "", errors.New("exit status 1")),
			"502 Bad Gateway", headWait / 2, "502 Bad Gateway\n", true},
		{"a failure later", "GET", prints(time.Second, "", errors.New("exit status 1")), "200 OK",
			headWait, "", false},
		{"HEAD", "HEAD", prints(time.Second, "hello", nil), "200 OK", 0, "", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var got gateway.Outcome
			app := c.program.app(t, Options{}, true)
			r := gatewaytest.Record(gateway.ApplicationFunc(func(env *gateway.Environ,
				start gateway.StartResponse) (gateway.Body, error) {
				env.OnEnd(func(o gateway.Outcome) { got = o })
				return app.Call(env, start)
			}), gatewaytest.NewEnviron(c.method, "/", nil))
			if after := got.HeadAt.Sub(began); c.method == "GET" && after != c.after {
				t.Errorf("%s: the head came after %v", c.name, after)
			}
			if r.Status != c.status || r.Body() != c.body || r.Whole != c.whole {
				t.Errorf("%s: %s, %q, whole: %v, %v", c.name, r.Status, r.Body(), r.Whole, r.Err)
			}
		})
	}
}

// The first block waits a moment for the end of the answer, and no longer.
func TestABlockWaitsAMomentForTheEnd(t *testing.T) {
	for _, c := range []struct {
		name   string
		pause  time.Duration // between the blocks, and before the end
		err    error
		length string
		after  time.Duration // when the client gets the first block
	}{
		{"an end at once", endWait / 4, nil, "10", endWait / 2},
		{"an end in time behind the second block", endWait * 3 / 4, nil, "", endWait},
		{"an end later", time.Second, nil, "", endWait},
		{"a failure at once", endWait / 4, errors.New("exit status 1"), "", endWait / 2},
		{"the declared bytes, and an end later", 0, nil, "5", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			app := program(func(p *process) error {
				if c.pause == 0 {
					p.print("Content-Length: 5\n\nhello")
					time.Sleep(time.Second)
					return nil
				}
				p.print("A: b\n\nhello")
				time.Sleep(c.pause)
				p.print("hello")
				time.Sleep(c.pause)
				return c.err
			}).app(t, Options{}, true)
			began := time.Now()
			var got gateway.Outcome
			r := gatewaytest.Record(gateway.ApplicationFunc(func(env *gateway.Environ,
				start gateway.StartResponse) (gateway.Body, error) {
				env.OnEnd(func(o gateway.Outcome) { got = o })
				return app.Call(env, start)
			}), gatewaytest.NewEnviron("GET", "/", nil))
			if after := got.HeadAt.Sub(began); after != c.after {
				t.Errorf("%s: the client got the first block after %v, want %v", c.name, after, c.after)
			}
			if length := r.Headers.Get("Content-Length"); length != c.length ||
				!strings.HasPrefix("hellohello", r.Body()) || r.Whole != (c.err == nil) {
				t.Errorf("%s: Content-Length %q, %q, whole: %v", c.name, length, r.Body(), r.Whole)
			}
		})
	}
}

// git sends its head before it has read what is pushed. nginx in front would send no more of that.
func TestAHeadWaitsForTheRequestsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := io.Pipe()
		env := gatewaytest.NewEnviron("POST", "/", in)
		env.Vars["CONTENT_LENGTH"] = "10"
		began := time.Now()
		var got gateway.Outcome
		app := program(func(p *process) error {
			p.print("A: b\n\n")
			body, err := io.ReadAll(p.stdin)
			time.Sleep(time.Second)
			p.print(string(body))
			return err
		}).app(t, Options{Stream: true}, true)
		go func() {
			io.WriteString(out, "hello")
			time.Sleep(time.Minute / 2)
			io.WriteString(out, "hello")
			out.Close()
		}()
		r := gatewaytest.Record(gateway.ApplicationFunc(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			env.OnEnd(func(o gateway.Outcome) { got = o })
			return app.Call(env, start)
		}), env)
		after := got.HeadAt.Sub(began)
		if after < time.Minute/2 || r.Body() != "hellohello" || !r.Whole {
			t.Errorf("the head came after %v; %q, whole: %v, %v", after, r.Body(), r.Whole, r.Err)
		}
	})
}

// A client that leaves while the first block is waited for ends the program.
func TestAClientThatLeavesBeforeTheFirstBlock(t *testing.T) {
	for _, pause := range []time.Duration{headWait / 2, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithCancelCause(t.Context())
			aborted := make(chan time.Time, 1)
			app := program(func(p *process) error {
				p.print("A: b\n\n")
				<-p.aborted
				aborted <- time.Now()
				return errAborted
			}).app(t, Options{}, true)
			began := time.Now()
			time.AfterFunc(pause, func() { leave(gateway.ErrDisconnected) })
			r := gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/", nil).WithContext(ctx))
			if at := <-aborted; at.Sub(began) != pause {
				t.Errorf("the program ends after %v", at.Sub(began))
			}
			if r.Whole && r.Code() == 200 {
				t.Errorf("%s, whole: %v, %v", r.Status, r.Whole, r.Err)
			}
		})
	}
}

// The answer has no block yet when middleware fails and the body is closed.
func TestABodyThatNobodyRangesEndsTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := program(func(p *process) error {
			p.print("A: b\n\n")
			<-p.aborted
			return errAborted
		}).app(t, Options{}, true)
		began := time.Now()
		failure := errors.New("of the middleware")
		r := gatewaytest.Record(gateway.ApplicationFunc(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			body, _ := app.Call(env, start)
			return body, failure
		}), gatewaytest.NewEnviron("GET", "/", nil))
		if took := time.Since(began); took != headWait+drainTime || !errors.Is(r.Err, failure) || r.Whole {
			t.Errorf("%v after %v, whole: %v", r.Err, took, r.Whole)
		}
	})
}

// A program may have begun its answer when the body turns out to be a bad one. The client has
// nothing of it yet.
func TestABadBodyBehindTheHeadOfTheAnswer(t *testing.T) {
	for _, test := range []struct {
		input io.Reader
		code  int
	}{
		{strings.NewReader("too large a body"), 413},
		{iotest.ErrReader(fmt.Errorf("%w: a chunk", request.ErrMalformed)), 400},
	} {
		synctest.Test(t, func(t *testing.T) {
			app := program(func(p *process) error {
				p.print("A: b\n\n")
				_, err := io.ReadAll(p.stdin)
				return err
			}).app(t, Options{Stream: true, MaxBodyBytes: 5}, true)
			env := gatewaytest.NewEnviron("POST", "/", readerFunc(func(p []byte) (int, error) {
				time.Sleep(headWait / 10)
				return test.input.Read(p)
			}))
			delete(env.Vars, "CONTENT_LENGTH")
			env.Vars["HTTP_TRANSFER_ENCODING"] = "chunked"
			if r := gatewaytest.Record(app, env); r.Code() != test.code || !r.Whole {
				t.Errorf("%s, whole: %v, %v", r.Status, r.Whole, r.Err)
			}
		})
	}
}

// The clocks are the program's: they stand still while the client is waited for, and begin anew
// when the program has taken something.
func TestASlowClientIsNoSlowProgram(t *testing.T) {
	slow := func(p []byte) (int, error) {
		time.Sleep(70 * time.Second)
		return copy(p, "x"), nil
	}
	for _, stream := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			app := program(func(p *process) error {
				io.ReadAll(p.stdin)
				p.print("A: b\n\n")
				for range 10 {
					p.print("hello")
					time.Sleep(time.Second)
				}
				return nil
			}).app(t, Options{Stream: stream}, true)
			env := gatewaytest.NewEnviron("POST", "/", io.LimitReader(readerFunc(slow), 10))
			slowly := gateway.ApplicationFunc(func(env *gateway.Environ,
				start gateway.StartResponse) (gateway.Body, error) {
				body, err := app.Call(env, start)
				return gateway.Map(body,
					func(b []byte) []byte { time.Sleep(100 * time.Second); return b }), err
			})
			if r := gatewaytest.Record(slowly, env); r.Body() != strings.Repeat("hello", 10) ||
				r.Err != nil {
				t.Errorf("stream %v: %s %q, %v", stream, r.Status, r.Body(), r.Err)
			}
		})
	}
}

// A program that takes nothing of the body is slow although a body is there.
// A slowHead is the Transport of a client that takes its time for the head.
type slowHead struct{ sink }

func (s *slowHead) WriteHead(string, gateway.Headers) error {
	time.Sleep(70 * time.Second)
	return nil
}

func TestAClientThatIsSlowToTakeTheHeadIsNoSlowProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := program(func(p *process) error {
			p.print("A: b\n\n")
			time.Sleep(time.Second)
			return p.print("hello")
		}).app(t, Options{}, true)
		var s slowHead
		if err := gateway.Respond(app, gatewaytest.NewEnviron("GET", "/", nil), &s); err != nil || s.n != 5 {
			t.Errorf("%d bytes, %v", s.n, err)
		}
	})
}

func TestAProgramThatTakesNoBodyIsSlow(t *testing.T) {
	for _, head := range []string{"", "A: b\n\n"} {
		synctest.Test(t, func(t *testing.T) {
			app := program(func(p *process) error {
				p.print(head)
				<-p.aborted
				return errAborted
			}).app(t, Options{Stream: true}, true)
			began := time.Now()
			r := gatewaytest.Record(app, gatewaytest.NewEnviron("POST", "/", undeclared("hello")))
			if took := time.Since(began); r.Code() != 504 || took > time.Minute+headWait {
				t.Errorf("%s, %v after %v", r.Status, r.Err, took)
			}
		})
	}
}

func TestAClientThatLeavesEndsTheProgram(t *testing.T) {
	for _, at := range []string{"", "A: b\n", "A: b\n\n", "A: b\n\nhello"} {
		synctest.Test(t, func(t *testing.T) {
			gone := errors.New("gone")
			ctx, leave := context.WithCancelCause(context.Background())
			app := program(func(p *process) error {
				p.print(at)
				synctest.Wait()
				leave(gone)
				<-p.aborted
				return errAborted
			}).app(t, Options{}, true)
			env := gatewaytest.NewEnviron("GET", "/", nil).WithContext(ctx)
			began := time.Now()
			r := gatewaytest.Record(app, env)
			if took := time.Since(began); took > endWait || !errors.Is(r.Err, gone) || r.Whole && r.Code() == 200 {
				t.Errorf("%q: %s after %v, whole: %v, %v", at, r.Status, took, r.Whole, r.Err)
			}
		})
	}
}

// A program that drips is not read for longer than any other, when nobody wants its answer.
func TestAnUnwantedAnswerIsReadForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := program(func(p *process) error {
			p.print("A: b\n\n")
			for p.print(".") == nil {
				time.Sleep(drainTime * 9 / 10)
			}
			return errAborted
		}).app(t, Options{}, true)
		began := time.Now()
		r := gatewaytest.Record(app, gatewaytest.NewEnviron("HEAD", "/", nil))
		if took := time.Since(began); took != drainTime || r.Code() != 200 || !r.Whole {
			t.Errorf("%s after %v, whole: %v", r.Status, took, r.Whole)
		}
	})
}

// What a program answers to HEAD is read, so that it may come to its own end; but not for ever.
func TestTheBodyOfAnAnswerToHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			blocks  int
			pause   time.Duration
			aborted bool
		}{{0, 0, false}, {1, 0, false}, {10, 0, false}, {1000, 0, true}, {2, time.Hour, true}} {
			ended := make(chan error, 1)
			app := program(func(p *process) error {
				p.print("A: b\n\n")
				var err error
				for range test.blocks {
					err = p.print(strings.Repeat("x", 1000))
					time.Sleep(test.pause)
				}
				ended <- err
				return nil
			}).app(t, Options{}, true)
			r := gatewaytest.Record(app, gatewaytest.NewEnviron("HEAD", "/", nil))
			err := <-ended
			if !r.Whole || r.Err != nil || r.Body() != "" || (err != nil) != test.aborted {
				t.Errorf("%+v: %s, whole: %v, %v; the program sees %v", test, r.Status, r.Whole,
					r.Err, err)
			}
		}
	})
}

func TestInterimAnswers(t *testing.T) {
	var hints []string
	answer := "Status: 103 Early Hints\nLink: </a>\nContent-Length: 3\n\nStatus: 100 Continue\n\n" +
		"HTTP/1.1 103 Early\r\nLink: </b>\r\n\r\nA: b\n\nok"
	p := program(func(p *process) error { return p.print(answer) })
	withHints := Options{EarlyHints: func(env *gateway.Environ, headers gateway.Headers) error {
		hints = append(hints, fmt.Sprint(headers))
		if len(hints) == 2 {
			return errors.New("no more")
		}
		return nil
	}}
	for _, o := range []Options{{}, withHints} {
		r := gatewaytest.Record(p.app(t, o, true), gatewaytest.NewEnviron("GET", "/", nil))
		if r.Status != "200 OK" || r.Body() != "ok" || r.Err != nil {
			t.Errorf("%s %q, %v", r.Status, r.Body(), r.Err)
		}
		if want := o.EarlyHints != nil; strings.Contains(r.Errors,
			"program x: early hints: no more\n") != want {
			t.Errorf("the log has %q", r.Errors)
		}
	}
	if got := strings.Join(hints, " "); got != "[[Link </a>]] [[Link </b>]]" {
		t.Errorf("the hints are %s", got)
	}
}

func TestLocalRedirects(t *testing.T) {
	// The program sends a client to the query, and otherwise answers.
	p := program(func(p *process) error {
		if to := p.vars["QUERY_STRING"]; strings.HasPrefix(to, "to=") {
			return p.print("Location: " + to[len("to="):] + "\n\n")
		}
		return echo(p)
	})
	local := gateway.ApplicationFunc(func(env *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		v := env.Vars
		body, err := io.ReadAll(env.Input)
		if _, err := start("200 OK", nil, nil); err != nil {
			return nil, err
		}
		return gateway.Text(fmt.Sprintf("%s %q %q %q %q %q %q %v", v["REQUEST_METHOD"],
			v["SCRIPT_NAME"], v["PATH_INFO"],
			v["QUERY_STRING"], v["REQUEST_URI"], v["CONTENT_LENGTH"]+v["CONTENT_TYPE"], body, err)), nil
	})
	for _, test := range []struct{ to, status, location, body string }{
		{"/a%20b/c?d=%20e#f", "200 OK", "",
			`GET "" "/a b/c" "d=%20e" "/a%20b/c?d=%20e" "" "" <nil>`},
		{"/", "200 OK", "", `GET "" "/" "" "/" "" "" <nil>`},
		{"//a.example/b", "302 Found", "//a.example/b", ""},
		{"http://a.example/b", "302 Found", "http://a.example/b", ""},
		{"/%zz", "502 Bad Gateway", "", "502 Bad Gateway\n"},
	} {
		env := gatewaytest.NewEnviron("POST", "/x", strings.NewReader("hello"))
		env.Vars["QUERY_STRING"], env.Vars["CONTENT_TYPE"] = "to="+test.to, "text/plain"
		r := gatewaytest.Record(p.app(t, Options{Local: local}, true), env)
		if r.Status != test.status || r.Headers.Get("Location") != test.location ||
			r.Body() != test.body {
			t.Errorf("%s: %s %q %s", test.to, r.Status, r.Headers, r.Body())
		}
	}
	t.Run("of a body that was not read", func(t *testing.T) {
		body := strings.NewReader(strings.Repeat("x", 1<<20))
		env := gatewaytest.NewEnviron("POST", "/x?to=/y", body)
		r := gatewaytest.Record(p.app(t, Options{Stream: true, Local: local}, true), env)
		if r.Body() != `GET "" "/y" "" "/y" "" "" <nil>` {
			t.Errorf("%.200s", r.Body())
		}
	})
	t.Run("without a Local", func(t *testing.T) {
		r := gatewaytest.Record(p.app(t, Options{}, true),
			gatewaytest.NewEnviron("GET", "/x?to=/y", nil))
		if r.Status != "302 Found" || r.Headers.Get("Location") != "/y" {
			t.Errorf("%s %q", r.Status, r.Headers)
		}
	})
	t.Run("in a circle", func(t *testing.T) {
		calls := 0
		circle := program(func(p *process) error { calls++; return p.print("Location: /x\n\n") })
		var app gateway.Application
		again := gateway.ApplicationFunc(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			return app.Call(env, start)
		})
		app = circle.app(t, Options{Local: again}, true)
		r := gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/x", nil))
		if r.Code() != 502 || calls != 11 || !strings.Contains(r.Errors, "10 local redirects") {
			t.Errorf("%s after %d calls, %q", r.Status, calls, r.Errors)
		}
	})
	t.Run("HEAD stays HEAD", func(t *testing.T) {
		r := gatewaytest.Record(p.app(t, Options{Local: local}, true),
			gatewaytest.NewEnviron("HEAD", "/x?to=/y", nil))
		if r.Status != "200 OK" || r.Body() != "" || r.Err != nil {
			t.Errorf("%s %q, %v", r.Status, r.Body(), r.Err)
		}
	})
}
