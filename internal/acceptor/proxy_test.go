package acceptor_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway/internal/proxyprotocol"
)

const header = "PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n"

// A named is a connection from a proxy.
type named struct{ net.Conn }

func (named) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

// Read has the error of a socket that is closed.
func (c named) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.ErrClosedPipe {
		err = net.ErrClosed
	}
	return n, err
}

// behindProxy is inBubble with the PROXY protocol from the connections that connect makes.
func behindProxy(t *testing.T, limit int, f func(b *bubble, connect func() net.Conn)) {
	t.Helper()
	inBubble(t, limit, func(b *bubble) {
		l := &proxyprotocol.Listener{Listener: newListener(), Peers: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
		done := make(chan error, 1)
		go func() { done <- b.serveOn(l, limit) }()
		f(b, func() net.Conn {
			ours, theirs := net.Pipe()
			l.Listener.(*listener).next <- named{theirs}
			return ours
		})
		b.s.Close()
		<-done
	})
}

// A proxy that sends its header slowly keeps no other connection waiting, and its connection is
// closed in the end.
func TestASlowHeaderKeepsNobodyWaiting(t *testing.T) {
	behindProxy(t, 10, func(b *bubble, connect func() net.Conn) {
		begun := time.Now()
		slow := connect()
		go slow.Write([]byte(header[:10]))
		quick := connect()
		quick.Write([]byte(header))
		c := <-b.conns
		if time.Since(begun) != 0 || c.RemoteAddr().String() != "203.0.113.9:1234" ||
			c.LocalAddr().String() != "198.51.100.1:443" {
			t.Errorf("after %v: %v at %v", time.Since(begun), c.RemoteAddr(), c.LocalAddr())
		}
		if _, isBare := c.Conn.(named); !isBare || c.Conn.RemoteAddr().String() != "192.0.2.1:1" {
			t.Errorf("the connection inside is a %T", c.Conn)
		}
		if _, err := slow.Read(make([]byte, 1)); err == nil || time.Since(begun) != proxyprotocol.Timeout {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		synctest.Wait()
		if got := b.log.String(); strings.Count(got, "\n") != 1 ||
			!strings.HasPrefix(got, "gateway: no PROXY header from 192.0.2.1:1, and its connection is closed: ") {
			t.Errorf("the log is %q", got)
		}
		c.Close()
	})
}

// A connection with a wrong header never reaches the server's protocol, and gives its place back.
func TestAWrongHeaderIsOneLineInTheLog(t *testing.T) {
	for sent, want := range map[string]string{
		"GET / HTTP/1.1\r\n": "begins with something else", header[:20]: "unexpected EOF",
		"PROXY TCP9 1 2 3 4\r\n": "malformed", "": "",
	} {
		behindProxy(t, 1, func(b *bubble, connect func() net.Conn) {
			peer := connect()
			if sent != "" {
				peer.Write([]byte(sent))
			}
			peer.Close()
			good := connect()
			good.Write([]byte(header))
			(<-b.conns).Close() // it has the only place
			got := b.log.String()
			if want == "" && got != "" || !strings.Contains(got, want) || strings.Count(got, "\n") > 1 {
				t.Errorf("%q: the log is %q", sent, got)
			}
		})
	}
}

// A server that stops does not wait for a header for longer than for a request.
func TestShutdownDuringAHeader(t *testing.T) {
	behindProxy(t, 10, func(b *bubble, connect func() net.Conn) {
		peer := connect()
		synctest.Wait()
		begun := time.Now()
		if err := b.s.Shutdown(context.Background()); err != nil || time.Since(begun) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if !isClosed(peer) || b.log.Len() > 0 {
			t.Errorf("the connection is open, or the log is %q", b.log.String())
		}
	})
}
