package gatewaytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"time"

	"example.com/gateway"
)

// A trial is one application under test.
type trial struct {
	app      gateway.Application
	patience time.Duration
	virtual  bool            // the trial runs in a bubble of testing/synctest
	delay    time.Duration   // how long each step of a slow run takes
	ctx      context.Context // has the label of the application's goroutines
	label    string
	idle     int  // how many goroutines the application keeps between requests
	leaks    bool // the application was seen to leave goroutines, and no run looks for them again
	hangs    bool // the application was seen to hang, and nothing more is run

	lint *findings             // what the lint has found of a middleware under test; nil for an application
	now  atomic.Pointer[fault] // the fault of the run that goes on
}

var trials atomic.Int64

func newTrial(app gateway.Application, patience time.Duration) *trial {
	a := &trial{app: app, patience: patience, delay: time.Millisecond}
	if time.Now().Year() == 2000 { // where the clock of a synctest bubble starts
		a.virtual, a.delay = true, time.Second
	}
	a.label = strconv.FormatInt(trials.Add(1), 10)
	a.ctx = pprof.WithLabels(context.Background(), pprof.Labels(labelKey, a.label))
	return a
}

// A fault is what goes wrong in a run, and when. With the zero value nothing does.
type fault struct {
	step string // the fault in words, such as "when the 2nd Write fails with an error"

	call    int   // which call of the transport fails, from 1 on
	callErr error // why it fails; nil is a short Write

	read    int   // which Read of Input fails, from 1 on
	readErr error // why it fails

	cut     bool // the request's body ends after length bytes, with io.ErrUnexpectedEOF
	whole   bool // the request has a body of length bytes, and no more
	length  int
	drip    bool // each Read returns one byte
	eofWith bool // io.EOF comes beside the last bytes
	slow    bool // each Read, WriteHead and Write takes a while

	cancel event // what cancels the Context
	at     int   // which of these events does, from 1 on

	inner inner // how the application inside of middleware fails
	block int   // at which block it does, from 1 on
}

// An event is one that cancels the Context.
type event string

const (
	none              event = ""
	onCall            event = "Call"
	onStart           event = "call of start"
	onRead            event = "Read of Input"
	onCallOfTransport event = "call of the transport"
)

// maxEvery is how many steps are all tried. Of more steps, the powers of two and the last are
// tried.
const maxEvery = 256

var errFault = errors.New("an error made by gatewaytest")

// try runs the application with the request through all faults.
func (a *trial) try(q *testRequest) {
	q.began = time.Now()
	q.first = a.run(q, fault{step: "when nothing fails"})
	if q.first.judge(a) { // what fails by itself would fail at every step
		return
	}
	if a.virtual {
		time.Sleep(tick)
	}
	again := a.run(q, fault{step: "when nothing fails, the second time"})
	if !again.hung && again.bodyDiffers(q.first) {
		q.free(theBody)
	}
	if again.judge(a); a.hangs {
		return
	}
	q.failed = true
	for _, f := range a.innerFaults(q.first) {
		if a.run(q, f).judge(a); a.hangs {
			return
		}
	}
	for f := range a.faults(q) {
		r := a.run(q, f)
		if r.judge(a); a.hangs {
			return
		}
	}
	a.run(q, fault{step: "when nothing fails any more"}).judge(a)
}

// faults walks all faults of a request. How many there are depends on what happened in the first
// run.
func (a *trial) faults(q *testRequest) func(yield func(fault) bool) {
	first := q.first
	return func(yield func(fault) bool) {
		if len(q.body) > 0 &&
			(!yield(fault{step: "when Input gives one byte at a time", drip: true}) ||
				!yield(fault{step: "when Input gives io.EOF beside its last bytes", eofWith: true})) {
			return
		}
		if !yield(fault{step: fmt.Sprintf("when everything takes a while (%v)", a.delay), slow: true}) {
			return
		}
		for _, method := range []string{writeHead, write, flush, end} {
			if !a.transportFaults(first, method, yield) {
				return
			}
		}
		for _, k := range steps(first.reads) {
			name := "the " + ordinal(k) + " Read of Input"
			fails := "when " + name + " fails with "
			if !yield(fault{step: fails + "an error", read: k, readErr: errFault}) ||
				!yield(fault{step: fails + "unexpected EOF", read: k, readErr: io.ErrUnexpectedEOF}) ||
				!yield(fault{step: "when the Context is cancelled at " + name, cancel: onRead, at: k}) {
				return
			}
		}
		for _, k := range steps(first.starts) {
			step := "when the Context is cancelled at the " + ordinal(k) + " call of start"
			if !yield(fault{step: step, cancel: onStart, at: k}) {
				return
			}
		}
		if !yield(fault{step: "when the Context is cancelled before Call", cancel: onCall, at: 1}) {
			return
		}
		if first.reads == 0 {
			return
		}
		for _, n := range steps(len(q.body)) {
			if !yield(cutAfter(n - 1)) {
				return
			}
		}
	}
}

// transportFaults walks the faults of one method of the transport, and reports whether yield took
// all of them.
func (a *trial) transportFaults(first *run, method string, yield func(fault) bool) bool {
	var calls []int // of the method, by their numbers among all calls
	for i, called := range first.calls {
		if called == method {
			calls = append(calls, i+1)
		}
	}
	for _, n := range steps(len(calls)) {
		k, name := calls[n-1], method
		if method == write || method == flush {
			name = "the " + ordinal(n) + " " + method
		}
		fails := "when " + name + " fails with "
		if !yield(fault{step: fails + "an error", call: k, callErr: errFault}) ||
			!yield(fault{step: fails + "client disconnected", call: k, callErr: gateway.ErrDisconnected}) ||
			method == write && !yield(fault{step: "when " + name + " is short", call: k}) {
			return false
		}
		if method == writeHead || method == write {
			if !yield(fault{step: "when the Context is cancelled at " + name, cancel: onCallOfTransport, at: k}) {
				return false
			}
		}
	}
	return true
}

// cutAfter is a request's body that is cut after n bytes.
func cutAfter(n int) fault {
	return fault{step: fmt.Sprintf("when the request's body is cut after byte %d", n), cut: true, length: n}
}

// steps returns 1 to n, or, if n is large, the powers of two and n.
func steps(n int) (list []int) {
	for k := 1; k <= n; {
		list = append(list, k)
		if n <= maxEvery {
			k++
		} else if k *= 2; k > n && list[len(list)-1] != n {
			k = n
		}
	}
	return list
}

// ordinal returns "1st" for 1.
func ordinal(n int) string {
	suffix := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}
