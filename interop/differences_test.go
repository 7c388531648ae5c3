//go:build interop && linux

package interop

import (
	"slices"
	"strings"
)

// A difference is an aspect of a check in which some hosts do not do what the others do. The
// sources are the project's notes on hosts (hosts.md, and B.4 of rfc3875.md), the host's own code,
// or "seen" with what was seen here.
type difference struct {
	hosts  string
	check  string
	aspect string
	is     string // instead of what the check wants; " | " between them if it is not always the same
	why    string
	source string
}

func (d *difference) of(host, check string) bool {
	return d.check == check && slices.Contains(strings.Fields(d.hosts), host)
}

func (d *difference) covers(got string) bool { return slices.Contains(strings.Split(d.is, " | "), got) }

const (
	bothApaches = "apache apache-prefork"

	termAtEnd   = "the host sends SIGTERM once it has all of a declared response, and cgi does not catch it for a body of one block"
	noTerm      = "the host does not notice, or does not tell"
	underscores = "the host does not tell X_Under from X-Under"
	joinsComma  = "the host joins cookies as it joins any header"
	fewHeaders  = "the host passes few headers"
	undeclared  = "without a length nobody sees that the response is short: hosts do not look at exit statuses"
	wholeFirst  = "the host has the whole body before it starts the program"
	merges      = "the host merges slashes"
	noControl   = "the host refuses control characters in URLs, encoded or not"
)

var differences = []difference{
	// The head of a response.
	{"apache", "get", "Content-Length", " | 14", "it is dropped, and counted anew if the program has ended in time", "hosts.md, Failure"},
	{"apache", "head", "Content-Length", "", "a program's length is dropped unless ap_trust_cgilike_cl is set", "hosts.md, Failure"},
	{"python", "status", "status line", "200", "it has sent its own before the program starts", "B.4"},

	// The request.
	{"lighttpd", "query", "QUERY_STRING", "400", noControl, "seen: server.http-parseopts, url-ctrls-reject"},
	{bothApaches, "environ", "HTTP_COOKIE", "a=1, b=2", joinsComma, "hosts.md, Headers"},
	{"lighttpd", "environ", "HTTP_X_UNDER", "1", underscores, "hosts.md, Headers"},
	{"nethttp", "environ", "HTTP_X_UNDER", "1", underscores, "B.4"},
	{"python", "environ", "a user whose password nobody has checked", "admin",
		"the host says what the client says", "http/server.py, run_cgi"},
	{"python", "environ", "REQUEST_URI", "", "the host does not set it", "http/server.py, run_cgi"},
	{"python", "environ", "SERVER_PROTOCOL", "HTTP/1.0", "it is the server's, not the client's", "http/server.py, run_cgi"},
	{"python", "environ", "HTTP_HOST", "", fewHeaders, "B.4"},
	{"python", "environ", "HTTP_X_CUSTOM", "", fewHeaders, "B.4"},
	{"python", "environ", "HTTP_X_TWICE", "", fewHeaders, "B.4"},
	{"python", "environ", "HTTP_X_LATIN", "", fewHeaders, "B.4"},
	{"python", "environ", "HTTP_AUTHORIZATION", "", fewHeaders, "B.4"},
	{"python", "environ", "HTTP_COOKIE", "a=1, b=2", joinsComma, "http/server.py, run_cgi"},
	{"python", "environ", "another method", "501", "the host knows GET, HEAD and POST", "http/server.py, CGIHTTPRequestHandler"},
	{bothApaches, "paths", "/a//b", "/a/b", merges, "hosts.md, Paths"},
	{"lighttpd", "paths", "/a//b", "/a/b", merges, "hosts.md, Paths"},
	{"python", "paths", "/a//b", "/a/b", merges, "http/server.py, _url_collapse_path"},
	{"nethttp", "paths", "/a/./b", "/a/./b", "the host normalises nothing", "seen"},
	{"nethttp", "paths", "/a/x/../b", "/a/x/../b", "the host normalises nothing", "seen"},
	{bothApaches, "paths", "/a%00b", "404", "another status", "hosts.md, Paths"},
	{"nethttp", "paths", "/a%00b", "500", "another status", "seen"},
	{"python", "paths", "/a%00b", "no answer", "an exception of its own", "seen: ValueError: embedded null byte"},
	{"lighttpd", "paths", "/a%0Ab", "400", noControl, "seen: server.http-parseopts, url-ctrls-reject"},
	{"nginx", "paths", "/a%0Ab", "403", "the dot of fastcgi_split_path_info does not match a line break", "seen"},
	{"python", "paths", "/%E9", "/\xef\xbf\xbd", "urllib makes U+FFFD of what is not UTF-8", "http/server.py, run_cgi"},
	{"python", "paths", "/%2541", "/A", "the path is decoded twice", "http/server.py, _url_collapse_path and run_cgi"},
	{"python", "paths", "/a%3Fb", "/a", "the path is decoded twice", "http/server.py, _url_collapse_path and run_cgi"},

	// The body of a request.
	{"nethttp", "chunked", "/upload", "400", "the host refuses chunks", "B.4"},
	{"nethttp", "chunked", "/ignore?size=3", "400", "the host refuses chunks", "B.4"},
	{"python", "chunked", "/upload", "200 " + hashOf(nil), "the host knows no chunks, and the program is not told of any", "http/server.py, run_cgi"},
	{"lighttpd", "unread", "process", "start | start, closed", termAtEnd, "seen"},
	{bothApaches, "deadlock", "answer", "200 1048576 after the host's timeout",
		"the host writes the whole body, or until Timeout, before it reads the answer", "seen: AH02651"},
	{"nginx", "deadlock", "answer", "no answer", "fcgiwrap writes the whole body before it reads the answer", "seen"},
	{"nginx", "deadlock", "process", "", "fcgiwrap has no timeout: one of its processes is lost for ever", "seen"},
	{bothApaches, "cut", "FIN", "killed | input: unexpected EOF", "SIGTERM follows at once", "seen: AH01270, AH01225"},
	{bothApaches, "cut", "RST", "killed | input: unexpected EOF", "SIGTERM follows at once", "seen: AH01270, AH01225"},
	{"lighttpd nginx nginx-cgibin", "cut", "FIN", "not started", wholeFirst, "seen"},
	{"lighttpd nginx nginx-cgibin", "cut", "RST", "not started", wholeFirst, "seen"},
	{"python", "cut", "RST", "input: connection reset by peer", "stdin is the client's connection", "B.4"},
	// The host closes stdin as for a body that is whole, and sends SIGTERM right after: who is
	// first, wins.
	{bothApaches, "cut-chunked", "FIN", "killed | input: whole", "only a SIGTERM tells", "seen: AH01270, AH01225"},
	{bothApaches, "cut-chunked", "RST", "killed | input: whole", "only a SIGTERM tells", "seen: AH01270, AH01225"},
	{"lighttpd nginx nginx-cgibin", "cut-chunked", "FIN", "not started", wholeFirst, "hosts.md, Bodies"},
	{"lighttpd nginx nginx-cgibin", "cut-chunked", "RST", "not started", wholeFirst, "hosts.md, Bodies"},
	{"nethttp", "cut-chunked", "FIN", "not started", "the host refuses chunks", "B.4"},
	{"nethttp", "cut-chunked", "RST", "not started", "the host refuses chunks", "B.4"},
	{"python", "cut-chunked", "FIN", "input: whole", "the host knows no chunks: the body is empty", "http/server.py, run_cgi"},
	{"python", "cut-chunked", "RST", "input: whole", "the host knows no chunks: the body is empty", "http/server.py, run_cgi"},

	// The body of a response.
	{"apache apache-prefork lighttpd nginx nethttp python", "panic-after", "undeclared", "looks whole", undeclared, "hosts.md, Failure"},
	{"apache", "panic-after", "declared", "looks whole", "a program's length is dropped unless ap_trust_cgilike_cl is set", "hosts.md, Failure"},
	{"nethttp", "stream", "first block", "held back", "the host does not flush", "B.4"},
	{"nethttp", "leave", "FIN", "", "the host kills with SIGKILL when it cannot write", "B.4"},
	{"nethttp", "leave", "RST", "", "the host kills with SIGKILL when it cannot write", "B.4"},
	{"apache apache-prefork nginx python", "leave-idle", "RST", "nothing happened, closed", noTerm, "seen"},
	{"apache apache-prefork lighttpd nginx python", "leave-idle", "FIN", "nothing happened, closed", noTerm, "seen"},
	{"nethttp", "leave-idle", "FIN", "nothing happened, closed", noTerm, "B.4"},
	{"nethttp", "leave-idle", "RST", "nothing happened, closed", noTerm, "B.4"},

	// The rest.
	{"python", "garbage", "no colon", "200", "the host's parser takes it for the end of the headers", "seen"},
	{"python", "garbage", "two lengths", "200", "the first one counts", "seen"},
	{bothApaches, "garbage", "HTTP/9.9", "200", "the host takes any version", "seen"},
	{"apache-prefork", "stop", "process", "context ended, closed | context ended",
		"the host sends SIGTERM to its process group and once more to the program, and the second one kills", "seen"},
	{"lighttpd", "stop", "process", "context ended, closed | nothing happened, closed", "the host may be gone before it tells", "seen"},
	{"apache nginx python nethttp", "stop", "process", "nothing happened, closed", noTerm, "seen"},
}
