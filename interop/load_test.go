//go:build interop && linux

package interop

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"example.com/gateway/interop/internal/process"
)

// A load is wrk, which asks a site for a page over many connections at a time, without a pause.
type load struct {
	t      *testing.T
	output []byte
	done   chan error
}

// loadConns is how many connections that are.
const loadConns = 32

// begin starts a load on a path.
func beginLoad(t *testing.T, s *site, path string, length time.Duration) *load {
	t.Helper()
	program, err := process.LookPath("wrk")
	if err != nil {
		t.Fatal("wrk is not installed, and these tests do not skip: run interop/install")
	}
	l := &load{t: t, done: make(chan error, 1)}
	cmd := exec.Command(program, "-t", "1", "-c", strconv.Itoa(loadConns), "-d", fmt.Sprintf("%ds", length/time.Second),
		"--timeout", "5s", "http://"+s.address()+s.script+path)
	go func() {
		var err error
		l.output, err = cmd.CombinedOutput()
		l.done <- err
	}()
	t.Cleanup(func() {
		if l.done != nil && cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})
	return l
}

var (
	loadTotal   = regexp.MustCompile(`(?m)^ *(\d+) requests in `)
	loadStatus  = regexp.MustCompile(`(?m)^ *Non-2xx or 3xx responses: (\d+)`)
	loadSockets = regexp.MustCompile(`(?m)^ *Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// end waits for the end of the load, and returns how many requests were answered, and how many not,
// or with an error.
func (l *load) end() (answered, failed int) {
	l.t.Helper()
	err := <-l.done
	l.done = nil
	total := loadTotal.FindSubmatch(l.output)
	if err != nil || total == nil {
		l.t.Fatalf("wrk: %v\n%s", err, l.output)
	}
	answered, _ = strconv.Atoi(string(total[1]))
	for _, found := range [][][]byte{loadStatus.FindSubmatch(l.output), loadSockets.FindSubmatch(l.output)} {
		for i := 1; i < len(found); i++ {
			n, _ := strconv.Atoi(string(found[i]))
			failed += n
		}
	}
	if failed > 0 {
		l.t.Logf("%s", l.output)
	}
	return answered, failed
}

// lossless fails the test if a request got no answer, or a wrong one.
func (l *load) lossless() {
	l.t.Helper()
	answered, failed := l.end()
	if failed > 0 || answered < 100 {
		l.t.Errorf("%d requests were answered, and %d were lost", answered, failed)
	}
	l.t.Logf("%d requests, %d lost", answered, failed)
}
