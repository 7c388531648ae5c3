//go:build interop && linux

package interop

import (
	"io"
	"strconv"
	"strings"
)

func checkGet(c *checker) {
	answer := c.do(c.T, request{path: "/"})
	c.expect("status", strconv.Itoa(answer.code), "200")
	c.expect("body", string(answer.body), "Hello World !\n")
	c.expect("Content-Type", answer.header.Get("Content-Type"), "text/plain")
	c.expect("Content-Length", answer.header.Get("Content-Length"), "14") // R89: the server knows it
	c.expect("X-Route", answer.header.Get("X-Route"), "hello")
	c.expect("end", errorText(answer.err), "")
}

// checkHead: RFC 9110, 9.3.2: the head of GET, and no body (C37).
func checkHead(c *checker) {
	conn := c.connect(c.T)
	conn.send(c.T, c.head(request{method: "HEAD", path: "/"}))
	answer, err := conn.answer("HEAD")
	if err != nil {
		c.Fatal(err)
	}
	c.expect("status", strconv.Itoa(answer.code), "200")
	c.expect("Content-Type", answer.header.Get("Content-Type"), "text/plain")
	c.expect("Content-Length", answer.header.Get("Content-Length"), "14")
	c.expect("X-Route", answer.header.Get("X-Route"), "hello")
	rest, _ := io.ReadAll(conn.r)
	c.expect("body", string(rest), "")
}

func checkQuery(c *checker) {
	const query = "a=1&b=%20+%26&c=%C3%A9&d=;/?:@&=&a=2&%09" // R31: raw
	c.expect("QUERY_STRING", c.variable("QUERY_STRING", request{path: "/environ?" + query}), query)
	c.expect("no query", c.variable("QUERY_STRING", request{path: "/environ"}), "")
	// C39: a query without "=" may come as a command line, which a gateway must not read.
	c.expect("indexed", c.variable("QUERY_STRING", request{path: "/environ?-h"}), "-h")
}

func checkEnviron(c *checker) {
	answer := c.do(c.T, request{
		method: "POST",
		path:   "/environ/a/b?q=1",
		fields: []string{
			"User-Agent: interop/1", "X-Custom: some  value", "X-Twice: 1", "X-Twice: 2", "Cookie: a=1", "Cookie: b=2",
			"Content-Type: text/x-test", "Authorization: Bearer token", "Proxy: http://proxy.invalid",
			"X_Under: 1", "X-Latin: \xe9",
		},
		body: []byte("body"),
	})
	vars := parseEnviron(c, answer)
	for _, v := range []struct{ name, want string }{
		{"GATEWAY_INTERFACE", "CGI/1.1"},
		{"REQUEST_METHOD", "POST"},
		{"SCRIPT_NAME", c.script},
		{"PATH_INFO", "/environ/a/b"},
		{"QUERY_STRING", "q=1"},
		{"REQUEST_URI", c.script + "/environ/a/b?q=1"},
		{"SERVER_PROTOCOL", "HTTP/1.1"},
		{"SERVER_NAME", "localhost"},
		{"SERVER_PORT", c.port},
		{"REMOTE_ADDR", "127.0.0.1"},
		{"CONTENT_LENGTH", "4"},
		{"CONTENT_TYPE", "text/x-test"},
		{"HTTP_HOST", "localhost:" + c.port},
		{"HTTP_USER_AGENT", "interop/1"},
		{"HTTP_X_CUSTOM", "some  value"},
		{"HTTP_X_TWICE", "1, 2"},    // C28
		{"HTTP_X_LATIN", "\xe9"},    // R9: bytes
		{"HTTP_COOKIE", "a=1; b=2"}, // RFC 6265, 5.4
		{"HTTP_AUTHORIZATION", "Bearer token"},
		{"HTTP_X_UNDER", ""},
		{"HTTP_PROXY", ""}, // httpoxy
		{"HTTP_CONTENT_LENGTH", ""},
		{"HTTP_CONTENT_TYPE", ""},
		{"wsgi.url_scheme", "http"},
		{"wsgi.multithread", strconv.FormatBool(c.persistent)},
		{"wsgi.multiprocess", "true"},
		{"wsgi.run_once", strconv.FormatBool(!c.persistent)},
	} {
		c.expect(v.name, vars[v.name], v.want)
	}
	basic := request{path: "/environ", fields: []string{"Authorization: Basic YWRtaW46bm9uc2Vuc2U="}}
	c.expect("a user whose password nobody has checked", c.variable("REMOTE_USER", basic), "")
	c.expect("another method", c.variable("REQUEST_METHOD", request{method: "PROPFIND", path: "/environ"}), "PROPFIND")
}

// checkPaths: PATH_INFO is decoded once and otherwise as sent (C14), and SCRIPT_NAME does not change.
func checkPaths(c *checker) {
	for _, p := range []struct{ sent, want string }{
		{"/a%20b", "/a b"},
		{"/%C3%A9t%C3%A9", "/\xc3\xa9t\xc3\xa9"},
		{"/%E9", "/\xe9"}, // not UTF-8: bytes all the same (R9)
		{"/a%2Fb", "/a/b"},
		{"/%2541", "/%41"},
		{"/a%25", "/a%"},
		{"/a//b", "/a//b"},
		{"/a/", "/a/"},
		{"/a/./b", "/a/b"},
		{"/a/x/../b", "/a/b"},
		{"/a;p=1,2", "/a;p=1,2"},
		{"/a+b", "/a+b"},
		{"/a%3Fb", "/a?b"},
		{"/a%0Ab", "/a\nb"},
		{"/a%00b", "400"},
	} {
		r := request{path: "/environ" + p.sent}
		c.expect(p.sent, strings.TrimPrefix(c.variable("PATH_INFO", r), "/environ"), p.want)
		if got := c.variable("SCRIPT_NAME", r); got != c.script && (got == "" || got[0] == '/') {
			c.Errorf("%s: SCRIPT_NAME of %s is %q", c.site.name, p.sent, got)
		}
	}
}

// variable returns a variable as the application was given it with a request, or the status of an
// answer that is not its.
func (c *checker) variable(name string, r request) string {
	c.Helper()
	answer, err := c.try(r)
	if err != nil {
		return "no answer"
	}
	if answer.code != 200 {
		return strconv.Itoa(answer.code)
	}
	return parseEnviron(c, answer)[name]
}

func parseEnviron(c *checker, answer *response) map[string]string {
	c.Helper()
	if answer.code != 200 {
		c.Fatalf("%s: status %d, %q", c.site.name, answer.code, answer.body)
	}
	vars := make(map[string]string)
	for line := range strings.Lines(string(answer.body)) {
		name, quoted, _ := strings.Cut(strings.TrimSpace(line), "=")
		value, err := strconv.Unquote(quoted)
		if err != nil {
			c.Fatalf("%s: %q: %v", c.site.name, line, err)
		}
		vars[name] = value
	}
	return vars
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
