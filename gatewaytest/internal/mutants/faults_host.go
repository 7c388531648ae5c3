package main

// Faults of package host's core, which a test of the package catches.
var hostFaults = []place{
	{hostAnswer, "(*answer).readHead", []change{
		{"the head of an answer has no limit", `a.used+a.n-a.i > maxHead`, `false`,
			"TestAHeadWithoutEndIsNotReadForEver"},
		{"interim heads have no limit", `a.used += next; a.used > maxHead`, `a.used = next; a.used > maxHead`,
			"TestAnswersThatAreNone"},
		{"a program waits for the end of a page without a head", `a.checkBegin(); err != nil`,
			`a.checkBegin(); err != nil && a.n > maxHead`, "TestAnswersThatAreNone"},
	}},
	{hostAnswer, "parseHead", []change{
		{"a control character gets into a header", `header.HasControl(value, true)`, `false`,
			"TestAnswersThatAreNone"},
		{"a header of the connection is passed on", "}\n\t\t\tcontinue\n\t\tcase header.ContentLength",
			"}\n\t\tcase header.ContentLength", "TestTheHeadsOfAnswers"},
		{"two lengths that differ pass", `|| h.length >= 0 && length != h.length`, ``,
			"TestAnswersThatAreNone"},
		{"a host's path is a local redirect", `&& !strings.HasPrefix(location, "//")`, ``,
			"TestLocalRedirectsAreNothingButALocation"},
	}},
	{hostVariables, "(*Options).variables", []change{
		{"a program gets the server's own variables", `isPassed[name] || o.passes(name, length)`, `true`,
			"TestTheVariablesAreAListOfTheAllowed"},
		{"a NUL gets into a variable", `strings.IndexByte(value, 0) >= 0`, `false`,
			"TestANulInAVariableIsRefused"},
	}},
	{hostVariables, "(*Options).passes", []change{
		{"a program gets passwords unasked", `return o.Authorization`, `return true`,
			"TestTheVariablesAreAListOfTheAllowed"},
		{"httpoxy is passed on", `field != "" &&`, ``,
			"TestTheVariablesAreAListOfTheAllowed"},
	}},
	{hostBody, "(*Options).newBody", []change{
		{"a large body is collected", `length > limit`, `false`, "TestABodyThatNoProgramGets"},
		{"a body of unknown length is streamed unasked", `whole || length < 0`, `whole`,
			"TestTheBodyOfTheRequest"},
	}},
	{hostScripts, "(*Scripts).walk", []change{
		{"a picture is a script", `!strings.HasSuffix(segment, s.Suffix)`, `false`,
			"TestThePathLeadsToAScript"},
		{"the path leads upwards", `segment == "." || segment == ".." || !filepath.IsLocal(segment)`, `false`,
			"TestThePathLeadsToAScript"},
	}},
	{hostScripts, "(*Scripts).stat", []change{
		{"a link leads out of the root", `s.Symlinks`, `true`, "TestThePathLeadsToAScript"},
		{"a link in the root is no script", `info.Mode().Type()&^fs.ModeDir == 0`, `true`,
			"TestThePathLeadsToAScript"},
	}},
	{hostScripts, "(*Scripts).find", []change{
		{"a root that is not there is a path that is not there", `failed != nil`, `false`,
			"TestARootThatIsNoFolderIsUnavailable"},
	}},
	{hostExchange, "clocked.Read", []change{
		{"half a body looks whole to the program", `c.x.cancel(err)`, ``,
			"TestABodyThatStopsEndsTheProgram"},
		{"a slow client is a slow program", `!c.x.clock.pause()`, `false`,
			"TestASlowClientIsNoSlowProgram"},
	}},
	{hostExchange, "(*exchange).close", []change{
		{"the answer to HEAD is read for ever", `&& n < drainBytes`, ``,
			"TestTheBodyOfAnAnswerToHead"},
		{"the answer to HEAD ends its program", `x.end == nil && x.ctx.Err() == nil`, `false`,
			"TestTheBodyOfAnAnswerToHead"},
	}},
	{hostExchange, "(*Options).serve", []change{
		{"an answer that was cut short is whole", `x.end == io.EOF`, `x.end != nil`,
			"TestAnAnswerThatIsThereAtOnceHasALength"},
		{"an answer that is whole with its head has no length", `x.end == io.EOF`, `false`,
			"TestAnAnswerThatIsThereAtOnceHasALength"},
		{"a program goes on without its client", `context.AfterFunc(x.ctx, x.session.abort)`,
			`func() bool { return false }`, "TestAClientThatLeavesEndsTheProgram"},
	}},
	{hostExchange, "(*exchange).awaitBody", []change{
		{"a head waits for its first block", `_, _ = w.Write(nil)`, `_ = w`,
			"TestAHeadWaitsAMomentForTheFirstBlock"},
		{"a head goes out while the request's body is sent", `isClosed(x.sent)`, `true`,
			"TestAHeadWaitsForTheRequestsBody"},
		{"a head does not wait for its first block", `x.wait = headWait`, `x.wait = 1`,
			"TestAHeadWaitsAMomentForTheFirstBlock"},
		{"a page does not wait for its end", `x.end == nil && x.answer.hasRoom()`, `false`,
			"TestABlockWaitsAMomentForTheEnd"},
		{"each block is waited for before the first goes out", `time.Until(late)`, `endWait+0*time.Until(late)`,
			"TestABlockWaitsAMomentForTheEnd"},
		{"a program that takes no body has all the time", `x.clock.resume()`, ``,
			"TestTimeouts"},
	}},
	{hostExchange, "statusOf", []change{
		{"a body that is too large is the program's failure", `{request.ErrBodyTooLarge, 413}, `, ``,
			"TestABadBodyBehindTheHeadOfTheAnswer"},
	}},
	{hostExchange, "(*exchange).redirect", []change{
		{"local redirects go round in circles", `n == maxRedirects`, `false`, "TestLocalRedirects"},
		{"a redirect has the body of the request", `env.Input = strings.NewReader("")`, ``,
			"TestLocalRedirects"},
	}},
	{hostLog, "(*programLog).endLine", []change{
		{"a program fills the log", `line == "" || l.size > maxLog`, `line == ""`,
			"TestAProgramThatFloodsItsLog"},
	}},
}
