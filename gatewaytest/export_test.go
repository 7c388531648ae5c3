package gatewaytest

import "time"

// SetPatience changes how long a step may take. A child process calls it before TestServer.
func SetPatience(d time.Duration) { patience = d }

// Elementary are the cases that come first.
var Elementary = elementary

// Cases returns the rule and the name of each case.
func Cases() (cases [][2]string) {
	for _, c := range serverCases() {
		cases = append(cases, [2]string{c.rule, c.name})
	}
	return cases
}
