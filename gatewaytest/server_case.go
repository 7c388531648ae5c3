package gatewaytest

import (
	"slices"

	"example.com/gateway"
	"example.com/gateway/internal/rules"
)

// A serverCase is one row of TestServer's table.
type serverCase struct {
	rule string // the rule that a failure quotes
	name string // what a server does that keeps the rule, in words with dashes

	// app is the application's Call. It may tell x what it has seen. If app is nil,
	// (*exchange).look is the application.
	app application

	// run is the client. It sends requests, and checks the responses and what the application has
	// seen.
	run func(x *exchange)
}

type application func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error)

func (c serverCase) id() string { return c.rule + "/" + c.name }

// elementary are the cases that come first. A server that fails them fails most of the others too,
// and at length.
var elementary = []string{
	"C40/a-request-gets-an-answer",
	"R58/a-request-without-a-body-has-an-empty-one",
	"R55/the-body-ends-where-it-should-on-an-open-connection",
	"C32/what-follows-the-body-is-not-of-it",
	"R15/a-body-of-one-block-arrives",
	"R21/close-runs-once-after-a-response",
}

// serverCases returns the whole table: the elementary cases, then those about the Environ, which the
// author of a server makes first, and then the others. Each part is in the order of the rules'
// numbers.
func serverCases() []serverCase {
	environ := slices.Concat(environCases, pathCases, requestHeaderCases, inputCases)
	others := slices.Concat(startCases, headerCases, bodyCases, fileCases, writeCases, lengthCases, methodCases,
		failureCases, closeCases, isolationCases, clientCases)
	position := make(map[string]int, len(rules.All))
	for i, r := range rules.All {
		position[r.ID] = i
	}
	for _, part := range [][]serverCase{environ, others} {
		slices.SortStableFunc(part, func(a, b serverCase) int { return position[a.rule] - position[b.rule] })
	}
	cases := slices.Concat(environ, others)
	place := func(c serverCase) int {
		if i := slices.Index(elementary, c.id()); i >= 0 {
			return i
		}
		return len(elementary)
	}
	slices.SortStableFunc(cases, func(a, b serverCase) int { return place(a) - place(b) })
	return cases
}
