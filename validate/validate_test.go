package validate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"example.com/gateway"
	"example.com/gateway/validate"
)

var (
	plain   = gateway.Headers{{"Content-Type", "text/plain"}}
	errBoom = errors.New("boom")
)

func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text("Hello World !\n"), err
}

// environ is a complete request.
func environ(method string) *gateway.Environ {
	return &gateway.Environ{
		Vars: map[string]string{
			"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SOFTWARE": "test", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
			"SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": method, "REQUEST_URI": "/hello?q=1", "SCRIPT_NAME": "", "PATH_INFO": "/hello",
			"QUERY_STRING": "q=1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost", "HTTP_USER_AGENT": "test/1.0", "HTTP_ACCEPT": "*/*",
		},
		URLScheme:   "http",
		Input:       strings.NewReader(""),
		Errors:      io.Discard,
		Multithread: true,
	}
}

// withInput is a complete request with a body.
func withInput(text string) *gateway.Environ {
	env := environ("POST")
	env.Vars["CONTENT_LENGTH"] = strconv.Itoa(len(text))
	env.Vars["CONTENT_TYPE"] = "text/plain"
	env.Input = strings.NewReader(text)
	return env
}

// A collector gathers the findings of a test.
type collector struct {
	mu   sync.Mutex
	list []validate.Finding
}

func (c *collector) linter() validate.Linter {
	return validate.Linter{Report: func(f validate.Finding) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.list = append(c.list, f)
	}}
}

// findings returns the rules and sides, in order.
func (c *collector) findings() (list []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.list {
		list = append(list, f.Rule+" "+f.Side.String())
	}
	return list
}

func (c *collector) texts() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, f := range c.list {
		b.WriteString("\n\t" + f.String())
	}
	return b.String()
}

// A recorder is a Transport that keeps what it is sent, in its own memory.
type recorder struct {
	events []string
	during func(block []byte) // called by each Write
	err    error              // returned by each Write
	whole  bool               // what End got
}

func (r *recorder) WriteHead(status string, headers gateway.Headers) error {
	event := status
	for name, value := range headers.All() {
		event += "|" + name + ": " + value
	}
	r.events = append(r.events, event)
	return nil
}

func (r *recorder) Write(block []byte) (int, error) {
	r.events = append(r.events, strconv.Quote(string(block)))
	if r.during != nil {
		r.during(block)
	}
	if r.err != nil {
		return 0, r.err
	}
	return len(block), nil
}

func (r *recorder) Flush() error { return nil }

func (r *recorder) End(whole bool) error {
	r.whole = whole
	return nil
}

// A server answers one request, in its own way.
type server func(app gateway.Application, env *gateway.Environ)

func respond(app gateway.Application, env *gateway.Environ) {
	_ = gateway.Respond(app, env, new(recorder))
}

// A toy is a correct server without gateway.Respond. A test plants a mistake by setting one of the
// functions.
type toy struct {
	started bool
	sent    bool
	headers gateway.Headers
	err     error
	out     bytes.Buffer

	onStart func(t *toy, status string, headers gateway.Headers, cause error) (io.Writer, error)
	onBlock func(block []byte)
	onWrite func(p []byte) (int, error)
	finish  func(body gateway.Body)
}

func (t *toy) Write(p []byte) (int, error) {
	t.sent = true
	if t.onWrite != nil {
		return t.onWrite(p)
	}
	return t.out.Write(p)
}

func (t *toy) start(status string, headers gateway.Headers, cause error) (io.Writer, error) {
	if t.onStart != nil {
		return t.onStart(t, status, headers, cause)
	}
	switch {
	case t.started && cause == nil:
		return t, gateway.ErrStarted
	case t.sent:
		return t, errors.Join(gateway.ErrHeadersSent, cause)
	}
	t.started = true
	t.headers = slices.Clone(headers)
	return t, nil
}

func (t *toy) serve(app gateway.Application, env *gateway.Environ) {
	body, err := app.Call(env, t.start)
	if body == nil {
		t.err = err
		return
	}
	if t.finish != nil {
		t.finish(body)
		return
	}
	defer func() { t.err = errors.Join(t.err, body.Close()) }()
	if err != nil {
		t.err = err
		return
	}
	for block, err := range body.Blocks() {
		if err != nil {
			t.err = err
			return
		}
		if len(block) > 0 {
			t.sent = true
		}
		t.out.Write(block)
		if t.onBlock != nil {
			t.onBlock(block)
		}
	}
}

// serve answers one request as a toy without a mistake.
func serve(app gateway.Application, env *gateway.Environ) { new(toy).serve(app, env) }

// A bodyOf is a body made of two functions.
type bodyOf struct {
	blocks iter.Seq2[[]byte, error]
	close  func() error
}

func (b bodyOf) Blocks() iter.Seq2[[]byte, error] { return b.blocks }

func (b bodyOf) Close() error {
	if b.close == nil {
		return nil
	}
	return b.close()
}

func yields(blocks ...string) gateway.Body {
	return gateway.Stream(func(yield func([]byte, error) bool) {
		for _, block := range blocks {
			if !yield([]byte(block), nil) {
				return
			}
		}
	})
}

func answers(status string, headers gateway.Headers, body func() gateway.Body) gateway.ApplicationFunc {
	return func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start(status, headers, nil)
		return body(), err
	}
}

func text() gateway.Body  { return gateway.Text("Hello World !\n") }
func empty() gateway.Body { return gateway.Bytes() }

// TestNilIsFoundWhenItIsCalled checks that a program with a nil part answers 500 and says which
// part it is.
func TestNilIsFoundWhenItIsCalled(t *testing.T) {
	t.Parallel()
	made := func(gateway.Application) gateway.Application { return nil }
	some := gateway.ApplicationFunc(hello)
	for name, c := range map[string]struct {
		app  func(l validate.Linter) gateway.Application
		want string
	}{
		"nil application":                     {func(l validate.Linter) gateway.Application { return l.Application(nil) }, "R1 application"},
		"nil func as application":             {func(l validate.Linter) gateway.Application { return l.Application(gateway.ApplicationFunc(nil)) }, "R1 application"},
		"nil middleware":                      {func(l validate.Linter) gateway.Application { return l.Middleware(nil)(some) }, "R1 middleware"},
		"middleware around a nil application": {func(l validate.Linter) gateway.Application { return l.Middleware(gateway.Chain())(nil) }, "R1 application"},
		"middleware that makes nil":           {func(l validate.Linter) gateway.Application { return l.Middleware(made)(some) }, "R1 middleware"},
	} {
		var got collector
		app := c.app(got.linter())
		var sent recorder
		err := gateway.Respond(app, environ("GET"), &sent)
		if !slices.Equal(got.findings(), []string{c.want}) || err == nil || !strings.Contains(err.Error(), "validate: "+c.want+": ") {
			t.Errorf("%s: found%s\nwant %s; Respond returned %v", name, got.texts(), c.want, err)
		} else if !strings.Contains(got.list[0].Place, "TestNilIsFoundWhenItIsCalled") || len(sent.events) == 0 || !strings.HasPrefix(sent.events[0], "500 ") {
			t.Errorf("%s: the place is %q, and sent was %q", name, got.list[0].Place, sent.events)
		}
	}
	if err := gateway.Respond(validate.Application(nil), environ("GET"), new(recorder)); err == nil {
		t.Error("Application(nil) answers")
	}
}

// TestFindingsGoToErrorsByDefault also checks that a finding after the end of one response goes to
// the Errors of the next request.
func TestFindingsGoToErrorsByDefault(t *testing.T) {
	t.Parallel()
	var late gateway.StartResponse
	app := validate.Application(gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		late = start
		_, err := start("200 OK", plain.Append("Connection", "close"), nil)
		return text(), err
	}))
	var first, second bytes.Buffer
	env := environ("GET")
	env.Errors = &first
	_ = gateway.Respond(app, env, new(recorder))
	line, rest, _ := strings.Cut(first.String(), "\n")
	finding := "validate: R72 application: Connection is hop-by-hop; the rule: An application sets no hop-by-hop header"
	if !strings.HasPrefix(line, finding) ||
		!strings.Contains(line, " (example.com/gateway/validate_test.") || !strings.HasPrefix(rest, "gateway: GET ") {
		t.Errorf("the log has\n%s", first.String())
	}
	size := first.Len()
	_, _ = late("200 OK", plain, nil)
	if first.Len() != size {
		t.Errorf("after the response was over, its log got %q", first.String()[size:])
	}
	env.Errors = &second
	_ = gateway.Respond(app, env, new(recorder))
	if !strings.HasPrefix(second.String(), "validate: R24 application: ") {
		t.Errorf("the next log has\n%s", second.String())
	}
}

func TestPlaceIsTheOffendingCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, place string
		run         func(l validate.Linter)
	}{
		{"of start", "TestPlaceIsTheOffendingCall.func", func(l validate.Linter) {
			respond(l.Application(gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				_, err := start("200", plain, nil)
				return nil, err
			})), environ("GET"))
		}},
		{"of a generator", "yields.", func(l validate.Linter) {
			respond(l.Application(gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				return yields("too early"), nil
			})), environ("GET"))
		}},
		{"of an application whose body is the library's", "validate_test.short ", func(l validate.Linter) {
			respond(l.Application(gateway.ApplicationFunc(short)), environ("GET"))
		}},
		{"of an application whose block is the library's", "validate_test.long ", func(l validate.Linter) {
			respond(l.Application(gateway.ApplicationFunc(long)), environ("GET"))
		}},
		{"of a server", "validate_test.respond ", func(l validate.Linter) {
			env := environ("GET")
			env.URLScheme = "gopher"
			respond(l.Application(gateway.ApplicationFunc(hello)), env)
		}},
		{"of a server that a call of the application has shown", "validate_test.(*toy).serve ", func(l validate.Linter) {
			(&toy{onStart: func(t *toy, _ string, headers gateway.Headers, _ error) (io.Writer, error) {
				headers[0] = [2]string{}
				return t, nil
			}}).serve(l.Application(gateway.ApplicationFunc(hello)), environ("GET"))
		}},
		{"of a print", "TestPlaceIsTheOffendingCall.func", func(l validate.Linter) {
			respond(l.Application(gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				w, err := start("200 OK", gateway.Headers{}, nil)
				fmt.Fprintln(w, "without a type")
				return empty(), err
			})), environ("GET"))
		}},
		{"of middleware whose call is the library's", "validate_test.twice", func(l validate.Linter) {
			respond(l.Middleware(closesTwice)(gateway.ApplicationFunc(hello)), environ("GET"))
		}},
		{"of a struct", "validate_test.never", func(l validate.Linter) { respond(l.Application(never{}), environ("GET")) }},
	} {
		var got collector
		c.run(got.linter())
		if len(got.list) != 1 || !strings.Contains(got.list[0].Place, c.place) {
			t.Errorf("%s: found%s\nwant a place with %q", c.name, got.texts(), c.place)
		}
	}
}

func short(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain.Append("Content-Length", "100"), nil)
	return text(), err
}

func long(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain.Append("Content-Length", "1"), nil)
	return text(), err
}

func closesTwice(app gateway.Application) gateway.Application { return twice{app} }

type twice struct{ app gateway.Application }

func (t twice) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	body, err := t.app.Call(env, start)
	return gateway.OnClose(body, body.Close), err
}

type never struct{}

func (never) Call(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return empty(), nil }

func TestSideHasAName(t *testing.T) {
	t.Parallel()
	for side, want := range map[validate.Side]string{
		validate.SideServer: "server", validate.SideApplication: "application", validate.SideMiddleware: "middleware", 0: "Side(0)",
	} {
		if got := side.String(); got != want {
			t.Errorf("%d is %q, want %q", side, got, want)
		}
	}
}
