package validate

import (
	"hash/maphash"
	"iter"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"example.com/gateway"
	"example.com/gateway/internal/sized"
)

// A body is the application's body as the server gets it.
type body request

// A watched body is one that may never be closed. The request has no reference to it, so that it is collected when the server has
// none.
type watched struct {
	*body
	cleanup runtime.Cleanup
}

// Close implements gateway.Body.
func (w *watched) Close() error {
	w.cleanup.Stop()
	return w.body.Close()
}

var (
	_ gateway.Body  = (*body)(nil)
	_ sized.Body    = (*body)(nil)
	_ sized.Limited = (*body)(nil)
	_ gateway.Body  = (*watched)(nil)
)

// Size implements sized.Body: the Content-Length that is computed from it must not be lost.
func (b *body) Size() sized.Size {
	b.size = sized.Of(b.result)
	return b.size
}

// Limit implements sized.Limited.
func (b *body) Limit(n sized.Limit) {
	b.size.Bytes, b.limited = -1, true // it may now be less
	sized.SetLimit(b.result, n)
}

// Blocks implements gateway.Body.
func (b *body) Blocks() iter.Seq2[[]byte, error] {
	r := (*request)(b)
	seq := r.result.Blocks()
	r.mu.Lock()
	again, closed := r.blocked, r.closed
	r.blocked, r.seq = true, seq
	r.mu.Unlock()
	switch {
	case closed:
		r.find(outside, "R21", "Blocks was called after Close")
	case again:
		r.find(outside, "R26", "Blocks was called a second time, and a body is for one iteration")
	}
	if seq == nil {
		r.findAt(inside, "R15", "Blocks returned nil", placeOf(r.result))
		return nil
	}
	return b.each
}

// each is the iteration.
func (b *body) each(yield func([]byte, error) bool) {
	r := (*request)(b)
	r.mu.Lock()
	again, closed := r.ranged, r.closed
	r.ranging, r.ranged, r.next = true, true, yield
	seq := r.seq
	r.mu.Unlock()
	switch {
	case closed:
		r.find(outside, "R21", "the blocks were ranged after Close")
	case again:
		r.find(outside, "R26", "the blocks were ranged a second time, and a body is for one iteration")
	}
	r.flow.begin(r)
	if r.alone {
		r.enter()
		defer r.leave()
	}
	ended := false
	defer func() {
		r.mu.Lock()
		r.ranging = false
		if !ended {
			r.mu.Unlock()
			return
		}
		s, cut := r.seen, r.stopped || r.failed
		r.mu.Unlock()
		r.checkEnd(&s, r.size, cut)
	}()
	seq(r.yield)
	ended = true
}

// yield passes a block on to the server.
func (r *request) yield(block []byte, err error) bool {
	r.mu.Lock()
	yield := r.next
	stopped, ranging := r.stopped, r.ranging
	started, swallowed := r.seen.started, r.seen.err != nil
	if err != nil {
		r.failed, r.seen.err = true, nil // handed on
	} else {
		r.seen.blocks++
	}
	first := r.seen.blocks == 1
	wrong := err == nil && !stopped && ranging && r.seen.add(block, r.head)
	if len(block) > 0 && err == nil && r.seen.stated != nil && r.seen.err == nil {
		r.seen.sent = true
	}
	r.mu.Unlock()
	switch {
	case stopped:
		r.find(inside, "R22", "the body went on after yield had returned false")
		return yield(block, err)
	case !ranging:
		r.find(inside, "R22", "yield was called after the iteration had ended")
		return yield(block, err)
	case err != nil:
		r.flow.fail(r, err)
		return r.hand(yield, block, err)
	case len(block) == 0: // allowed before start, too: it sends nothing (R76)
		return r.hand(yield, block, nil)
	case !started:
		r.find(inside, "R23", "a block came before start was called")
	case swallowed:
		r.swallowed(caller(inside))
	}
	if wrong {
		r.checkContent("R85")
	}
	if r.flow != nil {
		r.flow.checkKept(r, block)
	}

	// Who writes to a block while the server has it shows in which of the two is not what it was.
	var given []byte
	if n := len(block); first && n <= len(r.block) {
		given = r.block[:n:n]
		copy(given, block)
	} else {
		given = append(make([]byte, 0, n), block...)
	}
	was := printOf(block)
	going := r.hand(yield, given, nil)
	if string(given) != string(block) {
		if printOf(block) != was {
			r.find(inside, "D8", "the body wrote to its block before yield had returned")
		} else if !mapped() {
			r.findAt(outside, "D8", "a block was changed by what it was handed to", placeOf(yield))
		}
	}
	poison(given)
	if r.flow != nil {
		r.flow.overwritten(r, given, block)
	}
	return going
}

// A print is what a block is known by when it may have changed: a small one is all of itself, which costs less.
type print struct {
	small [len(request{}.block)]byte
	sum   uint64
}

var seed = maphash.MakeSeed()

func printOf(block []byte) (p print) {
	if len(block) <= len(p.small) {
		copy(p.small[:], block)
	} else {
		p.sum = maphash.Bytes(seed, block)
	}
	return p
}

// poisonByte is what a block is overwritten with.
const poisonByte = 0xDB

var poisoned = [8]byte{poisonByte, poisonByte, poisonByte, poisonByte, poisonByte, poisonByte, poisonByte, poisonByte}

// poison makes garbage of a block, for one who kept it.
func poison(block []byte) {
	for i := range block {
		block[i] = poisonByte
	}
}

// hand calls the server's yield.
func (r *request) hand(yield func([]byte, error) bool, block []byte, err error) bool {
	if r.alone {
		r.leave() // a server that has one thread may now turn to another request
		defer r.lint.running.Add(1)
	}
	arrived := 0
	if r.flow != nil {
		arrived = r.flow.arrive(r)
	}
	going := yield(block, err)
	if !going {
		r.mu.Lock()
		r.stopped = true
		r.mu.Unlock()
	}
	if err == nil && r.flow != nil {
		r.flow.moveOn(r, arrived, going, yield)
	}
	return going
}

// checkEnd checks a body whose iteration has come to its end, or was cut short.
func (r *request) checkEnd(s *response, size sized.Size, cut bool) {
	if s.err != nil {
		r.swallowed(placeOf(r.lint.app))
	}
	if cut {
		return
	}
	r.flow.finished(r, s.err != nil)
	bad := func(rule, seen string) { r.findAt(inside, rule, seen, placeOf(r.lint.app)) }
	if !s.started {
		bad("R23", "the body ended, and start was not called")
	}
	if s.stated != nil && s.stated.head.length > s.bytes && !r.head && !s.stated.head.bodiless() && s.err == nil {
		h := s.stated.head
		bad("R87", "Content-Length is "+strconv.FormatInt(h.length, 10)+", and there were "+strconv.FormatInt(s.bytes, 10)+" bytes")
	}
	if size.Blocks >= 0 && size.Blocks != s.blocks || size.Bytes >= 0 && size.Bytes != s.bytes {
		bad("R20", "the body said "+strconv.Itoa(size.Blocks)+" blocks, "+strconv.FormatInt(size.Bytes, 10)+
			" bytes (-1 is unknown), and had "+strconv.Itoa(s.blocks)+", "+strconv.FormatInt(s.bytes, 10))
	}
}

// Close implements gateway.Body.
func (b *body) Close() error {
	r := (*request)(b)
	r.mu.Lock()
	again, ranging, given, stated := r.closed, r.ranging, r.seen.given, r.seen.stated
	r.closed = true
	r.mu.Unlock()
	switch {
	case again:
		r.find(outside, "R21", "Close was called a second time")
		return r.result.Close()
	case ranging:
		r.find(outside, "R21", "Close was called during the iteration")
	}
	defer r.end()
	err := r.result.Close()
	if stated != nil && !slices.Equal(given, stated.headers) {
		r.find(outside, "R67", "the list that start was given was changed later")
	}
	return err
}

// A leak is what is known of a body that may never be closed. It must not reach the body.
type leak struct {
	lint *lint
	pcs  [6]uintptr
}

// mayLeak reports that a body is to be watched: one that gateway.Respond did not get itself, for that closes every body
// before it returns. Middleware that hands start on as it is takes a look at the stack to tell. It is called by Call.
func (r *request) mayLeak() bool {
	if r.lint.inner { // the outer half looks after it
		return false
	}
	if reflect.ValueOf(r.start).Pointer() != r.lint.respond {
		return true
	}
	var caller [1]uintptr
	return r.thorough && (runtime.Callers(3, caller[:]) != 1 || caller[0] != respondPCs().call)
}

// respondPCs is where gateway.Respond calls an application, and the start that it gives.
var respondPCs = sync.OnceValue(func() (p probe) {
	_ = gateway.Respond(&p, new(gateway.Environ), nowhere{})
	return p
})

type probe struct{ call, start uintptr }

// Call implements gateway.Application.
func (p *probe) Call(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	var caller [1]uintptr
	runtime.Callers(2, caller[:])
	p.call, p.start = caller[0], reflect.ValueOf(start).Pointer()
	return nil, gateway.ErrEnded
}

type nowhere struct{}

func (nowhere) WriteHead(string, gateway.Headers) error { return gateway.ErrDisconnected }
func (nowhere) Write([]byte) (int, error)               { return 0, gateway.ErrDisconnected }

// watch sees to it that a body which is never closed is found, when the garbage collector finds it.
func watch(r *request) *watched {
	k := &leak{lint: r.lint}
	runtime.Callers(3, k.pcs[:])
	w := &watched{body: (*body)(r)}
	w.cleanup = runtime.AddCleanup(w, (*leak).found, k)
	return w
}

func (k *leak) found() {
	f := k.lint.finding(outside, "R21", "a body was never closed, and nobody can close it any more", trail(k.pcs[:]))
	if k.lint.report != nil {
		k.lint.report(f)
		return
	}
	k.lint.late.add(f)
}
