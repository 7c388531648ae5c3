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
	"strconv"
	"strings"
	"testing"

	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/rules"
)

const specFile = "../docs/spec.md"

var update = flag.Bool("update", false, "write "+specFile)

// TestSpecSaysWhatTheCodeDoes makes docs/spec.md of the rules, the cases of TestServer and the
// findings of validate and TestApplication, and compares.
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
	{"Blocks in time, middleware and the writer",
		"When a block leaves, what middleware may do with it, and the other way to send one.",
		[]string{"R92-R102"}},
	{"The environ", "What the server tells the application of the request.",
		[]string{"R27-R53", "D6", "D7", "D10", "D11"}},
	{"Streams", "The request's body, and the log.", []string{"R54-R64", "D5"}},
	{"Start", "When the head leaves, and what a second call of start does.", []string{"R75-R84"}},
	{"Status and headers", "What an application may pass to start.", []string{"R65-R74", "D4"}},
	{"Lengths", "Content-Length, too much and too little, and answers without a body.",
		[]string{"R85-R91", "D1", "D3"}},
	{"Text", "Strings are bytes.", []string{"R103-R108"}},
	{"Errors", "What becomes of a failure.", []string{"R109-R113", "D2", "D9"}},
	{"HTTP, extensions and configuration",
		"What is between the server and its client, and what may be added to the contract.",
		[]string{"R114-R128"}},
	{"The URL, and files as bodies", "Two services: Environ.URL and Reader.", []string{"R129-R139"}},
	{"CGI: the request", "What a host tells a CGI program. The same variables come by FastCGI, SCGI and uwsgi.",
		[]string{"C1-C39"}},
	{"CGI: the response", "What a CGI program answers.", []string{"C40-C58"}},
}

const specHead = `# The specification, as gateway has it

Each rule of PEP 3333 (R) and of RFC 3875 (C), and each decision where the two leave room (D), is a sentence here, in the
terms of this library. A sentence in the present tense is a must; "should" and "may" are those of RFC 2119. After its
number stands the side that owes it: the server, the application, middleware, the host (a web server that starts CGI
programs), or the CGI program.

Below a sentence stand the checks that find a breach of the rule: the cases of ` + "`gatewaytest.TestServer`" + `, by name,
the middleware ` + "`validate`, and `gatewaytest.TestApplication`" + `. The case "the path is decoded" of C14 runs as
` + "`-run 'TestServer/C14/the-path-is-decoded'`" + ` of a test of yours that is called TestServer. A sentence in italics says
why no code keeps the rule, or that the rule means nothing in Go. [conformance.md](conformance.md) says where this
repository keeps and proves each rule.

` + "`go test ./gatewaytest -run Spec -update`" + ` writes this file from the sentences that the failures quote, and a test
fails when the file is stale.
`

// spec returns the document.
func spec(t *testing.T) string {
	cases := make(map[string][]string)
	for _, c := range gatewaytest.Cases() {
		cases[c[0]] = append(cases[c[0]], words.Replace(c[1]))
	}
	lint, application := lintRules(t), applicationRules(t)

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
		return wrap(s) + "  \n  " + wrap("<sub>"+strings.Join(seen, " · ")+"</sub>") + "\n"
	}
	return wrap(s) + "\n"
}

// wrap breaks the text of a list item into lines of at most 100 columns.
func wrap(text string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > 100:
			b.WriteString("\n  ")
			column = 2
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
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

// lintRules returns the rules of which package validate may have a finding.
func lintRules(t *testing.T) map[string]bool { return rulesIn(t, "../validate/*.go") }

// applicationRules returns the rules of which TestApplication may have a failure: its own, and
// those that errors of package gateway stand for.
func applicationRules(t *testing.T) map[string]bool { return rulesIn(t, "application*.go", "../*.go") }

// rulesIn returns the rules that code names: its string literals that are a number and nothing
// else.
func rulesIn(t *testing.T, patterns ...string) map[string]bool {
	found := make(map[string]bool)
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
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
	}
	return found
}
