package fcgi

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
)

// ends returns the two ends of a connection: of a pipe, which has no sendfile(2), or of a socket.
func ends(t *testing.T, network string) (ours, theirs net.Conn) {
	if network == "pipe" {
		return net.Pipe()
	}
	l, err := net.Listen(network,
		map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")}[network])
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// What is left of a record whose write has failed would be read as the header of the next.
func TestAWriteThatFailsEndsTheConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	c := new(conn)
	c.out.init(ours, 0)
	_ = ours.SetWriteDeadline(time.Unix(1, 0))
	if err := c.write(appendEnd(nil, 1, 0)); !errors.Is(err, gateway.ErrDisconnected) {
		t.Errorf("write returned %v", err)
	}
	_ = theirs.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the host reads %d bytes, %v, want the end", n, err)
	}
}

// A file that is cut when the header of its record has gone ends the connection. Nothing that was
// not read fills the record up.
func TestAFileThatEndsWithinARecordEndsTheConnection(t *testing.T) {
	for _, network := range []string{"pipe", "unix", "tcp"} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(strings.Repeat("x", 400)), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ours, theirs := ends(t, network)
		defer theirs.Close()
		got := make(chan string)
		go func() {
			b, _ := io.ReadAll(theirs)
			got <- string(b)
		}()
		c := new(conn)
		c.out.init(ours, 0)
		r := &call{c: c, id: 1}
		if n, err := c.writeFile(r, f, 1000); n != 400 || err != io.ErrUnexpectedEOF {
			t.Errorf("%s: writeFile returned %d, %v, want 400 and ErrUnexpectedEOF", network, n, err)
		}
		if want := "\x01\x06\x00\x01\x03\xe8\x00\x00" + strings.Repeat("x", 400); <-got != want {
			t.Errorf("%s: other bytes came than the header of 1000 bytes and the 400 that there are", network)
		}
		if err := c.writeFor(r, appendEnd(nil, 1, 0), nil, true); !errors.Is(err, gateway.ErrDisconnected) {
			t.Errorf("%s: the connection goes on: %v", network, err)
		}
	}
}
