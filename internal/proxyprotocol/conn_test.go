package proxyprotocol

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A fake is one end of a net.Pipe with addresses.
type fake struct {
	net.Conn
	remote net.Addr
}

func (c fake) RemoteAddr() net.Addr { return c.remote }
func (c fake) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 80} }

// A queue is a listener whose connections a test makes.
type queue chan net.Conn

func (q queue) Accept() (net.Conn, error) {
	c, ok := <-q
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (q queue) Close() error   { return nil }
func (q queue) Addr() net.Addr { return &net.TCPAddr{} }

var peers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("fe80::/10")}

// accept returns what a Listener makes of a connection from an address, and the peer's end.
func accept(t *testing.T, remote net.Addr) (conn, peer net.Conn) {
	t.Helper()
	peer, ours := net.Pipe()
	q := make(queue, 1)
	q <- fake{ours, remote}
	conn, err := (&Listener{q, peers}).Accept() // which waits for no byte
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close(); conn.Close() })
	return conn, peer
}

var named = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000}

const line = "PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n"

func TestOnlyANamedPeerHasAHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		remote net.Addr
		want   bool
	}{
		{named, true},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7")}, true},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, true},
		{&net.UnixAddr{Name: "@", Net: "unix"}, true},
		{&net.TCPAddr{IP: net.IPv4(192, 0, 3, 1)}, false},
		{&net.TCPAddr{IP: net.IPv6loopback}, false},
		{&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1)}, false},
	} {
		conn, peer := accept(t, c.remote)
		go peer.Write([]byte(line + "rest"))
		want, addr := line, c.remote.String()
		if c.want {
			want, addr = "rest", "203.0.113.9:1234"
		}
		if got := conn.RemoteAddr().String(); got != addr {
			t.Errorf("%v: RemoteAddr is %s, want %s", c.remote, got, addr)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); string(got) != want || err != nil {
			t.Errorf("%v: read %q, %v", c.remote, got, err)
		}
	}
}

func TestAddressesAreThoseOfTheHeader(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		line:                        "203.0.113.9:1234 198.51.100.1:443",
		v2(0x21, 0x21, block6):      "[2001:db8::9]:1234 [2001:db8::1]:443",
		"PROXY UNKNOWN\r\n":         "192.0.2.1:40000 192.0.2.2:80",
		v2(0x20, 0x00, ""):          "192.0.2.1:40000 192.0.2.2:80",
		"GET / HTTP/1.1\r\n\r\n":    "192.0.2.1:40000 192.0.2.2:80",
		"PROXY TCP4 1.2.3.4 \r\n\r": "192.0.2.1:40000 192.0.2.2:80",
	} {
		conn, peer := accept(t, named)
		go peer.Write([]byte(header))
		if got := conn.LocalAddr(); got.String() != want[strings.Index(want, " ")+1:] {
			t.Errorf("%q: LocalAddr is %v, want %s", header, got, want)
		}
		if got := conn.RemoteAddr(); got.String() != want[:strings.Index(want, " ")] {
			t.Errorf("%q: RemoteAddr is %v, want %s", header, got, want)
		}
	}
}

// Nothing of what follows a wrong header reaches the server, and the peer finds the connection
// closed.
func TestAWrongHeaderClosesTheConnection(t *testing.T) {
	t.Parallel()
	conn, peer := accept(t, named)
	go peer.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	for range 2 {
		n, err := conn.Read(make([]byte, 100))
		var op *net.OpError
		if n != 0 || !errors.As(err, &op) || op.Op != "read" || !errors.Is(err, errNone) {
			t.Errorf("read %d bytes, %v", n, err)
		}
	}
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer reads %v", err)
	}
}

func TestAHeaderHasATimeLimitThatIsItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		conn, peer := accept(t, named)
		go peer.Write([]byte(line[:20]))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) ||
			time.Since(begun) != Timeout {
			t.Errorf("%v after %v", err, time.Since(begun))
		}

		// Once the header is there, there is no limit but the server's.
		conn, peer = accept(t, named)
		go func() {
			peer.Write([]byte(line))
			time.Sleep(time.Hour)
			peer.Write([]byte("x"))
		}()
		if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

func TestDeadlinesOfTheOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Before the header: the earlier deadline counts.
		begun := time.Now()
		conn, _ := accept(t, named)
		conn.SetDeadline(begun.Add(time.Second))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) ||
			time.Since(begun) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}

		begun = time.Now()
		conn, _ = accept(t, named)
		conn.SetReadDeadline(begun.Add(time.Hour))
		if _, err := conn.Read(make([]byte, 1)); err == nil || time.Since(begun) != Timeout {
			t.Errorf("%v after %v", err, time.Since(begun))
		}

		// A deadline that is set while the header is read ends the read, and one that was set stays.
		begun = time.Now()
		conn, peer := accept(t, named)
		time.AfterFunc(time.Second, func() { conn.SetReadDeadline(time.Now().Add(5 * time.Second)) })
		go func() {
			time.Sleep(2 * time.Second)
			peer.Write([]byte(line))
		}()
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) ||
			time.Since(begun) != 6*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// An http.Server of net/http is another's server: it gets the client's address, closes what has no
// header without an answer, and sends files.
func TestAnotherServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Client", r.RemoteAddr)
		http.ServeFile(w, r, file)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(&Listener{l, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	}()
	defer func() { server.Close(); <-done }()
	for header, want := range map[string]string{
		line:                 "X-Client: 203.0.113.9:1234\r\n",
		"PROXY TCP4 1.2\r\n": "",
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, header+"GET /file HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(c)
		c.Close()
		if want == "" && len(got) > 0 || !strings.Contains(string(got), want) ||
			want != "" && !strings.HasSuffix(string(got), "\r\n\r\ncontent") {
			t.Errorf("%q: %q", header, got)
		}
	}
}
