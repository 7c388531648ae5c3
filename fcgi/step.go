package fcgi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"example.com/gateway/internal/fastcgi"
	"example.com/gateway/request"
)

// errWait says that a read took too long for somebody, and that reading goes on for the others.
var errWait = errors.New("fcgi: waiting goes on")

// What a host must not send. The connection ends: where the next record begins is not known any
// more, or not to be trusted.
var (
	errBegin    = errors.New("fcgi: malformed BEGIN_REQUEST")
	errNullID   = errors.New("fcgi: request with the id 0")
	errBusyID   = errors.New("fcgi: BEGIN_REQUEST for an id that is in use")
	errOverrun  = errors.New("fcgi: parameters after their end")
	errQuestion = errors.New("fcgi: GET_VALUES is too long")
)

// step reads one record, or a part of one. If dst is not nil, body bytes for it go to p, and n says
// how many. ready is a request whose parameters are all there. With either there is no error.
func (c *conn) step(dst *call, p []byte) (n int, ready *call, err error) {
	if c.inRecord && c.acted {
		if err := c.skip(); err != nil {
			return 0, nil, err
		}
	}
	if !c.inRecord {
		if err := c.need(fastcgi.HeaderSize); err != nil {
			return 0, nil, err
		}
		if c.cur, err = fastcgi.ParseHeader(c.buf[c.r:c.w]); err != nil {
			return 0, nil, err
		}
		c.discard(fastcgi.HeaderSize)
		c.inRecord, c.acted, c.started, c.left = true, false, true, c.cur.Length
		if err := c.check(); err != nil {
			return 0, nil, err
		}
	}
	switch kind := c.cur.Kind; {
	case kind == fastcgi.BeginRequest:
		if err = c.need(c.left); err == nil {
			err = c.begin(c.buf[c.r:c.w])
		}
	case kind == fastcgi.AbortRequest:
		c.abort()
	case kind == fastcgi.Params:
		ready, err = c.params()
	case kind == fastcgi.Stdin:
		n, err = c.stdin(dst, p)
	case kind == fastcgi.GetValues && c.cur.ID == 0:
		err = c.getValues()
	case c.cur.ID == 0:
		// Section 4.2: "an application should respond with UNKNOWN_TYPE" to a management record it
		// does not know.
		err = c.write(append(fastcgi.AppendHeader(nil, fastcgi.UnknownType, 0, 8), kind, 0, 0, 0, 0, 0, 0, 0))
	}
	if err != nil {
		return 0, nil, err
	}
	switch c.cur.Kind {
	case fastcgi.Params, fastcgi.Stdin:
		c.acted = c.left == 0
	default:
		c.acted = true
	}
	if c.acted && c.left+c.cur.Padding <= c.buffered() { // else whoever waits for n or ready would wait for it
		err = c.skip()
	}
	return n, ready, err
}

// check refuses what no host may send.
func (c *conn) check() error {
	switch c.cur.Kind {
	case fastcgi.BeginRequest:
		if c.cur.Length != 8 {
			return errBegin
		}
		fallthrough
	case fastcgi.AbortRequest, fastcgi.Params, fastcgi.Stdin:
		if c.cur.ID == 0 {
			return errNullID
		}
	}
	return nil
}

// skip reads over what is left of the record.
func (c *conn) skip() error {
	for c.left+c.cur.Padding > 0 {
		if err := c.need(1); err != nil {
			return err
		}
		c.take(min(c.left, c.buffered()))
		n := min(c.cur.Padding, c.buffered())
		c.discard(n)
		c.cur.Padding -= n
	}
	c.inRecord = false
	return nil
}

// take consumes bytes of the content.
func (c *conn) take(n int) {
	c.discard(n)
	c.left -= n
}

// need waits until n bytes are in the buffer.
func (c *conn) need(n int) error {
	for c.buffered() < n {
		if err := c.wait(); err != nil {
			return err
		}
		if err := c.read(c.more); err != nil {
			return err
		}
	}
	return nil
}

// read does one read and makes of its error what the connection is to do.
func (c *conn) read(f func() error) error {
	err := f()
	switch {
	case isTimeout(err):
		if err = c.timedOut(err); err == nil {
			err = errWait
		}
	case err == io.EOF && (c.inRecord || c.buffered() > 0):
		err = io.ErrUnexpectedEOF
	}
	return err
}

// begin opens a request (5.1).
func (c *conn) begin(body []byte) error {
	id, role, flags := c.cur.ID, binary.BigEndian.Uint16(body), body[2]
	c.mu.Lock()
	old := c.requests.get(id)
	if old != nil && old.state != ending {
		c.mu.Unlock()
		return errBusyID
	}
	for _, r := range c.requests {
		c.plural = c.plural || r.state != ending
	}
	refusal := -1
	switch {
	case c.last || c.doomed:
		// The connection ends with the requests that are going on; the host is not to wait for that
		// with this one.
		refusal = fastcgi.Overloaded
	case role != fastcgi.RoleResponder:
		refusal = fastcgi.UnknownRole
	case len(c.requests) >= maxOpen:
		refusal = fastcgi.Overloaded
	default:
		r := newCall(c, id, flags&fastcgi.FlagKeepConn != 0)
		r.since, c.since = c.since, time.Time{}
		c.requests.put(r)
		if !c.settle() {
			c.mu.Unlock()
			return errDone
		}
	}
	if refusal >= 0 && flags&fastcgi.FlagKeepConn == 0 {
		c.last = true
	}
	c.mu.Unlock()
	if refusal >= 0 {
		return c.write(appendEnd(nil, id, byte(refusal)))
	}
	return nil
}

// abort is ABORT_REQUEST (5.4). The request ends with its application, which is told; one that has
// none ends here.
func (c *conn) abort() {
	c.mu.Lock()
	r := c.requests.get(c.cur.ID)
	if r == nil || r.state == ending {
		c.mu.Unlock()
		return
	}
	r.aborted.Store(true)
	r.in.fail(cutShort)
	r.ctx.Cancel(request.Disconnected(errAborted))
	c.changed.Broadcast()
	unborn := r.state == receiving
	c.mu.Unlock()
	if unborn {
		c.forget(r)
	}
}

// forget ends a request that has not come to its application.
func (c *conn) forget(r *call) {
	_ = c.write(appendEnd(nil, r.id, fastcgi.RequestComplete))
	c.mu.Lock()
	defer c.mu.Unlock()
	r.in.close(c)
	c.requests.remove(r)
	c.pending -= r.size
	if c.last = c.last || !r.keep; !c.last {
		c.settle()
	}
}

var errAborted = errors.New("fcgi: request aborted by the host")

// params collects a request's parameters (5.2).
func (c *conn) params() (ready *call, err error) {
	c.mu.Lock()
	r := c.requests.get(c.cur.ID)
	known := r != nil && r.state == receiving
	over := r != nil && r.state == running
	if known && c.cur.Length == 0 {
		defer c.mu.Unlock()
		if !c.nc.SetBusy() {
			return nil, errDone
		}
		c.pending -= r.size
		r.state = running
		return r, nil
	}
	c.mu.Unlock()
	switch {
	case over:
		return nil, errOverrun
	case !known: // of a request that was refused
		return nil, c.drop()
	case c.left == c.cur.Length && c.left <= bufSize:
		err = c.need(c.left) // then it is one piece
	default:
		err = c.need(1)
	}
	if err != nil {
		return nil, err
	}
	n := min(c.left, c.buffered())
	c.mu.Lock()
	switch {
	case r.tooLarge:
	case c.pending+n > c.s.limits.MaxHeaderBytes:
		c.pending -= r.size
		r.tooLarge, r.size, r.whole, r.pieces = true, 0, "", nil
	default:
		c.pending += n
		r.size += n
		r.addParams(c.buf[c.r : c.r+n])
	}
	c.mu.Unlock()
	c.take(n)
	return nil, nil
}

// stdin passes on a part of a request's body (5.3): to p if it is for dst and nothing is before it,
// or else to its buffer.
func (c *conn) stdin(dst *call, p []byte) (n int, err error) {
	c.mu.Lock()
	r := c.requests.get(c.cur.ID)
	if r != nil && c.cur.Length == 0 {
		r.in.fail(io.EOF)
		c.changed.Broadcast()
	}
	direct := r != nil && r == dst && r.in.empty()
	if dst == nil && r != nil && c.left > 0 && c.handOver(r) {
		c.mu.Unlock()
		return 0, errHandedOver
	}
	c.mu.Unlock()
	switch {
	case c.left == 0:
		return 0, nil
	case r == nil:
		return 0, c.drop()
	case direct && c.buffered() == 0 && len(p) >= bufSize:
		return c.readInto(p)
	}
	if err := c.need(1); err != nil {
		return 0, err
	}
	piece := c.buf[c.r : c.r+min(c.left, c.buffered())]
	if direct {
		n = copy(p, piece)
		c.take(n)
		return n, nil
	}
	c.mu.Lock()
	r.in.add(c, r, piece)
	c.mu.Unlock()
	c.take(len(piece))
	return 0, nil
}

// drop reads over a part of the content, which is of no request that is open. The time to send the
// next request begins again with each such part: the host has to send the rest of a body that was
// not read, and may take as long as the body takes.
func (c *conn) drop() error {
	c.mu.Lock()
	c.since = time.Time{}
	c.mu.Unlock()
	if c.left == 0 {
		return nil
	}
	if err := c.need(1); err != nil {
		return err
	}
	c.take(min(c.left, c.buffered()))
	return nil
}

// getValues answers GET_VALUES (4.1): what was asked for, and is known.
func (c *conn) getValues() error {
	if c.left > bufSize {
		return errQuestion
	}
	if err := c.need(c.left); err != nil {
		return err
	}
	var answer []byte
	for rest := string(c.buf[c.r : c.r+c.left]); rest != ""; {
		var name string
		var err error
		if name, _, rest, err = fastcgi.NextPair(rest); err != nil {
			return err
		}
		switch name {
		case "FCGI_MAX_CONNS":
			answer = fastcgi.AppendPair(answer, name, fmt.Sprint(c.s.limits.MaxConns))
		case "FCGI_MAX_REQS":
			answer = fastcgi.AppendPair(answer, name, fmt.Sprint(c.s.limits.MaxRequests))
		case "FCGI_MPXS_CONNS":
			answer = fastcgi.AppendPair(answer, name, "1")
		}
	}
	return c.write(append(fastcgi.AppendHeader(nil, fastcgi.GetValuesResult, 0, len(answer)), answer...))
}
