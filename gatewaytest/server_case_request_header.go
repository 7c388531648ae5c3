package gatewaytest

import (
	"fmt"
	"strings"
)

// wantVars is a client that sends header lines, and wants the variables.
func wantVars(header []string, vars map[string]string) func(x *exchange) {
	return func(x *exchange) {
		l := x.ask("GET", "/", "", header...)
		for name, value := range vars {
			x.wantVar(l, name, value)
		}
	}
}

// requestHeaderCases are about the headers of the request.
var requestHeaderCases = []serverCase{
	{
		rule: "C27", name: "a-header-is-a-variable",
		run: wantVars([]string{"X-Foo-Bar: baz"}, map[string]string{"HTTP_X_FOO_BAR": "baz"}),
	},
	{
		rule: "C27", name: "the-case-of-a-header-name-does-not-matter",
		run: wantVars([]string{"x-lOwer: v"}, map[string]string{"HTTP_X_LOWER": "v"}),
	},
	{
		rule: "C27", name: "space-around-a-value-is-not-of-it",
		run: wantVars([]string{"X-Space: \t a  b \t"}, map[string]string{"HTTP_X_SPACE": "a  b"}),
	},
	{
		rule: "C27", name: "an-application-finds-a-header-by-its-name",
		run: func(x *exchange) {
			l := x.ask("POST", "/", "{}", "X-Foo: bar", "content-type: application/json")
			for name, want := range map[string]string{"x-foo": "bar", "X-Foo": "bar",
				"Content-Type": "application/json", "CONTENT-length": "2"} {
				if got := l.Header(name); got != want {
					x.errorf("Header(%q) is %q, want %q", name, got, want)
				}
			}
		},
	},
	{
		rule: "R34", name: "a-header-that-is-not-sent-is-no-variable",
		run: func(x *exchange) {
			l := x.ask("GET", "/", "", "X-One: 1")
			x.wantVar(l, "HTTP_X_TWO", "")
			x.wantVar(l, "HTTP_USER_AGENT", "")
			x.wantVar(l, "HTTP_ACCEPT", "")
			x.wantVar(l, "HTTP_COOKIE", "")
		},
	},
	{
		rule: "R34", name: "an-empty-header-is-empty",
		run: wantVars([]string{"X-Empty:", "X-Next: n"}, map[string]string{"HTTP_X_EMPTY": "", "HTTP_X_NEXT": "n"}),
	},
	{
		rule: "R34", name: "the-host-is-a-header",
		run: func(x *exchange) { x.wantVar(x.ask("GET", "/", ""), "HTTP_HOST", x.base.Host) },
	},
	{
		rule: "R106", name: "the-bytes-of-a-value-are-raw",
		run: wantVars([]string{"X-Utf: \xc3\xa9", "X-Latin: \xe9\xff\x80"},
			map[string]string{"HTTP_X_UTF": "\xc3\xa9", "HTTP_X_LATIN": "\xe9\xff\x80"}),
	},
	{
		rule: "C8", name: "punctuation-in-a-value-stays",
		run: wantVars([]string{`X-Odd: "a, b"; c=\"d\" = '%41' \n $x`},
			map[string]string{"HTTP_X_ODD": `"a, b"; c=\"d\" = '%41' \n $x`}),
	},
	{
		rule: "C8", name: "a-long-value-is-whole",
		run: func(x *exchange) {
			long := strings.Repeat("0123456789", 300)
			wantVars([]string{"X-Long: " + long}, map[string]string{"HTTP_X_LONG": long})(x)
		},
	},
	{
		rule: "C7", name: "an-empty-content-type-is-none",
		run: func(x *exchange) { x.wantVar(x.ask("POST", "/", "body", "Content-Type:"), "CONTENT_TYPE", "") },
	},
	{
		rule: "R35", name: "many-headers-are-all-there",
		run: func(x *exchange) {
			var header []string
			vars := map[string]string{}
			for i := range 40 {
				header = append(header, fmt.Sprintf("X-Many-%d: %d", i, i))
				vars[fmt.Sprintf("HTTP_X_MANY_%d", i)] = fmt.Sprint(i)
			}
			wantVars(header, vars)(x)
		},
	},
	{
		rule: "C28", name: "repeated-headers-are-joined-in-order",
		run: wantVars([]string{"X-Re: a", "X-Other: o", "x-re: b", "X-RE: c"},
			map[string]string{"HTTP_X_RE": "a, b, c", "HTTP_X_OTHER": "o"}),
	},
	{
		// An empty element of a list means nothing (RFC 9110, 5.6.1).
		rule: "C28", name: "an-empty-line-of-a-repeated-header-adds-nothing",
		run: func(x *exchange) {
			wantVars([]string{"X-E:", "X-E: 1"}, map[string]string{"HTTP_X_E": "1"})(x)
			wantVars([]string{"X-E: 1", "X-E:", "X-E: 2", "X-E:"}, map[string]string{"HTTP_X_E": "1, 2"})(x)
		},
	},
	{
		// RFC 9110, 8.3: recipients take the last one. Such a request is malformed, and a server may
		// refuse it.
		rule: "C11", name: "of-two-content-types-the-last-counts",
		run: func(x *exchange) {
			l := x.askOrRefuse("POST", x.request("POST", "/", "x", "Content-Type: text/a", "Content-Type: text/b"))
			if l != nil {
				x.wantVar(l, "CONTENT_TYPE", "text/b")
			}
		},
	},
	{
		rule: "D6", name: "repeated-cookies-are-joined-with-semicolons",
		run: wantVars([]string{"Cookie: a=1", "Cookie: b=2; c=3", "cookie: d=4"},
			map[string]string{"HTTP_COOKIE": "a=1; b=2; c=3; d=4"}),
	},
	{
		rule: "C28", name: "a-folded-header-is-one-line-or-refused",
		run: func(x *exchange) {
			l := x.askOrRefuse("GET", x.request("GET", "/", "", "X-Folded: a\r\n  b"))
			if l == nil {
				return
			}
			v := l.Vars["HTTP_X_FOLDED"]
			if strings.Join(strings.Fields(v), " ") != "a b" || strings.ContainsAny(v, "\r\n") {
				x.errorf("HTTP_X_FOLDED is %q", v)
			}
		},
	},
	{
		// RFC 9110, 5.5: a server refuses such a message, or replaces the character by a space.
		rule: "C28", name: "a-control-character-in-a-value-is-replaced-or-refused",
		run: func(x *exchange) {
			for _, value := range []string{"a\rb", "a\rX-Evil: 1", "a\x00b", "\x00"} {
				l := x.askOrRefuse("GET", x.request("GET", "/", "", "X-Control: "+value, "X-Next: n"))
				if l == nil {
					continue
				}
				if v := l.Vars["HTTP_X_CONTROL"]; strings.ContainsAny(v, "\x00\r\n") {
					x.errorf("HTTP_X_CONTROL is %q", v)
				}
				x.wantVar(l, "HTTP_X_EVIL", "")
				x.wantVar(l, "HTTP_X_NEXT", "n")
			}
		},
	},
	{
		// RFC 9112, 5.1: some servers have taken the text before such a colon for a name, and
		// others not.
		rule: "C27", name: "a-name-with-a-space-before-its-colon-is-no-name",
		run: func(x *exchange) {
			for _, line := range []string{"X-Auth : evil", "X-Auth\t: evil"} {
				l := x.askOrRefuse("GET", x.request("GET", "/", "", line))
				if l == nil {
					continue
				}
				for name, value := range l.Vars {
					if value == "evil" {
						x.errorf("%q has become the variable %q", line, name)
					}
				}
			}
			l := x.askOrRefuse("POST", x.head("POST", "/", "Content-Length : 5", "Connection: close")+"12345")
			if l != nil {
				x.wantBody(l, "", nil)
			}
		},
	},
	{
		rule: "D6", name: "the-header-proxy-is-no-variable",
		run: wantVars([]string{"Proxy: http://evil.example"}, map[string]string{"HTTP_PROXY": ""}),
	},
	{
		rule: "D6", name: "the-header-proxy-is-no-variable-in-any-case",
		run: wantVars([]string{"pROXY: http://evil.example"}, map[string]string{"HTTP_PROXY": ""}),
	},
	{
		rule: "C29", name: "content-type-and-length-have-no-twin",
		run: func(x *exchange) {
			l := x.ask("POST", "/", "12345", "Content-Type: text/x-odd")
			for _, name := range []string{"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} {
				if v, found := l.Vars[name]; found {
					x.errorf("%s is there: %q", name, v)
				}
			}
			x.wantVar(l, "CONTENT_TYPE", "text/x-odd")
			x.wantVar(l, "CONTENT_LENGTH", "5")
		},
	},
	{
		rule: "C11", name: "the-content-type-is-the-clients",
		run: func(x *exchange) {
			const v = `multipart/form-data; boundary="a b"`
			x.wantVar(x.ask("POST", "/", "x", "Content-Type: "+v), "CONTENT_TYPE", v)
		},
	},
	{
		rule: "C11", name: "no-content-type-is-made-up",
		run: func(x *exchange) { x.wantVar(x.ask("POST", "/", "a=1&b=2"), "CONTENT_TYPE", "") },
	},
	{
		rule: "D6", name: "a-name-with-an-underscore-forges-no-header",
		run: func(x *exchange) {
			l := x.askOrRefuse("GET", x.request("GET", "/", "", "X-Auth: good", "X_Auth: evil", "X_Only: evil"))
			if l == nil {
				return
			}
			x.wantVar(l, "HTTP_X_AUTH", "good")
			x.wantVar(l, "HTTP_X_ONLY", "")
		},
	},
	{
		rule: "R12", name: "a-header-sets-no-variable-of-the-servers",
		run: func(x *exchange) {
			l := x.askOrRefuse("GET", x.request("GET", "/real", "", "Script-Name: /evil", "Path-Info: /evil",
				"Server-Name: evil",
				"Request-Method: EVIL", "Remote-Addr: 6.6.6.6", "Query-String: evil", "Gateway-Interface: EVIL/1.1"))
			if l == nil {
				return
			}
			x.checkPath(l, "/real", "")
			x.wantVar(l, "REQUEST_METHOD", "GET")
			for _, name := range []string{"SERVER_NAME", "REMOTE_ADDR", "GATEWAY_INTERFACE"} {
				if v := l.Vars[name]; v == "evil" || v == "6.6.6.6" || v == "EVIL/1.1" {
					x.errorf("%s is %q, which is the header's", name, v)
				}
			}
		},
	},
}
