// Mutants proves that the conformance suite can fail: it plants one fault after the other in the engine and the servers, in a
// copy of the module, and runs the suite against each. Run it in the root of the module:
//
//	go run ./gatewaytest/internal/mutants           # plant all, print the table; fails if a fault survives
//	go run ./gatewaytest/internal/mutants -run HEAD # those whose file or words match
//	go run ./gatewaytest/internal/mutants -write    # and write docs/mutants.md
//
// It also proves that the suite does not fail without a fault:
//
//	go run ./gatewaytest/internal/mutants -sound 100 # run it so often, under the race detector, while all processors are busy
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
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
	pattern := flag.String("run", "", "plant only the faults whose file or words match the regular expression")
	write := flag.Bool("write", false, "write docs/mutants.md")
	parallel := flag.Int("parallel", 3, "how many faults to try at the same time")
	times := flag.Int("sound", 0, "plant nothing, and run the suite so often under -race and load")
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
		if match.MatchString(f.file + " " + f.what) {
			selected = append(selected, f)
		}
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(dir); err != nil {
		return err
	}
	// Nothing means anything if the suite fails without a fault.
	if r := suite(dir, "", "", packages(selected)...); r.err != nil || len(r.failed) > 0 {
		return fmt.Errorf("without a fault the suite fails: %v %v\n%s", r.failed, r.err, r.output)
	}

	results := make([]result, len(selected))
	next := make(chan int)
	var wg sync.WaitGroup
	for range parallel {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				results[i] = try(dir, i, selected[i])
				fmt.Fprintf(os.Stderr, "%-60s %s\n", selected[i].what, results[i])
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
	fmt.Print(table(selected))
	fmt.Printf("\n%d of %d faults are caught, in %v.\n", len(selected)-bad, len(selected), time.Since(begin).Round(time.Second))
	if bad > 0 {
		for i, r := range results {
			if r.err != nil {
				fmt.Printf("\n%s: %s: %v\n", selected[i].file, selected[i].what, r.err)
			}
		}
		return fmt.Errorf("%d faults are not caught as they should be", bad)
	}
	if write {
		return os.WriteFile(document, []byte(page()), 0o666)
	}
	return nil
}

// sound runs the suite n times on each server, all of which are right. What keeps the processors busy is this process.
func sound(n int) error {
	var done atomic.Bool
	defer done.Store(true)
	for range runtime.NumCPU() {
		go func() {
			for !done.Load() {
			}
		}()
	}
	list := packages(faults)
	cmd := exec.Command("go", append([]string{"test", "-race", fmt.Sprintf("-count=%d", n), "-timeout=24h", "-run=" + tests}, list...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("a wrong verdict, or no verdict: %w", err)
	}
	fmt.Printf("%d runs on the servers of %s: no wrong verdict.\n", n, strings.Join(list, " "))
	return nil
}

// copyModule copies what the suite needs: no test but those that run it.
func copyModule(dir string) error {
	return filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch top := strings.Split(filepath.ToSlash(path), "/")[0]; top {
			case ".", "cgi", "fcgi", "scgi", "uwsgi", "nethttp", "validate", "internal", "gatewaytest":
				if path != "gatewaytest/internal" && filepath.Base(path) != "testdata" {
					return os.MkdirAll(filepath.Join(dir, path), 0o777)
				}
			}
			return fs.SkipDir
		}
		switch slash := filepath.ToSlash(path); slash {
		case "gatewaytest/server_test.go", toy, "gatewaytest/export_test.go", "cgi/conformance_test.go", "fcgi/conformance_test.go",
			"fcgi/client_test.go", "scgi/conformance_test.go", "uwsgi/conformance_test.go", "nethttp/conformance_test.go", "go.mod":
		default:
			if !strings.HasSuffix(slash, ".go") || strings.HasSuffix(slash, "_test.go") {
				return nil
			}
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if path == filepath.FromSlash("gatewaytest/server.go") { // a fault that hangs is no busy machine
			source = bytes.Replace(source, []byte("patience = 10 * time.Second"), []byte("patience = 3 * time.Second"), 1)
		}
		return os.WriteFile(filepath.Join(dir, path), source, 0o666)
	})
}

// plant returns the file with the fault in it.
func (f fault) plant(source string) (string, error) {
	if n := strings.Count(source, f.old); n != 1 {
		return "", fmt.Errorf("what it replaces is there %d times: %q", n, f.old)
	}
	source = strings.Replace(source, f.old, f.new, 1)
	if d, found := declarations[f.what]; found {
		old, new, _ := strings.Cut(d, "→")
		if n := strings.Count(source, old); n != 1 {
			return "", fmt.Errorf("what its declaration replaces is there %d times: %q", n, old)
		}
		source = strings.Replace(source, old, new, 1)
	}
	return source, nil
}

// suite is the package whose run of the suite sees the fault.
func (f fault) suite() string {
	switch folder := path.Dir(f.file); {
	case slices.Contains([]string{"cgi", "fcgi", "scgi", "uwsgi", "nethttp"}, folder):
		return "./" + folder
	case folder == "internal/single":
		return "./scgi"
	case f.file == input, f.file == request, f.file == heads:
		return "./cgi"
	}
	return "./gatewaytest"
}

// packages are those whose suites the faults need.
func packages(faults []fault) (list []string) {
	for _, f := range faults {
		if !slices.Contains(list, f.suite()) {
			list = append(list, f.suite())
		}
	}
	return list
}

// A result is what became of one fault.
type result struct {
	failed []string // the cases
	output string
	err    error
}

func (r result) String() string {
	if r.err != nil {
		return "NOT CAUGHT AS IT SHOULD BE: " + r.err.Error()
	}
	return "caught"
}

// try plants a fault and runs the suite.
func try(dir string, i int, f fault) result {
	source, err := os.ReadFile(filepath.Join(dir, f.file))
	if err != nil {
		return result{err: err}
	}
	planted, err := f.plant(string(source))
	if err != nil {
		return result{err: err}
	}
	mutant := filepath.Join(dir, fmt.Sprintf("mutant%d.go.txt", i))
	overlay := filepath.Join(dir, fmt.Sprintf("overlay%d.json", i))
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, f.file): mutant}})
	if err != nil {
		return result{err: err}
	}
	if err := errors.Join(os.WriteFile(mutant, []byte(planted), 0o666), os.WriteFile(overlay, list, 0o666)); err != nil {
		return result{err: err}
	}
	// The one case is enough, and takes no time but the compiler's. The others are run to tell what should be named.
	if r := suite(dir, overlay, f.by, f.suite()); r.err != nil || slices.Contains(r.failed, f.by) {
		return r
	}
	r := suite(dir, overlay, "", f.suite())
	switch {
	case r.err != nil:
	case len(r.failed) == 0:
		r.err = errors.New("it survives")
	default:
		r.err = fmt.Errorf("%s does not catch it, but these do: %s", f.by, strings.Join(r.failed, " "))
	}
	return r
}

// tests are those that run the suite.
const tests = "^(TestToyServer|TestAServerOfOneThreadAmongOthersPasses|TestConformance|TestConformanceMultiplexed|TestHandlerKeepsTheRules|TestMountKeepsTheRules)$"

var (
	caseLine = regexp.MustCompile(`^ *(?:=== RUN|=== NAME|--- FAIL:) +Test(?:ToyServer|AServerOfOneThreadAmongOthersPasses|Conformance|ConformanceMultiplexed|HandlerKeepsTheRules|MountKeepsTheRules)/(\S+)`)
	crash    = regexp.MustCompile(`^(panic:|fatal error:)`)
)

// failures returns the cases that failed, by the output of a verbose run. A case in which the test binary dies has failed, and
// its predecessors are then known by their messages alone.
func failures(output string) (failed []string) {
	current := ""
	add := func() {
		if current != "" && !slices.Contains(failed, current) {
			failed = append(failed, current)
		}
	}
	for line := range strings.Lines(output) {
		if m := caseLine.FindStringSubmatch(line); m != nil {
			current = m[1]
			if strings.Contains(line, "--- FAIL") {
				add()
			}
		} else if strings.Contains(line, "The server is to blame.") || crash.MatchString(line) {
			add()
		}
	}
	return failed
}

// suite runs the suite of the packages, or one case of it, with the overlay.
func suite(dir, overlay, only string, packages ...string) (r result) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	run := tests
	if only != "" {
		run += "/^" + strings.ReplaceAll(only, "/", "$/^") + "$"
	}
	args := []string{"test", "-count=1", "-v", "-vet=off", "-ldflags=-s -w", "-timeout=2m", "-run=" + run}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, packages...)...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	r.output = string(output)
	r.failed = failures(r.output)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		r.err = errors.New("the suite does not end")
	case err != nil && !errors.As(err, &exit):
		r.err = err
	case err != nil && len(r.failed) == 0:
		r.err = fmt.Errorf("it does not compile, or fails outside of any case:\n%s", r.output[max(0, len(r.output)-2000):])
	case only != "" && !strings.Contains(r.output, "=== RUN   Test") || only != "" && !strings.Contains(r.output, "/"+only+"\n"):
		r.err = fmt.Errorf("there is no case %s", only)
	}
	return r
}

const document = "docs/mutants.md"

func page() string {
	return `# Faults that the conformance suite catches

` + "`go run ./gatewaytest/internal/mutants`" + ` plants each of these single faults in a copy of the module and runs
gatewaytest.TestServer against it: on each server for its own faults, on cgi also for those of internal/request and internal/head,
on scgi for those of internal/single, and on the toy server of gatewaytest's example for those of the toy itself, of the engine
and of internal/lazyctx. It fails if a fault survives, does not compile, or is not caught by the case named here; others may
catch it as well. With ` + "`-write`" + ` it writes this file.

` + table(faults)
}

func table(faults []fault) string {
	var b strings.Builder
	b.WriteString("| File | Fault | Case that catches it |\n|---|---|---|\n")
	for _, f := range faults {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.file, f.what, f.by)
	}
	return b.String()
}
