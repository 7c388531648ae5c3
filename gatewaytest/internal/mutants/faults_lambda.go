package main

// Faults of package lambda, which a test of the package catches.
var lambdaFaults = []place{
	{lambdaLoop, "(*Server).loop", []change{
		{"a Runtime API that is gone is asked for ever", `failures >= maxFailures`, `failures < 0`,
			"TestARuntimeAPIThatIsGone"},
		{"a Runtime API that is gone is asked all the time", `s.sleep(pause * (1<<failures - 2))`,
			``,
			"TestARuntimeAPIThatIsGone"},
		{"a Runtime API that has failed for good is asked again", `errors.Is(err, errFatal) {`,
			`false {`,
			"TestARuntimeAPIThatFailsOnAResponse"},
		{"an event that was cut short is lost", `case inv != nil && err != nil:`,
			`case inv != nil && err != nil && inv.id == "":`,
			"TestARuntimeAPIThatFailsOnNext"},
	}},
	{lambdaLoop, "(*Server).serve", []change{
		{"a request that is refused reaches the application", `app = request.Refuse(refusal)`, ``,
			"TestBufferedAnswers"},
		{"the Context ends at the deadline", `deadline.Add(-grace))`, `deadline)`,
			"TestTheContextEndsBeforeTheDeadline"},
		{"an application that never ends is waited for", `case <-timer.C:`,
			`case <-make(chan int):`, "TestAnApplicationThatNeverEnds"},
		{"load balancers get a stream", `s.Stream && e.form.streams()`, `s.Stream`,
			"TestStreamedAnswers"},
	}},
	{lambdaLoop, "(*Server).settle", []change{
		{"a response that was not taken is forgotten", `a.fail(r.inv, "Runtime.ResponseNotTaken",
			"the Runtime API has not taken the response: "+err.Error())`, `error(nil)`, "TestARuntimeAPIThatFailsOnAResponse"},
		{"a response that was too large fails twice", `status.code == 413`, `status.code == 0`,
			"TestARuntimeAPIThatFailsOnAResponse"},
	}},
	{lambdaLoop, "deadlineOf", []change{
		{"a deadline that has passed is none", `left <= 0`, `false`,
			"TestADeadlineThatMakesNoSense"},
	}},
	{lambdaLoop, "(*Server).Shutdown", []change{
		{"Shutdown waits for an event", `s.halt()`, ``, "TestShutdown"},
		{"Shutdown does not end the Contexts", `s.end(gateway.ErrShutdown)`, ``, "TestShutdown"},
	}},
	{lambdaLoop, "(*Server).Serve", []change{
		{"Lambda is not told why the process cannot begin",
			`a.failInit("Runtime.BadConfiguration", err.Error())`, `error(nil)`,
			"TestAServerThatCannotBegin"},
	}},
	{lambdaLoop, "concurrency", []change{
		{"managed instances get one invocation at a time", `return n, nil`, `return 1, nil`,
			"TestSeveralInvocationsAtATime"},
	}},
	{lambdaAPI, "(*api).post", []change{
		{"a response is lost with a connection that was kept", `errors.As(err, &status)`,
			`(errors.As(err, &status) || true)`,
			"TestARuntimeAPIThatFailsOnAResponse"},
	}},
	{lambdaAPI, "(*api).readAnswer", []change{
		{"a connection that ends is kept", `ends = strings.EqualFold(v, "close")`, ``,
			"TestFormsOfAnAnswer"},
		{"any status is the right one", `err == nil && code != want`, `false`,
			"TestARuntimeAPIThatFailsOnAResponse"},
	}},
	{lambdaAPI, "(*api).line", []change{
		{"a head may have any size", `*room < 0`, `false`, "TestARuntimeAPIThatFailsOnNext"},
	}},
	{lambdaAPI, "isID", []change{
		{"an id may be any part of a path", `s != "" && `, `s != "" || `,
			"TestARuntimeAPIThatFailsOnNext"},
	}},
	{lambdaAPI, "(*api).endStream", []change{
		{"a stream that breaks has a clean end", `kind != ""`, `kind == "x"`,
			"TestAResponseThatBreaks"},
	}},
	{lambdaAPI, "(*invocation).headers", []change{
		{"the id of managed instances does not come back", `inv.echo != ""`, `false`,
			"TestSeveralInvocationsAtATime"},
	}},
	{lambdaEvent, "(*event).paths", []change{
		{"the path of an HTTP API is decoded twice", `e.form == formHTTP || e.form == formHTTPv1`,
			`false`, "TestFaultsOfAdapters"},
		{"the path of a function URL is not decoded", `e.form == formHTTP || e.form == formHTTPv1`,
			`e.form <= formHTTPv1`,
			"TestFaultsOfAdapters"},
		{"a path that begins like the stage loses it", `found && (rest == "" || rest[0] == '/')`,
			`found`, "TestFaultsOfAdapters"},
	}},
	{lambdaEvent, "(*event).environ", []change{
		{"the length is the client's word", `case "content-length", "transfer-encoding":`,
			`case "transfer-encoding":`,
			"TestFaultsOfAdapters"},
		{"a header makes http of https", `proto, port = "https", "443"`,
			`proto, port = proto+"", "443"`, "TestWhatEachEventBecomes"},
		{"a body that is no base64 is what could be read of it",
			`body, err := base64.StdEncoding.DecodeString(e.body)`,
			`body, _ := base64.StdEncoding.DecodeString(e.body); err = nil`,
			"TestEventsThatAreNoRequests"},
	}},
	{lambdaEvent, "(*event).eachHeader", []change{
		{"cookies are lost", `|| e.cookies == ""`, `|| true`, "TestWhatEachEventBecomes"},
		{"the last of several headers counts", `list, path := e.multiHeaders, "multiValueHeaders"`,
			`list, path := value(""), ""`,
			"TestWhatEachEventBecomes"},
	}},
	{lambdaEvent, "(*event).queryString", []change{
		{"the query of a load balancer is encoded twice", `e.form >= formALB`, `false`,
			"TestFaultsOfAdapters"},
		{"the query of a REST API is not encoded", `e.form >= formALB`, `true`,
			"TestFaultsOfAdapters"},
	}},
	{lambdaEvent, "(*event).recognize", []change{
		{"an event for an authorizer is a request", `e.kind != ""`, `false`,
			"TestEventsThatAreNoRequests"},
	}},
	{lambdaJSON, "stringSize", []change{
		{"an escaped backslash hides the end of a string", `(i-1-escapes)%2 == 0`, `i-1 == escapes`,
			"TestFaultsOfAdapters"},
	}},
	{lambdaOut, "(*response).appendAnswer", []change{
		{"bytes are sent as text", `!utf8.Valid(r.body)`, `false`, "TestBufferedAnswers"},
		{"a compressed page is sent as text", `"Content-Encoding"`, `"Content-Encoding-"`,
			"TestBufferedAnswers"},
	}},
	{lambdaOut, "appendSingle", []change{
		{"several cookies are joined", `!strings.EqualFold(name, "Set-Cookie")`, `true`,
			"TestBufferedAnswers"},
		{"all cookies but one are lost", `member(cookieName(n), value)`,
			`member("Set-Cookie", value+cookieName(n)[:0])`,
			"TestBufferedAnswers"},
	}},
	{lambdaOut, "(*response).endBroken", []change{
		{"a response that is too large is an error alone", `errors.Is(r.failed, errTooLarge)`,
			`false`, "TestAResponseThatIsTooLarge"},
	}},
	{lambdaOut, "(*response).End", []change{
		{"a response that breaks is whole", `case !whole:`, `case !whole && r.stream:`,
			"TestAResponseThatBreaks"},
		{"a response that is too large is sent", `len(answer) > r.max()`, `false`,
			"TestAResponseThatIsTooLarge"},
	}},
	{lambdaOut, "(*response).Flush", []change{
		{"a block is held back", `r.api.flush()`, `error(nil)`,
			"TestEachBlockOfAStreamLeavesAtOnce"},
	}},
	{lambdaOut, "(*response).lost", []change{
		{"a client that left is any error", `request.Disconnected(err)`, `err`,
			"TestAStreamWhoseClientLeaves"},
	}},
	{lambdaOut, "(*response).abandon", []change{
		{"a stream that nobody takes is waited for", `r.api.interrupt()`, ``,
			"TestAStreamThatNobodyTakes"},
		{"an application that was left behind goes on sending", `r.over = true`, ``,
			"TestAnApplicationThatNeverEnds"},
	}},
	{deciding, "(*process).decide", []change{
		{"AWS_LAMBDA_RUNTIME_API chooses nothing", `api != ""`, `false`, "TestTheFirstSignCounts"},
	}},
}
