//go:build !386 && !race && !msan && !asan

package nonblock_test

import (
	"syscall"
	"testing"

	"example.com/gateway/internal/nonblock"
)

// What the runtime is not told of must not wait, also if somebody has made the socket one that blocks.
func TestASocketThatBlocksIsNotWaitedFor(t *testing.T) {
	a, b := pair(t)
	for _, fd := range []uintptr{a, b} {
		if err := syscall.SetNonblock(int(fd), false); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 1000)
	if n, err := nonblock.Read(b, buf); n != 0 || err != syscall.EAGAIN {
		t.Errorf("read returned %d, %v, want EAGAIN", n, err)
	}
	if n, err := nonblock.ReadBoth(b, buf, make([]byte, 8)); n != 0 || err != syscall.EAGAIN {
		t.Errorf("read into two returned %d, %v, want EAGAIN", n, err)
	}
	for _, more := range []bool{false, true} {
		var n int
		var err error
		for i := 0; err == nil && i < 1<<20; i++ {
			n, err = nonblock.Write(a, buf, more)
		}
		if n != 0 || err != syscall.EAGAIN {
			t.Errorf("write to a full socket returned %d, %v, want EAGAIN", n, err)
		}
	}
}
