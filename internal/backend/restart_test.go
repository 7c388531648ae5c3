package backend_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
)

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
	var s backend.Server
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(l, 10, nil, func(c *backend.Conn) {
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

// ... and Close takes no more.
func TestAConnectionThatIsAcceptedDuringCloseIsClosed(t *testing.T) {
	t.Parallel()
	host, conn := net.Pipe()
	l := &slowListener{make(chan struct{}), make(chan struct{}), conn}
	var s backend.Server
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(l, 10, nil, func(c *backend.Conn) { t.Error("it was handled"); c.Close() })
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
