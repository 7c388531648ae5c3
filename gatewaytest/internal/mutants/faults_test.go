package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../.."

// The list must not rot: a fault whose code was rewritten plants nothing any more.
func TestEachFaultCanBePlanted(t *testing.T) {
	t.Chdir(root)
	dir := t.TempDir()
	if err := copyModule(dir); err != nil {
		t.Fatal(err)
	}
	plantings, err := plantAll(dir, faults)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	alone := 0
	for i, f := range faults {
		if err := plantings[i].err; err != nil {
			t.Errorf("%v: %v", f, err)
		}
		if plantings[i].overlay != "" {
			alone++
		}
		if id := f.file + f.what; seen[id] {
			t.Errorf("%v: it is there twice", f)
		} else {
			seen[id] = true
		}
	}
	if alone > 8 {
		t.Errorf("%d faults are compiled alone, each for seconds: plant them in the bodies of functions",
			alone)
	}
	if len(faults) < 40 {
		t.Errorf("there are %d faults, want 40 at least", len(faults))
	}
}

// A test that was renamed catches nothing any more. Whether a case of the suite is there, the
// command says.
func TestEachTestThatCatchesAFaultIsThere(t *testing.T) {
	for _, f := range faults {
		if !f.isForATest() {
			continue
		}
		tests, err := filepath.Glob(filepath.Join(root, filepath.Dir(f.file), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		isThere := false
		for _, name := range tests {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			isThere = isThere || strings.Contains(string(source), "\nfunc "+f.by+"(t *testing.T) {")
		}
		if !isThere {
			t.Errorf("%v: there is no %s in the package: name the test that catches the fault now in faults_*.go", f, f.by)
		}
	}
}

// docs/mutants.md says what the command would find.
func TestTheDocumentHasTheFaults(t *testing.T) {
	got, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page() {
		t.Errorf("%s is stale: go run ./gatewaytest/internal/mutants -write", document)
	}
}

func TestFailuresAreReadFromTheOutput(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{"none", "=== RUN   TestToyServer\n=== RUN   TestToyServer/R1/a\n--- PASS: TestToyServer (0.01s)\n    --- PASS: TestToyServer/R1/a (0.00s)\n", ""},
		{"one", "=== RUN   TestToyServer/R1/a\n    x.go:1: R1: Rule.\n        \tseen\n        \tThe server is to blame.\n    --- FAIL: TestToyServer/R1/a (0.00s)\n", "R1/a"},
		{"a test", "=== RUN   TestPhases\n=== RUN   TestPhases/idle\n    x.go:1: wrong\n--- FAIL: TestPhases (0.01s)\n    --- FAIL: TestPhases/idle (0.00s)\n", "TestPhases"},
		{"a crash after a failure", "=== RUN   TestConformance/R1/a\n    x.go:1: R1: Rule.\n        \tThe server is to blame.\n=== RUN   TestConformance/R2/b\npanic: oh\n", "R1/a R2/b"},
	} {
		if got := strings.Join(failures(c.output), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
