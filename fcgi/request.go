package fcgi

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/internal/request"
)

// A call is one request on a connection: its parameters and body on the way in. It is never reused, so that what an application
// keeps of it reaches no other.
type call struct {
	c    *conn
	id   uint16
	keep bool
	ctx  lazyctx.Context
	body request.Body
	env  gateway.Environ
	response
	aborted atomic.Bool

	whole  string        // the parameters, if they came in one piece
	pieces *bytes.Buffer // or else collected

	// Guarded by c.mu.
	state    state
	inlined  bool      // its application was started by the goroutine that serves
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
	r.ctx.InitWatcher(c.ctx, r)
	r.ctx.Give()
	return r
}

// Watch implements lazyctx.Watcher: the application asks for Done.
func (r *call) Watch() { go r.watch() }

// watch sees to it that from now on somebody is reading, to see the host leave.
func (r *call) watch() {
	r.c.mu.Lock()
	r.watched = true
	if err := r.c.err; err != nil {
		r.ctx.Cancel(&disconnected{err})
	}
	r.c.changed.Broadcast()
	r.c.mu.Unlock()
	r.c.takeOver()
}

// addParams adds a piece of the parameters. One string holds all of them, and the environ's are parts of it.
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
		r.status = overloaded
	case r.tooLarge:
		err = request.ErrHeaderTooLarge
	}
	if err != nil {
		app = request.Refuse(err)
	}
	err = errGoexit
	defer func() { // also when the application ends its goroutine
		s.inFlight.Add(-1)
		r.ctx.Cancel(gateway.ErrEnded)
		r.end(errors.Is(err, gateway.ErrBroken) || err == errGoexit && !r.isWhole())
	}()
	err = gateway.Respond(app, env, r)
}

var errGoexit = errors.New("fcgi: the application ended its goroutine")

// environ makes the environ of the parameters. Its error is one for request.Refuse; the environ is there all the same.
func (r *call) environ() (*gateway.Environ, error) {
	params := r.whole
	if r.pieces != nil {
		params = r.pieces.String()
		r.pieces = nil
	}
	limits := &r.c.s.limits
	n, err := countPairs(params, limits.MaxHeaders)
	built := request.Builder{Vars: make(map[string]string, n)}
	if err == nil {
		for rest := params; rest != ""; {
			var name, value string
			name, value, rest, _ = nextPair(rest)
			if fault := built.AddNamed(name, value); fault != nil {
				err = fault
			}
		}
	}
	if built.Length == "-1" && strings.HasPrefix(built.Vars["SERVER_SOFTWARE"], "Caddy/") {
		built.Length = "" // how Caddy says that it does not know: the client has sent chunks
		delete(built.Vars, "CONTENT_LENGTH")
	}
	r.env = *new(gateway.Environ).WithContext(&r.ctx)
	env := &r.env
	env.Errors, env.Multithread, env.Multiprocess = (*stderr)(r), true, true
	length, fault := built.Finish(env)
	switch {
	case err != nil:
	case fault != nil:
		err = fault
	case length > limits.MaxBodyBytes:
		err = request.ErrBodyTooLarge
	}
	r.body.Init(r, length, limits.MaxBodyBytes)
	env.Input = &r.body
	switch {
	case err != nil:
		r.limit(0)
	case length >= 0:
		r.limit(length)
	case limits.MaxBodyBytes < backend.Unlimited:
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

// countPairs counts the name-value pairs of s, which must be whole. The error is one for request.Refuse.
func countPairs(s string, max int) (n int, err error) {
	for ; s != ""; n++ {
		var name string
		if name, _, s, err = nextPair(s); err != nil || name == "" {
			return 0, errPairs
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
		case c.inline == nil: // the goroutine that serves is about to
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

// pump reads for an application while the goroutine that serves is with one. c.mu is held, but not while it reads.
func (c *conn) pump(r *call, p []byte) (n int) {
	c.reading = true
	c.turn++ // the watch has nothing to take over while it reads
	c.mu.Unlock()
	n, ready, err := c.step(r, p)
	c.mu.Lock()
	c.reading = false
	if ready != nil {
		c.running++
		go ready.run()
	}
	switch {
	case err == nil || err == errWait:
	case isTimeout(err) && r.state == ending: // the time was this one's, and it was left behind
	default:
		c.err = err // for next, which ends the connection
	}
	c.changed.Broadcast()
	return n
}

// end ends the request on the wire, or breaks the connection, so that the client can tell.
func (r *call) end(broken bool) {
	c := r.c
	c.mu.Lock()
	r.state = ending
	r.in.close(c) // before the host can send anything more under this id
	c.changed.Broadcast()
	if r.aborted.Load() { // the host does not listen: the id is all that it wants back
		broken = false
	}
	c.mu.Unlock()
	if broken {
		r.drop()
	} else {
		r.flushEnd()
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests.remove(r)
	c.running--
	c.answered = true
	c.doomed = c.doomed || broken
	c.last = c.last || !r.keep
	if len(c.requests) == 0 && !c.last && !c.nc.SetIdle() { // a last one is drained: Shutdown must not take it for idle
		c.last = true
	}
	c.wake()
	c.changed.Broadcast()
	c.closeIfUnused()
}

// A stderr is a request's Errors: FCGI_STDERR (5.3), which hosts write to their logs, and the server's own log.
type stderr call

func (e *stderr) Write(p []byte) (int, error) {
	r := (*call)(e)
	if len(p) == 0 {
		return 0, nil
	}
	r.c.s.logf("%s", p)
	if err := r.c.writeFor(r, appendStream(nil, typeStderr, r.id, p), nil, false); err != nil {
		return 0, err
	}
	return len(p), nil
}
