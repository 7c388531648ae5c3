package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../.."

// The list must not rot: a fault whose text was rewritten plants nothing any more.
func TestEachFaultCanBePlanted(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range faults {
		source, err := os.ReadFile(filepath.Join(root, f.file))
		if err != nil {
			t.Fatal(err)
		}
		planted, err := f.plant(string(source))
		if err != nil {
			t.Errorf("%s: %s: %v", f.file, f.what, err)
		} else if planted == string(source) {
			t.Errorf("%s: %s: it changes nothing", f.file, f.what)
		}
		if id := f.file + f.what; seen[id] {
			t.Errorf("%s: %s: it is there twice", f.file, f.what)
		} else {
			seen[id] = true
		}
	}
	if len(faults) < 40 {
		t.Errorf("there are %d faults, want 40 at least", len(faults))
	}
	for what := range declarations {
		found := false
		for _, f := range faults {
			found = found || f.what == what
		}
		if !found {
			t.Errorf("there is a declaration for %q, and no such fault", what)
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
		{"a crash after a failure", "=== RUN   TestConformance/R1/a\n    x.go:1: R1: Rule.\n        \tThe server is to blame.\n=== RUN   TestConformance/R2/b\npanic: oh\n", "R1/a R2/b"},
	} {
		if got := strings.Join(failures(c.output), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
