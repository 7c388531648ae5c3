package main

// contractFaults are in what applications get from the root package and package request.
var contractFaults = []place{
	// Bodies.
	{bodies, "(*once).take", []change{
		{"a body can be used twice", `o.used.CompareAndSwap(false, true)`, `true`,
			"R20/a-body-is-for-one-response"},
	}},
	{bodies, "(*reader).Close", []change{
		{"a reader is not closed", `return c.Close()`, `_ = c; return nil`,
			"R134/a-reader-is-closed"},
	}},
	{bodies, "(*reader).each", []change{
		{"an error of a reader is a clean end", `yield(nil, err)`, ``,
			"R133/a-reader-that-fails-breaks-the-response"},
	}},
	{bodies, "(*blocks).Size", []change{
		{"the sum of known blocks is wrong", `+=`, `=`,
			"R20/known-blocks-get-the-length-of-all"},
	}},
	{bodies, "(*mapped).Size", []change{
		{"mapped blocks get the length of the unmapped",
			`sized.Size{Blocks: sized.Of(m.Body).Blocks, Bytes: -1}`, `sized.Of(m.Body)`,
			"R95/middleware-that-maps-known-blocks-claims-no-length-for-them"},
	}},
	{bodies, "(*mapped).Limit", []change{
		{"Map hides a Reader from the limit", `return true`, `m.left = -1; return true`,
			"TestAPartOfAFileUnderMap"},
		{"Map cuts what is too much of any body", `!sized.SetLimit(m.Body, -1)`, `false`,
			"TestAPartOfAFileUnderMap"},
	}},
	{bodies, "orNone", []change{
		{"a nil body under Map or OnClose panics", `body == nil`, `false`,
			"TestANilBodyUnderMapAndOnClose"},
	}},
	{bodies, "(*mapped).Blocks", []change{
		{"Map loses an error", `yield(block, err)`, `yield(block, nil)`,
			"R95/middleware-that-maps-lets-an-error-through"},
	}},
	{bodies, "(*closer).Close", []change{
		{"OnClose loses the Close of its body", `return c.Body.Close()`, `return nil`,
			"R21/what-an-application-hangs-on-close-runs-after-it"},
		{"OnClose loses its function", `c.f()`, `nil`,
			"R21/what-an-application-hangs-on-close-runs-after-it"},
	}},

	// Headers and statuses that get through.
	{names, "HasControl", []change{
		{"a carriage return gets through", `c < ' '`, `c < ' ' && c != '\r'`,
			"R69/a-value-with-a-line-break-is-refused"},
		{"a line feed gets through", `c < ' '`, `c < ' ' && c != '\n'`,
			"R69/a-value-with-a-line-break-is-refused"},
		{"a NUL gets through", `c < ' '`, `c < ' ' && c != 0`,
			"R69/a-value-with-a-nul-is-refused"},
		{"a DEL gets through", `c == 0x7F`, `false`,
			"R69/a-value-with-a-delete-is-refused"},
		{"a tab is refused", `c == '\t'`, `false`,
			"R69/a-tab-inside-a-value-is-not-refused"},
		{"bytes above ASCII are refused", `c == 0x7F`, `c >= 0x7F`,
			"R9/the-bytes-of-a-value-arrive"},
	}},
	{names, "tokenBytes", []change{
		{"a space in a name gets through", `'!': true`, `'!': true, ' ': true`,
			"R68/a-name-that-is-no-token-is-refused"},
		{"a colon in a name gets through", `'!': true`, `'!': true, ':': true`,
			"R68/a-name-that-is-no-token-is-refused"},
	}},
	{names, "IsToken", []change{
		{"an empty name gets through", `s != ""`, `true`,
			"R68/a-name-that-is-no-token-is-refused"},
	}},
	{names, "KindOf", []change{
		{"Connection gets through", `"Connection", HopByHop`, `"Connection", Ordinary`,
			"R72/a-hop-by-hop-header-is-refused"},
		{"Trailer gets through", `"Trailer", HopByHop`, `"Trailer", Ordinary`,
			"R72/a-hop-by-hop-header-is-refused"},
		{"TE gets through", `"TE", HopByHop`, `"TE", Ordinary`,
			"R72/a-hop-by-hop-header-is-refused"},
		{"Transfer-Encoding gets through", `"Transfer-Encoding", HopByHop`, `"Transfer-Encoding", Ordinary`,
			"R91/a-transfer-encoding-is-refused"},
		{"Status gets through", `"Status", Status`, `"Status", Ordinary`,
			"D4/a-header-called-status-is-refused"},
		{"the case of a name matters", `strings.EqualFold(name, special)`, `strings.Compare(name, special) == 0`,
			"R72/a-hop-by-hop-header-is-refused"},
	}},
	{names, "ParseLength", []change{
		{"a signed Content-Length gets through", `s[i] < '0'`, `s[i] < '0' && s[i] != '+'`,
			"D3/a-length-that-is-not-plain-digits-is-refused"},
	}},
	{headers, "Headers.check", []change{
		{"a second Location gets through", `seen |= kind`, `seen |= kind &^ header.Location`,
			"C46/two-locations-are-refused"},
		{"a second Content-Type gets through", `seen |= kind`, `seen |= kind &^ header.ContentType`,
			"C46/two-content-types-are-refused"},
		{"a second Content-Length gets through", `seen |= kind`, `seen |= kind &^ header.ContentLength`,
			"D3/two-lengths-are-refused"},
		{"a Content-Length of any text gets through", `!ok`, `!ok && value == ""`,
			"D3/a-length-that-is-not-plain-digits-is-refused"},
	}},
	{statuses, "checkStatus", []change{
		{"a status of one digit and two letters gets through", `!isDigit(s[2])`, `false`,
			"R65/a-status-that-is-not-a-code-and-a-reason-is-refused"},
		{"a status with two spaces gets through", `isSpace(reason[0])`, `false`,
			"R65/a-status-that-is-not-a-code-and-a-reason-is-refused"},
		{"a status with a line break gets through", `header.HasControl(reason, false)`, `false`,
			"R66/a-status-with-a-control-character-is-refused"},
		{"a status with a tab gets through", `header.HasControl(reason, false)`, `header.HasControl(reason, true)`,
			"R66/a-status-with-a-control-character-is-refused"},
		{"an informational status gets through", `case '1'`, `case 'i'`,
			"D1/an-informational-status-is-refused"},
	}},

	// The environ.
	{variables, "(*input).Read", []change{
		{"an Environ without an Input panics", `in.r == nil`, `false`,
			"TestNilFieldsOfAnEnvironAreEmptyOnes"},
	}},
	{variables, "(*Environ).Header", []change{
		{"Header looks for HTTP_CONTENT_LENGTH", `, "CONTENT_LENGTH"`, ``,
			"C27/an-application-finds-a-header-by-its-name"},
	}},
	{variables, "(*Environ).ContentLength", []change{
		{"the length of a body that is not known is 0", `return -1, nil`, `return 0, nil`,
			"C34/a-body-in-chunks-is-decoded-or-refused"},
	}},
	{variables, "(*Environ).URL", []change{
		{"the URL has no port", `!isDefault`, `isDefault`,
			"R129/without-a-host-header-the-url-is-the-servers"},
	}},
	{variables, "writePath", []change{
		{"the URL is not encoded", `'0' <= c && c <= '9'`, `'0' <= c && c <= '9', c >= 0x80`,
			"C2/the-variables-make-up-the-url"},
	}},

	// What a server makes of a request.
	{input, "(*Body).Init", []change{
		{"the body ends one byte early", `= r, length, max`, `= r, length, max; if length > 0 { b.left-- }`,
			"C31/a-body-of-one-byte-arrives"},
		{"a negative maximum is one", `max < 0`, `false`,
			"TestANegativeMaximumIsNone"},
		{"the body goes on one byte too far", `= r, length, max`, `= r, length+1, max`,
			"R55/the-body-ends-where-it-should-on-an-open-connection"},
	}},
	{input, "(*Body).read", []change{
		{"the body is not capped", `int64(len(p)) > b.left`, `false`,
			"C32/what-follows-the-body-is-not-of-it"},
		{"a body that was cut short ends cleanly", `err = io.ErrUnexpectedEOF`, `err = io.EOF`,
			"D5/a-body-that-was-cut-short-does-not-end-cleanly"},
	}},
	{input, "CutShort", []change{
		{"a body that a reset has cut short is any error", `errors.Is(err, syscall.ECONNRESET)`, `errors.Is(err, syscall.ECONNREFUSED)`,
			"TestResetCutsABodyShort"},
	}},
	{input, "(*Body).Drain", []change{
		{"as much as a client sends is drained", `total < max`, `true`,
			"TestDrainReadsToTheEndOrToItsBounds"},
		{"a body is drained as long as a client sends", `time.Now().Before(stop)`, `!stop.IsZero()`,
			"TestDrainStopsAtItsTimeAlsoIfBytesTrickle"},
		{"Drain waits for a Read of the application", `!b.mu.TryLock()`, `b.mu.Lock(); false`,
			"TestDrainDoesNotWaitForAReadOfTheApplication"},
	}},
	{builder, "(*Builder).Add", []change{
		{"a variable's name with a line break gets through", `c <= ' '`, `c == ' '`,
			"TestNamesOfVariables"},
	}},
	{builder, "(*Builder).AddEnviron", []change{
		{"the first variable is lost", `name != ""`, `name != "" && name != "GATEWAY_INTERFACE"`,
			"C13/the-interface-is-cgi-with-a-version"},
	}},
	{builder, "(*Builder).admit", []change{
		{"there may be any number of headers", `b.count > b.Limits.MaxHeaders ||`, ``,
			"TestLimitsOfABuilder"},
		{"headers may be of any size", `|| b.size > b.Limits.MaxHeaderBytes`, ``,
			"TestLimitsOfABuilder"},
	}},
	{builder, "(*Builder).AddHeader", []change{
		{"two Host headers that differ get through", `found && host != value`, `found && host != value && false`,
			"TestAddHeader"},
	}},
	{builder, "(*Builder).add", []change{
		{"two lengths that differ get through", `b.length != "" && b.length != value`, `false`,
			"TestAddCombinesWhatIsRepeated"},
		{"an empty Content-Type is one", `delete(b.vars, name); return b.err`, `break`,
			"TestAddCombinesWhatIsRepeated"},
		{"the method is in upper case", `b.method = value`, `b.method, value = value, strings.ToUpper(value)`,
			"C21/a-method-keeps-its-case-or-is-refused"},
		{"a line break gets into a variable", `line && hasBreak(value)`, `line && false`,
			"TestFinishRefuses"},
		{"a NUL gets into a path", `path && strings.IndexByte(value, 0) >= 0`, `path && false`,
			"TestFinishRefuses"},
	}},
	{builder, "(*Builder).addHeader", []change{
		{"HTTP_PROXY gets through", `"HTTP_PROXY",`, ``,
			"D6/the-header-proxy-is-no-variable"},
		{"HTTP_CONTENT_TYPE gets through", `, "HTTP_CONTENT_TYPE"`, ``,
			"C29/content-type-and-length-have-no-twin"},
		{"HTTP_CONTENT_LENGTH gets through", `b.clientLength = value; return b.err`, `b.clientLength = value`,
			"C29/content-type-and-length-have-no-twin"},
		{"a name that would pass for another's gets through", `case anothersName: return b.err`, ``,
			"TestAddCombinesWhatIsRepeated"},
		{"a line break gets into a header", `hasBreak(value)`, `false`,
			"TestALineBreakIsFoundEverywhere"},
		{"two hosts are joined", `|| name == "HTTP_HOST"`, ``,
			"TestAddCombinesWhatIsRepeated"},
		{"of repeated headers the last one counts", `b.repeat(name, old, value)`, `b.vars[name] = value`,
			"C28/repeated-headers-are-joined-in-order"},
	}},
	{builder, "(*Builder).repeat", []change{
		{"cookies are joined with commas", `"; "`, `", "`,
			"D6/repeated-cookies-are-joined-with-semicolons"},
		{"of three headers of one name the second is lost", `list := b.repeated[name]`, `var list []byte`,
			"TestAddCombinesWhatIsRepeated"},
	}},
	{builder, "(*Builder).AddHeader", []change{
		{"a name with a space before its colon is left out", `!header.IsToken(name)`, `false`,
			"TestAddHeader"},
	}},
	{builder, "(*Builder).Finish", []change{
		{"chunks beside a length get through", `b.isCoded && b.length != ""`, `false`,
			"TestAddHeader"},
		{"of repeated headers the first one counts", `b.vars[name] = string(list)`, `_, _ = name, list`,
			"C28/repeated-headers-are-joined-in-order"},
		{"the server has no name", `b.vars["SERVER_NAME"] = "localhost"`, ``,
			"TestFinishFillsInWhatMustNotBeMissing"},
		{"a method that is no token gets through", `!header.IsToken(b.method)`, `false`,
			"TestFinishRefuses"},
		{"a path without a slash gets through", `b.path != "" && b.path[0] != '/'`, `false`,
			"TestFinishRefuses"},
		{"a length that is none gets through", `_ = b.malformed("CONTENT_LENGTH is not a length")`, ``,
			"TestFinishRefuses"},
		{"half an upload is taken for all of it", `b.clientLength != b.length`, `false`,
			"TestFinishRefuses"},
		{"a body may be of any length", `length > b.Limits.MaxBodyBytes`, `false`,
			"TestLimitsOfABuilder"},
	}},
	{builder, "(*Builder).urlScheme", []change{
		{"the scheme is https", `return "http"`, `return "https"`,
			"R43/the-scheme-is-http"},
	}},
	{naming, "VariableOf", []change{
		{"a name with an underscore gets through", `strings.IndexByte(name, '_') >= 0`, `false`,
			"D6/a-name-with-an-underscore-forges-no-header"},
		{"a name with a space passes for one without", `if variable, found`, `name = strings.TrimSpace(name); if variable, found`,
			"C27/a-name-with-a-space-before-its-colon-is-no-name"},
		{"Proxy has a variable", `"HTTP_PROXY",`, ``,
			"TestVariablesAndHeadersAreInverse"},
	}},

	// cgi.
}
