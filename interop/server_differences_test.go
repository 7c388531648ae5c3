//go:build interop && linux

package interop

func init() { differences = append(differences, serverDifferences...) }

const (
	byLighttpd   = "lighttpd-fcgi lighttpd-scgi lighttpd-spawn" // which splits the path by itself
	allLighttpd  = byLighttpd + " lighttpd-fcgi-root"
	proxyPass    = "apache-fcgi apache-scgi apache-uwsgi"
	allApache    = proxyPass + " apache-fcgi-handler"
	bodyFirst    = "nginx-fcgi nginx-fcgi-tcp nginx-scgi nginx-uwsgi nginx-http " + allLighttpd
	noLength     = "apache-scgi apache-uwsgi"
	httpBackends = "nginx-http haproxy-http"

	dots         = "REQUEST_URI is as the client sent it, and quirks.RequestURI refuses dot segments"
	asSent       = "the host passes the path on as the client sent it"
	needsLength  = "the host refuses bodies of unknown length: the protocol has no way to say that"
	ownAddress   = "HTTP has no way to say what the host is called: it is the address of the server itself"
	unixReset    = "over a Unix socket nothing but a length tells that a response is short"
	resets       = "the host resets the connection, and net/http says how it ended"
	writesFirst  = "the host writes the whole body, or until Timeout, before it reads the answer"
	closesSocket = "the host looks at the client only when it has something to write"
)

// serverDifferences are those of the hosts with a server behind them.
var serverDifferences = []difference{
	// The head of a response.
	{"apache-fcgi apache-scgi", "get", "Content-Length", " | 14", "it is dropped, and counted anew if the response has ended in time", "hosts.md, Failure"},
	{"apache-fcgi apache-scgi", "head", "Content-Length", "", "a program's length is dropped unless ap_trust_cgilike_cl is set", "hosts.md, Failure"},

	// The request.
	{allLighttpd, "query", "QUERY_STRING", "400", noControl, "seen: server.http-parseopts, url-ctrls-reject"},
	{"nginx-scgi nginx-uwsgi apache-scgi", "environ", "GATEWAY_INTERFACE", "", "the protocol is not CGI, and the host does not claim it", "seen"},
	{allApache + " caddy-fcgi", "environ", "HTTP_COOKIE", "a=1, b=2", joinsComma, "hosts.md, Headers"},
	{allLighttpd + " caddy-fcgi", "environ", "HTTP_X_UNDER", "1", underscores, "hosts.md, Headers"},
	{httpBackends, "environ", "SERVER_NAME", "127.0.0.1", ownAddress, "seen"},
	{httpBackends, "environ", "SERVER_PORT", "@APP_PORT@", ownAddress, "seen"},
	{httpBackends, "environ", "wsgi.multiprocess", "false", "an HTTP server does not think that it has others beside it", "nethttp's doc"},
	{"haproxy-fcgi", "environ", "HTTP_AUTHORIZATION", "", "the host decodes it, and passes on REMOTE_USER", "hosts.md, Headers"},
	{"apache-fcgi-handler " + byLighttpd, "paths", "/a//b", "/a/b", merges, "hosts.md, Paths"},
	{proxyPass + " lighttpd-fcgi-root", "paths", "/a/./b", "400", dots, "quirks"},
	{proxyPass + " lighttpd-fcgi-root", "paths", "/a/x/../b", "400", dots, "quirks"},
	{httpBackends + " haproxy-fcgi caddy-fcgi", "paths", "/a/./b", "/a/./b", asSent, "seen"},
	{httpBackends + " haproxy-fcgi caddy-fcgi", "paths", "/a/x/../b", "/a/x/../b", asSent, "seen"},
	{allApache, "paths", "/a%00b", "404", "another status", "hosts.md, Paths"},
	{"haproxy-fcgi", "paths", "/a%00b", "500", "the dot of path-info does not match it", "seen"},
	{"haproxy-fcgi", "paths", "/a%0Ab", "500", "the dot of path-info does not match a line break", "seen"},
	{allLighttpd, "paths", "/a%0Ab", "400", noControl, "seen: server.http-parseopts, url-ctrls-reject"},

	// The body of a request.
	{noLength, "chunked", "/upload", "411", needsLength, "hosts.md, Bodies"},
	{noLength, "chunked", "/ignore?size=3", "411", needsLength, "hosts.md, Bodies"},
	{"haproxy-fcgi", "chunked", "/upload", "400", "the host counts the body first, and has 16 KiB for it", "seen"},
	{"haproxy-fcgi", "chunked", "/ignore?size=3", "400", "the host counts the body first, and has 16 KiB for it", "seen"},
	{noLength, "deadlock", "answer", "503 after the host's timeout", writesFirst, "seen"},
	{bodyFirst, "cut", "FIN", "not started", wholeFirst, "seen"},
	{bodyFirst, "cut", "RST", "not started", wholeFirst, "seen"},
	{"haproxy-http", "cut", "FIN", "input: connection reset by peer", resets, "seen"},
	{"haproxy-http", "cut", "RST", "input: connection reset by peer", resets, "seen"},
	{"haproxy-http", "cut-chunked", "FIN", "input: connection reset by peer", resets, "seen"},
	{"haproxy-http", "cut-chunked", "RST", "input: connection reset by peer", resets, "seen"},
	{bodyFirst + " haproxy-fcgi", "cut-chunked", "FIN", "not started", wholeFirst, "hosts.md, Bodies"},
	{bodyFirst + " haproxy-fcgi", "cut-chunked", "RST", "not started", wholeFirst, "hosts.md, Bodies"},
	{noLength, "cut-chunked", "FIN", "not started", needsLength, "hosts.md, Bodies"},
	{noLength, "cut-chunked", "RST", "not started", needsLength, "hosts.md, Bodies"},

	// The body of a response.
	{"nginx-scgi nginx-uwsgi lighttpd-scgi apache-scgi apache-uwsgi caddy-fcgi", "panic-after",
		"undeclared", "looks whole", unixReset, "hosts.md, Failure"},
	{"nginx-scgi nginx-uwsgi lighttpd-scgi apache-scgi apache-uwsgi caddy-fcgi", "broken", "undeclared",
		"50 of 50 look whole, 0 hang", unixReset, "hosts.md, Failure"},
	{"apache-scgi", "broken", "declared", "50 of 50 look whole, 0 hang",
		"a program's length is dropped unless ap_trust_cgilike_cl is set", "hosts.md, Failure"},
	{"apache-scgi", "panic-after", "declared", "looks whole", "a program's length is dropped unless ap_trust_cgilike_cl is set", "hosts.md, Failure"},
	{allApache + " caddy-fcgi", "leave-idle", "FIN", "nothing happened, closed", closesSocket, "seen"},
	{allApache + " caddy-fcgi", "leave-idle", "RST", "nothing happened, closed", closesSocket, "seen"},
	{"haproxy-fcgi", "leave-idle", "FIN", "context ended, closed | nothing happened, closed", "the host tells sometimes, even with abortonclose", "seen"},
	{"haproxy-fcgi", "leave-idle", "RST", "context ended, closed | nothing happened, closed", "the host tells sometimes, even with abortonclose", "seen"},
	{allLighttpd, "leave-idle", "FIN", "nothing happened, closed", closesSocket, "seen"},

	// The rest.
	{"haproxy-fcgi haproxy-http", "garbage", "HTTP/9.9", "200 | refused", "the host takes any version, and with abortonclose a client that has closed its half is gone", "seen"},
	{allApache, "garbage", "HTTP/9.9", "200", "the host takes any version", "seen"},
	{allLighttpd, "stop", "process", "context ended, closed | nothing happened, closed", "the host may wait for the requests that are going on", "seen"},
	{allApache + " caddy-fcgi", "stop", "process", "nothing happened, closed", "the host lets the requests that are going on come to their end", "seen"},
}
