package socket_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"example.com/gateway/internal/socket"
)

// SendFile sends a regular file over a socket, and nothing over a type that embeds one.
func TestAFileIsSentByTheSystem(t *testing.T) {
	t.Parallel()
	want := make([]byte, 10_000)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"tcp", "unix"} {
		conn, host := connect(t, network)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if n, ended, err := socket.SendFile(struct{ net.Conn }{conn},
			&io.LimitedReader{R: f, N: 1000}); n != 0 || ended || err != nil {
			t.Errorf("%s, and something around it: %d, %v, %v", network, n, ended, err)
		}
		for _, part := range []int64{1000, 1 << 40} { // the second one is longer than the file
			if n, ended, err := socket.SendFile(conn, &io.LimitedReader{R: f, N: part}); n != min(part,
				9000) || !ended || err != nil {
				t.Errorf("%s, a part of %d: %d, %v, %v", network, part, n, ended, err)
			}
		}
		conn.Close()
		if got, err := io.ReadAll(host); string(got) != string(want) || err != nil {
			t.Errorf("%s: %d bytes, %v, want %d", network, len(got), err, len(want))
		}
	}
}

// A first sendfile(2) that sends nothing does not say that the file is at its end: files of /proc
// have content all the same. The caller reads, and sees.
func TestTheSystemThatSendsNothingSaysNothingOfTheEnd(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, "/proc/self/status", "/proc/version",
		"/sys/kernel/mm/transparent_hugepage/enabled"} {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		defer f.Close()
		conn, host := connect(t, "tcp")
		src := &io.LimitedReader{R: f, N: 1 << 20}
		n, ended, err := socket.SendFile(conn, src)
		if err != nil || n == 0 && ended {
			t.Errorf("%s: %d, %v, %v", path, n, ended, err)
		}
		if !ended { // what a server does then
			if _, err := io.Copy(struct{ io.Writer }{conn}, src); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		conn.Close()
		got, err := io.ReadAll(host)
		if (len(got) > 0) != (path != empty) || err != nil {
			t.Errorf("%s: %d bytes arrive, %v", path, len(got), err)
		}
	}
}
