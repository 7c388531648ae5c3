package main

// Faults of package host's processes, which a test of the package catches.
var processFaults = []place{
	{hostCGI, "(*CGI).open", []change{
		{"a program runs in the server's folder", `cmd.Dir = filepath.Dir(path)`, ``,
			"TestTheEnvironmentOfAProgram"},
		{"a program gets the server's environment", `environ(vars)`,
			`append(os.Environ(), environ(vars)...)`, "TestTheEnvironmentOfAProgram"},
	}},
	{hostCGI, "environ", []change{
		{"a program has no PATH", `!hasPath`, `false`, "TestTheEnvironmentOfAProgram"},
	}},
	{hostCGI, "(*queue).enter", []change{
		{"all programs run at a time", `n > 0`, `n < 0`, "TestTheQueueOfPrograms"},
		{"all requests may wait", `limit > 0 &&`, `limit < 0 &&`, "TestTheQueueOfPrograms"},
		{"a client that has left waits for its turn", `case <-ctx.Done():`,
			`case <-context.Background().Done():`, "TestTheQueueOfPrograms"},
	}},
	{hostProcess, "start", []change{
		{"a program that cannot be started counts as one that runs", `release(); return nil, err`,
			`return nil, err`, "TestAProgramThatCannotBeStarted"},
	}},
	{hostProcess, "(*cgiProcess).wait", []change{
		{"a program that fails has given a whole answer", `close(p.exited)`,
			`p.status = nil; close(p.exited)`, "TestBadPrograms"},
		{"a child that has the output holds the response up",
			`_ = p.stdout.SetReadDeadline(time.Now().Add(p.grace))`, ``,
			"TestAChildThatIsLeftBehindHoldsNothingUp"},
	}},
	{hostProcess, "(*cgiProcess).limit", []change{
		{"a client that reads slowly loses what is in the pipe", `isClosed(p.exited)`, `false`,
			"TestASlowClientGetsWhatAProgramHasLeft"},
	}},
	{hostProcess, "(*cgiProcess).Read", []change{
		{"a program that closes its output gets the time twice", `time.Until(began.Add(d))`,
			`d+0*time.Until(began)`, "TestAReadOfAProgramKeepsItsTime"},
	}},
	{hostProcess, "(*cgiProcess).verdict", []change{
		{"a program may go on behind its answer", `case <-late.C:`, `case <-make(chan int):`,
			"TestBadPrograms"},
		{"a page waits for its program", `limit = d`, ``, "TestAPageDoesNotWaitForTheProgram"},
	}},
	{hostProcess, "(*cgiProcess).abort", []change{
		{"half a body ends like a whole one", `_ = p.stdin.SetWriteDeadline(time.Now())`,
			`p.stdin.Close()`, "TestABodyThatIsCutShortHasNoEnd"},
	}},
	{hostProcess, "(*cgiProcess).awaitStop", []change{
		{"a program that ignores SIGTERM goes on", `kill(p.cmd.Process)`, ``,
			"TestAProgramIsAskedToEndAndThenKilled"},
		{"a child that ignores SIGTERM goes on", `!hasGroup(p.cmd.Process)`, `true`,
			"TestAProgramIsAskedToEndAndThenKilled"},
	}},
	{hostGroup, "askToEnd", []change{
		{"a program has no time to end", `syscall.SIGTERM`, `syscall.SIGKILL`,
			"TestAProgramIsAskedToEndAndThenKilled"},
	}},
	{hostGroup, "kill", []change{
		{"the children of a program go on", `-leader.Pid`, `leader.Pid`,
			"TestAProgramIsAskedToEndAndThenKilled"},
	}},
	{hostChunks, "(*chunkedBody).reason", []change{
		{"chunks that are cut short are of the client's doing", `err == io.ErrUnexpectedEOF`, `false`,
			"TestAnNPHProgramMaySendChunks"},
		{"a program that fails behind its last chunk has given a whole answer",
			`c.answer.ReadByte()`, `byte(0), io.EOF`, "TestAnNPHProgramMaySendChunks"},
	}},
}
