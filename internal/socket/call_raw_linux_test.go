//go:build !386 && !race && !msan && !asan

package socket_test

import (
	"syscall"
	"testing"

	"example.com/gateway/internal/socket"
)

// A call of which the runtime is not told must not wait, also when somebody has set the socket to
// blocking mode.
func TestASocketThatBlocksIsNotWaitedFor(t *testing.T) {
	a, b := pair(t)
	for _, fd := range []uintptr{a, b} {
		if err := syscall.SetNonblock(int(fd), false); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 1000)
	if n, err := socket.Read(b, buf); n != 0 || err != syscall.EAGAIN {
		t.Errorf("read returned %d, %v, want EAGAIN", n, err)
	}
	if n, err := socket.ReadBoth(b, buf, make([]byte, 8)); n != 0 || err != syscall.EAGAIN {
		t.Errorf("read into two returned %d, %v, want EAGAIN", n, err)
	}
	for _, more := range []bool{false, true} {
		var n int
		var err error
		for i := 0; err == nil && i < 1<<20; i++ {
			n, err = socket.Write(a, buf, more)
		}
		if n != 0 || err != syscall.EAGAIN {
			t.Errorf("write to a full socket returned %d, %v, want EAGAIN", n, err)
		}
	}
}
