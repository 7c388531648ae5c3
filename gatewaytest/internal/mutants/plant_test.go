package main

import (
	"strings"
	"testing"
)

const planted = `package p

// f returns twice(n), or an error.
func f(n int) (int, error) {
	switch {
	case n == 0 && // of a caller
		n < limit:
		return 0, nil // zero
	}
	for i := 0; i < n; i++ {
		twice(
			n,
			"a\tb", // the comment
		)
	}
	return twice(n, ""), nil
}

type (
	t struct{ a, b int }
	u struct{ a, b int }
)

func (t) m() int  { return 1 }
func (*u) m() int { return 1 }

const limit, more = 8, 9

var table = map[string]int{
	"a": 1,
	"b": 2,
}
`

func TestAFaultIsPlantedHoweverTheCodeIsLaidOut(t *testing.T) {
	for _, c := range []struct{ name, decl, old, new, want string }{
		{"an expression over two lines", "f", `n==0&&n<limit`, `true`, "\tcase true:\n"},
		{"a call with a comma before the closing line", "f", `twice(n, "a\tb")`, `once()`, "\t\tonce()\n"},
		{"the same call, written over lines", "f", "twice(\n\tn,\n\t\"a\\tb\",\n)", `once()`, "\t\tonce()\n"},
		{"statements of two blocks", "f", `return 0, nil } for i := 0`, "}\nfor i := 1", "\t\t}\nfor i := 1; i < n; i++ {\n"},
		{"semicolons in a line", "f", `i < n; i++ {`, `i < n; i++ { break`, "\tfor i := 0; i < n; i++ { break\n"},
		{"a statement with a comment behind it", "f", `return 0, nil`, `return 1, nil`, "\t\treturn 1, nil // zero\n"},
		{"nothing in the place of something", "f", `, ""`, ``, "\treturn twice(n), nil\n"},
		{"the head of a function", "f", `(int, error)`, `(_ int, err error)`, "func f(n int) (_ int, err error) {\n"},
		{"a declaration in front of a function", "f", `func f`, `var x int; func f`, "var x int; func f(n int)"},
		{"a method", "t.m", `1`, `2`, "func (t) m() int  { return 2 }\n"},
		{"a method of a pointer", "(*u).m", `1`, `2`, "func (*u) m() int { return 2 }\n"},
		{"a type among others", "u", `a, b`, `a, c`, "\tu struct{ a, c int }\n"},
		{"a constant", "more", `9`, `10`, "const limit, more = 8, 10\n"},
		{"an entry of a table", "table", `"b": 2`, `"b": 3`, "\t\"b\": 3,\n"},
		{"a variable with its keyword", "table", `var table`, `var tables`, "var tables = map"},
	} {
		got, err := fault{"p.go", c.decl, change{"it is wrong", c.old, c.new, ""}}.plant(planted)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if strings.Contains(planted, c.want) || !strings.Contains(got, c.want) {
			t.Errorf("%s: not planted as\n%s\nbut as\n%s", c.name, c.want, got)
		}
	}
}

func TestAFaultThatCannotBePlantedSaysWhy(t *testing.T) {
	for _, c := range []struct{ name, decl, old, new, want string }{
		{"no such declaration", "(*t).m", `1`, `2`, "declares (*t).m 0 times"},
		{"code of another declaration", "f", `return 1`, `return 2`, "does not have the old code"},
		{"a part of a token", "f", `lim`, `x`, "does not have the old code"},
		{"another literal", "f", `twice(n, "a b")`, `x`, "does not have the old code"},
		{"code of a comment", "f", `zero`, `x`, "does not have the old code"},
		{"code that is there twice", "f", `twice(n,`, `twice(m,`, "2 times, in lines 11, 16"},
		{"no code", "f", ` // nothing`, `x`, "empty or not Go"},
		{"code that is not Go", "f", "`x", `x`, "empty or not Go"},
		{"no change", "f", `n==0`, `n == 0 // none`, "the new code is the old code"},
		{"a replacement that is not Go", "f", `return 0, nil`, `return return`, "with the new code the file is not Go"},
	} {
		got, err := fault{"p.go", c.decl, change{"it is wrong", c.old, c.new, ""}}.plant(planted)
		if err == nil {
			t.Errorf("%s: planted as\n%s", c.name, got)
		} else if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "faults_*.go") {
			t.Errorf("%s: %v, want %q and what to change in faults_*.go", c.name, err, c.want)
		}
	}
	_, err := fault{file: "gone.go"}.sourceIn(root)
	if err == nil || !strings.Contains(err.Error(), "gone.go") || !strings.Contains(err.Error(), "faults_*.go") {
		t.Errorf("a file that is gone: %v", err)
	}
}
