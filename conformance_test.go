package gateway_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.com/gateway/internal/rules"
)

const conformanceFile = "docs/conformance.md"

var updateConformance = flag.Bool("update", false, "write the first two columns of "+conformanceFile)

// docs/conformance.md has a row for each rule, with the rule's sentence, code that exists and tests
// that exist.
func TestConformanceTableIsTrue(t *testing.T) {
	source, err := os.ReadFile(conformanceFile)
	if err != nil {
		t.Fatal(err)
	}
	if *updateConformance {
		source = []byte(conformanceUpdated(string(source)))
		if err := os.WriteFile(conformanceFile, source, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, fault := range conformanceFaults(string(source)) {
		t.Error(fault)
	}
}

// docs/hosts.md names tests that exist.
func TestThePageOfHostsNamesTests(t *testing.T) {
	page, err := os.ReadFile("docs/hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	entries := strings.Split(string(page), "\n- **")[1:]
	if len(entries) != 23 {
		t.Errorf("%d entries, want 23", len(entries))
	}
	tests := newCodeIndex(isTest)
	for _, entry := range entries {
		named := 0
		for _, m := range reference.FindAllStringSubmatch(entry, -1) {
			if name := m[1][strings.LastIndex(m[1], ".")+1:]; !testName.MatchString(name) {
				continue // code that the sentence speaks of
			}
			named++
			if !tests.has(m[1]) {
				t.Errorf("there is no test %s: %s", m[1], entry)
			}
		}
		if named == 0 {
			t.Errorf("no test is named: %s", entry)
		}
	}
}

// The test plants each fault that the table can have, one at a time.
func TestConformanceFaultsAreFound(t *testing.T) {
	source, err := os.ReadFile(conformanceFile)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(source)
	rows, _ := conformanceRows(doc)
	plain, host := rows["R76"], rows["C1"] // code keeps R76, and a test proves it; the host keeps C1
	change := func(old, with string) string { return strings.Replace(plain.line, old, with, 1) }
	for _, planted := range []struct{ name, old, with, want string }{
		{"a row is gone", plain.line + "\n", "", "R76 has no row"},
		{"a row is there twice", plain.line, plain.line + "\n" + plain.line, "R76 has two rows"},
		{"rows are out of order", plain.line + "\n" + rows["R77"].line, rows["R77"].line + "\n" + plain.line, "out of order"},
		{"there is no such rule", plain.line, change("R76", "R140"), "R140 is no rule"},
		{"a row lacks a cell", plain.line, "| R76 | " + plain.text + " | " + plain.kept + " |", "is no row"},
		{"the sentence is another", plain.line, change(plain.text, plain.text+" Or so."), "R76 does not say"},
		{"an identifier is gone", plain.line, change("`response.", "`response.no"), "R76 is kept by response.no"},
		{"a package is gone", plain.line, change("`response.", "`internal/answer.response."), "internal/answer.response."},
		{"an identifier is of another package", plain.line, change("`response.", "`cgi.response."), "cgi.response."},
		{"an identifier is of a test", plain.line, change("`response.", "`TestPhases`, `response."), "kept by TestPhases"},
		{"an identifier has its file", plain.line, change("`response.", "`respond.go response."), "respond.go response."},
		{"no code is named", plain.line, change("| "+plain.kept+" |", "| the engine |"), "names no code"},
		{"a test is gone", plain.line, change("`Test", "`TestNo"), "no test TestNo"},
		{"a test is of another package", plain.line, change("`Test", "`examples.Test"), "no test examples.Test"},
		{"a function of a test is no test", plain.line, change(plain.proven, "`hasControl`"), "no test hasControl"},
		{"no test is named", plain.line, change(plain.proven, ""), "R76 is proven by nothing"},
		{"words stand in for a test", plain.line, change(plain.proven, "plainly true"), "R76 is proven by \"plainly true\""},
		{"nobody keeps it", host.line, strings.Replace(host.line, "| the host |", "| `response` |", 1), "C1 has a reason"},
	} {
		if !strings.Contains(doc, planted.old) {
			t.Errorf("%s: nothing to plant it in", planted.name)
			continue
		}
		broken := strings.Replace(doc, planted.old, planted.with, 1)
		if faults := strings.Join(conformanceFaults(broken), "\n"); !strings.Contains(faults, planted.want) {
			t.Errorf("%s: want a fault with %q, got %q", planted.name, planted.want, faults)
		}
	}
	// -update corrects the first two columns.
	drifted := strings.Replace(doc, plain.text, "Something else.", 1)
	drifted = strings.Replace(drifted, host.line+"\n", "", 1)
	again, _ := conformanceRows(conformanceUpdated(drifted))
	if again["R76"] != plain || again["C1"].text != host.text {
		t.Errorf("after -update the rows are %q and %q", again["R76"].line, again["C1"].line)
	}
}

// The programs that people deploy do not have the sentences of the rules in them.
func TestOnlyProofsImportTheRules(t *testing.T) {
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		folder, _, _ := strings.Cut(path, "/")
		isProof := folder == "gatewaytest" || folder == "validate" || strings.HasPrefix(path, "internal/rules")
		if isProof || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		if entry.IsDir() && len(path) > 1 && path[0] == '.' {
			return fs.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			if strings.HasSuffix(spec.Path.Value, "/internal/rules\"") {
				t.Errorf("%s imports internal/rules", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A conformanceRow is a line of the table and its cells.
type conformanceRow struct {
	line, text, kept, proven string
}

var (
	rowLine   = regexp.MustCompile(`(?m)^\| *([RCD][0-9]+) *\|.*$`)
	tableHead = regexp.MustCompile(`^\| ([RCD]) \|`) // R is the head of the column of R1, R2, ...
	reference = regexp.MustCompile("`([^`]*)`")
	byOthers  = regexp.MustCompile(`^the (compiler|host|author)\b|^no meaning\b`)
	testName  = regexp.MustCompile(`^(Test|Fuzz|Example)([^a-z]|$)`)
)

// conformanceRows returns the rows by their numbers, and the numbers in the order in which they
// stand there.
func conformanceRows(doc string) (rows map[string]conformanceRow, order []string) {
	rows = make(map[string]conformanceRow)
	for _, m := range rowLine.FindAllStringSubmatch(doc, -1) {
		row := conformanceRow{line: m[0]}
		if cells := strings.Split(m[0], "|"); len(cells) == 6 {
			row.text, row.kept = strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
			row.proven = strings.TrimSpace(cells[4])
		}
		rows[m[1]] = row
		order = append(order, m[1])
	}
	return rows, order
}

// ruleText is the second column: the sentence, and the reason of a rule that no code keeps.
func ruleText(r rules.Rule) string { return strings.TrimSpace(r.Text + " " + r.Why) }

// conformanceUpdated returns the document with a row for each rule below the head of its table. The
// last two columns are those of doc.
func conformanceUpdated(doc string) string {
	rows, _ := conformanceRows(doc)
	series := ""
	var b strings.Builder
	for line := range strings.Lines(doc) {
		if rowLine.MatchString(line) {
			continue
		}
		b.WriteString(line)
		if m := tableHead.FindStringSubmatch(line); m != nil {
			series = m[1]
		}
		if strings.HasPrefix(line, "|--") && series != "" {
			for _, r := range rules.All {
				if strings.HasPrefix(r.ID, series) {
					row := rows[r.ID]
					fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.ID, ruleText(r), row.kept, row.proven)
				}
			}
			series = ""
		}
	}
	return b.String()
}

// conformanceFaults returns the faults of the document.
func conformanceFaults(doc string) (faults []string) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Sprintf(conformanceFile+": "+format, args...))
	}
	rows, order := conformanceRows(doc)
	known := make(map[string]bool)
	var want []string
	for _, r := range rules.All {
		known[r.ID] = true
		if _, found := rows[r.ID]; !found {
			fault("%s has no row; go test -run Conformance -update . writes it", r.ID)
			continue
		}
		want = append(want, r.ID)
	}
	seen := make(map[string]bool)
	var got []string
	for _, id := range order {
		switch {
		case !known[id]:
			fault("%s is no rule", id)
		case seen[id]:
			fault("%s has two rows", id)
		default:
			got = append(got, id)
		}
		seen[id] = true
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		fault("the rows are out of order")
	}

	code, tests := newCodeIndex(isCode), newCodeIndex(isTest)
	for _, r := range rules.All {
		row, found := rows[r.ID]
		if !found {
			continue
		}
		if strings.Count(row.line, "|") != 5 {
			fault("%s is no row of four cells: %s", r.ID, row.line)
			continue
		}
		if row.text != ruleText(r) {
			fault("%s does not say %q; go test -run Conformance -update . makes it so", r.ID, ruleText(r))
		}

		named := 0
		for _, m := range reference.FindAllStringSubmatch(row.kept, -1) {
			if !code.has(m[1]) {
				fault("%s is kept by %s, which does not exist", r.ID, m[1])
			}
			named++
		}
		others := byOthers.MatchString(row.kept)
		switch {
		case r.Why != "" && !others:
			fault("%s has a reason why no code keeps it; say who does: the compiler, the host, the author, or \"no meaning\"",
				r.ID)
		case r.Why == "" && named == 0:
			fault("%s names no code that keeps it", r.ID)
		case r.Why == "" && row.proven == "":
			fault("%s is proven by nothing", r.ID)
		}

		for _, item := range strings.Split(row.proven, ", ") {
			if item == "" {
				continue
			}
			m := reference.FindStringSubmatch(item)
			if m == nil || m[0] != item {
				fault("%s is proven by %q, which is no `Test` or `package.Test`", r.ID, item)
			} else if !tests.has(m[1]) {
				fault("%s: there is no test %s", r.ID, m[1])
			}
		}
	}
	return faults
}

// A codeIndex knows the identifiers that the packages of this module declare.
type codeIndex struct {
	takes func(file, name string) bool
	names map[string]map[string]bool // by the package's folder
}

// newCodeIndex returns the index of those identifiers that takes accepts.
func newCodeIndex(takes func(file, name string) bool) *codeIndex {
	return &codeIndex{takes, make(map[string]map[string]bool)}
}

func isCode(file, _ string) bool { return !strings.HasSuffix(file, "_test.go") }

func isTest(file, name string) bool {
	return strings.HasSuffix(file, "_test.go") && testName.MatchString(name)
}

// has reports whether there is an identifier like "response.start", which is in the root,
// "cgi.environ" or "internal/header.KindOf".
func (x *codeIndex) has(reference string) bool {
	slash := strings.LastIndex(reference, "/") + 1
	base, name, _ := strings.Cut(reference[slash:], ".")
	return slash == 0 && x.folder(".")[reference] || x.folder(reference[:slash] + base)[name]
}

// folder returns the identifiers in the files of a folder, whatever their build tags: "name",
// "Type.Method", "Type.Field".
func (x *codeIndex) folder(path string) map[string]bool {
	if names, found := x.names[path]; found {
		return names
	}
	names := make(map[string]bool)
	x.names[path] = names
	files, _ := filepath.Glob(filepath.Join(path, "*.go"))
	for _, path := range files {
		for _, name := range declared(path) {
			if x.takes(path, name) {
				names[name] = true
			}
		}
	}
	return names
}

// declared returns the identifiers that a file declares. A file that is not Go has none.
func declared(path string) (names []string) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			names = append(names, receiver(decl)+decl.Name.Name)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						names = append(names, name.Name)
					}
				case *ast.TypeSpec:
					names = append(names, spec.Name.Name)
					for _, member := range members(spec.Type) {
						names = append(names, spec.Name.Name+"."+member.Name)
					}
				}
			}
		}
	}
	return names
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if ident, ok := typ.(*ast.Ident); ok {
		return ident.Name + "."
	}
	return "?."
}

func members(typ ast.Expr) (names []*ast.Ident) {
	var list *ast.FieldList
	switch typ := typ.(type) {
	case *ast.StructType:
		list = typ.Fields
	case *ast.InterfaceType:
		list = typ.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		names = append(names, field.Names...)
	}
	return names
}

// A bar inside of a cell would begin another cell.
func TestConformanceDocumentHasOnlyWholeTables(t *testing.T) {
	source, err := os.ReadFile(conformanceFile)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range bytes.Split(source, []byte("\n")) {
		if n := bytes.Count(line, []byte("|")); n != 0 && n != 5 {
			t.Errorf("%s:%d: a row with %d bars", conformanceFile, i+1, n)
		}
	}
}
