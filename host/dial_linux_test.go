package host

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// listenWithoutQueue listens at path, with a queue that is full. What it returns takes all
// connections of the queue, gives them to serve, and closes the socket.
func listenWithoutQueue(t *testing.T, path string) (accept func(serve func(net.Conn, int))) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		if err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err == nil {
			err = syscall.Listen(fd, 0)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	t.Cleanup(func() { l.Close() })
	c, err := net.Dial("unix", path) // takes the only place
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return func(serve func(net.Conn, int)) {
		for range 2 {
			_ = l.(*net.UnixListener).SetDeadline(time.Now().Add(patience))
			taken, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			serve(taken, 0)
			taken.Close()
		}
	}
}
