//go:build (darwin || freebsd || linux) && (amd64 || arm64)

package socket_test

import (
	"syscall"
	"testing"

	"example.com/gateway/internal/socket"
)

// Darwin and FreeBSD refuse a read or a write of 2 GiB with EINVAL. The memory is the system's, of
// which only the part that is read or written takes room.
func TestBytesBeyond2GiBAreForTheNextCall(t *testing.T) {
	large, err := syscall.Mmap(-1, 0, 1<<31+1<<20, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skip(err)
	}
	defer syscall.Munmap(large)
	a, b := pair(t)
	for _, more := range []bool{false, true} {
		sent, err := socket.Write(a, large, more)
		if sent <= 0 || err != nil {
			t.Fatalf("write returned %d, %v", sent, err)
		}
		for sent > 0 {
			n, err := socket.Read(b, large)
			if n <= 0 || err != nil {
				t.Fatalf("read returned %d, %v", n, err)
			}
			sent -= n
		}
	}
}
