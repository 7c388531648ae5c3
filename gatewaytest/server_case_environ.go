package gatewaytest

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"

	"example.com/gateway"
)

// environCases are about what the server says of itself and of the request as a whole.
var environCases = []serverCase{
	{
		rule: "R4", name: "the-application-is-called-once-for-each-request",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.note("call %s", env.Vars["QUERY_STRING"])
			return x.look(env, start)
		},
		run: func(x *exchange) {
			for _, query := range []string{"a", "b", "c"} {
				x.ask("POST", "/?"+query, "body")
			}
			for _, query := range []string{"a", "b", "c"} {
				if n := x.count("call " + query); n != 1 {
					x.errorf("request %s called the application %d times", query, n)
				}
			}
		},
	},
	{
		rule: "R12", name: "an-extra-key-has-the-name-of-the-server-in-front",
		run: func(x *exchange) {
			for key := range x.ask("GET", "/", "").Extra {
				prefix, rest, found := strings.Cut(key, ".")
				if !found || prefix == "" || rest == "" || prefix == "wsgi" {
					x.errorf("Extra has the key %q, want one like server.name (R53)", key)
				}
			}
		},
	},
	{
		rule: "R53", name: "an-extra-key-is-lower-case-letters-digits-dots-and-underscores",
		run: func(x *exchange) {
			for key := range x.ask("GET", "/", "").Extra {
				if !regexp.MustCompile(`^[a-z0-9_.]+$`).MatchString(key) {
					x.errorf("Extra has the key %q", key)
				}
			}
		},
	},
	{
		rule: "R27", name: "the-dictionary-is-complete",
		run: func(x *exchange) {
			all := map[string]any{}
			for key, value := range x.ask("GET", "/", "").All() {
				all[key] = value
			}
			for _, key := range []string{"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL",
				"wsgi.url_scheme", "wsgi.input", "wsgi.errors", "wsgi.multithread", "wsgi.multiprocess",
				"wsgi.run_once"} {
				if all[key] == nil || all[key] == "" {
					x.errorf("%s is missing", key)
				}
			}
		},
	},
	{
		rule: "R42", name: "the-version-is-1-0",
		run: func(x *exchange) {
			for key, value := range x.ask("GET", "/", "").All() {
				if key == "wsgi.version" && value != [2]int{1, 0} {
					x.errorf("wsgi.version is %v", value)
				}
			}
		},
	},
	{
		rule: "R40", name: "a-variable-has-a-name-of-its-own",
		run: func(x *exchange) {
			for name := range x.ask("GET", "/?a=b", "", "X-A: b").Vars {
				if name == "" || strings.ContainsAny(name, "=\x00\r\n") || strings.HasPrefix(name, "wsgi.") {
					x.errorf("Vars has the name %q", name)
				}
			}
		},
	},
	{
		rule: "R28", name: "the-method-is-there",
		run: func(x *exchange) { x.wantVar(x.ask("POST", "/", "body"), "REQUEST_METHOD", "POST") },
	},
	{
		rule: "R32", name: "the-server-has-a-name-and-a-port",
		run: func(x *exchange) {
			l := x.ask("GET", "/", "")
			if l.Vars["SERVER_NAME"] == "" || l.Vars["SERVER_PORT"] == "" {
				x.errorf("SERVER_NAME is %q, SERVER_PORT %q", l.Vars["SERVER_NAME"], l.Vars["SERVER_PORT"])
			}
		},
	},
	{
		rule: "R32", name: "the-server-has-a-name-without-a-host-header",
		run: func(x *exchange) {
			l := x.askOrRefuse("GET", "GET "+x.target("/")+" HTTP/1.0\r\n\r\n")
			if l != nil && (l.Vars["SERVER_NAME"] == "" || l.Vars["SERVER_PORT"] == "") {
				x.errorf("SERVER_NAME is %q, SERVER_PORT %q", l.Vars["SERVER_NAME"], l.Vars["SERVER_PORT"])
			}
			if l != nil && l.Vars["HTTP_HOST"] != "" {
				x.errorf("HTTP_HOST is %q, and there was none (R34)", l.Vars["HTTP_HOST"])
			}
		},
	},
	{
		rule: "R33", name: "the-protocol-is-the-clients",
		run: func(x *exchange) { x.wantVar(x.ask("GET", "/", ""), "SERVER_PROTOCOL", "HTTP/1.1") },
	},
	{
		rule: "R33", name: "the-protocol-of-an-old-client-is-old",
		run: func(x *exchange) {
			l := x.asked("GET", "GET "+x.target("/")+" HTTP/1.0\r\nHost: "+x.base.Host+"\r\n\r\n")
			x.wantVar(l, "SERVER_PROTOCOL", "HTTP/1.0")
		},
	},
	{
		rule: "R39", name: "without-authentication-there-is-no-user",
		run: func(x *exchange) {
			l := x.ask("GET", "/", "", "Remote-User: admin", "Auth-Type: Basic")
			x.wantVar(l, "REMOTE_USER", "")
			x.wantVar(l, "AUTH_TYPE", "")
		},
	},
	{
		rule: "R43", name: "the-scheme-is-http",
		run: func(x *exchange) {
			l := x.ask("GET", "/", "")
			if l.URLScheme != "http" {
				x.errorf("URLScheme is %q", l.URLScheme)
			}
		},
	},
	{
		rule: "R36", name: "without-tls-https-is-not-on",
		run: func(x *exchange) {
			l := x.ask("GET", "/", "", "Https: on", "X-Forwarded-Proto: https")
			if v := strings.ToLower(l.Vars["HTTPS"]); v != "" && v != "off" || l.URLScheme != "http" {
				x.errorf("HTTPS is %q, URLScheme %q", l.Vars["HTTPS"], l.URLScheme)
			}
		},
	},
	{
		rule: "R45", name: "the-log-takes-lines",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			const line = "a line of the conformance suite\n"
			if n, err := env.Errors.Write([]byte(line)); n != len(line) || err != nil {
				x.errorf("Errors.Write returned %d, %v", n, err)
			}
			return x.look(env, start)
		},
		run: func(x *exchange) { x.ask("GET", "/", "") },
	},
	{
		rule: "R47", name: "the-log-takes-any-bytes",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			for _, line := range []string{"", "not UTF-8 \xff\xfe\n", "\u65e5\u672c\n", "a\x00b\n",
				strings.Repeat("long ", 10000) + "\n"} {
				if n, err := env.Errors.Write([]byte(line)); n != len(line) || err != nil {
					x.errorf("Errors.Write of %s returned %d, %v", abridged(line), n, err)
				}
			}
			return x.look(env, start)
		},
		run: func(x *exchange) { x.ask("GET", "/", "") },
	},
	{
		rule: "R51", name: "the-flags-are-those-of-the-server-and-stay",
		run: func(x *exchange) {
			a, b := x.ask("GET", "/", ""), x.ask("POST", "/b", "body")
			if a.Multithread != b.Multithread || a.Multiprocess != b.Multiprocess || a.RunOnce != b.RunOnce {
				x.errorf("Multithread, Multiprocess and RunOnce were %v %v %v, and are %v %v %v for the next request",
					a.Multithread, a.Multiprocess, a.RunOnce, b.Multithread, b.Multiprocess, b.RunOnce)
			}
			if a.RunOnce && a.Multithread {
				x.errorf("a process that serves one request says Multithread")
			}
			x.remark("Multithread %v, Multiprocess %v, RunOnce %v", a.Multithread, a.Multiprocess, a.RunOnce)
		},
	},
	{
		rule: "R11", name: "what-an-application-does-to-its-environ-ends-with-the-request",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			body, err := x.look(env, start)
			for name := range env.Vars {
				env.Vars[name] = "changed"
			}
			env.Vars["X_ADDED"] = "1"
			if env.Extra == nil {
				env.Extra = map[string]any{}
			}
			env.Extra["test.added"] = 1
			env.URLScheme, env.Multithread, env.RunOnce = "gopher", !env.Multithread, !env.RunOnce
			env.Input, env.Errors = nil, nil
			return body, err
		},
		run: func(x *exchange) {
			x.ask("GET", "/a?1", "")
			l := x.ask("GET", "/a?2", "")
			x.wantVar(l, "QUERY_STRING", "2")
			x.wantVar(l, "X_ADDED", "")
			for name, value := range l.Vars {
				if value == "changed" {
					x.errorf("%s is what the request before made of it", name)
				}
			}
			if l.Extra["test.added"] != nil || l.URLScheme != "http" || l.Errors == nil {
				x.errorf("Extra is %v, URLScheme %q, Errors %v", l.Extra, l.URLScheme, l.Errors)
			}
		},
	},
	{
		rule: "R11", name: "an-environ-without-anything-does-not-trouble-the-server",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			*env = gateway.Environ{}
			_, err := start("200 OK", plain, nil)
			return gateway.Text("emptied"), err
		},
		run: func(x *exchange) { x.want(x.get("/"), 200, "emptied") },
	},
	{
		rule: "C13", name: "the-interface-is-cgi-with-a-version",
		run: func(x *exchange) {
			v := x.ask("GET", "/", "").Vars["GATEWAY_INTERFACE"]
			if !regexp.MustCompile(`^CGI/[0-9]+\.[0-9]+$`).MatchString(v) {
				x.errorf("GATEWAY_INTERFACE is %q, want CGI/1.1", v)
			}
		},
	},
	{
		rule: "C17", name: "the-client-has-an-address",
		run: func(x *exchange) {
			v := x.ask("GET", "/", "").Vars["REMOTE_ADDR"]
			if ip := net.ParseIP(v); ip == nil || !ip.IsLoopback() {
				x.errorf("REMOTE_ADDR is %q, want the address of the client, without a port or brackets", v)
			}
		},
	},
	{
		rule: "C23", name: "the-name-of-the-server-has-no-port",
		run: func(x *exchange) {
			v := x.ask("GET", "/", "").Vars["SERVER_NAME"]
			if strings.Contains(v, ":") && !(strings.HasPrefix(v, "[") && strings.HasSuffix(v, "]")) {
				x.errorf("SERVER_NAME is %q", v)
			}
		},
	},
	{
		rule: "C24", name: "the-port-is-the-one-that-listens",
		run: func(x *exchange) { x.wantVar(x.ask("GET", "/", ""), "SERVER_PORT", x.base.Port()) },
	},
	{
		// RFC 3875, 4.1.15: "the TCP/IP port number on which this request is received". An Apache
		// takes the port from the Host header, unless UseCanonicalName and UseCanonicalPhysicalPort
		// are on.
		rule: "C24", name: "the-port-is-not-the-clients-word",
		run: func(x *exchange) {
			port := x.ask("GET", "/", "").Vars["SERVER_PORT"]
			for _, host := range []string{x.base.Hostname() + ":4711", x.base.Hostname(), "other.example:4712"} {
				request := strings.Replace(x.request("GET", "/", ""), "Host: "+x.base.Host, "Host: "+host, 1)
				if l := x.askOrRefuse("GET", request); l != nil { // which a server of other hosts may refuse
					x.wantVar(l, "SERVER_PORT", port)
				}
			}
		},
	},
	{
		rule: "C26", name: "the-software-has-a-name",
		run: func(x *exchange) {
			if v := x.ask("GET", "/", "").Vars["SERVER_SOFTWARE"]; v == "" {
				x.errorf("SERVER_SOFTWARE is missing")
			}
		},
	},
	{
		rule: "D10", name: "the-context-lives-as-long-as-the-response",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if err := env.Context().Err(); err != nil {
				x.errorf("the Context has ended before the response: %v", err)
			}
			x.keep("context", env.Context())
			return text("alive")(x, env, start)
		},
		run: func(x *exchange) {
			x.want(x.get("/"), 200, "alive")
			x.awaitEnd()
			if cause := context.Cause(kept[context.Context](x, "context")); !errors.Is(cause, gateway.ErrEnded) {
				x.errorf("the cause of the Context's end is %v, want ErrEnded", cause)
			}
		},
	},
}
