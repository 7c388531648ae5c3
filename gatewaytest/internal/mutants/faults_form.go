package main

// formFaults are in form. Each is a way in which a form, a query or a cookie passes for another
// one, or takes what it likes.
var formFaults = []place{
	{formReader, "(*reader).boundary", []change{
		{"a line that starts with the boundary is one", `!r.starts(" ") && !r.starts("\t")`,
			`false`,
			"TestFormsThatAreRefused"},
	}},
	{formReader, "(*reader).startsDelimiter", []change{
		{"a boundary that comes in two pieces is content", `return len(tail) - i`, `return 0`,
			"TestFormsThatAreAccepted"},
	}},
	{formReader, "(*reader).skipPreamble", []change{
		{"a boundary before the form counts in the middle of a line", `!r.starts("\r\n")`, `false`,
			"TestFormsThatAreRefused"},
	}},
	{formReader, "(*reader).head", []change{
		{"a head goes on behind a boundary",
			`bytes.Contains(r.buf[r.begin:r.begin+size+2], r.delimiter)`,
			`false`, "TestHeadsThatAreRefused"},
	}},
	{formReader, "(*reader).next", []change{
		{"the number of parts has no limit", `r.parts > r.limits.MaxFields`, `false`,
			"TestTheLimitsOfAMultipartForm"},
		{"a body that is cut behind the form is whole", `r.skipEpilogue()`, `io.EOF`,
			"TestTheBodyIsReadToItsEnd"},
	}},
	{formReader, "(*reader).skip", []change{
		{"a field that nobody reads has no limit", `r.part.peek()`, `r.peek()`,
			"TestTheDefaultLimits"},
	}},
	{formReader, "(*Part).peek", []change{
		{"a part is read when its step is over", `p.r.part != p`, `false`,
			"TestAPartIsReadInItsStep"},
	}},
	{formReader, "(*Part).Value", []change{
		{"the value of a file has no limit", `len(chunk) > p.r.limits.MaxFieldBytes-b.Len()`,
			`false`,
			"TestAValueIsBounded"},
	}},
	{formErrors, "readFault", []change{
		{"a form that was cut short has an end", `err = io.ErrUnexpectedEOF`, `_ = err`,
			"TestACutFormSaysSo"},
	}},
	{formHeads, "(*Part).parseHead", []change{
		{"a header has a NUL", `header.HasControl(line, true)`,
			`false && header.HasControl(line, true)`,
			"TestHeadsThatAreRefused"},
		{"the first of two dispositions counts", `n > 1`, `false`, "TestHeadsThatAreRefused"},
	}},
	{formHeads, "(*Part).parseDisposition", []change{
		{"a file with a filename* alone is a field", `isStarred && !hasFileName`,
			`isStarred && hasFileName && fileName == ""`,
			"TestHeadsThatAreRefused"},
		{"a file name has directories", "strings.LastIndexAny(fileName, `/\\`)", `-1`,
			"TestHeadsThatAreAccepted"},
	}},
	{formParameters, "appendParameters", []change{
		{"the last of two names counts", `strings.EqualFold(other.name, p.name)`, `other.name == ""`,
			"TestHeadsThatAreRefused"},
		{"a head takes quadratic time", `len(list) > maxParameters`, `false`, "TestHeadsThatAreRefused"},
	}},
	{formInput, "mediaType", []change{
		{"another parser takes another boundary", `hasPrefixFold(p.name, "boundary*")`, `false`,
			"TestFormsThatAreRefused"},
	}},
	{formInput, "newInput", []change{
		{"a form that says that it is too large is read", `length > max`, `false`,
			"TestADeclaredLengthIsLookedAtFirst"},
	}},
	{formQueries, "parseURLEncoded", []change{
		{"the number of pairs has no limit", `pairs > limits.MaxFields`, `false`,
			"TestTheLimitsOfAnUrlencodedForm"},
		{"a value is added to the next name's", `first[n : n+1 : n+1]`, `first[n : n+1]`,
			"TestValuesAreOfOneName"},
	}},
	{formCookies, "cutCookie", []change{
		{"a cookie without a name has one", `!found`, `false && !found`, "TestCookies"},
	}},
	{formCookies, "SetCookie.invalid", []change{
		{"a cookie with __Host- has a domain", `c.Domain != "" || c.Path != "/"`, `c.Path != "/"`,
			"TestSetCookies"},
	}},
}
