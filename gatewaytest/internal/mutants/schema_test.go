package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWhatIsCompiledTogether(t *testing.T) {
	const source = `package p

const limit = 8

func f(list []int, n int, _ error) (sum int, err error) {
	for _, n := range list {
		sum, err := sum+n, error(nil)
		_, _ = sum, err
	}
	g := func(m int) int { return m + 1 }
	m, _ := g(n), 0
	return m, nil
}

func (t *t) again(n int) (err error) {
	m, err := n, error(nil)
	return err
}

func (t *t) receiver() { t, n := nil, 1 }

func label() {
again:
	goto again
}
`
	for _, c := range []struct {
		name, decl, old, new string
		want                 bool
	}{
		{"a body", "f", `m + 1`, `m + 2`, true},
		{"the last statement of a body", "f", `return m, nil`, `return 0, nil`, true},
		{"two statements where one was", "f", `return m, nil`, `m++; return m, nil`, true},
		{"the head of a function", "f", `n int`, `n int64`, false},
		{"what comes before a function", "f", `func f`, `func g() {}; func f`, false},
		{"what comes after a function", "f", `return m, nil`, `return m, nil }; func g() {`, false},
		{"a constant", "limit", `8`, `9`, false},
		{"a body that assigns to a result with :=", "(*t).again", `n,`, `1,`, false},
		{"a body that assigns to the receiver with :=", "(*t).receiver", `1`, `2`, false},
		{"a body that does so because of the fault", "f", `m, _`, `m, n`, false},
		{"a body with a label", "label", `goto again`, `return`, false},
	} {
		f := fault{"p.go", c.decl, change{"it is wrong", c.old, c.new, ""}}
		faulty, err := f.plant(source)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if _, code, got := f.choice(7, source, faulty); got != c.want {
			t.Errorf("%s: %t, want %t: %s", c.name, got, c.want, code)
		}
	}
}

// small makes a small module in a folder.
func small(t *testing.T) (dir string) {
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module " + modulePath + "\n\ngo 1.25\n",
		"p/p.go": `package p // of a test

import "fmt"

const limit = 8

func try(f func()) (err error) {
	defer settle(&err)
	f()
	return nil
}

func settle(err *error) { *err, _ = recover().(error) }

func half(n int) (result int, ok bool) {
	result, rest := n/2, n%2
	return result, rest == 0
}

func sum(list ...int) (n int) {
	for _, m := range list {
		n += m
	}
	return
}

var _ = fmt.Sprint
`,
		"p/p_test.go": `package p

import (
	"errors"
	"testing"
)

func TestTry(t *testing.T) {
	want := errors.New("panic")
	if err := try(func() { panic(want) }); err != want {
		t.Error(err)
	}
}

func TestHalf(t *testing.T) {
	if n, ok := half(6); n != 3 || !ok {
		t.Error(n, ok)
	}
}

func TestSum(t *testing.T) {
	if n := sum(1, 2, 3); n != 6 || n > limit {
		t.Error(n)
	}
}
`,
	} {
		if err := write(filepath.Join(dir, name), text); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAProcessHasItsFaultAlone(t *testing.T) {
	dir := small(t)
	cases := []struct {
		decl  string
		fault change
		alone bool
		want  string
	}{
		{"settle", change{"no recovery", `*err, _ = recover().(error)`, `_ = err`, "TestTry"}, false, ""},
		{"try", change{"a panic gets through", `defer settle(&err)`, ``, "TestTry"}, false, ""},
		{"sum", change{"the last one counts", `+=`, `=`, "TestSum"}, false, ""},
		{"sum", change{"nothing is wrong", `+=`, `+= 0 +`, "TestSum"}, false, "it survives"},
		{"sum", change{"a test is gone", `+=`, `-=`, "TestGone"}, false, "there is no test"},
		{"sum", change{"the code is gone", `*=`, `=`, "TestSum"}, false, "does not have the old code"},
		{"half", change{"half is all", `n/2`, `n`, "TestHalf"}, true, ""},
		{"limit", change{"a limit is text", `8`, `"8"`, "TestSum"}, true, "mismatched types"},
	}
	var list []fault
	for _, c := range cases {
		list = append(list, fault{"p/p.go", c.decl, c.fault})
	}
	plantings, err := plantAll(dir, list)
	if err != nil {
		t.Fatal(err)
	}
	all := check{"./p", "TestTry|TestHalf|TestSum"}
	if err := build(dir, 0, "", all); err != nil {
		t.Fatal(err)
	}
	if r := all.run(dir, 0, ""); r.err != nil || len(r.failed) > 0 {
		t.Errorf("without a fault: %+v", r)
	}
	for i, c := range cases {
		r := try(dir, i+1, list[i], plantings[i])
		if isAlone := plantings[i].overlay != ""; isAlone != c.alone {
			t.Errorf("%v: alone: %t", list[i], isAlone)
		}
		if c.want == "" && (r.err != nil || !slices.Equal(r.failed, []string{c.fault.by})) {
			t.Errorf("%v: %+v", list[i], r)
		}
		if c.want != "" && (r.err == nil || !strings.Contains(r.err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", list[i], r.err, c.want)
		}
	}
}

func TestTheCompilerNamesTheFaultAndTheLine(t *testing.T) {
	dir := small(t)
	f := fault{file: "p/p.go"}
	source, err := f.sourceIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(filepath.Join(dir, f.file), source+"var text string = limit\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := plantAll(dir, []fault{
		{f.file, "sum", change{"the last one counts", `+=`, `=`, "TestSum"}},
		{f.file, "sum", change{"nobody uses a variable", `return`, `x := n; return`, "TestSum"}},
	}); err != nil {
		t.Fatal(err)
	}
	err = build(dir, 0, "", check{"./p", "TestSum"})
	for _, want := range []string{"p.go (nobody uses a variable):24: declared and not used: x",
		fmt.Sprintf("p.go:%d: cannot use limit", lineOf(source, len(source)))} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
