package gateway

import (
	"context"
	"errors"
	"runtime"
	"strconv"

	"example.com/gateway/internal/header"
)

// Faults of an application or a transport that no caller would test for.
var (
	errAfterCall = error(&fault{rule: "R102", text: "gateway: the writer was used after Call; a body yields instead"})
	errOverlap   = error(&fault{rule: "R102", text: "gateway: two calls of start, its writer or yield overlap"})
	errRanOn     = error(&fault{rule: "R22", text: "gateway: the body went on after yield returned false"})
	errNoBody    = error(&fault{rule: "R15", text: "gateway: Call returned neither a Body nor an error"})
	errNoReturn  = errors.New("gateway: the transport panicked, or ended the goroutine")
	errGoexit    = error(&fault{rule: "R15", text: "gateway: the application ended its goroutine"})
)

// A fault is an error of this package. It stands in for fmt.Errorf: package fmt makes the start of
// a CGI program 3 to 4 percent slower.
type fault struct {
	rule  string // which the error stands for
	text  string
	wraps []error
}

// newFault returns an error that wraps kind and says what exactly was wrong.
func newFault(rule string, kind error, detail string) *fault {
	return &fault{rule, kind.Error() + ": " + detail, []error{kind}}
}

func (f *fault) Error() string   { return f.text }
func (f *fault) Rule() string    { return f.rule }
func (f *fault) Unwrap() []error { return f.wraps }

// A guarded makes an error of somebody else harmless. guard asks for the text once, and a panic in
// Is, As or Unwrap counts as no. So note and the servers look at errors without a recover.
type guarded struct {
	err  error
	text string
}

// guard returns err as a guarded, unless err is nil or this package's own.
func guard(err error) error {
	switch err := err.(type) {
	case nil, *fault, *panicError, *guarded:
		return err
	}
	return &guarded{err, textOf(err)}
}

func (g *guarded) Error() string { return g.text }

func (g *guarded) Is(target error) (is bool) {
	defer func() { _ = recover() }()
	return errors.Is(g.err, target)
}

func (g *guarded) As(target any) (as bool) {
	defer func() { _ = recover() }()
	return errors.As(g.err, target)
}

// A panicError is a panic of the application or the transport, recovered.
type panicError struct {
	fault
	stack []byte
}

// newPanic returns the error for what recover has returned.
func newPanic(v any) error {
	p := &panicError{fault{rule: "R109", text: "gateway: panic: " + textOf(v)}, make([]byte, 64<<10)}
	p.stack = p.stack[:runtime.Stack(p.stack, false)]
	if e, ok := v.(error); ok {
		p.wraps = []error{guard(e)}
	}
	if v == errRanOn {
		p.rule = "R22"
	}
	return p
}

// isPanic reports whether err is a panic itself. errors.As would believe an As that always says yes.
func isPanic(err error) bool {
	_, is := err.(*panicError)
	return is
}

// try calls a function that calls the application or the transport, and makes a panic an error.
func try(f func() error) (err error) {
	err = errGoexit // of a panic(nil), under GODEBUG=panicnil=1
	defer func() {
		if v := recover(); v != nil {
			err = newPanic(v)
		}
	}()
	return guard(f())
}

// textOf returns the text of a panic's value: that of an error or a Stringer, a string, or a number
// of the usual types. Any other value would take reflection.
func textOf(v any) (s string) {
	defer func() {
		if recover() != nil {
			s = "a value whose text method panics, as that of a nil pointer does"
		}
	}()
	switch v := v.(type) {
	case error:
		return v.Error()
	case interface{ String() string }:
		return v.String()
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return "a value that is no error, string, number or Stringer"
}

// note adds an error to those that Respond returns, and writes it to the server's Errors. It does
// not write an error that only says that the client has left. An entry is one line, then the stack
// of a panic, in one Write, so that entries of different requests do not mix.
func (r *response) note(err error) {
	if err == nil {
		return
	}
	r.faults = errors.Join(r.faults, err)
	if r.log == nil || r.isOfLeaving(err) {
		return
	}
	entry := header.LogEntry(r.method, r.script+r.path, err.Error())
	if p, ok := err.(*panicError); ok {
		entry += string(p.stack)
	}
	defer func() { _ = recover() }() // R47: an application must not suffer from its log
	_, _ = r.log.Write([]byte(entry))
}

// isOfLeaving reports whether an error only says that the client has left. The error of a body that
// was cut short says so. A panic never does, nor does an error about the client of another response.
func (r *response) isOfLeaving(err error) bool {
	hasLeft := r.hasLeft || errors.Is(guard(r.ctx.Cause()), ErrDisconnected)
	return !isPanic(err) && (r.in.isCut.Load() && isCutShort(err) ||
		hasLeft && (errors.Is(err, ErrDisconnected) || errors.Is(err, context.Canceled)))
}
