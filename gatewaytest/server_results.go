package gatewaytest

import (
	"fmt"
	"strings"
)

// A results is what TestServer logs at its end: what became of each case.
type results struct {
	reasons map[string]string // of the known failures, by case
	cases   map[string]bool   // which exist
	rows    []string
	passes  bool // the case of the last row
	passed  int
	ran     int
	skipped int // start has called t.Skip
	hangs   int
}

func newResults(known []KnownFailure) (*results, error) {
	m := &results{reasons: map[string]string{}, cases: map[string]bool{}}
	for _, k := range known {
		if k.Reason == "" {
			return nil, fmt.Errorf("gatewaytest: the known failure %q has no reason", k.Case)
		}
		m.reasons[k.Case] = k.Reason
	}
	return m, nil
}

// add adds the row of a case. ran is false if start has skipped it, and reason is that of a known
// failure.
func (m *results) add(x *exchange, ran bool, reason string) {
	if ran || x.t.Failed() {
		m.ran++
	} else {
		m.skipped++
	}
	m.passes = false
	result := "ok"
	switch {
	case x.t.Failed():
		result = "FAILED"
	case !ran:
		result = "not run: start has skipped it"
	case reason != "":
		result = "known failure: " + reason
	default:
		m.passes = true
		m.passed++
		if remark := x.remarks(); remark != "" {
			result = "ok: " + remark
		}
	}
	if x.hung() {
		m.hangs++
	}
	m.row(x.c, result)
}

// stuck replaces the row of the case that was added last, since its Cleanup hangs.
func (m *results) stuck(c serverCase) {
	if m.passes {
		m.passed--
	}
	m.hangs++
	m.rows = m.rows[:len(m.rows)-1]
	m.row(c, "FAILED: the Cleanup of start hangs")
}

// skip adds the row of a case that is not run.
func (m *results) skip(c serverCase) { m.row(c, "not run: too many cases before it hung") }

func (m *results) row(c serverCase, result string) {
	m.rows = append(m.rows, fmt.Sprintf("%-72s %s", c.id(), result))
}

func (m *results) String() string {
	return fmt.Sprintf("%d of %d cases passed\n%s", m.passed, len(m.rows), strings.Join(m.rows, "\n"))
}
