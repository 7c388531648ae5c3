package request

import (
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"example.com/gateway"
)

// A Body is the request's body as an application reads it: it always ends by itself. It may be read by one goroutine
// while another drains it.
type Body struct {
	mu   sync.Mutex
	r    io.Reader
	left int64 // what is still to come, or -1 if only the end of r tells
	room int64 // with left -1: what may come
	err  error // sticky
}

// NewBody returns the body that is the next length bytes of r, or all of r if length is -1. It never asks r for more
// (C32: "MUST NOT attempt to read more"), and if r ends before, the body ends with io.ErrUnexpectedEOF.
func NewBody(r io.Reader, length int64) *Body {
	b := new(Body)
	b.Init(r, length, 1<<63-1)
	return b
}

// Init makes b what NewBody returns, for a Body that is part of something else. A body of unknown length ends with an error
// that wraps ErrBodyTooLarge when it has more than max bytes.
func (b *Body) Init(r io.Reader, length, max int64) { b.r, b.left, b.room = r, length, max }

// Read implements io.Reader. It does not wait for a p that is full.
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
		err = io.ErrUnexpectedEOF // a clean EOF would make half an upload look whole (G11)
	case err != nil:
		err = CutShort(err)
	}
	b.err = err
	return n, err
}

// CutShort returns the error of a Read of a body, as one that wraps io.ErrUnexpectedEOF too if it says that the client, or the
// host, has reset the connection: that is a body that was cut short, however it was (D5).
func CutShort(err error) error {
	if errors.Is(err, syscall.ECONNRESET) {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	return err
}

// Drain reads and drops what is left, at most max bytes and no longer than timeout, and reports whether the body has
// ended. Without it the host that is still sending gets a reset, and the client no answer (E21; mod_cgid, fcgiwrap).
// A Read that hangs is left behind in its goroutine.
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

// End ends the body for good: Read returns gateway.ErrEnded from now on. It reports whether nobody is in Read, so that what
// it reads from can be used for something else; if not, End has done nothing.
func (b *Body) End() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	b.err = gateway.ErrEnded
	return true
}
