//go:build interop && linux

// Package process starts the programs that tests are about, and sees to it that nothing of them is
// left.
package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Process is a web server or another program, with all that it starts.
type Process struct {
	Cmd   *exec.Cmd
	Ended chan struct{} // closed when the process has ended, or is about to
	Err   error         // of Wait, once it has ended
}

// Start starts a program in a process group of its own, as nobody if the tests are run by root: web
// servers refuse that, or take an account from their configuration. Should the tests die, the
// kernel sends it SIGTERM.
func Start(t *testing.T, dir string, asRoot bool, name string, args ...string) *Process {
	t.Helper()
	return StartWith(t, dir, asRoot, nil, name, args...)
}

// StartWith is Start, and passes open files on, the first as 3.
func StartWith(
	t *testing.T, dir string, asRoot bool, files []*os.File, name string, args ...string,
) *Process {
	t.Helper()
	path, err := LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed, and these tests do not skip: run interop/install", name)
	}
	log := filepath.Join(dir, filepath.Base(name)+".log")
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
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
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: Nobody, Gid: Nobody}
	}
	p := &Process{Cmd: cmd, Ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The signal is sent when the thread that started the process ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.Err = cmd.Wait()
			close(p.Ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// Nobody is the user and the group that has no files.
const Nobody = 65534

// Patience is how long anything may take. What takes longer hangs.
const Patience = 10 * time.Second

// LookPath knows the folders that are not in everybody's PATH.
func LookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	return path, err
}

// Stop asks the process to end, and kills what is left of its group. It returns an error if it had
// to, or if something is left still.
func (p *Process) Stop() error {
	var err error
	_ = p.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.Ended:
	case <-time.After(Patience):
		err = fmt.Errorf("%s did not end on SIGTERM", p.Cmd.Path)
	}
	group := -p.Cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.Ended
	deadline := time.Now().Add(Patience)
	for !errors.Is(syscall.Kill(group, 0), syscall.ESRCH) { // orphans, which init has to reap
		if time.Now().After(deadline) {
			return errors.Join(err, fmt.Errorf("%s left processes behind", p.Cmd.Path))
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

// Leftovers kills and returns the processes that run a program of the folder, whoever started them
// and in whatever group.
func Leftovers(dir string) (list []string) {
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

// Soon waits until the condition holds. It is for what leaves no other trace.
func Soon(condition func() bool) bool {
	for deadline := time.Now().Add(Patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// FreePort returns a port on which Nobody listens. It is below those that the kernel gives to
// whoever asks for any, of which the many connections of these tests, and of others that are
// running, use one after the other.
func FreePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		if _, taken := ports.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("there is no free port")
	return ""
}

var ports sync.Map // that were given to somebody
