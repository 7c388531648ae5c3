//go:build interop && linux

package programs

import (
	"errors"
	"os"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/host"
	"example.com/gateway/interop/internal/process"
)

func TestCgit(t *testing.T) {
	t.Parallel()
	s := newSite(t, "cgitrc")
	w := worker{t, s.dir}
	w.run("git", "init", "-q", "-b", "main", "hello")
	w.dir = s.path("hello")
	s.write("hello/README", "a file of cgit's\n", 0o644)
	s.mkdir("hello/folder with space")
	s.write("hello/folder with space/ü.txt", strings.Repeat("a long line of text\n", 50_000), 0o644)
	w.run("git", "add", ".")
	w.run("git", "commit", "-q", "-m", "the subject")
	hash := strings.TrimSpace(w.run("git", "rev-parse", "HEAD"))

	cgit := &host.CGI{
		Path:    "/usr/lib/cgit/cgit.cgi",
		Options: host.Options{Vars: map[string]string{"CGIT_CONFIG": s.path("cgitrc")}},
	}
	behind(t, cgit, func(c *client) {
		c.want(c.get("/"), 200, "hello", "a repository of the tests")
		page := c.want(c.get("/hello/tree/README"), 200, "a file of cgit")
		if page.header.Get("Last-Modified") == "" ||
			page.header.Get("Content-Type") != "text/html; charset=UTF-8" {
			c.Errorf("the page has the headers %v", page.header)
		}
		c.want(c.get("/hello/commit/?id="+hash), 200, "the subject")
		plain := c.want(c.get("/hello/plain/folder%20with%20space/%C3%BC.txt"), 200)
		if len(plain.body) != 1_000_000 || plain.header.Get("Content-Length") != "1000000" {
			c.Errorf("a file of 1,000,000 bytes has %d and the headers %v", len(plain.body), plain.header)
		}
		head := c.want(c.do("HEAD", "/hello/plain/README", nil), 200)
		if len(head.body) != 0 || !strings.HasPrefix(head.header.Get("Content-Type"), "text/plain") {
			c.Errorf("the answer to HEAD is %v", head)
		}
		archive := c.want(c.get("/hello/snapshot/hello-main.tar.gz"), 200)
		if !strings.HasPrefix(string(archive.body), "\x1f\x8b") {
			c.Errorf("the snapshot is %v", archive)
		}
		c.want(c.get("/none/"), 404)
		c.calm()
	})
}

// TestFossil clones a repository of fossil's, and pushes to it.
func TestFossil(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"http", "nginx"} {
		for _, protocol := range []string{"cgi", "scgi"} {
			s.fossil(t, s.mkdir(protocol)+"/"+name+".fossil")
		}
	}
	script := s.write("fossil.cgi", "#!/usr/bin/fossil\ndirectory: "+s.path("cgi")+"\n", 0o755)
	port := process.FreePort(t)
	s.start([]string{"127.0.0.1:" + port}, "env", "HOME="+s.mkdir("home"), "USER=nobody",
		"fossil", "server", "--localhost", "--scgi", "--port", port, s.path("scgi"))
	for name, app := range map[string]gateway.Application{
		"cgi":  &host.CGI{Path: script},
		"scgi": &host.SCGI{Addresses: []string{"tcp:127.0.0.1:" + port}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behind(t, app, func(c *client) {
				w := worker{c.T, s.mkdir(name + "-" + c.front)}
				url := "http://ada:secret@" + c.address + "/" + c.front
				c.want(c.get("/"+c.front+"/index"), 200, "the project")
				w.run("fossil", "settings", "--global", "autosync", "off")
				w.run("fossil", "clone", "--no-open", url, "mine.fossil")
				w.run("fossil", "open", "-f", "mine.fossil", "--workdir", "work")
				w.dir += "/work" // which is the home, too
				w.run("fossil", "settings", "autosync", "off")
				file := strings.Repeat("a file that has some size\n", 100_000)
				if err := os.WriteFile(w.dir+"/file.txt", []byte(file), 0o644); err != nil {
					c.Fatal(err)
				}
				w.run("fossil", "add", "file.txt")
				w.run("fossil", "commit", "--no-warnings", "-m", "a commit")
				w.run("fossil", "push", "--once", url)
				if a := c.want(c.get("/"+c.front+"/raw/file.txt?ci=trunk"), 200); string(a.body) != file {
					c.Errorf("the file that was pushed has %d bytes, want %d", len(a.body), len(file))
				}
				w.run("fossil", "sync", "--once", url)
				c.calm()
			})
		})
	}
}

// fossil makes a repository, in which ada has the password "secret". The server may write to it.
func (s *site) fossil(t *testing.T, path string) {
	t.Helper()
	w := worker{t, s.dir}
	w.run("fossil", "init", "-A", "ada", "--project-name", "the project", path)
	w.run("fossil", "user", "password", "ada", "secret", "-R", path)
	err := os.Chmod(path, 0o666)
	if os.Geteuid() == 0 {
		err = errors.Join(err, os.Chown(path, process.Nobody, process.Nobody))
	}
	if err != nil {
		t.Fatal(err)
	}
}
