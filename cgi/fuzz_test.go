package cgi_test

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

// A strictReader counts the bytes that are read of stdin.
type strictReader struct {
	r     *strings.Reader
	taken int
}

func (s *strictReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.taken += n
	return n, err
}

// FuzzProgram runs whole CGI requests. The application puts the client's words wherever it can:
// into the status, headers and body. For any request one well-formed CGI response comes out, no
// byte of stdin is read past CONTENT_LENGTH, and the application gets an environ that keeps the
// rules.
func FuzzProgram(f *testing.F) {
	// The environment as /proc/self/environ has it, each entry ended by a NUL.
	for _, env := range [][]string{
		{}, get, post(5), post(100), post(-1),
		with(get, "REQUEST_METHOD=HEAD"),
		with(get, "REQUEST_METHOD=GET\r\nX: y"),
		with(get, "PATH_INFO=/a\r\nSet-Cookie: a=b\r\n\r\n<script>"),
		with(get, "PATH_INFO=/\xff%00", "QUERY_STRING=204 No Content"),
		with(get, "QUERY_STRING=304 Not Modified"), with(get, "QUERY_STRING=500 \r\n"),
		with(get, "QUERY_STRING=103 Early Hints"),
		with(post(5), "CONTENT_LENGTH=5, 5"), with(post(5), "CONTENT_LENGTH=", "CONTENT_LENGTH=3"),
		with(post(5), "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING=chunked"),
		with(get, "HTTP_PROXY=x", "HTTP_CONTENT_LENGTH=1", "HTTP_=", "=", "HTTP_A=a", "HTTP_A=b",
			"HTTP_COOKIE=a", "HTTP_COOKIE=b"),
		with(get, "HTTP_LENGTH=3"), with(get, "HTTP_LENGTH=300"), with(get, "HTTP_LENGTH=+3"),
		with(get, "HTTP_NAME=Transfer-Encoding"), with(get, "HTTP_NAME=X Y"),
		with(get, "HTTP_NAME=Status"), with(get, "HTTP_NAME=Content-Length"),
		with(get, "SERVER_PROTOCOL=HTTP/3", "SERVER_NAME", "SERVER_PORT=", "HTTPS=on"),
	} {
		f.Add(strings.Join(env, "\x00"), "12345 and more")
	}
	f.Fuzz(func(t *testing.T, environment, stdin string) {
		var env []string
		if environment != "" {
			env = strings.Split(environment, "\x00")
		}
		var stdout, stderr bytes.Buffer
		in := &strictReader{r: strings.NewReader(stdin)}
		called := false
		var want []byte // the body that the application has given
		p := &cgi.Program{Env: slices.Clone(env), Stdin: in, Stdout: &stdout, Stderr: &stderr}
		runErr := p.Run(gateway.ApplicationFunc(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			called = true
			checkEnviron(t, env)
			length, err := env.ContentLength()
			if err != nil {
				t.Errorf("ContentLength: %v", err)
			}
			body, err := io.ReadAll(env.Input)
			chunked := strings.Contains(strings.ToLower(env.Vars["HTTP_TRANSFER_ENCODING"]), "chunked")
			switch n := int64(len(stdin)); {
			case length < 0 && chunked:
				length = n
			case length < 0:
				length = 0
				fallthrough
			default:
				if n < length && err != io.ErrUnexpectedEOF {
					t.Errorf("the body ended with %v after %d bytes of %d", err, n, length)
				}
				length = min(length, n)
			}
			if string(body) != stdin[:length] {
				t.Errorf("the body is %q, want %q", body, stdin[:length])
			}
			if in.taken != int(length) {
				t.Errorf("C32: %d bytes were read, want %d", in.taken, length)
			}
			var all strings.Builder
			for key, value := range env.All() {
				if s, ok := value.(string); ok {
					all.WriteString(key + "=" + s + "\n")
				}
			}
			want = append([]byte(all.String()), body...)

			status := "200 OK"
			if query := env.Vars["QUERY_STRING"]; len(query) > 3 && query[3] == ' ' {
				status = query
			}
			headers := gateway.Headers{{"X-Path", env.Vars["PATH_INFO"]}, {"Content-Type", env.Vars["CONTENT_TYPE"]},
				{"X-Method", env.Vars["REQUEST_METHOD"]}}
			if name, found := env.Vars["HTTP_NAME"]; found {
				headers = headers.Append(name, env.Vars["QUERY_STRING"])
			}
			if value, found := env.Vars["HTTP_LENGTH"]; found {
				headers = headers.Append("Content-Length", value)
			}
			if _, err := start(status, headers, nil); err != nil {
				return nil, err
			}
			return gateway.Bytes([]byte(all.String()), nil, body), nil
		}))
		if !called && in.taken > len(stdin) {
			t.Errorf("%d bytes were read of a refused request", in.taken)
		}
		checkResponse(t, stdout.String(), want, runErr)
		if log := stderr.String(); log != "" &&
			(strings.Count(log, "\n") != 1 || !strings.HasPrefix(log, "gateway: ")) {
			t.Errorf("stderr is not one line: %q", log)
		}
	})
}

// checkEnviron checks the environ for all that an application may rely on.
func checkEnviron(t *testing.T, env *gateway.Environ) {
	for _, name := range []string{"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"} { // R28, R32, R33
		if env.Vars[name] == "" {
			t.Errorf("%s is empty", name)
		}
	}
	for _, name := range []string{"HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", ""} {
		if value, found := env.Vars[name]; found {
			t.Errorf("%q is there: %q", name, value)
		}
	}
	if path := env.Vars["PATH_INFO"]; path != "" && path[0] != '/' { // C14
		t.Errorf("PATH_INFO is %q", path)
	}
	for name, value := range env.Vars {
		if strings.HasPrefix(name, "HTTP_") && strings.ContainsAny(value, "\r\n\x00") {
			t.Errorf("%s is %q", name, value)
		}
	}
	if env.URLScheme != "http" && env.URLScheme != "https" { // R43
		t.Errorf("wsgi.url_scheme is %q", env.URLScheme)
	}
}

// checkResponse reads a CGI response as a host does (RFC 3875, 6), and compares it with the error
// of Run and with the body that the application has given.
func checkResponse(t *testing.T, out string, want []byte, runErr error) {
	head, body, found := strings.Cut(out, "\r\n\r\n")
	if !found {
		t.Fatalf("no end of the head: %q", out)
	}
	lines := strings.Split(head, "\r\n")
	status, found := strings.CutPrefix(lines[0], "Status: ")
	if !found || len(status) < 5 || status[3] != ' ' {
		t.Fatalf("the first line is %q", lines[0])
	}
	if code, err := strconv.Atoi(status[:3]); err != nil || code < 200 || code > 999 {
		t.Errorf("the status is %q", status)
	}
	length := -1
	for i, line := range lines {
		name, value, found := strings.Cut(line, ": ")
		if !found || name == "" || strings.ContainsAny(name, " \t:\r\n\x00") || strings.ContainsAny(value, "\r\n\x00") {
			t.Errorf("a header line is %q", line)
		}
		switch strings.ToLower(name) {
		case "status":
			if i > 0 {
				t.Errorf("a second status: %q", line)
			}
		case "content-length":
			n, err := strconv.Atoi(value)
			if err != nil || length >= 0 {
				t.Errorf("the length is %q, after %d", value, length)
			}
			length = n
		case "connection", "transfer-encoding", "upgrade", "trailer", "keep-alive", "te": // R72
			t.Errorf("a header is hop-by-hop: %q", line)
		}
	}
	switch {
	case body == "":
	case body == "500 Internal Server Error\n", body == "400 Bad Request\n":
	case !bytes.HasPrefix(want, []byte(body)):
		t.Errorf("the body is %q, want %q", body, want)
	}
	if runErr != nil {
		if len(body) >= length {
			t.Errorf("Run returned %v of a body of %d bytes and a length of %d", runErr, len(body), length)
		}
		return
	}
	if length >= 0 && body != "" && length != len(body) {
		t.Errorf("the length is %d, the body has %d bytes", length, len(body))
	}
}
