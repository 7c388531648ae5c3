package testlambda

import "example.com/gateway/gatewaytest"

// A Form is a kind of event, with answers that are buffered or streamed.
type Form struct {
	Name   string
	Kind   Kind
	Stream bool
}

// Forms are all forms that differ: an HTTP API takes the answers of a function URL, and does not
// stream.
var Forms = []Form{
	{"function URL", FunctionURL, false},
	{"function URL that streams", FunctionURL, true},
	{"REST API", RESTAPI, false},
	{"REST API that streams", RESTAPI, true},
	{"load balancer", ALB, false},
	{"load balancer with multi-value headers", ALBMulti, false},
}

// Why a function cannot pass some cases.
const (
	hasHTTPS   = "the front end has https, at the port 443, and the client of the suite has http"
	isText     = "the value of a header is a string of JSON, which has no bytes but those of UTF-8"
	isJoined   = "an event of version 2.0 has repeated headers as one, joined with a comma"
	isDecoded  = "an event of a REST API has the parameters, decoded, and not the query"
	asParts    = "an event of a load balancer has the parameters, and not the query as it was sent"
	isLast     = "without multi-value headers an event has the last of several values"
	noAddress  = "an event of a load balancer has no address of the client but in a header"
	noProtocol = "an event of a load balancer does not say which version of HTTP the client has"
	isSmall    = "a load balancer takes 1 MB of a function, as JSON"
	isLimited  = "Lambda takes 6 MB of a buffered answer, as JSON"
	isBuffered = "a buffered answer leaves when it is whole"
	isEndless  = "a buffered answer leaves when it is whole, and there is none to an endless one"
	half       = "net/http takes a client that closes its half for one that has left"
)

// KnownFailures returns the cases of gatewaytest.TestServer that no function passes in a form.
func KnownFailures(f Form) (list []gatewaytest.KnownFailure) {
	add := func(reason string, cases ...string) {
		for _, c := range cases {
			list = append(list, gatewaytest.KnownFailure{Case: c, Reason: reason})
		}
	}
	add(isText, "R106/the-bytes-of-a-value-are-raw", "R9/the-bytes-of-a-value-arrive")
	if f.Kind < ALB {
		add(hasHTTPS, "R11/what-an-application-does-to-its-environ-ends-with-the-request",
			"R36/without-tls-https-is-not-on", "R43/the-scheme-is-http",
			"C2/the-variables-make-up-the-url",
			"R129/without-a-host-header-the-url-is-the-servers",
			"C24/the-port-is-the-one-that-listens")
	} else {
		add(noAddress, "C17/the-client-has-an-address")
		add(noProtocol, "R33/the-protocol-of-an-old-client-is-old")
		add(isSmall, "R16/a-block-of-a-megabyte-arrives", "R16/blocks-of-a-megabyte-arrive",
			"R87/a-file-that-is-too-short-can-be-told", "R99/what-is-written-comes-before-a-file",
			"R99/a-megabyte-may-be-written", "R131/a-file-arrives",
			"R131/a-file-of-a-declared-length-arrives",
			"R137/a-file-is-sent-from-where-it-stands", "R137/a-part-of-a-file-is-sent",
			"R138/a-reader-of-known-length-gets-it", "D3/a-length-of-a-megabyte-is-kept",
			"D8/a-large-block-that-is-overwritten-arrives-as-it-was")
	}
	switch f.Kind {
	case FunctionURL:
		add(isJoined, "C11/of-two-content-types-the-last-counts",
			"C28/repeated-headers-are-joined-in-order",
			"C28/an-empty-line-of-a-repeated-header-adds-nothing")
	case RESTAPI:
		add(isDecoded, "C16/the-query-stays-encoded", "C16/a-query-has-question-marks-and-slashes",
			"C16/a-long-query-is-whole", "D7/the-target-is-there-as-the-client-sent-it")
	case ALBMulti:
		add(asParts, "C16/a-long-query-is-whole")
	case ALB:
		add(isLast, "C28/repeated-headers-are-joined-in-order",
			"D6/repeated-cookies-are-joined-with-semicolons",
			"C28/an-empty-line-of-a-repeated-header-adds-nothing", "C16/a-long-query-is-whole")
	}
	if !f.Stream {
		add(isLimited, "R93/a-client-that-reads-late-gets-everything")
		add(isEndless, "R21/a-client-that-leaves-in-mid-stream-ends-the-iteration",
			"R21/a-client-that-resets-in-mid-stream-ends-the-iteration",
			"D10/that-the-client-has-left-a-file-is-the-cause-of-the-contexts-end",
			"D10/that-the-client-has-left-is-the-cause-also-if-nobody-waits-for-it")
	}
	return list
}

// NotRun returns the cases that would hang, or that net/http decides in a race, and why.
func NotRun(f Form) map[string]string {
	m := map[string]string{"C40/a-client-that-ends-its-side-gets-its-answer": half}
	if f.Stream {
		return m
	}
	for _, c := range []string{
		"R16/each-block-arrives-before-the-next-is-asked-for",
		"R16/middleware-maps-block-by-block",
		"R76/an-empty-write-sends-the-head",
		"R80/a-cause-after-a-write-comes-back",
		"R80/a-cause-after-a-block-comes-back",
		"R81/a-late-cause-that-is-ignored-breaks-the-response",
		"R82/a-second-start-after-the-head-breaks-the-response",
		"R90/an-old-client-gets-the-blocks-as-they-are",
		"R92/a-block-arrives-between-empty-ones",
		"R92/a-large-block-arrives-before-the-next-is-asked-for",
		"R92/a-block-of-a-declared-length-arrives-at-once",
		"R92/each-line-of-a-pipe-arrives-as-it-is-written",
		"R93/what-a-reader-has-read-arrives-before-it-reads-on",
		"R99/what-is-written-goes-out-at-once",
		"R102/the-writer-is-refused-inside-the-iteration",
		"R110/a-body-that-ends-its-goroutine-after-the-last-declared-byte-loses-no-byte",
		"R137/a-pipe-is-read-to-the-declared-length-and-not-to-its-end",
		"D2/a-reader-that-fails-breaks-the-response",
		"D2/middleware-that-maps-lets-an-error-through",
		"D2/an-error-after-a-block-can-be-told",
		"D2/a-panic-after-a-block-can-be-told",
		"D2/a-panic-of-the-runtime-after-a-block-can-be-told",
		"D2/a-body-that-ends-its-goroutine-after-a-block-can-be-told",
		"D2/an-error-after-what-was-written-can-be-told",
		"D2/a-declared-length-that-an-error-cuts-can-be-told",
		"D10/the-context-ends-when-the-client-leaves",
	} {
		m[c] = isBuffered
	}
	return m
}
