package main

const (
	contract   = "gateway.go"
	engine     = "respond.go"
	iteration  = "respond_body.go"
	files      = "respond_body.go"
	errorTypes = "errors.go"
	reports    = "errors.go"
	bodies     = "body.go"
	headers    = "response.go"
	statuses   = "status.go"
	variables  = "environ.go"
	lazy       = "internal/lazyctx/lazyctx.go"
	names      = "internal/header/header.go"
	cgiHeads   = "internal/header/cgi.go"
	input      = "request/body.go"
	builder    = "request/builder.go"
	naming     = "request/variable.go"
	refusal    = "request/refuse.go"
	toy        = "gatewaytest/example_server_test.go"

	program   = "cgi/cgi.go"
	transport = "cgi/transport.go"

	oneshot     = "internal/oneshot/conn.go"
	oneshotIn   = "internal/oneshot/input.go"
	oneshotOut  = "internal/oneshot/transport.go"
	connections = "internal/acceptor/conn.go"
	scgi        = "scgi/wire.go"
	uwsgi       = "uwsgi/wire.go"

	fastcgi     = "fcgi/request.go"
	records     = "fcgi/response.go"
	recordFiles = "fcgi/file.go"
	steps       = "fcgi/step.go"
	turns       = "fcgi/turn.go"
	fcgiConn    = "fcgi/conn.go"

	handler         = "nethttp/handler.go"
	handlerBody     = "nethttp/handler_body.go"
	handlerEnviron  = "nethttp/handler_environ.go"
	handlerFile     = "nethttp/handler_file.go"
	handlerResponse = "nethttp/handler_response.go"
	httpServer      = "nethttp/server.go"
	httpConn        = "nethttp/server_conn.go"
)

// A fault is a single error, and the case or the test that must catch it. The error is planted by
// replacing code in one declaration.
type fault struct {
	file string // below the module's root
	decl string // a function as stack traces have it: f, T.m or (*T).m; or a variable, a constant or a type
	change
}

// A change is what a fault does to its declaration.
//
// The old code is a run of whole tokens, such as an expression or a statement, and the declaration
// must have it exactly once. Line breaks, indentation, comments, semicolons and a comma before a
// closing bracket do not count, neither here nor there. Short old code outlives more edits of the
// code around it.
type change struct {
	what string // what is wrong then, in words
	old  string
	new  string
	by   string // the case of the suite that catches it, or the test of the file's package: "TestPhases"; others may as well
}

var faults = func() (list []fault) {
	for _, p := range places {
		for _, c := range p.changes {
			list = append(list, fault{p.file, p.decl, c})
		}
	}
	return list
}()

// places has the faults by file and declaration. After a declaration was moved or renamed, its line
// here must follow; go test names the faults that have lost their code.
var places = []struct {
	file, decl string
	changes    []change
}{
	// The engine: the order of events.
	{engine, "(*response).fail", []change{
		{"a failure before the head is forgotten", `r.phase = failed`, ``,
			"TestPhases"},
		{"a failure after the head is forgotten", `r.phase = broken`, ``,
			"D2/an-error-after-a-block-can-be-told"},
	}},
	{engine, "(*response).enter", []change{
		{"a call that overlaps another goes unnoticed", `r.raced.Store(true)`, ``,
			"TestACallThatOverlapsAnotherIsRefused"},
	}},
	{engine, "(*response).start", []change{
		{"a start without a cause replaces the first", `r.phase == started && cause == nil`, `false`,
			"R82/a-second-start-without-a-cause-is-refused"},
		{"a late start does not break the response", `r.fail(ErrStarted)`, `r.keep(nil)`,
			"R82/a-second-start-after-the-head-breaks-the-response"},
		{"a late cause does not come back", `return w, r.fail(f)`, `return w, nil`,
			"R80/a-cause-after-a-block-comes-back"},
		{"a late cause does not break the response", `return w, r.fail(f)`, `return w, f`,
			"R81/a-late-cause-that-is-ignored-breaks-the-response"},
		{"a start heals a response that has failed", `r.phase == failed`, `false`,
			"TestPhases"},
		{"start answers after the end", `r.phase == over`, `false`,
			"D5/after-the-response-the-writer-and-start-are-errors"},
		{"a start that failed does not count",
			`checkStatus(status); if err != nil {`, `checkStatus(status); if err != nil { r.phase = idle`,
			"R83/a-start-that-failed-counts-as-the-first"},
		{"a start that failed cannot be healed", `r.phase, r.err = started, nil`, `r.phase = started`,
			"R83/a-cause-heals-a-start-that-failed"},
		{"a late cause comes back as another error", `f.wraps = append(f.wraps, cause)`, ``,
			"R80/a-cause-after-a-block-comes-back"},
		{"start sends the head", `uint16(code), declared`, `uint16(code), declared; _ = r.send(nil, false, true)`,
			"R75/start-sends-nothing"},
		{"the list of headers is not copied", `append(r.headers[:0], headers...)`, `headers`,
			"D8/a-list-that-is-changed-after-start-changes-nothing"},
	}},
	{engine, "(*response).keep", []change{
		{"an error of start is not kept", `r.err == nil`, `r.err == nil && r.phase != started`,
			"R82/a-second-start-without-a-cause-is-refused"},
		{"an error after the head is not kept", `r.err == nil`, `r.err == nil && r.phase != broken`,
			"R81/a-late-cause-that-is-ignored-breaks-the-response"},
	}},
	{engine, "(*writer).Write", []change{
		{"the writer works inside the iteration", `r.returned`, `false`,
			"R102/the-writer-is-refused-inside-the-iteration"},
		{"the writer goes on after the end", `r.phase == over`, `false`,
			"D5/after-the-response-the-writer-and-start-are-errors"},
		{"the writer goes on after an error", `r.err != nil`, `false`,
			"R14/the-writer-of-a-start-that-failed-returns-its-error"},
		{"what is written waits", `r.send(p, false, true)`, `r.send(p, false, false)`,
			"R99/what-is-written-goes-out-at-once"},
	}},
	{engine, "(*response).send", []change{
		{"a start after a refused block heals it", `r.fail(ErrNotStarted)`, `r.keep(ErrNotStarted)`,
			"R23/a-start-after-a-refused-block-does-not-heal-it"},
		{"a block before start is sent", `r.phase == idle`, `false`,
			"R23/a-block-before-start-is-a-500"},
		{"the head is sent with each block", `r.phase == started`, `true`,
			"R15/a-body-of-many-blocks-arrives"},
		{"the iteration goes on after the Context has ended", `cause != nil`, `false`,
			"TestAContextThatEndsStopsTheIterationAtTheNextBlock"},
		{"a Context that has ended holds back a response", `} else if cause`, `}; if cause`,
			"TestAContextThatEndedDoesNotHoldBackAResponse"},
		{"one byte more than declared goes out",
			`block[:r.declared-r.written]`, `block[:r.declared-r.written+1]`,
			"R85/a-block-beyond-the-length-is-cut"},
		{"too much is not cut", `int64(len(block)) > r.declared-r.written`, `false`,
			"R85/a-block-beyond-the-length-is-cut"},
		{"too much is cut and not reported", `return r.keep(excess)`, `_ = excess; return nil`,
			"R86/the-writer-takes-no-more-than-was-declared"},
		{"too much breaks the response", `return r.keep(excess)`, `if excess != nil { return r.fail(excess) }; return nil`,
			"TestContentLength"},
		{"too little is a whole response", `r.written < r.declared`, `false`,
			"TestContentLength"},
	}},
	{engine, "(*response).deliver", []change{
		{"one byte of each block is lost", `m, err = r.t.Write(block)`, `m, err = r.t.Write(block[1:]); m++`,
			"R15/a-body-of-one-block-arrives"},
		{"a block is sent in the background", `m, err = r.t.Write(block)`, `m, err = len(block), error(nil); go r.t.Write(block)`,
			"D8/a-block-is-the-bodys-again-after-its-step"},
		{"a transport may take less than the block", `n < got ||`, `got < 0 ||`,
			"TestNothingIsSentAfterTheTransportFailed"},
		{"a block is not flushed before the next is asked for", `err == nil && flush`, `false`,
			"R16/each-block-arrives-before-the-next-is-asked-for"},
		{"what was sent is not counted", `r.written += min(max(n, 0), size)`, ``,
			"R85/blocks-beyond-the-length-are-cut"},
		{"the Context does not end when the client leaves", `r.ctx.Cancel(err)`, ``,
			"D10/the-context-ends-when-the-client-leaves"},
		{"a transport is called after it failed", `return r.fail(err)`, `return err`,
			"TestNothingIsSentAfterTheTransportFailed"},
		{"a transport that failed is told that the response is whole", `return r.fail(err)`, `return r.keep(err)`,
			"TestNothingIsSentAfterTheTransportFailed"},
		{"ReadFrom may say that it has sent more than it got", `|| n > size`, ``,
			"TestACountOfReadFromThatCannotBeBreaksTheResponse"},
	}},
	{engine, "(*response).isBodiless", []change{
		{"HEAD has a body", `r.method == "HEAD" ||`, ``,
			"C37/head-has-no-body"},
		{"middleware can take HEAD away from the client", `r.method == "HEAD" ||`, `r.env.Vars["REQUEST_METHOD"] == "HEAD" ||`,
			"C37/head-is-the-clients-whatever-middleware-makes-of-it"},
		{"204 has a body", `r.code == 204 ||`, ``,
			"D1/204-has-neither-body-nor-length"},
		{"205 has a body", `r.code == 205 ||`, ``,
			"TestResetContentHasNoContent"},
		{"304 has a body", `|| r.code == 304`, ``,
			"D1/304-has-no-body-and-keeps-its-headers"},
	}},
	{engine, "(*response).completeHead", []change{
		{"204 keeps its length", `r.code == 204 && r.declared >= 0`, `false`,
			"D1/204-has-neither-body-nor-length"},
		{"204 gets a length", `case r.code == 204, r.code == 304`, `case r.code == 304`,
			"D1/204-gets-no-length-from-its-blocks"},
		{"304 gets a length", `r.code == 304,`, ``,
			"D1/304-gets-no-length-from-an-empty-body"},
		{"HEAD of an empty body claims a length", `n > 0 || r.method != "HEAD"`, `true`,
			"D1/head-of-an-empty-body-claims-no-length"},
		{"the length of an empty body is not given", `hasEnded || r.known.Blocks == 1`, `len(block) > 0`,
			"TestAKnownSizeBecomesAContentLength"},
		{"the length of one block is one too long", `int64(len(block))`, `int64(len(block)) + 1`,
			"R89/one-block-gets-a-length"},
		{"the length of one block is not given", `"Content-Length", strconv`, `"X-Content-Length", strconv`,
			"R89/one-block-gets-a-length"},
	}},

	// The engine: the end.
	{contract, "Respond", []change{
		{"a goroutine that ends takes Close along", `r.close(body)`, `if failure != errGoexit { r.close(body) }`,
			"R110/the-server-survives-an-application-that-ends-its-goroutine-in-the-iteration"},
		{"a goroutine that ends takes End along", `r.end(whole)`, `if failure != errGoexit { r.end(whole) }`,
			"D2/a-body-that-ends-its-goroutine-after-a-block-can-be-told"},
		{"End comes after Close", `r.close(body) }(); defer func() { r.end(whole)`, `r.end(whole) }(); defer func() { r.close(body)`,
			"R21/a-slow-close-does-not-hold-back-a-response-of-one-block"},
		{"Input can be read after the response", `r.in.ended.Store(true)`, ``,
			"D5/after-the-response-input-is-an-error"},
		{"the Context outlives the response", `r.ctx.Cancel(ErrEnded)`, ``,
			"D10/the-context-lives-as-long-as-the-response"},
	}},
	{engine, "(*response).finish", []change{
		{"a body without blocks sends no head", `r.send(nil, true, false)`, `r.keep(nil)`,
			"R76/a-body-without-blocks-sends-the-head-at-its-end"},
		{"a body that ends without start is a response", `failure == nil && r.err == nil {`, `failure == nil && r.err == nil {
				if r.phase == idle {
					r.phase, r.code, r.status = started, 200, "200 OK"
				}`,
			"D2/no-start-and-no-block-is-a-500"},
		{"a broken response is called whole", `return r.phase == sent`, `return true`,
			"D2/an-error-after-a-block-can-be-told"},
		{"there is no error page", `r.note(r.send([]byte("500 Internal Server Error\n"), false, false))`, ``,
			"R110/an-error-before-the-head-is-a-500"},
		{"a panic of the transport is not recovered", `recover()`, `any(nil)`,
			"TestNothingIsSentAfterTheTransportFailed"},
		{"an error that the application ignored is not reported", `r.note(first)`, ``,
			"TestAStickyErrorIsNotOutrun"},
		{"an error that the application returned is reported twice", `errors.Is(failure, first)`, `errors.Is(failure, nil)`,
			"TestAnErrorOfCallAndAStickyOneAreBothReported"},
		{"the error page tells what went wrong",
			`[]byte("500 Internal Server Error\n")`, `[]byte("500 " + oneLine(r.faults.Error(), 99) + "\n")`,
			"R110/an-error-before-the-head-is-a-500"},
		{"the error page has the length of what failed", `r.declared, r.known.Blocks = -1, 1`, `r.known.Blocks = 1`,
			"R110/an-error-before-the-head-is-a-500"},
		{"the error page has no length", `r.declared, r.known.Blocks = -1, 1`, `r.declared, r.known = -1, sized.Unknown`,
			"D9/the-error-page-has-a-length"},
		{"the error page keeps the headers of what failed", `r.headers[:0]`, `r.headers`,
			"R110/an-error-before-the-head-is-a-500"},
	}},
	{engine, "(*response).end", []change{
		{"an End that ends its goroutine is not reported", `err := errNoReturn`, `var err error`,
			"TestATransportThatEndsItsGoroutineIsReported"},
		{"End is called twice", `return r.t.End(whole)`, `return errors.Join(r.t.End(whole), r.t.End(whole))`,
			"TestPhases"},
		{"a panic of End is not recovered", `try(func() error { return r.t.End(whole) })`, `r.t.End(whole)`,
			"TestNothingIsSentAfterTheTransportFailed"},
		{"an error of End is not reported", `r.note(err)`, ``,
			"TestNothingIsSentAfterTheTransportFailed"},
		{"the Context does not end when End fails", `r.ctx.Cancel(err)`, ``,
			"TestNothingIsSentAfterTheTransportFailed"},
	}},
	{engine, "(*response).close", []change{
		{"Close is lost after an error", `body == nil`, `body == nil || r.faults != nil`,
			"R21/close-runs-once-after-an-error-behind-a-block"},
		{"Close is lost after HEAD", `body == nil`, `body == nil || r.method == "HEAD"`,
			"R21/close-runs-once-after-head"},
		{"Close is lost if the client left", `body == nil`, `body == nil || r.ctx.Cause() != nil`,
			"R21/a-client-that-leaves-in-mid-stream-ends-the-iteration"},
		{"Close is lost if the body was not ranged", `body == nil`, `body == nil || errors.Is(r.faults, ErrStatus)`,
			"R21/close-runs-once-if-the-body-is-never-ranged"},
		{"Close runs twice", `try(body.Close)`, `errors.Join(try(body.Close), try(body.Close))`,
			"R21/close-runs-once-after-a-response"},
		{"a panic of Close is not recovered", `try(body.Close)`, `body.Close()`,
			"R110/a-panic-of-close-does-no-harm"},
		{"a Close that ends its goroutine is not reported", `err := errGoexit`, `var err error`,
			"TestGoexitAtEveryStep"},
	}},
	{lazy, "(*Context).Cancel", []change{
		{"the Context ends without its cause", `c.made.cancel(cause)`, `c.made.cancel(nil)`,
			"D10/the-context-ends-when-the-client-leaves"},
	}},

	// The engine: the application and its blocks.
	{iteration, "(*response).run", []change{
		{"a panic of Call is not recovered", `try(`, `func(f func() error) error { return f() }(`,
			"R110/a-panic-before-the-head-is-a-500"},
		{"Close runs before the iteration", `r.iterate(*body)`, `_ = (*body).Close(); r.iterate(*body)`,
			"R21/close-comes-after-the-iteration-and-after-the-last-block"},
		{"a body is not asked for", `err = errNoBody`, ``,
			"R15/neither-a-body-nor-an-error-is-a-500"},
	}},
	{iteration, "(*response).iterate", []change{
		{"a panic of the iteration is a clean end", `body.Blocks()(r.yield)`, `
			func() {
				defer func() { _ = recover() }()
				body.Blocks()(r.yield)
			}()`,
			"R110/a-panic-before-the-first-block-is-a-500"},
		{"the only block does not wait for the end", `nil, false`, `nil, true`,
			"TestTheOnlyBlockLeavesTogetherWithTheEnd"},
	}},
	{iteration, "(*response).begin", []change{
		{"the body is ranged although start failed", `r.err != nil`, `false`,
			"R21/close-runs-once-if-the-body-is-never-ranged"},
		{"known blocks get no length", `r.known = sized.Of(body)`, ``,
			"R20/known-blocks-get-the-length-of-all"},
		{"a reader is limited to one byte less", `r.declared - r.written`, `r.declared - r.written - 1`,
			"R137/a-reader-gives-what-was-declared-and-no-more"},
	}},
	{iteration, "(*response).take", []change{
		{"an empty block sends the head", `len(block) == 0`, `len(block) == 0 && r.phase != started`,
			"R76/an-empty-first-block-sends-no-head"},
		{"an error of the body is forgotten", `_ = r.fail(guard(err))`, ``,
			"D2/an-error-after-a-block-can-be-told"},
		{"an error of the body whose text panics is believed", `guard(err)`, `err`,
			"R110/an-error-of-the-body-that-panics-itself-is-a-500"},
		{"HEAD asks for all blocks", `!r.isBodiless()`, `true`,
			"D1/head-stops-the-iteration-after-the-first-block"},
		{"a body that runs on is not stopped", `panic(r.fail(errRanOn))`, `_ = r.fail(errRanOn); return false`,
			"R22/a-body-that-goes-on-after-the-end-is-stopped"},
		{"a stray goroutine yields after the end", `r.phase == over`, `false`,
			"TestAStrayYieldAfterTheEndIsRefused"},
	}},

	// The engine: files.
	{files, "(*response).takes", []change{
		{"ReadFrom gets a pipe", `info.Mode().IsRegular()`, `info != nil`,
			"TestOnlyARegularFileGoesThroughReadFrom"},
	}},
	{files, "(*response).iterateFile", []change{
		{"an error beside the first block of a file is lost", `file.last == nil &&`, ``,
			"TestAnErrorBesideTheFirstBlockOfAFileIsSeen"},
	}},
	{files, "(*response).sendFile", []change{
		{"the bytes that ReadFrom has sent are not counted", `file.left -= n`, ``,
			"TestFileGoesOutThroughTheTransportsOwnWay"},
		{"ReadFrom gets more than was declared", `min(size, file.left)`, `size`,
			"TestFileGoesOutThroughTheTransportsOwnWay"},
		{"a part of a file is not flushed", `N: size}, true`, `N: size}, false`,
			"TestFileGoesOutThroughTheTransportsOwnWay"},
		{"the rest that ReadFrom leaves is lost", `err == nil, n == size`, `err == nil && n == size, true`,
			"TestARestThatReadFromLeavesGoesOutInBlocks"},
		{"a late start does not limit ReadFrom", `r.declared >= 0`, `file.left >= 0`,
			"TestAFileThatCallsStartIsHeldToItsLength"},
		{"a file goes on after the Context has ended", `cause != nil`, `false`,
			"TestAContextThatEndsStopsAFileAtTheNextPart"},
	}},

	// The engine: errors and the report of them.
	{errorTypes, "try", []change{
		{"a panic with nil is a clean end", `err = errGoexit`, ``,
			"TestAPanicWithNilIsAFailure"},
		{"an error whose text panics is believed", `guard(f())`, `f()`,
			"R110/an-error-that-panics-itself-is-a-500"},
	}},
	{errorTypes, "(*guarded).Is", []change{
		{"a panic of an error's Is is not recovered", `recover()`, `any(nil)`,
			"TestAnErrorWhoseMethodsPanicDoesNotPanicTheServer"},
	}},
	{errorTypes, "(*guarded).As", []change{
		{"a panic of an error's As is not recovered", `recover()`, `any(nil)`,
			"TestAnErrorWhoseMethodsPanicDoesNotPanicTheServer"},
	}},
	{errorTypes, "textOf", []change{
		{"a panic of an error's text is not recovered", `recover() != nil`, `false`,
			"TestPanicsOfEveryKindOfValue"},
	}},
	{reports, "(*response).note", []change{
		{"an error that says yes to everything is a panic", `p, ok := err.(*panicError); ok`, `p := (*panicError)(nil); errors.As(err, &p)`,
			"TestAnErrorThatSaysYesToEverythingHarmsNobody"},
		{"a report reads the application's variables", `oneLine(r.method, 32)`, `oneLine(r.env.Vars["REQUEST_METHOD"], 32)`,
			"TestAReportDoesNotReadTheApplicationsVars"},
		{"a log that panics panics the server", `recover()`, `any(nil)`,
			"TestAFailureOfTheLogChangesNothing"},
	}},
	{reports, "(*response).isOfLeaving", []change{
		{"a cause whose methods panic is believed", `guard(r.ctx.Cause())`, `r.ctx.Cause()`,
			"TestACauseWhoseMethodsPanicHarmsNobody"},
		{"a client that left is reported", `errors.Is(guard(r.ctx.Cause()), ErrDisconnected)`, `false`,
			"TestAClientThatLeftIsReturnedAndNotReported"},
		{"the client of another response is taken for this one's", `errors.Is(guard(r.ctx.Cause()), ErrDisconnected)`, `true`,
			"TestOnlyWhatALeavingClientDoesIsLeftOutOfTheLog"},
		{"a panic is not reported if the client left",
			`!isPanic(err) && (errors.Is(err, ErrDisconnected)`, `(isPanic(err) || errors.Is(err, ErrDisconnected)`,
			"TestAPanicIsReportedAlsoWhenTheClientLeft"},
	}},
	{reports, "oneLine", []change{
		{"a client can forge a line of the log", `strconv.Quote(s)`, `strconv.Quote("")[:1] + s + "\""`,
			"TestNoLogEntryCanBeForged"},
	}},

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
		{"a body in chunks is taken for an empty one", `length < 0 && request.IsChunked(env)`, `false`,
			"TestWhatIsRefused"},
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
		{"a Read that takes too long does not end the Context", `c.ctx.Cancel(context.DeadlineExceeded)`, `_ = context.DeadlineExceeded`,
			"TestAReadThatTimesOutEndsTheContext"},
	}},
	{oneshotOut, "(*conn).Flush", []change{
		{"the head is sent with each block", `c.head, c.block = nil, nil`, `c.block = nil`,
			"R15/a-body-of-many-blocks-arrives"},
		{"a block is sent in the background", `_, err := c.send(bufs)`, `var err error; go c.send(bufs)`,
			"R15/a-body-of-many-blocks-arrives"},
		{"the first block is not flushed", `bufs = net.Buffers{append(head, block...)}`, `c.head = append(head, block...); return nil`,
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
	}},
	{connections, "(*Conn).closeSoon", []change{
		{"a server that stops does not wait for what is on its way", `wait = idleTime`, `wait = 0`,
			"TestShutdownByState"},
		{"a part of a request gets no more time", `wait := freshTime`, `wait := idleTime`,
			"TestShutdownByState"},
	}},
	{connections, "(*Conn).expire", []change{
		{"a server that stops cuts off a request", `(c.state == fresh || c.state == idle) &&`, ``,
			"TestShutdownByState"},
	}},
	{connections, "(*Conn).Reset", []change{
		{"a connection that is reset ends cleanly", `_ = tcp.SetLinger(0)`, `_ = tcp`,
			"D2/an-error-after-a-block-can-be-told"},
	}},
	{connections, "(*Conn).Drain", []change{
		{"what the peer sends is not read", `_, _ = io.CopyN(io.Discard, r, min(size, request.DrainBytes))`, ``,
			"TestThePeerReadsTheResponseAfterADrain"},
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
		{"a host that goes on keeps a server that stops", `since > goOnTime`, `since < 0`,
			"TestAHostThatGoesOnGetsTheEndOfTheConnection"},
	}},
	{turns, "(*conn).handOver", []change{
		{"a reader keeps other requests from being read", `c.plural`, `false`,
			"TestAReaderBesideOthersDoesNotGetTheTurn"},
		{"a reader that was slow once never reads for itself again", `r.waiting == 0`, `true`,
			"TestReaderThatWasSlowReadsForItselfAgain"},
	}},
	{turns, "takeOver", []change{
		{"an application keeps its connection from being read", `2 * time.Millisecond`, `time.Second`,
			"TestHowLongAnApplicationHasTheConnection"},
	}},
	{steps, "(*conn).skip", []change{
		{"padding is taken for the next record", `c.left+c.cur.padding > 0`, `c.left > 0`,
			"R15/a-body-of-one-block-arrives"},
	}},
	{steps, "(*conn).abort", []change{
		{"an abort is no cause of the Context's end", `request.Disconnected(errAborted)`, `errors.New(request.Disconnected(errAborted).Error())`,
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
	{handlerBody, "(*input).Read", []change{
		{"a body that was cut short ends cleanly", `return x.r.Body.Read(p)`, `
			if n, err = x.r.Body.Read(p); err != nil {
				err = io.EOF
			}
			return n, err`,
			"D5/a-body-that-was-cut-short-does-not-end-cleanly"},
	}},
	{handlerBody, "(*exchange).endRead", []change{
		{"a Read that takes too long does not end the Context", `x.ctx.Cancel(context.DeadlineExceeded)`, `_ = context.DeadlineExceeded`,
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
	}},
	{handlerResponse, "(*exchange).Flush", []change{
		{"a block is not flushed", `http.NewResponseController(x.w).Flush()`, `http.ErrNotSupported`,
			"R16/each-block-arrives-before-the-next-is-asked-for"},
	}},
	{handlerResponse, "(*exchange).End", []change{
		{"a response waits for Close", `err := x.Flush()`, `var err error`,
			"R21/a-slow-close-does-not-hold-back-a-response-of-one-block"},
		{"a broken response is called whole", `!whole`, `false`,
			"D2/an-error-after-a-block-can-be-told"},
	}},
	{handlerResponse, "(*exchange).lost", []change{
		{"a client that left is any error", `err = request.Disconnected(err)`, `_ = request.Disconnected`,
			"TestAWriteThatFailsIsAClientThatHasLeft"},
	}},
	{handlerFile, "(*exchange).ReadFrom", []change{
		{"a file that cannot be read is a client that left", `isOfFile(err)`, `false`,
			"TestAFileThatFails"},
		{"what net/http has sent of a file is not counted", `n += m`, ``,
			"R131/a-file-of-a-declared-length-arrives"},
	}},
	{handler, "newHandler", []change{
		{"a slash at the end of the prefix is a part of it", `strings.TrimRight(prefix, "/")`, `strings.TrimRight(prefix, " ")`,
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
		{"there may be any number of requests", `s.requests.Add(1) > int64(s.handler.limits.MaxRequests)`, `s.requests.Add(1) < 0`,
			"TestNoMoreRequestsThanTheLimit"},
	}},
	{httpConn, "(*conn).Close", []change{
		{"a client that has left makes place for another", `c.requests == 0`, `true`,
			"TestApplicationsOfAClientThatHasLeftCount"},
	}},

	// The toy server: what an author of a server can do wrong beside the engine.
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
		{"the address of the client has a port", `"REMOTE_ADDR": peer`, `"REMOTE_ADDR": peer + ":80"`,
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
