package lambda

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
	"example.com/gateway/request"
)

// A form is a kind of event, and of the answer to it.
type form uint8

const (
	formURL      form = iota // of a function URL: payload format 2.0, with the path as it was sent
	formHTTP                 // of an HTTP API: payload format 2.0, with the path decoded
	formHTTPv1               // of an HTTP API in payload format 1.0, with the path decoded
	formREST                 // of a REST API
	formALB                  // of an Application Load Balancer
	formALBMulti             // of one whose target group has multi-value headers
)

// streams reports whether Lambda takes a streamed response to such an event.
func (f form) streams() bool { return f == formURL || f == formREST }

// An event is what is read of one. An empty field is absent, null or empty.
type event struct {
	form form

	version, kind              string // kind is what an event of an authorizer has
	httpMethod, path           string // before payload format 2.0
	rawPath, rawQuery          string // payload format 2.0
	headers, multiHeaders      value
	query, multiQuery, cookies value
	body                       string
	isBase64                   bool
	hasELB                     bool // requestContext has an elb
	domain, stage, fullPath    string
	method, protocol, sourceIP string // of requestContext.http
	protocolV1, sourceIPv1     string
	names                      []string // of the event's fields, for an error
}

// errNoRequest is for an event that is no HTTP request.
var errNoRequest = errors.New("lambda: the event is no HTTP request")

const wantEvent = "want an event of a function URL, an HTTP or REST API, or a load balancer"

// parseEvent reads an event. Its errors name the field that is wrong.
func parseEvent(data []byte) (*event, error) {
	object, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	e := &event{names: make([]string, 0, 16)}
	if err := object.each(e.field); err != nil {
		return nil, err
	}
	return e, e.recognize()
}

// field reads a field of the event.
func (e *event) field(name string, v value) error {
	e.names = append(e.names, name)
	switch name {
	case "version":
		return v.string(&e.version, name)
	case "type":
		return v.string(&e.kind, name)
	case "httpMethod":
		return v.string(&e.httpMethod, name)
	case "path":
		return v.string(&e.path, name)
	case "rawPath":
		return v.string(&e.rawPath, name)
	case "rawQueryString":
		return v.string(&e.rawQuery, name)
	case "body":
		return v.string(&e.body, name)
	case "cookies":
		return v.keep(&e.cookies, "a list", name)
	case "headers":
		return v.keep(&e.headers, "an object", name)
	case "multiValueHeaders":
		return v.keep(&e.multiHeaders, "an object", name)
	case "queryStringParameters":
		return v.keep(&e.query, "an object", name)
	case "multiValueQueryStringParameters":
		return v.keep(&e.multiQuery, "an object", name)
	case "isBase64Encoded":
		if v.isNull() {
			return nil
		}
		e.isBase64 = v == "true"
		return v.want("a boolean", name)
	case "requestContext":
		return v.members(e.contextField, name)
	}
	return nil
}

// contextField reads a field of the event's requestContext.
func (e *event) contextField(name string, v value) error {
	const context = "requestContext"
	switch name {
	case "elb":
		e.hasELB = !v.isNull()
	case "domainName":
		return v.string(&e.domain, context, name)
	case "stage":
		return v.string(&e.stage, context, name)
	case "path":
		return v.string(&e.fullPath, context, name)
	case "protocol":
		return v.string(&e.protocolV1, context, name)
	case "identity":
		return v.members(func(inner string, v value) error {
			if inner == "sourceIp" {
				return v.string(&e.sourceIPv1, context, name, inner)
			}
			return nil
		}, context, name)
	case "http":
		return v.members(func(inner string, v value) error {
			switch inner {
			case "method":
				return v.string(&e.method, context, name, inner)
			case "protocol":
				return v.string(&e.protocol, context, name, inner)
			case "sourceIp":
				return v.string(&e.sourceIP, context, name, inner)
			}
			return nil
		}, context, name)
	}
	return nil
}

// want returns an error if v, which is at path in the event, is of another kind. null is of any
// kind.
func (v value) want(kind string, path ...string) error {
	if got := v.kind(); got != kind && !v.isNull() {
		name := header.Quote(strings.Join(path, "."))
		return fmt.Errorf("lambda: the event's %s is %s, want %s", name, got, kind)
	}
	return nil
}

// string stores the string that v is, unless v is null.
func (v value) string(to *string, path ...string) error {
	if err := v.want("a string", path...); err != nil || v.isNull() {
		return err
	}
	*to = v.text()
	return nil
}

// keep stores v, unless v is null.
func (v value) keep(to *value, kind, name string) error {
	if !v.isNull() {
		*to = v
	}
	return v.want(kind, name)
}

// members calls f for each member of an object.
func (v value) members(f func(string, value) error, path ...string) error {
	if err := v.want("an object", path...); err != nil || v.isNull() {
		return err
	}
	return v.each(f)
}

// recognize finds out by the event's shape what it is of.
func (e *event) recognize() error {
	switch {
	case e.kind != "":
		return fmt.Errorf("%w, but one for an authorizer (type is %s); %s", errNoRequest,
			header.Quote(e.kind), wantEvent)
	case e.hasELB && e.multiHeaders != "":
		e.form = formALBMulti
	case e.hasELB:
		e.form = formALB
	case e.version == "2.0" && e.method != "":
		// Every function URL has such a name. An HTTP API has a name of another service, or the
		// deployer's own.
		e.form = formHTTP
		if strings.Contains(e.domain, ".lambda-url.") {
			e.form = formURL
		}
		e.path = e.rawPath
		return e.complete("rawPath")
	case e.version == "2.0":
		return fmt.Errorf("%w: it is of version 2.0 and has no requestContext.http.method; %s",
			errNoRequest, wantEvent)
	case e.version == "1.0":
		e.form = formHTTPv1
	case e.version != "":
		return fmt.Errorf("%w: its version is %s; %s", errNoRequest, header.Quote(e.version),
			wantEvent)
	case e.httpMethod != "":
		e.form = formREST
	default:
		return fmt.Errorf("%w: it has no httpMethod, and %s; %s", errNoRequest, e.has(), wantEvent)
	}
	e.method, e.protocol, e.sourceIP = e.httpMethod, e.protocolV1, e.sourceIPv1
	if e.method == "" {
		return fmt.Errorf("%w: it has no httpMethod; %s", errNoRequest, wantEvent)
	}
	return e.complete("path")
}

// complete returns an error if the event has no path.
func (e *event) complete(name string) error {
	if e.path == "" {
		return fmt.Errorf("%w: it has no %s; %s", errNoRequest, name, wantEvent)
	}
	return nil
}

// has says which fields the event has.
func (e *event) has() string {
	if len(e.names) == 0 {
		return "no other field"
	}
	list := e.names[:min(len(e.names), 5)]
	for i, name := range list {
		list[i] = header.Quote(name)
	}
	return "has " + strings.Join(list, ", ")
}

// environ makes env the request of the event. The first error says what of the event is wrong; the
// second is one for request.Refuse.
func (e *event) environ(limits request.Limits, env *gateway.Environ) (error, error) {
	b := request.Builder{Limits: limits}
	add := func(name, value string) {
		if value != "" {
			_ = b.Add(name, value)
		}
	}
	query, err := e.queryString()
	if err != nil {
		return err, nil
	}
	script, path, isDecoded := e.paths()
	add("GATEWAY_INTERFACE", "CGI/1.1")
	add("SERVER_SOFTWARE", "AWS Lambda")
	add("REQUEST_METHOD", e.method)
	add("QUERY_STRING", query)
	if isDecoded {
		add("SCRIPT_NAME", script)
		add("PATH_INFO", path)
	} else {
		target := script + path
		if query != "" {
			target += "?" + query
		}
		add("REQUEST_URI", target)
		// A "%" that begins no byte stays, as it does in web servers.
		add("SCRIPT_NAME", unescape(script))
		add("PATH_INFO", unescape(path))
	}
	add("REMOTE_ADDR", e.sourceIP)
	if e.protocol == "" {
		e.protocol = "HTTP/1.1"
	}
	add("SERVER_PROTOCOL", e.protocol)
	host, proto, port := "", "", ""
	err = e.eachHeader(func(name, value string) {
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding":
			return // the event has the body, whole and decoded
		case "host":
			host = value
		case "x-forwarded-proto":
			proto = value
		case "x-forwarded-port":
			port = value
		}
		_ = b.AddHeader(name, value)
	})
	if err != nil {
		return err, nil
	}
	if e.form >= formALB {
		e.domain = host // the name that the client has used: the event has no other
	} else {
		proto, port = "https", "443" // a function URL and API Gateway have no http
	}
	add("SERVER_NAME", e.domain)
	if isPort(port) {
		add("SERVER_PORT", port)
	}
	if proto == "https" {
		add("HTTPS", "on")
	}
	if e.isBase64 {
		body, err := base64.StdEncoding.DecodeString(e.body)
		if err != nil {
			return fmt.Errorf("lambda: the event's body is no base64, although isBase64Encoded "+
				"is true: %w", err), nil
		}
		e.body = string(body)
	}
	if e.body != "" {
		add("CONTENT_LENGTH", strconv.Itoa(len(e.body)))
	}
	_, refusal := b.Finish(env)
	env.Input = strings.NewReader(e.body)
	return nil, refusal
}

// unescape decodes a path. It returns a path that is not well encoded as it is.
func unescape(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		return decoded
	}
	return path
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// paths returns SCRIPT_NAME and PATH_INFO, and whether they are decoded. SCRIPT_NAME is the stage
// of an API, where the path of the request has it.
func (e *event) paths() (script, path string, isDecoded bool) {
	isDecoded = e.form == formHTTP || e.form == formHTTPv1
	path = e.path
	switch e.form {
	case formREST:
		// The path lacks the stage, which requestContext.path has. On a domain of the deployer's
		// own the two are the same.
		stage, found := strings.CutSuffix(e.fullPath, path)
		if found && strings.HasPrefix(stage, "/") {
			script = stage
		}
	case formHTTP, formHTTPv1:
		if e.stage == "" || e.stage == "$default" {
			break
		}
		rest, found := strings.CutPrefix(path, "/"+e.stage)
		if found && (rest == "" || rest[0] == '/') {
			script, path = "/"+e.stage, rest
		}
	}
	return script, path, isDecoded
}

// eachHeader calls f for each header, in order, and for each cookie as a header of its own.
func (e *event) eachHeader(f func(name, value string)) error {
	list, path := e.multiHeaders, "multiValueHeaders"
	if list == "" {
		list, path = e.headers, "headers"
	}
	if err := eachPair(list, path, f); err != nil || e.cookies == "" {
		return err
	}
	return e.cookies.each(func(_ string, v value) error {
		var cookie string
		err := v.string(&cookie, "cookies")
		f("Cookie", cookie)
		return err
	})
}

// eachPair calls f for each value of the names of an object: of a string, or of a list of strings
// if the name of the object begins with "multi".
func eachPair(object value, name string, f func(name, value string)) error {
	if object == "" {
		return nil
	}
	isMulti := strings.HasPrefix(name, "multi")
	return object.each(func(member string, v value) error {
		one := func(_ string, v value) error {
			var s string
			if err := v.string(&s, name, member); err != nil || v.isNull() {
				return err
			}
			f(member, s)
			return nil
		}
		if !isMulti {
			return one("", v)
		}
		if err := v.want("a list", name, member); err != nil || v.isNull() {
			return err
		}
		return v.each(one)
	})
}

// queryString returns the query. API Gateway has decoded that of a REST API, and a load balancer
// has left it as it was.
func (e *event) queryString() (string, error) {
	if e.form <= formHTTP {
		return e.rawQuery, nil
	}
	list, path := e.multiQuery, "multiValueQueryStringParameters"
	if list == "" {
		list, path = e.query, "queryStringParameters"
	}
	encode := url.QueryEscape
	if e.form >= formALB {
		encode = func(s string) string { return s }
	}
	var b strings.Builder
	err := eachPair(list, path, func(name, value string) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(encode(name))
		if value != "" { // the event does not say whether a parameter without a value had a "="
			b.WriteByte('=')
			b.WriteString(encode(value))
		}
	})
	return b.String(), err
}
