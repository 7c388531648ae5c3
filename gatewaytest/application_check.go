package gatewaytest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/rules"
)

// A finding is a failure of the application, at one step or at several.
type finding struct {
	rule, kind string
	step, what string // of the first
	blame      string
	more       int    // how many there are beside the first
	last       string // the step of the last
}

// find adds a finding, or counts it if there is one of the same kind.
func (r *run) find(rule, kind, format string, args ...any) {
	for _, f := range r.q.findings {
		if f.rule == rule && f.kind == kind {
			f.more++
			f.last = r.fault.step
			return
		}
	}
	r.q.findings = append(r.q.findings, &finding{rule: rule, kind: kind, step: r.fault.step,
		what: fmt.Sprintf(format, args...), blame: "The application is to blame."})
}

// report tells the test what was found.
func (q *testRequest) report(t reporter) {
	t.Helper()
	for _, f := range q.findings {
		more := ""
		switch {
		case f.more == 1:
			more = "\n\tThe same " + f.last + "."
		case f.more > 1:
			more = fmt.Sprintf("\n\tThe same in %d more runs, the last %s.", f.more, f.last)
		}
		t.Errorf("%s, %s: %s%s\n\t%s The rule is %v", q.name, f.step, f.what, more, f.blame, rules.Get(f.rule))
	}
	for _, note := range q.notes {
		t.Logf("gatewaytest: %s: %s", q.name, note)
	}
}

// judge adds the findings of a run, and reports whether there are any.
func (r *run) judge(a *trial) bool {
	before := r.q.found()
	if r.hung {
		rule := "C40"
		if r.fault.call > 0 {
			rule = "R22"
		}
		r.find(rule, "hang", "the application hangs: nothing has happened for %v. Its goroutines:\n%s",
			a.patience, r.goroutine)
		return true
	}
	// This comes first: a goroutine that is left behind may use something of the response after its
	// end.
	if n, stacks := a.left(r); n > 0 {
		r.find("R2", "goroutines", "the application leaves goroutines behind, %s for each request:\n%s",
			strconv.Itoa(n), stacks)
	}
	if a.hangs { // in a run that was repeated to look for goroutines
		r.find("C40", "hang", "the application hangs when this is repeated: nothing has happened for %v", a.patience)
		return true
	}
	r.mu.Lock()
	for _, l := range r.late {
		r.find(l.rule, l.what, "after the end of the response, %s", l.what)
	}
	if r.heads > 1 {
		r.find("R76", "heads", "%d heads were sent", r.heads)
		r.blameServer()
	}
	if r.closes != r.bodies {
		r.find("R21", "close", "Call returned %d bodies, and Close was called %d times", r.bodies, r.closes)
		r.blameServer()
	}
	r.mu.Unlock()
	if r.vanished {
		r.find("R15", "goexit", "the application ended its goroutine, as runtime.Goexit and t.FailNow do")
		return true
	}
	if r.mute {
		r.find("R113", "writer", "the application swallows an error of the writer: "+
			"Write returned %q, and it wrote %d times more and returned no error", r.refused, r.wroteOn)
	}
	r.judgeLint(a)
	r.judgeError()
	r.judgeInput(a)
	r.judgeAnswer(a)
	return r.q.found() > before
}

// found counts the findings, and each step of a finding.
func (q *testRequest) found() (n int) {
	for _, f := range q.findings {
		n += 1 + f.more
	}
	return n
}

func (r *run) blameServer() {
	r.q.findings[len(r.q.findings)-1].blame = "gateway.Respond is to blame."
}

// failing reports whether the fault is a failure, which excuses an error of the application.
func (f fault) failing() bool {
	return f.call > 0 || f.read > 0 || f.cut || f.cancel != none || f.inner != 0
}

// judgeError looks at what Respond returned.
func (r *run) judgeError() {
	if r.err == nil {
		return
	}
	rule, misused := misuse(r.err)
	if !misused && (r.fault.failing() || r.fault.slow || r.endless) {
		return // the application failed because something else failed, or was too slow
	}
	text := strings.ReplaceAll(r.err.Error(), "\n", "; ")
	if rule == "R109" && misused {
		r.find(rule, "panic", "the application panics: %s%s", text, stackOf(r.log.String()))
		return
	}
	r.find(rule, "error", "Respond returned %q", text)
}

// misuse returns the rule that an error of Respond stands for, and whether the application has
// broken the rule for no failure of the server. Of the errors that Respond has joined, one that
// nothing excuses counts first.
func misuse(err error) (rule string, misused bool) {
	rule = "R109"
	for _, part := range parts(err) {
		var fault ruled
		if !errors.As(part, &fault) || !isRule(fault.Rule()) {
			continue // an error of the application's own
		}
		isPanic := fault.Rule() == "R109"
		// A body that breaks off when its source does is too short, and the client can tell. An
		// error page that comes too late has a cause, and the cause is what counts.
		excused := errors.Is(part, gateway.ErrContentLength) || errors.Is(part, gateway.ErrHeadersSent)
		if isPanic || !excused {
			return fault.Rule(), true
		}
		rule = fault.Rule()
	}
	return rule, false
}

// A ruled is an error of package gateway that stands for a rule.
type ruled interface {
	error
	Rule() string
}

// parts returns the errors that Respond has joined.
func parts(err error) (list []error) {
	_, isFault := err.(ruled)
	joined, isJoined := err.(interface{ Unwrap() []error })
	if isFault || !isJoined {
		return []error{err}
	}
	for _, part := range joined.Unwrap() {
		list = append(list, parts(part)...)
	}
	return list
}

// isRule reports whether there is such a rule. An error of the application's own may have a method
// Rule that means something else.
func isRule(id string) bool {
	return slices.ContainsFunc(rules.All, func(r rules.Rule) bool { return r.ID == id })
}

// stackOf returns where a panic came from, as the log of Respond has it.
func stackOf(log string) string {
	_, stack, found := strings.Cut(log, "\npanic(")
	if !found {
		return ""
	}
	lines := strings.Split(stack, "\n")
	return "\n\t\t" + strings.Join(lines[min(2, len(lines)):min(8, len(lines))], "\n\t\t")
}

// judgeInput checks that half a request was not taken for a whole one. The proof is a run with a
// complete request of just the bytes that the application has read. If the two answers are equal,
// the application did not notice the failure, or did not care.
func (r *run) judgeInput(a *trial) {
	if r.failed == nil || r.pos == len(r.q.body) || r.err != nil || !r.succeeded() || r.q.freeBody {
		return
	}
	step := fmt.Sprintf("when the request's body has %d bytes", r.pos)
	short := a.run(r.q, fault{step: step, whole: true, length: r.pos})
	if short.hung {
		short.judge(a)
		return
	}
	if short.err == nil && short.status == r.status && short.body.String() == r.body.String() {
		r.find("D5", "input", "the application takes half a request for a whole one: "+
			"Input failed after %d of %d bytes (%v), and it answers %q, as it does to a request of %d bytes",
			r.pos, len(r.q.body), r.failed, r.status, r.pos)
	}
}

// succeeded reports whether the answer says that all is well.
func (r *run) succeeded() bool {
	return r.status >= "200" && r.status < "400"
}

// judgeAnswer compares the answer with the first one.
func (r *run) judgeAnswer(a *trial) {
	first := r.q.first
	if first == r || r.fault.failing() || r.fault.slow && !r.succeeded() {
		return
	}
	if r.status != first.status {
		r.find(r.rule(), "status", "the status is %q, and was %q at first", r.status, first.status)
		return
	}
	if rule := a.compare(r, theNames); rule != "" {
		r.find(rule, string(theNames), "the headers are %s, and were %s at first",
			strings.Join(sorted(r.names), ", "), strings.Join(sorted(first.names), ", "))
	}
	if rule := a.compare(r, theBody); rule != "" {
		r.find(rule, string(theBody), "the body is %s, and was %s at first",
			abridged(r.body.Bytes()), abridged(first.body.Bytes()))
	}
}

// rule is the rule that is broken if an answer differs from the first.
func (r *run) rule() string {
	if r.fault.drip || r.fault.eofWith {
		return "R54"
	}
	return "R2"
}

// bodyDiffers compares two bodies. If one has no end, their beginnings are compared.
func (r *run) bodyDiffers(first *run) bool {
	got, want := r.body.Bytes(), first.body.Bytes()
	if r.endless || first.endless {
		n := min(len(got), len(want))
		got, want = got[:n], want[:n]
	}
	return !bytes.Equal(got, want)
}

func sorted(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = strings.ToLower(name)
	}
	slices.Sort(list)
	return list
}
