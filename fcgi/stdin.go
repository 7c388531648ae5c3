package fcgi

import (
	"errors"
	"io"
	"math"
	"os"
	"time"
)

// A stdin is what has come of a request's body before its application reads it. It is guarded by
// the connection's mutex.
//
// FastCGI has no way to stop one of several requests. So that a body that nobody reads stalls
// nobody, it goes to a file when it is larger than window. Only where a host has not been seen to
// send several requests at a time, and the application keeps up, the host is held up, as it would
// be by any program that reads: a file costs many times as much. Where no file can be written, the
// host is held up too.
type stdin struct {
	mem   []byte // unread
	file  *os.File
	r, w  int64 // of file: what is after r is unread, and comes after mem
	put   int64 // all that was kept
	got   int64 // all that was read of it
	again int64 // how much must have been read before the host is held up again
	limit int64 // what is put beyond it is dropped
	stuck bool  // nothing more can be written to file
	err   error // what comes after: io.EOF, or why the body is not whole
}

const (
	// window is how much of a body is held in memory, and maxHeld how much of all of a connection's.
	window  = 256 << 10
	maxHeld = 4 << 20

	// patience is how long an application may take to read as much as one read of the host's bytes
	// brings.
	patience = 10 * time.Millisecond

	// keepsUp is how much an application that was too slow must have read since, to count as one
	// that keeps up.
	keepsUp = 64 << 10

	// stall is how long an application may read nothing while the host is held up by a file that is
	// full, or by one that cannot be written, and somebody else waits for what the host sends next.
	stall = 10 * time.Second
)

// Only tests change these.
var (
	// maxFile is how much of a body is kept on disk.
	maxFile int64 = 1 << 30

	writeAt = (*os.File).WriteAt
)

// cutShort is the end of a body that the host did not finish.
var cutShort = io.ErrUnexpectedEOF

func (s *stdin) init() { s.limit = math.MaxInt64 }

func (s *stdin) empty() bool { return len(s.mem) == 0 && s.r == s.w }

// fail ends the body, if it has not ended.
func (s *stdin) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// get moves what is there to p.
func (s *stdin) get(c *conn, p []byte) (n int, err error) {
	if len(s.mem) > 0 {
		n = copy(p, s.mem)
		if s.mem = s.mem[n:]; len(s.mem) == 0 {
			s.mem = nil
		}
		c.held -= n
		s.got += int64(n)
		return n, nil
	}
	if s.r < s.w {
		n, err = s.file.ReadAt(p[:min(int64(len(p)), s.w-s.r)], s.r)
		if s.r += int64(n); s.r == s.w {
			s.r, s.w = 0, 0 // begin again at the front
		}
		s.got += int64(n)
		if n > 0 {
			err = nil
		} else if err == io.EOF {
			err = errFileCut
		}
		return n, err
	}
	return 0, s.err
}

// add appends a piece.
func (s *stdin) add(c *conn, r *call, piece []byte) {
	piece = piece[:min(int64(len(piece)), max(0, s.limit-s.put))] // R55: beyond CONTENT_LENGTH there is nothing to read
	if len(piece) == 0 {
		return
	}
	if r.state == receiving { // nobody may ever read it: it is a part of what a request may have before it begins
		if c.pending+len(piece) > c.s.limits.MaxHeaderBytes {
			s.fail(errSpool)
			return
		}
		c.pending += len(piece)
		r.size += len(piece)
	}
	closed := func() bool { return s.err != nil || r.state == ending }
	fits := func() bool { return s.w == 0 && len(s.mem)+len(piece) <= window && c.held+len(piece) <= maxHeld }
	if !closed() && !fits() && !c.plural && r.state == running && s.got >= s.again {
		if !c.await(patience, func() bool { return closed() || fits() }) {
			s.again = s.got + keepsUp
		}
	}
	s.put += int64(len(piece))
	for len(piece) > 0 && !closed() {
		switch {
		case fits():
			s.mem = append(s.mem, piece...)
			c.held += len(piece)
			piece = nil
		case !s.stuck && s.w <= maxFile:
			n, err := s.spill(piece)
			piece = piece[n:]
			if s.stuck = err != nil; s.stuck {
				c.s.logf("fcgi: a body has to wait in the web server: %v", err)
			}
		default:
			// The host must wait. It may have more to say than this body: another request, that
			// this one is to be aborted, that it has left. An application that does not read must
			// not keep that from those who wait for it.
			got := s.got
			moves := func() bool { return closed() || fits() || s.got != got } // fits: another body has given back memory
			if r.state == receiving || !c.await(stall, moves) && (c.plural || r.watched) {
				s.fail(errSpool)
			}
		}
		c.changed.Broadcast()
	}
}

// errFileCut is the end of a body whose file somebody else has cut.
var errFileCut = errors.New("fcgi: the temporary file of the body was cut")

var errSpool = errors.New("fcgi: body is too large to be kept until it is read")

// spill appends a piece to the file, and returns how many bytes of the piece the file took.
func (s *stdin) spill(piece []byte) (n int, err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "gateway-stdin-*"); err != nil {
			return 0, err
		}
		_ = os.Remove(s.file.Name()) // it lives as long as it is open; where that is not possible, close removes it
	}
	n, err = writeAt(s.file, piece, s.w)
	s.w += int64(n)
	return n, err
}

// close releases what is held.
func (s *stdin) close(c *conn) {
	s.fail(cutShort)
	c.held -= len(s.mem)
	s.mem = nil
	if s.file != nil {
		s.file.Close()
		_ = os.Remove(s.file.Name())
		s.file, s.r, s.w = nil, 0, 0
	}
}
