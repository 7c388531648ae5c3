package cgi_test

import (
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

const memoryVar = "GATEWAY_TEST_MEMORY"

// With memoryVar a child process says on stderr how many kB of memory it has had at most. The
// maximum that wait(2) reports will not do: it is at least that of the test, whose memory the child
// shared until it was executed.
func init() {
	if os.Getenv(memoryVar) == "" {
		return
	}
	afterRun = func() {
		status, _ := os.ReadFile("/proc/self/status")
		_, line, _ := strings.Cut(string(status), "VmHWM:")
		line, _, _ = strings.Cut(line, "kB")
		_, _ = io.WriteString(os.Stderr, strings.TrimSpace(line))
	}
}

// A body of any size has little more than a block of it in memory: the process has at most 2 MiB
// more than one that says hello, which is as large as the test binary makes it.
func TestConstantMemory(t *testing.T) {
	size, most := int64(1)<<30, 0
	if testing.Short() || raceEnabled {
		size = 64 << 20
	}
	for range 3 {
		r := run(t, command(t, "hello", append(get, memoryVar+"=1")...))
		kB, err := strconv.Atoi(r.stderr)
		if err != nil {
			t.Fatalf("%+v", r)
		}
		most = max(most, kB+2<<10)
	}
	text := strconv.FormatInt(size, 10)
	for _, c := range []struct {
		name, app string
		env       []string
		send, get int64
	}{
		{"response", "giving", with(get, "QUERY_STRING="+text), 0, size},
		{"upload", "taking", post(size), size, int64(len(text))},
		{"upload in chunks", "taking", with(post(0), "CONTENT_LENGTH",
			"HTTP_TRANSFER_ENCODING=chunked"), size, int64(len(text))},
		{"unread upload", "ignore", post(64 << 20), 64 << 20, 14},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, toChild := pipe(t)
			fromChild, out := pipe(t)
			cmd := command(t, c.app, append(c.env, memoryVar+"=1")...)
			var stderr strings.Builder
			cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_, _ = in.Close(), out.Close()
			sent := make(chan error, 1)
			go func() {
				var err error
				block := make([]byte, 64<<10)
				for left := c.send; left > 0 && err == nil; left -= int64(len(block)) {
					_, err = toChild.Write(block)
				}
				_ = toChild.Close()
				sent <- err
			}()
			got := int64(0)
			var head []byte
			for block := make([]byte, 256<<10); ; {
				n, err := fromChild.Read(block)
				if head == nil {
					head = append(head, block[:n]...)
				}
				if got += int64(n); err != nil {
					break
				}
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v, stderr %q", err, stderr.String())
			}
			_, rest, _ := strings.Cut(string(head), "\r\n\r\n")
			if body := got - int64(len(head)-len(rest)); body != c.get {
				t.Errorf("%d bytes arrived, want %d", body, c.get)
			}
			if c.app == "taking" && rest != text {
				t.Errorf("the application counted %q bytes, want %s", rest, text)
			}
			kB, err := strconv.Atoi(stderr.String())
			if err != nil || kB > most {
				t.Errorf("the process had %q kB, want at most %d", stderr.String(), most)
			}
			t.Logf("%d bytes with %d kB", size, kB)
		})
	}
}
