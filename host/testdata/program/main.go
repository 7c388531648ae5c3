// Command program does what its arguments say, one after the other. It is every bad CGI program.
//
//	out=TEXT     writes to its standard output
//	err=TEXT     writes to its standard error
//	copy         copies its input to its output
//	read         reads its input to the end
//	count        reads its input to the end, and writes how long the input was
//	file=NAME    makes an empty file
//	fill=FD      writes lines for ever
//	lines=N      writes as many lines to its standard error
//	megabytes=N  writes as many to its output
//	close=FD     closes a file
//	environ      writes its arguments, its folder and its environment
//	ignore       ignores SIGTERM
//	catch=NAME   makes a file on SIGTERM, and exits
//	child=FD     starts a child that keeps a file of the program open, and answers with its number
//	wait=NAME    waits until there is such a file
//	nap          sleeps so long that somebody waits for what comes
//	sleep        sleeps for minutes
//	exit=STATUS  exits
//	kill         kills itself
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	for _, arg := range os.Args[1:] {
		what, value, _ := strings.Cut(arg, "=")
		number, _ := strconv.Atoi(value)
		switch what {
		case "out":
			write(os.Stdout, value)
		case "err":
			write(os.Stderr, value)
		case "copy":
			if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
				os.Exit(4)
			}
		case "read":
			if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
				os.Exit(4)
			}
		case "count":
			n, err := io.Copy(io.Discard, os.Stdin)
			write(os.Stdout, fmt.Sprint(n, " ", err))
		case "file":
			touch(value)
		case "fill":
			for line := bytes.Repeat([]byte("x-fill: "+strings.Repeat("y", 55)+"\n"), 1<<10); ; {
				if _, err := file(number).Write(line); err != nil {
					os.Exit(5)
				}
			}
		case "lines":
			write(os.Stderr, strings.Repeat("a line to be logged\n", number))
		case "megabytes":
			for range number {
				write(os.Stdout, strings.Repeat("0123456789abcde\n", 1<<16))
			}
		case "close":
			file(number).Close()
		case "environ":
			dir, _ := os.Getwd()
			list := os.Environ()
			slices.Sort(list)
			write(os.Stdout, fmt.Sprintf("%q %q\n%s\n", os.Args[1:], dir, strings.Join(list, "\n")))
		case "ignore":
			signal.Ignore(syscall.SIGTERM)
		case "catch":
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGTERM)
			go func() {
				<-c
				touch(value)
				os.Exit(0)
			}()
		case "child":
			child(number)
		case "wait":
			for _, err := os.Stat(value); err != nil; _, err = os.Stat(value) {
				time.Sleep(time.Millisecond)
			}
		case "nap":
			time.Sleep(200 * time.Millisecond)
		case "sleep":
			time.Sleep(5 * time.Minute) // longer than any test
		case "exit":
			os.Exit(number)
		case "kill":
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {}
		default:
			fmt.Fprintln(os.Stderr, "unknown:", arg)
			os.Exit(3)
		}
	}
}

func file(fd int) *os.File { return []*os.File{os.Stdin, os.Stdout, os.Stderr}[fd] }

func write(f *os.File, s string) {
	if _, err := f.WriteString(s); err != nil {
		os.Exit(5)
	}
}

func touch(name string) {
	f, err := os.Create(name)
	if err != nil {
		os.Exit(6)
	}
	f.Close()
}

func child(fd int) {
	exe, err := os.Executable()
	cmd := exec.Command(exe, "sleep")
	switch fd {
	case 0:
		cmd.Stdin = os.Stdin
	case 1:
		cmd.Stdout = os.Stdout
	case 2:
		cmd.Stderr = os.Stderr
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(7)
	}
	write(os.Stdout, fmt.Sprint("Content-Type: text/plain\n\n", cmd.Process.Pid))
}
