package nethttp

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/last"
	"example.com/gateway/internal/lazyctx"
	"example.com/gateway/internal/request"
	"example.com/gateway/internal/sendfile"
)

// A handler is an application as an http.Handler.
type handler struct {
	app    gateway.Application
	prefix string // "" or "/blog"
	local  atomic.Pointer[local]
}

// An exchange is one request and its response, of which it is the transport. It is never reused.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	env  gateway.Environ
	ctx  lazyctx.Context
	stop atomic.Pointer[func() bool] // ends the watching of the request's own context

	head    bool // WriteHead was called
	status  string
	headers gateway.Headers

	closes bool        // and has announced that the connection ends with the response
	over   atomic.Bool // the response is

	read  atomic.Bool // the body was read from
	late  atomic.Bool // and that took longer than somebody allows
	state atomic.Uint32

	mu    sync.Mutex
	reads int           // of the body, that are going on
	done  chan struct{} // closed when the last of them returns; nil if nobody waits
}

// How far the body was read.
const (
	bodyOpen   uint32 = iota // more may come
	bodyEnded                // to its end
	bodyFailed               // until it failed: where it ends is not known
)

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	script, path, ok := h.paths(r)
	if strings.IndexByte(script+path, 0) >= 0 {
		// As all servers here refuse it: a NUL ends the string for every C library that gets to see it.
		http.Error(w, gateway.Status(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	x := &exchange{w: w, r: r}
	x.ctx.InitWatcher((*parent)(x), x)
	x.ctx.Give()
	x.env = *new(gateway.Environ).WithContext(&x.ctx)
	env := &x.env
	env.Vars, env.URLScheme, env.Errors, env.Multithread = h.vars(r, script, path), "http", (*errorLog)(x), true
	if r.TLS != nil {
		env.URLScheme = "https"
		addTLS(env.Vars, r.TLS)
		env.Extra = map[string]any{"nethttp.tls": r.TLS}
	}
	if r.Body == nil || r.Body == http.NoBody {
		x.state.Store(bodyEnded)
	} else {
		env.Input = (*input)(x)
		if r.ProtoMajor == 1 {
			// An application may read its body until the response is over. Without this net/http throws away what is unread
			// of it when the head goes out.
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
	}
	defer func() { // also when the application ends its goroutine
		x.over.Store(true)
		x.ctx.Cancel(gateway.ErrEnded)
		if stop := x.stop.Load(); stop != nil {
			(*stop)()
		}
	}()
	err := gateway.Respond(h.app, env, x)
	if errors.Is(err, gateway.ErrBroken) {
		panic(http.ErrAbortHandler) // net/http's way to cut a connection or to reset a stream, without a word in the log
	}
	x.finishBody()
}

// WriteHead implements gateway.Transport. The head is held back until it is known whether the first block is the only one.
func (x *exchange) WriteHead(status string, headers gateway.Headers) error {
	x.head, x.status, x.headers = true, status, headers
	return nil
}

// writeHead hands the head to net/http, which holds it back until the first flush.
func (x *exchange) writeHead(withLength bool) error {
	if x.status == "" {
		return nil
	}
	code, err := strconv.Atoi(x.status[:3]) // net/http has its own reasons
	if err != nil {
		return err
	}
	headers := x.headers
	x.status, x.headers = "", nil
	h := x.w.Header()
	if len(h) > 0 { // handlers around this one have set some
		for i := range headers {
			if name := textproto.CanonicalMIMEHeaderKey(headers[i][0]); name != "Set-Cookie" && name != "Vary" {
				delete(h, name)
			}
		}
	}
	values := make([]string, len(headers))
	for i := range headers {
		name := textproto.CanonicalMIMEHeaderKey(headers[i][0])
		if name == "Content-Length" && !withLength {
			continue
		}
		if list := h[name]; len(list) > 0 {
			h[name] = append(list, headers[i][1])
			continue
		}
		values[i] = headers[i][1]
		h[name] = values[i : i+1 : i+1]
	}
	if _, found := h["Content-Type"]; !found {
		h["Content-Type"] = nil // so that net/http guesses none (D4)
	}
	if x.mustClose() {
		h["Connection"] = []string{"close"}
		x.closes = true
	}
	x.w.WriteHeader(code)
	return nil
}

// Write implements gateway.Transport. R92: each block is flushed. A writer around net/http's that cannot flush decides that
// for itself.
func (x *exchange) Write(block []byte) (n int, err error) {
	if err := x.writeHead(true); err != nil {
		return 0, err
	}
	if len(block) > 0 {
		n, err = x.w.Write(block)
	}
	if err == nil {
		err = x.flush()
	}
	return n, x.lost(err)
}

func (x *exchange) flush() error {
	err := http.NewResponseController(x.w).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// CanSend implements sendfile.Sender.
func (x *exchange) CanSend(src io.Reader) bool {
	_, isFile := src.(*os.File)
	return isFile
}

// SendFile implements sendfile.Sender. The ReadFrom of net/http comes to sendfile(2) from an *os.File, or an io.LimitedReader on one,
// and only when it need not encode: in HTTP/1 without TLS, for a response with a length. The head went out with the first block, or
// net/http would look at 512 bytes before. What cannot be sent so is copied.
func (x *exchange) SendFile(src io.Reader) (n int64, err error) {
	if to, ok := x.w.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(src)
		if isOfFile(err) {
			return n, err
		}
	} else {
		from := &fileReader{r: src}
		buf := copies.Get().(*[]byte)
		n, err = io.CopyBuffer(struct{ io.Writer }{x.w}, from, *buf)
		copies.Put(buf)
		if from.err != nil {
			return n, from.err
		}
	}
	if err == nil {
		err = x.flush()
	}
	return n, x.lost(err)
}

var _ sendfile.Sender = (*exchange)(nil)

// isOfFile reports that it is the file that cannot be read, and nobody has left. Package net says of either that it is a net.OpError.
func isOfFile(err error) bool {
	return errors.As(err, new(*fs.PathError)) || errors.Is(err, syscall.EIO)
}

// A fileReader keeps the error of its Read apart from those of whoever writes what it has read.
type fileReader struct {
	r   io.Reader
	err error
}

func (f *fileReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// maxCounted is up to which length net/http finds out by itself how long a response is that nobody flushes.
const maxCounted = 2048

// WriteLast implements last.Writer: net/http sends the block together with the end of the response. It also counts a block of
// usual size, for less than it costs to tell it the length.
func (x *exchange) WriteLast(block []byte) (n int, err error) {
	counted := 0 < len(block) && len(block) <= maxCounted && x.state.Load() == bodyEnded
	if err := x.writeHead(!counted); err != nil {
		return 0, err
	}
	if len(block) > 0 {
		n, err = x.w.Write(block)
	}
	return n, x.lost(err)
}

var _ last.Writer = (*exchange)(nil)

// lost is the error of a write. A handler around this one may have given up by itself; everything else is the client.
func (x *exchange) lost(err error) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, http.ErrHandlerTimeout) {
		err = &disconnected{err}
	}
	x.ctx.Cancel(err)
	return err
}

// A disconnected is a client that is gone, as gateway.ErrDisconnected with what told.
type disconnected struct{ err error }

func (d *disconnected) Error() string   { return gateway.ErrDisconnected.Error() + ": " + d.err.Error() }
func (d *disconnected) Unwrap() []error { return []error{gateway.ErrDisconnected, d.err} }

// An input is the request's body. net/http ends it, decodes its chunks, says io.ErrUnexpectedEOF when it is cut short, and
// sends a 100 (Continue) on the first Read (R114). When it runs out of time, so does the request.
type input exchange

func (in *input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	x := (*exchange)(in)
	x.read.Store(true)
	x.count(1)
	defer x.count(-1)
	n, err := x.r.Body.Read(p)
	switch {
	case err == io.EOF:
		x.state.Store(bodyEnded)
	case err != nil:
		x.state.Store(bodyFailed)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			x.late.Store(true)
			x.ctx.Cancel(context.DeadlineExceeded)
		}
		err = request.CutShort(err)
	}
	return n, err
}

func (x *exchange) count(n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.reads += n; x.reads == 0 && x.done != nil {
		close(x.done)
		x.done = nil
	}
}

// awaitReads waits for the Reads that are going on, but not for one that hangs.
func (x *exchange) awaitReads() {
	x.mu.Lock()
	if x.reads > 0 && x.done == nil {
		x.done = make(chan struct{})
	}
	done := x.done
	x.mu.Unlock()
	if done == nil {
		return
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// What is read of a body that the application did not, as every server here does.
const (
	drainBytes = 64 << 20
	drainTime  = 5 * time.Second

	// maxKept is up to which size an unread body is worth reading for the next request on the connection; it is net/http's.
	maxKept = 256 << 10
)

// mustClose reports that the connection is to end with the response, since what the client sends is likely never read to
// its end. It must be announced, or decided by a reset.
func (x *exchange) mustClose() bool {
	if x.r.ProtoMajor != 1 {
		return false // a stream ends by itself
	}
	switch x.state.Load() {
	case bodyEnded:
		return false
	case bodyFailed:
		return true
	}
	return x.r.ContentLength < 0 || x.r.ContentLength > maxKept || x.waits()
}

// waits reports that the client may be waiting for a 100 (Continue) that nobody has sent: it sends no body then.
func (x *exchange) waits() bool { return x.r.Header["Expect"] != nil && !x.read.Load() }

// finishBody reads the rest of the body, so that the answer arrives (E21), and that the next request is found behind it.
func (x *exchange) finishBody() {
	if x.r.ProtoMajor != 1 || x.state.Load() == bodyEnded {
		return
	}
	c := http.NewResponseController(x.w)
	// net/http looks for the end of the body too, without a bound in time.
	if c.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return
	}
	if c.Flush() == nil && x.state.Load() == bodyOpen {
		_, _ = io.CopyN(io.Discard, (*input)(x), drainBytes)
	}
	if x.state.Load() != bodyEnded && !x.closes {
		// In full duplex net/http would take what is left of the body for the next request.
		panic(http.ErrAbortHandler)
	}
}

// A parent is the request's context of net/http, as the parent of the application's: it ends with a telling cause, and only
// once the application has asked for Done is anything registered with it.
type parent exchange

var _ context.Context = (*parent)(nil)

func (p *parent) Deadline() (time.Time, bool) { return p.r.Context().Deadline() }
func (p *parent) Done() <-chan struct{}       { return nil } // watch tells
func (p *parent) Err() error                  { return (*exchange)(p).cause() }

// Value hides how the context is cancelled: context.Cause is to find Err.
func (p *parent) Value(key any) any {
	if key == (exchangeKey{}) {
		return (*exchange)(p)
	}
	return context.WithoutCancel(p.r.Context()).Value(key)
}

// exchangeKey is how the functions of this package find the exchange of an environ.
type exchangeKey struct{}

// cause says why the request's context has ended. net/http cancels it, without a cause, when the client is gone, and also when a read
// from its connection has run out of time.
func (x *exchange) cause() error {
	ctx := x.r.Context()
	if ctx.Err() == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != context.Canceled {
		return cause
	}
	if x.late.Load() {
		return context.DeadlineExceeded
	}
	return gateway.ErrDisconnected
}

// Watch implements lazyctx.Watcher: it is called when the application asks for Done.
func (x *exchange) Watch() {
	stop := context.AfterFunc(x.r.Context(), func() {
		if x.cause() == gateway.ErrDisconnected {
			x.awaitReads() // which of the two it is, the Read is told, and only after the context has ended
		}
		x.ctx.Cancel(x.cause())
	})
	x.stop.Store(&stop)
}

// An errorLog is the request's Errors: the log of the http.Server.
type errorLog exchange

func (e *errorLog) Write(p []byte) (int, error) {
	logger := log.Default()
	if s, ok := e.r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ErrorLog != nil {
		logger = s.ErrorLog
	}
	logger.Printf("%s", p)
	return len(p), nil
}
