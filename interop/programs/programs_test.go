//go:build interop && linux

// Package programs runs other people's programs under package host: git, cgit, fossil, PHP,
// DokuWiki, uWSGI with Python, and Perl. Each is behind this module's HTTP server, and behind nginx
// with this module's FastCGI server, and its own clients or net/http's talk to it.
//
//	interop/install                      # once, on Debian
//	go test -tags interop ./interop/programs
//
// The configurations of the programs and their scripts are in testdata.
package programs

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/interop/internal/process"
	"example.com/gateway/nethttp"
)

// patience is how long anything may take, on a busy machine too. What takes longer hangs.
const patience = 12 * process.Patience

// TestMain looks for what the tests have left behind: files in the folder for them, processes and
// goroutines.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "programs-")
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Setenv("TMPDIR", dir)); err != nil {
		log.Fatal(err)
	}
	// Most of the time is spent on waiting for programs, and not by the processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		log.Fatal(err)
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	if code == 0 {
		code = leftBehind(dir, before)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// leftBehind says what is left, and returns the exit status.
func leftBehind(dir string, goroutines int) int {
	http.DefaultClient.CloseIdleConnections()
	code := 0
	soon := func(what string, none func() bool) {
		for deadline := time.Now().Add(patience); !none(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				fmt.Println("left behind:", what)
				code = 1
				return
			}
		}
	}
	var list []string
	if !empty(dir, &list) {
		fmt.Println("left behind:", list)
		code = 1
	}
	soon("a process", func() bool {
		children := childrenOf(os.Getpid())
		list = children
		return len(children) == 0
	})
	soon("a goroutine", func() bool { return runtime.NumGoroutine() <= goroutines })
	if code != 0 {
		fmt.Println(list)
		buf := make([]byte, 1<<20)
		fmt.Printf("%s\n", buf[:runtime.Stack(buf, true)])
	}
	return code
}

// empty reports whether a folder is empty, but for what the go command and its programs keep there.
func empty(dir string, list *[]string) bool {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "go-build") {
			*list = append(*list, e.Name())
		}
	}
	return len(*list) == 0
}

// childrenOf returns the command lines of the processes that a process has started and that it has
// not waited for.
func childrenOf(pid int) (list []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		var state string
		var parent int
		if _, err := fmt.Sscan(rest, &state, &parent); err == nil && parent == pid {
			list = append(list, strings.TrimSuffix(string(stat), rest))
		}
	}
	return list
}

// A site is a folder with what programs need, and the programs that are running there.
type site struct {
	t   *testing.T
	dir string
}

// newSite makes the folder, with what testdata has for it: each name is a file or a folder there.
// All of it may be written to by nobody, as whom the programs run if root runs the tests.
func newSite(t *testing.T, names ...string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "site-") // shorter than t.TempDir, for sockets
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t, dir}
	t.Cleanup(func() {
		if t.Failed() {
			s.showLogs()
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, name := range names {
		if err := filepath.WalkDir(filepath.Join("testdata", name), s.copy); err != nil {
			t.Fatal(err)
		}
	}
	s.mkdir("tmp")
	s.mkdir("marks")
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return s
}

// copy copies a file or a folder of testdata.
func (s *site) copy(path string, d fs.DirEntry, err error) error {
	target, _ := filepath.Rel("testdata", path)
	if err != nil || d.IsDir() {
		return errors.Join(err, os.MkdirAll(s.path(target), 0o755))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if bytes.HasPrefix(text, []byte("#!")) {
		mode = 0o755
	}
	text = bytes.ReplaceAll(text, []byte("@DIR@"), []byte(s.dir))
	return os.WriteFile(s.path(target), text, mode)
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// mkdir makes a folder for everybody.
func (s *site) mkdir(name string) string {
	s.t.Helper()
	path := s.path(name)
	if err := errors.Join(os.MkdirAll(path, 0o777), os.Chmod(path, 0o777)); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *site) write(name, text string, mode os.FileMode) string {
	s.t.Helper()
	path := s.path(name)
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// start starts a program, which ends with the test, and waits for its sockets.
func (s *site) start(sockets []string, name string, args ...string) *process.Process {
	s.t.Helper()
	p := process.Start(s.t, s.dir, false, name, args...)
	s.t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			s.t.Error(err)
		}
	})
	for _, socket := range sockets {
		network := "unix"
		if !strings.HasPrefix(socket, "/") {
			network = "tcp"
		}
		if !process.Soon(func() bool {
			conn, err := net.Dial(network, socket)
			if err == nil {
				conn.Close()
			}
			return err == nil
		}) {
			s.showLogs()
			s.t.Fatalf("%s does not listen on %s", name, socket)
		}
	}
	return p
}

func (s *site) showLogs() {
	logs, _ := filepath.Glob(s.path("*.log"))
	for _, name := range logs {
		text, _ := os.ReadFile(name)
		s.t.Logf("the end of %s:\n%s", filepath.Base(name), text[max(0, len(text)-2000):])
	}
}

// mark lets scripts go on that wait for a mark.
func (s *site) mark(name string) {
	s.t.Helper()
	s.write("marks/"+name, "", 0o666)
}

// marked returns what a script has written to a mark, if it has.
func (s *site) marked(name string) (text string, ok bool) {
	data, err := os.ReadFile(s.path("marks/" + name))
	return string(data), err == nil
}

// awaitMark waits until a script has made a mark, and returns what it has written.
func (s *site) awaitMark(t *testing.T, name string) string {
	t.Helper()
	var text string
	if !soon(func() (ok bool) { text, ok = s.marked(name); return ok && text != "" }) {
		t.Errorf("no script has made the mark %q", name)
	}
	return text
}

// soon waits until the condition holds, on a busy machine too.
func soon(condition func() bool) bool {
	for range patience / process.Patience {
		if process.Soon(condition) {
			return true
		}
	}
	return false
}

// A messages is what servers write to their logs.
type messages struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (m *messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.Write(p)
}

func (m *messages) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

// A client talks to an application behind one of the fronts.
type client struct {
	*testing.T
	front   string
	address string
	log     *messages
	going   *atomic.Int64 // requests at the application
	come    *atomic.Int64 // requests that have come to it
	http    *http.Client
}

// behind runs a test with the application behind each of the fronts, in parallel.
func behind(t *testing.T, app gateway.Application, test func(c *client)) {
	t.Helper()
	type front func(t *testing.T, app gateway.Application, log *log.Logger) (address string)
	for name, start := range map[string]front{"http": startHTTP, "nginx": startBehindNginx} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &client{T: t, front: name, log: new(messages)}
			c.going, c.come = new(atomic.Int64), new(atomic.Int64)
			c.address = start(t, c.count(app), log.New(c.log, "", 0))
			c.http = newHTTPClient(t)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the log of %s:\n%s", name, c.log)
				}
			})
			test(c)
		})
	}
}

// clientAddress is where clients are. The servers between them and the programs are elsewhere.
const clientAddress = "127.0.0.2"

var dialer = net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddress)}, Timeout: patience}

// newHTTPClient returns a client that follows no redirect, and leaves no connection behind.
func newHTTPClient(t *testing.T) *http.Client {
	transport := &http.Transport{DisableCompression: true, DialContext: dialer.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A function is an application.
type function = gateway.ApplicationFunc

// count counts the requests that have come, and those that are going on.
func (c *client) count(app gateway.Application) gateway.Application {
	return function(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		c.going.Add(1)
		c.come.Add(1)
		body, err := app.Call(env, start)
		if body == nil || err != nil {
			c.going.Add(-1)
			return body, err
		}
		return gateway.OnClose(body, func() error { c.going.Add(-1); return nil }), nil
	})
}

// stop is a server's way to end, which must lose nothing.
func stop(t *testing.T, server interface{ Shutdown(context.Context) error }, served chan error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; !errors.Is(err, gateway.ErrShutdown) {
		t.Errorf("Serve: %v", err)
	}
}

func startHTTP(t *testing.T, app gateway.Application, log *log.Logger) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &nethttp.Server{Application: app, ErrorLog: log}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { stop(t, server, served) })
	return l.Addr().String()
}

func startBehindNginx(t *testing.T, app gateway.Application, log *log.Logger) string {
	t.Helper()
	s := newSite(t)
	l, err := net.Listen("unix", s.path("app.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.path("app.sock"), 0o777); err != nil {
		t.Fatal(err)
	}
	server := &fcgi.Server{Application: app, ErrorLog: log}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { stop(t, server, served) })

	return s.startNginx()
}

// startNginx starts nginx in front of the FastCGI server that listens on app.sock, and returns its
// address.
func (s *site) startNginx() string {
	s.t.Helper()
	text, err := os.ReadFile("testdata/nginx.conf")
	if err != nil {
		s.t.Fatal(err)
	}
	port := process.FreePort(s.t)
	filled := strings.NewReplacer("@DIR@", s.dir, "@PORT@", port).Replace(string(text))
	s.write("nginx.conf", filled, 0o644)
	s.start([]string{"127.0.0.1:" + port}, "nginx", "-p", s.dir, "-c", "nginx.conf", "-e", "error.log")
	return "127.0.0.1:" + port
}

func (c *client) url(path string) string { return "http://" + c.address + path }

// An answer is what came back.
type answer struct {
	code   int
	header http.Header
	body   []byte
	err    error // of the body: it is not whole
}

func (a *answer) String() string {
	body := a.body
	if len(body) > 500 {
		body = append(append([]byte(nil), body[:300]...), "..."...)
	}
	return fmt.Sprintf("%d %v %q %v", a.code, a.header, body, a.err)
}

// do sends a request. Each field is a line of the head. An answer that breaks before its head is
// whole has the code 0.
func (c *client) do(method, path string, body io.Reader, fields ...string) *answer {
	c.Helper()
	r, err := http.NewRequest(method, c.url(path), body)
	if err != nil {
		c.Fatal(err)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	res, err := c.http.Do(r)
	if err != nil {
		return &answer{err: err}
	}
	defer res.Body.Close()
	a := &answer{code: res.StatusCode, header: res.Header}
	a.body, a.err = io.ReadAll(res.Body)
	return a
}

func (c *client) get(path string, fields ...string) *answer {
	c.Helper()
	return c.do("GET", path, nil, fields...)
}

// want checks a whole answer.
func (c *client) want(a *answer, code int, parts ...string) *answer {
	c.Helper()
	if a.code != code || a.err != nil {
		c.Errorf("the answer is %v, want a whole %d", a, code)
	}
	for _, part := range parts {
		if !strings.Contains(string(a.body), part) {
			c.Errorf("the answer is %v, without %q", a, part)
		}
	}
	return a
}

// broken checks that an answer is cut off, and its client can tell. nginx may have no head of it.
func (c *client) broken(a *answer) {
	c.Helper()
	if a.err == nil || a.code != 200 && !(a.code == 0 && c.front == "nginx") {
		c.Errorf("the answer is %v, want one that is cut off", a)
	}
}

// says waits until the log has a text.
func (c *client) says(text string) {
	c.Helper()
	if !soon(func() bool { return strings.Contains(c.log.String(), text) }) {
		c.Errorf("the log is\n%s\nwithout %q", c.log, text)
	}
}

// calm waits until no request is going on.
func (c *client) calm() {
	c.Helper()
	if !soon(func() bool { return c.going.Load() == 0 }) {
		c.Errorf("%d requests are still going on", c.going.Load())
	}
}

// dial connects as a client that speaks for itself.
func (c *client) dial() net.Conn {
	c.Helper()
	conn, err := dialer.Dial("tcp", c.address)
	if err != nil {
		c.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	c.Cleanup(func() { conn.Close() })
	return conn
}
