package examples_test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.com/gateway/gatewaytest"
	"example.com/gateway/host"
)

const script = `#!/bin/sh
printf 'Content-Type: text/plain\n\n'
echo "$SCRIPT_NAME|$PATH_INFO|$QUERY_STRING|${SCRIPT_FILENAME##*/}|$(cat)"
`

// The programs of a folder are found on the path of an HTTP request, and by the SCRIPT_FILENAME of
// a web server, as fcgiwrap finds them.
func TestCgibinRunsTheProgramsOfAFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs are shell scripts")
	}
	program := filepath.Join(buildAll(t), "cgibin")
	dir := filepath.Join(t.TempDir(), "cgi-bin")
	for name, mode := range map[string]os.FileMode{"hello.cgi": 0o777, "sub/b.cgi": 0o777,
		"text": 0o666, "../secret": 0o777} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(script), mode); err != nil {
			t.Fatal(err)
		}
	}
	server := begin(t, program, "http:tcp:127.0.0.1:0", dir)
	for path, want := range map[string]string{
		"/hello.cgi":       "/hello.cgi|||hello.cgi|a body",
		"/hello.cgi/a%2Fb": "/hello.cgi|/a/b||hello.cgi|a body",
		"/sub/b.cgi?-x+y":  "/sub/b.cgi||-x+y|b.cgi|a body",
		"/":                "404 Not Found",
		"/sub":             "404 Not Found",
		"/none":            "404 Not Found",
		"/../secret":       "404 Not Found",
		"/text":            "502 Bad Gateway",
	} {
		res, err := http.Post(server.where+path, "text/plain",
			io.MultiReader(strings.NewReader("a body")))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(got) != want+"\n" || err != nil {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	if log := server.stop(t); !strings.Contains(log, "chmod a+x") {
		t.Errorf("the log is %s", log)
	}

	// As spawn-fcgi starts it, and with the variables of nginx.
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"),
		Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	stdin, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	cmd := exec.Command(program, dir)
	cmd.Env = append(withoutCGI(os.Environ()), "GATEWAY=")
	cmd.Stdin = stdin
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	for _, test := range []struct{ file, name, info, want string }{
		{dir + "/hello.cgi", "/cgi-bin/hello.cgi", "", "/cgi-bin/hello.cgi|||hello.cgi|"},
		{dir + "/hello.cgi", "/cgi-bin/hello.cgi", "/a", "/cgi-bin/hello.cgi|/a||hello.cgi|"},
		{dir + "/hello.cgi/a", "/cgi-bin/hello.cgi/a", "", "/cgi-bin/hello.cgi|/a||hello.cgi|"},
		{dir + "/sub/b.cgi/c", "/sub/b.cgi/c", "", "/sub/b.cgi|/c||b.cgi|"},
		{dir + "/hello.cgi", "/all/a/b", "/a/b", "/hello.cgi|/a/b||hello.cgi|"},
		{dir + "/none.cgi", "/cgi-bin/none.cgi", "", "404 Not Found"},
		{dir + "/../secret", "/cgi-bin/../secret", "", "404 Not Found"},
		{filepath.Dir(dir) + "/secret", "/secret", "", "404 Not Found"},
		{dir + "-other/hello.cgi", "/hello.cgi", "", "404 Not Found"},
		{"/bin/sh", "/bin/sh", "", "404 Not Found"},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			env := gatewaytest.NewEnviron("GET", "/", nil)
			nginx := &host.FastCGI{Addresses: []string{"unix:" + listener.Addr().String()}}
			nginx.Vars = map[string]string{"SCRIPT_FILENAME": test.file,
				"DOCUMENT_ROOT": filepath.Dir(dir)}
			maps.Copy(env.Vars, map[string]string{"SCRIPT_NAME": test.name, "PATH_INFO": test.info})
			if r := gatewaytest.Record(nginx, env); r.Body() != test.want+"\n" {
				t.Errorf("%s %q, want %q, %s", r.Status, r.Body(), test.want, r.Errors)
			}
		})
	}
}
