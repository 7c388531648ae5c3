package main

// nethttpFaults are in nethttp.
var nethttpFaults = []place{
	{handler, "(*handler).serve", []change{
		{"a broken response ends cleanly", `panic(http.ErrAbortHandler)`, `return`,
			"D2/an-error-after-a-block-can-be-told"},
		{"a request that is refused reaches the application", `app = request.Refuse(refusal)`, ``,
			"TestNULInAPathIsRefused"},
	}},
	{handlerBody, "(*exchange).beginBody", []change{
		{"the body is closed when the answer begins", `.EnableFullDuplex()`, ``,
			"R44/a-body-is-read-after-the-answer-has-begun"},
		{"a body may be of any length", `x.h.limits.MaxBodyBytes`, `request.NoLimit`,
			"TestLimitsOfAServer"},
	}},
	{handlerBody, "(*exchange).endRead", []change{
		{"a Read that takes too long does not end the Context", `x.ctx.Cancel(context.DeadlineExceeded)`,
			`_ = context.DeadlineExceeded`,
			"TestABodyThatRunsOutOfTimeEndsTheContext"},
	}},
	{handlerBody, "(*exchange).finishBody", []change{
		{"what is unread of a body is taken for a request", `panic(http.ErrAbortHandler)`, `return`,
			"TestAClientThatStallsItsBodyHasFiveSeconds"},
	}},
	{handlerEnviron, "(*handler).fill", []change{
		{"a name with an underscore gets through",
			`b.AddHeader(name, value)`, `b.Add("HTTP_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_"), value)`,
			"D6/a-name-with-an-underscore-forges-no-header"},
		{"of repeated headers the first one counts", `range list`, `range list[:1]`,
			"C28/repeated-headers-are-joined-in-order"},
	}},
	{handlerEnviron, "(*handler).paths", []change{
		{"the mount point is of PATH_INFO", `script, path = script+h.prefix, rest`, ``,
			"C22/the-mount-point-is-the-script-name"},
	}},
	{handlerResponse, "(*exchange).WriteHead", []change{
		{"net/http guesses a Content-Type", `h["Content-Type"] = nil`, `delete(h, "Content-Type")`,
			"D4/a-response-without-a-content-type-gets-none"},
		{"of repeated headers the last one counts", `append(list, headers[i][1])`, `[]string{headers[i][1]}`,
			"R67/headers-of-one-name-keep-their-order"},
		{"a server that stops says so to no client", `x.h.stopping.Err() != nil`, `false`,
			"TestShutdownLosesNoRequest"},
	}},
	{handlerResponse, "(*exchange).Flush", []change{
		{"a block is not flushed", `http.NewResponseController(x.w).Flush()`, `http.ErrNotSupported`,
			"R16/each-block-arrives-before-the-next-is-asked-for"},
	}},
	{handlerResponse, "(*exchange).lost", []change{
		{"a client that left is any error", `err = request.Disconnected(err)`, `_ = request.Disconnected`,
			"TestAWriteThatFailsIsAClientThatHasLeft"},
	}},
	{handlerExtra, "EarlyHints", []change{
		{"early hints may take for ever", `x.startWrite()`, ``,
			"TestAClientHasATimeToAccept"},
	}},
	{httpWriter, "(*response).snapshot", []change{
		{"a Content-Encoding that is empty is one", `guess && (len(list) == 0 || list[0] == "")`, `guess && len(list) == 0`,
			"TestWhatAHandlerWrites"},
	}},
	{handlerFile, "(*exchange).ReadFrom", []change{
		{"a file that cannot be read is a client that left", `isOfFile(err)`, `false`,
			"TestAFileThatFails"},
		{"what net/http has sent of a file is not counted", `n += m`, ``,
			"R131/a-file-of-a-declared-length-arrives"},
	}},
	{handler, "newHandler", []change{
		{"a slash at the end of the prefix is a part of it", `strings.TrimRight(prefix, "/")`,
			`strings.TrimRight(prefix, " ")`,
			"TestWhereAnApplicationIsMounted"},
	}},
	{httpServer, "(*Server).ServeTLS", []change{
		{"there is no HTTP/2", `[]string{"h2", "http/1.1"}`, `[]string{"http/1.1"}`,
			"TestServeTLS"},
	}},
	{httpServer, "(*Server).init", []change{
		{"a head may take for ever", `limits.ReadHeaderTimeout`, `0`,
			"TestAConnectionHasATimeForItsRequests"},
		{"a connection may be idle for ever", `limits.IdleTimeout`, `0`,
			"TestAConnectionHasATimeForItsRequests"},
		{"Shutdown that runs out of time ends no Context", `s.acceptor.Context()`, `context.Background()`,
			"TestShutdownThatRunsOutOfTime"},
	}},
	{httpServer, "(*Server).serveHTTP", []change{
		{"there may be any number of requests", `s.requests.Add(1) > int64(s.handler.limits.MaxRequests)`,
			`s.requests.Add(1) < 0`,
			"TestNoMoreRequestsThanTheLimit"},
	}},
	{httpConn, "(*conn).setState", []change{
		{"a connection that is kept is not closed when the server stops", `c.SetIdle()`, ``,
			"TestShutdownLosesNoRequest"},
		{"a connection has two seconds for its next request when the server stops", `c.SetIdle()`, `c.SetFresh()`,
			"TestShutdownLosesNoRequest"},
	}},
	{httpConn, "(*conn).Close", []change{
		{"a client that has left makes place for another", `c.requests == 0`, `true`,
			"TestApplicationsOfAClientThatHasLeftCount"},
	}},
}
