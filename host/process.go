package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A cgiProcess is a program that runs for one request: the session of a CGI.
//
// Its end has three parts, which come in any order: the program closes its output, it ends, and it
// is made to end. Only a program that ends by itself, with the status 0 and after it has closed its
// output, has given a whole answer.
type cgiProcess struct {
	cmd   *exec.Cmd
	grace time.Duration
	log   io.Writer

	stdin  *os.File // nil for a request without a body
	stdout *os.File
	stderr *os.File

	reading sync.Mutex // held to set a deadline of stdout
	isBrief bool       // the deadline is that of a Read that does not wait for the program

	exited chan struct{} // closed when the program was waited for
	status error         // set then: why the answer is not whole, or nil
	logged chan struct{} // closed when stderr was read

	aborted  chan struct{} // closed by abort
	aborting sync.Once
	stopped  chan struct{} // closed when stop has done all that it could, if it was called
	stopping sync.Once
}

const (
	// logTime is how long what a program has written to its standard error is read after its end.
	// It takes no time, unless a child that goes on has the standard error too.
	logTime = time.Second

	// reapTime is how long the end of a process that was killed is waited for. Only a process that
	// hangs in the kernel takes longer, and nobody can help that.
	reapTime = 5 * time.Second
)

// start starts a program. It calls release once the program has ended, or could not be started.
func start(
	cmd *exec.Cmd, hasBody bool, grace time.Duration, log io.Writer, release func(),
) (*cgiProcess, error) {
	p := &cgiProcess{
		cmd: cmd, grace: grace, log: log,
		exited: make(chan struct{}), logged: make(chan struct{}),
		aborted: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := p.start(hasBody); err != nil {
		release()
		return nil, err
	}
	go p.readLog()
	go p.wait(release)
	return p, nil
}

func (p *cgiProcess) start(hasBody bool) (err error) {
	var theirs []*os.File
	defer func() {
		closeAll(theirs...)
		if err != nil {
			closeAll(p.stdin, p.stdout, p.stderr)
		}
	}()
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	var in, out, log *os.File
	if hasBody {
		in, p.stdin = pipe()
	}
	p.stdout, out = pipe()
	p.stderr, log = pipe()
	theirs = append(theirs, in, out, log)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrOverloaded, err)
	}
	if hasBody {
		p.cmd.Stdin = in
	}
	p.cmd.Stdout, p.cmd.Stderr = out, log
	makeGroup(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return startError(p.cmd, err)
	}
	return nil
}

// closeAll closes the files that there are.
func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// wait waits for the end of the program. A child of the program that goes on may still have its
// output and its standard error.
func (p *cgiProcess) wait(release func()) {
	err := p.cmd.Wait()
	release()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		p.status = fmt.Errorf("%w: the program has ended with %v", ErrCutShort, exit)
	default: // somebody else in this process waits for all its children
		p.status = fmt.Errorf("%w: nobody knows how the program has ended: %v", ErrCutShort, err)
	}
	close(p.exited)
	p.reading.Lock()
	if !p.isBrief {
		_ = p.stdout.SetReadDeadline(time.Now().Add(p.grace))
	}
	p.reading.Unlock()
	_ = p.stderr.SetReadDeadline(time.Now().Add(logTime))
}

// readLog reads the program's standard error.
func (p *cgiProcess) readLog() {
	defer close(p.logged)
	var buf [4 << 10]byte
	for {
		n, err := p.stderr.Read(buf[:])
		_, _ = p.log.Write(buf[:n])
		if err != nil {
			return
		}
	}
}

// Read implements session. The answer ends when the program has closed its output and has ended. A
// child that has the output too can go on with the answer when the program has ended, but if it
// says nothing for Grace the answer has ended.
func (p *cgiProcess) Read(b []byte, d time.Duration) (int, error) {
	began := time.Now()
	if p.limit(d) == os.ErrNoDeadline && d > 0 {
		return 0, os.ErrNoDeadline
	}
	n, err := p.stdout.Read(b)
	switch {
	case n > 0 || err == nil:
		return n, nil
	case isClosed(p.aborted):
		return 0, fmt.Errorf("%w: the program was ended", ErrCutShort)
	case errors.Is(err, os.ErrDeadlineExceeded) && d > 0:
		return 0, os.ErrDeadlineExceeded
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.logf("a child that it has left behind keeps its standard output open")
	case err != io.EOF:
		return 0, fmt.Errorf("%w: %v", ErrCutShort, err)
	}
	if d > 0 {
		d = max(time.Until(began.Add(d)), 1)
	}
	return 0, p.verdict(d)
}

// limit sets how long the next read of the output waits: d if that is positive, and else Grace if
// the program has ended. It returns os.ErrNoDeadline where a pipe has no deadline, as on Windows.
func (p *cgiProcess) limit(d time.Duration) error {
	p.reading.Lock()
	defer p.reading.Unlock()
	wasBrief := p.isBrief
	p.isBrief = d > 0
	switch {
	case d > 0:
		return p.stdout.SetReadDeadline(time.Now().Add(d))
	case isClosed(p.exited):
		return p.stdout.SetReadDeadline(time.Now().Add(p.grace))
	case wasBrief:
		return p.stdout.SetReadDeadline(time.Time{})
	}
	return nil
}

// verdict returns io.EOF if the answer, whose end has been read, is whole. It waits for the end of
// the program as long as Read.
func (p *cgiProcess) verdict(d time.Duration) error {
	limit := p.grace
	if d > 0 {
		limit = d
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-p.exited:
		if p.status != nil {
			return p.status
		}
		return io.EOF
	case <-p.aborted:
		return fmt.Errorf("%w: the program was ended", ErrCutShort)
	case <-late.C:
		if d > 0 {
			return os.ErrDeadlineExceeded
		}
		p.logf("it goes on after it has closed its standard output, and is ended")
		p.stop()
		return io.EOF
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (p *cgiProcess) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.log, format+"\n", args...)
}

// Write implements session.
func (p *cgiProcess) Write(b []byte) (int, error) { return p.stdin.Write(b) }

// CloseWrite implements session.
func (p *cgiProcess) CloseWrite() error { return p.stdin.Close() }

// abort implements session. The program's input stays open until the program has ended: a program
// that goes on in spite of the SIGTERM would take the end of its input for the end of the body.
func (p *cgiProcess) abort() {
	p.aborting.Do(func() {
		close(p.aborted)
		p.stop()
		p.stdout.Close()
		if p.stdin != nil {
			_ = p.stdin.SetWriteDeadline(time.Now())
		}
	})
}

// stop makes the program end: it gets a SIGTERM, and a SIGKILL after Grace, and so do those of its
// children that are in its process group. A program that has ended already may have left children
// behind, as a shell script does with a "&". They are left alone.
func (p *cgiProcess) stop() {
	p.stopping.Do(func() {
		if isClosed(p.exited) {
			close(p.stopped)
			return
		}
		askToEnd(p.cmd.Process)
		go p.awaitStop()
	})
}

// awaitStop waits for the end of what stop has asked to end, and kills what does not.
func (p *cgiProcess) awaitStop() {
	defer close(p.stopped)
	grace := time.NewTimer(p.grace)
	defer grace.Stop()
	isLate := false
	select {
	case <-p.exited:
	case <-grace.C:
		isLate = true
	}
	for pause := time.Millisecond; !isLate; pause = min(2*pause, 50*time.Millisecond) {
		if !hasGroup(p.cmd.Process) {
			return
		}
		select {
		case <-time.After(pause):
		case <-grace.C:
			isLate = true
		}
	}
	kill(p.cmd.Process)
}

// close implements session. It comes back when the program and the goroutines have ended, or when
// nothing more can be done about it.
func (p *cgiProcess) close() {
	bound, cancel := context.WithTimeout(context.Background(), p.grace+reapTime)
	defer cancel()
	p.stop()
	for _, done := range []chan struct{}{p.stopped, p.exited, p.logged} {
		select {
		case <-done:
		case <-bound.Done():
		}
	}
	closeAll(p.stdin, p.stdout, p.stderr)
}

// startError returns why a program could not be started, and what to do.
func startError(cmd *exec.Cmd, err error) error {
	unavailable := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrUnavailable}, args...)...)
	}
	if why, kind := explainStart(err); kind != nil {
		return fmt.Errorf("%w: %s", kind, why)
	}
	info, failed := os.Stat(cmd.Path)
	_, noDir := os.Stat(cmd.Dir)
	switch {
	case errors.Is(failed, fs.ErrNotExist):
		return unavailable("it does not exist")
	case failed != nil:
		return unavailable("%v", failed)
	case info.IsDir():
		return unavailable("it is a folder")
	case noDir != nil:
		return unavailable("its working directory: %v", noDir)
	case errors.Is(err, fs.ErrPermission):
		return unavailable("this process may not run it: it, or what its first line names, "+
			"needs chmod a+x, and the file system must allow programs: %v", err)
	case errors.Is(err, fs.ErrNotExist):
		line := firstLine(cmd.Path)
		if !strings.HasPrefix(line, "#!") {
			return unavailable("it is there, and the loader or the library that it names is not")
		}
		if strings.HasSuffix(line, "\r") {
			return unavailable("its lines end with CR LF, and the system looks for the CR in %q; "+
				"end them with LF", line)
		}
		return unavailable("its interpreter does not exist: %q", line)
	}
	return unavailable("%v", err)
}

// firstLine returns the first line of a file, or the beginning of a long one.
func firstLine(name string) string {
	file, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	var buf [128]byte
	n, _ := io.ReadFull(file, buf[:])
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	return line
}
