package acceptor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/acceptor"
	"example.com/gateway/request"
)

// Requests begin and end while the server stops, and after that. Either SetBusy returns false and
// the connection is closed, or it returns true and the connection is left alone until it is idle.
func TestStatesRaceWithShutdown(t *testing.T) {
	for range 200 {
		var s acceptor.Server
		l := newListener()
		conns := make(chan *acceptor.Conn)
		done := make(chan error, 1)
		go func() { done <- s.Serve(l, 10, nil, func(c *acceptor.Conn) { conns <- c }) }()
		end := l.connect()
		c := <-conns
		over := make(chan struct{})
		go func() {
			defer close(over)
			defer c.Close()
			for left := 100; left > 0 && c.SetBusy(); {
				if _, err := c.Write([]byte("x")); err != nil {
					t.Errorf("cut while busy: %v", err)
				}
				c.SetIdle()
				if _, stopping := s.StoppingFor(); stopping {
					left--
				}
			}
		}()
		go func() { _, _ = io.Copy(io.Discard, end) }()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-over
		<-done
		end.Close()
	}
}

// accept returns the two ends of a connection of a server.
func accept(t *testing.T, network string) (*acceptor.Conn, net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/s"
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	var s acceptor.Server
	conns := make(chan *acceptor.Conn, 1)
	go func() { _ = s.Serve(l, 1, nil, func(c *acceptor.Conn) { conns <- c }) }()
	t.Cleanup(func() { _ = s.Close() })
	peer, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	_ = peer.SetDeadline(time.Now().Add(30 * time.Second))
	return <-conns, peer
}

func TestResetIsAnErrorOfThePeersReadOverTCP(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		c, peer := accept(t, network)
		if _, err := c.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadFull(peer, make([]byte, 4)) // otherwise the reset may take them back
		c.Reset()
		c.Reset()
		_, err := peer.Read(make([]byte, 1))
		if want := map[string]error{"tcp": syscall.ECONNRESET, "unix": io.EOF}[network]; !errors.Is(err, want) {
			t.Errorf("over %s the peer's read returns %v, want %v", network, err, want)
		}
	}
}

// A response that goes on when the server is closed must not look whole.
func TestCloseResetsAConnectionThatIsBusy(t *testing.T) {
	t.Parallel()
	for _, isBusy := range []bool{true, false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var s acceptor.Server
		conns := make(chan *acceptor.Conn, 1)
		go func() { _ = s.Serve(l, 1, nil, func(c *acceptor.Conn) { conns <- c }) }()
		peer, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		_ = peer.SetDeadline(time.Now().Add(30 * time.Second))
		c := <-conns
		c.SetBusy()
		if !isBusy {
			c.SetIdle()
		}
		_ = s.Close()
		if _, err := peer.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNRESET) != isBusy {
			t.Errorf("busy %v: the peer's read returns %v", isBusy, err)
		}
		c.Close()
	}
}

// The peer sends all that it wants to, and only then reads the response.
func TestThePeerReadsTheResponseAfterADrain(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	for _, network := range []string{"tcp", "unix"} {
		for range 20 {
			c, peer := accept(t, network)
			go func() {
				_, _ = c.Write([]byte("response"))
				c.Drain(c, size)
				_ = c.Close()
			}()
			if n, err := peer.Write(make([]byte, size)); err != nil {
				t.Fatalf("over %s the peer could send %d bytes of %d: %v", network, n, size, err)
			}
			if got, err := io.ReadAll(peer); string(got) != "response" || err != nil {
				t.Fatalf("over %s the peer reads %q, %v", network, got, err)
			}
		}
	}
}

// A halved pipe has two halves, of which a test sees when one is closed.
type halved struct {
	net.Conn
	closed chan struct{}
}

func (h halved) CloseWrite() error { close(h.closed); return nil }

func TestDrainIsBounded(t *testing.T) {
	for _, test := range []struct {
		name string
		size int64
		peer func(net.Conn) // sends; its writes fail when the connection is closed
		took time.Duration
	}{
		{"by its size", 5, func(c net.Conn) { _, _ = c.Write([]byte("12345")) }, 0},
		{"by the end of the connection", 5, func(c net.Conn) { _ = c.Close() }, 0},
		{"by bytes", 1 << 60, func(c net.Conn) {
			sent := 0
			for block := make([]byte, 1<<20); ; {
				n, err := c.Write(block)
				if sent += n; err != nil {
					break
				}
			}
			if sent != request.DrainBytes {
				t.Errorf("%d bytes were read", sent)
			}
		}, 0},
		{"by time", 5, func(net.Conn) {}, request.DrainTime},
		{"by time, and bytes trickle", 1000, func(c net.Conn) {
			for _, err := c.Write([]byte("x")); err == nil; _, err = c.Write([]byte("x")) {
				time.Sleep(time.Second)
			}
		}, request.DrainTime},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, 1, func(b *bubble) {
				ours, theirs := net.Pipe()
				closed := make(chan struct{})
				b.l.next <- halved{theirs, closed}
				c := <-b.conns
				begun, ended := time.Now(), make(chan struct{})
				go func() {
					c.Drain(c, test.size)
					if took := time.Since(begun); took != test.took {
						t.Errorf("it took %v, want %v", took, test.took)
					}
					_ = c.Close()
					close(ended)
				}()
				<-closed // the response ends before anything is read
				test.peer(ours)
				<-ended
			})
		})
	}
}

func TestAConnectionWithoutHalvesIsNotDrained(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.l.connect()
		c := <-b.conns
		c.Drain(readerFunc(func([]byte) (int, error) { t.Error("it was read"); return 0, io.EOF }), 5)
		_ = c.Close()
		synctest.Wait()
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestHangUpsAreTheEndsOfConnections(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want bool
	}{
		{io.EOF, true},
		{net.ErrClosed, true},
		{os.NewSyscallError("read", syscall.ECONNRESET), true},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, true},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), true},
		{request.Disconnected(errors.New("aborted")), true},
		{io.ErrUnexpectedEOF, false}, // the peer has said half of something
		{errors.New("boom"), false},
		{gateway.ErrShutdown, false},
		{nil, false},
	} {
		if got := acceptor.IsHangUp(test.err); got != test.want {
			t.Errorf("%v: %v, want %v", test.err, got, test.want)
		}
	}
}
