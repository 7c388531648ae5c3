package request_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"example.com/gateway/request"
)

var errBoom = errors.New("boom")

// A source counts what is asked of it. Reading past its text fails the test.
type source struct {
	t    *testing.T
	text string
	most int // what one Read gives at most; 0 is all
}

func (s *source) Read(p []byte) (int, error) {
	if s.text == "" {
		s.t.Error("the source was read past the body (C32)")
		return 0, errBoom
	}
	if s.most > 0 && len(p) > s.most {
		p = p[:s.most]
	}
	n := copy(p, s.text)
	s.text = s.text[n:]
	return n, nil
}

func TestABodyEndsAtItsLength(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, 1, 3} {
		for _, size := range []int{1, 4, 5, 6, 100} {
			from := &source{t, "hello" + "GET /next", most}
			body := request.NewBody(from, 5, request.NoLimit)
			got, err := io.ReadAll(struct{ io.Reader }{&sized{body, size}})
			if string(got) != "hello" || err != nil || from.text != "GET /next" {
				t.Errorf("%q, %v, and %q is left", got, err, from.text)
			}
			if n, err := body.Read(make([]byte, 1)); n != 0 || err != io.EOF { // R58
				t.Errorf("a read past the end returned %d, %v", n, err)
			}
		}
	}
	body := request.NewBody(&source{t: t}, 0, request.NoLimit)
	if n, err := body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("an empty body: %d, %v", n, err)
	}
}

// A source may return nothing, and no error (io.Reader): that is no end of the body, nor an error.
func TestAReadOfNothingIsNoEnd(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{5, -1} {
		idle := 0
		from := readerFunc(func(p []byte) (int, error) {
			switch idle++; {
			case idle%50 != 0:
				return 0, nil
			case idle == 6*50:
				return 0, io.EOF
			}
			return copy(p, "x"), nil
		})
		body := request.NewBody(from, length, request.NoLimit)
		if n, err := body.Read(make([]byte, 1)); n != 0 || err != nil {
			t.Errorf("a Read of nothing returned %d, %v", n, err)
		}
		if b, err := io.ReadAll(io.LimitReader(body, 2)); string(b) != "xx" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		if !body.Drain(100, time.Minute) || idle < 5*50 {
			t.Errorf("the body of length %d was not drained: after %d Reads", length, idle)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// sized reads in pieces of one size.
type sized struct {
	io.Reader
	size int
}

func (s *sized) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(len(p), s.size)]) }

// TestTheEndComesWithTheLastByte: a pipe that stays open must not be asked again to learn that the
// body has ended.
func TestTheEndComesWithTheLastByte(t *testing.T) {
	t.Parallel()
	body := request.NewBody(&source{t: t, text: "hello"}, 5, request.NoLimit)
	if n, err := body.Read(nil); n != 0 || err != nil {
		t.Errorf("a read of nothing: %d, %v", n, err)
	}
	if n, err := body.Read(make([]byte, 9)); n != 5 || err != io.EOF {
		t.Errorf("%d, %v, want 5 and EOF", n, err)
	}
}

// Limits have negative numbers for what has no limit.
func TestANegativeMaximumIsNone(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{-1, -5} {
		got, err := io.ReadAll(request.NewBody(strings.NewReader("hello"), length, -1))
		if string(got) != "hello" || err != nil {
			t.Errorf("of length %d: %q, %v", length, got, err)
		}
	}
}

func TestABodyThatEndsEarlyOrFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		r      io.Reader
		length int64
		text   string
		want   error // nil is a clean end
	}{
		{"cut short", strings.NewReader("hell"), 5, "hell", io.ErrUnexpectedEOF},
		{"cut short, and the end beside the data", iotest.DataErrReader(strings.NewReader("hell")), 5, "hell", io.ErrUnexpectedEOF},
		{"nothing came", strings.NewReader(""), 5, "", io.ErrUnexpectedEOF},
		{"whole, and the end beside the data", iotest.DataErrReader(strings.NewReader("hello")), 5, "hello", nil},
		{"an error", io.MultiReader(strings.NewReader("he"), iotest.ErrReader(errBoom)), 5, "he", errBoom},
		{"an error beside the last byte is not ours to see", &beside{"hello", errBoom}, 5, "hello", nil},
		{"of unknown length", strings.NewReader("hello"), -1, "hello", nil},
		{"of unknown length, empty", strings.NewReader(""), -1, "", nil},
		{"of unknown length, an error", io.MultiReader(strings.NewReader("he"), iotest.ErrReader(errBoom)), -1, "he", errBoom},
		{"larger than an int of 32 bits", strings.NewReader("hello"), 1 << 40, "hello", io.ErrUnexpectedEOF},
	} {
		body := request.NewBody(c.r, c.length, request.NoLimit)
		got, err := io.ReadAll(body)
		if string(got) != c.text || err != c.want {
			t.Errorf("%s: %q, %v, want %q, %v", c.name, got, err, c.text, c.want)
		}
		end := c.want
		if end == nil {
			end = io.EOF
		}
		for range 2 { // sticky
			if n, err := body.Read(make([]byte, 1)); n != 0 || err != end {
				t.Errorf("%s: another read returned %d, %v, want %v", c.name, n, err, end)
			}
		}
	}
}

type beside struct {
	text string
	err  error
}

func (b *beside) Read(p []byte) (int, error) { return copy(p, b.text), b.err }

func TestDrainReadsToTheEndOrToItsBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		text   string
		length int64
		max    int64
		ended  bool
		left   int
	}{
		{"all", strings.Repeat("x", 1<<18), 1 << 18, 1 << 20, true, 0},
		{"exactly as much as there is", "hello", 5, 5, true, 0},
		{"and not what follows", "hello, world", 5, 100, true, 7},
		{"nothing is left", "", 0, 100, true, 0},
		{"at most max", strings.Repeat("x", 1<<18), 1 << 18, 1000, false, 1<<18 - 1000},
		{"at most max, more than a buffer", strings.Repeat("x", 1<<18), 1 << 18, 100000, false, 1<<18 - 100000},
		{"none", "hello", 5, 0, false, 5},
		{"cut short", "hell", 5, 100, false, 0},
		{"of unknown length", "hello", -1, 100, true, 0},
	} {
		from := strings.NewReader(c.text)
		ended := request.NewBody(from, c.length, request.NoLimit).Drain(c.max, time.Hour)
		if ended != c.ended || from.Len() != c.left {
			t.Errorf("%s: ended %v with %d left, want %v with %d", c.name, ended, from.Len(), c.ended, c.left)
		}
	}
}

func TestDrainOfABodyThatWasRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		ended bool
	}{{"hello", true}, {"hell", false}} {
		body := request.NewBody(strings.NewReader(c.text), 5, request.NoLimit)
		_, _ = io.ReadAll(body)
		for range 2 {
			if ended := body.Drain(100, time.Hour); ended != c.ended {
				t.Errorf("%q: Drain returned %v", c.text, ended)
			}
		}
	}
	body := request.NewBody(iotest.ErrReader(errBoom), 5, request.NoLimit)
	if body.Drain(100, time.Hour) {
		t.Error("a body that fails has ended")
	}
}

// A hanging reader is a client that sends no more and does not go away.
type hanging chan struct{}

func (h hanging) Read([]byte) (int, error) { <-h; return 0, io.EOF }

func TestDrainLeavesAReadThatHangsBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(hanging)
		body := request.NewBody(release, 5, request.NoLimit)
		begin := time.Now()
		if body.Drain(100, time.Minute) {
			t.Error("it has ended")
		}
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("it took %v, want a minute", took)
		}
		if body.Drain(100, time.Minute) || time.Since(begin) != time.Minute { // the first still hangs
			t.Error("a second Drain waited for the first")
		}
		close(release)
	})
}

// TestDrainStopsAtItsTimeAlsoIfBytesTrickle has a client that sends a byte a second for ever.
func TestDrainStopsAtItsTimeAlsoIfBytesTrickle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var reads atomic.Int32
		body := request.NewBody(reader(func(p []byte) (int, error) {
			time.Sleep(time.Second)
			reads.Add(1)
			return 1, nil
		}), -1, request.NoLimit)
		if body.Drain(1<<30, 10*time.Second) {
			t.Error("it has ended")
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("it took %v, want 10 s", took)
		}
		time.Sleep(time.Minute)
		if n := reads.Load(); n > 11 {
			t.Errorf("%d reads, it goes on after its time", n)
		}
	})
}

type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

func TestDrainDoesNotWaitForAReadOfTheApplication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(hanging)
		body := request.NewBody(release, 5, request.NoLimit)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = body.Read(make([]byte, 1)) })
		synctest.Wait() // it hangs
		begin := time.Now()
		if body.Drain(100, time.Minute) || time.Since(begin) != 0 {
			t.Error("Drain waited")
		}
		close(release)
		wg.Wait()
	})
}

func TestReadAndDrainAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		body := request.NewBody(strings.NewReader(strings.Repeat("x", 1<<16)), 1<<16, request.NoLimit)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(io.Discard, struct{ io.Reader }{body}) })
		wg.Go(func() { body.Drain(1<<20, time.Minute) })
		wg.Wait()
		if n, err := body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("after both: %d, %v", n, err)
		}
	}
}

// D5: a body that was cut short is io.ErrUnexpectedEOF, also if a reset has cut it.
func TestResetCutsABodyShort(t *testing.T) {
	for _, length := range []int64{5, -1} {
		body := request.NewBody(iotest.ErrReader(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), length, request.NoLimit)
		_, err := io.ReadAll(body)
		if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("length %d: the error is %v", length, err)
		}
	}
	other := errors.New("other")
	if err := request.CutShort(other); err != other {
		t.Errorf("another error became %v", err)
	}
}
