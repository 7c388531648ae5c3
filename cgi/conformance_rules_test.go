package cgi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

// The tests of this file prove rules that docs/conformance.md has and that no other test is about.

// C8, C13, C16, C21-C24, R29, R30: the variables arrive as the host has set them.
func TestWhatTheHostSaysArrivesAsItWasSaid(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		// C13
		"GATEWAY_INTERFACE=CGI/1.1", "GATEWAY_INTERFACE=CGI/01.001", "GATEWAY_INTERFACE=CGI/1.2",
		"GATEWAY_INTERFACE=",
		"QUERY_STRING=a%20b+c&%00=%zz", "QUERY_STRING=", // C16
		"REQUEST_METHOD=GET", "REQUEST_METHOD=get", "REQUEST_METHOD=PROPFIND", // C21
		// C14, C22
		"SCRIPT_NAME=/cgi-bin/a b", "SCRIPT_NAME=/Caf\xe9", "SCRIPT_NAME=", "PATH_INFO=/A/%41/\xff",
		"PATH_INFO=/", "PATH_INFO=",
		"SERVER_NAME=Example.COM", "SERVER_NAME=192.0.2.1", "SERVER_NAME=[2001:db8::1]", // C23
		"SERVER_PORT=80", "SERVER_PORT=65535", // C24
		"REQUEST_URI=/cgi-bin/a%20b/%2F/..//x?a=%zz",
		// R35
		"REMOTE_ADDR=2001:db8::2", "REMOTE_USER=Ann", "AUTH_TYPE=basic", "PATH_TRANSLATED=/srv/x",
		"SERVER_SOFTWARE=host/1",
		"SSL_PROTOCOL=TLSv1.3", "X_EXTENSION=1", "lower_case=1", "UNIQUE_ID=\x01\xff", // R36, C6, C8
	} {
		name, value, _ := strings.Cut(entry, "=")
		r := serve(with(get, entry), nil)
		if got, found := r.vars[name]; got != value || !found || r.stdout != helloResponse {
			t.Errorf("%q arrived as %q (there: %v), the answer is %.20q", entry, got, found, r.stdout)
		}
	}
}

// R130: the target that the client sent and the URL that the variables make up need not be one.
func TestTheTargetIsNotRebuilt(t *testing.T) {
	t.Parallel()
	var target, url string
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		target, url = env.Vars["REQUEST_URI"], env.URL()
		return hello(env, start)
	})
	env := with(get, "REQUEST_URI=/app/%78%2Fy?q", "PATH_INFO=/x/y", "QUERY_STRING=q")
	if err := (&cgi.Program{Env: env, Stdin: strings.NewReader(""), Stdout: io.Discard,
		Stderr: io.Discard}).Run(app); err != nil {
		t.Error(err)
	}
	if target != "/app/%78%2Fy?q" || url != "http://example.com:8080/app/x/y?q" {
		t.Errorf("REQUEST_URI is %q, URL %q", target, url)
	}
}

// R37, R48: the comments name every variable that is there for any host, the default for each that
// a host may leave out, and where the log goes.
func TestTheCommentsNameWhatIsAlwaysThere(t *testing.T) {
	t.Parallel()
	always, run := commentOf(t, "../environ.go", "Vars"), commentOf(t, "cgi.go", "Run")
	vars := serve([]string{"REQUEST_METHOD=GET"}, nil).vars
	if len(vars) != 4 {
		t.Errorf("the environ has %q", vars)
	}
	for name, value := range vars {
		if !strings.Contains(always, name) {
			t.Errorf("the comment of Environ.Vars does not name %s", name)
		}
		if name == "REQUEST_METHOD" {
			continue
		}
		// the scheme's port
		if !strings.Contains(run, name) || value != "80" && !strings.Contains(run, name+" "+value) {
			t.Errorf("the comment of Run does not say that %s is %s", name, value)
		}
	}
	if !strings.Contains(run, "Errors is stderr") {
		t.Error("the comment of Run does not say where Errors goes")
	}
}

// commentOf returns the comment of a function or a struct's field in a file.
func commentOf(t *testing.T, path, name string) (comment string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			if node.Recv == nil && node.Name.Name == name {
				comment += node.Doc.Text()
			}
			return false
		case *ast.Field:
			if len(node.Names) == 1 && node.Names[0].Name == name {
				comment += node.Doc.Text()
			}
		}
		return true
	})
	if comment == "" {
		t.Fatalf("%s has no comment of %s", path, name)
	}
	return comment
}

// R47, R61: bytes that are written to Errors reach the host at once and unchanged. If they cannot,
// the application goes on.
func TestErrorsAreForwardedAtOnce(t *testing.T) {
	t.Parallel()
	for _, broken := range []bool{false, true} {
		log := &recorder{}
		if broken {
			log.failAt, log.err = 2, io.ErrClosedPipe
		}
		var stdout bytes.Buffer
		p := &cgi.Program{Env: get, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: log}
		err := p.Run(gateway.ApplicationFunc(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			for i, entry := range []string{"plain\n", "\xff\xfe\x00 no UTF-8\n", "\u20ac\n"} {
				_, _ = env.Errors.Write([]byte(entry))
				if len(log.writes) != i+1 || !broken && log.writes[i] != entry {
					t.Errorf("after %q the log has %q", entry, log.writes)
				}
			}
			return hello(env, start)
		}))
		if err != nil || stdout.String() != helloResponse {
			t.Errorf("broken %v: %v, stdout %q", broken, err, stdout.String())
		}
	}
}

// R16, R92, R93: a block is on stdout when the body makes the next one. R99: the bytes of the
// writer are there when Write returns.
func TestEachBlockIsOnStdoutBeforeTheNextIsMade(t *testing.T) {
	t.Parallel()
	out := new(recorder)
	last := func(want string) {
		t.Helper()
		if got := out.writes[len(out.writes)-1]; !strings.HasSuffix(got, want) {
			t.Errorf("the last write is %q, want %q", got, want)
		}
	}
	p := &cgi.Program{Env: get, Stdin: strings.NewReader(""), Stdout: out, Stderr: io.Discard}
	err := p.Run(gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		for i := range 3 {
			fmt.Fprintf(w, "write %d", i)
			last(fmt.Sprintf("write %d", i))
		}
		block := make([]byte, 7)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for i := range 5 {
				copy(block, fmt.Sprintf("block %d", i))
				if !yield(block, nil) {
					return
				}
				last(fmt.Sprintf("block %d", i))
				clear(block) // the block is the body's again
			}
		}), nil
	}))
	if want := "write 0write 1write 2block 0block 1block 2block 3block 4"; err != nil ||
		!strings.HasSuffix(strings.Join(out.writes, ""), want) {
		t.Errorf("stdout has %q, %v", out.writes, err)
	}
}

// R54, R56-R58: Input and Errors can do all that PEP 3333 wants of wsgi.input and wsgi.errors.
func TestTheStreamsOfThePEP(t *testing.T) {
	t.Parallel()
	const body = "one\ntwo\r\n\nlast"
	respondTo := func(app func(env *gateway.Environ)) (log string) {
		var stderr bytes.Buffer
		p := &cgi.Program{Env: post(int64(len(body))), Stdin: strings.NewReader(body + "and more"),
			Stdout: io.Discard, Stderr: &stderr}
		if err := p.Run(gateway.ApplicationFunc(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			app(env)
			for range 3 { // R58
				if n, err := env.Input.Read(make([]byte, 8)); n != 0 || err != io.EOF {
					t.Errorf("past the end: %d, %v", n, err)
				}
			}
			return hello(env, start)
		})); err != nil {
			t.Error(err)
		}
		return stderr.String()
	}
	respondTo(func(env *gateway.Environ) { // read(size), and the rest
		start := make([]byte, 5)
		if _, err := io.ReadFull(env.Input, start); string(start) != body[:5] || err != nil {
			t.Errorf("read(5): %q, %v", start, err)
		}
		if rest, err := io.ReadAll(env.Input); string(rest) != body[5:] || err != nil { // R57
			t.Errorf("read(): %q, %v", rest, err)
		}
	})
	respondTo(func(env *gateway.Environ) { // more than there is: R56
		buf := make([]byte, 1000)
		if n, err := io.ReadFull(env.Input, buf); string(buf[:n]) != body || err != io.ErrUnexpectedEOF {
			t.Errorf("read(1000): %q, %v", buf[:n], err)
		}
	})
	respondTo(func(env *gateway.Environ) { // readline, readlines, iteration
		var lines []string
		for in := bufio.NewReader(env.Input); ; {
			line, err := in.ReadString('\n')
			if lines = append(lines, line); err != nil {
				break
			}
		}
		if got := strings.Join(lines, "|"); got != "one\n|two\r\n|\n|last" {
			t.Errorf("readlines: %q", got)
		}
	})
	log := respondTo(func(env *gateway.Environ) { // write, writelines
		_, _ = io.Copy(io.Discard, env.Input)
		fmt.Fprintln(env.Errors, "printed", 1)
		_, _ = io.WriteString(env.Errors, "written\n")
	})
	if log != "printed 1\nwritten\n" {
		t.Errorf("the log is %q", log)
	}
}

// C43-C45: a Location never comes alone, so that no host words the redirect or follows it itself.
func TestALocationComesWithAStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"200 OK", "201 Created", "301 Moved Permanently", "302 Found",
		"307 Temporary Redirect"} {
		for _, location := range []string{"/local?x", "https://example.com/#there"} {
			var out bytes.Buffer
			p := &cgi.Program{Env: get, Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Discard}
			headers := gateway.Headers{{"Location", location}, {"Content-Type", "text/html"}}
			if err := p.Run(respond(status, headers, text("<a>there</a>"))); err != nil {
				t.Error(err)
			}
			want := "Status: " + status + "\r\nLocation: " + location +
				"\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\n<a>there</a>"
			if out.String() != want {
				t.Errorf("stdout is %q, want %q", out.String(), want)
			}
		}
	}
}

// C25: an included document is answered as any other.
func TestAnIncludedRequestIsAnsweredAsAnyOther(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"INCLUDED", "included", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0"} {
		if r := serve(with(get, "SERVER_PROTOCOL="+protocol), nil); r.stdout != helloResponse ||
			r.vars["SERVER_PROTOCOL"] != protocol {
			t.Errorf("%s: %q, with %q", protocol, r.stdout, r.vars["SERVER_PROTOCOL"])
		}
	}
}
