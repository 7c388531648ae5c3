package main

// middlewareFaults are in package middleware.
var middlewareFaults = []place{
	{mounts, "Mount", []change{
		{"the shortest prefix counts", `len(b.prefix) - len(a.prefix)`, `len(a.prefix) - len(b.prefix)`,
			"TestTheLongestPrefixOfWholeSegmentsCounts"},
	}},
	{mounts, "refusal", []change{
		{"a prefix may climb", `case ".", "..":`, `case ".":`,
			"TestAPrefixThatIsMalformedPanics"},
		{"a nil function is mounted", `f == nil`, `f == nil && false`,
			"TestAPrefixThatIsMalformedPanics"},
	}},
	{mounts, "mounts.Call", []change{
		{"a prefix matches a part of a segment", `!found || rest != "" && rest[0] != '/'`, `!found`,
			"TestTheLongestPrefixOfWholeSegmentsCounts"},
		{"a prefix does not match its own path", `rest != "" && rest[0]`, `rest == "" || rest[0]`,
			"TestTheLongestPrefixOfWholeSegmentsCounts"},
		{"a mounted application changes the outer Environ", `env = env.Clone()`,
			`env = env.WithContext(env.Context())`,
			"TestAllElseOfTheRequestPassesOn"},
		{"the application of the rest changes the outer Environ", `m.app.Call(env.Clone(), start)`,
			`m.app.Call(env, start)`,
			"TestAllElseOfTheRequestPassesOn"},
		{"a mount inside of a mount loses the outer prefix", `+= m.prefix`, `= m.prefix`,
			"TestMountsInsideOfMounts"},
		{"PATH_TRANSLATED lies", `delete(env.Vars, "PATH_TRANSLATED")`, ``,
			"TestPathTranslatedDoesNotLie"},
	}},
	{accessLog, "AccessLog", []change{
		{"an entry has the variables that the application leaves", `log(entry)`,
			`entry.Target = newEntry(env).Target; log(entry)`,
			"TestEachResponseHasOneEntry"},
		{"an entry comes before the outcome", `env.OnEnd(func(o gateway.Outcome) {
				entry.Outcome, entry.Duration = o, time.Since(entry.Time)
				log(entry)
			})`, `log(entry)`,
			"TestEachResponseHasOneEntry"},
	}},
	{accessLog, "newEntry", []change{
		{"there is no target without REQUEST_URI", `target == ""`, `false`,
			"TestAnEntryHasATargetWithoutREQUEST_URI"},
	}},
	{accessLog, "lines", []change{
		{"two lines mix", `mu.Lock()
		defer mu.Unlock()`, `_ = &mu`,
			"TestLinesDoNotMix"},
		{"a user with a space is two fields", `appendField(b, e.RemoteUser, " \"\\")`,
			`appendField(b, e.RemoteUser, "\"\\")`,
			"TestLinesOfTheAccessLog"},
	}},
	{accessLog, "appendField", []change{
		{"a client forges a line", `c < ' ' ||`, ``,
			"TestLinesOfTheAccessLog"},
		{"a terminal gets what a client sends", `c > '~'`, `false`,
			"TestLinesOfTheAccessLog"},
	}},
	{timeLimit, "Timeout", []change{
		{"an earlier deadline is lost", `outer.Before(ctx.at)`, `outer.IsZero()`,
			"TestTheContextHasTheDeadline"},
		{"a time-out is a failure like any other", `context.DeadlineExceeded`, `context.Canceled`,
			"TestTimeout"},
		{"the application does not see the deadline", `env.WithContext(ctx)`, `env`,
			"TestTheContextHasTheDeadline"},
	}},
	{timeLimit, "(*deadline).Err", []change{
		{"any end of the Context is a time-out",
			`err != nil && errors.Is(context.Cause(d.Context), context.DeadlineExceeded)`,
			`err != nil`,
			"TestAnotherEndIsNoTimeout"},
	}},
	{maxBody, "MaxBody", []change{
		{"the limit itself is too much", `length > max`, `length >= max`,
			"TestMaxBody"},
		{"a body of unknown length has no limit", `length < 0`, `false`,
			"TestMaxBody"},
		{"a bad length reaches the application", `err != nil`, `false`,
			"TestMaxBody"},
		{"the outer Environ gets the bounded Input", `env = env.WithContext(env.Context())`, ``,
			"TestMaxBody"},
	}},
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
