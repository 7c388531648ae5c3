// Package rules has the rules of PEP 3333 (R1-R139), those of RFC 3875 (C1-C58), and what gateway
// decided where both leave room (D1-D11), as gateway has them: one sentence each, in Go terms. The
// conformance suite and the lint quote them, and docs/spec.md and docs/conformance.md are made from
// them, so that none of the four can drift from the others.
//
// A sentence in the present tense is a must; "should" and "may" are those of RFC 2119. It imports nothing of the module,
// and neither the root package nor a server imports it.
package rules

import (
	"slices"
	"strconv"
)

// A Rule is one rule. Text may be empty only for a rule that says nothing in Go; then Why tells the reason.
type Rule struct {
	ID    string // "R72", "C32", "D2"
	Sides string // who owes it, in the letters of the references: S server, A application, M middleware, H host, P CGI program
	Text  string // the sentence, in Go terms: "The server ..."
	Why   string // why no code of gateway keeps it: the compiler does, the host, the author, or it means nothing here
}

// String returns the number and the sentence, as a failure quotes them: "R72: An application ...".
func (r Rule) String() string {
	if r.Text == "" {
		return r.ID + ": " + r.Why
	}
	return r.ID + ": " + r.Text
}

// All has every rule in the order of their numbers: R, then C, then D.
var All = slices.Concat(pep3333, rfc3875, decisions)

// Get returns the rule with the given number. It panics if there is none: a message that quotes a rule must quote one.
func Get(id string) Rule {
	for _, r := range All {
		if r.ID == id {
			return r
		}
	}
	panic("rules: no rule " + strconv.Quote(id))
}
