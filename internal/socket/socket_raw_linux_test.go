//go:build !386 && !race && !msan && !asan

package socket_test

import (
	"net"
	"syscall"
	"testing"
	"unsafe"

	"example.com/gateway/internal/socket"
)

// unsent returns how many bytes a TCP connection holds back: SIOCOUTQNSD of ioctl(2).
func unsent(t *testing.T, conn net.Conn) (n int32) {
	t.Helper()
	const siocoutqnsd = 0x894B
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, siocoutqnsd, uintptr(unsafe.Pointer(&n)))
	})
	if err != nil || errno != 0 {
		t.Fatal(err, errno)
	}
	return n
}

// Bytes of WriteMore wait for the next write, for up to 200 milliseconds. No other bytes may wait.
func TestOnlyWriteMoreHoldsBytesBack(t *testing.T) {
	t.Parallel()
	ours, _ := connect(t, "tcp")
	var w socket.Writer
	w.Init(ours)
	write := func(what string, f func([]byte) (int, error), want int32) {
		t.Helper()
		if n, err := f([]byte("12345678")); n != 8 || err != nil {
			t.Fatalf("%s: %d, %v", what, n, err)
		}
		if n := unsent(t, ours); n != want {
			t.Errorf("%s: %d bytes are held back, want %d", what, n, want)
		}
	}
	write("a write", w.Write, 0)
	write("a write with more to come", w.WriteMore, 8)
	write("a write after it", w.Write, 0)
	write("several", func(p []byte) (int, error) {
		n, err := w.WriteBuffers(&net.Buffers{p[:4], p[4:]})
		return int(n), err
	}, 0)
}
