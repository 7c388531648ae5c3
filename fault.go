package gateway

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
)

// A fault is one of the package's errors with what exactly was wrong, or with the cause, or both. It stands in for
// fmt.Errorf: package fmt makes the start of a CGI program 3 to 4 percent slower.
type fault struct {
	sentinel error
	detail   string
	cause    error
}

func (f *fault) Error() string {
	s := f.sentinel.Error()
	if f.detail != "" {
		s += ": " + f.detail
	}
	if f.cause != nil {
		s += ": " + f.cause.Error()
	}
	return s
}

func (f *fault) Unwrap() []error {
	if f.cause == nil {
		return []error{f.sentinel}
	}
	return []error{f.sentinel, f.cause}
}

// A whole is an error of a response that is whole, and hides that it wraps ErrBroken: that would have the server break it.
type whole struct{ err error }

func (w *whole) Error() string        { return w.err.Error() }
func (w *whole) Is(target error) bool { return target != ErrBroken && errors.Is(w.err, target) }
func (w *whole) As(target any) bool   { return errors.As(w.err, target) }

// A panicError is a panic of the application, recovered.
type panicError struct {
	value any
	err   error // value, if it is an error
	stack []byte
}

// recoverTo is deferred around every call of application code.
func recoverTo(err *error) {
	if v := recover(); v != nil {
		p := &panicError{value: v, stack: make([]byte, 64<<10)}
		p.stack = p.stack[:runtime.Stack(p.stack, false)]
		if e, ok := v.(error); ok {
			p.err = sound(e)
		}
		*err = p
	}
}

var errUnsound = errors.New("gateway: an error whose methods panic, such as a nil pointer in an error interface")

// sound returns err, or errUnsound if one of its methods panics. Every error that the application makes goes through it:
// what looks at them later, here and in the server, has no recover around it.
func sound(err error) (safe error) {
	if err == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			safe = errUnsound
		}
	}()
	_ = err.Error()
	_ = errors.Is(err, ErrBroken)
	_ = errors.Is(err, err) // a struct that can be compared by its type, and not by what is in it
	_ = errors.As(err, new(*panicError))
	return err
}

func (p *panicError) Error() string { return "gateway: panic: " + panicText(p.value) }

func (p *panicError) Unwrap() error { return p.err }

// panicText does what the runtime does for a panic that nobody recovers, as far as that is possible without reflection.
func panicText(v any) (s string) {
	defer func() {
		if recover() != nil { // an Error or String method that panics itself
			s = "a value whose text method panics"
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

// report writes an error to the server's Errors: one line first, then the stack if there is one, in one Write so that
// entries of different requests do not mix.
func (r *response) report(err error) {
	path := r.env.Vars["SCRIPT_NAME"] + r.env.Vars["PATH_INFO"]
	line := "gateway: " + oneLine(r.method(), 32) + " " + oneLine(path, 256) + ": " +
		oneLine(strings.TrimPrefix(err.Error(), "gateway: "), 4096) + "\n"
	var p *panicError
	if errors.As(err, &p) {
		line += string(p.stack)
	}
	// R47: errors of the log are nobody's business.
	if r.errors != nil {
		_, _ = r.errors.Write([]byte(line))
	}
}

// oneLine returns s without control characters, at most max bytes of it. Paths and messages have bytes of the client: a
// line break in them would forge a log entry.
func oneLine(s string, max int) string {
	cut := len(s) > max
	if cut {
		s = s[:max]
	}
	if hasControl(s, false) {
		b := make([]byte, 0, len(s)+16)
		for i := range len(s) {
			switch c := s[i]; {
			case c == '\n':
				b = append(b, `\n`...)
			case c < ' ' || c == 0x7F:
				b = append(b, '\\', 'x', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
			default:
				b = append(b, c)
			}
		}
		s = string(b)
	}
	if cut {
		s += "..."
	}
	return s
}

// quote quotes a value for an error's text, which need not have all of a long one.
func quote(s string) string {
	if len(s) > 100 {
		return strconv.Quote(s[:100]) + "..."
	}
	return strconv.Quote(s)
}
