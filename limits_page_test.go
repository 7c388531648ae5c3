package gateway_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// limitFields are the fields of docs/limits.md, by the table in which they are. The fields of a
// type that are no limits are not among them.
var limitFields = []struct{ table, dir, typ, others string }{
	{"request.Limits", "request", "Limits", ""},
	{"form.Limits", "form", "Limits", ""},
	{"host.Options", "host", "Options", "Vars Authorization Stream Local EarlyHints"},
	{"host.CGI", "host", "CGI", "Path Args Dir Scripts NPH"},
	{"field", "host", "FastCGI", "Addresses Scripts MaxIdle"},
	{"field", "host", "SCGI", "Addresses"},
	{"field", "host", "UWSGI", "Addresses Modifier1"},
}

// docs/limits.md has a row for each limit, with the number of the code. A limit without a constant
// is none by default.
func TestTheLimitsPageHasTheNumbersOfTheCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(page), "\n"); n > 120 {
		t.Errorf("the page has %d lines, want at most 120", n)
	}
	rows, seen := make(map[string]string), make(map[string]bool)
	table := ""
	for line := range strings.Lines(string(page)) {
		m := regexp.MustCompile("^\\| `?([\\w.]+)`? \\| ([^|]+) \\|").FindStringSubmatch(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			table = ""
		case m == nil:
		case table == "":
			table = m[1]
		default:
			rows[table+" "+m[1]] = m[2]
		}
	}
	want := make(map[string]string)
	for _, f := range limitFields {
		constants := constantsOf(t, f.dir)
		for _, name := range fieldsOf(t, f.dir, f.typ) {
			if strings.Contains(" "+f.others+" ", " "+name+" ") {
				continue
			}
			want[f.table+" "+name] = "none"
			if expr := constants["default"+name]; expr != "" {
				want[f.table+" "+name] = quantity(t, name, expr)
			}
			seen[f.dir+".default"+name] = true
		}
	}
	for _, dir := range []string{"request", "form", "host"} {
		for name := range constantsOf(t, dir) {
			if strings.HasPrefix(name, "default") && !seen[dir+"."+name] {
				t.Errorf("%s.%s is for no field that the page has", dir, name)
			}
		}
	}
	for row := range rows {
		if name, isConstant := strings.CutPrefix(row, "constant "); isConstant {
			dir, name, _ := strings.Cut(name, ".")
			expr := constantsOf(t, dir)[name]
			if expr == "" {
				t.Errorf("there is no constant %s in %s", name, dir)
				continue
			}
			want[row] = quantity(t, name, expr)
		}
	}
	for row, value := range want {
		if rows[row] != value {
			t.Errorf("the page has %q for %s, and the code %s", rows[row], row, value)
		}
	}
	for row := range rows {
		if want[row] == "" {
			t.Errorf("the page has a row for %s, of which the code has nothing", row)
		}
	}
	if len(rows) < 25 {
		t.Errorf("found %d rows", len(rows))
	}
}

// quantity evaluates an expression, and writes it as the page does. A multiple of 1024 is a number
// of bytes.
func quantity(t *testing.T, name, expr string) string {
	t.Helper()
	isTime := strings.Contains(expr, "time.")
	expr = regexp.MustCompile(`time\.(\w+)`).ReplaceAllStringFunc(expr, func(unit string) string {
		d := map[string]time.Duration{"time.Second": time.Second, "time.Minute": time.Minute}[unit]
		return fmt.Sprint(int64(d))
	})
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expr)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	n, exact := constant.Int64Val(v.Value)
	if !exact {
		t.Fatalf("%s is %s", name, v.Value)
	}
	switch {
	case isTime && n%int64(time.Minute) == 0 && n > int64(time.Minute):
		return fmt.Sprint(n/int64(time.Minute), " min")
	case isTime:
		return fmt.Sprint(n/int64(time.Second), " s")
	case n%(1<<30) == 0:
		return fmt.Sprint(n>>30, " GiB")
	case n%(1<<20) == 0:
		return fmt.Sprint(n>>20, " MiB")
	case n%(1<<10) == 0:
		return fmt.Sprint(n>>10, " KiB")
	}
	return fmt.Sprint(n)
}

// constantsOf returns the expressions of a package's constants and variables.
func constantsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	list := make(map[string]string)
	eachDecl(t, dir, func(source string, spec ast.Spec) {
		value, ok := spec.(*ast.ValueSpec)
		for i := 0; ok && i < len(value.Values); i++ {
			list[value.Names[i].Name] = source[value.Values[i].Pos()-1 : value.Values[i].End()-1]
		}
	})
	return list
}

// fieldsOf returns the names of a struct's exported fields.
func fieldsOf(t *testing.T, dir, typ string) (names []string) {
	t.Helper()
	eachDecl(t, dir, func(_ string, spec ast.Spec) {
		s, ok := spec.(*ast.TypeSpec)
		if !ok || s.Name.Name != typ {
			return
		}
		for _, field := range s.Type.(*ast.StructType).Fields.List {
			for _, name := range field.Names {
				if name.IsExported() {
					names = append(names, name.Name)
				}
			}
		}
	})
	if names == nil {
		t.Fatalf("%s has no struct %s", dir, typ)
	}
	return names
}

func eachDecl(t *testing.T, dir string, f func(source string, spec ast.Spec)) {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && !strings.HasSuffix(name, "_test.go") {
				for _, spec := range g.Specs {
					f(string(source), spec)
				}
			}
		}
	}
}
