package gateway_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway/internal/rules"
)

const conformanceFile = "docs/conformance.md"

var updateConformance = flag.Bool("update", false, "write the first two columns of "+conformanceFile)

// TestConformanceTableIsTrue holds docs/conformance.md to the rules, to the code that it names, and to the tests.
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

// Each way in which the table could go wrong is planted in it, and must be found.
func TestConformanceFaultsAreFound(t *testing.T) {
	source, err := os.ReadFile(conformanceFile)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(source)
	rows, _ := conformanceRows(doc)
	plain := rows["R76"] // a rule that code keeps and a test proves
	host := rows["C1"]   // one that the host keeps
	for _, planted := range []struct{ name, old, with, want string }{
		{"a row is gone", plain.line + "\n", "", "R76 has no row"},
		{"a row is there twice", plain.line, plain.line + "\n" + plain.line, "R76 has two rows"},
		{"a row is out of order", plain.line + "\n" + rows["R77"].line, rows["R77"].line + "\n" + plain.line, "out of order"},
		{"a row of a rule that is none", plain.line, strings.Replace(plain.line, "R76", "R140", 1), "R140 is no rule"},
		{"a row lacks a cell", plain.line, "| R76 | " + plain.text + " | " + plain.kept + " |", "is no row"},
		{"the sentence drifted", "| " + plain.text + " |", "| " + plain.text + " Or so. |", "R76 does not say"},
		{"a file is gone", plain.line, strings.Replace(plain.line, "`response.go ", "`answer.go ", 1), "answer.go"},
		{"an identifier is gone", plain.line, strings.Replace(plain.line, "`response.go response.", "`response.go response.no", 1), "response.no"},
		{"no code is named", "| " + plain.kept + " | " + plain.proven, "| the engine | " + plain.proven, "names no code"},
		{"a test is gone", plain.line, strings.Replace(plain.line, "`Test", "`TestNo", 1), "TestNo"},
		{"a test is not in that folder", plain.line, strings.Replace(plain.line, "`Test", "`examples Test", 1), "no test examples Test"},
		{"no test is named", plain.proven, "", "R76 is proven by nothing"},
		{"words stand in for a test", plain.proven, "plainly true", "R76 is proven by \"plainly true\""},
		{"nobody keeps it", "| " + host.kept + " |", "| `response.go respond` |", "C1 has a reason"},
	} {
		if !strings.Contains(doc, planted.old) {
			t.Errorf("%s: nothing to plant it in", planted.name)
			continue
		}
		// The row may share its cells with others: plant in its line.
		line := plain.line
		if strings.HasPrefix(planted.want, "C1 ") {
			line = host.line
		}
		broken := doc
		if strings.Contains(planted.old, line) {
			broken = strings.Replace(doc, planted.old, planted.with, 1)
		} else {
			broken = strings.Replace(doc, line, strings.Replace(line, planted.old, planted.with, 1), 1)
		}
		if faults := strings.Join(conformanceFaults(broken), "\n"); !strings.Contains(faults, planted.want) {
			t.Errorf("%s: want a fault with %q, got %q", planted.name, planted.want, faults)
		}
	}
	// What -update writes is right, whatever the first two columns were.
	drifted := strings.Replace(doc, plain.text, "Something else.", 1)
	drifted = strings.Replace(drifted, host.line+"\n", "", 1)
	again, _ := conformanceRows(conformanceUpdated(drifted))
	if again["R76"] != plain || again["C1"].text != host.text {
		t.Errorf("after -update the rows are %q and %q", again["R76"].line, again["C1"].line)
	}
}

// TestOnlyProofsImportTheRules keeps 200 sentences out of the programs that people deploy.
func TestOnlyProofsImportTheRules(t *testing.T) {
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		folder, _, _ := strings.Cut(path, "/")
		if folder == "gatewaytest" || folder == "validate" || strings.HasPrefix(path, "internal/rules") || strings.HasSuffix(path, "_test.go") {
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
	tableHead = regexp.MustCompile(`^\| ([RCD]) \|`) // the column of R1, R2, ... is headed R
	reference = regexp.MustCompile("`([^`]*)`")
	byOthers  = regexp.MustCompile(`^the (compiler|host|author)\b|^no meaning\b`)
	testName  = regexp.MustCompile(`^(Test|Fuzz|Example)([^a-z]|$)`)
)

// conformanceRows returns the rows by their numbers, and the numbers in the order in which they stand there.
func conformanceRows(doc string) (rows map[string]conformanceRow, order []string) {
	rows = make(map[string]conformanceRow)
	for _, m := range rowLine.FindAllStringSubmatch(doc, -1) {
		row := conformanceRow{line: m[0]}
		if cells := strings.Split(m[0], "|"); len(cells) == 6 {
			row.text, row.kept, row.proven = strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3]), strings.TrimSpace(cells[4])
		}
		rows[m[1]] = row
		order = append(order, m[1])
	}
	return rows, order
}

// ruleText is the second column: the sentence, and the reason of a rule that no code keeps.
func ruleText(r rules.Rule) string { return strings.TrimSpace(r.Text + " " + r.Why) }

// conformanceUpdated returns the document with a row for each rule below the head of its table. The last two columns stay.
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

// conformanceFaults returns what is wrong with the document.
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

	code, tests := make(codeIndex), make(codeIndex)
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
			file, name, _ := strings.Cut(m[1], " ")
			if !code.file(file)[name] {
				fault("%s is kept by %s, which %s does not have", r.ID, strconv.Quote(name), file)
			}
			named++
		}
		others := byOthers.MatchString(row.kept)
		switch {
		case r.Why != "" && !others:
			fault("%s has a reason why no code keeps it; say who does: the compiler, the host, the author, or \"no meaning\"", r.ID)
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
				fault("%s is proven by %q, which is no `Test` or `folder Test`", r.ID, item)
				continue
			}
			folder, name, found := strings.Cut(m[1], " ")
			if !found {
				folder, name = ".", m[1]
			}
			if !tests.folder(folder)[name] {
				fault("%s: there is no test %s", r.ID, m[1])
			}
		}
	}
	return faults
}

// A codeIndex knows the names in files of Go, or in the tests of folders. What cannot be read has no names.
type codeIndex map[string]map[string]bool

// file returns the names that a file declares: "name", "Type.Method", "Type.Field".
func (x codeIndex) file(path string) map[string]bool {
	if names, found := x[path]; found {
		return names
	}
	names := make(map[string]bool)
	x[path] = names
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return names
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			names[receiver(decl)+decl.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						names[name.Name] = true
					}
				case *ast.TypeSpec:
					names[spec.Name.Name] = true
					for _, member := range members(spec.Type) {
						names[spec.Name.Name+"."+member.Name] = true
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

// folder returns the tests, fuzz targets and examples in a folder's files, whatever their build tags.
func (x codeIndex) folder(path string) map[string]bool {
	if names, found := x[path]; found {
		return names
	}
	names := make(map[string]bool)
	x[path] = names
	files, _ := filepath.Glob(filepath.Join(path, "*_test.go"))
	for _, file := range files {
		maps.Copy(names, x.file(file))
	}
	maps.DeleteFunc(names, func(name string, _ bool) bool {
		return !testName.MatchString(name)
	})
	return names
}

// The table is Markdown; a cell that broke it would drop what follows.
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
