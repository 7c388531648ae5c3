// Package lambda runs package lambda at the Runtime Interface Emulator, which AWS publishes for
// tests on a developer's machine. The emulator has a Runtime API and no front end: the requests of
// a client become events, and the answers responses, in internal/testlambda. The emulator is why
// the package is a module of its own.
//
//	cd interop/lambda && go test .
package lambda

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/testlambda"
	"example.com/gateway/lambda"
)

const emulator = "github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie"

// build builds a program as a file of a folder that anybody may read.
func build(t *testing.T, pkg, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", file, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // there are no libraries where it runs
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// root makes the root of an environment, with the emulator and the bootstrap of a function.
func root(t *testing.T, bootstrap string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir,
		filepath.Dir(dir)} { // the emulator runs the function as another user
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build(t, emulator, dir+"/rie")
	build(t, bootstrap, dir+"/var/task/bootstrap")
	if err := os.Mkdir(dir+"/dev", 0o755); err != nil {
		t.Fatal(err)
	}
	null, err := os.Create(dir +
		"/dev/null") // which the emulator opens as the stdin of the function
	if err != nil {
		t.Fatal(err)
	}
	null.Close()
	return dir
}

// A rie is an emulator that runs.
type rie struct {
	api, address string
}

// start starts the emulator of an environment, until the end of the test.
func start(t *testing.T, dir string, env ...string) *rie {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("run this test as root: the emulator has the function at /var/task, which is in " +
			"a root of its own here, " +
			"and runs it as another user")
	}
	r := new(rie)
	r.api, r.address = freeAddresses(t)
	cmd := exec.Command("/rie", "--runtime-api-address", r.api,
		"--runtime-interface-emulator-address", r.address,
		"--log-level", "error", "/var/task/bootstrap")
	cmd.Err = nil // the file is in the root
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Setpgid: true}
	cmd.Dir = "/"
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid,
			syscall.SIGTERM) // after which the emulator ends the function
		timer := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
	})
	for _, address := range []string{r.api, r.address} {
		for i := 0; ; i++ {
			if conn, err := net.Dial("tcp", address); err == nil {
				conn.Close()
				break
			} else if i == 1000 {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return r
}

// freeAddresses returns two addresses on which nobody listens.
func freeAddresses(t *testing.T) (string, string) {
	t.Helper()
	var list [2]string
	for i := range list {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		list[i] = l.Addr().String()
	}
	return list[0], list[1]
}

// invoke has the function handle an event.
func (r *rie) invoke(event []byte, _ <-chan struct{}) *testlambda.Result {
	response, err := http.Post("http://"+r.address+"/2015-03-31/functions/function/invocations",
		"application/json",
		bytes.NewReader(event))
	if err != nil {
		return &testlambda.Result{Kind: "none", Message: err.Error()}
	}
	if kind := response.Header.Get("Error-Type"); kind != "" || response.StatusCode != 200 {
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return &testlambda.Result{Kind: kind + response.Status, Message: string(text)}
	}
	return &testlambda.Result{
		IsStream: response.Header.Get("Lambda-Runtime-Function-Response-Mode") == "streaming",
		Body:     response.Body,
		Trailer:  func() string { return "" }, // the emulator has read it before it sends anything
	}
}

// loops is more than the suite has requests at a time: the emulator refuses an event for which no
// loop waits.
const loops = "64"

// The suite in each form. The emulator's bootstrap does nothing: the server under test is in this
// process, and takes the bootstrap's place at the Runtime API. It serves the application of one
// case after the other.
func TestServerKeepsTheRules(t *testing.T) {
	dir := root(t, "example.com/gateway/interop/lambda/idle")
	t.Setenv("AWS_LAMBDA_MAX_CONCURRENCY", loops)
	for _, f := range testlambda.Forms {
		t.Run(f.Name, func(t *testing.T) {
			r := start(t, dir, "AWS_LAMBDA_FUNCTION_TIMEOUT=60",
				"AWS_LAMBDA_MAX_CONCURRENCY="+loops)
			t.Setenv("AWS_LAMBDA_RUNTIME_API", r.api)
			var current atomic.Pointer[gateway.Application]
			server := &lambda.Server{Stream: f.Stream, ErrorLog: log.New(io.Discard, "", 0),
				Application: gateway.ApplicationFunc(func(env *gateway.Environ,
					start gateway.StartResponse) (gateway.Body, error) {
					return (*current.Load()).Call(env, start)
				})}
			ended := make(chan error, 1)
			go func() { ended <- server.Serve() }()
			t.Cleanup(func() {
				server.Close()
				if err := <-ended; err != gateway.ErrShutdown {
					t.Errorf("Serve has returned %v", err)
				}
			})
			f.Stream = false // the emulator collects a stream
			gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
				name := strings.Split(t.Name(), "/")
				if reason := testlambda.NotRun(f)[strings.Join(name[len(name)-2:],
					"/")]; reason != "" {
					t.Skip(reason)
				}
				current.Store(&app)
				front := &testlambda.Front{Kind: f.Kind, Invoke: r.invoke}
				return front.Start(t)
			}, testlambda.KnownFailures(f)...)
		})
	}
}

// A program that calls serve.Run is a bootstrap as it is: at the emulator of one invocation at a
// time, and at that of managed instances.
func TestTheSameBinaryRuns(t *testing.T) {
	dir := root(t, "example.com/gateway/examples/anywhere")
	for _, env := range [][]string{nil, {"GATEWAY=lambda:stream"}, {"AWS_LAMBDA_MAX_CONCURRENCY=2"},
		{"AWS_LAMBDA_MAX_CONCURRENCY=2", "GATEWAY=lambda:stream"}} {
		t.Run(fmt.Sprint(env), func(t *testing.T) {
			r := start(t, dir, env...)
			front := &testlambda.Front{Kind: testlambda.FunctionURL, Invoke: func(event []byte,
				done <-chan struct{}) *testlambda.Result {
				result := r.invoke(event, done)
				result.IsStream = strings.Contains(strings.Join(env, " "),
					"stream") // the classic emulator does not say
				return result
			}}
			url := front.Start(t)
			for range 3 {
				response, err := http.Get(url + "/")
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != 200 || len(body) == 0 {
					t.Errorf("%s, %q, %v", response.Status, body, err)
				}
			}
		})
	}
}
