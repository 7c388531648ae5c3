package gatewaytest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// A client is one connection to the server. It sends bytes rather than requests, so that it can
// lie.
type client struct {
	x      *exchange
	conn   *net.TCPConn
	br     *bufio.Reader
	body   io.Reader // of the response whose head was read
	code   int
	status string
	lines  string
	header http.Header
	close  bool // the server will close the connection
}

// dial connects to the server. All use of the connection has one deadline.
func (x *exchange) dial() *client {
	x.t.Helper()
	conn, err := net.DialTimeout("tcp", x.base.Host, patience)
	if err != nil {
		x.fatalf("no connection: %v", err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		x.fatalf("no deadline: %v", err)
	}
	c := &client{x: x, conn: conn.(*net.TCPConn), br: bufio.NewReader(conn)}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.clients = append(x.clients, c)
	return c
}

// get sends a GET request for a path under the base URL, and reads the whole response. header has
// lines like "Name: value".
func (x *exchange) get(path string, header ...string) *reply {
	x.t.Helper()
	return x.send("GET", path, "", header...)
}

// send sends a request and reads the whole response. A body that is not empty has its
// Content-Length.
func (x *exchange) send(method, path, body string, header ...string) *reply {
	x.t.Helper()
	return x.exchange(method, x.request(method, path, body, header...))
}

// exchange sends a request, which may be malformed, and reads the whole response.
func (x *exchange) exchange(method, request string) *reply {
	x.t.Helper()
	c := x.dial()
	defer c.leave()
	sent := c.send(request)
	r := c.reply(method)
	_ = c.conn.CloseWrite() // a server that drains the request's body may wait for its end
	<-sent
	return r
}

// request returns a request of HTTP/1.1, after which the server is to close the connection.
func (x *exchange) request(method, path, body string, header ...string) string {
	header = append(header, "Connection: close")
	if body != "" {
		header = append(header, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return x.head(method, path, header...) + body
}

// head returns the head of a request, after which the connection may be kept.
func (x *exchange) head(method, path string, header ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, x.target(path), x.base.Host)
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	return b.String() + "\r\n"
}

// prefix is the path of the base URL, encoded and without a slash at its end.
func (x *exchange) prefix() string { return strings.TrimSuffix(x.base.EscapedPath(), "/") }

// target is the request target for a path under the base URL.
func (x *exchange) target(path string) string { return x.prefix() + path }

// decodedPrefix is the prefix as SCRIPT_NAME has it.
func (x *exchange) decodedPrefix() string {
	s, err := url.PathUnescape(x.prefix())
	if err != nil {
		panic(err) // url.Parse has accepted the path
	}
	return s
}

// send sends on a goroutine: a server may answer before it has read all, and stop reading. The
// channel is closed when all is sent, or the server takes no more.
func (c *client) send(s string) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.WriteString(c.conn, s)
	}()
	return done
}

// leave closes the connection.
func (c *client) leave() { _ = c.conn.Close() }

// reset closes the connection so that the server notices at once, whatever is still on its way.
func (c *client) reset() {
	_ = c.conn.SetLinger(0)
	_ = c.conn.Close()
}

// readHead reads the head of a response. It returns an error if the connection ends before there is
// one.
func (c *client) readHead(method string) error {
	x := c.x
	x.t.Helper()
	var head strings.Builder
	for {
		line, err := c.br.ReadString('\n')
		head.WriteString(line)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				x.hang()
				x.fatalf("the server hangs: no answer within %v, only %s", patience, abridged(head.String()))
			}
			if s := head.String(); s != "" && !strings.HasPrefix("HTTP/1.", s[:min(len(s), 7)]) {
				x.fatalf("no HTTP response but %s", abridged(s))
			}
			return err
		}
		if head.Len() == len(line) && !strings.HasPrefix(line, "HTTP/1.") || head.Len() > 1<<20 {
			x.fatalf("no HTTP response but %s", abridged(head.String()))
		}
		if strings.TrimRight(line, "\r\n") == "" {
			break
		}
	}
	c.lines = head.String()
	c.br = bufio.NewReader(io.MultiReader(strings.NewReader(c.lines), c.br))
	r, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		x.fatalf("no HTTP response (%v) but %s", err, abridged(c.lines))
	}
	if r.StatusCode/100 == 1 {
		return c.readHead(method) // after an interim response
	}
	c.body, c.code, c.status, c.header, c.close = r.Body, r.StatusCode, r.Status, r.Header, r.Close
	return nil
}

// next waits for the next bytes of the body, and reports whether they are want.
func (c *client) next(want string) bool {
	c.x.t.Helper()
	if c.body == nil {
		if err := c.readHead("GET"); err != nil {
			c.x.errorf("no answer: %v", err)
			return false
		}
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.body, got)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.x.hang()
	}
	if string(got[:n]) != want {
		c.x.errorf("of the body came %s and the error %v, want %s", abridged(got[:n]), err, abridged(want))
		return false
	}
	return true
}

// reply reads the whole response, or the rest of it, and then to the end of the connection.
func (c *client) reply(method string) *reply {
	x := c.x
	x.t.Helper()
	r := c.replyKept(method)
	if r.broken != nil {
		return r
	}
	extra, err := io.ReadAll(c.br)
	r.extra = string(extra)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.hang()
		x.fatalf("the server hangs: it did not close the connection within %v, as the client asked for", patience)
	}
	return r
}

// replyKept reads the whole response, or the rest of it, and leaves the connection open.
func (c *client) replyKept(method string) *reply {
	x := c.x
	x.t.Helper()
	if c.body == nil {
		if err := c.readHead(method); err != nil {
			return &reply{status: "no status", header: http.Header{}, broken: fmt.Errorf("no answer: %w", err)}
		}
	}
	body, err := io.ReadAll(c.body)
	c.body = nil
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.hang()
		x.fatalf("the server hangs: after %v the body has not ended; so far it is %s", patience, abridged(body))
	}
	return &reply{c.code, c.status, c.lines, c.header, string(body), err, ""}
}
