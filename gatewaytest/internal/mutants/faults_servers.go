package main

// serverFaults are in cgi, scgi, uwsgi and fcgi, and in what they share.
var serverFaults = []place{
	{program, "(*Program).Run", []change{
		{"a body that nobody read is not drained", `body.Drain(drainBytes, drainTime)`, `_ = body`,
			"C33/a-body-that-nobody-reads-costs-no-answer"},
		{"a broken response is not told to the host", `t.whole`, `true`,
			"D2/an-error-after-a-block-can-be-told"},
		{"a request that is refused reaches the application", `app = request.Refuse(err)`, ``,
			"TestMalformedRequestIsRefused"},
	}},
	{program, "environ", []change{
		{"a body of unknown length is lost", `!request.IsChunked(env)`, `true`,
			"C34/a-body-in-chunks-is-decoded-or-refused"},
		{"a request without a body reads stdin", `length < 0`, `false`,
			"R58/a-request-without-a-body-has-an-empty-one"},
		{"a process is called multithreaded", `RunOnce: true`, `RunOnce: true, Multithread: true`,
			"R51/the-flags-are-those-of-the-server-and-stay"},
	}},
	{transport, "(*transport).Flush", []change{
		{"a block is not flushed", `return t.send()`, `return nil`,
			"R16/each-block-arrives-before-the-next-is-asked-for"},
	}},
	{transport, "(*transport).End", []change{
		{"a broken response is called whole", `t.whole = whole && err == nil`, `t.whole = err == nil`,
			"D2/an-error-after-a-block-can-be-told"},
		{"the only block is not sent", `err := t.send()`, `var err error`,
			"R15/a-body-of-one-block-arrives"},
	}},
	{transport, "(*transport).send", []change{
		{"the head is sent with each block", `t.head, t.block = nil, nil`, `t.block = nil`,
			"R15/a-body-of-many-blocks-arrives"},
		{"a block is sent again", `t.head, t.block = nil, nil`, `t.head = nil`,
			"R15/a-body-of-many-blocks-arrives"},
		{"a large block is sent with a hole", `block[len(joined):]`, `block[min(len(joined)+1, len(block)):]`,
			"R16/a-block-of-a-megabyte-arrives"},
		{"a block is sent in the background", `return t.write(block)`, `go t.write(block); return nil`,
			"D8/a-block-is-the-bodys-again-after-its-step"},
	}},
	{transport, "(*transport).write", []change{
		{"a client that left is any error", `err = request.Disconnected(err)`, `_ = request.Disconnected`,
			"D10/the-context-ends-when-the-client-leaves"},
		{"a write that is too short is believed", `n < len(p)`, `n < 0`,
			"TestFailedWriteEndsTheResponse"},
	}},
	{cgiHeads, "AppendCGI", []change{
		{"there is no Status", `else { b = appendField(b, "Status"`, `else { b = appendField(b, "X-Status"`,
			"R15/a-body-of-one-block-arrives"},
		{"only the headers of CGI are written", `KindOf(fields[i][0])&(Location|ContentType) == 0`, `false`,
			"R67/headers-of-one-name-keep-their-order"},
	}},

	// scgi and uwsgi.
	{oneshot, "(*conn).respond", []change{
		{"the body is one byte too long", `(*bodyReader)(c), c.left`, `(*bodyReader)(c), c.left+1`,
			"R55/the-body-ends-where-it-should-on-an-open-connection"},
		{"there may be any number of requests", `inFlight > int64(s.limits.MaxRequests)`, `inFlight < 0`,
			"TestMoreRequestsThanMaxRequestsGet503"},
		{"a request that is refused reaches the application", `app = request.Refuse(refusal)`, ``,
			"TestWhatIsRefused"},
	}},
	{oneshot, "(*conn).end", []change{
		{"a broken response is not reset", `!c.whole`, `false`,
			"D2/an-error-after-a-block-can-be-told"},
		{"a body that nobody read is not drained", `left > 0`, `false`,
			"TestAnAnswerBeforeTheBodyWasReadArrives"},
	}},
	{oneshotIn, "(*bodyReader).Read", []change{
		{"a Read that takes too long does not end the Context", `c.ctx.Cancel(context.DeadlineExceeded)`,
			`_ = context.DeadlineExceeded`,
			"TestAReadThatTimesOutEndsTheContext"},
	}},
	{oneshotIn, "(*bodyReader).Read", []change{
		{"a body that was cut short keeps the end of the host a secret", `err != nil && !isLate`, `false`,
			"TestDoneTellsThatTheHostIsGone"},
		{"after a Read that takes too long nothing is drained", `err != nil && !isLate`, `err != nil`,
			"TestTheAnswerToABodyThatIsTooSlowArrives"},
	}},
	{oneshotIn, "(*conn).beginRead", []change{
		{"the body has the time that the variables have left", `c.in.Buffered() == 0`, `false`,
			"TestReadTimeoutIsForTheNextBytes"},
	}},
	{oneshotIn, "(*conn).awaitEnd", []change{
		{"what follows a body hides the end of the host", `_, _ = c.in.Discard(c.in.Buffered())`, `return`,
			"TestDoneWhenTheHostSendsMoreThanTheBody"},
	}},
	{repeats, "withRepeats", []change{
		{"what the program has set is lost", `firsts[name] == entry`, `firsts[name] != ""`,
			"TestRepeatedVariablesOfFcgiwrapAllArrive"},
		{"what the program has unset is there", `strings.Cut(entry, "="); isUnchanged[name] { list`,
			`strings.Cut(entry, "="); isUnchanged[name] || name == "HTTP_COOKIE" { list`,
			"TestRepeatedVariablesOfFcgiwrapAllArrive"},
	}},
	{quirk, "split", []change{
		{"OPTIONS * has no path below the prefix", `path == "*" && env.Vars["REQUEST_METHOD"] == "OPTIONS"`, `false`,
			"TestPathsAreWhatTheRuleSays"},
	}},
	{lintEnviron, "(*input).check", []change{
		{"a Read of nothing may come once more", `in.idle == maxIdle`, `in.idle == maxIdle+1`,
			"TestEachMistakeIsFoundAndNothingElse"},
		{"a Read of nothing may come once less", `in.idle == maxIdle`, `in.idle == maxIdle-1`,
			"TestNothingChangesForACorrectPair"},
	}},
	{sendfile, "SendFile", []change{
		{"a sendfile that sends nothing ends the file", `err == nil && n > 0`, `err == nil`,
			"TestTheSystemThatSendsNothingSaysNothingOfTheEnd"},
	}},
	{oneshotOut, "(*conn).Flush", []change{
		{"the head is sent with each block", `c.head, c.block = nil, nil`, `c.block = nil`,
			"R15/a-body-of-many-blocks-arrives"},
		{"a block is sent in the background", `_, err := c.send(bufs)`, `var err error; go c.send(bufs)`,
			"R15/a-body-of-many-blocks-arrives"},
		{"the first block is not flushed", `bufs = net.Buffers{append(head, block...)}`,
			`c.head = append(head, block...); return nil`,
			"C40/a-request-gets-an-answer"},
		{"a client that left is any error", `return request.Disconnected(err)`, `return err`,
			"D10/that-the-client-has-left-is-the-cause-also-if-nobody-waits-for-it"},
	}},
	{oneshotOut, "(*conn).End", []change{
		{"the end of a response without a length waits for Close", `c.whole && c.endsByClose`, `false`,
			"TestTheEndOfAResponseWithoutALengthDoesNotWaitForClose"},
		{"a broken response is called whole", `!whole`, `false`,
			"D2/an-error-after-a-block-can-be-told"},
	}},
	{oneshotOut, "(*conn).ReadFrom", []change{
		{"what sendfile has sent is not counted", `ended { return sent,`, `ended { return 0,`,
			"R131/a-file-arrives"},
	}},
	{connections, "(*Conn).set", []change{
		{"a request that ends after the stop leaves its connection open", `isClosed(c.s.stopping)`, `false`,
			"TestShutdownByState"},
		{"a request begins on a connection that was closed", `c.state == ending`, `false`,
			"TestShutdownByState"},
		{"a connection that was closed becomes idle again", `c.state == ending`, `c.state == ending && to != idle`,
			"TestShutdownByState"},
		{"a state that was said before gives more time", `c.state != to`, `true`,
			"TestShutdownByState"},
		{"a state is not kept", `c.state = to`, ``,
			"TestShutdownByState"},
		{"an idle connection is closed although no server stops", `isClosed(c.s.stopping)`, `true`,
			"TestShutdownByState"},
	}},
	{connections, "(*Conn).closeSoon", []change{
		{"a server that stops does not wait for what is on its way", `wait = idleTime`, `wait = 0`,
			"TestShutdownByState"},
		{"a part of a request gets no more time", `wait := freshTime`, `wait := idleTime`,
			"TestShutdownByState"},
	}},
	{accepting, "(*Server).stop", []change{
		{"an idle connection is kept for ever", `c.closeSoon()`, ``,
			"TestShutdownByState"},
	}},
	{connections, "(*Conn).expire", []change{
		{"a request may begin on a connection that its timer has closed", `c.state = ending`, ``,
			"TestShutdownByState"},
		{"a server that stops cuts off a request", `(c.state == fresh || c.state == idle) &&`, ``,
			"TestShutdownByState"},
	}},
	{connections, "(*Conn).Drain", []change{
		{"what the peer sends is not read", `_, _ = io.CopyN(io.Discard, r, min(size, request.DrainBytes))`, ``,
			"TestThePeerReadsTheResponseAfterADrain"},
	}},
	{numbers, "IsHangUp", []change{
		{"a reset is no hang-up", `isAny(err, reset) ||`, ``,
			"TestAResetIsKnownByAReadAndAWrite"},
		{"a broken pipe is no hang-up", `|| isAny(err, broken)`, ``,
			"TestAPipeThatNobodyReadsIsAHangUp"},
	}},
	{scgi, "readVars", []change{
		{"the first variable is lost",
			`if err := add(name, value)`, `if first { continue }; if err := add(name, value)`,
			"C10/the-length-is-the-bodys"},
		{"a request that is not SCGI's is served", `!isSCGI`, `!isSCGI && n < 0`,
			"TestWhatIsNotSCGI"},
	}},
	{uwsgi, "cut", []change{
		{"a value is cut to its length's low byte", `| int(s[1])<<8`, ``,
			"C8/a-long-value-is-whole"},
	}},
	{uwsgi, "appendHead", []change{
		{"the last header is lost", `range headers`, `range headers[:max(0, len(headers)-1)]`,
			"R20/known-blocks-get-the-length-of-all"},
	}},

	// fcgi.
	{records, "(*call).Write", []change{
		{"a large block is not kept", `r.tail = block`, ``,
			"R16/a-block-of-a-megabyte-arrives"},
	}},
	{records, "(*call).Flush", []change{
		{"a block is not flushed", `return r.flush()`, `return nil`,
			"R16/each-block-arrives-before-the-next-is-asked-for"},
	}},
	{records, "(*call).End", []change{
		{"a broken response ends cleanly", `!whole && !r.aborted.Load()`, `false`,
			"D2/an-error-after-a-block-can-be-told"},
		{"the id is free before the response is over",
			`r.in.close(c)`, `c.requests.remove(r); r.id++; r.in.close(c)`,
			"R15/a-body-of-many-blocks-arrives"},
	}},
	{records, "(*call).appendEnd", []change{
		{"END_REQUEST is lost", `b = appendEnd(b, r.id, r.status)`, ``,
			"R15/a-body-of-one-block-arrives"},
	}},
	{recordFiles, "(*call).ReadFrom", []change{
		{"what sendfile has sent is not counted", `sent += n`, ``,
			"R131/a-file-of-a-declared-length-arrives"},
	}},
	{steps, "(*conn).begin", []change{
		{"requests begin on a connection that is to end", `c.last || c.doomed`, `c.last`,
			"TestBrokenResponseLeavesOthersTheirAnswer"},
	}},
	{fcgiConn, "(*conn).by", []change{
		{"an application waits for its body for ever", `r.waiting > 0`, `false`,
			"TestReadTimeout"},
	}},
	{fcgiConn, "(*conn).settle", []change{
		{"a part of a request holds Shutdown", `c.nc.SetFresh()`, `c.nc.SetBusy()`,
			"TestShutdownDoesNotWaitForTheRestOfARequest"},
		{"a connection is never idle", `c.nc.SetIdle()`, ``,
			"TestShutdownDrains"},
	}},
	{records, "(*call).appendEnd", []change{
		{"nginx is not told that the server stops", `r.isNginx`, `false`,
			"TestNginxIsToldThatTheServerStops"},
		{"a record hides the end of the connection from Apache", `&& r.isNginx`, ``,
			"TestNginxIsToldThatTheServerStops"},
	}},
	{records, "(*call).End", []change{
		{"the end of a connection waits for the body's Close", `_ = c.nc.CloseWrite()`, `_ = c.nc`,
			"TestAHostThatGoesOnGetsTheEndOfTheConnection"},
		{"a host that goes on keeps a server that stops", `since > goOnTime`, `since < 0`,
			"TestAHostThatGoesOnGetsTheEndOfTheConnection"},
	}},
	{turns, "(*conn).handOver", []change{
		{"a reader keeps other requests from being read", `c.plural`, `false`,
			"TestAReaderBesideOthersDoesNotGetTheTurn"},
		{"a reader that was slow once never reads for itself again", `r.waiting == 0`, `true`,
			"TestReaderThatWasSlowReadsForItselfAgain"},
	}},
	{turns, "(*conn).giveUpTurn", []change{
		{"an application keeps its connection from being read",
			`AfterFunc(takeOver, c.takeOver) } else { c.slow.Reset(takeOver)`,
			`AfterFunc(time.Second, c.takeOver) } else { c.slow.Reset(time.Second)`,
			"TestHowLongAnApplicationHasTheConnection"},
	}},
	{steps, "(*conn).abort", []change{
		{"an abort is no cause of the Context's end", `request.Disconnected(errAborted)`,
			`errors.New(request.Disconnected(errAborted).Error())`,
			"D10/the-context-ends-when-the-client-leaves"},
		{"an abort does not end the body", `cutShort`, `io.EOF`,
			"D5/a-body-in-chunks-that-was-cut-short-does-not-end-cleanly"},
	}},
	{steps, "(*conn).stdin", []change{
		{"the end of the body is lost", `r.in.fail(io.EOF)`, ``,
			"C34/a-body-in-chunks-is-decoded-or-refused"},
	}},
	{fastcgi, "(*call).run", []change{
		{"there may be any number of requests", `s.inFlight.Add(1) > int64(s.limits.MaxRequests)`, `s.inFlight.Add(1) < 0`,
			"TestMaxRequests"},
		{"a request that is refused reaches the application", `app = request.Refuse(err)`, ``,
			"TestMalformedParameters"},
	}},
	{fastcgi, "(*call).environ", []change{
		{"the flags are those of a process", `(*stderr)(r), true`, `(*stderr)(r), false`,
			"R49/a-server-of-one-thread-calls-once-at-a-time"},
	}},

	// nethttp.
}
