//go:build interop && linux

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/gateway/interop/internal/process"
)

// The commands of docs/shared-hosting.md.
const (
	sharedBuild = `
CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath -tags cgionly \
	-ldflags '-X main.folder=/home/you/guestbook' -o guestbook.cgi ./examples/guestbook
`
	sharedUpload = `
scp guestbook.cgi you@example.com:public_html/guestbook.new
ssh you@example.com 'cd public_html && chmod 755 guestbook.new && mv guestbook.new guestbook.cgi'
`
	sharedTry = `
./guestbook.cgi
REQUEST_METHOD=GET PATH_INFO=/photo/none ./guestbook.cgi
`
)

// sharedHost returns a web server whose configuration is its provider's. start takes the steps of
// the page.
func sharedHost(name, htaccess string, run func(t *testing.T, s *site)) host {
	return host{name, func(t *testing.T, s *site) {
		s.script = ""
		public := s.path("public_html")
		if err := os.Mkdir(public, 0o755); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(public, process.Nobody, process.Nobody); err != nil {
				t.Fatal(err)
			}
		}
		s.writePublic(t, "style.css", "p {}\n", 0o644)
		if htaccess != "" {
			s.writePublic(t, ".htaccess", htaccess, 0o644)
		}
		build := strings.ReplaceAll(sharedBuild, "/home/you", s.dir)
		s.shell(t, "..", false, here(build, s.path("guestbook.cgi")))
		s.shell(t, s.dir, true, `
			scp() { cp "$1" "$HOME/${2#*:}"; }
			ssh() ( shift; cd "$HOME" && sh -c "$*" )
		`+sharedUpload)
		out := s.shell(t, public, true, sharedTry)
		if !strings.HasPrefix(out, "Status: 200 OK\r\n") ||
			!strings.Contains(out, "\nStatus: 404 Not Found\r\n") {
			t.Errorf("%s: from a shell the program says %s", name, out)
		}
		run(t, s)
	}}
}

// here makes a build write the file to a path, for this machine.
func here(build, path string) string {
	return strings.NewReplacer("-o guestbook.cgi", "-o "+path,
		"GOARCH=amd64", "GOARCH="+runtime.GOARCH).Replace(build)
}

// shell runs commands, whose HOME is the folder of the site, as the user who builds or as the one
// who uploads.
func (s *site) shell(t *testing.T, dir string, uploads bool, commands string) string {
	t.Helper()
	cmd := exec.Command("sh", "-e", "-c", commands)
	cmd.Dir = dir
	if uploads {
		cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH")}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Credential: &syscall.Credential{Uid: process.Nobody, Gid: process.Nobody},
			}
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return string(out)
}

// writePublic writes a file to the folder that the web server serves.
func (s *site) writePublic(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(s.path("public_html"), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func htaccess(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/shared.htaccess")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sharedApache(t *testing.T) *site {
	t.Helper()
	return startSite(t, sharedHost("apache", htaccess(t), func(t *testing.T, s *site) {
		s.run(t, "apache2", "-f", s.configure(t, "shared-apache.conf"), "-D", "FOREGROUND")
	}), build(t))
}

func TestSharedHostingInFiveSteps(t *testing.T) {
	dir := openDir(t)
	photo := writePhoto(t, dir)
	b := startBrowser(t, dir)
	lighttpd := sharedHost("lighttpd", "", func(t *testing.T, s *site) {
		s.run(t, "lighttpd", "-D", "-f", s.configure(t, "shared-lighttpd.conf"))
	})
	for name, start := range map[string]func(t *testing.T) *site{
		"apache":   sharedApache,
		"lighttpd": func(t *testing.T) *site { return startSite(t, lighttpd, build(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			for path, want := range map[string]string{
				"/guestbook.cgi":            "200 text/html; charset=utf-8",
				"/guestbook.cgi/photo/none": "404 text/plain: There is no such photo.\n",
				"/":                         "200 text/html; charset=utf-8",
				"/photo/none":               "404 text/plain: There is no such photo.\n",
				"/none/at/all?q":            "404 text/plain: There is no such page.\n",
			} {
				answer := s.do(t, request{path: path})
				got := statusOf(answer)
				if answer.code != 200 {
					got += ": " + string(answer.body)
				} else if !strings.Contains(string(answer.body), `action="/guestbook.cgi/"`) {
					t.Errorf("%s: %s", path, answer.body)
				}
				if got != want {
					t.Errorf("%s: %q, want %q", path, got, want)
				}
			}
			if answer := s.do(t, request{path: "/style.css"}); answer.code != 200 ||
				string(answer.body) != "p {}\n" {
				t.Errorf("/style.css: %d %s", answer.code, answer.body)
			}
			if _, err := os.Stat(s.path("guestbook/key")); err != nil {
				t.Error(err)
			}
			signIn(t, b, "http://"+s.address()+"/guestbook.cgi", photo)
		})
	}
}

func statusOf(r *response) string {
	return strings.TrimSpace(strconv.Itoa(r.code) + " " + r.header.Get("Content-Type"))
}

// TestTheMistakesOfSharedHosting makes each mistake that the page has, and finds what the page says
// about it in Apache's log.
func TestTheMistakesOfSharedHosting(t *testing.T) {
	page, err := os.ReadFile("../docs/shared-hosting.md")
	if err != nil {
		t.Fatal(err)
	}
	s := sharedApache(t)
	good := htaccess(t)
	program, err := os.ReadFile(s.path("public_html/guestbook.cgi"))
	if err != nil {
		t.Fatal(err)
	}
	other := []byte(string(program))
	other[18] ^= 0xff // e_machine, in the head of an ELF file
	run := func(name, text string, mode os.FileMode) func(t *testing.T) string {
		return func(t *testing.T) string {
			s.writePublic(t, name, text, mode)
			return "/" + name
		}
	}
	configure := func(text string) func(t *testing.T) string {
		return func(t *testing.T) string {
			s.writePublic(t, ".htaccess", text, 0o644)
			return "/guestbook.cgi"
		}
	}
	const apachePage = "text/html; charset=iso-8859-1"
	said := make(map[string]bool)
	for _, c := range []struct {
		log  string // in Apache's log, and in the page
		make func(t *testing.T) (path string)
		want string // the status and the type
	}{
		{"Options ExecCGI is off in this directory",
			configure(strings.Replace(good, "Options +ExecCGI", "", 1)), "403 " + apachePage},
		{"not allowed here", configure("Options +Indexes\n" + good), "500 " + apachePage},
		{"Invalid command", configure("NoSuchModule On\n" + good), "500 " + apachePage},
		{"", configure("Options +ExecCGI\n"), "200"},
		{"Permission denied: AH01241: exec of",
			run("mode.cgi", string(program), 0o644), "500 " + apachePage},
		{"unable to check htaccess file", func(t *testing.T) string {
			if err := os.Chmod(s.path("public_html"), 0); err != nil {
				t.Fatal(err)
			}
			return "/guestbook.cgi"
		}, "403 " + apachePage},
		{"Exec format error", run("other.cgi", string(other), 0o755), "500 " + apachePage},
		{"No such file or directory: AH01241: exec of",
			run("loader.cgi", "#!/none/ld.so\n", 0o755), "500 " + apachePage},
		{"malformed header from script",
			run("prints.cgi", "#!/bin/sh\necho hello\n", 0o755), "500 " + apachePage},
		{"End of script output before headers",
			run("ends.cgi", "#!/bin/sh\nexit 1\n", 0o755), "500 " + apachePage},
		{"gateway: GET /", func(t *testing.T) string { // a folder has no entries
			s.shell(t, s.dir, true, "rm -f guestbook/entries && mkdir guestbook/entries")
			return "/guestbook.cgi"
		}, "500 text/plain"},
	} {
		s.logs.mark()
		path := c.make(t)
		answer := s.do(t, request{path: path})
		if got := statusOf(answer); got != c.want {
			t.Errorf("%q: %s, want %s", c.log, got, c.want)
		}
		if !process.Soon(func() bool { return strings.Contains(s.logs.since(), c.log) }) {
			t.Errorf("the log has no %q: %s", c.log, s.logs.since())
		}
		if c.log == "" && !strings.HasPrefix(string(answer.body), "\x7fELF") {
			t.Errorf("without a handler the program is not downloaded: %.100q", answer.body)
		}
		said[c.log] = true
		if err := os.Chmod(s.path("public_html"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.writePublic(t, ".htaccess", good, 0o644)
	}
	rows := regexp.MustCompile("(?m)^\\| (?:`([^`]+)`|nothing)[^|]* \\| ").
		FindAllStringSubmatch(string(page), -1)
	if len(rows) < 5 {
		t.Errorf("the page has %d rows", len(rows))
	}
	for _, row := range rows {
		// suEXEC needs root, and a web server that runs as the user for whom it was made.
		if !said[row[1]] && row[1] != "suexec policy violation" {
			t.Errorf("the page has %q, which no mistake here leads to", row[1])
		}
		delete(said, row[1])
	}
	for log := range said {
		t.Errorf("the page does not have %q", log)
	}
}

// A variable of .htaccess reaches a program that has no folder built in.
func TestVariablesOfSharedHosting(t *testing.T) {
	s := sharedApache(t)
	plain := strings.Replace(sharedBuild, "-ldflags '-X main.folder=/home/you/guestbook'", "", 1)
	s.shell(t, "..", false, here(plain, s.path("public_html/plain.cgi")))
	if answer := s.do(t, request{path: "/plain.cgi"}); answer.code != 500 {
		t.Errorf("without the variable: %d %s", answer.code, answer.body)
	}
	s.writePublic(t, ".htaccess", htaccess(t)+"SetEnv GUESTBOOK "+s.path("another")+"\n", 0o644)
	if answer := s.do(t, request{path: "/plain.cgi"}); answer.code != 200 {
		t.Errorf("with the variable: %d %s", answer.code, answer.body)
	}
	if _, err := os.Stat(s.path("another/key")); err != nil {
		t.Error(err)
	}
}
