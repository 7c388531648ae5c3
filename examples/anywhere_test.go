package examples_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The same binary is an HTTP server and a CGI program. The tests of package serve have the other
// ways to start it.
func TestAnywhereIsAServerOrAProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted on Windows")
	}
	program := filepath.Join(buildAll(t), "anywhere"+exe())

	server := begin(t, program, "http:tcp:127.0.0.1:0")
	res, err := http.Get(server.where + "/a%20path?q")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	res.Body.Close()
	for _, want := range []string{
		"You have called " + server.where + "/a%20path?q.\n",
		fmt.Sprintf("in a process that serves many, number %d.\n", server.cmd.Process.Pid),
		"GATEWAY_INTERFACE is \"CGI/1.1\".\n", "PATH_INFO is \"/a path\".\n", "REQUEST_URI is \"/a%20path?q\".\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page is %q, %v; there is no %q", page, err, want)
		}
	}
	server.stop(t)

	cgi := exec.Command(program)
	cgi.Env = append(withoutCGI(os.Environ()), "GATEWAY=", "LISTEN_PID=", "GATEWAY_INTERFACE=CGI/1.1",
		"REQUEST_METHOD=GET", "SERVER_NAME=example.com",
		"SERVER_PORT=80", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_SOFTWARE=test/1",
		"SCRIPT_NAME=/cgi-bin/anywhere", "PATH_INFO=/x")
	out, err := cgi.CombinedOutput()
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"Status: 200 OK\r\n",
		"You have called http://example.com/cgi-bin/anywhere/x.\n", "in a process of its own",
		"SERVER_SOFTWARE is \"test/1\".\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output is %q, there is no %q", out, want)
		}
	}
}

// A server is an example that runs as a server.
type server struct {
	cmd      *exec.Cmd
	protocol string
	where    string // it listens, by its own word
	stderr   *bufio.Reader
}

// begin starts an example as the server that GATEWAY names, and waits until it says where it
// listens.
func begin(t *testing.T, program, gateway string, args ...string) *server {
	t.Helper()
	s := &server{cmd: exec.Command(program, args...)}
	s.cmd.Env = append(withoutCGI(os.Environ()), "GATEWAY="+gateway)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() })
	s.stderr = bufio.NewReader(stderr)
	line, err := s.stderr.ReadString('\n')
	said := regexp.MustCompile(`^gateway: serving (\w+) on (http://127\.0\.0\.1:\d+|unix:/.+), since GATEWAY says so\n$`)
	m := said.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("it says %q, %v", line, err)
	}
	s.protocol, s.where = m[1], m[2]
	return s
}

// stop ends it as a service manager does, and returns the rest of its stderr.
func (s *server) stop(t *testing.T) string {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	rest, _ := io.ReadAll(s.stderr)
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, it says %q", err, rest)
	}
	return string(rest)
}
