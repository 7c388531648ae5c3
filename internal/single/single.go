// Package single serves protocols that have one request a connection: variables, the body as it is, a response that ends with the
// connection. SCGI and uwsgi share it; each adds how the variables and the head look on the wire.
package single

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/internal/request"
)

// A Protocol is what differs.
type Protocol struct {
	Name string

	// ReadVars reads the variables and calls add for each. Its error is one for request.Refuse, or any other, which
	// closes the connection: for what is not the protocol, no answer would be understood.
	ReadVars func(r *bufio.Reader, limits *backend.Limits, add func(name, value string) error) error

	// AppendHead appends the head of a response. serverProtocol is SERVER_PROTOCOL as the host sent it, also where it is
	// why the request is refused.
	AppendHead func(b []byte, status string, headers gateway.Headers, serverProtocol string) []byte
}

// A Server is a server of such a protocol. Serve, Shutdown and Close are those of its Backend.
type Server struct {
	Protocol    *Protocol
	Application gateway.Application
	Limits      backend.Limits // with defaults
	ErrorLog    *log.Logger
	Backend     *backend.Server
	InFlight    *atomic.Int64
}

// What is read of a body that the application did not: an answer that is sent while the host is still sending is lost, if the
// connection is closed on what it sends.
const (
	drainBytes = 64 << 20
	drainTime  = 5 * time.Second

	readSize = 4 << 10
	maxCopy  = 16 << 10
	copySize = 32 << 10

	lastTry = 10 * time.Millisecond
)

// Handle serves one connection.
func (s *Server) Handle(nc *backend.Conn) {
	defer nc.Close()
	c := &conn{s: s, nc: nc, in: readers.Get().(*bufio.Reader)}
	c.r.Init(nc.Conn)
	c.w.Init(nc.Conn)
	c.in.Reset(&c.r)
	begun := false
	defer func() {
		if !begun {
			c.release()
		}
	}()
	c.setReadDeadline(s.Limits.ReadHeaderTimeout)
	vars := request.Builder{Vars: make(map[string]string, 32)}
	n, size := 0, 0
	var malformed error
	err := s.Protocol.ReadVars(c.in, &s.Limits, func(name, value string) error {
		if n++; n > s.Limits.MaxHeaders {
			return request.ErrHeaderTooLarge
		}
		if size += len(name) + len(value); size > s.Limits.MaxHeaderBytes {
			return request.ErrHeaderTooLarge
		}
		if err := vars.AddNamed(name, value); malformed == nil {
			malformed = err
		}
		return nil
	})
	if err == nil {
		err = malformed
	}
	if err != nil && !errors.Is(err, request.ErrMalformed) && !errors.Is(err, request.ErrHeaderTooLarge) {
		if !isHangUp(err) {
			s.ErrorLog.Printf("%s: %v: %v", s.Protocol.Name, nc.RemoteAddr(), err)
		}
		return
	}
	if !nc.SetBusy() {
		return
	}
	begun = true
	c.respond(&vars, err)
}

// ReadString reads n bytes. It takes memory for what has come, not for what was announced.
func ReadString(r *bufio.Reader, n int) (string, error) {
	var b strings.Builder
	b.Grow(min(n, readSize))
	for n > 0 {
		if _, err := r.Peek(1); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
		p, _ := r.Peek(min(n, r.Buffered()))
		b.Write(p)
		n -= len(p)
		_, _ = r.Discard(len(p))
	}
	return b.String(), nil
}

// A conn is a connection with its one request, of which it is the transport.
type conn struct {
	s    *Server
	nc   *backend.Conn
	r    backend.Reader
	w    backend.Writer
	in   *bufio.Reader // of r
	ctx  lazyctx.Context
	env  gateway.Environ
	body request.Body

	protocol string // SERVER_PROTOCOL, before the application had the variables
	head     []byte // held back until the first Write

	reading sync.Mutex // held by who reads the body from in

	mu      sync.Mutex
	left    int64 // of the body
	gone    error // of a read: the host is
	watched bool  // Done was asked for
	looking bool  // a goroutine waits for the end of the connection
	over    bool  // the response is
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readSize) }}

func (c *conn) respond(vars *request.Builder, err error) {
	s := c.s
	c.ctx.InitWatcher(s.Backend.Context(), c)
	c.ctx.Give()
	c.env = *new(gateway.Environ).WithContext(&c.ctx)
	env := &c.env
	env.Errors, env.Multithread, env.Multiprocess = (*errorLog)(c), true, true
	length, fault := vars.Finish(env)
	c.protocol = env.Vars["SERVER_PROTOCOL"]
	switch {
	case err != nil:
	case fault != nil:
		err = fault
	case length > s.Limits.MaxBodyBytes:
		err = request.ErrBodyTooLarge
	case length < 0 && request.Chunked(env):
		err = request.ErrLengthRequired // uWSGI's router passes chunks on as they are, which is no part of the protocol
	case length < 0:
		length = 0 // hosts of these protocols never close their half: what follows is silence
	}
	if s.InFlight.Add(1) > int64(s.Limits.MaxRequests) {
		err = request.ErrOverloaded
	}
	app := s.Application
	if err != nil {
		app = request.Refuse(err)
	}
	c.left = length
	if err != nil { // whatever is still coming is drained, so that the answer arrives
		if length < 0 || errors.Is(err, request.ErrMalformed) {
			c.left = math.MaxInt64
		}
		length = 0
	}
	c.body.Init((*bodyReader)(c), length, s.Limits.MaxBodyBytes)
	env.Input = &c.body
	broken := true // also when the application ends its goroutine and nothing else is known
	defer func() {
		s.InFlight.Add(-1)
		c.ctx.Cancel(gateway.ErrEnded)
		c.end(broken)
	}()
	err = gateway.Respond(app, env, c)
	broken = errors.Is(err, gateway.ErrBroken)
}

// end ends the connection: by a reset if the response is not whole, so that the client can tell. Over a Unix socket there is
// none; a response with a Content-Length tells all the same.
func (c *conn) end(broken bool) {
	c.mu.Lock()
	c.over = true
	left, looking := c.left, c.looking
	c.mu.Unlock()
	if broken {
		if tcp, ok := c.nc.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	} else if left > 0 {
		c.drain()
	}
	c.nc.Close()
	if !looking && c.reading.TryLock() { // nobody is in it, nor will be
		c.release()
		c.reading.Unlock()
	}
}

// drain reads what is left of the body, so that the answer arrives. A goroutine that the application has left in Read, as
// httputil.ReverseProxy does, returns with the next bytes.
func (c *conn) drain() {
	half, ok := c.nc.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.nc.Conn.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	c.mu.Lock()
	left := min(c.left, drainBytes)
	c.mu.Unlock()
	_, _ = io.CopyN(io.Discard, c.in, left)
}

func (c *conn) release() {
	c.in.Reset(nil)
	readers.Put(c.in)
}

// A bodyReader reads the bytes after the variables.
type bodyReader conn

func (b *bodyReader) Read(p []byte) (int, error) {
	c := (*conn)(b)
	c.reading.Lock()
	defer c.reading.Unlock()
	if !c.startRead() {
		return 0, gateway.ErrEnded
	}
	n, err := c.in.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left -= int64(n); c.left == 0 {
		c.look()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.ctx.Cancel(context.DeadlineExceeded) // whoever watches it need not be who reads
	case err != nil:
		c.gone = err // in the middle of the body
		c.look()
	}
	return n, err
}

// startRead gives the next bytes of the body their time, and reports whether it may still be read: when the response is over, in
// may be another connection's already.
func (c *conn) startRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	if c.in.Buffered() == 0 {
		c.setReadDeadline(c.s.Limits.ReadTimeout)
	}
	return true
}

func (c *conn) setReadDeadline(timeout time.Duration) {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	_ = c.nc.Conn.SetReadDeadline(deadline)
}

// Watch implements lazyctx.Watcher: the application asks for Done.
func (c *conn) Watch() { go c.watch() }

func (c *conn) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched = true
	c.look()
}

// look waits for the end of the connection, once there is nothing else to read from it, and tells if that was met before. c.mu is
// held. The host is then gone: these protocols have no use for half a connection.
func (c *conn) look() {
	if c.watched && c.gone != nil {
		c.ctx.Cancel(&disconnected{c.gone})
		return
	}
	if !c.watched || c.left > 0 || c.looking || c.over {
		return
	}
	c.looking = true
	_ = c.nc.Conn.SetReadDeadline(time.Time{})
	go func() {
		for {
			if _, err := c.in.Peek(1); err != nil {
				c.ctx.Cancel(&disconnected{err})
				return
			}
			_, _ = c.in.Discard(c.in.Buffered()) // more than CONTENT_LENGTH: not ours to see
		}
	}()
}

// WriteHead implements gateway.Transport.
func (c *conn) WriteHead(status string, headers gateway.Headers) error {
	c.head = c.s.Protocol.AppendHead(make([]byte, 0, 512), status, headers, c.protocol)
	return nil
}

// Write implements gateway.Transport. Head and first block leave in one system call.
func (c *conn) Write(block []byte) (n int, err error) {
	head := c.head
	c.head = nil
	var sent int64
	switch {
	case head == nil:
		sent, err = c.send(&net.Buffers{block})
	case len(block) <= maxCopy:
		sent, err = c.send(&net.Buffers{append(head, block...)})
	default:
		sent, err = c.send(&net.Buffers{head, block})
	}
	return int(max(sent-int64(len(head)), 0)), c.lost(err)
}

// lost is the error of a connection that has failed, and ends the Context.
func (c *conn) lost(err error) error {
	if err == nil {
		return nil
	}
	err = &disconnected{err}
	c.ctx.Cancel(err)
	return err
}

// send sends all of bufs.
func (c *conn) send(bufs *net.Buffers) (int64, error) {
	return c.insist(func() (n int64, err error) {
		if len(*bufs) > 1 {
			return c.w.WriteBuffers(bufs)
		}
		m, err := c.w.Write((*bufs)[0]) // the common case, without writev(2)
		(*bufs)[0] = (*bufs)[0][m:]
		return int64(m), err
	})
}

// insist calls send, which goes on where it was, until it has no more to send. As long as the host accepts something within the
// time, a slow client costs nothing but its time. A socket that is full tells that there is room when much of what it holds is gone;
// a try finds what little there is, so there is one before the host is given up.
func (c *conn) insist(send func() (int64, error)) (sent int64, err error) {
	timeout, last := c.s.Limits.WriteTimeout, false
	for {
		if last {
			_ = c.nc.Conn.SetWriteDeadline(time.Now().Add(lastTry))
		} else if timeout > 0 {
			_ = c.nc.Conn.SetWriteDeadline(time.Now().Add(timeout))
		}
		n, err := send()
		sent += n
		if !errors.Is(err, os.ErrDeadlineExceeded) || last && n == 0 {
			return sent, err
		}
		last = n == 0
	}
}

// CanSend implements sendfile.Sender.
func (c *conn) CanSend(src io.Reader) bool {
	_, isFile := src.(*os.File)
	return isFile
}

// SendFile implements sendfile.Sender: sendfile(2) where there is one. It is not left to package net, which may have read more than
// it has sent when the time is over, and then nobody can go on where it was.
func (c *conn) SendFile(src io.Reader) (int64, error) {
	part, ok := src.(*io.LimitedReader)
	if !ok {
		part = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	ended := false
	sent, err := c.insist(func() (n int64, err error) {
		n, ended, err = backend.SendFile(c.nc.Conn, part)
		return n, err
	})
	if err != nil || ended {
		return sent, c.lost(err)
	}
	for buf := make([]byte, copySize); ; {
		n, err := part.Read(buf)
		if n > 0 {
			m, err := c.send(&net.Buffers{buf[:n]})
			if sent += m; err != nil {
				return sent, c.lost(err)
			}
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil { // it is the file that cannot be read, and nobody has left
			return sent, err
		}
	}
}

// An errorLog is the request's Errors: these protocols have no way to the host's log.
type errorLog conn

func (e *errorLog) Write(p []byte) (int, error) {
	e.s.ErrorLog.Printf("%s", p)
	return len(p), nil
}

// A disconnected is a host that is gone, as gateway.ErrDisconnected with what told.
type disconnected struct{ err error }

func (d *disconnected) Error() string   { return gateway.ErrDisconnected.Error() + ": " + d.err.Error() }
func (d *disconnected) Unwrap() []error { return []error{gateway.ErrDisconnected, d.err} }

// isHangUp reports that err is how connections end.
func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrDeadlineExceeded)
}
