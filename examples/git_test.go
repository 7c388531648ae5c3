package examples_test

import (
	"bytes"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The commands of the example's comment, with the git client. A push of more than 1 MiB has a body
// of unknown length.
func TestGitClonesAndPushes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted on Windows")
	}
	t.Setenv("GIT_PUSH", "ada:secret")
	for _, name := range []string{"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"} {
		t.Setenv(name, os.DevNull)
	}
	t.Setenv("GIT_TERMINAL_PROMPT", "0")
	dir := t.TempDir()
	repos, work := filepath.Join(dir, "repos"), filepath.Join(dir, "work")
	git := func(args ...string) (string, error) {
		t.Helper()
		cmd := exec.Command("git", args...)
		if cmd.Dir = work; args[0] == "init" || args[0] == "clone" {
			cmd.Dir = dir
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := git(args...)
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	must("init", "-q", "--bare", filepath.Join(repos, "hello.git"))
	server := begin(t, filepath.Join(buildAll(t), "git"+exe()), "http:tcp:127.0.0.1:0", repos)
	url := server.where + "/hello.git"
	withPassword := strings.Replace(url, "http://", "http://ada:secret@", 1)

	must("clone", "-q", url, "work")
	big := make([]byte, 3<<20)
	rand.New(rand.NewSource(1)).Read(big)
	if err := os.WriteFile(filepath.Join(work, "big"), big, 0o666); err != nil {
		t.Fatal(err)
	}
	must("add", "big")
	must("-c", "user.name=ada", "-c", "user.email=ada@example.com", "commit", "-q", "-m", "first")
	for _, to := range []string{url, strings.Replace(url, "http://", "http://ada:wrong@", 1)} {
		if out, err := git("push", to, "HEAD"); err == nil || !strings.Contains(out,
			"Authentication failed") &&
			!strings.Contains(out, "could not read Username") {
			t.Errorf("a push to %s: %v, %s", to, err, out)
		}
	}
	must("push", "-q", withPassword, "HEAD")

	must("clone", "-q", "--depth=1", url, "again")
	got, err := os.ReadFile(filepath.Join(dir, "again", "big"))
	if err != nil || !bytes.Equal(got, big) {
		t.Errorf("the clone has %d bytes, %v", len(got), err)
	}
	if out := must("ls-remote", url); !strings.Contains(out, "HEAD") {
		t.Errorf("ls-remote: %s", out)
	}
	server.stop(t)
}
