//go:build unix

package serve_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
	"example.com/gateway/serve"
)

// The processes that these tests start are this test binary, with SERVE_TEST set.
func TestMain(m *testing.M) {
	if os.Getenv("SERVE_TEST") == "" {
		for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
			if signal.Ignored(s) { // and by the processes that the tests start, without this
				signal.Notify(make(chan os.Signal, 1), s)
			}
		}
		os.Exit(m.Run())
	}
	if os.Getenv("LISTEN_PID") == "self" { // the test does not know the number of the process
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	run := func() error { return serve.Run(gateway.ApplicationFunc(app)) }
	if grace, err := time.ParseDuration(os.Getenv("SERVER_GRACE")); err == nil {
		run = (&serve.Server{Application: gateway.ApplicationFunc(app), Grace: grace}).Run
	}
	if os.Getenv("SERVE_TEST") == "server" {
		run = (&serve.Server{
			Application: gateway.ApplicationFunc(app),
			Gateway:     os.Getenv("SERVER_GATEWAY"),
			Limits:      request.Limits{MaxBodyBytes: 2},
			ErrorLog:    log.New(os.Stderr, "own log: ", 0),
		}).Run
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "Run:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "Run: nil")
}

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

// app yields a block that says which process it is in, does what the path says, and yields a second
// block.
func app(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if _, err := start("200 OK", plain, nil); err != nil {
		return nil, err
	}
	path := env.Vars["SCRIPT_NAME"] + env.Vars["PATH_INFO"]
	return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
		if !yield(fmt.Appendf(nil, "pid %d %s\n", os.Getpid(), env.Vars["GATEWAY_INTERFACE"]), nil) {
			return
		}
		switch path {
		case "/body":
			if _, err := io.Copy(io.Discard, env.Input); err != nil {
				yield(nil, err)
				return
			}
		case "/wait":
			<-env.Context().Done()
			fmt.Fprintf(os.Stderr, "app: the cause is ErrShutdown: %v\n", errors.Is(context.Cause(env.Context()), gateway.ErrShutdown))
		case "/deaf":
			io.Copy(io.Discard, env.Input)
		case "/stuck":
			select {}
		}
		yield([]byte("end\n"), nil)
	}), func() error {
		if path != "/" {
			fmt.Fprintln(os.Stderr, "app: closed")
		}
		return nil
	}), nil
}

// A child is a process that a test has started.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // of stderr
	said  []string
}

// begin starts a process with the variables in its environment and the files as file 3 and up.
func begin(t *testing.T, stdin *os.File, files []*os.File, env ...string) *child {
	t.Helper()
	return beginCommand(t, exec.Command(os.Args[0]), stdin, files, env...)
}

// beginCommand is begin for a command that becomes the test binary.
func beginCommand(t *testing.T, cmd *exec.Cmd, stdin *os.File, files []*os.File, env ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: cmd, lines: make(chan string, 1000)}
	c.cmd.Env = append(os.Environ(), "SERVE_TEST=1", "GORACE=atexit_sleep_ms=0", "PORT=0", "GATEWAY=",
		"LISTEN_PID=", "LISTEN_FDS=",
		"LISTEN_FDNAMES=", "REQUEST_METHOD=", "AWS_LAMBDA_RUNTIME_API=", "AWS_LAMBDA_MAX_CONCURRENCY=",
		"HTTP_PLATFORM_PORT=", "FUNCTIONS_CUSTOMHANDLER_PORT=")
	c.cmd.Env = append(c.cmd.Env, env...)
	if stdin != nil {
		c.cmd.Stdin = stdin
	}
	c.cmd.ExtraFiles = files
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			c.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		for range c.lines {
		}
		c.cmd.Wait()
	})
	return c
}

// await waits for a line of stderr that matches the pattern, and returns what the last group
// matches.
func (c *child) await(pattern string) string {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line, more := <-c.lines:
			if !more {
				c.t.Fatalf("stderr is %q, there is nothing like %s", c.said, pattern)
			}
			c.said = append(c.said, line)
			if m := re.FindStringSubmatch(line); m != nil {
				return m[len(m)-1]
			}
		case <-timeout:
			c.t.Fatalf("stderr is %q, nothing like %s came", c.said, pattern)
		}
	}
}

// ends waits for the end of the process. It checks the exit status and what Run has returned.
func (c *child) ends(status int, run string) {
	c.t.Helper()
	c.await("^Run: " + run)
	for line := range c.lines {
		c.said = append(c.said, line)
	}
	c.cmd.Wait()
	if got := c.cmd.ProcessState.ExitCode(); got != status {
		c.t.Errorf("the exit status is %d, want %d; stderr is %q", got, status, c.said)
	}
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// A call is a request whose answer has begun.
type call struct {
	conn net.Conn
	r    *bufio.Reader
	rest string // the part of the request that finish sends
}

// ask sends a request without the last of the three bytes of its body, and reads the first block of
// app. It returns that block too.
func ask(protocol, network, addr, path string) (*call, string, error) {
	return askWith("", protocol, network, addr, path)
}

// askWith is ask with a header of the PROXY protocol.
func askWith(header, protocol, network, addr, path string) (*call, string, error) {
	conn, err := net.Dial(network, addr)
	if err != nil {
		return nil, "", err
	}
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	vars := [][2]string{{"CONTENT_LENGTH", "3"}, {"SCGI", "1"}, {"REQUEST_METHOD", "POST"}, {"SERVER_PROTOCOL", "HTTP/1.1"},
		{"GATEWAY_INTERFACE", protocol}, {"PATH_INFO", path}}
	c := &call{conn: conn, r: bufio.NewReader(conn), rest: "c"}
	var b []byte
	switch protocol {
	case "http":
		b = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nab", path)
	case "scgi":
		for _, v := range vars {
			b = append(append(append(append(b, v[0]...), 0), v[1]...), 0)
		}
		b = fmt.Appendf(nil, "%d:%s,ab", len(b), b)
	case "uwsgi":
		b = make([]byte, 4)
		for _, v := range vars {
			for _, s := range v {
				b = append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
			}
		}
		binary.LittleEndian.PutUint16(b[1:], uint16(len(b)-4))
		b = append(b, "ab"...)
	case "fcgi":
		b = record(nil, 1, "\x00\x01\x00\x00\x00\x00\x00\x00")
		params := ""
		for _, v := range vars {
			params += string([]byte{byte(len(v[0])), byte(len(v[1]))}) + v[0] + v[1]
		}
		b = record(record(record(b, 4, params), 4, ""), 5, "ab")
		c.rest = string(record(record(nil, 5, "c"), 5, ""))
	}
	if _, err := conn.Write(append([]byte(header), b...)); err != nil {
		conn.Close()
		return nil, "", err
	}
	for {
		line, err := c.r.ReadString('\n')
		if i := strings.Index(line, "pid "); i >= 0 { // FastCGI has the header of a record before it
			return c, strings.TrimSpace(line[i:]), nil
		}
		if err != nil {
			conn.Close()
			return nil, "", err
		}
	}
}

func record(b []byte, kind byte, content string) []byte {
	return append(append(b, 1, kind, 0, 1, byte(len(content)>>8), byte(len(content)), 0, 0), content...)
}

// finish sends the last byte of the request's body. It returns an error if the answer does not come
// to its end.
func (c *call) finish() error {
	defer c.conn.Close()
	if _, err := io.WriteString(c.conn, c.rest); err != nil {
		return err
	}
	rest, err := io.ReadAll(c.r)
	if err == nil && !strings.Contains(string(rest), "end\n") {
		err = fmt.Errorf("the answer ends with %q", rest)
	}
	return err
}

var protocols = []string{"http", "fcgi", "scgi", "uwsgi"}

// started waits until the process says where it listens, and returns that.
func (c *child) started(protocol string) (network, addr string) {
	c.t.Helper()
	where := c.await("^gateway: serving " + protocol + " on (.*), since ")
	where, _, _ = strings.Cut(where, ", with the PROXY protocol from ")
	if u, err := url.Parse(where); err == nil && u.Scheme == "http" {
		return "tcp", u.Host
	}
	network, addr, _ = strings.Cut(where, ":")
	return network, addr
}

func TestEveryProtocolOnEverySocketThatGATEWAYNames(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		for _, place := range []string{"tcp:127.0.0.1:0", "unix:" + t.TempDir() + "/s", "unix:" + t.TempDir() + "/s?mode=0660"} {
			c := begin(t, nil, nil, "GATEWAY="+protocol+":"+place)
			network, addr := c.started(protocol)
			if !strings.HasSuffix(c.said[0], ", since GATEWAY says so") || len(c.said) != 1 {
				t.Errorf("stderr is %q", c.said)
			}
			if network == "unix" {
				want := os.ModeSocket | 0o600
				if strings.HasSuffix(place, "0660") {
					want = os.ModeSocket | 0o660
				}
				if info, err := os.Lstat(addr); err != nil || info.Mode() != want {
					t.Errorf("%s: mode %v, %v, want %v", place, info.Mode(), err, want)
				}
			}
			call, who, err := ask(protocol, network, addr, "/body")
			if err != nil {
				t.Fatalf("%s on %s: %v", protocol, place, err)
			}
			if want := fmt.Sprint("pid ", c.cmd.Process.Pid); !strings.HasPrefix(who, want) {
				t.Errorf("the answer is %q, want %q", who, want)
			}
			if err := call.finish(); err != nil {
				t.Errorf("%s on %s: %v", protocol, place, err)
			}
			c.signal(syscall.SIGTERM)
			c.ends(0, "nil")
			if network == "unix" {
				if _, err := os.Lstat(addr); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the socket is still there: %v", err)
				}
			}
		}
	}
}

// passed returns a listening socket as a file, to be passed to a process, and its address. The test
// has the socket open too, as a process manager has.
func passed(t *testing.T, network string) (*os.File, net.Addr) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/s"
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, l.Addr()
}

// FastCGI 1.0, 2.2: "FCGI_LISTENSOCK_FILENO" is 0.
func TestAListeningSocketAsStdinIsFastCGI(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "tcp"} {
		f, addr := passed(t, network)
		c := begin(t, f, nil, "REQUEST_METHOD=GET", "GATEWAY_INTERFACE=CGI/1.1") // as inherited from the process that has started it
		c.started("fcgi")
		if !strings.HasSuffix(c.said[0], ", since stdin is a listening socket") {
			t.Errorf("stderr is %q", c.said)
		}
		call, _, err := ask("fcgi", network, addr.String(), "/")
		if err == nil {
			err = call.finish()
		}
		if err != nil {
			t.Errorf("%s: %v", network, err)
		}
		c.signal(syscall.SIGTERM)
		c.ends(0, "nil")
		if network == "unix" {
			if _, err := os.Lstat(addr.String()); err != nil {
				t.Errorf("the spawner's socket is gone: %v", err)
			}
		}
	}
}

// Apache's mod_cgid starts CGI programs with a connected socket as stdin and stdout.
func TestAConnectedSocketAsStdinIsNotFastCGI(t *testing.T) {
	t.Parallel()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	host, program := os.NewFile(uintptr(fds[0]), "host"), os.NewFile(uintptr(fds[1]), "program")
	defer host.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SERVE_TEST=1", "GORACE=atexit_sleep_ms=0", "GATEWAY=", "LISTEN_PID=", "PORT=0", "REQUEST_METHOD=GET", "GATEWAY_INTERFACE=CGI/1.1",
		"SERVER_PROTOCOL=HTTP/1.1", "SCRIPT_NAME=", "PATH_INFO=/")
	var stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	program.Close()
	answer, err := io.ReadAll(host)
	if werr := cmd.Wait(); err != nil || werr != nil {
		t.Errorf("%v, %v", err, werr)
	}
	if !strings.HasPrefix(string(answer), "Status: 200 OK\r\n") || !strings.HasSuffix(string(answer), "end\n") {
		t.Errorf("the answer is %q", answer)
	}
	if got := stderr.String(); got != "Run: nil\n" { // a web server logs the stderr of a program, and a line for each request would be too much
		t.Errorf("stderr is %q", got)
	}
}

func TestSocketsThatWerePassed(t *testing.T) {
	t.Parallel()
	one, first := passed(t, "tcp")
	two, second := passed(t, "unix")
	c := begin(t, nil, []*os.File{one, two}, "LISTEN_PID=self", "LISTEN_FDS=2", "LISTEN_FDNAMES=web:uwsgi")
	c.started("http")
	c.started("uwsgi")
	for _, use := range []struct {
		protocol string
		addr     net.Addr
	}{{"http", first}, {"uwsgi", second}} {
		call, _, err := ask(use.protocol, use.addr.Network(), use.addr.String(), "/")
		if err == nil {
			err = call.finish()
		}
		if err != nil {
			t.Errorf("%s: %v", use.protocol, err)
		}
	}
	c.signal(os.Interrupt)
	c.ends(0, "nil")
	if _, err := os.Lstat(second.String()); err != nil {
		t.Errorf("the socket of whoever has passed it is gone: %v", err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	connected := os.NewFile(uintptr(pair[0]), "connected")
	defer connected.Close()
	defer syscall.Close(pair[1])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	used := l.Addr().String()
	_, port, _ := net.SplitHostPort(used)
	_, second := passed(t, "unix")
	path := second.String()
	good, _ := passed(t, "tcp")
	for _, test := range []struct {
		files []*os.File
		env   []string
		want  string
	}{
		{nil, []string{"GATEWAY=fcgi"}, `serve: GATEWAY is "fcgi": want "cgi", or`},
		{nil, []string{"PORT=x"}, `serve: PORT is "x"`},
		{nil, []string{"GATEWAY=http:tcp:" + used}, `serve: cannot serve http on tcp:` + used +
			`: .*address already in use; end the process that listens there, or name another socket in GATEWAY$`},
		{nil, []string{"PORT=" + port}, `serve: cannot serve http on tcp::` + port +
			`: .*address already in use; end the process that listens there, or set PORT to another port$`},
		{nil, []string{"HTTP_PLATFORM_PORT=" + port}, `serve: cannot serve http on tcp:` + used +
			`: .*address already in use; .* or set HTTP_PLATFORM_PORT to another port$`},
		{nil, []string{"GATEWAY=uwsgi:unix:" + path}, `serve: cannot serve uwsgi on unix:` + path +
			`: somebody listens there already; end the process that listens there, or name another socket in GATEWAY$`},
		{nil, []string{"SERVE_TEST=server", "SERVER_GATEWAY=uwsgi:unix:" + path},
			`serve: .*name another socket in Server.Gateway$`},
		{nil, []string{"GATEWAY=http:unix:/nowhere/at/all"}, `serve: cannot serve http on unix:/nowhere/at/all` +
			`: folder /nowhere/at: no such file or directory; make the folder, or name another socket in GATEWAY$`},
		{[]*os.File{good, connected}, []string{"GATEWAY=scgi:fd:4"},
			`serve: GATEWAY is "scgi:fd:4": file 4 is not a listening socket$`},
		{[]*os.File{good, connected}, []string{"LISTEN_PID=self", "LISTEN_FDS=2"}, `serve: LISTEN_FDS is "2", but file 4 is not a listening socket`},
		{[]*os.File{good}, []string{"LISTEN_PID=self", "LISTEN_FDS=2"}, `serve: LISTEN_FDS is "2", but file 4 is not a listening socket`},
	} {
		begin(t, nil, test.files, test.env...).ends(1, test.want)
	}
}

// A folder in which the process may make nothing is named with what to do about it. Root may do all.
func TestARefusedPermissionIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		for _, open := range []string{dir, filepath.Dir(dir)} { // to get there
			if err := os.Chmod(open, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		copied := filepath.Join(dir, "serve.test") // nobody cannot reach the folder of a test binary
		binary, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(copied, binary, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		for parent := dir; parent != "/"; parent = filepath.Dir(parent) {
			if info, err := os.Stat(parent); err != nil || info.Mode()&1 == 0 {
				t.Skip("nobody cannot reach the folder for temporary files")
			}
		}
		cmd = &exec.Cmd{Path: copied, Args: cmd.Args, SysProcAttr: cmd.SysProcAttr, Dir: "/"}
	}
	beginCommand(t, cmd, nil, nil, "GATEWAY=fcgi:unix:"+dir+"/s").ends(1,
		`serve: cannot serve fcgi on unix:`+dir+`/s: folder `+
			dir+`: permission denied; give this process the permission, or name another socket in GATEWAY$`)
}

// fcgiwrap, for one, passes on no more than its configuration names. An HTTP server that such a host
// had started would stay, with nobody to end it.
func TestREQUEST_METHODAloneMakesACGIProgram(t *testing.T) {
	t.Parallel()
	for _, env := range [][]string{{"REQUEST_METHOD=GET"}, {"REQUEST_METHOD=GET", "PORT=0"},
		{"REQUEST_METHOD=GET", "GATEWAY_INTERFACE=", "LISTEN_FDS="}} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(env, "SERVE_TEST=1", "GORACE=atexit_sleep_ms=0")
		out, err := cmd.Output()
		cancel()
		if !strings.HasPrefix(string(out), "Status: 200 OK\r\n") || !strings.HasSuffix(string(out), "end\n") || err != nil {
			t.Errorf("%q: %q, %v", env, out, err)
		}
	}
}

// A socket that the process was started with can speak any protocol.
func TestEveryProtocolOnAFileThatGATEWAYNames(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		for _, fd := range []int{0, 3} {
			f, addr := passed(t, "unix")
			var stdin *os.File
			var files []*os.File
			if fd == 0 {
				stdin = f
			} else {
				files = []*os.File{f}
			}
			c := begin(t, stdin, files, fmt.Sprintf("GATEWAY=%s:fd:%d", protocol, fd))
			c.started(protocol)
			call, _, err := ask(protocol, "unix", addr.String(), "/body")
			if err == nil {
				err = call.finish()
			}
			if err != nil {
				t.Errorf("%s on file %d: %v", protocol, fd, err)
			}
			c.signal(syscall.SIGTERM)
			c.ends(0, "nil")
			if _, err := os.Lstat(addr.String()); err != nil {
				t.Errorf("the socket of whoever has passed it is gone: %v", err)
			}
		}
	}
}

// The limits and the log of a Server are those of the server that it starts: a body of 3 bytes is
// one too many.
func TestServerHasLimitsAndALogOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		c := begin(t, nil, nil, "SERVE_TEST=server", "SERVER_GATEWAY="+protocol+":tcp:127.0.0.1:0", "GATEWAY=nonsense")
		network, addr := c.started(protocol)
		if !strings.HasSuffix(c.said[0], ", since Server.Gateway says so") {
			t.Errorf("stderr is %q", c.said)
		}
		if call, first, err := ask(protocol, network, addr, "/body"); err == nil {
			call.conn.Close()
			t.Errorf("%s: the body was taken, %q", protocol, first)
		}
		c.await("^own log: .*too large a body")
		c.signal(syscall.SIGTERM)
		c.ends(0, "nil")
	}
}

// What whoever has started the process has it ignore does not stop it: the interrupt of a terminal
// in which it is a job in the background, and the hangup under nohup.
func TestSignalsThatWereIgnoredStaySo(t *testing.T) {
	t.Parallel()
	for ignored, want := range map[string]string{"INT HUP": "terminated", "INT": "hangup", "HUP": "interrupt"} {
		cmd := exec.Command("/bin/sh", "-c", `trap "" `+ignored+`; exec "$0"`, os.Args[0])
		c := beginCommand(t, cmd, nil, nil)
		c.started("http")
		for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
			c.signal(s)
		}
		if want == "terminated" {
			c.signal(syscall.SIGTERM)
		}
		if got := c.await("^gateway: (.*): waiting up to"); got != want {
			t.Errorf("%s ignored: it was stopped by %s, want %s", ignored, got, want)
		}
		c.ends(0, "nil")
	}
}

func TestServerWithoutAnApplication(t *testing.T) {
	t.Parallel()
	for _, run := range []func() error{new(serve.Server).Run, func() error { return serve.Run(nil) }} {
		if err := run(); err == nil || !strings.HasPrefix(err.Error(), "serve: Server.Application is nil") {
			t.Error(err)
		}
	}
}

func TestHTTPOnPORT(t *testing.T) {
	t.Parallel()
	c := begin(t, nil, nil) // PORT=0
	network, addr := c.started("http")
	if !strings.HasSuffix(c.said[0], ", since PORT is 0") {
		t.Errorf("stderr is %q", c.said)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get("http://127.0.0.1:" + port + "/")
	if err != nil {
		t.Fatal(network, err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if want := fmt.Sprintf("pid %d CGI/1.1\nend\n", c.cmd.Process.Pid); string(body) != want || err != nil {
		t.Errorf("%q, %v, want %q", body, err, want)
	}
	c.signal(syscall.SIGTERM)
	c.ends(0, "nil")
}

func TestASignalLetsRequestsEndAndNoneBegin(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGHUP} {
			for _, place := range []string{"tcp:127.0.0.1:0", "unix:" + t.TempDir() + "/s"} {
				c := begin(t, nil, nil, "GATEWAY="+protocol+":"+place)
				network, addr := c.started(protocol)
				call, _, err := ask(protocol, network, addr, "/body")
				if err != nil {
					t.Fatal(protocol, err)
				}
				c.signal(s)
				c.await("^gateway: (interrupt|terminated|hangup): waiting up to 30s for the requests " +
					"that are going on; once more ends them$")
				for { // the listener is closed soon
					conn, err := net.Dial(network, addr)
					if err != nil {
						break
					}
					conn.Close()
				}
				if err := call.finish(); err != nil {
					t.Errorf("%s, %v: the request that was going on: %v", protocol, s, err)
				}
				c.await("^app: closed")
				c.ends(0, "nil")
			}
		}
	}
}

func TestASecondSignalEndsTheRequests(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		c := begin(t, nil, nil, "GATEWAY="+protocol+":tcp:127.0.0.1:0")
		network, addr := c.started(protocol)
		call, _, err := ask(protocol, network, addr, "/wait")
		if err != nil {
			t.Fatal(protocol, err)
		}
		c.signal(syscall.SIGTERM)
		c.await("waiting up to")
		c.signal(syscall.SIGTERM)
		if told := c.await("^app: the cause is ErrShutdown: (.*)"); told != "true" {
			t.Errorf("%s: the cause is ErrShutdown: %s", protocol, told)
		}
		c.await("^app: closed")
		c.await("^gateway: requests were told to end: a second signal came")
		c.ends(0, "nil")
		call.conn.Close()
	}
}

func TestGraceIsHowLongRequestsAreWaitedFor(t *testing.T) {
	t.Parallel()
	for _, grace := range []string{"-1s", "100ms"} {
		c := begin(t, nil, nil, "SERVER_GRACE="+grace, "GATEWAY=http:tcp:127.0.0.1:0")
		network, addr := c.started("http")
		call, _, err := ask("http", network, addr, "/wait")
		if err != nil {
			t.Fatal(err)
		}
		c.signal(syscall.SIGTERM)
		c.await("waiting up to (0s|100ms)")
		c.await("^app: the cause is ErrShutdown: true")
		c.await("^gateway: requests were told to end: the time is over")
		c.ends(0, "nil")
		call.conn.Close()
	}
}

// The connection of an application that does not look at its Context is closed. The body's Close
// runs all the same.
func TestASecondSignalCutsOffWhoDoesNotHear(t *testing.T) {
	t.Parallel()
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := begin(t, nil, nil, "GATEWAY="+protocol+":tcp:127.0.0.1:0")
			network, addr := c.started(protocol)
			call, _, err := ask(protocol, network, addr, "/deaf")
			if err != nil {
				t.Fatal(err)
			}
			defer call.conn.Close()
			c.signal(os.Interrupt)
			c.await("waiting up to")
			c.signal(os.Interrupt)
			c.await("^app: closed")
			c.ends(1, "serve: requests were cut off: a second signal came")
		})
	}
}

// An application that never returns does not keep the process from ending.
func TestAThirdSignalKills(t *testing.T) {
	t.Parallel()
	c := begin(t, nil, nil, "GATEWAY=http:tcp:127.0.0.1:0")
	network, addr := c.started("http")
	call, _, err := ask("http", network, addr, "/stuck")
	if err != nil {
		t.Fatal(err)
	}
	defer call.conn.Close()
	c.signal(syscall.SIGTERM)
	c.await("waiting up to")
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for range c.lines {
		}
	}()
	for done := false; !done; {
		c.cmd.Process.Signal(syscall.SIGTERM) // the second, and those after it
		select {
		case <-killed:
			done = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	c.cmd.Wait()
	if status := c.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the process has ended with %v", c.cmd.ProcessState)
	}
}

// The header is read on each socket that GATEWAY names, and the process says so.
func TestEveryProtocolBehindTheProxyProtocolThatGATEWAYNames(t *testing.T) {
	t.Parallel()
	const header = "PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n"
	tcp, tcpAddr := passed(t, "tcp")
	for _, c := range []struct {
		file        *os.File
		place, said string
	}{
		{nil, "tcp:127.0.0.1:0?proxy=127.0.0.1,::1", "127.0.0.1/32 ::1/128"},
		{nil, "unix:" + t.TempDir() + "/s?mode=0660&proxy=unix", "everybody there"},
		{tcp, "fd:3?proxy=127.0.0.0/8", "127.0.0.0/8"},
	} {
		for _, protocol := range protocols {
			var files []*os.File
			if c.file != nil {
				files = []*os.File{c.file}
			}
			p := begin(t, nil, files, "GATEWAY="+protocol+":"+c.place)
			network, addr := p.started(protocol)
			if c.file != nil {
				network, addr = "tcp", tcpAddr.String()
			}
			if want := ", with the PROXY protocol from " + c.said + ", since GATEWAY says so"; !strings.HasSuffix(p.said[0], want) {
				t.Errorf("stderr is %q, want %q", p.said, want)
			}
			if call, first, err := ask(protocol, network, addr, "/body"); err == nil {
				call.conn.Close()
				t.Errorf("%s on %s: an answer without a header: %q", protocol, c.place, first)
			}
			call, _, err := askWith(header, protocol, network, addr, "/body")
			if err == nil {
				err = call.finish()
			}
			if err != nil {
				t.Errorf("%s on %s: %v", protocol, c.place, err)
			}
			p.signal(syscall.SIGTERM)
			p.ends(0, "nil")
		}
	}
	p := begin(t, nil, []*os.File{tcp}, "GATEWAY=http:fd:3?proxy=unix")
	p.ends(1,
		"serve: cannot serve http on file 3: proxy=unix is for Unix sockets, and addresses are for TCP; this one is tcp")
}
