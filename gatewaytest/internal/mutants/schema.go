package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// To compile a test takes seconds, and to run it takes milliseconds. So the faults are compiled
// together, which is called a mutant schema: a function begins with a copy of its body for each of
// its faults, and a process runs the copy that has the fault of the process.
//
//	func f(n int) int {
//		if planted.Fault == 7 {
//			… // the body with fault 7
//		}
//		… // the body as it was
//	}
//
// A process reads the number of its fault from the path of its program, DIR/7/PACKAGE.test. The
// environment cannot have the number, since a CGI program gets no variables but its host's. A test
// that starts its own program as another process starts it by that path.
const (
	modulePath  = "example.com/gateway"
	plantedPath = "internal/planted"
	plantedCode = `package planted

import (
	"os"
	"path/filepath"
	"strconv"
)

// Fault is the number of the fault that this process has, or 0.
var Fault, _ = strconv.Atoi(filepath.Base(filepath.Dir(os.Args[0])))
`
)

// A planting is what became of a fault in a copy of the module.
type planting struct {
	overlay string // for go build, if the fault has to be compiled alone
	err     error  // why the fault cannot be planted
}

// plantAll plants the faults in the copy of the module in dir: fault i for the processes of number
// i+1.
func plantAll(dir string, faults []fault) ([]planting, error) {
	plantings := make([]planting, len(faults))
	choices := map[string]map[int]string{} // by files and offsets
	for i, f := range faults {
		p, n := &plantings[i], i+1
		source, err := f.sourceIn(dir)
		if err != nil {
			p.err = err
			continue
		}
		faulty, err := f.plant(source)
		if err != nil {
			p.err = err
			continue
		}
		at, code, ok := f.choice(n, source, faulty)
		if !ok {
			p.overlay, p.err = f.writeOverlay(dir, n, faulty)
			continue
		}
		if choices[f.file] == nil {
			choices[f.file] = map[int]string{}
		}
		choices[f.file][at] += code
	}
	for name, inFile := range choices {
		source, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		planted, err := insert(string(source), inFile)
		if err != nil {
			return nil, err
		}
		if err := write(filepath.Join(dir, name), planted); err != nil {
			return nil, err
		}
	}
	return plantings, write(filepath.Join(dir, plantedPath, "planted.go"), plantedCode)
}

// choice returns the code that makes process n run the faulty body, and the offset in the source at
// which the code belongs. It is not ok if the fault is outside of the body of a function, or if a
// copy of the body would mean something else.
func (f fault) choice(n int, source, faulty string) (at int, code string, ok bool) {
	_, begin, end := body(source, f.decl)
	decl, from, to := body(faulty, f.decl)
	isInBody := decl != nil && source[:begin] == faulty[:from] && source[end:] == faulty[to:]
	if !isInBody || !canBeBlock(decl) {
		return 0, "", false
	}
	copied := faulty[from:to]
	if decl.Type.Results == nil {
		copied += "\nreturn"
	}
	// The compiler names the fault if the copy is wrong. What follows keeps its lines' numbers.
	name, line := path.Base(f.file), lineOf(source, begin)
	return begin, fmt.Sprintf("\nif planted.Fault == %d {\n//line %s (%s):%d\n%s\n}\n//line %s:%d\n",
		n, name, f.what, line, copied, name, line), true
}

// body returns the declaration of a function, and where in the source the code between its braces
// is. It returns nil for another declaration.
func body(source, name string) (decl *ast.FuncDecl, begin, end int) {
	file, node, err := find(source, name)
	if err != nil {
		return nil, 0, 0
	}
	decl, ok := node.(*ast.FuncDecl)
	if !ok {
		return nil, 0, 0
	}
	return decl, file.Offset(decl.Body.Lbrace) + 1, file.Offset(decl.Body.Rbrace)
}

// canBeBlock reports whether the body of a function would mean the same as a block of the function.
// In a body, := assigns to a parameter; in a block, := declares another variable. And a label may
// be in a function once.
func canBeBlock(decl *ast.FuncDecl) bool {
	var parameters []string
	hasLabel := false
	ast.Inspect(decl, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.Field:
			for _, name := range node.Names {
				if node.Pos() < decl.Body.Pos() && name.Name != "_" {
					parameters = append(parameters, name.Name)
				}
			}
		case *ast.LabeledStmt:
			hasLabel = true
		}
		return true
	})
	isParameter := func(left ast.Expr) bool {
		return slices.Contains(parameters, types.ExprString(left))
	}
	return !hasLabel && !slices.ContainsFunc(decl.Body.List, func(statement ast.Stmt) bool {
		assign, ok := statement.(*ast.AssignStmt)
		return ok && assign.Tok == token.DEFINE && slices.ContainsFunc(assign.Lhs, isParameter)
	})
}

// insert returns the source with pieces of code at their offsets, and with the import that they
// need.
func insert(source string, pieces map[int]string) (string, error) {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, "", source, parser.PackageClauseOnly)
	if err != nil {
		return "", err
	}
	pieces = maps.Clone(pieces)
	end := files.Position(tree.Name.End()).Offset // of the package clause
	pieces[end] = `; import "` + modulePath + "/" + plantedPath + `"`
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(pieces))) {
		source = source[:at] + pieces[at] + source[at:]
	}
	return source, nil
}

// writeOverlay writes what go build takes for the option -overlay, and returns the path.
func (f fault) writeOverlay(dir string, n int, faulty string) (string, error) {
	name := filepath.Join(dir, strconv.Itoa(n), "overlay")
	replace := map[string]string{filepath.Join(dir, f.file): name + ".go"}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	return name, errors.Join(write(name, string(list)), write(name+".go", faulty))
}

func write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o666)
}

// program returns the path of the test binary that process n of the check runs.
func (c check) program(dir string, n int) string {
	return filepath.Join(dir, strconv.Itoa(n), path.Base(path.Join(modulePath, c.folder))+".test")
}

// build compiles the programs of the checks for the processes n.
func build(dir string, n int, overlay string, checks ...check) error {
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay=" + overlay,
		"-o=" + strconv.Itoa(n) + "/"}
	for _, c := range checks {
		args = append(args, c.folder)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return nil
}

// provide gives process n its program: process 0's, unless the fault has to be compiled alone.
func (p planting) provide(dir string, n int, c check) error {
	if p.err != nil {
		return p.err
	}
	if p.overlay != "" {
		return build(dir, n, p.overlay, c)
	}
	name := c.program(dir, n)
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.Link(c.program(dir, 0), name))
}
