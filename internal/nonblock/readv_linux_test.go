package nonblock_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"example.com/gateway/internal/nonblock"
)

func TestReadBoth(t *testing.T) {
	for _, size := range []int{5, 64 << 10} {
		a, b := pair(t)
		p, q := make([]byte, size), make([]byte, 3)
		if n, err := nonblock.ReadBoth(b, p, q); n != 0 || err != syscall.EAGAIN {
			t.Errorf("nothing there: %d, %v, want EAGAIN", n, err)
		}
		text := strings.Repeat("x", size) + "abcde"
		for _, want := range []struct{ send, p, q string }{
			{text, text[:size], "abc"},
			{"", "de", ""},
			{"f", "f", ""},
		} {
			if n, err := nonblock.Write(a, []byte(want.send)); n != len(want.send) || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
			n, err := nonblock.ReadBoth(b, p, q)
			m := min(n, size)
			if err != nil || string(p[:m]) != want.p || string(q[:n-m]) != want.q {
				t.Errorf("%d bytes, %v, want %d and %q", n, err, len(want.p), want.q)
			}
		}
		if err := syscall.Shutdown(int(a), syscall.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		if n, err := nonblock.ReadBoth(b, p, q); n != 0 || err != nil {
			t.Errorf("the end: %d, %v", n, err)
		}
		if n, err := nonblock.ReadBoth(1<<20, p, q); n != 0 || !errors.Is(err, syscall.EBADF) {
			t.Errorf("no descriptor: %d, %v", n, err)
		}
	}
}
