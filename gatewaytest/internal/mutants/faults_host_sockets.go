package main

// Faults of package host's clients of FastCGI, SCGI and uwsgi, which a test of the package catches.
var hostSocketFaults = []place{
	{hostDial, "(*dialer).order", []change{
		{"an address that has failed is tried first", `now.Before(a.down)`, `now.Before(time.Time{})`,
			"TestAnAddressThatFails"},
		{"the neighbour of an address that has failed gets the requests of both",
			`d.next = (next + 1) % len(d.addresses)`, `d.next = (first + 1) % len(d.addresses)`,
			"TestAnAddressThatFails"},
	}},
	{hostDial, "(*dialer).dialOne", []change{
		{"a client that leaves makes an address fail", `ctx.Err() == nil`, `true`,
			"TestOneRequestTriesAnAddressAgain"},
	}},
	{hostDial, "(*dialer).dialOne", []change{
		{"a server that is busy counts as gone", `errno.IsFull(err)`, `false`,
			"TestAServerThatDoesNotAccept"},
	}},
	{hostStream, "(*streamSession).endOf", []change{
		{"a reset that a write has found is the end of an answer", `|| s.wasReset()`, ``,
			"TestAResetIsNoEnd"},
	}},
	{hostFastCGI, "isSafe", []change{
		{"a POST may be sent twice", `method == "GET"`, `method == "POST" || method == "GET"`,
			"TestConnectionsAreKept"},
	}},
	{hostRequest, "appendFastCGIHead", []change{
		{"a variable lies in two records", `len(b)-begin-fastcgi.HeaderSize > fastcgi.MaxContent`,
			`len(b)-begin-fastcgi.HeaderSize > 2*fastcgi.MaxContent`, "TestVariablesAreWholeInEachRecord"},
		{"a variable that is larger than a record is sent", `size > fastcgi.MaxContent`, `false`,
			"TestVariablesThatFastCGIHasNoRoomFor"},
	}},
	{hostRecords, "(*fastCGIAnswer).begin", []change{
		{"a record of another request is taken", `a.cur.ID != a.id`, `false`,
			"TestHostileFastCGIServers"},
		{"a response that is broken off is not", `kind == fastcgi.GetValuesResult`, `false`,
			"TestHostileFastCGIServers"},
	}},
	{hostRecords, "(*fastCGIAnswer).take", []change{
		{"an answer ends with a part of END_REQUEST", `a.n == len(a.head) && a.left == 0`,
			`a.n == len(a.head) && (a.left == 0 || a.cur.Kind == fastcgi.EndRequest)`,
			"TestAFastCGIAnswerThatIsCutAnywhere"},
	}},
	{hostRecords, "(*fastCGIAnswer).result", []change{
		{"a program that has failed has a whole answer", `app != 0`, `false`,
			"TestHostileFastCGIServers"},
		{"an overloaded server is a broken one", `protocol == fastcgi.Overloaded:`, `false:`,
			"TestHostileFastCGIServers"},
	}},
	{hostRecords, "(*fastCGIAnswer).isDone", []change{
		{"a connection is kept on which more has come", `&& !a.odd`, ``,
			"TestWhatFollowsAnAnswerReachesNobody"},
	}},
	{hostSession, "(*fastCGISession).fail", []change{
		{"the end of the connection is the end of an answer",
			`s.err = fmt.Errorf("%w: %s", ErrCutShort, how)`, `s.err = err`,
			"TestAFastCGIAnswerThatIsCutAnywhere"},
	}},
	{hostSession, "(*fastCGISession).again", []change{
		{"a request is sent again after a byte of its answer", `s.request == nil || s.begun ||`, `false ||`,
			"TestARequestIsSentAgainOnce"},
	}},
	{hostSession, "(*fastCGISession).close", []change{
		{"a connection is kept with half a body on it", `&& s.isSent`, ``,
			"TestAConnectionOfHalfABodyIsNotKept"},
	}},
	{hostSession, "(*fastCGISession).abort", []change{
		{"a request that is given up is not aborted", `_, _ = s.conn.out.WriteNow(abort)`, `_ = abort`,
			"TestAClientThatLeavesAFastCGIServer"},
	}},
	{hostPool, "(*pool).nextID", []change{
		{"a late answer is the next one's", `p.ids.Add(1) - 1`, `p.ids.Load()`,
			"TestALateAnswerIsNotTheNextOnes"},
	}},
	{hostSCGI, "appendSCGIHead", []change{
		{"a request without a body has no length", `length = "0"`, ``, "TestTheBytesOfSCGI"},
	}},
	{hostUWSGI, "appendUWSGIPacket", []change{
		{"the size of the variables wraps", `size > 0xFFFF`, `false`, "TestTheBytesOfUWSGI"},
	}},
}
