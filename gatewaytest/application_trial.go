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

// A trial is one call of TestApplication.
type trial struct {
	app      gateway.Application
	patience time.Duration
	virtual  bool            // it runs in a bubble of testing/synctest
	delay    time.Duration   // of a slow run
	ctx      context.Context // with the label of the application's goroutines
	label    string
	idle     int  // how many goroutines the application keeps between requests
	leaks    bool // it was caught leaving goroutines: there is no point in looking again
	hangs    bool // it was caught hanging

	lint *findings             // of middleware under test, or nil
	now  atomic.Pointer[fault] // of the run that goes on
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

// A fault is what goes wrong in a run, and when. The zero value is nothing.
type fault struct {
	step string // how a message says it: "when the 2nd Write fails with ..."

	send    int   // the call of WriteHead or Write that fails, from 1 on
	sendErr error // with this, or nil for a short write

	read    int   // the Read of Input that fails, from 1 on
	readErr error // with this

	cut     bool // the request's body ends, with io.ErrUnexpectedEOF,
	length  int  // after so many bytes
	whole   bool // and that is all of it, as CONTENT_LENGTH says
	drip    bool // one byte a Read
	eofWith bool // io.EOF comes beside the last bytes
	slow    bool // each Read, WriteHead and Write takes a while

	cancel event // the Context ends here,
	at     int   // at this call, from 1 on

	inner inner // how the application inside middleware fails,
	block int   // at this block, from 1 on
}

// An event is where a Context is cancelled.
type event string

const (
	none    event = ""
	onCall  event = "Call"
	onStart event = "call of start"
	onRead  event = "Read of Input"
	onSend  event = "transport call"
)

// maxEvery is how many steps are all tried; of more, the powers of two.
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

// faults walks all faults of a request, made to measure of its first run.
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
		for _, k := range steps(first.sends) {
			name := "the " + ordinal(k-1) + " Write"
			if k == 1 {
				name = "WriteHead"
			}
			if !yield(fault{step: "when " + name + " fails with an error", send: k, sendErr: errFault}) ||
				!yield(fault{step: "when " + name + " fails with client disconnected", send: k, sendErr: gateway.ErrDisconnected}) ||
				k > 1 && !yield(fault{step: "when " + name + " is short", send: k}) ||
				!yield(fault{step: "when the Context is cancelled at " + name, cancel: onSend, at: k}) {
				return
			}
		}
		for _, k := range steps(first.reads) {
			name := "the " + ordinal(k) + " Read of Input"
			if !yield(fault{step: "when " + name + " fails with an error", read: k, readErr: errFault}) ||
				!yield(fault{step: "when " + name + " fails with unexpected EOF", read: k, readErr: io.ErrUnexpectedEOF}) ||
				!yield(fault{step: "when the Context is cancelled at " + name, cancel: onRead, at: k}) {
				return
			}
		}
		for _, k := range steps(first.starts) {
			if !yield(fault{step: "when the Context is cancelled at the " + ordinal(k) + " call of start", cancel: onStart, at: k}) {
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

func cutAfter(n int) fault {
	return fault{step: fmt.Sprintf("when the request's body is cut after byte %d", n), cut: true, length: n}
}

// steps returns 1 to n, or for a long way the powers of two and n.
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
