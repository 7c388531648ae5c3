package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"example.com/gateway/internal/errno"
	"example.com/gateway/internal/fastcgi"
)

// A fastCGISession is a request at a FastCGI server.
type fastCGISession struct {
	f     *FastCGI
	ctx   context.Context
	order []*address

	// The goroutine that reads has these to itself.
	request *[]byte // as it was sent, as long as it may have to be sent again
	answer  fastCGIAnswer
	begun   bool // something has come
	err     error

	writing sync.Mutex // held to write to conn

	// Guarded by mu. Only the goroutine that reads changes conn, and only for a request without a
	// body, so that the goroutines that read and write need no mutex to use conn.
	mu      sync.Mutex
	conn    *fastCGIConn
	isKept  bool // conn had other requests before
	isSent  bool // the body, all of it
	isEnded bool // by abort or close
}

// connect makes a new connection.
func (s *fastCGISession) connect() (*fastCGIConn, error) {
	conn, a, err := s.f.dialer.dial(s.ctx, s.order, s.f.ConnectTimeout)
	if err != nil {
		return nil, err
	}
	return newFastCGIConn(conn, a), nil
}

// send sends the request up to its body. It returns no error: if the server does not read the
// request, it may have answered all the same, and Read finds out.
func (s *fastCGISession) send() {
	s.writing.Lock() // abort may be called when the request is sent again
	defer s.writing.Unlock()
	request, conn := *s.request, s.conn
	if n, err := conn.out.WriteNow(request); n < len(request) && err == nil {
		stop := context.AfterFunc(s.ctx, func() { conn.Close() })
		_, _ = conn.out.Write(request[n:])
		stop()
	}
	if !s.isKept {
		s.forgetRequest()
	}
}

// forgetRequest makes it impossible to send the request again.
func (s *fastCGISession) forgetRequest() {
	if s.request != nil {
		giveBackRequest(s.request)
		s.request = nil
	}
}

// Read implements session.
func (s *fastCGISession) Read(p []byte, d time.Duration) (int, error) {
	if d > 0 { // once for all records
		_ = s.conn.SetReadDeadline(time.Now().Add(d))
		defer s.conn.SetReadDeadline(time.Time{})
	}
	for s.err == nil && len(p) > 0 {
		n, err := s.conn.in.Read(p)
		if d > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, os.ErrDeadlineExceeded
		}
		if n == 0 && err != nil {
			if !s.again() {
				s.fail(err)
			}
			continue
		}
		if !s.begun {
			s.begun = true
			s.forgetRequest()
		}
		if n, s.err = s.answer.take(p[:n]); n > 0 {
			return n, s.err
		}
	}
	return 0, s.err
}

// again sends the request once more, if the connection was kept and has ended without a byte. It
// reports whether the answer is to be waited for now.
func (s *fastCGISession) again() bool {
	if s.request == nil || s.begun || s.ctx.Err() != nil {
		return false
	}
	conn, err := s.connect()
	if err != nil {
		s.err = err
		return true
	}
	s.mu.Lock()
	old := s.conn
	s.conn, s.isKept = conn, false
	ended := s.isEnded
	s.mu.Unlock()
	old.Close()
	if ended {
		conn.Close()
	}
	s.send()
	return true
}

// fail sets the error of an answer that has ended too early.
func (s *fastCGISession) fail(err error) {
	how := fmt.Sprintf("the connection has failed: %v", err)
	switch {
	case err == io.EOF:
		how = "the server has closed the connection"
	case errno.IsReset(err):
		how = "the server has reset the connection"
	}
	switch {
	case !s.begun:
		how += " without an answer: has its worker died, or does it take no connections from " +
			"here (listen.allowed_clients of PHP-FPM)?"
	case !s.answer.any:
		how += " before it has answered"
	default:
		how += " before the end of the answer"
	}
	s.err = fmt.Errorf("%w: %s", ErrCutShort, how)
}

// Write implements session.
func (s *fastCGISession) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for len(p) > 0 {
		chunk := p[:min(len(p), fastcgi.MaxChunk)]
		var head [fastcgi.HeaderSize]byte
		bufs := net.Buffers{fastcgi.AppendHeader(head[:0], fastcgi.Stdin, s.answer.id, len(chunk)),
			chunk}
		if _, err := s.conn.out.WriteBuffers(&bufs); err != nil {
			return n, err
		}
		n += len(chunk)
		p = p[len(chunk):]
	}
	return n, nil
}

// CloseWrite implements session.
func (s *fastCGISession) CloseWrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var head [fastcgi.HeaderSize]byte
	_, err := s.conn.out.Write(fastcgi.AppendHeader(head[:0], fastcgi.Stdin, s.answer.id, 0))
	if err == nil {
		s.mu.Lock()
		s.isSent = true
		s.mu.Unlock()
	}
	return err
}

// abort implements session.
func (s *fastCGISession) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isEnded {
		return
	}
	s.isEnded = true
	if s.writing.TryLock() { // otherwise a part of a record may have been sent
		var head [fastcgi.HeaderSize]byte
		abort := fastcgi.AppendHeader(head[:0], fastcgi.AbortRequest, s.answer.id, 0)
		_, _ = s.conn.out.WriteNow(abort)
		s.writing.Unlock()
	}
	s.conn.Close()
}

// close implements session.
func (s *fastCGISession) close() {
	s.forgetRequest()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isEnded {
		return
	}
	s.isEnded = true
	if s.f.MaxIdle > 0 && s.isSent && s.answer.isDone() {
		s.f.pool.put(&s.f.dialer, s.conn, s.f.MaxIdle)
		return
	}
	s.conn.Close()
}
