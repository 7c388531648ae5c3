package cgi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

// These tests are about the real process: its environment, its stdin and stdout, and its exit.

func TestExitStatusSaysWhetherTheResponseIsWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		app    string
		env    []string
		stdout string
		stderr string // its first line
		code   int
	}{
		{"hello", get, helloResponse, "", 0},
		{"failing", get, errorPage, "gateway: GET /app/x: the application's own error", 0},
		{"panicking", get, errorPage, "gateway: GET /app/x: panic: the application's own error", 0},
		// otherwise nobody would end the process
		{"exiting", get, errorPage, "gateway: GET /app/x: the application ended its goroutine", 1},
		{"exiting late", get, "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf",
			"gateway: GET /app/x: the application ended its goroutine", 1},
		{"exiting last", get, helloResponse, "gateway: GET /app/x: the application ended its goroutine", 1},
		{"falling", get, "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf",
			"gateway: GET /app/x: the application's own error", 1},
		{"short", get, "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nfive!",
			"gateway: GET /app/x: wrong Content-Length: 6 declared, 5 sent", 1}, // R87
		{"long", get, "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nfive",
			// the client has all that it was promised
			"gateway: GET /app/x: wrong Content-Length: 4 declared, more written", 0},
		{"hello", with(get, "REQUEST_METHOD"), badRequest, "gateway: /app/x: malformed request: no REQUEST_METHOD", 0},
		{"echo", nil,
			"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n\r\nGET http://localhost/ 0 EOF\n", "", 0},
	} {
		r := run(t, command(t, c.app, c.env...))
		line, _, _ := strings.Cut(r.stderr, "\n")
		if r.stdout != c.stdout || line != c.stderr || r.code != c.code {
			t.Errorf("%s: stdout is %q, stderr %q, exit status %d;\nwant %q, %q, %d", c.app, r.stdout,
				r.stderr, r.code, c.stdout, c.stderr, c.code)
		}
	}
}

// A panic is a 500 for the client and a stack for the log. net/http/cgi sends nothing.
func TestPanicIsAnErrorPageAndAStack(t *testing.T) {
	t.Parallel()
	r := run(t, command(t, "panicking", get...))
	if r.stdout != errorPage {
		t.Errorf("stdout is %q", r.stdout)
	}
	if !strings.Contains(r.stderr, "cgi_test.panicking") || !strings.Contains(r.stderr, "main_test.go:") {
		t.Errorf("stderr has no stack: %q", r.stderr)
	}
}

// A host may put the query into argv (C39), and a query is the client's.
func TestArgumentsAreIgnored(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-help"}, {"--"}, {"-test.run=^$", "-test.v"}, {"a", "b c"},
		{"--version", "x=y"}, {""}} {
		cmd := command(t, "hello", get...)
		cmd.Args = append(cmd.Args, args...)
		if r := run(t, cmd); r != (result{helloResponse, "", 0}) {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

// The environment passes through the operating system: bytes, and as much as a variable may have
// (Linux: 128 KiB with its name and the NUL).
func TestEnvironmentIsBytes(t *testing.T) {
	t.Parallel()
	query := strings.Repeat("q", 128<<10-len("QUERY_STRING=")-1)
	r := run(t, command(t, "echo", with(get, "PATH_INFO=/\x01\xff\xc3(%/\r\n", "QUERY_STRING="+query)...))
	_, body, _ := strings.Cut(r.stdout, "\r\n\r\n")
	if want := "GET http://example.com:8080/app/%01%FF%C3%28%25/%0D%0A?" + query + " 0 EOF\n"; body != want {
		t.Errorf("the request is %.120q, want %.120q", body, want)
	}
}

// Python's CGI server and uWSGI keep stdin open after the body: a program that reads to EOF waits
// for ever (C32).
func TestStdinMayStayOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		app  string
		env  []string
		sent string
		want string // of echo; "" for a hello
		left string // the bytes in the pipe when the process has ended
	}{
		{"a body", "echo", post(5), "12345next", "POST http://example.com:8080/app/x?a=b 5 EOF\n12345", "next"},
		{"a body that nobody reads", "ignore", post(5), "12345next", "", "next"},
		{"length 0", "echo", post(0), "next", "POST http://example.com:8080/app/x?a=b 0 EOF\n", "next"},
		{"GET", "echo", get, "next", "GET http://example.com:8080/app/x?a=b 0 EOF\n", "next"},
		{"GET with an empty length", "echo", with(get, "CONTENT_LENGTH="), "next",
			"GET http://example.com:8080/app/x?a=b 0 EOF\n", "next"},
		{"a refused length", "refused", post(-1), "12345", badRequest, "12345"},
		{"no CGI at all", "echo", nil, "typed", "GET http://localhost/ 0 EOF\n", "typed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in, out := pipe(t)
			if _, err := out.WriteString(c.sent); err != nil {
				t.Fatal(err)
			}
			app, want := c.app, helloResponse
			if app == "refused" {
				app, want = "hello", c.want
			} else if c.want != "" {
				want = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
					strconv.Itoa(len(c.want)) + "\r\n\r\n" + c.want
			}
			cmd := command(t, app, c.env...)
			cmd.Stdin = in
			if r := run(t, cmd); r.stdout != want || r.code != 0 {
				t.Errorf("%+v, want %q", r, want)
			}
			_ = out.Close()
			if left, err := io.ReadAll(in); err != nil || string(left) != c.left {
				t.Errorf("%q was left on stdin, want %q (%v)", left, c.left, err)
			}
		})
	}
}

func TestStdinThatEndsEarly(t *testing.T) {
	t.Parallel()
	cmd := command(t, "echo", post(10)...)
	cmd.Stdin = strings.NewReader("12345")
	if r := run(t, cmd); !strings.HasSuffix(r.stdout, " 5 unexpected EOF\n12345") || r.code != 0 {
		t.Errorf("%+v", r)
	}
	cmd = command(t, "echo", with(post(0), "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING=chunked")...)
	cmd.Stdin = strings.NewReader("12345")
	if r := run(t, cmd); !strings.HasSuffix(r.stdout, " 5 EOF\n12345") || r.code != 0 { // R118
		t.Errorf("%+v", r)
	}
}

// The answer is out, and the body is not in: a host that cannot send the rest of the body drops the
// answer.
func TestUnreadBodyIsDrained(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{
		"a length":  post(16 << 20),
		"chunks":    with(post(0), "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING=chunked"),
		"a refusal": with(post(16<<20), "REQUEST_METHOD=a b"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, out := pipe(t)
			cmd := command(t, "ignore", env...)
			cmd.Stdin = in
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = in.Close() // the test must not be a reader itself
			if n, err := out.Write(make([]byte, 16<<20)); err != nil {
				t.Errorf("the host sent %d bytes: %v", n, err)
			}
			_ = out.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if got := stdout.String(); got != helloResponse && got != badRequest {
				t.Errorf("stdout is %q", got)
			}
		})
	}
}

// The process ends although the client sends for ever, or has stopped sending.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		endless bool
		limits  []string
	}{
		{"by bytes", true, []string{drainBytesVar + "=1000000", drainTimeVar + "=1h"}},
		{"by time", false, []string{drainBytesVar + "=1000000", drainTimeVar + "=20ms"}},
		{"by time, and bytes come", true, []string{drainBytesVar + "=9000000000000", drainTimeVar + "=20ms"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in, out := pipe(t)
			cmd := command(t, "ignore", append(c.limits, post(1<<50)...)...)
			cmd.Stdin = in
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = in.Close()
			sent := 0
			for block := make([]byte, 4096); c.endless; sent += len(block) {
				if _, err := out.Write(block); err != nil {
					break // the process is gone
				}
			}
			if err := cmd.Wait(); err != nil || stdout.String() != helloResponse {
				t.Errorf("stdout is %q, error %v", stdout.String(), err)
			}
			// One block of a read, and the bytes that a pipe holds, come on top.
			if c.name == "by bytes" && (sent < 1_000_000 || sent > 1_000_000+64<<10+1<<20) {
				t.Errorf("%d bytes were read of 1000000 at most", sent)
			}
		})
	}
}

// endless yields until it is told to stop.
func endless(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	body := gateway.Stream(func(yield func([]byte, error) bool) {
		block := bytes.Repeat([]byte{'x'}, 1000)
		for yield(block, nil) {
		}
		note(env, "stopped: "+causeOf(env))
	})
	return gateway.OnClose(body, func() error { note(env, "closed"); return nil }), err
}

// writing writes until the writer returns an error, and notes the error.
func writing(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	w, err := start("200 OK", plain, nil)
	for err == nil {
		_, err = w.Write([]byte("some bytes"))
	}
	note(env, "written: "+err.Error()+", "+causeOf(env))
	return gateway.OnClose(gateway.Text(""), func() error { note(env, "closed"); return nil }), nil
}

func note(env *gateway.Environ, line string) { _, _ = io.WriteString(env.Errors, line+"\n") }

// causeOf says why the Context has ended, by the names that the package has.
func causeOf(env *gateway.Environ) string {
	switch cause := context.Cause(env.Context()); {
	case cause == nil:
		return "going on"
	case errors.Is(cause, gateway.ErrDisconnected):
		return "disconnected"
	case errors.Is(cause, gateway.ErrShutdown):
		return "shutdown"
	case errors.Is(cause, gateway.ErrEnded):
		return "ended"
	default:
		return cause.Error()
	}
}

// giving sends as many bytes as the query says, in blocks of 64 KiB. taking counts the bytes of the
// body.
func giving(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	size, err := strconv.ParseInt(env.Vars["QUERY_STRING"], 10, 64)
	if err != nil {
		return nil, err
	}
	_, err = start("200 OK", plain.With("Content-Length", strconv.FormatInt(size, 10)), nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		block := make([]byte, 64<<10)
		for ; size > 0; size -= int64(len(block)) {
			block = block[:min(size, 64<<10)]
			if !yield(block, nil) {
				return
			}
		}
	}), err
}

func taking(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	n := int64(0)
	for block := make([]byte, 64<<10); ; {
		m, err := env.Input.Read(block)
		n += int64(m)
		if err == io.EOF {
			return gateway.Text(strconv.FormatInt(n, 10)), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// complaining writes to the log before it answers.
func complaining(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	for range 3 {
		note(env, "something to say")
	}
	return hello(env, start)
}

// The log is stderr, for the application (R45) and for reports of Respond.
func TestErrorsIsStderr(t *testing.T) {
	t.Parallel()
	want := result{helloResponse, strings.Repeat("something to say\n", 3), 0}
	if r := run(t, command(t, "complaining", get...)); r != want {
		t.Errorf("%+v", r)
	}
}

// The zero Program is the process; each field stands for itself.
func TestProgramTakesWhatItIsNotGivenFromTheProcess(t *testing.T) {
	var stdout bytes.Buffer
	t.Setenv("GATEWAY_INTERFACE", "CGI/1.1")
	t.Setenv("REQUEST_METHOD", "POST")
	t.Setenv("CONTENT_LENGTH", "5")
	in, out := pipe(t)
	old := os.Stdin
	os.Stdin = in
	defer func() { os.Stdin = old }()
	if _, err := out.WriteString("12345"); err != nil {
		t.Fatal(err)
	}
	p := &cgi.Program{Stdout: &stdout, Stderr: io.Discard}
	if err := p.Run(gateway.ApplicationFunc(echo)); err != nil {
		t.Error(err)
	}
	if got := stdout.String(); !strings.HasSuffix(got, "POST http://localhost 5 EOF\n12345") {
		t.Errorf("stdout is %q", got)
	}
}
