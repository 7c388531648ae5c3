package cgi_test

import (
	"bufio"
	"bytes"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
)

// A difference is a text of wsgiref's response and the text that this gateway sends in its place.
// The test fails if the text is not there once: a difference that has gone has to go from the list.
type difference struct{ why, theirs, ours string }

// Differences that several cases have.
var (
	errorText = difference{"the text of the error page is the server's (R110)",
		"Content-Length: 59\r\n\r\nA server error occurred.  Please contact the administrator.",
		"Content-Length: 26\r\n\r\n500 Internal Server Error\n"}
	blockLength = difference{"the block goes with its response",
		"Content-Length: 5\r\n\r\nblock", "Content-Length: 26\r\n\r\n500 Internal Server Error\n"}
	status500 = difference{"wsgiref lets pass a response that is refused here", "Status: 200 OK\r\n",
		"Status: 500 Internal Server Error\r\n"}
)

// TestSameAsWsgiref runs the same application, in both languages, as two real CGI programs with one
// environment and stdin. The two write the same bytes to stdout, but for the differences listed. If
// one writes to stderr, so does the other.
func TestSameAsWsgiref(t *testing.T) {
	t.Parallel()
	python := findPython(t)
	compared := make(map[string]bool)
	for _, c := range []struct {
		app     string
		env     []string // get if nil
		stdin   string
		differ  []difference
		reports string // why only this gateway writes to stderr, if so
	}{
		{app: "hello"},
		{app: "late start"},
		{app: "list of blocks", differ: []difference{{"the length of a list is known (R88: \"generate one\")",
			"text/plain\r\n\r\n", "text/plain\r\nContent-Length: 7\r\n\r\n"}}},
		{app: "many blocks"},
		{app: "printed"},
		{app: "printed nothing"}, // R76: a first write sends the head, also an empty one
		{app: "no block"},
		{app: "no block of many"},
		{app: "empty block"},
		{app: "empty blocks first"},
		{app: "empty block then error", differ: []difference{status500,
			{"R76: only a non-empty block sends the head, so that the error still has a page",
				"text/plain\r\n\r\n", "text/plain\r\nContent-Length: 26\r\n\r\n500 Internal Server Error\n"}}},
		{app: "error before start", differ: []difference{errorText}},
		{app: "error after start", differ: []difference{errorText}},
		{app: "error in first step", differ: []difference{errorText}},
		{app: "error after output"},
		{app: "error in close",
			differ: []difference{{"wsgiref forgets that the head was sent: a second response follows the first",
				"blockStatus: 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 59\r\n\r\n" +
					"A server error occurred.  Please contact the administrator.", "block"}}},
		{app: "no start", differ: []difference{errorText}},
		{app: "no start no block", differ: []difference{errorText}},
		{app: "no body", differ: []difference{errorText}},
		{app: "start twice", differ: []difference{errorText}},
		{app: "start twice and ignore it", differ: []difference{status500, blockLength},
			reports: "an ignored error of start is kept"},
		{app: "replaced"},
		{app: "replaced after bad status"}, // R83
		{app: "replaced too late"},         // R80
		{app: "own length"},
		{app: "own length and no block", reports: "R87: less than was declared"},
		{app: "more than declared", differ: []difference{{"R85: no more than was declared", "fourfourfour", "fourfo"}},
			reports: "R86: more than was declared"},
		{app: "less than declared", reports: "R87: less than was declared"},
		{app: "many headers", differ: []difference{
			{"C57: Content-Type is a CGI field and comes first", "Found\r\nSet-Cookie: a=1\r\n",
				"Found\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\n"},
			{"from where it was", "X-Number: 99\r\nContent-Type: text/plain\r\n", "X-Number: 99\r\n"}}},
		{app: "redirect", differ: []difference{{"C57: Location, too",
			"X-First: 1\r\nLocation: https://example.com/\r\nContent-Type: text/plain\r\n",
			"Location: https://example.com/\r\nContent-Type: text/plain\r\nX-First: 1\r\n"}}},
		{app: "no content", differ: []difference{{"RFC 9110, 8.6: no Content-Length with 204",
			"Content-Length: 0\r\n", ""}}},
		{app: "not modified",
			differ: []difference{{"RFC 9110, 8.6: with 304, it would be that of the 200",
				"Content-Length: 0\r\n", ""}}},
		{app: "not modified with a block", differ: []difference{{"no body and no length of it with 304",
			"Content-Length: 5\r\n\r\nblock", "\r\n"}}},
		{app: "hop by hop", differ: []difference{errorText}}, // R73
		{app: "trailer", differ: []difference{status500,
			{"R72: Trailer is hop-by-hop, too", "Trailer: X-Sum\r\n", ""}, blockLength},
			reports: "R73: fatal"},
		{app: "status header", differ: []difference{status500,
			{"it would come after, and over, the status", "Status: 404 Not Found\r\n", ""},
			blockLength},
			reports: "fatal"},
		{app: "status without reason", differ: []difference{{"R65: a reason", "Status: 200 \r\n",
			"Status: 500 Internal Server Error\r\n"}, blockLength},
			reports: "R65: fatal"},
		{app: "status without space", differ: []difference{errorText}},
		{app: "early hints", differ: []difference{{"1xx is not the response",
			"Status: 103 Early Hints\r\nLink: </a.css>\r\n",
			"Status: 500 Internal Server Error\r\nContent-Type: text/plain\r\n"}, blockLength},
			reports: "1xx is fatal"},

		{app: "hello", env: with(get, "REQUEST_METHOD=HEAD"),
			differ: []difference{{"C37: HEAD has no body", "\r\n\r\nHello World !\n", "\r\n\r\n"}}},
		{app: "late start", env: with(get, "REQUEST_METHOD=HEAD"),
			differ: []difference{{"C37: HEAD has no body", "\r\n\r\nHello World !\n", "\r\n\r\n"}}},
		{app: "own length and no block", env: with(get, "REQUEST_METHOD=HEAD")},
		{app: "no block", env: with(get, "REQUEST_METHOD=HEAD"), differ: []difference{
			{"an application that saw HEAD has not said what GET has", "Content-Length: 0\r\n", ""}}},

		{app: "body", env: post(12), stdin: "twelve\x00bytes"},
		{app: "body", env: post(0)},
		{app: "body", env: with(post(0), "CONTENT_LENGTH=")},
		{app: "body", env: post(12), stdin: "short"}, // the application asked for 12 bytes once, and may not care
		{app: "body", env: post(6), stdin: "twelve bytes"},
		{app: "body to its end", env: post(13), stdin: "twelve\r\nbytes"},
		{app: "body to its end", env: post(6), stdin: "twelve and more", differ: []difference{
			{"R55, C32: the end is at CONTENT_LENGTH", "Content-Length: 18\r\n\r\n15 twelve and more",
				"Content-Length: 8\r\n\r\n6 twelve"}}},
		// R118
		{app: "body to its end", env: with(post(0), "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING=chunked"),
			stdin: "decoded chunks"},
		{app: "body by line", env: post(18), stdin: "one\ntwo\r\n\nthree..."},
		{app: "file"},
		{app: "log"},
		{app: "url"},
		{app: "url", env: with(get, "HTTPS=on", "HTTP_HOST", "SERVER_PORT=443",
			"PATH_INFO=/a b;c=d,e/%2F/\xc3\xbc\xff~", "QUERY_STRING=%2F&a")},
		{app: "url", env: with(get, "HTTPS=1", "HTTP_HOST", "SERVER_PORT=80", "SCRIPT_NAME=",
			"PATH_INFO=/", "QUERY_STRING=")},
		{app: "url", env: with(get, "SCRIPT_NAME=/\xff", "PATH_INFO=")},
		{app: "url", env: with(get, "SCRIPT_NAME=", "PATH_INFO="), differ: []difference{
			{"R129: PEP 3333's algorithm adds no slash", "/?a=b", "?a=b"}}},

		{app: "dictionary", differ: keys},
		{app: "dictionary", differ: keys, env: with(get, "HTTPS=yes", "QUERY_STRING=%zz\xff",
			"PATH_INFO=/\x01\x7f\x80\xff\xc3\xbc",
			"HTTP_X_BYTES=\t\xe9\xff", "AUTH_TYPE=Basic", "REMOTE_USER=\xfc", "REDIRECT_HTTP_X=\xe9",
			"CONTENT_TYPE=text/\xff", "proxy-nokeepalive=1")},
		{app: "dictionary", env: with(get, "HTTP_PROXY=http://attacker.example/"),
			differ: append(keys[:len(keys):len(keys)],
				difference{"httpoxy (CVE-2016-5385)", "HTTP_PROXY=http://attacker.example/\n", ""})},
		{app: "dictionary", env: with(get, "HTTP_CONTENT_LENGTH=7"), differ: append(keys[:len(keys):len(keys)],
			difference{"a rival of CONTENT_LENGTH", "HTTP_CONTENT_LENGTH=7\n", ""})},
		{app: "dictionary", env: with(get, "CONTENT_TYPE="), differ: append(keys[:len(keys):len(keys)],
			difference{"C7: empty is absent (nginx)", "CONTENT_TYPE=\n", ""})},
		{app: "dictionary", env: with(get, "SERVER_PROTOCOL"), differ: append(keys[:len(keys):len(keys)],
			difference{"R33: required", "SERVER_PORT=8080\n", "SERVER_PORT=8080\nSERVER_PROTOCOL=HTTP/1.0\n"})},

		{app: "hello", env: with(get, "SERVER_PROTOCOL=HTTP/0.9")}, // a CGI response has a head in any case
		{app: "hello", env: with(get, "CONTENT_LENGTH=-1"), differ: []difference{
			{"C10: such a request reaches no application", helloResponse, badRequest}}, reports: "C10: refused"},
		{app: "hello", env: with(get, "REQUEST_METHOD"), differ: []difference{
			{"R28: such a request reaches no application", helloResponse, badRequest}}, reports: "R28: refused"},
	} {
		compared["wsgiref/"+c.app] = true
		if c.env == nil {
			c.env = get
		}
		t.Run(c.app, func(t *testing.T) {
			// The variable keeps Python from adding LC_CTYPE to its environment.
			ours := command(t, "wsgiref/"+c.app, append(c.env, "PYTHONCOERCECLOCALE=0")...)
			theirs := exec.CommandContext(t.Context(), python, "-B", "testdata/applications.py")
			theirs.Env = ours.Env
			ours.Stdin, theirs.Stdin = strings.NewReader(c.stdin), strings.NewReader(c.stdin)
			got, their := run(t, ours), run(t, theirs)
			if their.stdout == "" {
				t.Fatalf("wsgiref sends nothing; its stderr is %q", their.stderr)
			}
			want := their.stdout
			for _, d := range c.differ {
				if n := strings.Count(want, d.theirs); n != 1 {
					t.Errorf("wsgiref sends %q %d times, so that this is no difference: %s", d.theirs, n, d.why)
				}
				want = strings.Replace(want, d.theirs, d.ours, 1)
			}
			if got.stdout != want {
				t.Errorf("%q\nstdout is  %q\nwant       %q\nwsgiref's  %q\nstderr is  %q", c.env,
					cut(got.stdout), cut(want), cut(their.stdout), got.stderr)
			}
			reported, theirsReported := got.stderr != "", their.stderr != ""
			if reported != (theirsReported || c.reports != "") || theirsReported && c.reports != "" {
				t.Errorf("stderr is %q, wsgiref's %q; %s", got.stderr, their.stderr, c.reports)
			}
			if c.app == "log" && got.stderr != their.stderr {
				t.Errorf("stderr is %q, wsgiref's %q", got.stderr, their.stderr)
			}
		})
	}
	for app := range pairs {
		if !compared[app] {
			t.Errorf("%s is compared with nothing", app)
		}
	}
}

// keys are the differences of every dictionary.
var keys = []difference{
	{"wsgi.file_wrapper is Reader, which needs no server", "wsgi.file_wrapper\n", ""},
	{"Input always ends by itself", "wsgi.input\n", "wsgi.input\nwsgi.input_terminated=True\n"},
}

func cut(s string) string {
	if len(s) > 1000 {
		return s[:1000] + "..."
	}
	return s
}

// findPython returns the interpreter itself, which a python3 in PATH may only start.
func findPython(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 in PATH to compare with")
	}
	out, err := exec.Command(path, "-c", "import sys; print(sys.executable, sys.version_info >= (3, 8))").Output()
	if err != nil {
		t.Skipf("python3 does not run: %v", err)
	}
	path, recent, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if recent != "True" {
		t.Skip("python3 is older than 3.8")
	}
	return path
}

// pairs are the applications of testdata/applications.py.
var pairs = map[string]gateway.ApplicationFunc{
	"wsgiref/hello":                   hello,
	"wsgiref/list of blocks":          respond("200 OK", plain, list("one,", "", "two")),
	"wsgiref/no block":                respond("200 OK", plain, list()),
	"wsgiref/no block of many":        respond("200 OK", plain, list()),
	"wsgiref/empty block":             respond("200 OK", plain, text("")),
	"wsgiref/empty blocks first":      respond("200 OK", plain, stream("", "", "block")),
	"wsgiref/own length":              respond("200 OK", plain.Append("content-length", "5"), text("block")),
	"wsgiref/own length and no block": respond("200 OK", plain.Append("Content-Length", "1000"), list()),
	"wsgiref/more than declared": respond("200 OK", plain.Append("Content-Length", "6"),
		stream("four", "four", "four")),
	"wsgiref/less than declared": respond("200 OK", plain.Append("Content-Length", "6"), text("four")),
	"wsgiref/redirect": respond("302 Found",
		gateway.Headers{{"X-First", "1"}, {"Location", "https://example.com/"},
			{"Content-Type", "text/plain"}}, text("there")),
	"wsgiref/no content":                respond("204 No Content", nil, list()),
	"wsgiref/not modified":              respond("304 Not Modified", gateway.Headers{{"ETag", `"x"`}}, text("")),
	"wsgiref/not modified with a block": respond("304 Not Modified", gateway.Headers{{"ETag", `"x"`}}, text("block")),
	"wsgiref/hop by hop":                respond("200 OK", plain.Append("connection", "close"), text("block")),
	"wsgiref/trailer":                   respond("200 OK", plain.Append("Trailer", "X-Sum"), text("block")),
	"wsgiref/status header":             respond("200 OK", plain.Append("Status", "404 Not Found"), text("block")),
	"wsgiref/status without reason":     respond("200 ", plain, text("block")),
	"wsgiref/status without space":      respond("200OK", plain, text("block")),
	"wsgiref/early hints": respond("103 Early Hints",
		gateway.Headers{{"Link", "</a.css>"}}, text("block")),
	"wsgiref/file":                      respond("200 OK", plain, file),
	"wsgiref/late start":                lateStart,
	"wsgiref/many blocks":               manyBlocks,
	"wsgiref/many headers":              manyHeaders,
	"wsgiref/printed":                   printed,
	"wsgiref/printed nothing":           printedNothing,
	"wsgiref/error before start":        failing,
	"wsgiref/error after start":         errorAfterStart,
	"wsgiref/error in first step":       errorIn(),
	"wsgiref/empty block then error":    errorIn(""),
	"wsgiref/error after output":        errorIn("half"),
	"wsgiref/error in close":            errorInClose,
	"wsgiref/no start":                  noStart,
	"wsgiref/no start no block":         noStartNoBlock,
	"wsgiref/no body":                   noBody,
	"wsgiref/start twice":               startTwice,
	"wsgiref/start twice and ignore it": startTwiceAndIgnoreIt,
	"wsgiref/replaced":                  replaced,
	"wsgiref/replaced after bad status": replacedAfterBadStatus,
	"wsgiref/replaced too late":         replacedTooLate,
	"wsgiref/body":                      body,
	"wsgiref/body to its end":           bodyToItsEnd,
	"wsgiref/body by line":              bodyByLine,
	"wsgiref/log":                       log,
	"wsgiref/url":                       url,
	"wsgiref/dictionary":                dictionary,
}

func list(blocks ...string) func() gateway.Body {
	var list [][]byte
	for _, block := range blocks {
		list = append(list, []byte(block))
	}
	return func() gateway.Body { return gateway.Bytes(list...) }
}

func lateStart(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return gateway.Stream(func(yield func([]byte, error) bool) {
		if _, err := start("200 OK", plain, nil); err != nil {
			yield(nil, err)
			return
		}
		_ = yield([]byte("Hello "), nil) && yield([]byte("World !\n"), nil)
	}), nil
}

func manyBlocks(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		for i := range 500 {
			if !yield(bytes.Repeat([]byte{byte(i)}, 5000), nil) {
				return
			}
		}
	}), err
}

func manyHeaders(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	headers := gateway.Headers{{"Set-Cookie", "a=1"}, {"X-Tab", "a\tb"}, {"set-cookie", "b=2"},
		{"X-Latin", "\xe9\xff"}, {"X-Empty", ""}}
	for i := range 100 {
		headers = append(headers, [2]string{"X-Number", strconv.Itoa(i)})
	}
	headers = append(headers, [2]string{"Content-Type", "text/plain"}, [2]string{"Set-Cookie", "a=1"})
	_, err := start("404 Not \xe9 Found", headers, nil)
	return gateway.Text("block"), err
}

func printed(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	w, err := start("200 OK", plain, nil)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, "one,"); err != nil {
		return nil, err
	}
	_, err = io.WriteString(w, "two,")
	return gateway.Text("three"), err
}

func printedNothing(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	w, err := start("200 OK", plain, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(nil); err != nil {
		return nil, err
	}
	return nil, errApplication
}

func errorAfterStart(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	return nil, errApplication
}

func errorIn(blocks ...string) gateway.ApplicationFunc {
	return func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for _, block := range blocks {
				if !yield([]byte(block), nil) {
					return
				}
			}
			yield(nil, errApplication)
		}), err
	}
}

func errorInClose(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.OnClose(stream("block")(), func() error { return errApplication }), err
}

func noStart(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return gateway.Text("block"), nil
}

func noStartNoBlock(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return gateway.Bytes(), nil
}

func noBody(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return nil, err
}

func startTwice(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	_, err := start("201 Created", plain, nil)
	return gateway.Text("block"), err
}

func startTwiceAndIgnoreIt(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	_, _ = start("201 Created", plain, nil)
	return gateway.Text("block"), err
}

func replaced(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if _, err := start("200 OK", plain.Append("X-First", "yes"), nil); err != nil {
		return nil, err
	}
	_, err := start("503 Service Unavailable",
		gateway.Headers{{"Content-Type", "text/html"}, {"Retry-After", "5"}}, errApplication)
	return gateway.Text("<p>later"), err
}

func replacedAfterBadStatus(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200", plain, nil)
	if err != nil {
		_, err = start("502 Bad Gateway", plain, err)
	}
	return gateway.Text("bad gateway"), err
}

func replacedTooLate(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		if !yield([]byte("half"), nil) {
			return
		}
		_, err := start("503 Service Unavailable", plain, errApplication)
		yield([]byte("the other half"), err)
	}), err
}

func body(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	length, err := env.ContentLength()
	if err != nil {
		return nil, err
	}
	data := make([]byte, max(length, 0))
	n, err := io.ReadFull(env.Input, data)
	if err != nil && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	_, err = start("200 OK", plain, nil)
	return gateway.Text(strconv.Itoa(n) + " " + string(data[:n])), err
}

func bodyToItsEnd(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	data, err := io.ReadAll(env.Input)
	if err != nil {
		return nil, err
	}
	_, err = start("200 OK", plain, nil)
	return gateway.Text(strconv.Itoa(len(data)) + " " + string(data)), err
}

func bodyByLine(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		for r := bufio.NewReader(env.Input); ; {
			line, err := r.ReadString('\n')
			if line != "" && !yield([]byte(strconv.Itoa(len(line))+" "+line), nil) {
				return
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}), err
}

// file hides that the length is known, which wsgiref does not look for.
func file() gateway.Body {
	return gateway.Reader(io.MultiReader(strings.NewReader(strings.Repeat("x", 10000))), 4096)
}

func log(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	note(env, "a line")
	note(env, "and another")
	_, err := start("200 OK", plain, nil)
	return gateway.Text("block"), err
}

func url(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return stream(env.URL())(), err
}

func dictionary(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		for key, value := range env.All() {
			switch v := value.(type) {
			case string:
				key += "=" + v
			case bool:
				key += map[bool]string{true: "=True", false: "=False"}[v]
			case [2]int:
				key += "=(" + strconv.Itoa(v[0]) + ", " + strconv.Itoa(v[1]) + ")"
			}
			if !yield([]byte(key+"\n"), nil) {
				return
			}
		}
	}), err
}
