package cgi_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

// A reply is the outcome of one request in memory.
type reply struct {
	stdout, stderr string
	vars           map[string]string // of the environ, nil if the application was not called
	scheme         string
	body           string
	bodyErr        error
	err            error
}

// serve runs one request in memory, with an application that reads the body and says hello.
func serve(env []string, stdin io.Reader) (r reply) {
	var stdout, stderr bytes.Buffer
	p := &cgi.Program{Env: env, Stdin: stdin, Stdout: &stdout, Stderr: &stderr}
	r.err = p.Run(gateway.ApplicationFunc(func(env *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		r.vars, r.scheme = maps.Clone(env.Vars), env.URLScheme
		body, err := io.ReadAll(env.Input)
		r.body, r.bodyErr = string(body), err
		return hello(env, start)
	}))
	r.stdout, r.stderr = stdout.String(), stderr.String()
	return r
}

// A request that no application may see gets a 400, whole, with a length and no byte of the
// request. The log has one line with the reason. net/http/cgi sends nothing at all for most of
// these.
func TestMalformedRequestIsRefused(t *testing.T) {
	t.Parallel()
	const (
		length   = "CONTENT_LENGTH is not a length"
		noMethod = "no REQUEST_METHOD"
		method   = "REQUEST_METHOD is not a token"
		protocol = "SERVER_PROTOCOL is not a protocol"
	)
	for _, c := range []struct {
		name    string
		entries []string
		why     string
	}{
		{"negative length", []string{"CONTENT_LENGTH=-1"}, length}, // C10: "decimal"
		{"length with a sign", []string{"CONTENT_LENGTH=+5"}, length},
		{"length after a space", []string{"CONTENT_LENGTH= 5"}, length},
		{"length before a space", []string{"CONTENT_LENGTH=5 "}, length},
		{"hexadecimal length", []string{"CONTENT_LENGTH=0x10"}, length},
		{"list of lengths", []string{"CONTENT_LENGTH=5, 5"}, length},
		{"length with a fraction", []string{"CONTENT_LENGTH=5.0"}, length},
		{"length with an underscore", []string{"CONTENT_LENGTH=1_0"}, length},
		{"length in Arabic digits", []string{"CONTENT_LENGTH=\u0665"}, length},
		{"length of 30 digits", []string{"CONTENT_LENGTH=" + strings.Repeat("9", 30)}, length},
		{"length above int64", []string{"CONTENT_LENGTH=9223372036854775808"}, length},
		{"length with a line break", []string{"CONTENT_LENGTH=5\n"}, length},
		{"two lengths", []string{"CONTENT_LENGTH=5", "CONTENT_LENGTH=6"}, "CONTENT_LENGTH is there twice"},

		{"missing method", []string{"REQUEST_METHOD"}, noMethod}, // R28
		{"empty method", []string{"REQUEST_METHOD="}, noMethod},
		{"method with a new header", []string{"REQUEST_METHOD=GET\r\nSet-Cookie: a=b"}, method},
		{"method with a line break", []string{"REQUEST_METHOD=GET\n"}, method},
		{"method with a space", []string{"REQUEST_METHOD=GET /x"}, method},
		{"method with a NUL", []string{"REQUEST_METHOD=GET\x00"}, method},
		{"method of invalid UTF-8", []string{"REQUEST_METHOD=\xff"}, method},

		{"garbage protocol", []string{"SERVER_PROTOCOL=\x01\x02"}, protocol}, // C25
		{"protocol with a line break", []string{"SERVER_PROTOCOL=HTTP/1.1\r\nX: y"}, protocol},
		{"protocol without a number", []string{"SERVER_PROTOCOL=HTTP/"}, protocol},
		{"protocol with a bad number", []string{"SERVER_PROTOCOL=HTTP/1.x"}, protocol},
		{"protocol with three numbers", []string{"SERVER_PROTOCOL=HTTP/1.1.1"}, protocol},

		{"path without a slash", []string{"PATH_INFO=x"}, "PATH_INFO does not start with a slash"}, // C14
		{"path of a URL", []string{"PATH_INFO=http://example.com/"}, "PATH_INFO does not start with a slash"},
		{"path with a NUL", []string{"PATH_INFO=/a\x00b"}, "PATH_INFO has a NUL"},
		{"script with a NUL", []string{"SCRIPT_NAME=/a\x00"}, "SCRIPT_NAME has a NUL"},
		{"translated path with a NUL", []string{"PATH_TRANSLATED=/a\x00"}, "PATH_TRANSLATED has a NUL"},

		{"query with a line break", []string{"QUERY_STRING=a\r\nb"}, "QUERY_STRING has a line break"},
		{"target that is no path", []string{"REQUEST_URI=a:b"}, "REQUEST_URI is not a path"},
		{"target of the whole server", []string{"REQUEST_URI=*"}, "REQUEST_URI is not a path"},
		{"type with a line break", []string{"CONTENT_TYPE=text/plain\r\nX: y"}, "CONTENT_TYPE has a line break"},
		{"server name with a line break", []string{"SERVER_NAME=a\nb"}, "SERVER_NAME has a line break"},
		{"server port with a NUL", []string{"SERVER_PORT=80\x00"}, "SERVER_PORT has a NUL"},
		{"header with a line break", []string{"HTTP_X_NAME=a\r\nb"}, "HTTP_X_NAME has a line break or NUL"}, // C28
		{"header with a NUL", []string{"HTTP_X_NAME=\x00"}, "HTTP_X_NAME has a line break or NUL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := serve(with(post(5), c.entries...), strings.NewReader("12345"))
			if r.vars != nil {
				t.Errorf("the application was called with %q", r.vars)
			}
			if r.stdout != badRequest {
				t.Errorf("stdout is %q, want %q", r.stdout, badRequest)
			}
			want := ": malformed request: " + c.why + "\n"
			if !strings.HasPrefix(r.stderr, "gateway: ") || !strings.HasSuffix(r.stderr, want) ||
				strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("stderr is %q, want one line that ends with %q", r.stderr, want)
			}
			if r.err != nil { // the response is whole
				t.Errorf("Run returned %v", r.err)
			}
		})
	}
}

// A request that is odd, but lawful for a host or a client, reaches the application as it is.
func TestOddRequestIsServed(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 128<<10)
	for _, c := range []struct {
		name    string
		entries []string
		want    []string // of the environ where it differs from the entries; without "=": must be absent
	}{
		{"method in lower case", []string{"REQUEST_METHOD=get"}, nil}, // C21: case-sensitive, hence another method
		{"method of the client's own", []string{"REQUEST_METHOD=M-SEARCH"}, nil},
		{"HTTP/2", []string{"SERVER_PROTOCOL=HTTP/2"}, nil},
		{"HTTP/2.0", []string{"SERVER_PROTOCOL=HTTP/2.0"}, nil},
		{"HTTP/3", []string{"SERVER_PROTOCOL=HTTP/3"}, nil},
		{"server-side include", []string{"SERVER_PROTOCOL=INCLUDED"}, nil}, // C25
		{"empty protocol", []string{"SERVER_PROTOCOL="}, []string{"SERVER_PROTOCOL=HTTP/1.0"}},
		{"no protocol", []string{"SERVER_PROTOCOL"}, []string{"SERVER_PROTOCOL=HTTP/1.0"}},
		// R32, BusyBox
		{"no server", []string{"SERVER_NAME", "SERVER_PORT"},
			[]string{"SERVER_NAME=localhost", "SERVER_PORT=80"}},
		{"no server, by TLS", []string{"SERVER_NAME=", "SERVER_PORT=", "HTTPS=on"},
			[]string{"SERVER_NAME=localhost", "SERVER_PORT=443"}},
		{"empty path", []string{"PATH_INFO="}, nil}, // R30
		{"no path", []string{"PATH_INFO"}, nil},
		// decoded once, by the host (C14)
		{"path with a percent sign", []string{"PATH_INFO=/100%/%2F/%zz"}, nil},
		{"path of invalid UTF-8", []string{"PATH_INFO=/\xff\xfe/\xc3("}, nil}, // R9: bytes
		// %0A is lawful
		{"path with a line break", []string{"PATH_INFO=/a\r\nb"}, nil},
		{"target that was decoded", []string{"REQUEST_URI=/a\nb", "PATH_INFO=/a\nb"}, []string{"REQUEST_URI"}}, // BusyBox
		{"the whole server", []string{"REQUEST_METHOD=OPTIONS", "REQUEST_URI=*", "PATH_INFO=*"}, []string{"PATH_INFO="}},
		{"addresses", []string{"SERVER_NAME=::1", "REMOTE_ADDR=[::1]"}, []string{"SERVER_NAME=[::1]", "REMOTE_ADDR=::1"}},
		{"a server's name with a port", []string{"SERVER_NAME=a.example:81"}, []string{"SERVER_NAME=a.example"}}, // HAProxy
		// C57: the application's to mind
		{"path with dots", []string{"PATH_INFO=/../..//./"}, nil},
		{"a variable of 128 KiB", []string{"HTTP_X_BIG=" + big, "BIG=" + big}, nil},
		{"empty type", []string{"CONTENT_TYPE="}, []string{"CONTENT_TYPE"}}, // C7, nginx
		{"the same length twice", []string{"CONTENT_LENGTH=5", "CONTENT_LENGTH=5"}, nil},
		{"an empty length before the length", []string{"CONTENT_LENGTH=", "CONTENT_LENGTH=5"}, nil},
		{"length with leading zeros", []string{"CONTENT_LENGTH=0005"}, nil},
		{"Proxy header", []string{"HTTP_PROXY=http://attacker.example/"}, []string{"HTTP_PROXY"}}, // httpoxy
		{"lower-case proxy", []string{"http_proxy=http://proxy.example/"}, nil},                   // the deployer's
		{"second length", []string{"HTTP_CONTENT_LENGTH=5"}, []string{"HTTP_CONTENT_LENGTH"}},
		{"second type", []string{"HTTP_CONTENT_TYPE=a/b", "CONTENT_TYPE=c/d"},
			[]string{"HTTP_CONTENT_TYPE", "CONTENT_TYPE=c/d"}},
		{"header without a name", []string{"HTTP_=x"}, []string{"HTTP_"}},
		{"header twice", []string{"HTTP_ACCEPT=a", "HTTP_ACCEPT=b"}, []string{"HTTP_ACCEPT=a, b"}}, // C28, fcgiwrap
		{"header twice, once empty", []string{"HTTP_ACCEPT=", "HTTP_ACCEPT=b", "HTTP_ACCEPT="},
			[]string{"HTTP_ACCEPT=b"}},
		{"cookies twice", []string{"HTTP_COOKIE=a=1", "HTTP_COOKIE=b=2"}, []string{"HTTP_COOKIE=a=1; b=2"}},
		{"query twice", []string{"QUERY_STRING=a", "QUERY_STRING=b"}, []string{"QUERY_STRING=b"}},
		{"value with an equals sign", []string{"QUERY_STRING=a=b=c"}, nil},
		{"entry without an equals sign", []string{"=x", "=C:=C:\\dir"}, []string{"", "=C:"}},
		{"variables in lower case", []string{"proxy-nokeepalive=1"}, nil},      // Apache
		{"an operating system's variable", []string{"HOME=/home/a\r\nb"}, nil}, // R41
	} {
		t.Run(c.name, func(t *testing.T) {
			list := with(post(5), c.entries...)
			r := serve(append(list, "WITHOUT", ""), strings.NewReader("12345 and more"))
			want := make(map[string]string)
			for _, entry := range append(list, c.want...) {
				name, value, found := strings.Cut(entry, "=")
				if want[name] = value; !found {
					delete(want, name)
				}
			}
			delete(want, "") // "=C:=..." is no variable
			if !maps.Equal(r.vars, want) {
				t.Errorf("the environ differs: %s", differing(r.vars, want))
			}
			if r.body != "12345" || r.bodyErr != nil {
				t.Errorf("the body is %q, %v", r.body, r.bodyErr)
			}
			if r.stdout != helloResponse || r.stderr != "" || r.err != nil {
				t.Errorf("stdout is %q, stderr %q, error %v", r.stdout, r.stderr, r.err)
			}
		})
	}
}

// differing lists the variables that differ, shortened.
func differing(got, want map[string]string) string {
	var list []string
	show := func(s string, found bool) string {
		if !found {
			return "absent"
		}
		if len(s) > 50 {
			s = s[:50] + "..."
		}
		return s
	}
	all := maps.Clone(want)
	maps.Copy(all, got)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		g, gfound := got[name]
		w, wfound := want[name]
		if g != w || gfound != wfound {
			list = append(list, name+" is "+show(g, gfound)+", want "+show(w, wfound))
		}
	}
	return strings.Join(list, "; ")
}

// A program that is started from a terminal has no request, and answers GET /. An environment to
// which a host has added anything is a request, and is refused if it is incomplete.
func TestNoRequestIsGetRoot(t *testing.T) {
	t.Parallel()
	want := map[string]string{"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_PROTOCOL": "HTTP/1.0",
		"SERVER_NAME": "localhost", "SERVER_PORT": "80"}
	for _, env := range [][]string{{}, {"", "="}, {"HOME=/home/a", "PATH=/bin"}} {
		r := serve(env, strings.NewReader("what is typed"))
		for _, name := range []string{"HOME", "PATH"} {
			delete(r.vars, name)
		}
		if !maps.Equal(r.vars, want) || r.body != "" || r.stdout != helloResponse {
			t.Errorf("%q: environ %q, body %q, stdout %q", env, r.vars, r.body, r.stdout)
		}
	}
	for _, entry := range []string{"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1",
		"SCRIPT_NAME=", "PATH_INFO=/",
		"QUERY_STRING=", "REQUEST_URI=/", "CONTENT_LENGTH=0", "CONTENT_TYPE=a/b", "CONTENT_LENGTH=", "CONTENT_TYPE="} {
		if r := serve([]string{entry}, strings.NewReader("")); r.stdout != badRequest {
			t.Errorf("%q alone: stdout is %q, want a 400", entry, r.stdout)
		}
	}
}

// HTTPS is the variable that Apache sets (R36). It is compared as wsgiref does.
func TestSchemeIsHTTPS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ entry, want string }{
		{"HTTPS=on", "https"}, {"HTTPS=ON", "https"}, {"HTTPS=1", "https"}, {"HTTPS=yes", "https"},
		{"HTTPS=off", "http"},
		{"HTTPS=0", "http"}, {"HTTPS=", "http"}, {"HTTPS", "http"}, {"REQUEST_SCHEME=https", "https"},
		{"REQUEST_SCHEME=http", "http"}, {"HTTP_X_FORWARDED_PROTO=https", "http"}, {"HTTP_HTTPS=on", "http"},
	} {
		if r := serve(with(get, c.entry), nil); r.scheme != c.want {
			t.Errorf("%q: wsgi.url_scheme is %q, want %q", c.entry, r.scheme, c.want)
		}
	}
	if r := serve(with(get, "HTTPS=off", "REQUEST_SCHEME=https"), nil); r.scheme != "http" {
		t.Errorf("HTTPS=off: wsgi.url_scheme is %q", r.scheme)
	}
}

// A CGI process has one request, and there may be other processes (R49-R51).
func TestEnvironSaysOneProcessOneRequest(t *testing.T) {
	t.Parallel()
	p := &cgi.Program{Env: get, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard}
	err := p.Run(gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Multithread || !env.Multiprocess || !env.RunOnce {
			t.Errorf("multithread %v, multiprocess %v, run_once %v", env.Multithread, env.Multiprocess, env.RunOnce)
		}
		return hello(env, start)
	}))
	if err != nil {
		t.Error(err)
	}
}

// A limitReader hands out bytes for ever and fails the test when more are asked for than there may
// be.
type limitReader struct {
	t    *testing.T
	left int
}

func (r *limitReader) Read(p []byte) (int, error) {
	if len(p) > r.left {
		r.t.Errorf("%d bytes were asked for when %d were left", len(p), r.left)
	}
	r.left -= len(p)
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// C32: "MUST NOT attempt to read more than CONTENT_LENGTH bytes, even if more data is available".
func TestNothingIsReadPastTheLength(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  []string
		want int
	}{
		{"a length", post(100_000), 100_000},
		{"a length beside chunked", with(post(5), "HTTP_TRANSFER_ENCODING=chunked"), 5},
		{"length 0", post(0), 0},
		{"no length", with(post(0), "CONTENT_LENGTH"), 0},
		{"an empty length", with(post(0), "CONTENT_LENGTH="), 0}, // C7
		{"an encoding that is not chunked", with(post(0), "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING=gzip"), 0},
		{"only HTTP_CONTENT_LENGTH", with(post(0), "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH=5"), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, app := range map[string]gateway.ApplicationFunc{"read": echo, "unread": ignore} {
				stdin := &limitReader{t, c.want}
				p := &cgi.Program{Env: c.env, Stdin: stdin, Stdout: io.Discard, Stderr: io.Discard}
				if err := p.Run(app); err != nil || stdin.left != 0 {
					t.Errorf("%s: %d bytes were left on stdin, error %v", name, stdin.left, err)
				}
			}
		})
	}
}

// A clean EOF would make half an upload look whole.
func TestShortStdinIsUnexpectedEOF(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{"", "1", "1234"} {
		r := serve(post(5), strings.NewReader(sent))
		if r.body != sent || r.bodyErr != io.ErrUnexpectedEOF {
			t.Errorf("of 5 bytes %q arrived: the body is %q, %v", sent, r.body, r.bodyErr)
		}
	}
}

// Apache hands on chunks decoded and without a length: only the end of stdin ends the body (R118).
func TestChunkedBodyReadsToEOF(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"chunked", "Chunked", "gzip, chunked"} {
		r := serve(with(post(0), "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING="+value), strings.NewReader("some bytes"))
		if r.body != "some bytes" || r.bodyErr != nil {
			t.Errorf("%s: the body is %q, %v", value, r.body, r.bodyErr)
		}
	}
}

// A host that is still sending must be let finish, or it drops the answer (mod_cgid, fcgiwrap). So
// the body of a refused request is drained as well.
func TestRefusedRequestIsDrained(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"REQUEST_METHOD=a b", "REQUEST_METHOD=", "SERVER_PROTOCOL=/",
		"PATH_INFO=x", "HTTP_X=\n"} {
		stdin := &limitReader{t, 100_000}
		p := &cgi.Program{Env: with(post(100_000), entry), Stdin: stdin, Stdout: io.Discard, Stderr: io.Discard}
		if err := p.Run(gateway.ApplicationFunc(hello)); err != nil || stdin.left != 0 {
			t.Errorf("%q: %d bytes were left on stdin, error %v", entry, stdin.left, err)
		}
	}
}

// A client that takes no answer is not waited for: the process ends although the body may go on for
// a long time.
func TestNothingIsReadForAClientThatLeft(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{syscall.EPIPE, syscall.ENOSPC, nil} { // nil: a short write
		stdin := &limitReader{t, 0}
		p := &cgi.Program{Env: post(100_000), Stdin: stdin, Stdout: &recorder{failAt: 1, err: fault},
			Stderr: io.Discard}
		if err := p.Run(gateway.ApplicationFunc(hello)); err == nil || fault != nil && !errors.Is(err, fault) {
			t.Errorf("%v: Run returned %v", fault, err)
		}
	}
}

// HEAD has no body, also when the request is refused (C37).
func TestRefusalOfHeadHasNoBody(t *testing.T) {
	t.Parallel()
	head := strings.TrimSuffix(badRequest, "400 Bad Request\n")
	if r := serve(with(get, "REQUEST_METHOD=HEAD", "PATH_INFO=x"), nil); r.stdout != head {
		t.Errorf("stdout is %q, want %q", r.stdout, head)
	}
}

// The client chooses the names of headers. The log has one line, with the first fault.
func TestRefusalIsOneLineThatNobodyForges(t *testing.T) {
	t.Parallel()
	env := with(get, "HTTP_B\r\nforged: \x1b[2J=x", "HTTP_C=\x00", "PATH_INFO=x")
	r := serve(env, nil)
	if r.stdout != badRequest {
		t.Errorf("stdout is %q", r.stdout)
	}
	if want := "gateway: GET /appx: malformed request: a header's name is not a token\n"; r.stderr != want {
		t.Errorf("stderr is %q, want %q", r.stderr, want)
	}
}
