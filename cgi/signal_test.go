//go:build unix

package cgi_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/gateway"
)

func init() {
	applications["pausing"] = pausing
	applications["waiting"] = waiting
	applications["polling"] = polling
	applications["stubborn"] = stubborn
	applications["careless"] = careless
	applications["answering"] = answering
	applications["closing"] = closing
}

// pausing waits for the end of its Context between two blocks.
func pausing(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	body := gateway.Stream(func(yield func([]byte, error) bool) {
		if !yield([]byte("one"), nil) {
			return
		}
		done := env.Context().Done()
		note(env, "waiting")
		<-done
		note(env, "cancelled: "+causeOf(env))
		if yield([]byte("two"), nil) {
			note(env, "not stopped")
		}
	})
	return gateway.OnClose(body, func() error { note(env, "closed"); return nil }), err
}

// waiting waits for the end of its Context before it answers.
func waiting(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	done := env.Context().Done()
	note(env, "waiting")
	<-done
	note(env, "cancelled: "+causeOf(env))
	body, err := hello(env, start)
	return gateway.OnClose(body, func() error { note(env, "closed"); return nil }), err
}

// polling asks for Err instead of Done.
func polling(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if env.Context().Err() == nil {
		note(env, "waiting")
	}
	for env.Context().Err() == nil {
	}
	note(env, "cancelled: "+causeOf(env))
	return hello(env, start)
}

// stubborn learns of the end and goes on all the same.
func stubborn(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	done := env.Context().Done()
	note(env, "waiting")
	<-done
	note(env, "cancelled: "+causeOf(env))
	_, err := io.ReadAll(env.Input)
	note(env, "read")
	return nil, err
}

// careless never asks for its Context.
func careless(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	note(env, "waiting")
	_, err := io.ReadAll(env.Input)
	note(env, "read")
	return nil, err
}

// answering yields a block for each read of the body, and one before.
func answering(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	body := gateway.Stream(func(yield func([]byte, error) bool) {
		for answer, buf := []byte("ready"), make([]byte, 1); yield(answer, nil); {
			if _, err := env.Input.Read(buf); err != nil {
				yield(nil, err)
				return
			}
			answer = buf
		}
		note(env, "stopped: "+causeOf(env))
	})
	return gateway.OnClose(body, func() error { note(env, "closed"); return nil }), err
}

// closing answers with a body of one block, whose Close waits for a byte of the request.
func closing(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	body, err := hello(env, start)
	return gateway.OnClose(body, func() error {
		note(env, "closing")
		_, _ = env.Input.Read(make([]byte, 1))
		note(env, "closed")
		return nil
	}), err
}

// A running child is one with pipes to talk by.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr *bufio.Reader
}

// launch starts a child whose stdin stays open and empty.
func launch(t *testing.T, app string, env ...string) *running {
	t.Helper()
	in, stdin := pipe(t)
	stdout, out := pipe(t)
	stderr, log := pipe(t)
	cmd := command(t, app, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	_, _, _ = in.Close(), out.Close(), log.Close()
	return &running{t, cmd, stdin, stdout, bufio.NewReader(stderr)}
}

// expect reads one line of stderr.
func (r *running) expect(want string) {
	r.t.Helper()
	if line, err := r.stderr.ReadString('\n'); line != want+"\n" {
		r.t.Fatalf("stderr has %q (%v), want %q", line, err, want)
	}
}

func (r *running) signal() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
}

// wait returns the rest of stderr and how the process ended.
func (r *running) wait() (stderr string, status syscall.WaitStatus) {
	r.t.Helper()
	rest, err := io.ReadAll(r.stderr)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = r.cmd.Wait()
	return string(rest), r.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// exited checks that the process ended by itself.
func exited(t *testing.T, status syscall.WaitStatus, code int) {
	t.Helper()
	if status.Signaled() {
		t.Errorf("the process died of %v", status.Signal())
	} else if status.ExitStatus() != code {
		t.Errorf("the exit status is %d, want %d", status.ExitStatus(), code)
	}
}

// Hosts send SIGTERM before they kill (Apache, lighttpd). A body that takes a while stops at its
// next block, and is closed.
func TestTermEndsAStreamAtABlock(t *testing.T) {
	t.Parallel()
	p := launch(t, "endless", get...)
	if _, err := io.ReadFull(p.stdout, make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	p.signal()
	rest, err := io.ReadAll(p.stdout)
	if err != nil {
		t.Fatal(err)
	}
	if n := (len(rest) + 5000 - len("Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n")) % 1000; n != 0 {
		t.Errorf("the stream ended %d bytes into a block", n)
	}
	p.expect("stopped: shutdown")
	stderr, status := p.wait()
	if want := "gateway: GET /app/x: server is shutting down\nclosed\n"; stderr != want {
		t.Errorf("stderr is %q, want %q", stderr, want)
	}
	exited(t, status, 1)
}

// lighttpd sends it as soon as the client is gone, which may be long before the second block.
func TestTermIsCaughtFromTheFirstBlockOn(t *testing.T) {
	t.Parallel()
	p := launch(t, "answering", append(post(1<<50), drainBytesVar+"=9000000000000", drainTimeVar+"=1h")...)
	const head = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nready"
	first := make([]byte, len(head))
	if _, err := io.ReadFull(p.stdout, first); err != nil || string(first) != head {
		t.Fatalf("stdout is %q, %v", first, err)
	}
	p.signal()
	// The signal takes a while. The application goes on until it has arrived, but the process does
	// not wait for the rest of the body.
	go func() { _, _ = io.Copy(io.Discard, p.stdout) }()
	for {
		if _, err := p.stdin.Write([]byte{'x'}); err != nil {
			break
		}
	}
	p.expect("stopped: shutdown")
	stderr, status := p.wait()
	if want := "gateway: POST /app/x: server is shutting down\nclosed\n"; stderr != want {
		t.Errorf("stderr is %q, want %q", stderr, want)
	}
	exited(t, status, 1)
}

// lighttpd also sends it as soon as it has all of a declared length, and the Close may have only
// begun.
func TestTermDoesNotEndAClose(t *testing.T) {
	t.Parallel()
	p := launch(t, "closing", post(1)...)
	response := make([]byte, len(helloResponse))
	if _, err := io.ReadFull(p.stdout, response); err != nil || string(response) != helloResponse {
		t.Fatalf("stdout is %q, %v", response, err)
	}
	p.signal()
	p.expect("closing")
	if _, err := p.stdin.Write([]byte{'x'}); err != nil {
		t.Error(err)
	}
	stderr, status := p.wait()
	if stderr != "closed\n" {
		t.Errorf("stderr is %q", stderr)
	}
	exited(t, status, 0)
}

func TestTermWakesAnApplicationThatWaits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		app    string
		stdout string
		stderr string
		code   int
	}{
		{"pausing", "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\none",
			"gateway: GET /app/x: server is shutting down\nclosed\n", 1},
		// Nothing was sent before: the answer is still sent, whole.
		{"waiting", helloResponse, "closed\n", 0},
		{"polling", helloResponse, "", 0},
	} {
		t.Run(c.app, func(t *testing.T) {
			t.Parallel()
			p := launch(t, c.app, get...)
			p.expect("waiting")
			p.signal()
			p.expect("cancelled: shutdown")
			stderr, status := p.wait()
			stdout, _ := io.ReadAll(p.stdout)
			if string(stdout) != c.stdout || stderr != c.stderr {
				t.Errorf("stdout is %q, stderr %q", stdout, stderr)
			}
			exited(t, status, c.code)
		})
	}
}

// A second SIGTERM kills a program that goes on after the first. But Apache sends two at once.
func TestLaterTermKills(t *testing.T) {
	t.Parallel()
	p := launch(t, "stubborn", post(5)...)
	p.expect("waiting")
	first := time.Now()
	p.signal()
	p.expect("cancelled: shutdown")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p.cmd.Process.Signal(syscall.SIGTERM) == nil {
			time.Sleep(20 * time.Millisecond)
		}
	}()
	stderr, status := p.wait()
	if !status.Signaled() || status.Signal() != syscall.SIGTERM || stderr != "" {
		t.Errorf("stderr is %q, status %#x, want a death by SIGTERM", stderr, status)
	}
	if after := time.Since(first); after < time.Second {
		t.Errorf("it died after %v, as if the second SIGTERM was not the first one's twin", after)
	}
	<-done
}

// To catch SIGTERM costs a sixth of a program's start. A program that does not need it does not
// pay.
func TestTermIsNotCaughtWhenNobodyCares(t *testing.T) {
	t.Parallel()
	p := launch(t, "careless", post(5)...)
	p.expect("waiting")
	p.signal()
	if stderr, status := p.wait(); !status.Signaled() || status.Signal() != syscall.SIGTERM || stderr != "" {
		t.Errorf("stderr is %q, status %#x, want a death by SIGTERM", stderr, status)
	}
}

// A broken pipe on the file 1 kills other Go programs, and no Close runs (golang/go#11845).
func TestBrokenStdoutIsAnErrorOfWrite(t *testing.T) {
	t.Parallel()
	for app, want := range map[string]string{
		"endless": "stopped: disconnected\nclosed\n",
		"writing": "written: gateway: client disconnected: write /dev/stdout: broken pipe, disconnected\nclosed\n",
	} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			p := launch(t, app, get...)
			if _, err := io.ReadFull(p.stdout, make([]byte, 5000)); err != nil {
				t.Fatal(err)
			}
			_ = p.stdout.Close()
			stderr, status := p.wait()
			if stderr != want {
				t.Errorf("stderr is %q, want %q", stderr, want)
			}
			exited(t, status, 1)
		})
	}
}

// The host's log may go away, but the client is still there.
func TestBrokenStderrIsHarmless(t *testing.T) {
	t.Parallel()
	for app, want := range map[string]string{"complaining": helloResponse, "failing": errorPage,
		"panicking": errorPage} {
		r, w := pipe(t)
		_ = r.Close()
		cmd := command(t, app, get...)
		cmd.Stderr = w
		if r := run(t, cmd); r.stdout != want || r.code != 0 {
			t.Errorf("%s: %+v", app, r)
		}
	}
}

// Nothing reads stdout from the start, as when the host has died.
func TestStdoutThatIsBrokenAtStart(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	_ = r.Close()
	cmd := command(t, "hello", get...)
	cmd.Stdout = w
	if r := run(t, cmd); r.stderr != "" || r.code != 1 {
		t.Errorf("%+v", r)
	}
}

// A host that polls leaves its pipe's end non-blocking, and may have made the program's so.
func TestNonblockingStdio(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"stdout", "stdin"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			const size = 4 << 20
			app, env := "giving", with(get, "QUERY_STRING=4194304")
			if end == "stdin" {
				app, env = "taking", post(size)
			}
			in, toChild := pipe(t)
			fromChild, out := pipe(t)
			cmd := command(t, app, env...)
			cmd.Stdin, cmd.Stdout = in, out
			if end == "stdout" {
				cmd.Stdout = nonblock(t, out)
			} else {
				cmd.Stdin = nonblock(t, in)
			}
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_, _ = in.Close(), cmd.Stdin.(*os.File).Close()
			_, _ = out.Close(), cmd.Stdout.(*os.File).Close()
			go func() {
				_, _ = toChild.Write(make([]byte, size))
				_ = toChild.Close()
			}()
			got, err := io.ReadAll(fromChild)
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v, stderr %q", err, stderr.String())
			}
			_, body, _ := strings.Cut(string(got), "\r\n\r\n")
			if end == "stdout" && len(body) != size || end == "stdin" && body != "4194304" {
				t.Errorf("%d bytes, %.100q", len(body), body)
			}
		})
	}
}

// nonblock returns a duplicate that starting a process, unlike a file of os.Pipe, leaves
// non-blocking.
func nonblock(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	dup := os.NewFile(uintptr(fd), f.Name())
	t.Cleanup(func() { _ = dup.Close() })
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return dup
}
