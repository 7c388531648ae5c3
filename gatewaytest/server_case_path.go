package gatewaytest

import "strings"

// wantPath is a client that asks for a path, and wants it in SCRIPT_NAME, PATH_INFO and
// QUERY_STRING.
func wantPath(path, info, query string) func(x *exchange) {
	return func(x *exchange) { x.checkPath(x.ask("GET", path, ""), info, query) }
}

// checkPath checks that SCRIPT_NAME and PATH_INFO together are the path. The host decides where the
// one ends and the other begins.
func (x *exchange) checkPath(l *look, info, query string) {
	x.t.Helper()
	if got := l.Vars["SCRIPT_NAME"] + l.Vars["PATH_INFO"]; got != x.decodedPrefix()+info {
		x.errorf("SCRIPT_NAME %q and PATH_INFO %q, want %q and %q",
			l.Vars["SCRIPT_NAME"], l.Vars["PATH_INFO"], x.decodedPrefix(), info)
	}
	x.wantVar(l, "QUERY_STRING", query)
}

// pathOrRefuse is wantPath for a path that a host may refuse.
func pathOrRefuse(path, info string) func(x *exchange) {
	return func(x *exchange) {
		if l := x.askOrRefuse("GET", x.request("GET", path, "")); l != nil {
			x.checkPath(l, info, "")
		}
	}
}

// pathCases are about the path and the query.
var pathCases = []serverCase{
	{rule: "C14", name: "the-path-is-there", run: wantPath("/a/b.c", "/a/b.c", "")},
	{rule: "C14", name: "the-path-is-decoded", run: wantPath("/%41%20b%7Ec/%5B", "/A b~c/[", "")},
	{rule: "C14", name: "the-path-is-decoded-once", run: wantPath("/100%2525/%252F", "/100%25/%2F", "")},
	{rule: "C14", name: "the-path-keeps-its-case", run: wantPath("/AbC/dEf", "/AbC/dEf", "")},
	{rule: "C14", name: "a-plus-in-the-path-is-a-plus", run: wantPath("/a+b", "/a+b", "")},
	{rule: "C14", name: "parameters-in-the-path-stay", run: wantPath("/a;v=1,2/b:c@d", "/a;v=1,2/b:c@d", "")},
	{rule: "C14", name: "an-encoded-question-mark-is-of-the-path", run: wantPath("/a%3Fb?c", "/a?b", "c")},
	{rule: "C14", name: "a-trailing-slash-stays", run: wantPath("/a/b/", "/a/b/", "")},
	{rule: "C14", name: "an-encoded-slash-is-decoded-or-refused", run: pathOrRefuse("/a%2Fb", "/a/b")},
	{rule: "C30", name: "a-nul-in-the-path-cuts-nothing", run: pathOrRefuse("/a%00b", "/a\x00b")},
	{
		rule: "C14", name: "a-line-break-in-the-path-forges-no-variable",
		run: func(x *exchange) {
			l := x.askOrRefuse("GET", x.request("GET", "/a%0D%0AREMOTE_USER=admin%0AHTTP_X_EVIL:%201", ""))
			if l == nil {
				return
			}
			x.checkPath(l, "/a\r\nREMOTE_USER=admin\nHTTP_X_EVIL: 1", "")
			x.wantVar(l, "REMOTE_USER", "")
			x.wantVar(l, "HTTP_X_EVIL", "")
		},
	},
	{
		rule: "R9", name: "utf-8-in-the-path-is-raw-bytes",
		run: wantPath("/%C3%A9%E6%97%A5", "/\xc3\xa9\xe6\x97\xa5", ""),
	},
	{rule: "R9", name: "latin-1-in-the-path-is-raw-bytes", run: wantPath("/%E9", "/\xe9", "")},
	{
		rule: "R106", name: "any-byte-of-the-path-is-one-byte",
		run: wantPath("/%80%FF%FE%C0%AF%7F", "/\x80\xff\xfe\xc0\xaf\x7f", ""),
	},
	{
		rule: "C14", name: "an-absolute-target-has-a-path",
		run: func(x *exchange) {
			head := strings.Replace(x.request("GET", "/a%20b?q=1", ""), "GET ", "GET http://"+x.base.Host, 1)
			l := x.asked("GET", head)
			x.checkPath(l, "/a b", "q=1")
		},
	},
	{
		rule: "D11", name: "a-target-that-is-no-path-is-refused",
		run: func(x *exchange) {
			for _, target := range []string{"*", "a:b", "example.com:443"} {
				n := x.lookCount()
				r := x.exchange("GET", "GET "+target+" HTTP/1.1\r\nHost: "+x.base.Host+"\r\nConnection: close\r\n\r\n")
				if l := x.lastLook(n); l != nil { // an http.ServeMux redirects to a path
					x.errorf("the application was called for the target %q, with PATH_INFO %q; the answer is %q",
						target, l.Vars["PATH_INFO"], r.status)
				}
			}
		},
	},
	{
		rule: "C16", name: "the-query-stays-encoded",
		run: wantPath("/p?a=%20+%26b&c=%e9%C3%A9&d=%zz", "/p", "a=%20+%26b&c=%e9%C3%A9&d=%zz"),
	},
	{rule: "C16", name: "a-query-has-question-marks-and-slashes", run: wantPath("/p?a?b/../c=d?", "/p", "a?b/../c=d?")},
	{rule: "C16", name: "no-query-is-empty", run: wantPath("/p", "/p", "")},
	{rule: "C16", name: "an-empty-query-is-empty", run: wantPath("/p?", "/p", "")},
	{
		rule: "C16", name: "a-long-query-is-whole",
		run: func(x *exchange) { wantPath("/p?"+strings.Repeat("k=v&", 500), "/p", strings.Repeat("k=v&", 500))(x) },
	},
	{
		rule: "C22", name: "the-mount-point-is-the-script-name",
		run: func(x *exchange) {
			l := x.ask("GET", "/a/b", "")
			x.wantVar(l, "SCRIPT_NAME", x.decodedPrefix())
			x.wantVar(l, "PATH_INFO", "/a/b")
		},
	},
	{
		rule: "C2", name: "the-variables-make-up-the-url",
		run: func(x *exchange) {
			l := x.ask("GET", "/a%20b/%C3%A9;c=1?q=%2F&r", "")
			if got, want := l.URL(), "http://"+x.base.Host+x.target("/a%20b/%C3%A9;c=1?q=%2F&r"); got != want {
				x.errorf("the URL of the environ is %q, want %q", got, want)
			}
		},
	},
	{
		rule: "R129", name: "without-a-host-header-the-url-is-the-servers",
		run: func(x *exchange) {
			l := x.askOrRefuse("GET", "GET "+x.target("/a?b")+" HTTP/1.0\r\n\r\n")
			if l == nil {
				return
			}
			want := "http://" + l.Vars["SERVER_NAME"] + ":" + l.Vars["SERVER_PORT"] + x.target("/a?b")
			if got := l.URL(); got != want {
				x.errorf("the URL of the environ is %q, want %q", got, want)
			}
		},
	},
	{
		rule: "D7", name: "the-target-is-there-as-the-client-sent-it",
		run: func(x *exchange) {
			const path = "/a%2fb%20c/%C3%A9?q=%41+b"
			x.wantVar(x.ask("GET", path, ""), "REQUEST_URI", x.target(path))
		},
	},
	{
		rule: "D7", name: "the-target-has-no-question-mark-if-the-client-sent-none",
		run: func(x *exchange) { x.wantVar(x.ask("GET", "/a/b", ""), "REQUEST_URI", x.target("/a/b")) },
	},
}
