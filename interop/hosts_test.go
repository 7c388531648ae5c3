//go:build interop && linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway/interop/internal/process"
)

// A host is a web server that can run CGI programs, or pass requests on to a server behind it.
type host struct {
	name  string
	start func(t *testing.T, s *site) // with its configuration from testdata
}

var hosts = []host{
	{"apache", func(t *testing.T, s *site) {
		s.run(t, "apache2", "-f", s.configure(t, "apache.conf"), "-D", "FOREGROUND", "-c", timeout)
	}},
	{"apache-prefork", func(t *testing.T, s *site) {
		s.run(t, "apache2", "-f", s.configure(t, "apache-prefork.conf"), "-D", "FOREGROUND", "-c", timeout)
	}},
	{"lighttpd", func(t *testing.T, s *site) {
		s.run(t, "lighttpd", "-D", "-f", s.configure(t, "lighttpd.conf"))
	}},
	{"nginx", func(t *testing.T, s *site) {
		s.run(t, "fcgiwrap", "-c", "8", "-s", "unix:"+s.path("fcgiwrap.sock"))
		s.run(t, "nginx", "-p", s.dir, "-c", s.configure(t, "nginx.conf"), "-e", "error.log")
	}},
	{"nginx-cgibin", func(t *testing.T, s *site) {
		program := s.path("cgibin")
		build := exec.Command("go", "build", "-o", program, "../examples/cgibin")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		s.logs.files = append(s.logs.files, s.path("env.log"))
		s.run(t, "env", "GATEWAY=fcgi:unix:"+s.path("fcgiwrap.sock"), program, s.path("cgi-bin"))
		awaitListener(t, "unix", s.path("fcgiwrap.sock"))
		s.run(t, "nginx", "-p", s.dir, "-c", s.configure(t, "nginx.conf"), "-e", "error.log")
	}},
	{"python", func(t *testing.T, s *site) {
		s.atOnce = 5 // socketserver's request_queue_size: further ones are reset
		// It runs programs as nobody by itself if it is run by root.
		s.processes = append(s.processes, process.Start(t, s.dir, true, "python3", "-m", "http.server", "--cgi",
			"--bind", "127.0.0.1", "--directory", s.dir, s.port))
	}},
	{"nethttp", func(t *testing.T, s *site) {
		file, err := os.OpenFile(s.path("error.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", s.address())
		if err != nil {
			t.Fatal(err)
		}
		logger := log.New(file, "", 0)
		server := &http.Server{ErrorLog: logger, Handler: &cgi.Handler{
			Path: s.path("cgi-bin/app"), Root: scriptName, Stderr: file, Logger: logger,
		}}
		var wg sync.WaitGroup
		wg.Go(func() { _ = server.Serve(l) })
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := server.Shutdown(ctx); err != nil {
				t.Errorf("nethttp: %v", err)
			}
			wg.Wait()
			_ = file.Close()
		})
	}},
}

var timeout = fmt.Sprintf("Timeout %d", hostTimeout/time.Second)

// scriptName is where all hosts have the CGI program.
const scriptName = "/cgi-bin/app"

// A site is a host that is running, in a folder of its own.
type site struct {
	name       string
	dir        string
	port       string
	script     string                   // where it has the program
	persistent bool                     // the program is a server behind it
	backend    string                   // where that listens, in the host's notation
	edit       func(conf string) string // changes the configuration, if it is not nil
	quirk      string                   // the program's, instead of the one that the host needs: "none" is none
	processes  []*process.Process
	logs       logs
	atOnce     int // how many connections it takes at a time, if there is a limit
	watches    int
}

// startSite starts the host and has it stopped when the test ends, passed or not. program is the
// file to run.
func startSite(t *testing.T, h host, program string) *site {
	t.Helper()
	s := newSite(t, h.name, program)
	h.start(t, s)
	s.ready(t)
	if answer := s.do(t, request{path: "/"}); answer.code != 200 {
		t.Fatalf("%s does not run the program: %d %s", s.name, answer.code, answer.body)
	}
	return s
}

// newSite returns a site of which nothing runs yet.
func newSite(t *testing.T, name, program string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "gateway-interop-")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{name: name, dir: dir, port: process.FreePort(t), script: scriptName}
	s.logs.files = []string{s.path("error.log"), s.path("stderr.log"), s.path("fcgiwrap.log"), s.path("python3.log")}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if list := process.Leftovers(dir); len(list) > 0 {
			t.Errorf("%s left behind: %s", name, list)
		}
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, s.logs.tail())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for folder, mode := range map[string]os.FileMode{"": 0o755, "cgi-bin": 0o755, "state": 0o755, "tmp": 0o777} {
		if err := os.MkdirAll(s.path(folder), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(s.path(folder), mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, process.Nobody, process.Nobody); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(program, s.path("cgi-bin/app")); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }
func (s *site) address() string         { return "127.0.0.1:" + s.port }

// configure writes the configuration from testdata, with its placeholders filled in, to the folder
// of the site.
func (s *site) configure(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	conf := string(text)
	if s.edit != nil {
		conf = s.edit(conf)
	}
	filled := strings.NewReplacer("@DIR@", s.dir, "@PORT@", s.port, "@APP@", s.backend).Replace(conf)
	if err := os.WriteFile(s.path(name), []byte(filled), 0o644); err != nil {
		t.Fatal(err)
	}
	return s.path(name)
}

func (s *site) run(t *testing.T, name string, args ...string) {
	t.Helper()
	s.processes = append(s.processes, process.Start(t, s.dir, false, name, args...))
}

// ready waits until the host listens.
func (s *site) ready(t *testing.T) {
	t.Helper()
	ended := make(chan struct{})
	if len(s.processes) > 0 {
		ended = s.processes[len(s.processes)-1].Ended
	}
	deadline := time.Now().Add(patience)
	for {
		conn, err := net.Dial("tcp", s.address())
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-ended:
			t.Fatalf("%s ended at its start", s.name)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen on %s: %v", s.name, s.address(), err)
		}
	}
}

// stop stops the processes of the host, the last first.
func (s *site) stop() (err error) {
	for len(s.processes) > 0 {
		last := len(s.processes) - 1
		err = errors.Join(err, s.processes[last].Stop())
		s.processes = s.processes[:last]
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}
