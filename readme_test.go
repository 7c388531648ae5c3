package gateway_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// pages are what people read about the project, but for what is generated or has tests of its own.
var pages = []string{"README.md", "CONTRIBUTING.md", "docs/deployment.md", "docs/host.md", "docs/client.md",
	"docs/limits.md", "docs/shared-hosting.md", "docs/websocket.md", "examples/deploy/README.md"}

// A block is a fenced block of a page.
type block struct {
	page, language, text string
}

func readme(t *testing.T) []block {
	blocks := fencedBlocks(t, "README.md")
	if len(blocks) < 5 {
		t.Fatalf("found %d blocks in the README", len(blocks))
	}
	return blocks
}

func fencedBlocks(t *testing.T, page string) (blocks []block) {
	t.Helper()
	source, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(string(source), -1) {
		blocks = append(blocks, block{page, m[1], m[2]})
	}
	return blocks
}

// hasFirstName reports whether the module has the path with which it is distributed. The README
// shows how to give it another.
func hasFirstName(t *testing.T) bool {
	t.Helper()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^module example\.com/gateway$`).Match(mod)
}

// TestREADMECommandsPrintWhatTheREADMESays types the README's commands in one shell, in a copy of
// the module, with the program that stands between them as main.go where they then are.
func TestREADMECommandsPrintWhatTheREADMESays(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command a dozen times")
	}
	for _, tool := range []string{"sh", "git", "perl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the README's commands need %s: %v", tool, err)
		}
	}
	root := t.TempDir()
	checkout(t, filepath.Join(root, "gateway"))

	const mark = "-- next command --\n"
	var script bytes.Buffer
	script.WriteString("exec 2>&1\n")
	var commands, outputs []string
	for _, b := range readme(t) {
		if b.language == "go" && strings.HasPrefix(b.text, "package main\n") {
			script.WriteString("cat >main.go <<'END_OF_PROGRAM'\n" + b.text + "END_OF_PROGRAM\n")
		}
		if b.language != "console" {
			continue
		}
		for _, part := range strings.SplitAfter("\n"+b.text, "\n$ ")[1:] {
			part = strings.TrimSuffix(part, "$ ")
			command, output, _ := strings.Cut(part, "\n")
			commands, outputs = append(commands, command), append(outputs, output)
			if command == "go test ./..." || strings.Contains(command, "bench") || strings.Contains(command, "interop") {
				command = ":" // run by .ci/run, see below
			}
			if strings.Contains(command, "git grep") && !hasFirstName(t) {
				command = ":" // somebody has run it
			}
			script.WriteString("printf '%s' '" + mark + "'\n" + command + "\n")
		}
	}
	cmd := exec.Command("sh")
	cmd.Dir = filepath.Join(root, "gateway")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "GOFLAGS=") || strings.HasPrefix(entry, "GOWORK=")
	})
	cmd.Env = append(cmd.Env, "GOFLAGS=-buildvcs=false")
	cmd.Stdin = &script
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the last command: %v", err)
	}
	got := strings.Split(strings.ReplaceAll(string(out), "\r\n", "\n"), mark)[1:]
	if len(got) != len(commands) {
		t.Fatalf("%d of %d commands ran:\n%s", len(got), len(commands), out)
	}
	ci, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	for i, command := range commands {
		switch {
		case command == "go test ./...":
			checkTestOutput(t, outputs[i])
			fallthrough
		case strings.Contains(command, "bench"), strings.Contains(command, "interop"):
			for _, part := range strings.Split(command, " && ") {
				if !strings.Contains(string(ci), part) {
					t.Errorf(".ci/run does not run %q", part)
				}
			}
		case got[i] != outputs[i]:
			t.Errorf("$ %s\nprints\n%s\nand the README has\n%s", command, got[i], outputs[i])
		}
	}
}

// checkTestOutput looks for the README's lines, in their order, in what go test ./... prints;
// running it here would be endless. A line "..." stands for any number of lines.
func checkTestOutput(t *testing.T, output string) {
	list, err := exec.Command("go", "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}ok {{else}}?  {{end}} \t{{.ImportPath}}\t"+
		"{{if or .TestGoFiles .XTestGoFiles}}...{{else}}[no test files]{{end}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	rest := "\n" + string(list)
	for line := range strings.Lines(output) {
		if line == "...\n" {
			continue
		}
		_, after, found := strings.Cut(rest, "\n"+line)
		if !found {
			t.Fatalf("go test ./... prints\n%s\nand not, or not there,\n%s", list, line)
		}
		rest = "\n" + after
	}
}

// TestCodeOfThePagesIsCodeThatRuns finds each block that is not run above word for word in a file
// that a test runs.
func TestCodeOfThePagesIsCodeThatRuns(t *testing.T) {
	var sources strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "." {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); d.Type().IsRegular() && (ext == ".go" || strings.Contains(path, "interop")) {
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sources.Write(source)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The configurations have placeholders, which stand here as an operator would fill them in.
	all := unindent(strings.NewReplacer("@APP@", "unix:/srv/app/app.sock", "@DIR@", "/srv/app", "@PORT@", "8080").Replace(sources.String()))
	for _, page := range pages {
		for _, b := range fencedBlocks(t, page) {
			if page == "README.md" && (b.language == "console" || strings.HasPrefix(b.text, "package main\n")) {
				continue
			}
			if !strings.Contains(all, unindent(b.text)) {
				t.Errorf("no file that is tested has this %s of %s:\n%s", b.language, page, b.text)
			}
		}
	}
}

var indentation = regexp.MustCompile(`(?m)^[ \t]+|[ \t\r]+$`)

func unindent(s string) string { return indentation.ReplaceAllString(s, "") }

func TestLinksLeadSomewhere(t *testing.T) {
	found, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(found, pages...) {
		source, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		links := regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(string(source), -1)
		if page == "README.md" && len(links) == 0 {
			t.Fatal("found no links")
		}
		for _, link := range links {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); err != nil && !strings.Contains(link[1], "://") {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// TestThePagesShowWhatIsThere: every package has a line in the README's table, and no line is of a
// package that is gone.
func TestThePagesShowWhatIsThere(t *testing.T) {
	source, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(source, []byte("\n")); lines > 300 {
		t.Errorf("the README has %d lines, and is to be read in one go: docs/ has the rest", lines)
	}
	_, table, found := strings.Cut(string(source), "| package |")
	table, _, _ = strings.Cut(table, "\n\n")
	named := make(map[string]bool)
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 2 {
			continue
		}
		for _, m := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cells[1], -1) {
			named[m[1]] = true
		}
	}
	if !found || len(named) < 5 {
		t.Fatalf("found %d packages in the README", len(named))
	}
	out, err := exec.Command("go", "list", "-f", "{{.Name}} {{.ImportPath}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "main" || strings.Contains(path, "/internal/") || strings.Contains(path, "/examples") || strings.Contains(path, "/interop") {
			continue
		}
		if !named[name] {
			t.Errorf("the README's table has no line for package %s", path)
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("the README's table has a line for %s, which is no package", name)
	}
}

// checkout makes a clone of the module as it is in the working tree, tracked by git.
func checkout(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, path), 0o777)
		case !d.Type().IsRegular():
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), source, 0o666)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}

func TestCIRunsOnWhatWeSupport(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes")
	}
	info, err := os.Stat(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode()&0o111 == 0 {
		t.Error(".ci/run cannot be executed")
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindSubmatch(mod)
	ci, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	if version == nil || !bytes.Contains(ci, append([]byte("go"), version[1]...)) {
		t.Errorf("go.mod wants %s, and .ci/run does not test that", version)
	}
}
