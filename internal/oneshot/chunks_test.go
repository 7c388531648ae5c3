package oneshot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/chunks"
	"example.com/gateway/request"
)

// uwsgiProtocol is the protocol whose host passes chunks on.
var uwsgiProtocol = &protocols[1]

// chunked returns what the host sends before the chunks of a body.
func chunked(extra ...string) string {
	return uwsgiProtocol.request("", append(extra, "HTTP_TRANSFER_ENCODING", "chunked")...)
}

// The application reads the data of the chunks, and learns that there were some, as from every
// server that has decoded a body.
func TestABodyInChunksIsDecoded(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		r := uwsgiProtocol.start(t, network, request.Limits{MaxBodyBytes: 10},
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				length, _ := env.ContentLength()
				b, err := io.ReadAll(env.Input)
				_, again := env.Input.Read(make([]byte, 1))
				return ok(start, gateway.Text(fmt.Sprintf("%q %v %v %d %v", b, err, again, length, request.IsChunked(env))))
			})
		tooLarge := request.ErrBodyTooLarge
		for _, c := range []struct{ in, want string }{
			{"5\r\nhello\r\n5\r\nworld\r\n0\r\nA: b\r\n\r\n", `"helloworld" <nil> EOF -1 true`},
			{"5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n", fmt.Sprintf(`"helloworld" %v %v -1 true`, tooLarge, tooLarge)},
			{"5\r\nhello\r\nx\r\n", fmt.Sprintf(`"hello" %v %v -1 true`, chunks.ErrMalformed, chunks.ErrMalformed)},
			{"0\r\n\r\n", `"" <nil> EOF -1 true`},
		} {
			if got := body(r.ask(chunked() + c.in)); got != c.want {
				t.Errorf("%q over %s: %s, want %s", c.in, network, got, c.want)
			}
		}
		c := r.dial() // a host that closes its half in the middle
		io.WriteString(c, chunked()+"5\r\nhello\r\n")
		c.(interface{ CloseWrite() error }).CloseWrite()
		answer, err := io.ReadAll(c)
		if got := body(string(answer)); got != `"hello" unexpected EOF unexpected EOF -1 true` || err != nil {
			t.Errorf("cut short over %s: %s, %v", network, got, err)
		}
		// A length wins: the host has counted the chunks.
		got := body(r.ask(uwsgiProtocol.request("5", "HTTP_TRANSFER_ENCODING", "chunked") + "hello"))
		if got != `"hello" <nil> EOF 5 true` {
			t.Errorf("with a length over %s: %s", network, got)
		}
		got = r.ask(uwsgiProtocol.request("", "HTTP_TRANSFER_ENCODING", "gzip, chunked") + "5\r\nhello\r\n0\r\n\r\n")
		if !strings.Contains(got, " 411 ") {
			t.Errorf("another coding over %s: %q", network, got)
		}
	}
}

// An answer that is given before the chunks were read arrives, and Done tells after them that the
// host is gone.
func TestTheEndOfABodyInChunks(t *testing.T) {
	t.Parallel()
	asked, cause := make(chan struct{}), make(chan error, 1)
	r := uwsgiProtocol.start(t, "tcp", request.Limits{},
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if env.Vars["PATH_INFO"] == "/done" {
				io.Copy(io.Discard, env.Input)
				done := env.Context().Done()
				asked <- struct{}{}
				<-done
				cause <- context.Cause(env.Context())
			}
			return ok(start, gateway.Text("hello"))
		})
	const part = "ffff\r\n"
	c := r.dial()
	io.WriteString(c, chunked())
	for range 100 {
		if _, err := io.WriteString(c, part+strings.Repeat("x", 0xffff)+"\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	io.WriteString(c, "0\r\n\r\n")
	c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(c); body(string(b)) != "hello" || err != nil {
		t.Errorf("the answer is %q, %v", b, err)
	}
	c = r.dial()
	io.WriteString(c, chunked("PATH_INFO", "-", "PATH_INFO", "/done")+"5\r\nhello\r\n0\r\n\r\n")
	<-asked
	select {
	case err := <-cause:
		t.Errorf("the Context has ended before: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	c.Close()
	if err := <-cause; !errors.Is(err, gateway.ErrDisconnected) {
		t.Errorf("the cause is %v", err)
	}
}
