package fcgi_test

import (
	"net"
	"syscall"
	"testing"

	"example.com/gateway"
)

// A keptListener hands its connections to the test, too.
type keptListener struct {
	net.Listener
	conns chan net.Conn
}

func (l *keptListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.conns <- conn
	}
	return conn, err
}

// A connection that has sent a file is as it was: the end of the next answer does not wait for more.
func TestNothingIsCorkedAfterAFile(t *testing.T) {
	path := fileOf(t, numbered(300_000))
	l := &keptListener{listenTCP(t), make(chan net.Conn, 1)}
	c := serveOn(t, l, func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return fileBody(path, plain, start)
	}).dial()
	if a := c.roundTrip(1, get(1, "/")); len(a.body()) != 300_000 {
		t.Fatalf("%d bytes", len(a.body()))
	}
	raw, err := wait(t, l.conns, "the connection").(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	on, serr := -1, error(nil)
	err = raw.Control(func(fd uintptr) { on, serr = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK) })
	if err != nil || serr != nil || on != 0 {
		t.Errorf("TCP_CORK is %d, %v, %v", on, err, serr)
	}
}
