package gatewaytest_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/rules"
)

const specFile = "../docs/spec.md"

var update = flag.Bool("update", false, "write "+specFile)

// TestSpecSaysWhatTheCodeDoes makes docs/spec.md of the rules, the cases of TestServer and the findings of validate and
// TestApplication, and compares.
func TestSpecSaysWhatTheCodeDoes(t *testing.T) {
	want := spec(t)
	if *update {
		if err := os.WriteFile(specFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(specFile)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(string(file), "\r\n", "\n")
	if got == want {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i, line := range wantLines {
		if i >= len(gotLines) || gotLines[i] != line {
			has := "nothing"
			if i < len(gotLines) {
				has = gotLines[i]
			}
			t.Fatalf("docs/spec.md is stale at line %d: it has\n%s\nand should have\n%s\n"+
				"go test ./gatewaytest -run Spec -update writes it", i+1, has, line)
		}
	}
	t.Fatalf("docs/spec.md is stale: it goes on after line %d", len(wantLines))
}

// The sections of the document. A rule belongs to the first that has it; ranges are inclusive.
var sections = []struct {
	title, about string
	rules        []string // "R1-R15"
}{
	{"Types and shape", "Who calls whom, and with what.", []string{"R1-R15"}},
	{"The body", "What an application returns, and how the server takes it.", []string{"R16-R26", "D8"}},
	{"Blocks in time, middleware and the writer", "When a block leaves, what middleware may do with it, and the other way to send one.",
		[]string{"R92-R102"}},
	{"The environ", "What the server tells the application of the request.", []string{"R27-R53", "D6", "D7", "D10"}},
	{"Streams", "The request's body, and the log.", []string{"R54-R64", "D5"}},
	{"Start", "When the head leaves, and what a second call of start does.", []string{"R75-R84"}},
	{"Status and headers", "What an application may pass to start.", []string{"R65-R74", "D4"}},
	{"Lengths", "Content-Length, too much and too little, and answers without a body.", []string{"R85-R91", "D1", "D3"}},
	{"Text", "Strings are bytes.", []string{"R103-R108"}},
	{"Errors", "What becomes of a failure.", []string{"R109-R113", "D2", "D9"}},
	{"HTTP, extensions and configuration", "What is between the server and its client, and what may be added to the contract.",
		[]string{"R114-R128"}},
	{"The URL, and files as bodies", "Two services: Environ.URL and Reader.", []string{"R129-R139"}},
	{"CGI: the request", "What a host tells a CGI program. The same variables come by FastCGI, SCGI and uwsgi.", []string{"C1-C39"}},
	{"CGI: the response", "What a CGI program answers.", []string{"C40-C58"}},
}

const specHead = `# The specification, as gateway has it

PEP 3333 (R), RFC 3875 (C) and what was decided where they leave room (D), in the terms of this library, a sentence
each. A sentence in the present tense is a must; "should" and "may" are those of RFC 2119. After the number it says who
owes it: the server, the application, middleware, the host (a web server that starts CGI programs), or the CGI program.

Below a sentence stands who would notice if it were broken: the cases of ` + "`gatewaytest.TestServer`" + `, by name (the case
"the path is decoded" of C14 runs as ` + "`-run 'TestServer/C14/the-path-is-decoded'`" + ` of your own test), the middleware ` +
	"`validate`" + `, and
` + "`gatewaytest.TestApplication`" + `. A sentence in italics says why no code keeps the rule, or that it means nothing in Go.
Where each rule is kept and proven in this repository is in [conformance.md](conformance.md).

This file is written by ` + "`go test ./gatewaytest -run Spec -update`" + ` from the sentences that the failures quote; a test fails
when it is stale.
`

// spec returns the document.
func spec(t *testing.T) string {
	cases := make(map[string][]string)
	for _, c := range gatewaytest.Cases() {
		cases[c[0]] = append(cases[c[0]], words.Replace(c[1]))
	}
	lint := rulesIn(t, "../validate/*.go")
	application := rulesIn(t, "application*.go")

	var b strings.Builder
	b.WriteString(specHead)
	done := make(map[string]bool)
	for _, section := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", section.title, section.about)
		for _, span := range section.rules {
			for _, r := range between(t, span) {
				if done[r.ID] {
					t.Errorf("%s is in two sections", r.ID)
				}
				done[r.ID] = true
				b.WriteString(sentence(r, cases[r.ID], lint[r.ID], application[r.ID]))
			}
		}
	}
	for _, r := range rules.All {
		if !done[r.ID] {
			t.Errorf("%s is in no section", r.ID)
		}
	}
	return b.String()
}

// words makes words of the name of a case.
var words = strings.NewReplacer("utf-8", "UTF-8", "latin-1", "Latin-1", "-", " ")

// sentence is the entry of one rule.
func sentence(r rules.Rule, cases []string, lint, application bool) string {
	names := map[rune]string{'S': "server", 'A': "application", 'M': "middleware", 'H': "host", 'P': "program"}
	var sides []string
	for _, side := range r.Sides {
		sides = append(sides, names[side])
	}
	s := fmt.Sprintf("- **%s** (%s)", r.ID, strings.Join(sides, ", "))
	if r.Text != "" {
		s += " " + r.Text
	}
	if r.Why != "" {
		s += " *" + r.Why + "*"
	}
	var seen []string
	if len(cases) > 0 {
		seen = append(seen, "TestServer: "+strings.Join(cases, "; "))
	}
	if lint {
		seen = append(seen, "validate")
	}
	if application {
		seen = append(seen, "TestApplication")
	}
	if len(seen) > 0 {
		s += "  \n  <sub>" + strings.Join(seen, " · ") + "</sub>"
	}
	return s + "\n"
}

// between returns the rules of a span like "R1-R15", or of one like "D8".
func between(t *testing.T, span string) (list []rules.Rule) {
	first, last, found := strings.Cut(span, "-")
	if !found {
		last = first
	}
	in := false
	for _, r := range rules.All {
		in = in || r.ID == first
		if in {
			list = append(list, r)
		}
		if in && r.ID == last {
			return list
		}
	}
	t.Fatalf("no rules %s", span)
	return nil
}

var ruleID = regexp.MustCompile(`^[RCD][0-9]+$`)

// rulesIn returns the rules that code names in messages: its string literals that are a number and nothing else.
func rulesIn(t *testing.T, pattern string) map[string]bool {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	found := make(map[string]bool)
	for _, name := range slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") }) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && ruleID.MatchString(s) {
					rules.Get(s) // panics if there is none
					found[s] = true
				}
			}
			return true
		})
	}
	return found
}
