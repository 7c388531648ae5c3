package acceptor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/acceptor"
)

// A listener's Accept returns the net.Conn or the error that a test gives it.
type listener struct {
	next   chan any
	closed chan struct{}
	once   sync.Once
}

func newListener() *listener { return &listener{next: make(chan any), closed: make(chan struct{})} }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case v := <-l.next:
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.(net.Conn), nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return nil }

// connect hands over one end of a connection and returns the other.
func (l *listener) connect() net.Conn {
	ours, theirs := net.Pipe()
	l.next <- theirs
	return ours
}

// temporary is an error of Accept that passes, like EMFILE.
type temporary struct{}

func (temporary) Error() string   { return "too many open files" }
func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

// A bubble is a server in a synctest bubble. Each connection is handed to the test.
type bubble struct {
	t     *testing.T
	s     acceptor.Server
	l     *listener
	log   bytes.Buffer
	conns chan *acceptor.Conn
	done  chan error
}

func inBubble(t *testing.T, limit int, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, l: newListener(), conns: make(chan *acceptor.Conn, 100), done: make(chan error, 1)}
		go func() {
			b.done <- b.serveOn(b.l, limit)
		}()
		synctest.Wait()
		f(b)
		b.s.Close()
		if err := <-b.done; !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("Serve returned %v, want ErrShutdown", err)
		}
	})
}

func (b *bubble) serveOn(l net.Listener, limit int) error {
	return b.s.Serve(l, limit, log.New(&b.log, "", 0), func(c *acceptor.Conn) { b.conns <- c })
}

// isClosed reports whether the other end of a connection has been closed.
func isClosed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Nanosecond))
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF
}

// As in net/http: 5 ms, then twice as long each time, up to a second; a connection that is accepted
// begins anew.
func TestBackOff(t *testing.T) {
	inBubble(t, 10, func(b *bubble) {
		want := []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000}
		for range 2 {
			begun := time.Now()
			b.l.next <- temporary{}
			for i, d := range want {
				b.l.next <- temporary{}
				if got := time.Since(begun); got != d*time.Millisecond {
					t.Errorf("try %d came after %v, want %v", i, got, d*time.Millisecond)
				}
				begun = time.Now()
			}
			b.l.connect()
			(<-b.conns).Close()
		}
		if n := strings.Count(b.log.String(), "too many open files; trying again in "); n != 22 {
			t.Errorf("the log has %d lines, want 22:\n%s", n, &b.log)
		}
	})
}

// An error that does not pass ends Serve, and closes the listener.
func TestAcceptFailsForGood(t *testing.T) {
	boom := errors.New("boom")
	l := newListener()
	var s acceptor.Server
	done := make(chan error, 1)
	go func() { done <- s.Serve(l, 1, nil, func(*acceptor.Conn) {}) }()
	l.next <- temporary{} // nil is no logger
	l.next <- boom
	if err := <-done; !errors.Is(err, boom) {
		t.Errorf("Serve returned %v, want what Accept returned", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error("the listener is open")
	}
}

// Stopping does not wait for the back-off.
func TestShutdownDuringBackOff(t *testing.T) {
	inBubble(t, 10, func(b *bubble) {
		for range 12 {
			b.l.next <- temporary{}
		}
		begun := time.Now()
		if err := b.s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(b.done) == 0 || time.Since(begun) > 0 {
			t.Errorf("Serve has not returned, after %v", time.Since(begun))
		}
	})
}

// No more than limit connections are accepted. A connection that is closed makes place, once,
// however often it is closed.
func TestLimit(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.l.connect()
		b.l.connect()
		var third atomic.Bool
		go func() {
			b.l.connect()
			third.Store(true)
			b.l.connect() // a fourth, which has to wait till the end
		}()
		synctest.Wait()
		if third.Load() {
			t.Fatal("a third connection was accepted")
		}
		c := <-b.conns
		for range 3 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if !third.Load() || len(b.conns) != 2 {
			t.Errorf("%d connections are open", len(b.conns))
		}
		(<-b.conns).Close()
		synctest.Wait()
	})
}

// The limit is for all listeners of the server together. A listener that waits in Accept takes no
// place from the others, and a connection that it accepts when no place is left waits for one.
func TestLimitOverSeveralListeners(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		other := newListener()
		done := make(chan error, 1)
		go func() { done <- b.s.Serve(other, 1, nil, func(c *acceptor.Conn) { b.conns <- c }) }()
		for _, l := range []*listener{b.l, other, other, b.l} {
			end := l.connect()
			synctest.Wait()
			if len(b.conns) != 1 {
				t.Fatalf("with no connection open, %d are handled, want 1", len(b.conns))
			}
			c := <-b.conns
			accepted := 0
			for _, l := range []*listener{b.l, other, b.l, other} {
				_, theirs := net.Pipe()
				select {
				case l.next <- theirs:
					accepted++
				case <-time.After(time.Second):
				}
			}
			if accepted > 1 || len(b.conns) > 0 {
				t.Fatalf("with as many open as may be, %d more are accepted and %d handled", accepted, len(b.conns))
			}
			c.Close()
			synctest.Wait()
			if !isClosed(end) || len(b.conns) != accepted {
				t.Errorf("when there is a place, %d of %d are handled", len(b.conns), accepted)
			}
			if accepted > 0 {
				(<-b.conns).Close()
				synctest.Wait()
			}
		}
		other.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// A connection that was accepted and waits for its place is served when Shutdown begins, and closed
// by Close.
func TestStopWithAConnectionThatWaitsForItsPlace(t *testing.T) {
	for _, stop := range []string{"Shutdown", "Close"} {
		inBubble(t, 1, func(b *bubble) {
			other := newListener()
			done := make(chan error, 1)
			go func() { done <- b.s.Serve(other, 1, nil, func(c *acceptor.Conn) { b.conns <- c }) }()
			synctest.Wait()
			b.l.connect()
			c := <-b.conns
			c.SetBusy()
			waiting := other.connect()
			synctest.Wait()
			if len(b.conns) > 0 {
				t.Fatal("two are handled")
			}
			if stop == "Close" {
				b.s.Close()
			} else {
				go func() { _ = b.s.Shutdown(context.Background()) }()
			}
			synctest.Wait()
			if got, want := len(b.conns) == 1, stop == "Shutdown"; got != want || isClosed(waiting) == want {
				t.Errorf("after %s it is handled: %v, want %v", stop, got, want)
			}
			time.Sleep(1900 * time.Millisecond)
			if stop == "Shutdown" && isClosed(waiting) {
				t.Error("it is closed before a request may have come")
			}
			time.Sleep(101 * time.Millisecond)
			if !isClosed(waiting) {
				t.Error("it has sent nothing, and is not closed")
			}
			for len(b.conns) > 0 {
				(<-b.conns).Close()
			}
			c.Close()
			if err := <-done; !errors.Is(err, gateway.ErrShutdown) {
				t.Errorf("Serve returned %v, want ErrShutdown", err)
			}
		})
	}
}

// A lateListener has a connection in its hands when the server closes it.
type lateListener struct {
	*listener
	conn net.Conn
}

func (l *lateListener) Accept() (net.Conn, error) {
	_, err := l.listener.Accept()
	if conn := l.conn; conn != nil {
		l.conn = nil
		time.Sleep(10 * time.Millisecond) // the server has looked through its connections
		return conn, nil
	}
	return nil, err
}

// The host would not send the request again: the connection is served, and is closed only if no
// request comes.
func TestStopWithAConnectionThatAcceptReturnsAfterIt(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		peer, conn := net.Pipe()
		done := make(chan error, 1)
		go func() {
			l := &lateListener{newListener(), conn}
			done <- b.s.Serve(l, 1, nil, func(c *acceptor.Conn) { b.conns <- c })
		}()
		synctest.Wait()
		go func() { _ = b.s.Shutdown(context.Background()) }()
		c := <-b.conns
		time.Sleep(1900 * time.Millisecond)
		if isClosed(peer) {
			t.Error("it is closed before a request may have come")
		}
		time.Sleep(101 * time.Millisecond)
		if !isClosed(peer) {
			t.Error("it has sent nothing, and is not closed")
		}
		c.Close()
		if err := <-done; !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("Serve returned %v, want ErrShutdown", err)
		}
	})
}

// Shutdown closes an idle connection after half a second, a connection that has sent nothing or a
// part of a request after two, and waits for the others.
func TestShutdownByState(t *testing.T) {
	inBubble(t, 10, func(b *bubble) {
		type end struct {
			*acceptor.Conn
			peer net.Conn
		}
		open := func() end { peer := b.l.connect(); return end{<-b.conns, peer} }
		fresh, idle, busy, late, again, begun, kept := open(), open(), open(), open(), open(), open(), open()
		for _, c := range []end{idle, again, begun, kept} {
			c.SetBusy()
			c.SetIdle()
		}
		busy.SetBusy()
		shut := make(chan error, 2)
		start := time.Now().Add(time.Hour) // for which all are kept
		shutdown := func() { shut <- b.s.Shutdown(context.Background()) }
		closed := func(c end) bool {
			_ = c.peer.SetReadDeadline(time.Now().Add(time.Nanosecond))
			_, err := c.peer.Read(make([]byte, 1))
			return err == io.EOF
		}
		at := func(ms time.Duration, want ...end) {
			t.Helper()
			time.Sleep(time.Until(start.Add(ms*time.Millisecond + 10)))
			for name, c := range map[string]end{
				"fresh": fresh, "idle": idle, "busy": busy, "late": late, "again": again, "begun": begun, "kept": kept,
			} {
				if got, want := closed(c), slices.Contains(want, c); got != want {
					t.Errorf("after %d ms the connection %s is closed: %v", ms, name, got)
				}
			}
		}
		at(-1)
		go shutdown()
		at(400)
		if b.s.Context().Err() != nil {
			t.Error("the context has ended")
		}
		again.SetBusy() // its next request was on its way
		again.SetIdle()
		begun.SetFresh() // a part of a request has come
		// What says nothing new gives no more time.
		go shutdown()
		kept.SetIdle()
		fresh.SetFresh()
		begun.SetFresh()
		at(500, idle, kept)
		idle.SetIdle() // after its owner has seen that it is closed
		if idle.SetBusy() || idle.SetFresh() || idle.SetBusy() {
			t.Error("a request may begin on a connection that was closed")
		}
		at(890, idle, kept)
		at(901, idle, again, kept)
		at(1900, idle, again, kept)
		if !late.SetBusy() {
			t.Error("a request that was on its way may not begin")
		}
		at(2000, idle, again, kept, fresh)
		at(2390, idle, again, kept, fresh)
		at(2401, idle, again, kept, fresh, begun)
		if fresh.SetBusy() {
			t.Error("a request may begin on a connection that was closed")
		}
		at(3600_000, idle, again, kept, fresh, begun)
		if len(shut) > 0 {
			t.Fatal("Shutdown does not wait")
		}
		busy.SetIdle()
		at(3600_499, idle, again, kept, fresh, begun)
		at(3600_501, idle, again, kept, fresh, begun, busy)
		for _, c := range []end{busy, late, idle, fresh, again, begun, kept} {
			c.Close()
		}
		for range 2 {
			if err := <-shut; err != nil {
				t.Error(err)
			}
		}
	})
}

// The timer may have expired, and wait for the lock, while a request ends and gets its connection
// more time.
func TestATimerThatComesTooLateClosesNothing(t *testing.T) {
	inBubble(t, 10, func(b *bubble) {
		end := b.l.connect()
		c := <-b.conns
		go func() { _ = b.s.Shutdown(context.Background()) }()
		synctest.Wait()
		c.SetBusy()
		c.Expire()
		if isClosed(end) {
			t.Error("a request was cut off")
		}
		c.SetIdle()
		c.Expire()
		if isClosed(end) || !c.SetBusy() {
			t.Error("a connection was closed before its time")
		}
		c.Close()
	})
}

// A deadline that the protocol has set is not the server's to change.
func TestShutdownLeavesDeadlinesAlone(t *testing.T) {
	inBubble(t, 10, func(b *bubble) {
		b.l.connect()
		c := <-b.conns
		_ = c.SetReadDeadline(time.Now().Add(time.Hour))
		go func() { _ = b.s.Shutdown(context.Background()) }()
		synctest.Wait()
		c.SetBusy()
		begun := time.Now()
		_, _ = c.Read(make([]byte, 1))
		if got := time.Since(begun); got != time.Hour {
			t.Errorf("Read returned after %v, want an hour", got)
		}
		c.Close()
	})
}

// When its time is over, Shutdown ends the context and leaves the connections open. Close closes
// them.
func TestShutdownRunsOutOfTime(t *testing.T) {
	inBubble(t, 10, func(b *bubble) {
		end := b.l.connect()
		c := <-b.conns
		c.SetBusy()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		begun := time.Now()
		if err := b.s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Minute {
			t.Errorf("Shutdown returned %v after %v", err, time.Since(begun))
		}
		if err := context.Cause(b.s.Context()); !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("the cause is %v, want ErrShutdown", err)
		}
		if isClosed(end) {
			t.Error("the connection was closed")
		}
		if err := b.s.Close(); err != nil || !isClosed(end) {
			t.Errorf("Close: %v, closed is %v", err, isClosed(end))
		}
		c.Close()
		if err := b.s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A request whose connection Close has closed finds the reason in its context.
func TestCloseSaysWhyFirst(t *testing.T) {
	inBubble(t, 10, func(b *bubble) {
		b.l.connect()
		c := <-b.conns
		ctx := b.s.Context()
		cause := make(chan error)
		go func() {
			_, _ = c.Read(make([]byte, 1))
			cause <- context.Cause(ctx)
		}()
		b.s.Close()
		if err := <-cause; !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("when the connection was gone the cause was %v, want ErrShutdown", err)
		}
		c.Close()
	})
}

// Nobody would close the listener after the stop, and Accept would wait for ever.
func TestServeAfterStop(t *testing.T) {
	for name, stop := range map[string]func(*acceptor.Server) error{
		"Shutdown": func(s *acceptor.Server) error { return s.Shutdown(context.Background()) },
		"Close":    (*acceptor.Server).Close,
	} {
		for range 20 {
			var s acceptor.Server
			if err := stop(&s); err != nil {
				t.Error(err)
			}
			l := newListener()
			if err := s.Serve(l, 1, nil, nil); !errors.Is(err, gateway.ErrShutdown) {
				t.Errorf("after %s Serve returned %v", name, err)
			}
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after %s the listener is open", name)
			}
		}
	}
}

// A slowListener has accepted a connection when it is closed, and hands it over only then.
type slowListener struct {
	accepting, closed chan struct{}
	conn              net.Conn
}

func (l *slowListener) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	close(l.accepting)
	<-l.closed
	c := l.conn
	l.conn = nil
	return c, nil
}

func (l *slowListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *slowListener) Addr() net.Addr { return &net.UnixAddr{} }

// The old process of a restart must not take a connection from the new one and drop it.
func TestAConnectionThatIsAcceptedWhileShutdownBeginsIsServed(t *testing.T) {
	t.Parallel()
	host, conn := net.Pipe()
	l := &slowListener{make(chan struct{}), make(chan struct{}), conn}
	var s acceptor.Server
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(l, 10, nil, func(c *acceptor.Conn) {
			defer c.Close()
			b := make([]byte, 1)
			if _, err := io.ReadFull(c, b); err == nil && c.SetBusy() {
				_, _ = c.Write(b)
			}
		})
	}()
	<-l.accepting
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	host.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := host.Write([]byte("x")); err != nil {
		t.Errorf("the request: %v", err)
	}
	if b, err := io.ReadAll(host); string(b) != "x" || err != nil {
		t.Errorf("the answer is %q, %v", b, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; !errors.Is(err, gateway.ErrShutdown) {
		t.Errorf("Serve: %v", err)
	}
}

// Close accepts no more connections.
func TestAConnectionThatIsAcceptedDuringCloseIsClosed(t *testing.T) {
	t.Parallel()
	host, conn := net.Pipe()
	l := &slowListener{make(chan struct{}), make(chan struct{}), conn}
	var s acceptor.Server
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(l, 10, nil, func(c *acceptor.Conn) { t.Error("it was handled"); c.Close() })
	}()
	<-l.accepting
	s.Close()
	if err := <-served; !errors.Is(err, gateway.ErrShutdown) {
		t.Errorf("Serve: %v", err)
	}
	if _, err := host.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection: %v", err)
	}
}
