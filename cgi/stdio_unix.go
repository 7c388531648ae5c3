//go:build unix

package cgi

import (
	"os"
	"syscall"
)

// openStdout returns a duplicate of the process's stdout. Package os lets a broken pipe on the files 1 and 2 kill the
// process by SIGPIPE (golang/go#11845), and a body's Close would not run; on any other file it is an error of Write.
func openStdout() (*os.File, error) {
	if wasClosed(1) {
		return nil, errNoStdout
	}
	return duplicate(1, "/dev/stdout")
}

func openStderr() (*os.File, error) { return duplicate(2, "/dev/stderr") }

func duplicate(fd int, name string) (*os.File, error) {
	syscall.ForkLock.RLock() // else a program that is started right now would inherit it
	defer syscall.ForkLock.RUnlock()
	dup, err := syscall.Dup(fd)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(dup)
	return os.NewFile(uintptr(dup), name), nil
}
