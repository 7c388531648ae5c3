package validate

import (
	"iter"
	"path"
	"reflect"
	"runtime"
	"strconv"
	"strings"

	"example.com/gateway"
)

// The place of a finding comes from the stack: nothing else in Go tells which line has made a call.
// The place is for the reader alone. Whether there is a finding does not depend on the stack.

// blameless has the prefixes of functions that are never the place of a fault: those of this
// package, those of the root package, with its engine and bodies, and those of the standard library
// that call functions of others.
var (
	ownPackage  = reflect.TypeFor[lint]().PkgPath()
	rootPackage = reflect.TypeFor[gateway.Environ]().PkgPath()
	blameless   = []string{ownPackage + ".", rootPackage + ".",
		"bufio.", "bytes.", "compress/", "encoding/", "fmt.", "html/template.", "io.", "iter.", "log.", "log/slog.", "runtime.",
		"slices.", "strings.", "sync.", "testing.", "text/template."}
)

// borders are the functions of the lint that a server calls: the server is further out on the
// stack.
var borders = map[string]bool{
	ownPackage + ".(*lint).Call":   true,
	ownPackage + ".(*body).Blocks": true,
	ownPackage + ".(*body).each":   true,
	ownPackage + ".(*body).Close":  true,
}

func isBlameless(function string) bool {
	for _, prefix := range blameless {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}

// caller returns the place of the innermost call on one side of the lint: inside is the stack up to
// the first border, outside is the stack from there to the second. It returns "" if all functions
// there are blameless.
func caller(w way) string {
	reached := w == inside
	for frame := range stack() {
		switch {
		case borders[frame.Function] && reached:
			return ""
		case borders[frame.Function]:
			reached = true
		case reached && frame.Function != "" && !isBlameless(frame.Function):
			return describe(frame.Function, frame.File, frame.Line)
		}
	}
	return ""
}

// maxDepth is how many calls stack sees.
const maxDepth = 512

// stack returns the calls that are going on, the innermost first.
func stack() iter.Seq[runtime.Frame] {
	return func(yield func(runtime.Frame) bool) {
		pcs := make([]uintptr, maxDepth)
		frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
		for more := true; more; {
			var frame runtime.Frame
			if frame, more = frames.Next(); !yield(frame) {
				return
			}
		}
	}
}

// trail returns the places of the last calls that led to the lint, the innermost first.
func trail() string {
	var places []string
	reached := false
	for frame := range stack() {
		if reached && len(places) < 6 && frame.Function != "" && frame.Function != "runtime.goexit" {
			places = append(places, describe(frame.Function, frame.File, frame.Line))
		}
		reached = reached || borders[frame.Function]
	}
	return strings.Join(places, " < ")
}

// placeOf returns the place of a function, or the type of any other value.
func placeOf(v any) string {
	if value := reflect.ValueOf(v); value.Kind() == reflect.Func {
		if f := runtime.FuncForPC(value.Pointer()); f != nil {
			file, line := f.FileLine(f.Entry())
			return describe(f.Name(), file, line)
		}
	}
	return reflect.TypeOf(v).String()
}

func describe(function, file string, line int) string {
	return function + " " + path.Base(file) + ":" + strconv.Itoa(line)
}
