package socket_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/gateway/internal/socket"
)

// connect returns the two ends of a connection.
func connect(t *testing.T, network string) (ours, theirs net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// An upper conn is more than the socket that it embeds.
type upper struct{ net.Conn }

func (u upper) Read(p []byte) (int, error) {
	n, err := u.Conn.Read(p)
	copy(p, strings.ToUpper(string(p[:n])))
	return n, err
}

func (u upper) Write(p []byte) (int, error) {
	return u.Conn.Write([]byte(strings.ToUpper(string(p))))
}

// An upperTCP has the other methods of its socket too.
type upperTCP struct{ *net.TCPConn }

func (u upperTCP) Read(p []byte) (int, error)  { return upper{u.TCPConn}.Read(p) }
func (u upperTCP) Write(p []byte) (int, error) { return upper{u.TCPConn}.Write(p) }

func TestReaderAndWriter(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 1<<20)
	for name, test := range map[string]struct {
		network string
		around  func(net.Conn) net.Conn
		shout   bool
	}{
		"tcp":                   {"tcp", func(c net.Conn) net.Conn { return c }, false},
		"unix":                  {"unix", func(c net.Conn) net.Conn { return c }, false},
		"a type around it":      {"unix", func(c net.Conn) net.Conn { return upper{c} }, true},
		"a type that embeds it": {"tcp", func(c net.Conn) net.Conn { return upperTCP{c.(*net.TCPConn)} }, true},
		"a Conn and no more":    {"tcp", func(c net.Conn) net.Conn { return struct{ net.Conn }{c} }, false},
	} {
		ours, theirs := connect(t, test.network)
		_ = theirs.SetDeadline(time.Now().Add(20 * time.Second)) // a test that fails ends
		var r socket.Reader
		var w socket.Writer
		r.Init(test.around(ours))
		w.Init(test.around(ours))
		said := func(s string) string {
			if test.shout {
				return strings.ToUpper(s)
			}
			return s
		}

		if _, err := io.WriteString(theirs, "question"); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		if n, err := r.Read(buf[:0]); n != 0 || err != nil {
			t.Errorf("%s: a read of nothing: %d, %v", name, n, err)
		}
		if n, err := io.ReadFull(&r, buf[:8]); string(buf[:n]) != said("question") || err != nil {
			t.Errorf("%s: read %q, %v", name, buf[:n], err)
		}
		for _, write := range []func() (int, error){
			func() (int, error) { return w.WriteMore([]byte("a")) },
			func() (int, error) { return w.Write([]byte("b")) },
			func() (int, error) { n, err := w.WriteBuffers(&net.Buffers{[]byte("c")}); return int(n), err },
		} {
			if n, err := write(); n != 1 || err != nil {
				t.Errorf("%s: wrote %d, %v", name, n, err)
			}
		}
		if n, err := io.ReadFull(theirs, buf[:3]); string(buf[:n]) != said("abc") || err != nil {
			t.Errorf("%s: %q came, %v", name, buf[:n], err)
		}

		// After a deadline the caller goes on where it was.
		_ = ours.SetReadDeadline(time.Unix(1, 0))
		if n, err := r.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: read after the deadline: %d, %v", name, n, err)
		}
		_ = ours.SetReadDeadline(time.Time{})
		_ = ours.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)) // 0 are sent if that is over already
		sent, err := w.Write([]byte(text))
		if sent < 0 || sent >= len(text) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: a write to a peer that does not read: %d, %v", name, sent, err)
		}
		_ = ours.SetWriteDeadline(time.Time{})
		done := make(chan error, 1)
		go func() {
			_, err := w.Write([]byte(text[sent:]))
			done <- err
		}()
		got := make([]byte, len(text))
		if _, err := io.ReadFull(theirs, got); err != nil || string(got) != text {
			t.Errorf("%s: the bytes that came are not those that were sent, %v", name, err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: the rest: %v", name, err)
		}

		// The end.
		theirs.Close()
		if n, err := r.Read(buf); n != 0 || err != io.EOF {
			t.Errorf("%s: read at the end: %d, %v", name, n, err)
		}
		for err = nil; err == nil; {
			_, err = w.Write([]byte(text))
		}
		if errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: a write to a peer that has gone: %v", name, err)
		}
		ours.Close()
		if n, err := r.Read(buf); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: a read of a closed connection: %d, %v", name, n, err)
		}
		if n, err := w.Write(buf); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: a write to a closed connection: %d, %v", name, n, err)
		}
	}
}

func TestWhatDoesNotWait(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		ours, theirs := connect(t, network)
		_ = theirs.SetDeadline(time.Now().Add(20 * time.Second)) // a test that fails ends
		var r socket.Reader
		var w socket.Writer
		r.Init(ours)
		w.Init(ours)
		isSocket := socket.Raw(ours) != nil
		if !r.IsQuiet() {
			t.Errorf("%s: nothing has come, and it is not quiet", network)
		}
		if n, err := w.WriteNow([]byte("hello")); err != nil || n != 5 && isSocket {
			t.Errorf("%s: %d bytes, %v", network, n, err)
		}
		large := make([]byte, 64<<20)
		if n, err := w.WriteNow(large); err != nil || n == len(large) || n == 0 && isSocket {
			t.Errorf("%s: of %d bytes %d, %v", network, len(large), n, err)
		}
		if _, err := theirs.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		awaitNoise(t, &r, isSocket)
		theirs.Close()
		awaitNoise(t, &r, isSocket)
		ours.Close()
		if _, err := w.WriteNow([]byte("hello")); isSocket && !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: closed: %v", network, err)
		}
		if isSocket && r.IsQuiet() {
			t.Errorf("%s: closed, and quiet", network)
		}
		r.Init(struct{ net.Conn }{ours})
		w.Init(struct{ net.Conn }{ours})
		if n, err := w.WriteNow([]byte("hello")); !r.IsQuiet() || n != 0 || err != nil {
			t.Errorf("%s: no socket, and %d bytes, %v", network, n, err)
		}
	}
}

// awaitNoise waits until r is not quiet.
func awaitNoise(t *testing.T, r *socket.Reader, isSocket bool) {
	t.Helper()
	for begin := time.Now(); isSocket && r.IsQuiet(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatal("it stays quiet")
		}
	}
}
