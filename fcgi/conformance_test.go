package fcgi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/testhost"
)

// The whole suite, behind a web server that closes its connection after each request, and that a
// request that the client leaves loses: as nginx and most others.
func TestConformance(t *testing.T) {
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		addr := testhost.Backend(t, &fcgi.Server{Application: app, ErrorLog: discard}, "unix")
		return testhost.Start(t, func(w http.ResponseWriter, r *http.Request, path string) bool {
			h, err := newHost(addr)
			if err != nil {
				return false
			}
			defer h.conn.Close()
			return h.serve(w, r, path, 0, func(uint16) { h.conn.Close() })
		})
	})
}

// The whole suite on one connection that is kept, with an id for each request, and ABORT_REQUEST
// for what the client leaves: as HAProxy. A connection that broke with a response is made anew.
func TestConformanceMultiplexed(t *testing.T) {
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		addr := testhost.Backend(t, &fcgi.Server{Application: app, ErrorLog: discard}, "tcp")
		var mu sync.Mutex
		var current *host
		t.Cleanup(func() {
			if current != nil {
				current.conn.Close()
			}
		})
		return testhost.Start(t, func(w http.ResponseWriter, r *http.Request, path string) bool {
			mu.Lock()
			if current == nil || current.isBroken() {
				h, err := newHost(addr)
				if err != nil {
					mu.Unlock()
					return false
				}
				current = h
			}
			h := current
			mu.Unlock()
			return h.serve(w, r, path, keepConn, func(id uint16) { h.write(rec(abortRequest, id, "")) })
		})
	})
}

// A host is the web server's side of one connection.
type host struct {
	conn net.Conn

	wmu sync.Mutex

	mu      sync.Mutex
	changed sync.Cond
	streams map[uint16]*hostStream
	err     error
}

// A hostStream is a request's STDOUT as it came and was not read yet.
type hostStream struct {
	h     *host
	id    uint16
	data  bytes.Buffer
	ended bool
}

func newHost(addr net.Addr) (*host, error) {
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		return nil, err
	}
	h := &host{conn: conn, streams: map[uint16]*hostStream{}}
	h.changed.L = &h.mu
	go h.receive()
	return h, nil
}

func (h *host) isBroken() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err != nil
}

func (h *host) write(s string) error {
	h.wmu.Lock()
	defer h.wmu.Unlock()
	_, err := io.WriteString(h.conn, s)
	return err
}

// receive hands out what comes.
func (h *host) receive() {
	var err error
	for err == nil {
		var head [8]byte
		if _, err = io.ReadFull(h.conn, head[:]); err != nil {
			break
		}
		content := make([]byte, int(binary.BigEndian.Uint16(head[4:])))
		if _, err = io.ReadFull(h.conn, content); err != nil {
			break
		}
		_, err = io.CopyN(io.Discard, h.conn, int64(head[6]))
		h.mu.Lock()
		s := h.streams[binary.BigEndian.Uint16(head[2:])]
		switch {
		case s == nil || s.ended:
			err = errors.New("a record for nobody")
		case head[1] == stdoutRecord:
			s.data.Write(content)
		case head[1] == endRequest:
			s.ended = true
		}
		h.changed.Broadcast()
		h.mu.Unlock()
	}
	h.mu.Lock()
	h.err = err
	h.changed.Broadcast()
	h.mu.Unlock()
}

func (s *hostStream) Read(p []byte) (int, error) {
	h := s.h
	h.mu.Lock()
	defer h.mu.Unlock()
	for s.data.Len() == 0 {
		switch {
		case s.ended:
			return 0, io.EOF
		case h.err != nil:
			return 0, io.ErrUnexpectedEOF
		}
		h.changed.Wait()
	}
	return s.data.Read(p)
}

// serve serves one request and reports whether the response is whole. abort is called when the
// client has left.
func (h *host) serve(w http.ResponseWriter, r *http.Request, path string, flags byte, abort func(id uint16)) bool {
	h.mu.Lock()
	s := &hostStream{h: h, id: 1}
	for h.streams[s.id] != nil {
		s.id++
	}
	h.streams[s.id] = s
	h.mu.Unlock()
	defer func() { // the id is free when END_REQUEST has come
		h.mu.Lock()
		for !s.ended && h.err == nil {
			h.changed.Wait()
		}
		delete(h.streams, s.id)
		h.mu.Unlock()
	}()
	aborted := sync.OnceFunc(func() { abort(s.id) })
	length := ""
	if r.ContentLength >= 0 {
		length = strconv.FormatInt(r.ContentLength, 10)
	}
	var list []string
	for _, v := range testhost.Vars(r, path, length) {
		list = append(list, v[0], v[1])
	}
	if h.write(begin(s.id, responder, flags)+stream(paramsRecord, s.id, pairs(list...), 32768, 4)) != nil {
		return false
	}
	go func() {
		for block := make([]byte, 20000); ; {
			n, err := r.Body.Read(block)
			if n > 0 && h.write(rec(stdinRecord, s.id, string(block[:n]), n%8)) != nil {
				return
			}
			if err == io.EOF {
				_ = h.write(rec(stdinRecord, s.id, ""))
				return
			}
			if err != nil {
				h.mu.Lock()
				over := s.ended
				h.mu.Unlock()
				if !over && !errors.Is(err, http.ErrBodyReadAfterClose) {
					aborted()
				}
				return
			}
		}
	}()
	whole := testhost.Relay(w, s)
	if !whole {
		aborted()
	}
	return whole
}
