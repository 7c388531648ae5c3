//go:build interop && linux

package programs

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"example.com/gateway"
	"example.com/gateway/host"
)

// gitApp is git's own server below a folder of repositories. Only ada may push.
func gitApp(repositories string) gateway.Application {
	git := &host.CGI{
		Path: "git",
		Args: []string{"http-backend"},
		Options: host.Options{
			Vars:   map[string]string{"GIT_PROJECT_ROOT": repositories, "GIT_HTTP_EXPORT_ALL": "1"},
			Stream: true,
		},
	}
	ada := "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:secret"))
	return function(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		push := env.Vars["QUERY_STRING"] == "service=git-receive-pack" ||
			strings.HasSuffix(env.Vars["PATH_INFO"], "/git-receive-pack")
		switch {
		case push && env.Vars["HTTP_AUTHORIZATION"] == ada:
			env.Vars["REMOTE_USER"], env.Vars["AUTH_TYPE"] = "ada", "Basic"
		case push:
			headers := gateway.Headers{{"WWW-Authenticate", `Basic realm="git"`}}
			_, err := start("401 Unauthorized", headers, nil)
			return gateway.Text("who are you?\n"), err
		}
		return git.Call(env, start)
	})
}

// A recorder notes what comes to an application, by the ends of the paths.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) wrap(app gateway.Application) gateway.Application {
	return function(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		length, _ := env.ContentLength()
		r.mu.Lock()
		r.seen = append(r.seen, fmt.Sprintf("%s %s %s length=%v encoding=%s protocol=%s",
			env.Vars["REQUEST_METHOD"], env.Vars["PATH_INFO"], env.Vars["QUERY_STRING"], length >= 0,
			env.Vars["HTTP_CONTENT_ENCODING"], env.Vars["HTTP_GIT_PROTOCOL"]))
		r.mu.Unlock()
		return app.Call(env, start)
	})
}

// want checks that a request has come with all of the words in it.
func (r *recorder) want(t *testing.T, words ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.seen {
		has := true
		for _, word := range words {
			has = has && strings.Contains(request, word)
		}
		if has {
			return
		}
	}
	t.Errorf("no request has %q, these have come:\n%s", words, strings.Join(r.seen, "\n"))
}

// A worker runs commands in a folder that is their home.
type worker struct {
	*testing.T
	dir string
}

func (w worker) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = w.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "USER=ada", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=ada", "GIT_AUTHOR_EMAIL=ada@example.com",
		"GIT_COMMITTER_NAME=ada", "GIT_COMMITTER_EMAIL=ada@example.com"}
	return cmd
}

// run runs a command, which must succeed, and returns its output.
func (w worker) run(name string, args ...string) string {
	w.Helper()
	out, err := w.command(name, args...).CombinedOutput()
	if err != nil {
		w.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// fails runs a command that must fail, and say a text.
func (w worker) fails(text, name string, args ...string) {
	w.Helper()
	out, err := w.command(name, args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), text) {
		w.Errorf("%s %s: %v, want a failure that says %q\n%s",
			name, strings.Join(args, " "), err, text, out)
	}
}

const bigFile = 100 << 20

// repository makes a repository with 40 commits that have a branch each, and one more commit with a
// file of 100 MB that no compression makes smaller, on the branch large.
func (s *site) repository(t *testing.T) (path string) {
	t.Helper()
	w := worker{t, s.dir}
	path = s.path("source")
	w.run("git", "init", "-q", "-b", "main", path)
	w.dir = path
	for key, value := range map[string]string{
		"core.compression": "0", "core.bigFileThreshold": "1m", "gc.auto": "0", "core.fsync": "none",
	} {
		w.run("git", "config", key, value)
	}
	var commits strings.Builder
	for i := range 40 {
		fmt.Fprintf(&commits, "commit refs/heads/b%d\nmark :%d\n"+
			"committer ada <ada@example.com> 1700000000 +0000\ndata 2\nc\n", i, i+1)
		if i > 0 {
			fmt.Fprintf(&commits, "from :%d\n", i)
		}
		text := fmt.Sprintf("this is version %d\n", i)
		fmt.Fprintf(&commits, "M 644 inline README\ndata %d\n%s\n", len(text), text)
	}
	fmt.Fprintf(&commits, "reset refs/heads/main\nfrom :40\n\n")
	load := w.command("git", "fast-import", "--quiet")
	load.Stdin = strings.NewReader(commits.String())
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
	w.run("git", "checkout", "-q", "-b", "large", "main")
	file, err := os.Create(filepath.Join(path, "big.bin"))
	if err == nil {
		_, err = io.CopyN(file, rand.NewChaCha8([32]byte{1}), bigFile)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	w.run("git", "add", "big.bin")
	w.run("git", "commit", "-q", "-m", "big")
	if err := os.Remove(filepath.Join(path, "big.bin")); err != nil {
		t.Fatal(err)
	}
	return path
}

// bare makes a repository that can be pushed to, with a hook that tells who has pushed.
func (s *site) bare(t *testing.T, source, name string) (path string) {
	t.Helper()
	path = s.path("repositories/" + name)
	w := worker{t, s.dir}
	w.run("git", "init", "-q", "--bare", "-b", "main", path)
	w.dir = path
	for key, value := range map[string]string{"core.compression": "0", "core.bigFileThreshold": "1m",
		"gc.auto": "0", "receive.autogc": "false", "core.fsync": "none"} {
		w.run("git", "config", key, value)
	}
	w.run("git", "--git-dir="+source, "push", "-q", path, "refs/heads/main", "refs/heads/b*")
	s.write("repositories/"+name+"/hooks/post-receive",
		"#!/bin/sh\necho \"$REMOTE_USER $REMOTE_ADDR\" >>pushed-by\necho thanks\n", 0o755)
	return path
}

func TestGit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mkdir("repositories")
	source := filepath.Join(s.repository(t), ".git")
	for _, name := range []string{"http.git", "nginx.git"} {
		s.bare(t, source, name)
	}
	requests := new(recorder)
	behind(t, requests.wrap(gitApp(s.path("repositories"))), func(c *client) {
		name := c.front + ".git"
		bare := s.path("repositories/" + name)
		w := worker{c.T, s.mkdir(c.front)}
		url := c.url("/" + name)

		// Shallow first: the request has few wants, and is not compressed.
		w.run("git", "-c", "protocol.version=0", "clone", "-q", "--depth", "1", url, "shallow")
		if got := w.run("git", "-C", "shallow", "rev-list", "--count", "HEAD"); got != "1\n" {
			c.Errorf("a shallow clone has %q commits", got)
		}
		w.run("git", "-c", "protocol.version=2", "clone", "-q", url, "clone")
		if got := w.run("git", "-C", "clone", "rev-list", "--count", "HEAD"); got != "40\n" {
			c.Errorf("a clone has %q commits", got)
		}
		requests.want(c.T, name, "protocol=version=2")
		requests.want(c.T, name+"/git-upload-pack", "encoding=gzip")

		// Who nobody knows may not push.
		small := []string{"-C", "clone", "commit", "-q", "--allow-empty", "-m", "small"}
		w.run("git", small...)
		w.fails("could not read Username", "git", "-C", "clone", "push", "-q", url, "main")
		whole := strings.Replace(url, "http://", "http://ada:secret@", 1)
		out := w.run("git", "-C", "clone", "push", whole, "main")
		if !strings.Contains(out, "remote: thanks") {
			c.Errorf("git push says %q, and nothing of the hook", out)
		}
		by, _ := os.ReadFile(filepath.Join(bare, "pushed-by"))
		if string(by) != "ada 127.0.0.1\n" {
			c.Errorf("the hook has REMOTE_USER and REMOTE_ADDR %q", by)
		}

		// More than http.postBuffer (1 MiB) goes out in chunks.
		w.run("git", "--git-dir="+source, "push", "-q", whole, "large")
		got := w.run("git", "--git-dir="+bare, "cat-file", "-s", "large:big.bin")
		if got != fmt.Sprintln(bigFile) {
			c.Errorf("the file of %d bytes has %q", bigFile, got)
		}
		requests.want(c.T, name+"/git-receive-pack", "length=false")
		w.run("git", "--git-dir="+bare, "fsck", "--connectivity-only")

		if a := c.get("/" + name + "/HEAD"); a.code != 200 || string(a.body) != "ref: refs/heads/main\n" {
			c.Errorf("the dumb protocol's HEAD is %v", a)
		}
		c.want(c.get("/none.git/info/refs?service=git-upload-pack"), 404)
		c.calm()
		if text := c.log.String(); strings.Count(text, "\n") > 1 { // git says that there is no none.git
			c.Errorf("the log has\n%s", text)
		}
	})
}

// TestAGitClientThatIsKilledLeavesNothing kills git push while the server waits for the rest of it.
func TestAGitClientThatIsKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mkdir("repositories")
	w := worker{t, s.dir}
	w.run("git", "init", "-q", "-b", "main", "source")
	w.dir = s.path("source")
	data := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(data)
	s.write("source/file", string(data), 0o644)
	w.run("git", "add", "file")
	w.run("git", "commit", "-q", "-m", "file")

	var held sync.Map // what comes out of a body, by front: a *holder
	app := gitApp(s.path("repositories"))
	holding := function(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		name, isPack := strings.CutSuffix(env.Vars["PATH_INFO"], "/git-receive-pack")
		if h, _ := held.Load(strings.Trim(name, "/")); isPack && h != nil {
			env.Input = &holder{r: env.Input, at: h.(*holder).at, left: 2 << 20}
		}
		return app.Call(env, start)
	})
	behind(t, holding, func(c *client) {
		name := c.front + ".git"
		bare := s.path("repositories/" + name)
		worker{c.T, s.dir}.run("git", "init", "-q", "--bare", bare)
		at := make(chan chan struct{})
		held.Store(name, &holder{at: at})

		push := worker{c.T, s.path("source")}.command("git", "push", "-q",
			"http://ada:secret@"+c.address+"/"+name, "main")
		push.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		var out bytes.Buffer
		push.Stdout, push.Stderr = &out, &out
		if err := push.Start(); err != nil {
			c.Fatal(err)
		}
		var goOn chan struct{}
		ended := make(chan error, 1)
		go func() { ended <- push.Wait() }()
		select {
		case goOn = <-at:
		case err := <-ended:
			c.Fatalf("git push: %v\n%s", err, &out)
		}
		if len(processesWith("GIT_PROJECT_ROOT="+s.path("repositories"), name)) == 0 {
			c.Error("the server's git is not seen")
		}
		_ = syscall.Kill(-push.Process.Pid, syscall.SIGKILL)
		<-ended
		close(goOn)
		c.calm()
		var left []string
		if !soon(func() bool {
			left = processesWith("GIT_PROJECT_ROOT="+s.path("repositories"), name)
			return len(left) == 0
		}) {
			c.Errorf("processes are left: %s", left)
		}
		check := worker{c.T, bare}.command("git", "rev-parse", "--verify", "-q", "main")
		if out, err := check.Output(); err == nil {
			c.Errorf("half a push has made main %s", out)
		}
	})
}

// A holder is a reader that stops after some bytes until it may go on.
type holder struct {
	r    io.Reader
	at   chan chan struct{}
	left int
}

func (h *holder) Read(p []byte) (int, error) {
	if h.left <= 0 && h.at != nil {
		goOn := make(chan struct{})
		h.at <- goOn
		<-goOn
		h.at = nil
	}
	n, err := h.r.Read(p)
	h.left -= n
	return n, err
}

// processesWith returns the command lines of the processes that have a variable in their
// environment, and a PATH_INFO with a word.
func processesWith(variable, word string) (list []string) {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range environs {
		text, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(text, []byte(variable+"\x00")) {
			continue
		}
		_, info, _ := strings.Cut(string(text), "PATH_INFO=")
		info, _, _ = strings.Cut(info, "\x00")
		if strings.Contains(info, word) {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
			list = append(list, string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		}
	}
	return list
}
