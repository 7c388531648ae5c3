package cgi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

// Variables that make the test binary a CGI program: the name of the application, and the arguments
// of SetDrain. TestMain looks at them before the flags are parsed, so that the arguments are the
// host's, as in a program.
const (
	appVar        = "GATEWAY_TEST_APPLICATION"
	drainBytesVar = "GATEWAY_TEST_DRAIN_BYTES"
	drainTimeVar  = "GATEWAY_TEST_DRAIN_TIME"
	changesVar    = "GATEWAY_TEST_CHANGES" // what the program does to its environment: "SET=1 UNSET"
)

func TestMain(m *testing.M) {
	name := os.Getenv(appVar)
	if name == "" {
		os.Exit(m.Run())
	}
	app, found := applications[name]
	if !found {
		app, found = pairs[name]
	}
	if !found {
		panic("no application " + name)
	}
	bytes, err := strconv.ParseInt(os.Getenv(drainBytesVar), 10, 64)
	limit, err2 := time.ParseDuration(os.Getenv(drainTimeVar))
	if err == nil && err2 == nil {
		cgi.SetDrain(bytes, limit)
	}
	for _, change := range strings.Fields(os.Getenv(changesVar)) {
		if name, value, found := strings.Cut(change, "="); found {
			os.Setenv(name, value)
		} else {
			os.Unsetenv(name)
		}
	}
	err = cgi.Run(app)
	if afterRun != nil {
		afterRun()
	}
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// afterRun is called in a child process when Run has returned.
var afterRun func()

// applications are those that a child process can be.
var applications = map[string]gateway.ApplicationFunc{
	"hello":        hello,
	"echo":         echo,
	"ignore":       ignore,
	"failing":      failing,
	"panicking":    panicking,
	"exiting":      exiting,
	"exiting late": exitingLate,
	"exiting last": exitingLast,
	"falling":      falling,
	"short":        short,
	"long":         long,
	"endless":      endless,
	"environ":      printEnviron,
	"writing":      writing,
	"complaining":  complaining,
	"giving":       giving,
	"taking":       taking,
	"three blocks": threeBlocks,
}

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

var errApplication = errors.New("the application's own error")

func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text("Hello World !\n"), err
}

const helloResponse = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello World !\n"

// errorPage is the response of an application that fails, and badRequest that to a malformed
// request. Both are constant: they echo nothing.
const (
	errorPage  = "Status: 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n\r\n500 Internal Server Error\n"
	badRequest = "Status: 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 16\r\n\r\n400 Bad Request\n"
)

// echo answers with the request as it got it, the body last.
func echo(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(env.Input)
	end := "EOF"
	if err != nil {
		end = err.Error()
	}
	head := env.Vars["REQUEST_METHOD"] + " " + env.URL() + " " + strconv.Itoa(len(body)) + " " + end + "\n"
	return gateway.Text(head + string(body)), nil
}

// ignore answers without a look at the body.
func ignore(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return hello(env, start)
}

// failing and panicking fail before anything is sent. falling fails after its first block.
func failing(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
	return nil, errApplication
}

func panicking(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { panic(errApplication) }

func exiting(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) {
	runtime.Goexit()
	return nil, nil
}

// exitingLate ends its goroutine after the first block, when there is a signal handler.
func exitingLate(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		if yield([]byte("half"), nil) {
			runtime.Goexit()
		}
	}), err
}

// exitingLast ends its goroutine when the response is out.
func exitingLast(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	body, err := hello(env, start)
	return gateway.OnClose(body, func() error { runtime.Goexit(); return nil }), err
}

func falling(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		_ = yield([]byte("half"), nil) && yield(nil, errApplication)
	}), err
}

// short and long yield less and more than they declare.
func short(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain.With("Content-Length", "6"), nil)
	return gateway.Text("five!"), err
}

func long(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain.With("Content-Length", "4"), nil)
	return gateway.Text("five!"), err
}

func threeBlocks(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		_ = yield([]byte("one,"), nil) && yield(nil, nil) && yield([]byte("two,"), nil) && yield([]byte("three"), nil)
	}), err
}

// command is the test binary as a CGI program with no environment but the given one. It is killed
// when the test ends, or when it hangs.
func command(t testing.TB, app string, vars ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append([]string{appVar + "=" + app}, vars...)
	if raceEnabled {
		cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // otherwise each exit takes a second
	}
	if testing.CoverMode() != "" {
		cmd.Env = append(cmd.Env, "GOCOVERDIR="+t.TempDir()) // otherwise the process warns on stderr
	}
	return cmd
}

// A result has the output and the exit status of a process.
type result struct {
	stdout, stderr string
	code           int // -1 if a signal ended it
}

// run runs a child process to its end.
func run(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// pipe returns both ends of a pipe, closed when the test ends.
func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// get and post are a request as a host describes it.
var get = []string{
	"GATEWAY_INTERFACE=CGI/1.1", "SERVER_SOFTWARE=host/1", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_NAME=example.com",
	"SERVER_PORT=8080", "REQUEST_METHOD=GET", "SCRIPT_NAME=/app", "PATH_INFO=/x", "QUERY_STRING=a=b",
	"HTTP_HOST=example.com:8080",
}

func post(length int64) []string {
	return with(get, "REQUEST_METHOD=POST", "CONTENT_LENGTH="+strconv.FormatInt(length, 10))
}

// with returns the environment with the entries at its end instead of those of the same name. An
// entry without "=" only removes.
func with(list []string, entries ...string) []string {
	var out []string
	for _, old := range list {
		name, _, _ := strings.Cut(old, "=")
		replaced := false
		for _, entry := range entries {
			new, _, _ := strings.Cut(entry, "=")
			replaced = replaced || new == name
		}
		if !replaced {
			out = append(out, old)
		}
	}
	for _, entry := range entries {
		if strings.Contains(entry, "=") {
			out = append(out, entry)
		}
	}
	return out
}

// printEnviron answers with the request's headers as variables.
func printEnviron(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	var b strings.Builder
	for name, value := range env.All() {
		if value, ok := value.(string); ok && strings.HasPrefix(name, "HTTP_") {
			b.WriteString(name + "=" + strconv.Quote(value) + "\n")
		}
	}
	return gateway.Text(b.String()), nil
}
