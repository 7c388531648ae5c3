package main

const (
	doctorAccess    = "doctor/access.go"
	doctorShow      = "doctor/show.go"
	doctorPage      = "doctor/doctor.go"
	doctorHosts     = "doctor/host.go"
	doctorRules     = "doctor/rules.go"
	doctorClient    = "doctor/client.go"
	doctorProbe     = "doctor/probe.go"
	doctorPaths     = "doctor/probes_path.go"
	doctorResponses = "doctor/probes_response.go"
)

// doctorFaults are in package doctor.
var doctorFaults = []place{
	{doctorAccess, "(*application).mayLook", []change{
		{"a local client needs no token", `if d.token != "" {`, `if d.token != "" && !isLocal(env) {`,
			"TestOnlyThoseWhoMayLookSeeThePage"},
		{"a token counts as it is encoded", `unescape(parameter(env, "token"))`, `parameter(env, "token")`,
			"TestOnlyThoseWhoMayLookSeeThePage"},
	}},
	{doctorAccess, "isLocal", []change{
		{"the clients of a proxy are local", `"HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP"`, `"HTTP_X_REAL_IP"`,
			"TestOnlyThoseWhoMayLookSeeThePage"},
		{"the clients of an nginx that was told nothing are local", `isHTTP && env.Vars["SERVER_PROTOCOL"]`,
			`!isHTTP && env.Vars["SERVER_PROTOCOL"]`,
			"TestOnlyThoseWhoMayLookSeeThePage"},
		{"whoever forges an address is local", `!isLoopback(proxy)`, `false`,
			"TestWhoeverForgesAnAddressIsNotLocal"},
		{"whoever has no address is local", `peer == "" && isHTTP`, `peer == ""`,
			"TestOnlyThoseWhoMayLookSeeThePage"},
		{"a name may be rebound", `strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")`,
			`strings.Contains(host, "")`,
			"TestOnlyThoseWhoMayLookSeeThePage"},
	}},
	{doctorShow, "show", []change{
		{"a client writes to the terminal", `case strconv.IsPrint(c):`, `case strconv.IsPrint(c) || c < ' ':`,
			"TestWhatAClientSendsStaysText"},
		{"a value turns the line around", `case strconv.IsPrint(c):`, `case strconv.IsPrint(c) || c > 0x7F:`,
			"TestWhatAClientSendsStaysText"},
		{"a value of any length is shown", `value = value[:limit]`, ``,
			"TestWhatAClientSendsStaysText"},
	}},
	{doctorShow, "isSecret", []change{
		{"a name in lower case is no secret", `name = strings.ToUpper(name)`, ``,
			"TestNoFormShowsASecret"},
	}},
	{doctorShow, "newVariable", []change{
		{"what is the deployer's own is shown", `!isOfRequest(name), `, ``,
			"TestNoFormShowsASecret"},
		{"a query is shown as it is", `case hasQuery(name), strings.Contains(value, "://"):`, `case false:`,
			"TestNoFormShowsASecret"},
	}},
	{doctorShow, "hideInQuery", []change{
		{"a password before a host is shown", `at >= 0`, `at < -1`,
			"TestNoFormShowsASecret"},
		{"a name that is encoded is no secret", `isSecret(unescape(name))`, `isSecret(name)`,
			"TestNoFormShowsASecret"},
	}},
	{doctorShow, "variables", []change{
		{"the environment of a CGI program is shown", `env.RunOnce && !isOfRequest(key)`, `false`,
			"TestEnvironmentOfACGIProgramIsNotShown"},
		{"there are any number of variables", `len(list) == maxVariables`, `false`,
			"TestWhatAClientSendsStaysText"},
	}},
	{doctorPage, "(*application).timed", []change{
		{"a place is never given back", `<-d.slots; return nil`, `return nil`,
			"TestPageTakesEveryFailureOfAServer"},
	}},
	{doctorPage, "(*application).note", []change{
		{"what has become of clients is kept for ever", `len(d.ids) == maxLeft`, `false`,
			"TestWhatIsLeftIsBounded"},
	}},
	{doctorPage, "upload", []change{
		{"an upload has no limit", `n > maxUpload`, `n < 0`,
			"TestUploadOfTooMuchIsRefused"},
	}},
	{doctorHosts, "recognise", []change{
		{"nginx is not known by its shape", `env.Vars["DOCUMENT_URI"] != ""`, `false`,
			"TestWebServersAreRecognised"},
	}},
	{doctorRules, "find", []change{
		{"a web server gets the line of another", `r.server == server && `, ``,
			"TestEachRuleIsGivenToItsWebServer"},
		{"a protocol gets the line of another", `(r.gateway == protocol || protocol == "")`, `(true || protocol == "")`,
			"TestEachRuleIsGivenToItsWebServer"},
		{"a note that has a line stays a note", `f.Note = false`, ``,
			"TestEachRuleIsGivenToItsWebServer"},
	}},
	{doctorRules, "pathMissing", []change{
		{"what has shown a finding has the token", `hideInQuery(v["REQUEST_URI"])`, `v["REQUEST_URI"]`,
			"TestNoFormShowsASecret"},
	}},
	{doctorRules, "pathUnsplit", []change{
		{"a path that was split is not", `!isSplit && `, `(isSplit || !isSplit) && `,
			"TestShapesAreOfOneSymptom"},
	}},
	{doctorClient, "newClient", []change{
		{"a token breaks a line", `strings.ContainsAny(c.token, "\r\n\x00")`, `false`,
			"TestWhatIsNoURLIsOneLine"},
	}},
	{doctorClient, "(*client).exchange", []change{
		{"an answer is read to its end", `conn.limit.N = maxReply`, `conn.limit.N = 1 << 60`,
			"TestLengthOfAnswerIsBounded"},
	}},
	{doctorProbe, "(*reply).page", []change{
		{"the answer to another request counts", `p.ID != id`, `false`,
			"TestWhatIsNoPageIsOneLine"},
		{"any JSON is a page", `|| p.Doctor != 1`, ``,
			"TestWhatIsNoPageIsOneLine"},
	}},
	{doctorProbe, "(*page).clean", []change{
		{"a page writes to the prober's terminal", `p.Started = plainText(p.Started, 300)`, ``,
			"TestAPageThatLiesIsTextOnATerminal"},
	}},
	{doctorProbe, "(*visit).find", []change{
		{"advice is the page's own", `f := find(name, "", v.report.Server, v.report.Gateway)`,
			`f := find(name, "", "", v.report.Gateway)
	for _, g := range v.page.Findings {
		if g.Symptom == name {
			f.Advice = g.Advice
		}
	}`,
			"TestAPageThatLiesIsTextOnATerminal"},
	}},
	{doctorPaths, "(*visit).path", []change{
		{"every path is split", `case script+info == all && info == "":`, `case false:`,
			"TestEachSymptomIsFoundAlone"},
	}},
	{doctorResponses, "(*visit).stream", []change{
		{"a response that is kept back is none", `answer.last-answer.first < beat`, `false`,
			"TestEachSymptomIsFoundAlone"},
	}},
	{doctorResponses, "(*visit).broken", []change{
		{"a client that waits has seen the end",
			`case err != nil && isTimeout(err), err == nil && isTimeout(answer.err):`,
			`case false:`,
			"TestEachSymptomIsFoundAlone"},
	}},
}
