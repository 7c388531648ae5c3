package serve

import (
	"io"
	"math"
	"net/http"
	"sync"
	"time"
)

const (
	// fileChunk is how much of a block or a file a client has one writeTimeout for.
	fileChunk = 64 << 10

	// bodyChunk is the same of a body and a readTimeout where a Read does not return with the first bytes: within a chunk that the
	// client sends, net/http waits until all of p is full.
	bodyChunk = 16 << 10
)

// An exchange is the ResponseWriter and the body of one request, with the time that the client has for each next step: net/http's own
// timeouts are for all of a request or a response, however large.
type exchange struct {
	http.ResponseWriter
	body io.ReadCloser
	most int // of a Read of it
	s    *httpServer

	mu    sync.Mutex
	given bool // somebody else says how long a read may take: nethttp for what the application left, net/http for the next request
}

// limit returns the writer for a request, and puts its body into r.
func (s *httpServer) limit(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{ResponseWriter: w, s: s}
	if r.Body != nil && r.Body != http.NoBody {
		x.body, x.most = r.Body, math.MaxInt
		if r.ContentLength < 0 {
			x.most = bodyChunk
		}
		r.Body = (*timedBody)(x)
	}
	return x
}

// end gives the rest of the response, which net/http sends when the handler has returned, its time, and the connection back.
func (x *exchange) end() {
	x.setWriteDeadline()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.given = true
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// SetReadDeadline is what http.ResponseController calls: from then on the caller decides.
func (x *exchange) SetReadDeadline(deadline time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.given = true
	return http.NewResponseController(x.ResponseWriter).SetReadDeadline(deadline)
}

func (x *exchange) setReadDeadline() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.given {
		_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Now().Add(x.s.readTimeout))
	}
}

func (x *exchange) setWriteDeadline() {
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(x.s.writeTimeout))
}

// WriteHeader sends an interim response at once, and holds a final one back.
func (x *exchange) WriteHeader(code int) {
	if code < 200 {
		x.setWriteDeadline()
	}
	x.ResponseWriter.WriteHeader(code)
}

// Write writes in parts. After a part that the client has not accepted in time nothing more can be sent, also if it has accepted some
// of it: net/http closes the connection.
func (x *exchange) Write(p []byte) (n int, err error) {
	for {
		part := p[n:min(len(p), n+fileChunk)]
		x.setWriteDeadline()
		m, err := x.ResponseWriter.Write(part)
		n += m
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// FlushError is what http.ResponseController calls.
func (x *exchange) FlushError() error {
	x.setWriteDeadline()
	return http.NewResponseController(x.ResponseWriter).Flush()
}

// ReadFrom is Write for what src has. Each part is one io.LimitedReader on src's own reader: below two of them package net finds no
// file to send.
func (x *exchange) ReadFrom(src io.Reader) (n int64, err error) {
	to, ok := x.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{x}, src)
	}
	all, ok := src.(*io.LimitedReader)
	if !ok {
		all = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	for all.N > 0 {
		part := &io.LimitedReader{R: all.R, N: min(all.N, fileChunk)}
		want := part.N
		x.setWriteDeadline()
		m, err := to.ReadFrom(part)
		n += m
		all.N -= m
		if err != nil || m < want { // the end of src
			return n, err
		}
	}
	return n, nil
}

// A timedBody is the body of a request.
type timedBody exchange

// Read gives the client its time for the next bytes. Behind the end of the body net/http takes the deadline away, before it waits there
// for the end of the connection.
func (b *timedBody) Read(p []byte) (int, error) {
	x := (*exchange)(b)
	x.setReadDeadline()
	return x.body.Read(p[:min(len(p), x.most)])
}

func (b *timedBody) Close() error { return b.body.Close() }
