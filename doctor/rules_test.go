package doctor

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/doctor.md")

const testdata = "../interop/testdata/"

// The advice is what the tests have run: each line is in the configuration, and a middleware is
// named there.
func TestAdviceIsInItsConfiguration(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		symptomOf(r.symptom)
		text, err := os.ReadFile(testdata + r.file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(r.advice, "\n") {
			if call, isCode := strings.CutPrefix(line, "app = "); isCode {
				line, _, _ = strings.Cut(call, "(")
			}
			if line == "" || !strings.Contains(string(text), line) {
				t.Errorf("%s of %s: %q is not in %s", r.symptom, r.server, line, r.file)
			}
		}
	}
}

func TestNoRuleIsThereTwice(t *testing.T) {
	t.Parallel()
	seen := map[[3]string]bool{}
	for _, r := range rules {
		key := [3]string{r.symptom, r.server, r.gateway}
		if seen[key] {
			t.Errorf("%v is there twice", key)
		}
		seen[key] = true
	}
	names := map[string]bool{}
	for _, s := range symptoms {
		if names[s.name] {
			t.Errorf("%s is there twice", s.name)
		}
		names[s.name] = true
	}
}

// figures are what interop's test has counted and written.
func figures(t *testing.T, page string) string {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "Right advice:") {
			return line
		}
	}
	t.Error("docs/doctor.md has no figures: interop's test writes them")
	return "Right advice: not counted.\n"
}

func doc(figures string) string {
	var b strings.Builder
	b.WriteString(`# What the doctor knows

Package doctor says what a web server really sends to an application, and which line of its configuration is missing. This
page is made of its table by ` + "`go test ./doctor -run Doc -update`" + `.

` + "```console" + `
$ go run ./examples/doctor                                      # the page, on 127.0.0.1:8000, or behind any web server
$ go run ./examples/doctor 'https://www.example.com/doctor?token=...'     # probes that page from outside
` + "```" + `

Each advice is proved by real web servers: a configuration of [interop/testdata](../interop/testdata) is run as it is, and once
more with just that line taken out or spoilt. The doctor must name that line, and none for the intact configurations.

` + figures + `
` + "`go test -tags interop -run DoctorNames -v ./interop`" + ` prints these figures, and fails if a row has had no planted fault.

## The lines to change

The protocol is the one between the web server and the application. Behind fcgiwrap the application is a CGI program.

| finding | web server | protocol | line | configuration |
|---|---|---|---|---|
`)
	for _, r := range rules {
		advice := "`" + strings.ReplaceAll(
			strings.ReplaceAll(r.advice, "|", `\|`),
			"\n",
			"` `",
		) + "`"
		b.WriteString(
			"| " + r.symptom + " | " + r.server + " | " + r.gateway + " | " + advice + " | [" + r.file +
				"](../interop/testdata/" + r.file + ") |\n",
		)
	}
	b.WriteString(
		"\n## The findings\n\nA finding marked (note) is a property of the web server: an application has to know it, and the exit status of\n" +
			"examples/doctor is 0 for it, unless the table above has a line for that web server.\n\n",
	)
	for _, s := range symptoms {
		note := ""
		if !s.isFault {
			note = " (note)"
		}
		b.WriteString("- **" + s.name + "**" + note + ": " + s.finding + ".\n")
	}
	return b.String()
}

func TestDocIsMadeOfTheTable(t *testing.T) {
	t.Parallel()
	const name = "../docs/doctor.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := doc(figures(t, string(page)))
	if string(page) == want {
		return
	}
	if !*update {
		t.Fatal("docs/doctor.md is not made of the table: go test ./doctor -run Doc -update")
	}
	if err := os.WriteFile(name, []byte(want), 0o666); err != nil {
		t.Fatal(err)
	}
}

// The sentences are one line each, without a full stop, as pages and terminals put them.
func TestSentencesHaveOneForm(t *testing.T) {
	t.Parallel()
	for _, s := range symptoms {
		if strings.HasSuffix(s.finding, ".") || strings.Contains(s.finding, "\n") ||
			!slices.Contains(strings.Split(s.finding, ""), " ") {
			t.Errorf("%s: %q", s.name, s.finding)
		}
	}
}
