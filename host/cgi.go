package host

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gateway"
)

// A CGI is an [gateway.Application] that runs a program for each request (RFC 3875): one program,
// or those of a folder.
//
// The program gets the request's variables, Options.Vars and a PATH as its environment, and nothing
// else. Its arguments are Args, and never words of the query string, which RFC 3875, 4.4 allows and
// which has run code more than once. What it writes to its standard error goes to Environ.Errors,
// line by line with the program's name, up to 64 KiB a request.
//
// A program is ended when the client has left, when it is too slow, and when it goes on for longer
// than Grace after it has closed its output: it gets a SIGTERM, and after Grace a SIGKILL. Both go
// to its process group, and so to its children too. Windows has neither process groups nor SIGTERM:
// there the program is ended at once, and its children are not. A child that the program has left
// behind, as a shell does with a "&", is left alone. It may go on with the answer. The answer ends
// when nothing has come for Grace; on Windows it is then cut off, after ReadTimeout.
//
// A CGI must not be copied once it is used. Call may be called concurrently.
type CGI struct {
	// Path is the program. A name without a slash is looked up in the PATH of this process, and a
	// relative path begins at its working directory. Path may be empty if Scripts.Root is set: the
	// script itself is then the program, and must be executable.
	Path string

	// Args are the arguments behind the program's name.
	Args []string

	// Dir is the program's working directory: the folder of the script, or else that of the
	// program.
	Dir string

	// Scripts says how a path leads to a script: to the program if Path is empty, and otherwise for
	// the program, such as php-cgi.
	Scripts Scripts

	Options

	// NPH is for a program that writes a whole HTTP response, with a status line, and may send the
	// body in chunks (RFC 3875, 5). Other programs may begin with a status line too.
	NPH bool

	// MaxProcesses is how many programs run at a time: 64. MaxWaiting is how many requests wait for
	// one of them to end: 256. They wait for WaitTimeout at most: 10 seconds. More requests, and
	// those that have waited for so long, get a 503. Negative numbers are no limit.
	MaxProcesses int
	MaxWaiting   int
	WaitTimeout  time.Duration

	// Grace is how long a program has to end: 5 seconds.
	Grace time.Duration

	queue queue
}

// The defaults of a CGI.
const (
	defaultMaxProcesses = 64
	defaultMaxWaiting   = 256
	defaultWaitTimeout  = 10 * time.Second
	defaultGrace        = 5 * time.Second
)

var _ gateway.Application = (*CGI)(nil)

// Call implements gateway.Application.
func (c *CGI) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return c.serveScript(env, start, &c.Scripts, func(script string) protocol {
		path := c.Path
		if path == "" {
			path = script
		}
		wait := func(ctx context.Context) error { return c.queue.enter(ctx, c) }
		open := func(_ context.Context, vars []variable, b *body, log io.Writer) (session, error) {
			return c.open(path, vars, b, log)
		}
		return protocol{name: "CGI " + path, isNPH: c.NPH, wait: wait, open: open}
	})
}

// open starts the program, which has its place in the queue.
func (c *CGI) open(name string, vars []variable, b *body, log io.Writer) (session, error) {
	path, err := find(name)
	if err != nil {
		c.queue.leave()
		return nil, err
	}
	cmd := exec.Command(path, c.Args...)
	if cmd.Dir = c.Dir; cmd.Dir == "" {
		cmd.Dir = filepath.Dir(path)
	}
	cmd.Env = environ(vars)
	grace := c.Grace
	if grace <= 0 {
		grace = defaultGrace
	}
	return start(cmd, !b.isEmpty(), grace, log, c.queue.leave)
}

// find returns the program's absolute path.
func find(path string) (string, error) {
	switch {
	case filepath.IsAbs(path):
		return path, nil
	case path == "":
		return "", fmt.Errorf("%w: set Path or Scripts.Root", ErrUnavailable)
	case filepath.Base(path) == path:
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("%w: %v; set Path to the whole path", ErrUnavailable, err)
		}
		path = found
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	return path, nil
}

// environ returns the environment of a program.
func environ(vars []variable) []string {
	list := make([]string, 0, len(vars)+1)
	hasPath := false
	for _, v := range vars {
		list = append(list, v.name+"="+v.value)
		hasPath = hasPath || v.name == "PATH"
	}
	if !hasPath {
		list = append(list, "PATH="+defaultPath())
	}
	return list
}

// defaultPath returns the PATH of a program whose deployer has set none. Package exec adds the
// SYSTEMROOT that Windows needs.
func defaultPath() string {
	if runtime.GOOS == "windows" {
		root := os.Getenv("SYSTEMROOT")
		return root + `\System32;` + root
	}
	return "/usr/local/bin:/usr/bin:/bin"
}

// A queue lets so many programs run at a time.
type queue struct {
	init    sync.Once
	running chan struct{} // has an element for each of them; nil without a limit
	waiting atomic.Int64
}

// enter waits for a place. A nil error must be followed by one call of leave.
func (q *queue) enter(ctx context.Context, c *CGI) error {
	q.init.Do(func() {
		if n := cmp.Or(c.MaxProcesses, defaultMaxProcesses); n > 0 {
			q.running = make(chan struct{}, n)
		}
	})
	if q.running == nil {
		return nil
	}
	select {
	case q.running <- struct{}{}:
		return nil
	default:
	}
	defer q.waiting.Add(-1)
	limit := cmp.Or(c.MaxWaiting, defaultMaxWaiting)
	if n := q.waiting.Add(1); limit > 0 && n > int64(limit) {
		return fmt.Errorf("%w: %d programs run, and %d requests wait; "+
			"see MaxProcesses and MaxWaiting", ErrOverloaded, cap(q.running), limit)
	}
	var late <-chan time.Time
	timeout := orDefault(c.WaitTimeout, defaultWaitTimeout)
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case q.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: the request has ended while it waited", ErrOverloaded)
	case <-late:
		return fmt.Errorf("%w: none of %d programs has ended for %v; see MaxProcesses",
			ErrOverloaded, cap(q.running), timeout)
	}
}

// leave gives a place back.
func (q *queue) leave() {
	if q.running != nil {
		<-q.running
	}
}
