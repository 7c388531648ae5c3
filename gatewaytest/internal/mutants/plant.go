package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// String names the fault for people.
func (f fault) String() string { return fmt.Sprintf("%s, %s, %q", f.file, f.decl, f.what) }

// sourceIn returns the fault's file below root.
func (f fault) sourceIn(root string) (string, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.file)))
	if err != nil {
		return "", fmt.Errorf("%w: name the file that has the declaration now in faults_*.go", err)
	}
	return string(source), nil
}

// plant returns the source of the fault's file with the fault in it. Its errors say what to change
// in faults_*.go.
func (f fault) plant(source string) (string, error) {
	file, decl, err := find(source, f.decl)
	if err != nil {
		return "", err
	}
	begin, end := file.Offset(decl.Pos()), file.Offset(decl.End())
	code, err := lex(source[begin:end])
	if err != nil {
		return "", err
	}
	old, err := lex(f.old)
	if err != nil || len(old) == 0 {
		return "", fmt.Errorf("the old code is empty or not Go: correct it in faults_*.go: %q", f.old)
	}
	var matches []int  // indexes of code
	var lines []string // of the file
	for i := 0; i+len(old) <= len(code); i++ {
		if slices.EqualFunc(code[i:i+len(old)], old, same) {
			matches = append(matches, i)
			lines = append(lines, fmt.Sprint(lineOf(source, begin+code[i].start)))
		}
	}
	switch len(matches) {
	case 0:
		return "", fmt.Errorf("the declaration does not have the old code: write in faults_*.go what the code is now, "+
			"or move the fault to the declaration that has it: %s", f.old)
	case 1:
	default:
		return "", fmt.Errorf("the declaration has the old code %d times, in lines %s: add in faults_*.go what stands next "+
			"to the right one: %s", len(matches), strings.Join(lines, ", "), f.old)
	}
	if replacement, _ := lex(f.new); slices.EqualFunc(replacement, old, same) {
		return "", fmt.Errorf("the new code is the old code: correct it in faults_*.go: %s", f.new)
	}
	first, last := code[matches[0]], code[matches[0]+len(old)-1]
	planted := source[:begin+first.start] + f.new + source[begin+last.end:]
	if _, err := parser.ParseFile(token.NewFileSet(), f.file, planted, parser.SkipObjectResolution); err != nil {
		return "", fmt.Errorf("with the new code the file is not Go: correct it in faults_*.go: %s: %w", f.new, err)
	}
	return planted, nil
}

func lineOf(source string, offset int) int { return 1 + strings.Count(source[:offset], "\n") }

// find returns the declaration called name, as fault.decl has it, and the file that knows where in
// the source it is.
func find(source, name string) (*token.File, ast.Node, error) {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	var found []ast.Node
	for _, decl := range tree.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if nameOf(decl) == name {
				found = append(found, decl)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if !slices.Contains(namesOf(spec), name) {
					continue
				}
				if decl.Lparen.IsValid() {
					found = append(found, spec)
				} else {
					found = append(found, decl) // with its keyword
				}
			}
		}
	}
	if len(found) != 1 {
		return nil, nil, fmt.Errorf("the file declares %s %d times, not once: name the file and the "+
			"declaration that have the old code now in faults_*.go", name, len(found))
	}
	return files.File(tree.FileStart), found[0], nil
}

// nameOf returns f, T.m or (*T).m.
func nameOf(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return decl.Name.Name
	}
	receiver := types.ExprString(decl.Recv.List[0].Type)
	if strings.HasPrefix(receiver, "*") {
		receiver = "(" + receiver + ")"
	}
	return receiver + "." + decl.Name.Name
}

// namesOf returns what a line of a const, var or type declaration declares.
func namesOf(spec ast.Spec) (names []string) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		names = append(names, spec.Name.Name)
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// A lexeme is a token as it is written, and where.
type lexeme struct {
	text       string
	start, end int
}

func same(a, b lexeme) bool { return a.text == b.text }

// lex returns the tokens of a piece of Go code. It leaves out what comes and goes when lines are
// broken elsewhere: comments, semicolons, and a comma before a closing bracket.
func lex(code string) (list []lexeme, err error) {
	file := token.NewFileSet().AddFile("", -1, len(code))
	var faults scanner.ErrorList
	var s scanner.Scanner
	s.Init(file, []byte(code), faults.Add, 0)
	for {
		pos, tok, text := s.Scan()
		switch tok {
		case token.EOF:
			return list, faults.Err()
		case token.SEMICOLON:
			continue
		case token.RPAREN, token.RBRACK, token.RBRACE:
			if n := len(list); n > 0 && list[n-1].text == "," {
				list = list[:n-1]
			}
		}
		if text == "" { // an operator
			text = tok.String()
		}
		start := file.Offset(pos)
		list = append(list, lexeme{text, start, start + len(text)})
	}
}
