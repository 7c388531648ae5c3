package nethttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
)

// The body of a request: an exchange as the source of the application's Input, and what becomes of
// the bytes that the application leaves.

// A bodyState says how far a body was read.
type bodyState uint8

const (
	bodyOpen   bodyState = iota // more may come
	bodyEnded                   // to its end, or there is none
	bodyFailed                  // until it failed: nobody knows where it ends
)

const (
	// chunkBytes is how many bytes of a body of unknown length the client has to send within one
	// ReadTimeout. Within a chunk of HTTP/1, a Read of net/http returns only when it has filled its
	// buffer.
	chunkBytes = 16 << 10

	// maxKept is up to which length an unread body is worth reading for the sake of the next
	// request on the connection. It is net/http's.
	maxKept = 256 << 10
)

// beginBody gives the application its Input.
func (x *exchange) beginBody() {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		x.body = bodyEnded
		return
	}
	if x.r.ProtoMajor == 1 {
		// Otherwise net/http drops what is unread of the body when the head goes out.
		_ = http.NewResponseController(x.w).EnableFullDuplex()
	}
	// net/http ends the body, also where it has a length. A length above the limit was refused.
	x.env.Input = request.NewBody((*input)(x), -1, x.h.limits.MaxBodyBytes)
}

// An input reads the body from net/http, which decodes its chunks, returns io.ErrUnexpectedEOF when
// it is cut short, and sends a 100 (Continue) on the first Read (R114).
type input exchange

func (in *input) Read(p []byte) (n int, err error) {
	x := (*exchange)(in)
	x.startRead()
	defer func() { x.endRead(err) }()
	if x.r.ContentLength < 0 && x.h.limits.ReadTimeout > 0 {
		p = p[:min(len(p), chunkBytes)]
	}
	n, err = x.r.Body.Read(p)
	if err != nil && x.hasLeft(err) {
		err = request.Disconnected(err)
	}
	return n, err
}

// hasLeft reports whether the client has left in its body, if err is the error of a Read. An
// application that returns that error has made no fault.
func (x *exchange) hasLeft(err error) bool {
	if err == io.EOF || errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	if x.r.ProtoMajor > 1 { // net/http ends the body first, and the context right after that
		select {
		case <-x.r.Context().Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return x.cause() == gateway.ErrDisconnected
}

// startRead gives the client a ReadTimeout for its next bytes.
func (x *exchange) startRead() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.isRead = true
	x.reads++
	if timeout := x.h.limits.ReadTimeout; timeout > 0 {
		x.setReadDeadline(time.Now().Add(timeout))
	}
}

// endRead notes how a Read has ended. If it has met a deadline, so has the request.
func (x *exchange) endRead(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.isLate.Store(true)
		x.ctx.Cancel(context.DeadlineExceeded)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.h.limits.ReadTimeout > 0 && x.r.ProtoMajor > 1 {
		x.setReadDeadline(time.Time{}) // it would end the body also while nobody reads
	}
	switch {
	case err == io.EOF:
		x.body = bodyEnded
	case err != nil:
		x.body = bodyFailed
	}
	if x.reads--; x.reads == 0 && x.allRead != nil {
		close(x.allRead)
		x.allRead = nil
	}
}

// setReadDeadline sets a deadline, unless net/http has the connection back. x.mu is held.
func (x *exchange) setReadDeadline(deadline time.Time) {
	if !x.isOver {
		_ = http.NewResponseController(x.w).SetReadDeadline(deadline)
	}
}

// awaitReads waits until no Read is going on, but not for a Read that hangs.
func (x *exchange) awaitReads() {
	x.mu.Lock()
	if x.reads > 0 && x.allRead == nil {
		x.allRead = make(chan struct{})
	}
	allRead := x.allRead
	x.mu.Unlock()
	if allRead == nil {
		return
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-allRead:
	case <-timer.C:
	}
}

// mustClose reports whether the connection is to end with the response, since the body is likely
// never read to its end: the next request would have to be found behind it. The head must say so.
func (x *exchange) mustClose() bool {
	if x.r.ProtoMajor != 1 {
		return false // a stream ends by itself
	}
	if x.isTunnel {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.body {
	case bodyEnded:
		return false
	case bodyFailed:
		return true
	}
	// A client that waits for a 100 (Continue), which nobody has sent, sends no body at all.
	waits := x.r.Header["Expect"] != nil && !x.isRead
	return waits || x.r.ContentLength < 0 || x.r.ContentLength > maxKept
}

// finishBody reads the rest of the body, so that the client gets to read the response, and that
// net/http finds the next request behind the body.
func (x *exchange) finishBody() {
	if x.r.ProtoMajor != 1 || x.bodyState() == bodyEnded {
		return
	}
	// net/http looks for the end of the body too, without a bound in time.
	if http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(request.DrainTime)) != nil {
		return // no connection
	}
	if x.bodyState() == bodyOpen {
		_, _ = io.CopyN(io.Discard, (*input)(x), request.DrainBytes)
	}
	if x.bodyState() != bodyEnded && !x.closes {
		// In full duplex net/http would take what is left of the body for the next request.
		panic(http.ErrAbortHandler)
	}
}

// dropBody ends the body of a request whose connection is about to be closed. net/http would wait
// for the rest of the body first, without a bound in time.
func (x *exchange) dropBody() {
	if x.r.ProtoMajor == 1 {
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Now())
	}
}

func (x *exchange) bodyState() bodyState {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.body
}
