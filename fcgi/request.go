package fcgi

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/fastcgi"
	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/request"
)

// A call is one request on a connection: its parameters and body on the way in. It is never reused,
// so that what an application keeps of it reaches no other.
type call struct {
	c    *conn
	id   uint16
	keep bool

	isNginx bool // the host is, and says so
	ctx     lazyctx.Context
	body    request.Body
	env     gateway.Environ
	response
	aborted atomic.Bool

	whole  string        // the parameters, if they came in one piece
	pieces *bytes.Buffer // or else collected

	// Guarded by c.mu.
	state    state
	watched  bool      // Done was asked for
	tooLarge bool      // the parameters are
	waiting  int       // calls of Read that wait for the host
	since    time.Time // when its parameters were first waited for, or Read began to wait
	size     int       // of what has come, until it has begun
	in       stdin
}

// A state is how far a request has come.
type state uint8

const (
	receiving state = iota // its parameters
	running                // its application
	ending                 // its END_REQUEST: the host may use the id again as soon as it has that
)

// A calls holds the requests of a connection by id. Nearly always it is one: a map costs more.
type calls []entry

type entry struct {
	id uint16
	*call
}

func (l calls) get(id uint16) *call {
	for i := range l {
		if l[i].id == id {
			return l[i].call
		}
	}
	return nil
}

// put adds r, or puts it in the place of the one that had its id.
func (l *calls) put(r *call) {
	for i := range *l {
		if (*l)[i].id == r.id {
			(*l)[i].call = r
			return
		}
	}
	*l = append(*l, entry{r.id, r})
}

// remove removes r, if it is there still.
func (l *calls) remove(r *call) {
	*l = slices.DeleteFunc(*l, func(e entry) bool { return e.call == r })
}

func newCall(c *conn, id uint16, keep bool) *call {
	r := &call{c: c, id: id, keep: keep}
	r.in.init()
	r.ctx.Init(c.ctx, r)
	return r
}

// Watch implements lazyctx.Watcher: the application asks for Done.
func (r *call) Watch() { go r.watch() }

// watch sees to it that from now on somebody is reading, to see the host leave.
func (r *call) watch() {
	r.c.mu.Lock()
	r.watched = true
	if err := r.c.err; err != nil && r.state != ending {
		r.ctx.Cancel(request.Disconnected(err))
	}
	r.c.changed.Broadcast()
	r.c.mu.Unlock()
	r.c.takeOver()
}

// addParams adds a piece of the parameters. One string holds all of them, and the environ's are
// parts of it.
func (r *call) addParams(piece []byte) {
	switch {
	case r.pieces != nil:
		r.pieces.Write(piece)
	case r.whole != "":
		r.pieces = bytes.NewBufferString(r.whole)
		r.pieces.Write(piece)
	default:
		r.whole = string(piece)
	}
}

// run runs the application, or what stands in for it.
func (r *call) run() {
	s := r.c.s
	app := s.Application
	busy := s.inFlight.Add(1) > int64(s.limits.MaxRequests)
	env, err := r.environ()
	switch {
	case busy:
		err = request.ErrOverloaded
		r.status = fastcgi.Overloaded
	case r.tooLarge:
		err = request.ErrHeaderTooLarge
	}
	if err != nil {
		app = request.Refuse(err)
	}
	defer func() { // also when the application ends its goroutine
		s.inFlight.Add(-1)
		r.ctx.Cancel(gateway.ErrEnded)
		r.leave()
	}()
	_ = gateway.Respond(app, env, r)
}

// environ makes the environ of the parameters. Its error is one for request.Refuse; the environ is
// there all the same.
func (r *call) environ() (*gateway.Environ, error) {
	params := r.whole
	if r.pieces != nil {
		params = r.pieces.String()
		r.pieces = nil
	}
	limits := &r.c.s.limits
	n, err := countPairs(params, limits.MaxHeaders)
	built := request.Builder{Limits: *limits}
	built.Grow(n)
	if err == nil {
		for rest := params; rest != ""; {
			var name, value string
			name, value, rest, _ = fastcgi.NextPair(rest)
			_ = built.Add(name, value)
		}
	}
	r.env = *new(gateway.Environ).WithContext(&r.ctx)
	env := &r.env
	env.Errors, env.Multithread, env.Multiprocess = (*stderr)(r), true, true
	length, fault := built.Finish(env)
	r.isNginx = strings.HasPrefix(env.Vars["SERVER_SOFTWARE"], "nginx/")
	if err == nil {
		err = fault
	}
	r.body.Init(r, length, limits.MaxBodyBytes)
	env.Input = &r.body
	switch {
	case err != nil:
		r.limit(0)
	case length >= 0:
		r.limit(length)
	case limits.MaxBodyBytes < request.NoLimit:
		r.limit(limits.MaxBodyBytes + 1) // one more is one too many
	}
	return env, err
}

// limit says how much of the body anybody will read. The rest is not kept.
func (r *call) limit(n int64) {
	r.c.mu.Lock()
	r.in.limit = n
	r.c.mu.Unlock()
}

// countPairs counts the name-value pairs of s, which must be whole. The error is one for
// request.Refuse.
func countPairs(s string, max int) (n int, err error) {
	for ; s != ""; n++ {
		var name string
		if name, _, s, err = fastcgi.NextPair(s); err != nil || name == "" {
			return 0, fastcgi.ErrPairs
		}
		if n == max {
			return 0, request.ErrHeaderTooLarge
		}
	}
	return n, nil
}

// Read reads the body as the host sends it; r.body makes an Input of it.
func (r *call) Read(p []byte) (n int, err error) {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for first := true; ; first = false {
		if n, err = r.in.get(c, p); n > 0 || err != nil {
			c.changed.Broadcast()
			return n, err
		}
		if c.err != nil {
			return 0, cutShort
		}
		if first {
			r.since = time.Now()
		}
		r.waiting++
		switch {
		case c.reading:
			c.setDeadline(c.by()) // whoever is reading did not know that somebody waits
			c.changed.Wait()
		default:
			n = c.pump(r, p)
		}
		r.waiting--
		if n > 0 {
			return n, nil
		}
	}
}

// leave takes the request from the connection when its response is over.
func (r *call) leave() {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests.remove(r)
	c.running--
	c.answered = true
	c.doomed = c.doomed || r.broken
	c.last = c.last || !r.keep
	if !c.last { // the host is to read the last answer: the connection is not idle before it ends
		c.settle()
	}
	c.wake()
	c.changed.Broadcast()
	c.closeIfUnused()
}

// A stderr is a request's Errors: FCGI_STDERR (5.3), which hosts write to their logs, and the
// server's own log.
type stderr call

func (e *stderr) Write(p []byte) (int, error) {
	r := (*call)(e)
	if len(p) == 0 {
		return 0, nil
	}
	r.c.s.logf("%s", p)
	if err := r.c.writeFor(r, appendErrors(nil, r.id, p), nil, false); err != nil {
		return 0, err
	}
	return len(p), nil
}
