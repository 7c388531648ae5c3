package gatewaytest

import (
	"bytes"
	"regexp"
	"slices"
	"time"
)

// A part is what of an answer is compared.
type part string

const (
	theBody  part = "body"
	theNames part = "names"
)

// repeats is how often the request is repeated before a difference is held against the application. tick is longer than what
// most clocks show.
const repeats, tick = 4, 1100 * time.Millisecond

// free has a part not compared any more.
func (q *testRequest) free(p part) {
	if is := map[part]*bool{theBody: &q.freeBody, theNames: &q.freeNames}[p]; !*is {
		*is = true
		what := map[part]string{theBody: "the body", theNames: "the list of headers"}[p]
		q.notes = append(q.notes, what+" differs from one run to the next, so it is not compared")
	}
}

// compare compares a part of an answer with that of the first, and returns the rule that is broken if it differs, and if that is
// certain. Who looks only at a run or two takes a clock, a race of correct goroutines or a cache for a fault.
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

// certain repeats the request, and reports whether the difference is the application's fault.
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
	case 0: // it is this fault, or chance
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
	case repeats: // it is another one for good, or each time
		if p == theNames && distinct(runs, differs) {
			return "R2", true // no answer that a correct application has is never the same
		}
		settled := !slices.ContainsFunc(runs[2:], func(other *run) bool { return differs(other, runs[2]) })
		// With no failure in between, it is a cache that was empty.
		return "R2", settled && q.failed && !(p == theBody && runs[2].renumbered(q.first)) && q.began.YearDay() == time.Now().YearDay()
	}
	return "", false
}

// plain reports that nothing is special.
func (f fault) plain() bool {
	return !f.failing() && !f.slow && !f.drip && !f.eofWith && !f.whole
}

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
		return r.fault.slow // where it was cut, depends
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

// number is one with its unit, or with what makes a date or a time of it: 3.5ms, 08:15.
var number = regexp.MustCompile(`[0-9][0-9A-Za-zµ.,:+-]*`)

// renumbered reports that the body has the same text with other numbers.
func (r *run) renumbered(first *run) bool {
	hash := []byte("#")
	return bytes.Equal(number.ReplaceAll(r.body.Bytes(), hash), number.ReplaceAll(first.body.Bytes(), hash))
}
