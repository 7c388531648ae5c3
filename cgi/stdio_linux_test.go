package cgi_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/gateway"
)

// redirected is the command with its files as a shell redirects them.
func redirected(cmd *exec.Cmd, redirection string) *exec.Cmd {
	cmd.Args = []string{"sh", "-c", `exec "$0" ` + redirection, cmd.Path}
	cmd.Path = "/bin/sh"
	return cmd
}

// A process may be started with any of its files closed or full. The response is sent if stdout
// allows it, and otherwise Run returns an error.
func TestClosedAndFullFiles(t *testing.T) {
	t.Parallel()
	const noStdout = "gateway: cgi: stdout was closed when the process started\n"
	for _, c := range []struct {
		name, redirection string
		app               string
		env               []string
		want              result
	}{
		{"stdin closed, GET", "<&-", "hello", get, result{helloResponse, "", 0}},
		// The runtime opens /dev/null in its place: an empty body, of which 5 bytes are missing.
		{"stdin closed, POST", "<&-", "echo", post(5),
			result{strings.ReplaceAll(helloResponse, "14\r\n\r\nHello World !\n",
				"56\r\n\r\nPOST http://example.com:8080/app/x?a=b 0 unexpected EOF\n"), "", 0}},
		{"stdin for writing only", "0>/dev/null", "complaining", post(5),
			result{helloResponse, strings.Repeat("something to say\n", 3), 0}},
		// The runtime's /dev/null takes everything: net/http/cgi loses the response and exits with
		// 0.
		{"stdout closed", ">&-", "hello", get, result{"", noStdout, 1}},
		{"stdout closed, refused request", ">&-", "hello", with(get, "REQUEST_METHOD"), result{"", noStdout, 1}},
		{"stdout full", ">/dev/full", "hello", get,
			result{"", "gateway: GET /app/x: write /dev/stdout: no space left on device\n", 1}},
		{"stdout full, failing", ">/dev/full", "failing", get,
			result{"", "gateway: GET /app/x: the application's own error\n" +
				"gateway: GET /app/x: write /dev/stdout: no space left on device\n", 1}},
		{"stdout thrown away", ">/dev/null", "hello", get, result{"", "", 0}},
		{"stdout for reading only", "1</dev/zero", "hello", get,
			result{"", "gateway: GET /app/x: write /dev/stdout: bad file descriptor\n", 1}},
		{"stderr closed", "2>&-", "complaining", get, result{helloResponse, "", 0}},
		{"stderr closed, panicking", "2>&-", "panicking", get, result{errorPage, "", 0}},
		{"stderr full", "2>/dev/full", "complaining", get, result{helloResponse, "", 0}},
		{"all closed", "<&- >&- 2>&-", "hello", get, result{"", "", 1}},
		{"stdout and stderr one pipe", "2>&1", "complaining", get,
			result{strings.Repeat("something to say\n", 3) + helloResponse, "", 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := run(t, redirected(command(t, c.app, c.env...), c.redirection)); r != c.want {
				t.Errorf("%+v,\nwant %+v", r, c.want)
			}
		})
	}
}

// datagrams returns a socket whose other end, the child's stdout, keeps each write(2) apart.
func datagrams(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return ours, theirs
}

// A response of one block is one write(2): head and body in one packet, and a host that polls wakes
// up once.
func TestResponseIsOneSystemCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		app  string
		env  []string
		want []string
	}{
		{"hello", get, []string{helloResponse}},
		{"hello", with(get, "REQUEST_METHOD=HEAD"), []string{strings.TrimSuffix(helloResponse, "Hello World !\n")}},
		{"failing", get, []string{errorPage}},
		{"hello", with(get, "REQUEST_METHOD"), []string{badRequest}},
		{"three blocks", get, []string{"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\none,", "two,", "three"}},
	} {
		ours, theirs := datagrams(t)
		cmd := command(t, c.app, c.env...)
		cmd.Stdout = theirs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = theirs.Close()
		var writes []string
		for buf := make([]byte, 1<<20); ; {
			n, err := ours.Read(buf)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			writes = append(writes, string(buf[:n]))
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if strings.Join(writes, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s: the writes are %q, want %q", c.app, writes, c.want)
		}
	}
}

// mod_cgid gives the program one Unix socket for stdin and stdout. A socket that is closed with
// bytes unread is reset. So the rest of the body must be read, or the host loses the answer; and a
// reset by the host means that the client has left.
func TestStdinAndStdoutAreOneSocket(t *testing.T) {
	t.Parallel()
	start := func(app string, env []string) (*os.File, *exec.Cmd, *strings.Builder) {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
		t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
		cmd := command(t, app, env...)
		stderr := new(strings.Builder)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = theirs.Close()
		return ours, cmd, stderr
	}
	host, cmd, stderr := start("ignore", post(1<<20))
	if _, err := host.Write(make([]byte, 1<<20)); err != nil {
		t.Errorf("the host could not send the body: %v", err)
	}
	response, err := io.ReadAll(host)
	if err != nil || string(response) != helloResponse {
		t.Errorf("the response is %q, %v", response, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v, stderr %q", err, stderr)
	}

	host, cmd, stderr = start("endless", get)
	if _, err := io.ReadFull(host, make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	_ = host.Close()
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 1 || stderr.String() != "stopped: disconnected\nclosed\n" {
		t.Errorf("%v, stderr %q", cmd.ProcessState, stderr)
	}
}

// A process that the application starts and leaves behind must not hold the response open: the
// duplicates of stdout and stderr are not inherited.
func TestDuplicatesAreNotInherited(t *testing.T) {
	t.Parallel()
	if r := run(t, command(t, "starting", get...)); !strings.HasSuffix(r.stdout, "\r\n\r\n0 inherited") {
		t.Errorf("%+v", r)
	}
}

func init() { applications["starting"] = starting }

// starting answers with how many of its own stdout and stderr a process has that it starts with
// others.
func starting(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	note(env, "stderr is open")
	w, err := start("200 OK", plain, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(nil); err != nil { // the head is out
		return nil, err
	}
	const list = `for f in /proc/self/fd/*; do readlink $f || :; done`
	out, err := exec.Command("/bin/sh", "-c", "PATH=/bin:/usr/bin; "+list).Output()
	if err == nil && len(out) == 0 {
		err = errors.New("nothing is listed")
	}
	n := 0
	for _, name := range []string{"/proc/self/fd/1", "/proc/self/fd/2"} {
		target, lerr := os.Readlink(name)
		err = errors.Join(err, lerr)
		n += strings.Count(string(out), target+"\n")
	}
	return gateway.Text(strconv.Itoa(n) + " inherited"), err
}
