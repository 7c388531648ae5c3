package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// built builds the programs in testdata, once, and returns the folder that has them.
var built = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "gateway-host-"); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator),
		"./testdata/relay", "./testdata/program").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %v\n%s", err, out)
	}
	return dir, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := built(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// programIn returns the path of a program in testdata.
func programIn(t testing.TB, folder string) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		folder += ".exe"
	}
	return filepath.Join(dir, folder)
}

// steps returns a CGI whose program does what the steps say, as testdata/program has it.
func steps(t testing.TB, list ...string) *CGI {
	return &CGI{Path: programIn(t, "program"), Args: list}
}

// okHead is the head of an answer as a step.
const okHead = "out=Content-Type: text/plain\n\n"

// ofTheEngine are rules that the engine of the suite's application keeps, whatever is in front. The
// other loops are proof enough of these, and processes take their time.
var ofTheEngine = []string{
	"R14", "R65", "R66", "R68", "R69", "R72", "R74", "R79", "R82", "R83", "R91", "R110", "C46",
	"D3", "D4", "D8", "D9",
}

// The conformance suite, through a process for each request. The process passes the request back to
// the application of the suite, over FastCGI. Every second case is run with Stream.
func TestLoopOfPrograms(t *testing.T) {
	t.Parallel()
	program := programIn(t, "relay")
	cases := 0 // TestServer runs one after the other
	start := behind("unix", fcgiServer, func(a []string) gateway.Application {
		cases++
		return &CGI{Path: program, Options: Options{
			Stream: cases%2 == 0,
			Vars:   map[string]string{"HOST_TEST_ADDRESS": a[0]},
		}}
	}, notRun)
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		if slices.Contains(ofTheEngine, path.Base(path.Dir(t.Name()))) {
			t.Skip("the other loops run it")
		}
		return start(t, app)
	}, known...)
}

func TestACGIIsAnApplication(t *testing.T) {
	c := steps(t, okHead, "copy", "err=a line")
	gatewaytest.TestApplication(t, c,
		gatewaytest.NewEnviron("GET", "/a/b?c", nil),
		gatewaytest.NewEnviron("POST", "/", strings.NewReader("hello")))
}

// A small page of a program goes out with a length: the program ends when it has written the page.
func TestAPageOfAProgramHasALength(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a pipe has no deadline there")
	}
	with := 0
	for range 20 { // a busy machine may take its time
		r := get(steps(t, okHead+"hello"))
		if r.Body() != "hello" || !r.Whole {
			t.Fatalf("%s, %q, %v", r.Status, r.Body(), r.Err)
		}
		if r.Headers.Get("Content-Length") == "5" {
			with++
		}
	}
	if with == 0 {
		t.Error("none of 20 pages had a length")
	}
}

func TestTheEnvironmentOfAProgram(t *testing.T) {
	t.Setenv("HOST_TEST_SECRET", "secret")
	dir := t.TempDir()
	c := steps(t, okHead, "environ")
	program := c.Path
	get := func(c *CGI, change func(vars map[string]string)) string {
		t.Helper()
		env := gatewaytest.NewEnviron("GET", "/a%20b?-s+a=b", nil)
		change(env.Vars)
		r := gatewaytest.Record(c, env)
		if r.Code() != 200 || r.Err != nil {
			t.Fatalf("%s, %v, %s", r.Status, r.Err, r.Errors)
		}
		body := r.Body()
		if runtime.GOOS == "windows" {
			body = regexp.MustCompile("(?m)^SYSTEMROOT=.*\n").ReplaceAllString(body, "")
		}
		return body
	}
	nothing := func(map[string]string) {}
	const rest = `GATEWAY_INTERFACE=CGI/1.1
HTTP_HOST=example.com
PATH=%s
PATH_INFO=/a b
QUERY_STRING=-s+a=b
REDIRECT_STATUS=200
REMOTE_ADDR=192.0.2.1
REQUEST_METHOD=GET
REQUEST_SCHEME=http
REQUEST_URI=/a%%20b?-s+a=b
SCRIPT_NAME=
SERVER_NAME=example.com
SERVER_PORT=80
SERVER_PROTOCOL=HTTP/1.1
SERVER_SOFTWARE=gatewaytest
`
	got := get(c, func(vars map[string]string) {
		vars["SECRET"] = "of the server"
		vars["HTTP_AUTHORIZATION"] = "Basic c2VjcmV0"
		vars["PATH"] = "/somewhere"
	})
	if !strings.HasPrefix(got, fmt.Sprintf("%q %q\n", c.Args, filepath.Dir(program))) {
		t.Errorf("the arguments and the folder are %s", got)
	}
	_, got, _ = strings.Cut(got, "\n")
	if want := fmt.Sprintf(rest, defaultPath()); got != want {
		t.Errorf("the environment is\n%s, want\n%s", got, want)
	}
	c.Dir = dir
	c.Vars = map[string]string{"PATH": "/opt/bin", "EMPTY": "", "LINES": "a\nb"}
	got = get(c, nothing)
	if !strings.HasPrefix(got, fmt.Sprintf("%q %q\n", c.Args, dir)) {
		t.Errorf("with a Dir the folder is %s", got)
	}
	_, got, _ = strings.Cut(got, "\n")
	want := strings.Replace(fmt.Sprintf(rest, "/opt/bin"), "PATH=", "LINES=a\nb\nPATH=", 1)
	if got != want {
		t.Errorf("with Vars the environment is\n%s, want\n%s", got, want)
	}
}

// A relative Path begins at the working directory of the process, whatever Dir is.
func TestTheProgramOfARelativePath(t *testing.T) {
	c := steps(t, okHead+"hello")
	t.Chdir(filepath.Dir(c.Path))
	name := filepath.Base(c.Path)
	for _, path := range []string{"." + string(filepath.Separator) + name, filepath.Join("..",
		filepath.Base(filepath.Dir(c.Path)), name)} {
		c := steps(t, okHead+"hello")
		c.Path, c.Dir = path, t.TempDir()
		if r := gatewaytest.Record(c, gatewaytest.NewEnviron("GET", "/",
			nil)); r.Body() != "hello" {
			t.Errorf("%s: %s, %s", path, r.Status, r.Errors)
		}
	}
	t.Setenv("PATH", filepath.Dir(c.Path))
	t.Chdir(t.TempDir())
	c.Path = strings.TrimSuffix(name, ".exe")
	if r := gatewaytest.Record(c, gatewaytest.NewEnviron("GET", "/", nil)); r.Body() != "hello" {
		t.Errorf("in PATH: %s, %s", r.Status, r.Errors)
	}
}

// With a Root and a Path the program gets the script, as php-cgi does. Without a Path the script is
// the program.
func TestTheProgramOfAScript(t *testing.T) {
	program := programIn(t, "program")
	root := t.TempDir()
	name := filepath.Base(program)
	if err := os.MkdirAll(filepath.Join(root, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(root, "sub", name)
	if err := os.WriteFile(script, text, 0o777); err != nil {
		t.Fatal(err)
	}
	env := gatewaytest.NewEnviron("GET", "/sub/"+name+"/a/b", nil)
	env.Vars["SCRIPT_NAME"] = "/cgi-bin"
	for _, path := range []string{"", program} {
		c := &CGI{Path: path, Args: []string{okHead, "environ"}, Scripts: Scripts{Root: root}}
		r := gatewaytest.Record(c, env)
		dir := filepath.Dir(script)
		if path != "" {
			dir = filepath.Dir(program)
		}
		for _, want := range []string{
			fmt.Sprintf("%q\n", dir), "\nSCRIPT_FILENAME=" + script, "\nPATH_INFO=/a/b\n",
			"\nDOCUMENT_ROOT=" + root,
			"\nSCRIPT_NAME=/cgi-bin/sub/" + name + "\n",
		} {
			if !strings.Contains(r.Body(), want) {
				t.Errorf("Path %q: there is no %q in %s\n%s%s", path, want, r.Status, r.Body(),
					r.Errors)
			}
		}
	}
	c := &CGI{Scripts: Scripts{Root: root}}
	for path, want := range map[string]int{"/sub": 404, "/sub/": 404, "/none": 404, "/../x": 404} {
		if r := gatewaytest.Record(c, gatewaytest.NewEnviron("GET", path, nil)); r.Code() != want {
			t.Errorf("%s: %s, want %d", path, r.Status, want)
		}
	}
}

func TestAnNPHProgramMaySendChunks(t *testing.T) {
	const http = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, test := range []struct {
		name, answer string
		nph          bool
		method       string
		body         string
		err          error
	}{
		{"chunks", http + "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", true, "GET", "hello world",
			nil},
		{"a length beside them",
			"HTTP/1.1 200 OK\nContent-Length: 3\nTransfer-Encoding: chunked\n\n" +
				"5\r\nhello\r\n0\r\n\r\n",
			true, "GET", "hello", nil},
		{"no NPH program", http + "5\r\nhello\r\n0\r\n\r\n", false, "GET",
			"5\r\nhello\r\n0\r\n\r\n", nil},
		{"no chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true, "GET", "hello",
			nil},
		{"no HTTP", "Content-Type: text/plain\n\nhello", true, "GET", "hello", nil},
		{"HEAD", http, true, "HEAD", "", nil},
		{"304", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", true, "GET", "",
			nil},
		{"no last chunk", http + "5\r\nhello\r\n", true, "GET", "hello", ErrCutShort},
		{"half a chunk", http + "5\r\nhel", true, "GET", "hel", ErrCutShort},
		{"malformed", http + "5\r\nhello\r\nx\r\n\r\n", true, "GET", "hello", ErrAnswer},
		{"more", http + "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", true, "GET", "hello",
			ErrAnswer},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := steps(t, "out="+test.answer)
			c.NPH = test.nph
			r := gatewaytest.Record(c, gatewaytest.NewEnviron(test.method, "/", nil))
			if r.Body() != test.body || !errors.Is(r.Err, test.err) || test.err == nil &&
				r.Err != nil || r.Whole != (test.err == nil) {
				t.Errorf("%s %q, %v, want %q, %v", r.Status, r.Body(), r.Err, test.body, test.err)
			}
			if length := r.Headers.Get("Content-Length"); length != "" &&
				length != fmt.Sprint(len(test.body)) {
				t.Errorf("the length is %s", length)
			}
		})
	}
	c := steps(t, "out="+http+"5\r\nhello\r\n0\r\n\r\n", "exit=1")
	c.NPH = true
	if r := gatewaytest.Record(c, gatewaytest.NewEnviron("GET", "/", nil)); !errors.Is(r.Err,
		ErrCutShort) {
		t.Errorf("of a program that fails after the last chunk: %q, %v", r.Body(), r.Err)
	}
}

// A queue is first in, first out, and nobody waits longer than WaitTimeout or the request's
// Context.
func TestTheQueueOfPrograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		c := &CGI{MaxProcesses: 2, MaxWaiting: 3, WaitTimeout: time.Minute}
		began := time.Now()
		for range 2 {
			if err := q.enter(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		results := make(chan string, 4)
		enter := func(name string, ctx context.Context) {
			go func() {
				results <- fmt.Sprint(name, " ", errors.Is(q.enter(ctx, c), ErrOverloaded), " ",
					time.Since(began))
			}()
			synctest.Wait()
		}
		enter("a", t.Context())
		enter("b", ctx)
		enter("c", t.Context())
		enter("d", t.Context())
		want := func(want string) {
			t.Helper()
			if got := <-results; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		want("d true 0s") // beyond MaxWaiting
		want("b true 1s") // its Context ends
		time.Sleep(time.Second)
		q.leave()
		want("a false 2s")
		want("c true 1m0s")
		q.leave()
		enter("e", t.Context())
		want("e false 1m0s")
	})
	var unlimited queue
	for range 1000 {
		if err := unlimited.enter(t.Context(), &CGI{MaxProcesses: -1}); err != nil {
			t.Fatal(err)
		}
	}
	unlimited.leave()
}

// A request that waits for its turn is not a program that is slow.
func TestARequestThatWaitsGetsA503(t *testing.T) {
	stop := filepath.Join(t.TempDir(), "stop")
	c := steps(t, okHead+"hello", "wait="+stop)
	c.MaxProcesses, c.WaitTimeout = 1, 50*time.Millisecond
	first := make(chan *gatewaytest.Response)
	begun := make(chan struct{})
	go func() {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		first <- gatewaytest.Record(gateway.ApplicationFunc(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			body, err := c.Call(env, start)
			close(begun)
			return body, err
		}), env)
	}()
	<-begun
	c.HeadTimeout = time.Millisecond
	r := gatewaytest.Record(c, gatewaytest.NewEnviron("GET", "/", nil))
	if r.Code() != 503 || !strings.Contains(r.Errors, "MaxProcesses") {
		t.Errorf("a second request: %s, %s", r.Status, r.Errors)
	}
	c.HeadTimeout = 0
	if err := os.WriteFile(stop, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if r := <-first; r.Body() != "hello" || r.Err != nil {
		t.Errorf("the first request: %q, %v", r.Body(), r.Err)
	}
	if r := gatewaytest.Record(c, gatewaytest.NewEnviron("GET", "/", nil)); r.Code() != 200 {
		t.Errorf("a request after the first: %s, %s", r.Status, r.Errors)
	}
}
