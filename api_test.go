package gateway_test

import (
	"bytes"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"example.com/gateway"
)

// TestTheRootHasFewNames: 30 is what fits on a page, and what a user can hold.
func TestTheRootHasFewNames(t *testing.T) {
	t.Parallel()
	pkg := packageDoc(t, ".")
	var names []string
	for _, value := range append(pkg.Consts, pkg.Vars...) {
		names = append(names, value.Names...)
	}
	for _, f := range pkg.Funcs {
		names = append(names, f.Name)
	}
	for _, typ := range pkg.Types {
		names = append(names, typ.Name)
		for _, f := range typ.Funcs { // constructors
			names = append(names, f.Name)
		}
		for _, value := range append(typ.Consts, typ.Vars...) {
			names = append(names, value.Names...)
		}
	}
	exported := names[:0]
	for _, name := range names {
		if ast.IsExported(name) {
			exported = append(exported, name)
		}
	}
	if len(exported) > 30 || len(exported) < 20 {
		t.Errorf("%d exported names: %s", len(exported), strings.Join(exported, " "))
	}
}

// TestEveryExportedNameHasADocComment that starts with the name, as go doc shows it.
func TestEveryExportedNameHasADocComment(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{".", "request", "cgi", "fcgi", "scgi", "uwsgi", "nethttp", "lambda",
		"serve", "quirks", "form", "middleware", "doctor", "validate", "gatewaytest"} {
		pkg := packageDoc(t, dir)
		if !strings.HasPrefix(pkg.Doc, "Package "+pkg.Name+" ") {
			t.Errorf("%s: the package comment starts %.30q", dir, pkg.Doc)
		}
		check := func(comment string, names ...string) {
			for _, name := range names {
				_, last, found := strings.Cut(name, ".")
				if !found {
					last = name
				}
				if !ast.IsExported(last) {
					continue
				}
				words := strings.Fields(comment)
				if len(words) > 0 && (words[0] == "A" || words[0] == "An") {
					words = words[1:]
				}
				if len(words) == 0 || strings.TrimRight(words[0], ",.:") != last {
					t.Errorf("%s: the comment of %s starts %.30q", dir, name, comment)
				}
			}
		}
		funcs := func(prefix string, list []*doc.Func) {
			for _, f := range list {
				check(f.Doc, prefix+f.Name)
			}
		}
		// The names of one declaration each have a comment inside of it.
		values := func(list []*doc.Value) {
			for _, value := range list {
				for _, spec := range value.Decl.Specs {
					spec := spec.(*ast.ValueSpec)
					comment := spec.Doc.Text()
					if comment == "" && len(value.Decl.Specs) == 1 {
						comment = value.Doc
					}
					for _, name := range spec.Names {
						if spec.Comment.Text() == "" {
							check(comment, name.Name)
						}
					}
				}
			}
		}
		values(append(pkg.Consts, pkg.Vars...))
		funcs("", pkg.Funcs)
		for _, typ := range pkg.Types {
			check(typ.Doc, typ.Name)
			funcs("", typ.Funcs)
			funcs(typ.Name+".", typ.Methods)
			values(append(typ.Consts, typ.Vars...))
			for _, spec := range typ.Decl.Specs {
				if fields, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType); ok {
					for _, field := range fields.Fields.List {
						for _, name := range field.Names {
							if field.Comment.Text() == "" { // a comment on its line need not repeat the name
								check(field.Doc.Text(), typ.Name+"."+name.Name)
							}
						}
					}
				}
			}
		}
	}
}

func packageDoc(t *testing.T, dir string) *doc.Package {
	t.Helper()
	names, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	var list []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, dir+"/"+name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, file)
	}
	pkg, err := doc.NewFromFiles(files, list, "example.com/gateway/"+dir)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

// TestNothingHeavyIsLinked: package net alone makes a CGI program start at half the speed.
func TestNothingHeavyIsLinked(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps",
		".", "./cgi", "./request", "./quirks", "./form", "./middleware").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 20 {
		t.Fatalf("only %d dependencies", len(deps))
	}
	for _, dep := range deps {
		switch dep {
		case "net", "net/http", "net/textproto", "net/url", "log/slog", "crypto/tls", "mime", "mime/multipart", "os/user", "fmt":
			t.Errorf("%s is linked", dep)
		}
		if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") && !strings.HasPrefix(dep, "example.com/gateway") {
			t.Errorf("%s is not of the standard library", dep)
		}
	}
}

// TestLambdaDoesNotLinkNetHTTP: a process that does starts a quarter later.
func TestLambdaDoesNotLinkNetHTTP(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "./lambda").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		if dep == "net/http" || dep == "crypto/tls" {
			t.Errorf("%s is linked", dep)
		}
	}
}

func TestTheModuleRequiresNothing(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"require", "replace", "tool"} {
		if bytes.Contains(mod, []byte(word)) {
			t.Errorf("go.mod has a %s", word)
		}
	}
}

// TestAllocations pins what a request costs. It is not parallel: it counts for the whole process.
func TestAllocations(t *testing.T) {
	env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET", "HTTP_ACCEPT": "a"}}
	block := []byte("block")
	blocks := func(n int) gateway.ApplicationFunc {
		return func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				for range n {
					if !yield(block, nil) {
						return
					}
				}
			}), err
		}
	}
	count := func(app gateway.Application) float64 {
		return testing.AllocsPerRun(100, func() {
			if err := gateway.Respond(app, env, nullTransport{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if n := count(hello(text("hello"), "200 OK", plain)); n > 5 {
		t.Errorf("a response of one block costs %v allocations, want 5 at most", n)
	}
	one, thousand := count(blocks(1)), count(blocks(1000))
	if one > 5 {
		t.Errorf("a stream of one block costs %v allocations, want 5 at most", one)
	}
	if thousand != one {
		t.Errorf("999 further blocks cost %v allocations, want none", thousand-one)
	}
	if n := testing.AllocsPerRun(100, func() { env.Header("Accept") }); n != 0 {
		t.Errorf("looking up a header costs %v allocations, want none", n)
	}
}
