//go:build unix

package host

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// makeGroup makes the program the leader of a process group, which its children belong to. The
// group's number stays that of nobody else as long as one of them is there.
func makeGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// askToEnd sends a SIGTERM to the group of a program that was not waited for yet.
func askToEnd(leader *os.Process) { _ = syscall.Kill(-leader.Pid, syscall.SIGTERM) }

// kill ends the group of a program.
func kill(leader *os.Process) { _ = syscall.Kill(-leader.Pid, syscall.SIGKILL) }

// hasGroup reports whether there is a process in the group of a program that was waited for.
func hasGroup(leader *os.Process) bool {
	return !errors.Is(syscall.Kill(-leader.Pid, 0), syscall.ESRCH)
}

// explainStart says what an error of the system means for a program that cannot be started, if the
// error is one of these systems alone.
func explainStart(err error) (why string, kind error) {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return "it is no program for this machine; a script has a first line such as #!/bin/sh", ErrUnavailable
	case errors.Is(err, syscall.ETXTBSY):
		return "it is being written; put a new version in its place by a rename", ErrUnavailable
	case errors.Is(err, syscall.E2BIG):
		return "the system has no place for them", ErrVariables
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM),
		errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "the system has no more processes or files: " + err.Error(), ErrOverloaded
	}
	return "", nil
}
