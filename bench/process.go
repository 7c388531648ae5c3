package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// A process is a CGI program that runs. Its pipes are used with plain blocking calls: what package
// os does on top, and the scheduler with it, would be measured too.
type process struct {
	pid   int
	begun time.Time
	stdin pipeEnd // -1 if that is /dev/null
	out   pipeEnd
}

// A pipeEnd is a file descriptor.
type pipeEnd int

func (p pipeEnd) Read(b []byte) (int, error) {
	for {
		n, err := syscall.Read(int(p), b)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

func (p pipeEnd) Write(b []byte) (total int, err error) {
	for total < len(b) {
		n, err := syscall.Write(int(p), b[total:])
		if err != nil && err != syscall.EINTR {
			return total, err
		}
		total += max(n, 0)
	}
	return total, nil
}

func (p pipeEnd) close() {
	if p >= 0 {
		syscall.Close(int(p))
	}
}

// startProcess starts a program with the environment. Its stdin is null, or a pipe if that is nil.
func startProcess(argv, env []string, null *os.File) (*process, error) {
	p := &process{stdin: -1}
	var in pipeEnd
	var err error
	if null != nil {
		in = pipeEnd(null.Fd())
	} else {
		if in, p.stdin, err = pipe(); err != nil {
			return nil, err
		}
		defer in.close()
	}
	var out pipeEnd
	if p.out, out, err = pipe(); err != nil {
		p.stdin.close()
		return nil, err
	}
	defer out.close()

	p.begun = time.Now()
	p.pid, err = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env:   env,
		Files: []uintptr{uintptr(in), uintptr(out), 2},
	})
	if err != nil {
		p.stdin.close()
		p.out.close()
		return nil, fmt.Errorf("%s: %w", argv[0], err)
	}
	return p, nil
}

func pipe() (r, w pipeEnd, err error) {
	var fds [2]int
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := syscall.Pipe(fds[:]); err != nil {
		return -1, -1, os.NewSyscallError("pipe", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return pipeEnd(fds[0]), pipeEnd(fds[1]), nil
}

// wait closes the pipes, waits for the end of the process, and returns how long it took and the CPU
// time it used.
func (p *process) wait() (wall, cpu time.Duration, err error) {
	p.stdin.close()
	p.out.close()
	var status syscall.WaitStatus
	var usage syscall.Rusage
	for {
		_, err = syscall.Wait4(p.pid, &status, 0, &usage)
		if err != syscall.EINTR {
			break
		}
	}
	wall = time.Since(p.begun)
	if err != nil {
		return 0, 0, os.NewSyscallError("wait4", err)
	}
	if !status.Exited() || status.ExitStatus() != 0 {
		return 0, 0, fmt.Errorf("the process ended with status %#x", int(status))
	}
	return wall, time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// environment returns what a web server (Apache) gives to a CGI program: 30 variables.
func environment(method, query, length string) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"GATEWAY_INTERFACE=CGI/1.1",
		"SERVER_SOFTWARE=Apache/2.4.62 (Unix)",
		"SERVER_SIGNATURE=",
		"SERVER_NAME=www.example.com",
		"SERVER_ADDR=192.0.2.1",
		"SERVER_PORT=443",
		"SERVER_ADMIN=webmaster@example.com",
		"SERVER_PROTOCOL=HTTP/1.1",
		"REQUEST_METHOD=" + method,
		"REQUEST_SCHEME=https",
		"REQUEST_URI=/cgi-bin/hello/world?" + query,
		"QUERY_STRING=" + query,
		"SCRIPT_NAME=/cgi-bin/hello",
		"SCRIPT_FILENAME=/srv/www/cgi-bin/hello",
		"PATH_INFO=/world",
		"PATH_TRANSLATED=/srv/www/htdocs/world",
		"DOCUMENT_ROOT=/srv/www/htdocs",
		"CONTEXT_PREFIX=/cgi-bin/",
		"CONTEXT_DOCUMENT_ROOT=/srv/www/cgi-bin/",
		"REMOTE_ADDR=192.0.2.77",
		"REMOTE_PORT=51234",
		"HTTPS=on",
		"CONTENT_LENGTH=" + length,
		"HTTP_HOST=www.example.com",
		"HTTP_USER_AGENT=Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"HTTP_ACCEPT=text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"HTTP_ACCEPT_LANGUAGE=en-US,en;q=0.5",
		"HTTP_ACCEPT_ENCODING=gzip, deflate, br, zstd",
		"HTTP_COOKIE=session=0123456789abcdef0123456789abcdef; theme=dark",
	}
}
