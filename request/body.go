package request

import (
	"errors"
	"io"
	"sync"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/errno"
)

// How much of a body, and for how long, a server reads and drops when the application has left it
// unread. A web server or a client that is still sending when its connection is closed gets a
// reset, and never reads the answer.
const (
	// DrainBytes is at most how much of an unread body a server reads and drops.
	DrainBytes = 64 << 20

	// DrainTime is at most how long a server does so.
	DrainTime = 5 * time.Second
)

// A Body is the body of a request, for Environ.Input: it ends by itself, where the request ends.
// One goroutine may read it while another drains it.
type Body struct {
	mu   sync.Mutex
	r    io.Reader
	left int64 // what is still to come, or -1 if only the end of r tells
	room int64 // with left -1: what may come
	err  error // sticky
}

// NewBody returns the body that is the next length bytes of r. It never asks r for more than that
// (C32: "MUST NOT attempt to read more"). It ends with io.EOF, with io.ErrUnexpectedEOF if r ends
// or is reset before, or else with r's error.
//
// A negative length is a body of unknown length: all of r. r is then a decoder of the protocol's
// framing. It returns io.EOF at the end of the body only, and io.ErrUnexpectedEOF if the connection
// ends before. Such a body has at most max bytes, and ends with ErrBodyTooLarge if there are more.
// A negative max is no limit, and zero is no byte: a server passes the MaxBodyBytes that
// Limits.WithDefaults returns.
func NewBody(r io.Reader, length, max int64) *Body {
	b := new(Body)
	b.Init(r, length, max)
	return b
}

// Init makes b what NewBody returns, for a Body that is part of another value. It must be called
// before anything else.
func (b *Body) Init(r io.Reader, length, max int64) {
	b.r, b.left, b.room = r, length, max
	if max < 0 {
		b.room = NoLimit
	}
}

// Read implements io.Reader. It makes one Read of the source, and does not wait until p is full.
func (b *Body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read(p)
}

func (b *Body) read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		b.err = io.EOF
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.left > 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	} else if b.room -= int64(n); b.room < 0 {
		n, err = n+int(b.room), ErrBodyTooLarge
	}
	switch {
	case b.left == 0:
		err = io.EOF // of the body; what comes after it is not ours to see
	case err == io.EOF && b.left > 0:
		err = io.ErrUnexpectedEOF // a clean EOF would make half an upload look whole
	case err != nil:
		err = CutShort(err)
	}
	b.err = err
	return n, err
}

// CutShort returns the error of a Read, which also wraps io.ErrUnexpectedEOF if it says that the
// peer has reset the connection: the body was cut short all the same. A Body calls CutShort itself.
// It is for a server that has an Input of its own.
func CutShort(err error) error {
	if errno.IsReset(err) {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	return err
}

// Drain reads and drops the rest of the body, at most max bytes and no longer than timeout. It
// returns true only if the body has come to its clean end. A server calls Drain after Respond, in a
// deferred call, since an application may end the goroutine. It closes the connection if Drain
// returns false: the server cannot find the start of the next request. A Read that hangs goes on in
// a goroutine of its own. Drain returns false at once while another goroutine is in Read.
func (b *Body) Drain(max int64, timeout time.Duration) bool {
	if !b.mu.TryLock() {
		return false // a goroutine of the application hangs in Read
	}
	if b.err != nil || b.left == 0 {
		defer b.mu.Unlock()
		return b.left == 0 || errors.Is(b.err, io.EOF)
	}
	done := make(chan bool, 1)
	stop := time.Now().Add(timeout)
	go func() {
		defer b.mu.Unlock()
		buf := make([]byte, 64<<10)
		for total := int64(0); total < max && time.Now().Before(stop); {
			n, err := b.read(buf[:min(int64(len(buf)), max-total)])
			total += int64(n)
			if err != nil {
				done <- err == io.EOF
				return
			}
		}
		done <- false
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case ended := <-done:
		return ended
	case <-timer.C:
		return false
	}
}

// Disconnected returns err as an error that also wraps gateway.ErrDisconnected: for the methods of
// a Transport, and for the cause of a Context's end, when the connection has failed. It wraps any
// error. So a ReadFrom must not give it the error of the file, an *fs.PathError for example, and
// returns that error as it is. Disconnected returns nil if err is nil.
func Disconnected(err error) error {
	if err == nil {
		return nil
	}
	return &disconnected{err}
}

type disconnected struct{ err error }

func (d *disconnected) Error() string   { return gateway.ErrDisconnected.Error() + ": " + d.err.Error() }
func (d *disconnected) Unwrap() []error { return []error{gateway.ErrDisconnected, d.err} }
