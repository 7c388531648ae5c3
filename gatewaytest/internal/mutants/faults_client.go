package main

// clientFaults are about who the client is: what proxies say, in headers and by the PROXY protocol.
var clientFaults = []place{
	{connections, "(*Conn).readHeader", []change{
		{"a connection with a wrong header is served", `c.Close() return false`, `return true`,
			"TestAWrongHeaderIsOneLineInTheLog"},
		{"a health check fills the log", `err == io.EOF ||`, ``,
			"TestAWrongHeaderIsOneLineInTheLog"},
		{"a connection with a wrong header keeps its place", `c.Close()`, ``,
			"TestAWrongHeaderIsOneLineInTheLog"},
	}},
	{connections, "(*Conn).RemoteAddr", []change{
		{"the proxy is the client", `c.header != nil`, `false`,
			"TestASlowHeaderKeepsNobodyWaiting"},
	}},
	{connections, "newConn", []change{
		{"the socket is hidden behind the header", `Conn: header.Conn`, `Conn: conn`,
			"TestASlowHeaderKeepsNobodyWaiting"},
	}},
	{proxyConn, "(*Listener).isProxy", []change{
		{"a header from a stranger counts", `p.Contains(addr)`, `(p.Contains(addr) || p.IsValid())`,
			"TestOnlyANamedPeerHasAHeader"},
		{"a peer on a Unix socket needs no header", `return true`, `return false`,
			"TestOnlyANamedPeerHasAHeader"},
	}},
	{proxyConn, "(*Conn).ReadHeader", []change{
		{"a header has no time limit", `c.setLimit(time.Now().Add(Timeout))`, ``,
			"TestDeadlinesOfTheOwner"},
		{"the limit of the header stays", `c.setLimit(time.Time{})`, ``,
			"TestAHeaderHasATimeLimitThatIsItsOwn"},
		{"a wrong header leaves the connection open", `c.Conn.Close()`, ``,
			"TestAWrongHeaderClosesTheConnection"},
	}},
	{proxyConn, "(*Conn).arm", []change{
		{"the owner's deadline waits for the header", `(deadline.IsZero() || c.limit.Before(deadline))`, `true`,
			"TestDeadlinesOfTheOwner"},
	}},
	{proxyHeader, "readHeader", []change{
		{"what is no header is waited for", `!begins(start, signature)`, `n == minLine && !begins(start, signature)`,
			"TestHeaders"},
	}},
	{proxyHeader, "readLine", []change{
		{"a line takes a byte of the request", `missing = 1`, `missing = 2`,
			"TestHeaders"},
		{"a line has no end", `len(line)+missing > maxLine`, `len(line)+missing > 2*maxLine`,
			"TestHeaders"},
	}},
	{proxyHeader, "parseAddrPort", []change{
		{"a line of TCP4 has an IPv6 address", `ip.Is4() != is4 ||`, ``,
			"TestHeaders"},
		{"a port has a zero in front", `&& isShortest`, `&& (isShortest || true)`,
			"TestHeaders"},
	}},
	{proxyHeader, "readBlock", []change{
		{"a health check is somebody else", `command == versionLocal ||`, ``,
			"TestHeaders"},
		{"a header has any size", `size > maxBlock`, `false`,
			"TestHeaders"},
		{"addresses are read past the end", `size < 2*addrSize+4`, `size < 2*addrSize`,
			"TestHeaders"},
		{"a command that is unknown is a connection", `command != versionLocal && command != versionProxy,`, `false,`,
			"TestHeaders"},
	}},
}
