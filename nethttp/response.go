package nethttp

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"example.com/gateway"
)

// A response is the http.ResponseWriter of a handler that runs as an application. It does what handlers know of net/http's; what
// a response may be, and when it is sent, start and its writer decide.
type response struct {
	env    *gateway.Environ
	start  gateway.StartResponse
	header http.Header

	mu       sync.Mutex // a handler may flush from another goroutine
	code     int        // 0 until WriteHeader
	fields   gateway.Headers
	length   int64 // Content-Length, or -1
	guess    bool  // a Content-Type is to be guessed
	declared []string
	written  int64
	buf      *[]byte   // from buffers; what was not sent yet
	out      io.Writer // start's; nil until start was called
	err      error
	over     bool // the handler has returned
}

var (
	_ http.ResponseWriter = (*response)(nil)
	_ http.Flusher        = (*response)(nil)
	_ io.StringWriter     = (*response)(nil)
	_ io.ReaderFrom       = (*response)(nil)
)

// bufferSize is how much of a response is held back until the handler has returned or flushes: then its length is known.
const bufferSize = 4 << 10

var (
	buffers = sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}
	copies  = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
)

func (w *response) Header() http.Header { return w.header }

// WriteHeader fixes the head.
func (w *response) WriteHeader(code int) {
	if code < 100 || code > 999 {
		panic(fmt.Sprintf("nethttp: invalid WriteHeader code %v", code)) // as in net/http
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
	case w.code != 0:
		w.logf("superfluous WriteHeader(%d) after %d", code, w.code)
	case code == http.StatusEarlyHints:
		fields, _, _ := w.snapshot()
		if err := EarlyHints(w.env, fields.Without("Content-Length")); err != nil {
			w.logf("early hints: %v", err)
		}
	case code < 200 && code != http.StatusSwitchingProtocols: // another interim response, which nobody can send
	default:
		w.setCode(code)
	}
}

func (w *response) setCode(code int) {
	w.code = code
	w.fields, w.length, w.guess = w.snapshot()
	for _, list := range w.header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" {
				w.declared = append(w.declared, name)
			}
		}
	}
}

// snapshot returns the header as it is now, in the order of the names, and what it says of the body.
func (w *response) snapshot() (fields gateway.Headers, length int64, guess bool) {
	fields = make(gateway.Headers, 0, len(w.header)+2)
	length, guess = -1, true
	for name, list := range w.header {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
			"Transfer-Encoding", "Upgrade", "Status":
			continue
		case "Content-Length", "Content-Type", "Location": // once each (C46): the first, as in Header.Get
			list = list[:min(1, len(list))]
		}
		switch name {
		case "Content-Length":
			if len(list) == 0 || list[0] == "" {
				continue
			}
			n, err := strconv.ParseInt(list[0], 10, 64)
			if err != nil || n < 0 {
				w.logf("invalid Content-Length of %q", list[0])
				continue
			}
			length = n
			list = []string{strconv.FormatInt(n, 10)}
		case "Content-Type":
			guess = false // also if it is nil
		case "Content-Encoding":
			guess = guess && (len(list) == 0 || list[0] == "")
		}
		if strings.HasPrefix(name, http.TrailerPrefix) {
			continue
		}
		for _, value := range list {
			fields = append(fields, [2]string{name, value})
		}
	}
	slices.SortStableFunc(fields, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return fields, length, guess
}

func (w *response) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(w.env.Errors, "nethttp: "+format+"\n", args...)
}

func (w *response) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.write(p)
}

func (w *response) WriteString(s string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(s) > bufferSize {
		return w.write([]byte(s))
	}
	if err := w.admit(len(s)); err != nil {
		return 0, err
	}
	if err := w.room(len(s)); err != nil {
		return 0, err
	}
	*w.buf = append(*w.buf, s...)
	return len(s), nil
}

func (w *response) write(p []byte) (int, error) {
	if err := w.admit(len(p)); err != nil {
		return 0, err
	}
	if err := w.room(len(p)); err != nil {
		return 0, err
	}
	if len(p) <= bufferSize {
		*w.buf = append(*w.buf, p...)
		return len(p), nil
	}
	if err := w.commit(p); err != nil {
		return 0, err
	}
	n, err := w.out.Write(p)
	w.keep(err)
	return n, err
}

// admit decides whether n more bytes may be written.
func (w *response) admit(n int) error {
	switch {
	case w.over:
		return gateway.ErrEnded
	case w.err != nil:
		return w.err
	}
	if w.code == 0 {
		w.setCode(http.StatusOK)
	}
	if n == 0 {
		return nil
	}
	if isBodiless(w.code) {
		return http.ErrBodyNotAllowed
	}
	if w.length >= 0 && w.written+int64(n) > w.length {
		return http.ErrContentLength
	}
	w.written += int64(n)
	return nil
}

// room sends what is held back if n more bytes do not fit behind it.
func (w *response) room(n int) error {
	if w.buf == nil {
		w.buf = buffers.Get().(*[]byte)
		*w.buf = (*w.buf)[:0]
	}
	if len(*w.buf) == 0 || len(*w.buf)+n <= bufferSize {
		return nil
	}
	return w.send()
}

// send sends what is held back, with the head if that was not sent.
func (w *response) send() error {
	var held []byte
	if w.buf != nil {
		held = *w.buf
	}
	if err := w.commit(held); err != nil {
		return err
	}
	_, err := w.out.Write(held)
	if w.buf != nil {
		*w.buf = (*w.buf)[:0]
	}
	return w.keep(err)
}

// commit calls start, if it was not; p is the beginning of the body.
func (w *response) commit(p []byte) error {
	if w.out != nil {
		return nil
	}
	if w.guess && len(p) > 0 && !isBodiless(w.code) {
		w.fields = append(w.fields, [2]string{"Content-Type", http.DetectContentType(p)})
	}
	out, err := w.start(gateway.Status(w.code), w.fields, nil)
	if err == nil {
		w.out = out
	}
	return w.keep(err)
}

// isBodiless reports that Respond sends no body with a status. net/http would send one with a 205 (RFC 9110, 15.3.6).
func isBodiless(code int) bool { return code == 204 || code == 205 || code == 304 }

// failure returns the first error that the handler has met with.
func (w *response) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *response) keep(err error) error {
	if w.err == nil {
		w.err = err
	}
	return err
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls.
func (w *response) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(0); err != nil {
		return err
	}
	if w.out != nil && (w.buf == nil || len(*w.buf) == 0) {
		return nil
	}
	return w.send()
}

// EnableFullDuplex is what http.ResponseController calls: Input may be read until the response is over.
func (w *response) EnableFullDuplex() error { return nil }

// ReadFrom implements io.ReaderFrom, for io.Copy.
func (w *response) ReadFrom(r io.Reader) (total int64, err error) {
	buf := copies.Get().(*[]byte)
	defer copies.Put(buf)
	for empty := 0; ; {
		n, rerr := r.Read(*buf)
		if n > 0 {
			empty = 0
			m, werr := w.Write((*buf)[:n])
			total += int64(m)
			if werr != nil {
				return total, werr
			}
		} else if empty++; rerr == nil && empty == 100 {
			rerr = io.ErrNoProgress
		}
		if rerr == io.EOF {
			return total, nil
		}
		if rerr != nil {
			return total, rerr
		}
	}
}

// finish makes what the handler left behind the result of Call: a body of one block, with a length, if nothing was sent yet.
func (w *response) finish() (gateway.Body, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.err; err != nil {
		return nil, err
	}
	if w.code == 0 {
		w.setCode(http.StatusOK)
	}
	var held []byte
	if w.buf != nil {
		held = *w.buf
	}
	trailers := w.trailers()
	if trailers != nil && w.out == nil { // they have no place behind a length
		if err := w.send(); err != nil {
			return nil, err
		}
		held = nil
	}
	if w.out == nil {
		if err := w.commit(held); err != nil {
			return nil, err
		}
		if len(held) == 0 {
			return gateway.Bytes(), nil
		}
		return gateway.Text(string(held)), nil
	}
	if len(held) > 0 {
		if err := w.send(); err != nil {
			return nil, err
		}
	}
	if trailers != nil {
		if err := Trailers(w.env, trailers); err != nil {
			return nil, err
		}
	}
	return gateway.Bytes(), nil
}

// trailers returns the trailers, nil if there are none or nowhere to send them.
func (w *response) trailers() (fields gateway.Headers) {
	for name, list := range w.header {
		if name, found := strings.CutPrefix(name, http.TrailerPrefix); found {
			for _, value := range list {
				fields = append(fields, [2]string{name, value})
			}
		}
	}
	for _, name := range w.declared {
		for _, value := range w.header[name] {
			fields = append(fields, [2]string{name, value})
		}
	}
	if fields == nil || !hasTrailers(w.env) {
		return nil
	}
	slices.SortStableFunc(fields, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return fields
}

// close ends the writer: what a handler still does with it has no effect.
func (w *response) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.buf != nil {
		buffers.Put(w.buf)
		w.buf = nil
	}
}
