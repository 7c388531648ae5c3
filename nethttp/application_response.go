package nethttp

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// A response is the http.ResponseWriter of a handler that runs as an application. It does what
// net/http's does. start and its writer decide which responses are lawful, and when they are sent.
type response struct {
	env    *gateway.Environ
	start  gateway.StartResponse
	header http.Header

	mu       sync.Mutex // a handler may flush from another goroutine
	code     int        // 0 until WriteHeader
	fields   gateway.Headers
	length   int64     // Content-Length, or -1
	guess    bool      // the first block decides the Content-Type
	declared []string  // the trailers that Trailer names
	written  int64     // what Write has accepted
	buf      *[]byte   // from buffers: what start's writer has not got yet
	out      io.Writer // start's writer; nil until start was called
	err      error     // the first of start or its writer
	over     bool      // the handler has returned

	gone    chan bool   // what CloseNotify has returned
	unwatch func() bool // ends the watching for gone
}

// A closeNotifier is an http.CloseNotifier, which is deprecated. gin's Context.Stream panics without
// it.
type closeNotifier interface{ CloseNotify() <-chan bool }

var (
	_ http.ResponseWriter = (*response)(nil)
	_ http.Flusher        = (*response)(nil)
	_ io.StringWriter     = (*response)(nil)
	_ closeNotifier       = (*response)(nil)
	_ io.ReaderFrom       = (*response)(nil)
)

// bufferSize is how much of a response is held back until the handler flushes or returns. When it
// returns, the length is known.
const bufferSize = 4 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}

func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
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
		fields, _, _ := w.snapshot(canonical(w.header))
		if err := EarlyHints(w.env, fields.Without("Content-Length")); err != nil {
			w.logf("early hints: %v", err)
		}
	case code < 200 && code != http.StatusSwitchingProtocols:
		// Nobody can send another interim response. A 100 (Continue) comes from the server, on the
		// first Read of the body.
	default:
		w.setCode(code)
	}
}

// setCode fixes the status, and the header as it is now. w.mu is held.
func (w *response) setCode(code int) {
	w.code = code
	h := canonical(w.header)
	w.fields, w.length, w.guess = w.snapshot(h)
	for _, list := range h["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" {
				w.declared = append(w.declared, name)
			}
		}
	}
}

// canonical returns h, or a copy of h if a handler has put names into it that are not canonical. In
// the copy they count like canonical ones, and their values follow those of the canonical ones.
func canonical(h http.Header) http.Header {
	isCanonical := true
	for name := range h {
		isCanonical = isCanonical && http.CanonicalHeaderKey(name) == name
	}
	if isCanonical {
		return h
	}
	merged := make(http.Header, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) { // "Content-Type" before "content-type"
		to := http.CanonicalHeaderKey(name)
		merged[to] = append(merged[to], h[name]...)
	}
	return merged
}

// snapshot returns the fields of h, in the order of the names, and what h says of the body.
func (w *response) snapshot(h http.Header) (fields gateway.Headers, length int64, guess bool) {
	fields = make(gateway.Headers, 0, len(h)+2)
	length, guess = -1, true
	for name, list := range h {
		if kind := header.KindOf(name); kind == header.HopByHop || kind == header.Status {
			continue // the server has its own
		}
		switch name {
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

// write sends p, or holds it back. w.mu is held.
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

// admit returns an error if n more bytes must not be written. w.mu is held.
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

// room sends what is held back, if n more bytes do not fit behind it. w.mu is held.
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

// send sends what is held back, and the head if that was not sent. w.mu is held.
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

// commit calls start, unless it was called. p is the beginning of the body. w.mu is held.
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

// isBodiless reports whether Respond sends no body with a status. net/http would send one with a
// 205 (RFC 9110, 15.3.6).
func isBodiless(code int) bool { return code == 204 || code == 205 || code == 304 }

// failure returns the first error of start or its writer, or nil.
func (w *response) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// keep keeps an error, unless there is one, and returns it. w.mu is held.
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

// CloseNotify implements http.CloseNotifier: the channel gets a value when the request's context
// ends before the handler has returned.
func (w *response) CloseNotify() <-chan bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone == nil {
		w.gone = make(chan bool, 1)
		if !w.over {
			gone := w.gone
			w.unwatch = context.AfterFunc(w.env.Context(), func() { gone <- true })
		}
	}
	return w.gone
}

// EnableFullDuplex is what http.ResponseController calls. Input can be read until the response is
// over anyway.
func (w *response) EnableFullDuplex() error { return nil }

// ReadFrom implements io.ReaderFrom, so that io.Copy uses a buffer of the pool.
func (w *response) ReadFrom(r io.Reader) (int64, error) { return copyTo(w, r) }

// finish returns what Call returns when the handler has. If nothing was sent yet, that is a body of
// one block, which gets a length.
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
	if trailers != nil && w.out == nil { // there is no place for them behind a length
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

// trailers returns the trailers, or nil if there are none or Trailers would drop them. As net/http
// does, it leaves out fields that must not follow the body. w.mu is held.
func (w *response) trailers() (fields gateway.Headers) {
	add := func(name string, list []string) {
		if !mayTrail(name) {
			return
		}
		for _, value := range list {
			fields = append(fields, [2]string{name, value})
		}
	}
	h := canonical(w.header)
	for name, list := range h {
		if name, found := strings.CutPrefix(name, http.TrailerPrefix); found {
			add(name, list)
		}
	}
	for _, name := range w.declared {
		add(name, h[name])
	}
	if fields == nil || !hasTrailers(w.env) {
		return nil
	}
	slices.SortStableFunc(fields, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return fields
}

// close makes everything useless that the handler may still do with the writer.
func (w *response) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.unwatch != nil {
		w.unwatch()
	}
	if w.buf != nil {
		buffers.Put(w.buf)
		w.buf = nil
	}
}
