package socket_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"example.com/gateway/internal/socket"
)

func TestReadBoth(t *testing.T) {
	const size = 5
	a, b := pair(t)
	p, q := make([]byte, size), make([]byte, 3)
	if n, err := socket.ReadBoth(b, p, q); n != 0 || err != syscall.EAGAIN {
		t.Errorf("nothing there: %d, %v, want EAGAIN", n, err)
	}
	for _, want := range []struct{ send, p, q string }{
		{"01234abcde", "01234", "abc"},
		{"", "de", ""},
		{"f", "f", ""},
	} {
		if n, err := socket.Write(a, []byte(want.send), false); n != len(want.send) || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
		n, err := socket.ReadBoth(b, p, q)
		m := min(n, size)
		if err != nil || string(p[:m]) != want.p || string(q[:n-m]) != want.q {
			t.Errorf("%q and %q, %v, want %q and %q", p[:m], q[:n-m], err, want.p, want.q)
		}
	}

	large, text := make([]byte, 1<<20), strings.Repeat("large", 20_000) // more room than one raw call fills
	if n, err := socket.Write(a, []byte(text), false); n != len(text) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	if n, err := socket.ReadBoth(b, large, q); err != nil || string(large[:n]) != text {
		t.Errorf("%d bytes, %v, want %d", n, err, len(text))
	}

	if err := syscall.Shutdown(int(a), syscall.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]byte{p, large} {
		if n, err := socket.ReadBoth(b, p, q); n != 0 || err != nil {
			t.Errorf("the end: %d, %v", n, err)
		}
		if n, err := socket.ReadBoth(1<<20, p, q); n != 0 || !errors.Is(err, syscall.EBADF) {
			t.Errorf("no descriptor: %d, %v", n, err)
		}
	}
}
