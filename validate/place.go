package validate

import (
	"path"
	"reflect"
	"runtime"
	"strconv"
	"strings"

	"example.com/gateway"
)

// The packages whose functions are never the place of a fault: this one, the root with its engine and bodies, and those of
// the standard library that call back.
var (
	ownPackage  = reflect.TypeFor[lint]().PkgPath()
	rootPackage = reflect.TypeFor[gateway.Environ]().PkgPath()
	passive     = []string{"bufio.", "bytes.", "compress/", "encoding/", "fmt.", "html/template.", "io.", "iter.", "log.", "log/slog.", "runtime.",
		"slices.", "strings.", "sync.", "testing.", "text/template."}
)

// borders are the functions by which what is outside enters: further out on the stack is the server.
var borders = map[string]bool{
	ownPackage + ".(*lint).Call":   true,
	ownPackage + ".(*body).Blocks": true,
	ownPackage + ".(*body).each":   true,
	ownPackage + ".(*body).Close":  true,
}

func isPassive(function string) bool {
	if strings.HasPrefix(function, ownPackage+".") || strings.HasPrefix(function, rootPackage+".") {
		return true
	}
	for _, prefix := range passive {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}

// caller returns the place from which the lint was called just now: by what is inside of the border, or outside of it, up to the
// next border. It is "" if only functions that are never to blame are there.
func caller(w way) string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for crossed := false; ; {
		frame, more := frames.Next()
		switch {
		case borders[frame.Function]:
			if w == inside || crossed {
				return ""
			}
			crossed = true
		case (w == inside || crossed) && frame.Function != "" && !isPassive(frame.Function):
			return describe(frame.Function, frame.File, frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// nested reports that this goroutine is inside of another call of a lint, as it is when an application calls an application.
// What cannot be told counts as nested.
func nested() bool {
	entered := 0
	return stackHas(func(function string) bool {
		if borders[function] {
			entered++
		}
		return entered > 1
	})
}

// mapped reports that a block may have gone through gateway.Map, whose function may change it in place. What cannot be told counts
// as mapped.
func mapped() bool {
	return stackHas(func(function string) bool { return strings.HasPrefix(function, rootPackage+".(*mapped).") })
}

// stackHas reports that a function that is met is on the stack, or that there is more stack than can be seen: who calls a
// coroutine, as iter.Pull makes them, is on another.
func stackHas(met func(function string) bool) bool {
	pcs := make([]uintptr, 512)
	n := runtime.Callers(3, pcs)
	if n == len(pcs) {
		return true
	}
	for frames := runtime.CallersFrames(pcs[:n]); ; {
		frame, more := frames.Next()
		if met(frame.Function) || strings.HasPrefix(frame.Function, "iter.Pull") || frame.Function == "runtime.corostart" {
			return true
		}
		if !more {
			return false
		}
	}
}

// trail returns the places of the calls in pcs, innermost first.
func trail(pcs []uintptr) string {
	var b strings.Builder
	frames := runtime.CallersFrames(pcs)
	for {
		frame, more := frames.Next()
		if frame.Function != "" && frame.Function != "runtime.goexit" {
			if b.Len() > 0 {
				b.WriteString(" < ")
			}
			b.WriteString(describe(frame.Function, frame.File, frame.Line))
		}
		if !more {
			return b.String()
		}
	}
}

// placeOf returns the place of a function, or of the type of anything else.
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
	return function + " " + path.Base(strings.ReplaceAll(file, `\`, "/")) + ":" + strconv.Itoa(line)
}
