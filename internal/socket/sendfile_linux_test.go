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
