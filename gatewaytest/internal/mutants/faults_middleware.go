package main

// middlewareFaults are in package middleware.
var middlewareFaults = []place{
	{outcomes, "(*response).tell", []change{
		{"a broken response counts as whole", `end.headAt, whole, r.faults`, `end.headAt, true, r.faults`,
			"TestOutcomes"},
	}},
	{outcomes, "(*response).pageCode", []change{
		{"a panic is no fault behind the deadline", `isOver && !isPanic(failure)`, `isOver`,
			"TestOutcomes"},
		{"a server that stops has failed", `|| errors.Is(cause, ErrShutdown)`, ``,
			"TestOutcomes"},
	}},
	{engine, "(*response).end", []change{
		{"a response whose end has failed counts as whole", `isWhole && err == nil`, `isWhole`,
			"TestOutcomes"},
	}},
	{engine, "(*response).deliver", []change{
		{"nobody notes when the head goes out", `end != nil`, `false`,
			"TestHeadAtIsTheTimeOfTheFirstBlock"},
	}},
}
