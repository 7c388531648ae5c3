package testlambda

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// A Kind is a service of AWS that invokes functions for requests over HTTP.
type Kind int

const (
	FunctionURL Kind = iota
	HTTPAPI
	RESTAPI
	ALB      // without multi-value headers
	ALBMulti // with them
)

// A Front is such a service. The documentation of each says that a function which fails is a 502. A
// Front resets the connection, so that a client sees at once that this is no response of the
// function.
type Front struct {
	Kind   Kind
	Stage  string // of an API; "" is none
	Invoke func(event []byte, done <-chan struct{}) *Result
}

// Start starts the front end, until the end of the test, and returns its URL.
func (f *Front) Start(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // an event has the whole body
		}
		event, err := json.Marshal(f.event(r, body))
		if err != nil {
			t.Errorf("no event: %v", err)
		}
		result := f.Invoke(event, r.Context().Done())
		if result == nil || result.Kind != "" {
			panic(http.ErrAbortHandler)
		}
		defer result.Body.Close()
		if err := f.relay(w, result); err != nil {
			if !errors.Is(err, errLeft) && !errors.Is(err, errBroken) {
				t.Errorf("the answer is not understood: %v", err)
			}
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// event returns the event of a request.
func (f *Front) event(r *http.Request, body []byte) map[string]any {
	rawPath, rawQuery, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(rawPath, "/") {
		rawPath = r.URL.EscapedPath()
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	header := r.Header.Clone()
	header.Set("Host", r.Host)
	if len(body) > 0 || r.ContentLength >= 0 && r.Header.Get("Content-Length") != "" {
		header.Set("Content-Length", fmt.Sprint(len(body)))
	}
	e := map[string]any{"body": nil, "isBase64Encoded": false}
	if len(body) > 0 {
		e["body"] = string(body)
		if !utf8.Valid(body) {
			e["body"], e["isBase64Encoded"] = base64.StdEncoding.EncodeToString(body), true
		}
	}
	switch f.Kind {
	case FunctionURL, HTTPAPI:
		f.version2(e, r, header, rawPath, rawQuery, client)
		return e
	case RESTAPI:
		query, _ := url.ParseQuery(rawQuery)
		e["resource"], e["path"], e["httpMethod"] = "/{proxy+}", rawPath, r.Method
		e["headers"], e["multiValueHeaders"] = single(header, nil, lastOf), header
		e["multiValueQueryStringParameters"] = orNull(query)
		e["queryStringParameters"] = orNull(single(query, nil, lastOf))
		e["requestContext"] = map[string]any{"path": f.stage() + rawPath, "stage": f.Stage,
			"protocol":   r.Proto,
			"httpMethod": r.Method, "domainName": r.Host,
			"identity": map[string]any{"sourceIp": client, "userAgent": nil}}
		return e
	}
	if body == nil {
		e["body"] = ""
	}
	header.Set("X-Forwarded-For", client)
	header.Set("X-Forwarded-Proto", "http")
	_, port, _ := net.SplitHostPort(r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
	header.Set("X-Forwarded-Port", port)
	lower := http.Header{}
	for name, values := range header {
		lower[strings.ToLower(name)] = values
	}
	query := map[string][]string{} // undecoded
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if name, value, _ := strings.Cut(pair, "="); pair != "" {
			query[name] = append(query[name], value)
		}
	}
	e["httpMethod"], e["path"] = r.Method, rawPath
	e["requestContext"] = map[string]any{"elb": map[string]any{
		"targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/test/abcdef"}}
	if f.Kind == ALBMulti {
		e["multiValueHeaders"], e["multiValueQueryStringParameters"] = lower, query
	} else {
		e["headers"] = single(lower, nil, lastOf)
		e["queryStringParameters"] = single(query, nil, lastOf)
	}
	return e
}

func (f *Front) version2(e map[string]any, r *http.Request, header http.Header, rawPath, rawQuery,
	client string) {
	host, _, _ := net.SplitHostPort(r.Host)
	domain := "abcdef.lambda-url.eu-central-1.on.aws"
	stage := "$default"
	if f.Kind == HTTPAPI {
		domain = host
		if f.Stage != "" {
			stage = f.Stage
		}
		rawPath, _ = url.PathUnescape(rawPath)
	}
	decoded, _ := url.PathUnescape(rawPath)
	if cookies := header["Cookie"]; len(cookies) > 0 {
		e["cookies"] = strings.Split(strings.Join(cookies, "; "), "; ")
	}
	e["version"], e["routeKey"], e["rawPath"], e["rawQueryString"] = "2.0", "$default",
		f.stage()+rawPath, rawQuery
	e["headers"] = single(header, []string{"Cookie"},
		func(values []string) string { return strings.Join(values, ",") })
	e["requestContext"] = map[string]any{"domainName": domain, "stage": stage,
		"http": map[string]any{
			"method": r.Method, "path": strings.TrimRight(decoded, "/"), "protocol": r.Proto,
			"sourceIp": client}}
}

func (f *Front) stage() string {
	if f.Stage == "" {
		return ""
	}
	return "/" + f.Stage
}

func lastOf(values []string) string { return values[len(values)-1] }

func single(values map[string][]string, without []string,
	one func([]string) string) map[string]string {
	m := map[string]string{}
next:
	for name, list := range values {
		for _, other := range without {
			if name == other {
				continue next
			}
		}
		m[strings.ToLower(name)] = one(list)
	}
	return m
}

func orNull[M ~map[string]V, V any](m M) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

// An answer is what a function returns.
type answer struct {
	StatusCode        int                 `json:"statusCode"`
	StatusDescription *string             `json:"statusDescription"`
	Headers           fields              `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Cookies           []string            `json:"cookies"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// fields are headers in their order.
type fields [][2]string

func (f *fields) UnmarshalJSON(data []byte) error {
	var m map[string]string // which the fields must fit
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*f = fields{}
	d := json.NewDecoder(bytes.NewReader(data))
	_, _ = d.Token()
	for d.More() {
		name, _ := d.Token()
		value, _ := d.Token()
		*f = append(*f, [2]string{name.(string), value.(string)})
	}
	if len(m) != len(*f) {
		return fmt.Errorf("there is a name twice in %s", data)
	}
	return nil
}

var (
	errLeft   = errors.New("the client has left")
	errBroken = errors.New("the response is cut off")
)

// relay sends the response that is the result of a function.
func (f *Front) relay(w http.ResponseWriter, result *Result) error {
	body := bufio.NewReader(result.Body)
	if !result.IsStream {
		data, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		var a answer
		if err := strict(data, &a); err != nil {
			return fmt.Errorf("%.200s: %w", data, err)
		}
		if a.IsBase64Encoded {
			text, err := base64.StdEncoding.DecodeString(a.Body)
			if err != nil {
				return err
			}
			a.Body = string(text)
		}
		if err := f.head(w, &a); err != nil {
			return fmt.Errorf("%.200s: %w", data, err)
		}
		_, _ = io.WriteString(w, a.Body)
		return nil
	}
	prelude, err := readPrelude(body)
	if err != nil {
		return err
	}
	var a answer
	if err := strict(prelude, &a); err != nil || a.Body != "" {
		return fmt.Errorf("the prelude %.200q: %w", prelude, err)
	}
	if err := f.head(w, &a); err != nil {
		return fmt.Errorf("%.200s: %w", prelude, err)
	}
	for buf := make([]byte, 64<<10); ; {
		if http.NewResponseController(w).Flush() != nil {
			return errLeft
		}
		n, err := body.Read(buf)
		if _, err := w.Write(buf[:n]); err != nil {
			return errLeft
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return errBroken
		}
	}
	if result.Trailer() != "" {
		return errBroken
	}
	return nil
}

// readPrelude reads what is before the eight zeros.
func readPrelude(r *bufio.Reader) ([]byte, error) {
	var b []byte
	for !bytes.HasSuffix(b, make([]byte, 8)) {
		c, err := r.ReadByte()
		if err != nil {
			return nil, fmt.Errorf("after %q: %w", b, err)
		}
		b = append(b, c)
	}
	return b[:len(b)-8], nil
}

// head sends the head of a response, unless it has what this front end does not take.
func (f *Front) head(w http.ResponseWriter, a *answer) error {
	isV2, isMulti := f.Kind <= HTTPAPI, f.Kind == RESTAPI || f.Kind == ALBMulti
	isALB := f.Kind >= ALB
	switch {
	case a.StatusCode < 100 || a.StatusCode > 999:
		return fmt.Errorf("the status code is %d", a.StatusCode)
	case isALB != (a.StatusDescription != nil):
		return errors.New("there is a statusDescription, or none")
	case isALB && !strings.HasPrefix(*a.StatusDescription, fmt.Sprint(a.StatusCode, " ")):
		return fmt.Errorf("the statusDescription is %q", *a.StatusDescription)
	case a.Cookies != nil && !isV2:
		return errors.New("there are cookies")
	case a.Headers != nil && isMulti, a.MultiValueHeaders != nil && !isMulti:
		return errors.New("the headers are in the wrong form")
	}
	h := w.Header()
	for _, field := range a.Headers {
		name := http.CanonicalHeaderKey(field[0])
		if isV2 && name == "Set-Cookie" {
			return errors.New("a cookie is in the headers")
		}
		if h[name] != nil && name != "Set-Cookie" {
			return fmt.Errorf("the header %s is there twice", name)
		}
		h[name] = append(h[name], field[1])
	}
	for name, values := range a.MultiValueHeaders {
		h[http.CanonicalHeaderKey(name)] = values
	}
	for _, cookie := range a.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // net/http is not to guess
	}
	w.WriteHeader(a.StatusCode)
	return nil
}
