package gatewaytest

import (
	"bytes"
	"regexp"
	"slices"
	"time"
)

// A part is a part of an answer that is compared.
type part string

const (
	theBody  part = "body"
	theNames part = "names"
)

// repeats is how often the request is repeated before a difference counts as a failure. Clocks that
// show seconds differ after a tick.
const repeats, tick = 4, 1100 * time.Millisecond

// free says that a part is not compared any more.
func (q *testRequest) free(p part) {
	if is := map[part]*bool{theBody: &q.freeBody, theNames: &q.freeNames}[p]; !*is {
		*is = true
		what := map[part]string{theBody: "the body", theNames: "the list of headers"}[p]
		q.notes = append(q.notes, what+" differs from one run to the next, so it is not compared")
	}
}

// compare compares a part of an answer with that of the first. It returns the rule that is broken,
// or "" if the two are equal or the difference may be innocent: a clock, a race of correct
// goroutines and a cache make two runs differ.
func (a *trial) compare(r *run, p part) (rule string) {
	q := r.q
	differs := (*run).bodyDiffers
	if p == theNames {
		differs = (*run).namesDiffer
	}
	if p == theBody && q.freeBody || p == theNames && q.freeNames || !differs(r, q.first) {
		return ""
	}
	if slices.ContainsFunc(q.findings, func(f *finding) bool { return f.rule == "R2" && f.kind == string(p) }) {
		return "R2" // still
	}
	rule, sure := a.certain(r, p, differs)
	if a.hangs {
		return ""
	}
	if !sure {
		q.free(p)
		return ""
	}
	return rule
}

// certain repeats the request, and reports whether the difference is a fault of the application.
func (a *trial) certain(r *run, p part, differs func(r, other *run) bool) (rule string, sure bool) {
	q := r.q
	if p == theBody && r.reordered(q.first) {
		return "", false
	}
	runs := []*run{q.first, r}
	changed := 0
	for i := range repeats {
		if i == repeats/2 {
			time.Sleep(tick)
		}
		plain := a.run(q, fault{step: "when nothing fails"})
		if plain.hung {
			plain.judge(a)
			return "", false
		}
		if differs(plain, q.first) {
			changed++
		}
		runs = append(runs, plain)
	}
	switch changed {
	case 0: // this fault makes the difference, or chance does
		if r.fault.plain() || r.fault.slow && p == theBody && r.renumbered(q.first) {
			return "", false
		}
		for range repeats {
			same := a.run(q, r.fault)
			if same.hung {
				same.judge(a)
				return "", false
			}
			if !differs(same, q.first) {
				return "", false
			}
		}
		return r.rule(), true
	case repeats: // the answer has changed for good, or changes each time
		if p == theNames && distinct(runs, differs) {
			return "R2", true // a correct application repeats its headers at some time
		}
		settled := !slices.ContainsFunc(runs[2:], func(other *run) bool { return differs(other, runs[2]) })
		// Without a failure before, the first run has filled a cache.
		isClock := p == theBody && runs[2].renumbered(q.first) || q.began.YearDay() != time.Now().YearDay()
		return "R2", settled && q.failed && !isClock
	}
	return "", false
}

// plain reports that there is no fault.
func (f fault) plain() bool {
	return !f.failing() && !f.slow && !f.drip && !f.eofWith && !f.whole
}

// distinct reports that no two runs are equal.
func distinct(runs []*run, differs func(r, other *run) bool) bool {
	for i, r := range runs {
		if slices.ContainsFunc(runs[:i], func(other *run) bool { return !differs(r, other) }) {
			return false
		}
	}
	return true
}

func (r *run) namesDiffer(first *run) bool {
	return !slices.Equal(sorted(r.names), sorted(first.names))
}

// reordered reports that the body has the same bytes in another order.
func (r *run) reordered(first *run) bool {
	if r.endless || first.endless {
		return r.fault.slow // the place where the response was ended depends on the time
	}
	var counts [256]int
	for _, b := range r.body.Bytes() {
		counts[b]++
	}
	for _, b := range first.body.Bytes() {
		counts[b]--
	}
	return counts == [256]int{}
}

// number is a number with its unit, or a date or a time: 3.5ms, 08:15.
var number = regexp.MustCompile(`[0-9][0-9A-Za-zµ.,:+-]*`)

// renumbered reports that the body has the same text with other numbers.
func (r *run) renumbered(first *run) bool {
	hash := []byte("#")
	return bytes.Equal(number.ReplaceAll(r.body.Bytes(), hash), number.ReplaceAll(first.body.Bytes(), hash))
}
