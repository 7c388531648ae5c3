//go:build interop && linux

package interop

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process is a web server, or a part of one, with all that it starts.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended, or is about to
	err   error         // of Wait
}

// spawn starts a program in a process group of its own, as nobody if the tests are run by root: web
// servers refuse that, or take an account from their configuration. Should the tests die, the
// kernel sends it SIGTERM.
func spawn(t *testing.T, dir string, asRoot bool, name string, args ...string) *process {
	t.Helper()
	return spawnWith(t, dir, asRoot, nil, name, args...)
}

// spawnWith is spawn, and passes open files on, the first as 3.
func spawnWith(t *testing.T, dir string, asRoot bool, files []*os.File, name string, args ...string) *process {
	t.Helper()
	path, err := lookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed, and these tests do not skip: run interop/install", name)
	}
	output, err := os.OpenFile(filepath.Join(dir, filepath.Base(name)+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = output, output, files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if os.Geteuid() == 0 && !asRoot {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The signal is sent when the thread that started the process ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

const nobody = 65534

// lookPath knows the folders that are not in everybody's PATH.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	return path, err
}

// stop asks the process to end, and kills what is left of its group. It returns an error if it had
// to, or if something is left still.
func (p *process) stop() error {
	var err error
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		err = fmt.Errorf("%s did not end on SIGTERM", p.cmd.Path)
	}
	group := -p.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.ended
	deadline := time.Now().Add(patience)
	for !errors.Is(syscall.Kill(group, 0), syscall.ESRCH) { // orphans, which init has to reap
		if time.Now().After(deadline) {
			return errors.Join(err, fmt.Errorf("%s left processes behind", p.cmd.Path))
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

// leftovers kills and returns the processes that run a program of the folder, whoever started them
// and in whatever group.
func leftovers(dir string) (list []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, dir+"/") {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(link, "/proc/%d/exe", &pid); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			list = append(list, fmt.Sprintf("%d %s", pid, target))
		}
	}
	return list
}

// A logs is the log files of a host, and how far they have been read.
type logs struct {
	files []string
	read  []int
}

// mark forgets what was logged up to now.
func (l *logs) mark() {
	l.read = l.read[:0]
	for _, name := range l.files {
		data, _ := os.ReadFile(name)
		l.read = append(l.read, len(data))
	}
}

// since returns what was logged since the last mark.
func (l *logs) since() string {
	var b bytes.Buffer
	for i, name := range l.files {
		data, _ := os.ReadFile(name)
		if i < len(l.read) && l.read[i] <= len(data) {
			data = data[l.read[i]:]
		}
		if len(data) > 0 {
			fmt.Fprintf(&b, "%s:\n%s", filepath.Base(name), data)
		}
	}
	return b.String()
}

// tail returns the last lines of what was logged since the last mark.
func (l *logs) tail() string {
	lines := strings.SplitAfter(l.since(), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "")
}
