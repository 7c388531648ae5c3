package gatewaytest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway/gatewaytest"
)

const suitesFile = "../docs/suites.md"

// suites has the number of checks in each table, by letter.
var suites = []struct {
	letter string
	rows   int
}{{"V", 49}, {"T", 38}, {"P", 36}, {"H", 7}, {"L", 31}, {"K", 93}}

// TestSuitesTableNamesWhatExists holds docs/suites.md to the cases, findings and tests that it
// names.
func TestSuitesTableNamesWhatExists(t *testing.T) {
	source, err := os.ReadFile(suitesFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range newNames(t).faults(string(source)) {
		t.Error(fault)
	}
}

// Each way in which the table could go wrong is planted in it, and must be found.
func TestSuitesFaultsAreFound(t *testing.T) {
	source, err := os.ReadFile(suitesFile)
	if err != nil {
		t.Fatal(err)
	}
	known := newNames(t)
	const row = "| T16 | application_uri: eight cases |"
	if !strings.Contains(string(source), row) {
		t.Fatalf("no row %s", row)
	}
	for _, planted := range []struct{ old, with, want string }{
		{row, "| T17 | application_uri: eight cases |", "T17 stands where T16 should"},
		{row, "| T16 | application_uri: `eight` cases | |", "is no row"},
		{"`TestURL`, by", "`TestURLs`, by", "TestURLs"},
		{"`cgi TestWireFormat`, `cgi", "`cgo TestWireFormat`, `cgi", "cgo TestWireFormat"},
		{"| `validate R65`", "| `validate R3`", "validate R3 is neither"},
		{"`TestApplication C46`", "`TestApplication C45`", "TestApplication C45"},
		{"`R43/the-scheme-is-http`", "`R43/the-scheme-is-htp`", "R43/the-scheme-is-htp"},
		{"`TestURL`, by", "`Headers`, by", "Headers is neither"},
		{"| No: there is no process manager; that is for the host or the init system. |", "| Later. |",
			"H4 has neither a name nor a reason"},
		{"\n| K93 |", "\n\n| K93 |", "the table of K ends after 92 of 93"},
	} {
		doc := strings.Replace(string(source), planted.old, planted.with, 1)
		if doc == string(source) {
			t.Errorf("%q is not in the document", planted.old)
		}
		faults := strings.Join(known.faults(doc), "\n")
		if !strings.Contains(faults, planted.want) {
			t.Errorf("%q for %q: want a fault with %q, got %q", planted.with, planted.old, planted.want, faults)
		}
	}
}

// names is what a row may name.
type names struct {
	cases, lint, application map[string]bool
	tests                    map[string]bool // "TestURL", "cgi TestWireFormat"
}

var testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w+)\(`)

func newNames(t *testing.T) names {
	n := names{cases: make(map[string]bool), tests: make(map[string]bool)}
	for _, c := range gatewaytest.Cases() {
		n.cases[c[0]+"/"+c[1]] = true
	}
	n.lint, n.application = lintRules(t), applicationRules(t)
	for _, folder := range []string{".", "*", "internal/*"} {
		files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir, err := filepath.Rel("..", filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range testFunc.FindAllStringSubmatch(string(source), -1) {
				name := match[1]
				if dir != "." {
					name = filepath.ToSlash(dir) + " " + name
				}
				n.tests[name] = true
			}
		}
	}
	return n
}

var (
	suiteRow  = regexp.MustCompile(`^\| ([A-Z])([0-9]+) \| ([^|]+) \| ([^|]+) \|$`)
	suiteName = regexp.MustCompile("`([^`]+)`")
)

// faults returns what is wrong with the document.
func (n names) faults(doc string) (list []string) {
	fault := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	next := make(map[string]int)
	for _, line := range strings.Split(strings.ReplaceAll(doc, "\r\n", "\n"), "\n") {
		switch {
		case !strings.HasPrefix(line, "| ") || strings.HasSuffix(line, " | ours |"):
			for _, s := range suites { // a table ends, and must have been whole
				if rows := next[s.letter]; rows > 0 && rows < s.rows && line != "|---|---|---|" {
					fault("the table of %s ends after %d of %d rows", s.letter, rows, s.rows)
					next[s.letter] = s.rows
				}
			}
			continue
		}
		cells := suiteRow.FindStringSubmatch(line)
		if cells == nil {
			fault("this is no row: %s", line)
			continue
		}
		letter, number, ours := cells[1], cells[2], cells[4]
		next[letter]++
		if want := strconv.Itoa(next[letter]); number != want {
			fault("%s%s stands where %s%s should", letter, number, letter, want)
		}
		proofs := 0
		for _, match := range suiteName.FindAllStringSubmatch(ours, -1) {
			switch name := match[1]; {
			case n.has(name):
				proofs++
			case name == "*" || name == "validate" || ruleID.MatchString(name):
			default:
				fault("%s%s: %s is neither a case, nor a finding, nor a test", letter, number, name)
			}
		}
		if proofs == 0 && !strings.HasPrefix(ours, "No: ") && !strings.HasPrefix(ours, "The compiler: ") {
			fault("%s%s has neither a name nor a reason", letter, number)
		}
	}
	for _, s := range suites {
		if next[s.letter] < s.rows {
			fault("the table of %s has %d rows, not %d", s.letter, next[s.letter], s.rows)
		}
	}
	return list
}

func (n names) has(name string) bool {
	if rule, found := strings.CutPrefix(name, "validate "); found {
		return n.lint[rule]
	}
	if rule, found := strings.CutPrefix(name, "TestApplication "); found {
		return n.application[rule]
	}
	return n.cases[name] || n.tests[name]
}
