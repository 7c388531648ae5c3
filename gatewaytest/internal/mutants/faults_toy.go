package main

// toyFaults are what an author of a server can do wrong beside the engine.
var toyFaults = []place{
	{toy, "serveToy", []change{
		{"one request after the other is served", `go serveConn`, `serveConn`,
			"R49/a-server-with-threads-does-not-wait-for-a-slow-application"},
	}},
	{toy, "serveConn", []change{
		{"a client that waits for a 100 gets none", `"100-continue"`, `"200-continue"`,
			"R114/a-client-that-waits-for-a-continue-gets-one"},
		{"an old client gets a 100", `req.ProtoAtLeast(1, 1)`, `true`,
			"R115/an-old-client-gets-no-continue"},
		{"a request that is refused reaches the application", `app = request.Refuse(err)`, ``,
			"C30/a-nul-in-the-path-cuts-nothing"},
		{"there is no body", `env.Input = body`, ``,
			"C31/a-body-of-one-byte-arrives"},
	}},
	{toy, "variables", []change{
		{"the port is the client's word", `"SERVER_PORT": port`, `"SERVER_PORT": func() string {
				if _, word, err := net.SplitHostPort(req.Host); err == nil {
					return word
				}
				return port
			}()`,
			"C24/the-port-is-not-the-clients-word"},
		{"the path is not decoded", `req.URL.Path`, `req.URL.EscapedPath()`,
			"C14/the-path-is-decoded"},
		{"the target is the decoded one", `req.RequestURI`, `req.URL.Path`,
			"D7/the-target-is-there-as-the-client-sent-it"},
		{"the host is no variable", `req.Host`, `""`,
			"R34/the-host-is-a-header"},
		{"the client has no address", `"REMOTE_ADDR": peer`, `"REMOTE_ADDR": peer[:0]`,
			"C17/the-client-has-an-address"},
		{"the variables are those of the request before",
			`func variables(`, `
			var before *request.Builder

			func variables(req *http.Request, conn net.Conn) *request.Builder {
				b := before
				before = variablesOf(req, conn)
				if b == nil {
					b = before
				}
				return b
			}

			func variablesOf(`,
			"R11/what-an-application-does-to-its-environ-ends-with-the-request"},
	}},
	{toy, "(*toyTransport).WriteHead", []change{
		{"there is no Date", `fmt.Fprintf(t, "Date: %s\r\n"`, `fmt.Fprintf(io.Discard, "Date: %s\r\n"`,
			"R70/a-response-has-a-date"},
		{"there are two Dates", `headers.Get("Date") == ""`, `true`,
			"R70/a-date-that-the-application-gives-is-the-only-one"},
	}},
	{toy, "client.Write", []change{
		{"a client that left is any error", `request.Disconnected(err)`, `err`,
			"D10/the-context-ends-when-the-client-leaves"},
	}},
	{toy, "(*toyTransport).End", []change{
		{"a broken response ends cleanly", `!whole`, `false`,
			"D2/an-error-after-a-block-can-be-told"},
		{"the only block is not sent", `err := t.Flush()`, `err := error(nil)`,
			"R15/a-body-of-one-block-arrives"},
		{"a block waits for the end", `func (t *toyTransport) End(whole bool) error {`, `
			func (t *toyTransport) Flush() error { return nil }

			func (t *toyTransport) End(whole bool) error {
				t.Writer.Flush()`,
			"R16/each-block-arrives-before-the-next-is-asked-for"},
	}},
}
