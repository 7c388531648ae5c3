// Mutants proves that the conformance suite can fail: it plants one fault after the other in the
// engine and the servers, in a copy of the module, and runs the suite against each. A fault that no
// client of a server can see, such as a report that is lost, is for a test of the package that has
// the fault. Run it in the root of the module:
//
//	go run ./gatewaytest/internal/mutants           # plant all, print the table; fails if a fault survives
//	go run ./gatewaytest/internal/mutants -run HEAD # those whose file, declaration or words match
//	go run ./gatewaytest/internal/mutants -write    # and write docs/mutants.md
//
// It also proves that the suite does not fail without a fault:
//
//	go run ./gatewaytest/internal/mutants -sound 100 # run the suite 100 times, under -race, while all processors are busy
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	pattern := flag.String("run", "", "plant only the faults whose file, declaration or words match the regular expression")
	write := flag.Bool("write", false, "write docs/mutants.md")
	parallel := flag.Int("parallel", 16, "how many faults to try at the same time")
	times := flag.Int("sound", 0, "plant nothing, and run the suite that many times, under -race, while all processors are busy")
	flag.Parse()
	var err error
	if *times > 0 {
		err = sound(*times)
	} else {
		err = run(*pattern, *write, *parallel)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(pattern string, write bool, parallel int) error {
	if write && pattern != "" {
		return errors.New("-write needs all faults")
	}
	match, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	begin := time.Now()
	var selected []fault
	for _, f := range faults {
		if match.MatchString(f.file + " " + f.decl + " " + f.what) {
			selected = append(selected, f)
		}
	}
	if len(selected) == 0 {
		return fmt.Errorf("no fault matches %s", pattern)
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(dir); err != nil {
		return err
	}
	plantings, err := plantAll(dir, selected)
	if err != nil {
		return err
	}
	needed := checks(selected)
	if err := build(dir, 0, "", needed...); err != nil {
		return fmt.Errorf("a fault, whose words stand behind its file, does not compile: %w", err)
	}
	// A failure means nothing if the suite, or the test, fails without a fault as well.
	for _, c := range needed {
		if r := c.run(dir, 0, ""); r.err != nil || len(r.failed) > 0 {
			return fmt.Errorf("without a fault %v fails: %v %v\n%s", c, r.failed, r.err, r.output)
		}
	}

	results := make([]result, len(selected))
	next := make(chan int)
	var wg sync.WaitGroup
	for range parallel {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				start := time.Now()
				results[i] = try(dir, i+1, selected[i], plantings[i])
				took := time.Since(start).Seconds()
				fmt.Fprintf(os.Stderr, "%5.1f s  %-60s %s\n", took, selected[i].what, results[i])
			}
		}()
	}
	for i := range selected {
		next <- i
	}
	close(next)
	wg.Wait()

	bad := 0
	for _, r := range results {
		if r.err != nil {
			bad++
		}
	}
	fmt.Print(list(selected))
	fmt.Printf("\n%d of %d faults are caught, in %v.\n", len(selected)-bad, len(selected), time.Since(begin).Round(time.Second))
	if bad > 0 {
		for i, r := range results {
			if r.err != nil {
				fmt.Printf("\n%v: %v\n", selected[i], r.err)
			}
		}
		return fmt.Errorf("%d faults are not caught as they should be", bad)
	}
	if write {
		return os.WriteFile(document, []byte(page()), 0o666)
	}
	return nil
}

// sound runs the suite n times on each server, all of which are right. This process keeps the
// processors busy.
func sound(n int) error {
	var done atomic.Bool
	defer done.Store(true)
	for range runtime.NumCPU() {
		go func() {
			for !done.Load() {
			}
		}()
	}
	var list []string
	for _, c := range checks(faults) {
		if c.tests == suite {
			list = append(list, c.folder)
		}
	}
	cmd := exec.Command("go", append([]string{"test", "-race", fmt.Sprintf("-count=%d", n), "-timeout=24h", "-run=^(" + suite + ")$"}, list...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("a wrong verdict, or no verdict: %w", err)
	}
	fmt.Printf("%d runs on the servers of %s: no wrong verdict.\n", n, strings.Join(list, " "))
	return nil
}

// copyModule copies what the tests need. Of the tests of gatewaytest itself it copies those alone
// that run the suite: each file takes time to compile.
func copyModule(dir string) error {
	return filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		slash := filepath.ToSlash(name)
		if d.IsDir() {
			switch top, _, _ := strings.Cut(slash, "/"); top {
			case ".", "testdata", "cgi", "fcgi", "scgi", "uwsgi", "nethttp", "lambda", "request", "quirks", "serve",
				"host", "form", "middleware", "doctor", "validate", "internal", "gatewaytest":
				if slash != "gatewaytest/internal" {
					return os.MkdirAll(filepath.Join(dir, name), 0o777)
				}
			}
			return fs.SkipDir
		}
		switch slash {
		case "go.mod", toy, "gatewaytest/server_test.go", "gatewaytest/export_test.go":
		default:
			isGo := strings.HasSuffix(slash, ".go")
			if !isGo && !strings.Contains(slash, "testdata/") || isGo && strings.HasPrefix(slash, "gatewaytest/") && strings.HasSuffix(slash, "_test.go") {
				return nil
			}
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if slash == "gatewaytest/server.go" { // a fault that hangs is no busy machine
			source = bytes.Replace(source, []byte("patience = 10 * time.Second"), []byte("patience = 3 * time.Second"), 1)
		}
		return os.WriteFile(filepath.Join(dir, name), source, 0o666)
	})
}

// A check is a run of tests that may catch a fault: those of a folder that are called so, with a
// "|" between the names.
type check struct{ folder, tests string }

func (c check) String() string { return c.tests + " in " + c.folder }

// check returns the run that sees the fault: of the test that is to catch it, or of the whole suite.
func (f fault) check() check {
	folder := path.Dir(f.file)
	if f.isForATest() {
		return check{"./" + folder, f.by}
	}
	switch {
	case slices.Contains([]string{"cgi", "fcgi", "scgi", "uwsgi", "nethttp"}, folder):
		return check{"./" + folder, suite}
	case folder == "internal/oneshot", folder == "internal/acceptor", folder == "internal/socket":
		return check{"./scgi", suite}
	case f.file == cgiHeads, f.file == input, f.file == builder && f.decl != "(*Builder).AddHeader":
		return check{"./cgi", suite}
	}
	return check{"./gatewaytest", suite}
}

// isForATest reports whether a test of the package that has the fault is to catch it, rather than a
// case of the suite.
func (f fault) isForATest() bool { return strings.HasPrefix(f.by, "Test") }

// checks returns the runs that the faults need: at most one of the suite and one of other tests in
// each folder.
func checks(faults []fault) (list []check) {
	tests := map[string][]string{} // by folder
	for _, f := range faults {
		switch c := f.check(); {
		case f.isForATest() && !slices.Contains(tests[c.folder], c.tests):
			tests[c.folder] = append(tests[c.folder], c.tests)
		case !f.isForATest() && !slices.Contains(list, c):
			list = append(list, c)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(tests)) {
		list = append(list, check{folder, strings.Join(tests[folder], "|")})
	}
	return list
}

// A result is what became of one fault.
type result struct {
	failed []string // cases and tests
	output string
	err    error
}

func (r result) String() string {
	if r.err != nil {
		return "NOT CAUGHT AS IT SHOULD BE: " + r.err.Error()
	}
	return "caught"
}

// try runs the tests that see a fault, in process n.
func try(dir string, n int, f fault, p planting) result {
	c := f.check()
	if err := p.provide(dir, n, c); err != nil {
		return result{err: err}
	}
	// The one case is enough. The other cases are run to tell which could be named.
	r := c.run(dir, n, f.by)
	if r.err != nil || slices.Contains(r.failed, f.by) {
		return r
	}
	if !f.isForATest() {
		r = c.run(dir, n, "")
	}
	switch {
	case r.err != nil:
	case len(r.failed) == 0:
		r.err = errors.New("it survives")
	default:
		r.err = fmt.Errorf("%s does not catch it, but these do: %s", f.by, strings.Join(r.failed, " "))
	}
	return r
}

// suite has the tests that run the suite.
const suite = "TestToyServer|TestAServerOfOneThreadAmongOthersPasses|TestConformance|TestConformanceMultiplexed|" +
	"TestHandlerKeepsTheRules|TestMountKeepsTheRules|TestServerKeepsTheRules"

var (
	testLine = regexp.MustCompile(`^ *(?:=== RUN|=== NAME|--- FAIL:) +(Test\S+)`)
	crash    = regexp.MustCompile(`^(panic:|fatal error:)`)
)

// idOf returns what a fault calls a test: a case of the suite by its rule and name, and any other
// test by its function.
func idOf(test string) string {
	function, subtest, _ := strings.Cut(test, "/")
	if slices.Contains(strings.Split(suite, "|"), function) {
		return subtest
	}
	return function
}

// failures returns the cases and tests that failed, by the output of a verbose run. A case in which
// the test binary dies has failed, and its predecessors are then known by their messages alone.
func failures(output string) (failed []string) {
	current := ""
	add := func() {
		if current != "" && !slices.Contains(failed, current) {
			failed = append(failed, current)
		}
	}
	for line := range strings.Lines(output) {
		if m := testLine.FindStringSubmatch(line); m != nil {
			current = idOf(m[1])
			if strings.Contains(line, "--- FAIL") {
				add()
			}
		} else if strings.Contains(line, "The server is to blame.") || crash.MatchString(line) {
			add()
		}
	}
	return failed
}

// run runs the tests, or the one case or test that is named, in process n.
func (c check) run(dir string, n int, only string) (r result) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	pattern := "^(" + c.tests + ")$"
	if only != "" && c.tests == suite {
		pattern += "/^" + strings.ReplaceAll(only, "/", "$/^") + "$"
	}
	timeout := 2 * time.Minute
	if only != "" { // which many a fault makes hang
		timeout = time.Minute
	}
	cmd := exec.CommandContext(ctx, c.program(dir, n), "-test.run="+pattern, "-test.v",
		"-test.timeout="+timeout.String(), "-test.paniconexit0") // as go test runs it
	cmd.Dir = filepath.Join(dir, c.folder)
	cmd.WaitDelay = 30 * time.Second // for a child that keeps the output open
	output, err := cmd.CombinedOutput()
	r.output = string(output)
	r.failed = failures(r.output)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		r.err = errors.New("the tests do not end")
	case err != nil && !errors.As(err, &exit):
		r.err = err
	case err != nil && len(r.failed) == 0:
		r.err = fmt.Errorf("it fails outside of any test:\n%s", r.output[max(0, len(r.output)-2000):])
	case only != "" && !ran(r.output, only), !strings.Contains(r.output, "=== RUN"):
		r.err = fmt.Errorf("there is no test %s %s", c, only)
	}
	return r
}

// ran reports whether the case or test has run, by the output of a verbose run.
func ran(output, id string) bool {
	for line := range strings.Lines(output) {
		if m := testLine.FindStringSubmatch(line); m != nil && idOf(m[1]) == id {
			return true
		}
	}
	return false
}

const document = "docs/mutants.md"

func page() string {
	return `# Faults that the tests catch

` + "`go run ./gatewaytest/internal/mutants`" + ` plants each of these single faults in a copy of the module and
runs gatewaytest.TestServer against it: on each server for its own faults, on cgi also for those of
request and of internal/header/cgi.go, on scgi for those of internal/oneshot, internal/acceptor and
internal/socket, and on the toy server of gatewaytest's example for those of the toy itself, of the
engine and of all else. A fault that no client of a server can see is caught by a test of the
package that has the fault. Behind each fault stands the case or the test that catches it.

The command fails if a fault survives, does not compile, or is not caught by that case or test;
others may catch it as well. With ` + "`-write`" + ` it writes this file.
` + list(faults)
}

// list returns the faults by their files, with the case or the test that catches each.
func list(faults []fault) string {
	var b strings.Builder
	file := ""
	for _, f := range faults {
		if f.file != file {
			file = f.file
			fmt.Fprintf(&b, "\n## %s\n\n", file)
		}
		between := " "
		if len("- : ")+len(f.what)+len(f.by) > 100 {
			between = "\n  "
		}
		fmt.Fprintf(&b, "- %s:%s%s\n", f.what, between, f.by)
	}
	return b.String()
}
