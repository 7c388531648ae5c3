package lambda

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/request"
)

// environOf returns the request that an event becomes. An error of the event comes before a refusal
// of the request.
func environOf(event string) (*gateway.Environ, error) {
	e, err := parseEvent([]byte(event))
	if err != nil {
		return nil, err
	}
	env := new(gateway.Environ)
	err, refusal := e.environ(request.Limits{}, env)
	if err == nil {
		err = refusal
	}
	return env, err
}

// The facts are those of the vendor's documentation, of the events that its Go library tests with,
// and of what users have captured.
const (
	urlEvent = `{
		"version": "2.0", "routeKey": "$default", "rawPath": "/shop/caf%C3%A9/", "rawQueryString": "a=1&a=%202&b",
		"cookies": ["s=1", "t=2"],
		"headers": {"accept": "text/html,text/plain", "content-length": "99", "content-type": "text/plain",
			"host": "abc.lambda-url.us-west-2.on.aws", "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https",
			"proxy": "evil", "x_under": "dropped"},
		"queryStringParameters": {"a": "1, 2", "b": ""},
		"requestContext": {"accountId": "123456789012", "apiId": "abc", "authentication": null,
			"authorizer": {"iam": {"userId": "AIDA"}}, "domainName": "abc.lambda-url.us-west-2.on.aws", "domainPrefix": "abc",
			"http": {"method": "POST", "path": "/shop/café", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7", "userAgent": "agent"},
			"requestId": "id", "routeKey": "$default", "stage": "$default", "time": "12/Mar/2020:19:03:58 +0000",
			"timeEpoch": 1583348638390},
		"body": "Hello from client!", "pathParameters": null, "isBase64Encoded": false, "stageVariables": null}`

	httpEvent = `{"version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": "/dev/100%25 é", "rawQueryString": "",
		"headers": {"host": "xyz.execute-api.eu-west-1.amazonaws.com", "x-forwarded-port": "443"},
		"requestContext": {"domainName": "xyz.execute-api.eu-west-1.amazonaws.com", "stage": "dev",
			"http": {"method": "GET", "path": "/dev/100%25 é", "protocol": "HTTP/1.1", "sourceIp": "2001:db8::1"}},
		"isBase64Encoded": false}`

	restEvent = `{"resource": "/{proxy+}", "path": "/hello/w%20rld", "httpMethod": "POST",
		"headers": {"Accept": "*/*", "Host": "gy4.execute-api.us-east-1.amazonaws.com", "X-Two": "b"},
		"multiValueHeaders": {"Accept": ["*/*"], "Cookie": ["a=1; b=2", "c=3"],
			"Host": ["gy4.execute-api.us-east-1.amazonaws.com"], "X-Forwarded-For": ["203.0.113.9, 203.0.113.10"],
			"X-Forwarded-Port": ["443"], "X-Two": ["a", "b"]},
		"queryStringParameters": {"name": "you & me"},
		"multiValueQueryStringParameters": {"name": ["me", "you & me"], "empty": [""]},
		"pathParameters": {"proxy": "hello/world"}, "stageVariables": {"stageVariableName": "stageVariableValue"},
		"requestContext": {"accountId": "123456789012", "path": "/prod/hello/w%20rld", "stage": "prod",
			"domainName": "gy4.execute-api.us-east-1.amazonaws.com", "protocol": "HTTP/1.1",
			"identity": {"accountId": null, "sourceIp": "192.0.2.7", "userAgent": "curl"},
			"authorizer": {"principalId": "admin", "clientId": 1}, "resourcePath": "/{proxy+}", "httpMethod": "POST"},
		"body": "eyJhIjogMX0=", "isBase64Encoded": true}`

	albEvent = `{"requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/t/a"}},
		"httpMethod": "GET", "path": "/a%2Fb", "queryStringParameters": {"q": "foo%3Dbar%26", "r%5B%5D": "1"},
		"headers": {"accept": "*/*", "connection": "keep-alive", "host": "app.example.com:8080",
			"x-forwarded-for": "203.0.113.9", "x-forwarded-port": "8080", "x-forwarded-proto": "http"},
		"body": "", "isBase64Encoded": false}`

	albMultiEvent = `{"requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/t/a"}},
		"httpMethod": "GET", "path": "/", "multiValueQueryStringParameters": {"q": ["1", "2"]},
		"multiValueHeaders": {"host": ["app.example.com"], "x-forwarded-for": ["203.0.113.9"],
			"x-forwarded-port": ["443"], "x-forwarded-proto": ["https"], "x-two": ["a", "b"]},
		"body": "", "isBase64Encoded": false}`
)

func TestWhatEachEventBecomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, event  string
		scheme, body string
		vars         map[string]string // beside those that all have
	}{
		{"function URL", urlEvent, "https", "Hello from client!", map[string]string{
			"REQUEST_METHOD": "POST", "REQUEST_URI": "/shop/caf%C3%A9/?a=1&a=%202&b",
			"PATH_INFO":    "/shop/café/",
			"QUERY_STRING": "a=1&a=%202&b", "SERVER_NAME": "abc.lambda-url.us-west-2.on.aws",
			"SERVER_PORT": "443",
			"HTTPS":       "on", "REMOTE_ADDR": "192.0.2.7", "CONTENT_TYPE": "text/plain",
			"CONTENT_LENGTH": "18",
			"HTTP_ACCEPT":    "text/html,text/plain", "HTTP_HOST": "abc.lambda-url.us-west-2.on.aws",
			"HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_X_FORWARDED_PROTO": "https",
			"HTTP_COOKIE": "s=1; t=2"}},
		{"HTTP API, a named stage", httpEvent, "https", "", map[string]string{
			"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/dev", "PATH_INFO": "/100%25 é", "HTTPS": "on",
			"SERVER_NAME": "xyz.execute-api.eu-west-1.amazonaws.com", "SERVER_PORT": "443",
			"REMOTE_ADDR":           "2001:db8::1",
			"HTTP_HOST":             "xyz.execute-api.eu-west-1.amazonaws.com",
			"HTTP_X_FORWARDED_PORT": "443"}},
		{"REST API", restEvent, "https", `{"a": 1}`, map[string]string{
			"REQUEST_METHOD": "POST",
			"REQUEST_URI":    "/prod/hello/w%20rld?name=me&name=you+%26+me&empty",
			"SCRIPT_NAME":    "/prod", "PATH_INFO": "/hello/w rld",
			"QUERY_STRING": "name=me&name=you+%26+me&empty",
			"HTTPS":        "on", "SERVER_NAME": "gy4.execute-api.us-east-1.amazonaws.com",
			"SERVER_PORT": "443",
			"REMOTE_ADDR": "192.0.2.7", "CONTENT_LENGTH": "8", "HTTP_ACCEPT": "*/*",
			"HTTP_COOKIE":           "a=1; b=2; c=3",
			"HTTP_HOST":             "gy4.execute-api.us-east-1.amazonaws.com",
			"HTTP_X_FORWARDED_FOR":  "203.0.113.9, 203.0.113.10",
			"HTTP_X_FORWARDED_PORT": "443", "HTTP_X_TWO": "a, b"}},
		{"load balancer", albEvent, "http", "", map[string]string{
			"REQUEST_METHOD": "GET", "REQUEST_URI": "/a%2Fb?q=foo%3Dbar%26&r%5B%5D=1",
			"PATH_INFO":    "/a/b",
			"QUERY_STRING": "q=foo%3Dbar%26&r%5B%5D=1", "SERVER_NAME": "app.example.com",
			"SERVER_PORT": "8080",
			"HTTP_ACCEPT": "*/*", "HTTP_CONNECTION": "keep-alive",
			"HTTP_HOST":            "app.example.com:8080",
			"HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_X_FORWARDED_PORT": "8080",
			"HTTP_X_FORWARDED_PROTO": "http"}},
		{"load balancer, multi-value headers", albMultiEvent, "https", "", map[string]string{
			"REQUEST_METHOD": "GET", "REQUEST_URI": "/?q=1&q=2", "PATH_INFO": "/",
			"QUERY_STRING": "q=1&q=2",
			"HTTPS":        "on", "SERVER_NAME": "app.example.com", "SERVER_PORT": "443",
			"HTTP_HOST":            "app.example.com",
			"HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_X_FORWARDED_PORT": "443",
			"HTTP_X_FORWARDED_PROTO": "https",
			"HTTP_X_TWO":             "a, b"}},
	} {
		env, err := environOf(c.event)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for name, value := range map[string]string{"GATEWAY_INTERFACE": "CGI/1.1",
			"SERVER_SOFTWARE": "AWS Lambda",
			"SERVER_PROTOCOL": "HTTP/1.1"} {
			c.vars[name] = value
		}
		if !maps.Equal(env.Vars, c.vars) {
			for name := range maps.All(merged(env.Vars, c.vars)) {
				if env.Vars[name] != c.vars[name] {
					t.Errorf("%s: %s is %q, want %q", c.name, name, env.Vars[name], c.vars[name])
				}
			}
		}
		body, err := io.ReadAll(env.Input)
		if string(body) != c.body || err != nil || env.URLScheme != c.scheme {
			t.Errorf("%s: the body is %q, %v, and the scheme %q", c.name, body, err, env.URLScheme)
		}
	}
}

func merged(a, b map[string]string) map[string]string {
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

// rest and alb return an event with other members.
func rest(members string) string {
	return `{"httpMethod": "GET", "path": "/p", "requestContext": {"path": "/p", "domainName": ` +
		`"a.example"}, ` + members + `}`
}

func alb(members string) string {
	return `{"httpMethod": "GET", "path": "/p", "requestContext": {"elb": {}}, ` + members + `}`
}

func v2(domain, path, members string) string {
	return fmt.Sprintf(`{"version": "2.0", "rawPath": %q, "requestContext": {"domainName": %q, `+
		`"stage": "$default", `+
		`"http": {"method": "GET", "path": "/other", "sourceIp": "192.0.2.1"}}, %s "x": 1}`, path,
		domain, members)
}

// Each row is a fault of an adapter that its users have reported, or a detail that would be one.
func TestFaultsOfAdapters(t *testing.T) {
	t.Parallel()
	const url = "a.lambda-url.eu-west-1.on.aws"
	for _, c := range []struct {
		name, event, variable, want string
	}{
		{"the path is decoded once", rest(`"path": "/a%2520b"`), "PATH_INFO", "/a%20b"},
		{"the path of a function URL is decoded", v2(url, "/a%20b", ""), "PATH_INFO", "/a b"},
		{"the path of an HTTP API is not decoded twice", v2("a.example", "/a%20b", ""), "PATH_INFO",
			"/a%20b"},
		{"nobody knows the target that an HTTP API got", v2("a.example", "/a", ""), "REQUEST_URI",
			""},
		{"the path of an HTTP API in format 1.0 is not decoded twice",
			`{"version": "1.0", "httpMethod": "GET", "path": "/dev/a%20b", "requestContext": ` +
				`{"stage": "dev"}}`, "PATH_INFO", "/a%20b"},
		{"a slash at the end stays", v2(url, "/a/", ""), "PATH_INFO", "/a/"},
		{"a percent sign that begins no byte stays", v2(url, "/100%", ""), "PATH_INFO", "/100%"},
		{"an encoded slash can be told", v2(url, "/a%2Fb", ""), "REQUEST_URI", "/a%2Fb"},
		{"an encoded question mark is of the path", v2(url, "/a%3Fb", `"rawQueryString": "c",`),
			"PATH_INFO", "/a?b"},

		{"the query of a load balancer is not encoded twice",
			alb(`"queryStringParameters": {"x": "a%3Db"}`), "QUERY_STRING", "x=a%3Db"},
		{"the query of a REST API is encoded again",
			rest(`"multiValueQueryStringParameters": {"x[]": ["a=b", "é"]}`),
			"QUERY_STRING", "x%5B%5D=a%3Db&x%5B%5D=%C3%A9"},
		{"a repeated parameter stays", v2(url, "/",
			`"rawQueryString": "a=1&a=2", "queryStringParameters": {"a": "1,2"},`),
			"QUERY_STRING", "a=1&a=2"},
		{"a comma in a parameter is no second one",
			rest(`"multiValueQueryStringParameters": {"a": ["1,2"]}`), "QUERY_STRING", "a=1%2C2"},
		{"an event without lists has the parameters once",
			rest(`"queryStringParameters": {"a": "1"}`), "QUERY_STRING", "a=1"},
		{"parameters that are null are none",
			rest(`"queryStringParameters": null, "multiValueQueryStringParameters": null`),
			"QUERY_STRING", ""},

		{"the address is not that of a header", rest(`"headers": {"X-Forwarded-For": "6.6.6.6"}`),
			"REMOTE_ADDR", ""},
		{"a load balancer has none", alb(`"headers": {"x-forwarded-for": "6.6.6.6"}`),
			"REMOTE_ADDR", ""},
		{"a header does not make https of a load balancer's http",
			alb(`"headers": {"x-forwarded-proto": "http", "https": "on"}`), "HTTPS", ""},
		{"a header does not make http of https", rest(`"headers": {"X-Forwarded-Proto": "http"}`),
			"HTTPS", "on"},
		{"a header does not change the port", rest(`"headers": {"X-Forwarded-Port": "1"}`),
			"SERVER_PORT", "443"},
		{"a port that is none is not taken", alb(`"headers": {"x-forwarded-port": "http"}`),
			"SERVER_PORT", "80"},
		{"the name is not that of a header", rest(`"headers": {"Host": "evil.example"}`),
			"SERVER_NAME", "a.example"},

		{"cookies are one header", v2(url, "/", `"cookies": ["a=1", "b=2"],`), "HTTP_COOKIE",
			"a=1; b=2"},
		{"cookies that are null are none", v2(url, "/", `"cookies": null,`), "HTTP_COOKIE", ""},
		{"cookies in several headers are one",
			rest(`"multiValueHeaders": {"cookie": ["a=1", "b=2"]}`), "HTTP_COOKIE", "a=1; b=2"},
		{"headers that differ in case are one",
			rest(`"multiValueHeaders": {"X-A": ["1"], "x-a": ["2"]}`), "HTTP_X_A", "1, 2"},
		{"the length is that of the body", rest(`"body": "é", "headers": {"Content-Length": "1"}`),
			"CONTENT_LENGTH", "2"},
		{"chunks were decoded", rest(`"body": "a", "headers": {"Transfer-Encoding": "chunked"}`),
			"CONTENT_LENGTH", "1"},
		{"a body that is null is none", rest(`"body": null, "isBase64Encoded": null`),
			"CONTENT_LENGTH", ""},

		{"a custom domain has no stage", rest(`"requestContext": {"stage": "prod", "path": "/p"}`),
			"SCRIPT_NAME", ""},
		{"a base path is of the path",
			rest(`"path": "/base/p", "requestContext": {"stage": "prod", "path": "/base/p"}`),
			"PATH_INFO", "/base/p"},
		{"a path that begins like the stage is not in it",
			strings.Replace(v2("a.example", "/device", ""), "$default", "dev", 1), "PATH_INFO",
			"/device"},
		{"the stage alone is an empty path", strings.Replace(v2("a.example", "/dev", ""),
			"$default", "dev", 1), "SCRIPT_NAME", "/dev"},
		{"requestContext may be null",
			`{"httpMethod": "GET", "path": "/p", "requestContext": null}`, "PATH_INFO", "/p"},
		{"headers may be null", rest(`"headers": null, "multiValueHeaders": null`), "PATH_INFO",
			"/p"},
		{"a header may be null", rest(`"headers": {"X-A": null}`), "HTTP_X_A", ""},
		{"a header in a list may be null",
			rest(`"multiValueHeaders": {"X-A": ["1", null], "X-B": null}`), "HTTP_X_A", "1"},
		{"escapes of JSON are characters", rest(`"headers": {"X-\u0041": "\u00e9\ud83d\ude00\""}`),
			"HTTP_X_A", "é😀\""},
		{"an escaped backslash does not hide the end of a value",
			rest(`"headers": {"X-A": "a\\", "X-B": "b\"\\"}`), "HTTP_X_A", `a\`},
		{"a header from nowhere makes no proxy", rest(`"headers": {"Proxy": "evil"}`), "HTTP_PROXY",
			""},
		{"the test button has an address that is none",
			rest(`"requestContext": {"identity": {"sourceIp": "test-invoke-source-ip"}}`),
			"REMOTE_ADDR", "test-invoke-source-ip"},
	} {
		env, err := environOf(c.event)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := env.Vars[c.variable]; got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.name, c.variable, got, c.want)
		}
	}
}

// The error of an event that is wrong names the field, and an event of something else says what it
// has.
func TestEventsThatAreNoRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ event, want string }{
		{``, "no JSON"},
		{`{"a"`, "no JSON: unexpected end"},
		{"{} {}", "no JSON"},
		{`[1, 2]`, "no JSON object, but a list"},
		{`null`, "no JSON object, but null"},
		{`"GET / HTTP/1.1"`, "no JSON object, but a string"},
		{` -1.5e3 `, "no JSON object, but a number"},
		{`true`, "no JSON object, but a boolean"},
		{`{}`, "it has no httpMethod, and no other field"},
		{`{"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}`,
			`it has no httpMethod, and has "Records"`},
		{`{"a\nb": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}`, `has "a\nb", "b", "c", "d", "e";`},
		{`{"version": "3.0"}`, `its version is "3.0"`},
		{`{"version": 2.0}`, `event's "version" is a number, want a string`},
		{`{"version": "2.0"}`, "no requestContext.http.method"},
		{`{"version": "2.0", "requestContext": {"http": null}}`, "no requestContext.http.method"},
		{`{"version": "2.0", "requestContext": {"http": {"method": null}}}`,
			"no requestContext.http.method"},
		{`{"version": "2.0", "requestContext": {"http": {"method": 5}}}`,
			`"requestContext.http.method" is a number`},
		{`{"version": "2.0", "requestContext": {"http": {"protocol": {}}}}`,
			`"requestContext.http.protocol" is an object`},
		{`{"version": "2.0", "requestContext": {"http": {"sourceIp": []}}}`,
			`"requestContext.http.sourceIp" is a list`},
		{`{"version": "2.0", "requestContext": {"http": []}}`,
			`"requestContext.http" is a list, want an object`},
		{`{"version": "2.0", "requestContext": {"http": {"method": "GET"}}}`, "it has no rawPath"},
		{`{"version": "2.0", "rawPath": null, "requestContext": {"http": {"method": "GET"}}}`,
			"it has no rawPath"},
		{`{"version": "2.0", "rawPath": ["/"]}`, `"rawPath" is a list`},
		{`{"rawQueryString": {}}`, `"rawQueryString" is an object`},
		{`{"version": "2.0", "type": "REQUEST", "rawPath": "/", "requestContext": {"http": ` +
			`{"method": "GET"}}}`, `authorizer (type is "REQUEST")`},
		{`{"type": "REQUEST", "methodArn": "arn", "httpMethod": "GET", "path": "/"}`,
			`authorizer (type is "REQUEST")`},
		{`{"httpMethod": "GET"}`, "it has no path"},
		{`{"httpMethod": "GET", "path": null}`, "it has no path"},
		{`{"httpMethod": true}`, `"httpMethod" is a boolean, want a string`},
		{`{"path": "/", "requestContext": {"elb": {}}}`, "it has no httpMethod"},
		{rest(`"path": 7`), `"path" is a number`},
		{rest(`"requestContext": "x"`), `"requestContext" is a string, want an object`},
		{rest(`"requestContext": {"identity": 1}`), `"requestContext.identity" is a number`},
		{rest(`"requestContext": {"identity": {"sourceIp": 1}}`),
			`"requestContext.identity.sourceIp" is a number`},
		{rest(`"requestContext": {"domainName": 1}`), `"requestContext.domainName" is a number`},
		{rest(`"requestContext": {"stage": 1}`), `"requestContext.stage" is a number`},
		{rest(`"requestContext": {"path": 1}`), `"requestContext.path" is a number`},
		{rest(`"requestContext": {"protocol": 1}`), `"requestContext.protocol" is a number`},
		{rest(`"headers": ["a"]`), `"headers" is a list, want an object`},
		{rest(`"headers": {"X-A": ["a"]}`), `"headers.X-A" is a list, want a string`},
		{v2("a.example", "/", `"headers": {"accept": ["a"]},`),
			`"headers.accept" is a list, want a string`},
		{v2("a.example", "/", `"cookies": "a=1",`), `"cookies" is a string, want a list`},
		{v2("a.example", "/", `"cookies": [1],`), `"cookies" is a number, want a string`},
		{rest(`"multiValueHeaders": {"X-A": "a"}`),
			`"multiValueHeaders.X-A" is a string, want a list`},
		{rest(`"multiValueHeaders": {"X-A": [{}]}`),
			`"multiValueHeaders.X-A" is an object, want a string`},
		{rest(`"multiValueHeaders": 1`), `"multiValueHeaders" is a number`},
		{rest(`"queryStringParameters": {"a": 1}`),
			`"queryStringParameters.a" is a number, want a string`},
		{rest(`"queryStringParameters": 1`), `"queryStringParameters" is a number`},
		{rest(`"multiValueQueryStringParameters": {"a": "1"}`),
			`"multiValueQueryStringParameters.a" is a string, want a list`},
		{rest(`"multiValueQueryStringParameters": "1"`),
			`"multiValueQueryStringParameters" is a string`},
		{rest(`"body": {"a": 1}`), `"body" is an object, want a string`},
		{rest(`"isBase64Encoded": "true"`), `"isBase64Encoded" is a string, want a boolean`},
		{rest(`"isBase64Encoded": 1`), `"isBase64Encoded" is a number`},
		{rest(`"body": "not base64!", "isBase64Encoded": true`), "body is no base64"},
		{rest(`"body": "YQ", "isBase64Encoded": true`), "body is no base64"},
	} {
		if _, err := environOf(c.event); err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.HasPrefix(err.Error(), "lambda: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", c.event, err, c.want)
		}
	}
}

// An event that is a request, but none that an application should see, is a refusal.
func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		event string
		want  error
	}{
		{rest(`"httpMethod": "G T"`), request.ErrMalformed},
		{rest(`"httpMethod": "CONNECT"`), request.ErrConnect},
		{rest(`"path": "p"`), request.ErrMalformed},
		{rest(`"headers": {"Host": "a b"}`), request.ErrMalformed},
		{rest(`"headers": {"X-A": "a\r\nX-B: c"}`), request.ErrMalformed},
		{rest(`"headers": {"X-A\r\nX-B": "c"}`), request.ErrMalformed},
		{rest(`"headers": {"Content-Type ": "a"}`), request.ErrMalformed},
		{rest(`"multiValueHeaders": {"Host": ["a", "b"]}`), request.ErrMalformed},
		{rest(`"path": "/a%00"`), request.ErrMalformed},
		{rest(`"headers": {"X-A": "` + strings.Repeat("a", 1<<20) + `"}`),
			request.ErrHeaderTooLarge},
	} {
		if _, err := environOf(c.event); !errors.Is(err, c.want) {
			t.Errorf("%.100s: %v, want %v", c.event, err, c.want)
		}
	}
}

// Whatever an event is, there is a request or an error, and what a request has is well-formed.
func FuzzEvent(f *testing.F) {
	for _, event := range []string{urlEvent, httpEvent, restEvent, albEvent, albMultiEvent, `{}`,
		`[]`, `null`,
		rest(`"headers": {"a": "\"\\"}`), alb(`"multiValueHeaders": {"a": []}`),
		`{"a": [{"b": "]"}, "}"], "version": "2.0"}`} {
		f.Add([]byte(event))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		env, err := environOf(string(event))
		if err != nil {
			return
		}
		for name, value := range env.Vars {
			if name == "" || strings.ContainsAny(name, "=\x00\n") || strings.Contains(value,
				"\x00") {
				t.Errorf("%q is %q", name, value)
			}
		}
		if env.Vars["REQUEST_METHOD"] == "" || env.Vars["SERVER_NAME"] == "" ||
			env.Vars["SERVER_PORT"] == "" {
			t.Errorf("the variables are %q", env.Vars)
		}
		body, err := io.ReadAll(env.Input)
		if n, lengthErr := env.ContentLength(); err != nil || lengthErr != nil || max(n,
			0) != int64(len(body)) {
			t.Errorf("the body has %d bytes, %v; the length is %d, %v", len(body), err, n,
				lengthErr)
		}
	})
}
