package main

import "slices"

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
	varNames   = "internal/header/variable.go"
	logEntries = "internal/header/log.go"
	input      = "request/body.go"
	builder    = "request/builder.go"
	naming     = "request/variable.go"
	refusal    = "request/refuse.go"
	toy        = "gatewaytest/example_server_test.go"

	program   = "cgi/cgi.go"
	repeats   = "cgi/environ_linux.go"
	transport = "cgi/transport.go"

	oneshot     = "internal/oneshot/conn.go"
	oneshotIn   = "internal/oneshot/input.go"
	chunks      = "internal/chunks/chunks.go"
	oneshotOut  = "internal/oneshot/transport.go"
	connections = "internal/acceptor/conn.go"
	accepting   = "internal/acceptor/acceptor.go"
	numbers     = "internal/errno/errno.go"
	proxyHeader = "internal/proxyprotocol/header.go"
	proxyConn   = "internal/proxyprotocol/conn.go"
	deciding    = "serve/decide.go"
	running     = "serve/serve.go"
	unixSockets = "serve/unix.go"
	longPaths   = "serve/unix_linux.go"
	scgi        = "scgi/wire.go"
	uwsgi       = "uwsgi/wire.go"

	lintEnviron = "validate/environ.go"
	lintHead    = "validate/head.go"
	quirk       = "quirks/quirks.go"

	mounts    = "middleware/mount.go"
	accessLog = "middleware/accesslog.go"
	timeLimit = "middleware/timeout.go"
	maxBody   = "middleware/maxbody.go"
	forwarded = "middleware/forwarded.go"
	proxySays = "middleware/forwarded_value.go"
	outcomes  = "outcome.go"

	fastcgi     = "fcgi/request.go"
	records     = "fcgi/response.go"
	recordFiles = "fcgi/file.go"
	wire        = "fcgi/record.go"
	spool       = "fcgi/stdin.go"
	fcgiOut     = "fcgi/writer.go"
	steps       = "fcgi/step.go"
	turns       = "fcgi/turn.go"
	fcgiConn    = "fcgi/conn.go"

	handler         = "nethttp/handler.go"
	handlerBody     = "nethttp/handler_body.go"
	handlerEnviron  = "nethttp/handler_environ.go"
	handlerFile     = "nethttp/handler_file.go"
	handlerResponse = "nethttp/handler_response.go"
	toRequest       = "nethttp/application_request.go"
	handlerExtra    = "nethttp/handler_extra.go"
	httpServer      = "nethttp/server.go"
	httpConn        = "nethttp/server_conn.go"
	httpWriter      = "nethttp/application_response.go"

	hostAnswer    = "host/answer.go"
	hostVariables = "host/variables.go"
	hostBody      = "host/body.go"
	hostScripts   = "host/scripts.go"
	hostExchange  = "host/exchange.go"
	hostRefuse    = "host/refuse.go"
	hostLog       = "host/log.go"
	hostDial      = "host/dial.go"
	hostStream    = "host/dial_stream.go"
	hostFastCGI   = "host/fastcgi.go"
	hostRequest   = "host/fastcgi_request.go"
	hostRecords   = "host/fastcgi_answer.go"
	hostSession   = "host/fastcgi_session.go"
	hostPool      = "host/fastcgi_pool.go"
	hostSCGI      = "host/scgi.go"
	hostUWSGI     = "host/uwsgi.go"
	hostCGI       = "host/cgi.go"
	hostProcess   = "host/process.go"
	hostGroup     = "host/process_unix.go"
	hostChunks    = "host/answer_chunks.go"

	lambdaLoop  = "lambda/lambda.go"
	lambdaAPI   = "lambda/api.go"
	lambdaEvent = "lambda/event.go"
	lambdaJSON  = "lambda/json.go"
	lambdaOut   = "lambda/response.go"

	formReader     = "form/parts.go"
	formHeads      = "form/head.go"
	formInput      = "form/input.go"
	formParameters = "form/parameter.go"
	formErrors     = "form/errors.go"
	formQueries    = "form/query.go"
	formCookies    = "form/cookie.go"

	sendfile = "internal/socket/sendfile_linux.go"
)

// A fault is a single error, and the case or the test that must catch it. The error is planted by
// replacing code in one declaration. In the body of a function it costs little time; anywhere else
// it costs the seconds of a compilation of its own.
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

// A place is a declaration, and what faults do to it.
type place struct {
	file, decl string
	changes    []change
}

// faults has all faults. After a declaration was moved or renamed, its place must follow; go test
// names the faults that have lost their code.
var faults = func() (list []fault) {
	for _, p := range slices.Concat(clientFaults, engineFaults, contractFaults, serverFaults, nethttpFaults,
		hostFaults, hostSocketFaults, processFaults, lambdaFaults, formFaults, middlewareFaults,
		doctorFaults, toyFaults) {
		for _, c := range p.changes {
			list = append(list, fault{p.file, p.decl, c})
		}
	}
	return list
}()
