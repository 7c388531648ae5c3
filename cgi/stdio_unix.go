//go:build unix

package cgi

import (
	"os"
	"syscall"
)

// openStdout returns a duplicate of the process's stdout. On the files 1 and 2 package os lets a
// broken pipe kill the process by SIGPIPE (golang/go#11845), and the body's Close would not run. On
// any other file a broken pipe is an error of Write.
func openStdout() (*os.File, error) {
	if wasClosed(1) {
		return nil, errNoStdout
	}
	return duplicate(1, "/dev/stdout")
}

func openStderr() (*os.File, error) { return duplicate(2, "/dev/stderr") }

func duplicate(fd int, name string) (*os.File, error) {
	syscall.ForkLock.RLock() // otherwise a program that is started right now would inherit the duplicate
	defer syscall.ForkLock.RUnlock()
	dup, err := syscall.Dup(fd)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(dup)
	return os.NewFile(uintptr(dup), name), nil
}
