//go:build unix

package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"example.com/gateway/gatewaytest"
)

// write makes a file for a test, and returns its path.
func write(t *testing.T, mode os.FileMode, text string) string {
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAProgramThatCannotBeStarted(t *testing.T) {
	const good = "#!/bin/sh\necho\n"
	busy := write(t, 0o777, good)
	file, err := os.OpenFile(busy, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		name string
		cgi  *CGI
		code int
		log  string
	}{
		{"no path", &CGI{}, 502, "set Path or Scripts.Root"},
		{"it does not exist", &CGI{Path: "/nowhere/program"}, 502, "it does not exist"},
		{"it is not in the PATH", &CGI{Path: "no-such-program"}, 502, "set Path to the whole path"},
		{"a folder", &CGI{Path: t.TempDir()}, 502, "it is a folder"},
		{"below a file", &CGI{Path: busy + "/x"}, 502, "not a directory"},
		{"it is not executable", &CGI{Path: write(t, 0o666, good)}, 502, "chmod a+x"},
		{"no interpreter", &CGI{Path: write(t, 0o777, "#!/nowhere/perl -w\n")}, 502,
			`its interpreter does not exist: "#!/nowhere/perl -w"`},
		{"CR LF", &CGI{Path: write(t, 0o777, "#!/bin/sh\r\necho\r\n")}, 502, "end them with LF"},
		{"an interpreter that may not run", &CGI{Path: write(t, 0o777, "#!"+write(t, 0o666,
			good)+"\n")}, 502,
			"what its first line names"},
		{"no program", &CGI{Path: write(t, 0o777, "hello\n")}, 502,
			"it is no program for this machine"},
		{"it is open for writing", &CGI{Path: busy}, 502, "by a rename"},
		{"no folder", &CGI{Path: write(t, 0o777, good), Dir: "/nowhere"}, 502,
			"its working directory"},
		{"too large variables", &CGI{Path: write(t, 0o777, good),
			Options: Options{Vars: map[string]string{"LARGE": strings.Repeat("x", 8<<20)}}}, 431,
			"the request's variables are too large"},
	} {
		r := gatewaytest.Record(test.cgi, gatewaytest.NewEnviron("POST", "/",
			strings.NewReader("hello")))
		if r.Code() != test.code || !strings.Contains(r.Errors, test.log) || strings.Count(r.Errors,
			"\n") != 1 {
			t.Errorf("%s: %s, %s", test.name, r.Status, r.Errors)
		}
		if n := len(test.cgi.queue.running); n != 0 {
			t.Errorf("%s: it counts as %d programs that run", test.name, n)
		}
	}
}

// isGone waits until there is no process with the number, or one that nobody has waited for.
func isGone(pid int) bool {
	for range 1000 {
		if syscall.Kill(pid, 0) == syscall.ESRCH {
			return true
		}
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil &&
			strings.Contains(string(stat), ") Z ") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// A program has Grace to end, and is killed after it. Its children share its fate.
func TestAProgramIsAskedToEndAndThenKilled(t *testing.T) {
	t.Parallel()
	get := func(c *CGI) *gatewaytest.Response {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		c.ReadTimeout = soon
		return gatewaytest.Record(c, env)
	}
	t.Run("asked", func(t *testing.T) {
		asked := filepath.Join(t.TempDir(), "asked")
		c := steps(t, "catch="+asked, okHead+"hello", "sleep")
		c.Grace = time.Hour
		if r := get(c); !errors.Is(r.Err, ErrTimeout) || r.Body() != "hello" {
			t.Errorf("%q, %v", r.Body(), r.Err)
		}
		if _, err := os.Stat(asked); err != nil {
			t.Errorf("the program got no SIGTERM: %v", err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		c := steps(t, "ignore", "child=0", "sleep")
		c.Grace = soon
		r := get(c)
		pid, err := strconv.Atoi(r.Body())
		if err != nil || !errors.Is(r.Err, ErrTimeout) {
			t.Fatalf("%q, %v", r.Body(), r.Err)
		}
		if !isGone(pid) {
			t.Error("its child goes on")
		}
	})
	t.Run("a child that does not obey", func(t *testing.T) {
		c := &CGI{Path: "/bin/sh", Args: []string{"-c", `
			trap "" TERM; sleep 3600 <&- >&- 2>&- & trap - TERM
			printf 'Content-Type: text/plain\n\n%s' $!; exec sleep 3600`}}
		c.Grace = soon
		r := get(c)
		pid, err := strconv.Atoi(r.Body())
		if err != nil {
			t.Fatalf("%q, %v, %s", r.Body(), r.Err, r.Errors)
		}
		if !isGone(pid) {
			t.Error("a child that ignores SIGTERM goes on")
		}
	})
}

// cut returns a body that was cut short.
func cut(part string) io.Reader {
	return io.MultiReader(strings.NewReader(part), iotest.ErrReader(io.ErrUnexpectedEOF))
}

// A program that does not obey, and reads up to the end of its input, must not find one where the
// client has left.
func TestABodyThatIsCutShortHasNoEnd(t *testing.T) {
	for _, length := range []string{"1000000", ""} {
		for _, ignores := range []string{"ignore", "out="} {
			t.Run(fmt.Sprintf("length %q %s", length, ignores), func(t *testing.T) {
				t.Parallel()
				whole := filepath.Join(t.TempDir(), "whole")
				c := steps(t, ignores, okHead, "read", "file="+whole)
				c.Grace, c.Stream = 4*soon, true
				env := gatewaytest.NewEnviron("POST", "/", nil)
				delete(env.Vars, "CONTENT_LENGTH")
				if length != "" {
					env.Vars["CONTENT_LENGTH"] = length
				}
				env.Input = cut(big[:500_000])
				r := gatewaytest.Record(c, env)
				if r.Code() != 500 || !errors.Is(r.Err, io.ErrUnexpectedEOF) {
					t.Errorf("%s %q, %v", r.Status, r.Body(), r.Err)
				}
				if _, err := os.Stat(whole); err == nil {
					t.Error("the program took half a body for a whole one")
				}
			})
		}
	}
}

// So many programs run at a time as MaxProcesses says, and nothing is left of them.
func TestManyRequestsAtATime(t *testing.T) {
	const limit = 10
	c := &CGI{Path: "/bin/sh", Args: []string{"-c", `
		read -r line; printf 'Content-Type: text/plain\n\n%s' "$line"; echo a line >&2`}}
	c.MaxProcesses, c.MaxWaiting, c.WaitTimeout = limit, -1, -1
	before := count(t)
	var failed, running atomic.Int64
	var all sync.WaitGroup
	for range 300 {
		all.Add(1)
		go func() {
			defer all.Done()
			r := gatewaytest.Record(c, gatewaytest.NewEnviron("POST", "/",
				strings.NewReader("hello\n")))
			if r.Body() != "hello" || r.Err != nil || r.Errors != "CGI /bin/sh: a line\n" {
				failed.Add(1)
				t.Logf("%s %q %s", r.Status, r.Body(), r.Errors)
			}
			running.Add(-1)
		}()
		running.Add(1)
	}
	most := 0
	for running.Load() > 0 {
		most = max(most, count(t).children-before.children)
		time.Sleep(time.Millisecond)
	}
	all.Wait()
	// count does not see all at the same moment, and only Linux says which children there are.
	if most > 2*limit || most < 2 && runtime.GOOS == "linux" {
		t.Errorf("%d programs have run at a time, want %d", most, limit)
	}
	if n := failed.Load(); n > 0 {
		t.Errorf("%d requests have failed", n)
	}
	nothingIsLeft(t, before)
}
