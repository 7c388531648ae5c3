package validate

import (
	"io"
	"strconv"
	"strings"
	"sync"

	"example.com/gateway/internal/rules"
)

// A Side is one of the parties to the contract.
type Side uint8

// The sides that a finding can blame.
const (
	SideServer      Side = iota + 1 // the caller of the application, or of the middleware under the lint
	SideApplication                 // the application
	SideMiddleware                  // the middleware that Middleware was given
)

// String returns "server", "application" or "middleware".
func (s Side) String() string {
	switch s {
	case SideServer:
		return "server"
	case SideApplication:
		return "application"
	case SideMiddleware:
		return "middleware"
	}
	return "Side(" + strconv.Itoa(int(s)) + ")"
}

// A Finding says that a side has broken a rule. In one request the lint reports a rule once for
// each side: the first time.
type Finding struct {
	Rule string // the rule's number in docs/spec.md, such as "R72"
	Side Side   // the side that has broken the rule
	Text string // what the lint saw, and then, behind "; the rule: ", the rule's sentence; one line

	// Place is the function, file and line of the faulty call, such as "main.hello main.go:9". If
	// the call is not on the stack, Place is the function or type to blame. For a body that was
	// never closed, Place has the calls that led to the body, the innermost first, with " < "
	// between. It is "" if nothing is known.
	Place string
}

// String returns the finding as one line, such as "R72 application: Connection is hop-by-hop; the
// rule: An application sets no [...] (main.hello main.go:9)".
func (f Finding) String() string {
	s := f.Rule + " " + f.Side.String() + ": " + f.Text
	if f.Place != "" {
		s += " (" + f.Place + ")"
	}
	return s
}

// logPrefix is before each finding in a log, and in an error.
const logPrefix = "validate: "

// A way is the direction that a fault came from.
type way uint8

const (
	outside way = iota // from the caller: a server, or the middleware around the inner half
	inside             // from what was called: an application, or the middleware within the outer half
)

// finding makes the Finding of a broken rule.
func (l *lint) finding(w way, rule, seen, place string) *Finding {
	text := seen + "; the rule: " + strings.TrimSuffix(rules.Get(rule).Text, ".")
	return &Finding{Rule: rule, Side: l.sides[w], Text: text, Place: place}
}

// send sends a finding to the linter's Report, or else to log. If there is no log, the finding
// waits for that of the next request.
func (l *lint) send(f *Finding, log io.Writer) {
	switch {
	case l.report != nil:
		l.report(*f)
	case log != nil:
		_, _ = io.WriteString(log, logPrefix+f.String()+"\n") // R47: who logs does not look for errors
	default:
		l.late.add(f)
	}
}

// A lateFindings keeps findings for the Errors of the next request.
type lateFindings struct {
	mu   sync.Mutex
	list []*Finding
}

// maxLate bounds how many findings wait for a next request, which may never come.
const maxLate = 100

func (l *lateFindings) add(f *Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) < maxLate {
		l.list = append(l.list, f)
	}
}

func (l *lateFindings) take() (list []*Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, l.list = l.list, nil
	return list
}
