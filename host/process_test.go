package host

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// soon is a time that nobody waits for in vain, and that a test may wait for.
const soon = 50 * time.Millisecond

func TestBadPrograms(t *testing.T) {
	for _, test := range []struct {
		name   string
		steps  []string
		change func(c *CGI)
		body   string // of the request

		status int
		want   string // the response's body
		err    error  // of the response, which is then cut off
		log    string
	}{
		{name: "a good one", steps: []string{okHead + "hello"}, status: 200, want: "hello"},
		{name: "no answer", status: 502, log: "there is none"},
		{name: "no head", steps: []string{"out=hello\n"}, status: 502, log: `"hello"`},
		{name: "half a head", steps: []string{"out=Content-Type: text/plain\n"}, status: 502,
			log: "cut short in its head"},
		{name: "a head without end", steps: []string{"fill=1"}, status: 502,
			log: "its head is larger than 65536 bytes"},
		{name: "fails at once", steps: []string{"err=why\n", "exit=1"}, status: 502, log: "why\n"},
		{name: "fails at once, with a number", steps: []string{"exit=3"}, status: 502,
			log: "exit status 3"},
		{name: "fails behind its head", steps: []string{okHead, "exit=1"}, status: 502,
			log: "exit status 1"},
		{name: "fails in its answer", steps: []string{okHead + "hello", "exit=1"},
			status: 200, want: "hello", err: ErrCutShort, log: "exit status 1"},
		{name: "fails at the end of a declared length",
			steps:  []string{"out=Content-Length: 5\n\nhello", "exit=1"},
			status: 200, want: "hello", log: "exit status 1"},
		{name: "is killed at once", steps: []string{"kill"}, status: 502,
			log: "the program has ended with"},
		{name: "is killed in its answer", steps: []string{okHead + "hello", "kill"},
			status: 200, want: "hello", err: ErrCutShort, log: "the program has ended with"},
		{name: "less than declared", steps: []string{"out=Content-Length: 6\n\nhello"},
			status: 200, want: "hello", err: gateway.ErrContentLength, log: "6 declared"},
		{name: "more than declared", steps: []string{"out=Content-Length: 4\n\nhello"},
			status: 200, want: "hell", log: "Content-Length"},

		{name: "sleeps before its head", steps: []string{"sleep"},
			change: func(c *CGI) { c.HeadTimeout = soon },
			status: 504, log: "too slow: nothing came for 50ms"},
		{name: "sleeps in its head", steps: []string{"out=Content-Type: text/plain\n", "sleep"},
			change: func(c *CGI) { c.HeadTimeout = soon }, status: 504, log: "too slow"},
		{name: "sleeps in its answer", steps: []string{okHead + "hello", "sleep"},
			change: func(c *CGI) { c.ReadTimeout = soon }, status: 200, want: "hello",
			err: ErrTimeout, log: "too slow"},
		{name: "has no time left", steps: []string{"sleep"},
			change: func(c *CGI) { c.Timeout = soon },
			status: 504, log: "more than 50ms in all"},
		{name: "sleeps behind its answer", steps: []string{okHead + "hello", "close=1", "sleep"},
			change: func(c *CGI) { c.Grace, c.ReadTimeout = soon, 20*time.Second },
			status: 200, want: "hello", log: "it goes on after"},
		{name: "sleeps behind an answer without a body", steps: []string{okHead, "close=1", "sleep"},
			change: func(c *CGI) { c.Grace, c.ReadTimeout = 2*headWait, 20*time.Second },
			status: 200, log: "it goes on after"},
		{name: "ignores its end behind an answer without a body",
			steps:  []string{"ignore", okHead, "close=1", "sleep"},
			change: func(c *CGI) { c.Grace, c.ReadTimeout = 2*headWait, 20*time.Second },
			status: 200, log: "it goes on after"},
		{name: "sleeps behind an answer, and reads nothing", steps: []string{okHead, "close=1", "sleep"},
			body: big, change: func(c *CGI) { c.Grace, c.ReadTimeout = 2*headWait, 20*time.Second },
			status: 200, log: "it goes on after"},
		{name: "fails behind its answer", steps: []string{okHead + "hello", "close=1", "exit=1"},
			status: 200, want: "hello", err: ErrCutShort, log: "exit status 1"},

		{name: "closes its input", steps: []string{"close=0", okHead + "hello"}, body: big,
			status: 200, want: "hello"},
		{name: "reads no input", steps: []string{okHead + "hello"}, body: big, status: 200,
			want: "hello"},
		{name: "answers before it reads", steps: []string{okHead, "megabytes=2", "count"},
			body: big, status: 200,
			want: strings.Repeat("0123456789abcde\n", 2<<16) + strconv.Itoa(len(big)) + " <nil>"},
		{name: "answers while it reads", steps: []string{okHead, "copy"}, body: big, status: 200,
			want: big},
		{name: "closes its standard error", steps: []string{"close=2", okHead + "hello"},
			status: 200, want: "hello"},
		{name: "logs a lot", steps: []string{"lines=100000", okHead, "lines=100000", "out=hello"},
			status: 200, want: "hello", log: "more than the log takes"},
		{name: "logs without end", steps: []string{okHead + "hello", "fill=2"},
			change: func(c *CGI) { c.ReadTimeout = 10 * soon }, status: 200, want: "hello",
			err: ErrTimeout, log: "x-fill"},
		{name: "logs without a line end", steps: []string{okHead, "err=hello"}, status: 200,
			log: "program: hello\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := steps(t, test.steps...)
			if test.change != nil {
				test.change(c)
			}
			var body io.Reader
			method := "GET"
			if test.body != "" {
				method, body = "POST", strings.NewReader(test.body)
			}
			r := gatewaytest.Record(c, gatewaytest.NewEnviron(method, "/", body))
			got := r.Body()
			if r.Code() >= 400 && got == r.Status+"\n" {
				got = ""
			}
			if r.Code() != test.status || got != test.want {
				t.Errorf("%s %.100q, want %d %.100q", r.Status, got, test.status, test.want)
			}
			if r.Whole != (test.err == nil) || test.err != nil && !errors.Is(r.Err, test.err) {
				t.Errorf("it is whole: %v, %v, want %v", r.Whole, r.Err, test.err)
			}
			log := strings.ReplaceAll(r.Errors, ".exe", "")
			if !strings.Contains(log, test.log) || len(log) > 1<<17 {
				t.Errorf("the log has %d bytes and not %q: %.500s", len(log), test.log, log)
			}
			if test.log == "" && r.Errors != "" {
				t.Errorf("the log has %s", r.Errors)
			}
			for line := range strings.Lines(r.Errors) {
				if strings.HasPrefix(line, "CGI ") && !strings.HasPrefix(line, "CGI "+c.Path+": ") {
					t.Errorf("the line names another program: %s", line)
				}
			}
		})
	}
}

// big is more than pipes hold.
var big = strings.Repeat("0123456789abcdef", 1<<16)

// A child that the program leaves behind holds nothing up, whatever it has open of the program's.
// Its output counts while there is some.
func TestAChildThatIsLeftBehindHoldsNothingUp(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there the child's output is waited for, as the documentation says")
	}
	for name, fd := range map[string]string{"input": "0", "output": "1", "standard error": "2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := steps(t, "child="+fd, "nap")
			if fd == "1" {
				c.Grace, c.ReadTimeout = soon, 20*time.Second
			}
			r := gatewaytest.Record(c, gatewaytest.NewEnviron("POST", "/", strings.NewReader(big)))
			pid, err := strconv.Atoi(r.Body())
			if err != nil || r.Err != nil || !r.Whole {
				t.Errorf("%s %q, %v", r.Status, r.Body(), r.Err)
			}
			if (fd == "1") != strings.Contains(r.Errors, "keeps its standard output open") {
				t.Errorf("the log has %s", r.Errors)
			}
			child, err := os.FindProcess(pid)
			if err == nil {
				err = child.Kill()
			}
			if err != nil {
				t.Errorf("the child has ended, which is somebody else's: %v", err)
			}
		})
	}
}

// A leaver is the Transport of a client that leaves with the first block.
type leaver struct {
	sink
	leave context.CancelCauseFunc
}

func (l *leaver) Write(p []byte) (int, error) {
	l.leave(gateway.ErrDisconnected)
	return l.sink.Write(p)
}

// A program that closes its output and goes on does not keep its page from the client.
func TestAPageDoesNotWaitForTheProgram(t *testing.T) {
	t.Parallel()
	c := steps(t, okHead+"hello", "close=1", "sleep")
	c.Grace = 20 * time.Second
	began := time.Now()
	ctx, leave := context.WithCancelCause(t.Context())
	l := &leaver{leave: leave}
	_ = gateway.Respond(c, gatewaytest.NewEnviron("GET", "/", nil).WithContext(ctx), l)
	if took := time.Since(began); l.n != 5 || took > c.Grace/2 {
		t.Errorf("%d bytes, and the end after %v", l.n, took)
	}
}

// A Read that is given a time takes that for the end of the output and that of the program together.
func TestAReadOfAProgramKeepsItsTime(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a pipe has no deadline there")
	}
	t.Parallel()
	c := steps(t, "nap", "nap", "nap", "close=1", "sleep")
	s, err := c.open(c.Path, nil, &body{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	defer s.abort()
	began := time.Now()
	n, err := s.Read(make([]byte, 9), time.Second)
	if took := time.Since(began); n > 0 || err != os.ErrDeadlineExceeded || took > 1500*time.Millisecond {
		t.Errorf("%d bytes, %v after %v", n, err, took)
	}
}

// Grace is for the program, and not for a client that reads slowly what the program has left in the
// pipe.
func TestASlowClientGetsWhatAProgramHasLeft(t *testing.T) {
	t.Parallel()
	want := big[:50_000] // a pipe holds it, and a block does not
	ended := filepath.Join(t.TempDir(), "ended")
	c := steps(t, okHead+want, "file="+ended)
	c.Grace = soon
	env := gatewaytest.NewEnviron("GET", "/", nil)
	r := gatewaytest.Record(gateway.ApplicationFunc(func(env *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		body, err := c.Call(env, start)
		return gateway.Map(body, func(block []byte) []byte {
			for _, err := os.Stat(ended); err != nil; _, err = os.Stat(ended) {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(4 * soon)
			return block
		}), err
	}), env)
	if r.Body() != want || !r.Whole || r.Errors != "" {
		t.Errorf("%s, %d bytes, want %d, %v %s", r.Status, len(r.Body()), len(want), r.Err,
			r.Errors)
	}
}

// The request of a client that leaves ends the program, at whatever stage the program is, and close
// waits for the end.
func TestAClientThatLeavesEndsTheProcess(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []string
		body  string
	}{
		{"before the head", []string{"sleep"}, ""},
		{"in the head", []string{"out=Content-Type: text/plain\n", "sleep"}, ""},
		{"in the answer", []string{okHead + "hello", "sleep"}, ""},
		{"in an answer that nobody reads", []string{okHead, "megabytes=4", "sleep"}, ""},
		{"in the body", []string{"count", "sleep"}, big},
		{"in a body that nobody reads", []string{"sleep"}, big},
		{"behind the answer", []string{okHead + "hello", "close=1", "sleep"}, ""},
		{"in the log", []string{okHead, "fill=2"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			begun := filepath.Join(t.TempDir(), "begun")
			c := steps(t, append([]string{"file=" + begun}, test.steps...)...)
			c.Grace = time.Hour
			env := gatewaytest.NewEnviron("POST", "/", strings.NewReader(test.body))
			ctx, cancel := context.WithCancelCause(env.Context())
			go func() {
				for _, err := os.Stat(begun); err != nil; _, err = os.Stat(begun) {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(soon)
				cancel(gateway.ErrDisconnected)
			}()
			r := gatewaytest.Record(c, env.WithContext(ctx))
			if r.Whole && r.Code() != 500 {
				t.Errorf("%s %.100q, %v", r.Status, r.Body(), r.Err)
			}
			if n := len(c.queue.running); n != 0 {
				t.Errorf("%d programs still run", n)
			}
		})
	}
}
