//go:build unix

package socket_test

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"example.com/gateway/internal/socket"
)

// pair returns the two ends of a stream socket in non-blocking mode.
func pair(t *testing.T) (a, b uintptr) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		t.Cleanup(func() { syscall.Close(fd) })
		if err := syscall.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	return uintptr(fds[0]), uintptr(fds[1])
}

// The sizes are below and above what one raw call copies.
func TestWhatIsWrittenIsRead(t *testing.T) {
	for i, size := range []int{1, 1000, 1000, 256 << 10, 256<<10 + 1, 1 << 20, 1 << 20} {
		more := i%2 == 1
		a, b := pair(t)
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		var got []byte
		buf := make([]byte, size+1)
		for left := want; len(got) < size; {
			if len(left) > 0 {
				n, err := socket.Write(a, left, more)
				if n < 0 || err != nil && err != syscall.EAGAIN {
					t.Fatalf("%d bytes: write returned %d, %v", size, n, err)
				}
				left = left[n:]
			}
			n, err := socket.Read(b, buf)
			if n < 0 || err != nil && err != syscall.EAGAIN {
				t.Fatalf("%d bytes: read returned %d, %v", size, n, err)
			}
			if got = append(got, buf[:n]...); n == 0 && len(left) == 0 {
				break // the rest is lost
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes: the bytes that came are not those that were sent", size)
		}
	}
}

func TestNothingToReadAndNoRoomToWrite(t *testing.T) {
	a, b := pair(t)
	if n, err := socket.Read(b, make([]byte, 10)); n != 0 || err != syscall.EAGAIN {
		t.Errorf("read returned %d, %v, want EAGAIN", n, err)
	}
	for _, size := range []int{1000, 1 << 20} {
		var n int
		var err error
		for i := 0; err == nil && i < 1<<20; i++ {
			n, err = socket.Write(a, make([]byte, size), false)
		}
		if n != 0 || err != syscall.EAGAIN {
			t.Errorf("write of %d to a full socket returned %d, %v, want EAGAIN", size, n, err)
		}
	}
}

func TestEndAndErrors(t *testing.T) {
	a, b := pair(t)
	if err := syscall.Shutdown(int(a), syscall.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{10, 1 << 20} {
		if n, err := socket.Read(b, make([]byte, size)); n != 0 || err != nil {
			t.Errorf("read at the end returned %d, %v, want 0 and no error", n, err)
		}
		for _, more := range []bool{false, true} {
			if n, err := socket.Write(a, make([]byte, size), more); n != 0 || !errors.Is(err, syscall.EPIPE) {
				t.Errorf("write after the end returned %d, %v, want EPIPE", n, err)
			}
		}
		if n, err := socket.Read(1<<20, make([]byte, size)); n != 0 || !errors.Is(err, syscall.EBADF) {
			t.Errorf("read of no descriptor returned %d, %v, want EBADF", n, err)
		}
	}
}
