//go:build interop && linux

package interop

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/gateway/interop/internal/process"
)

// patience is how long anything may take. A request that takes longer hangs.
const patience = process.Patience

// hostTimeout is how long Apache is told to wait for a program. Its default is 60 s.
const hostTimeout = 3 * time.Second

// A request is what goes over the wire: net/http's client would correct it.
type request struct {
	method string   // GET if it is empty
	path   string   // what follows the script's name
	fields []string // header lines besides Host and Connection
	body   []byte   // has a Content-Length if it is not nil
	keep   bool     // the connection may be kept
}

func (s *site) head(r request) string {
	method := r.method
	if method == "" {
		method = "GET"
	}
	head := method + " " + s.script + r.path + " HTTP/1.1\r\nHost: localhost:" + s.port + "\r\n"
	if !r.keep {
		head += "Connection: close\r\n"
	}
	for _, field := range r.fields {
		head += field + "\r\n"
	}
	if r.body != nil {
		head += "Content-Length: " + strconv.Itoa(len(r.body)) + "\r\n"
	}
	return head + "\r\n"
}

// A response is what came back.
type response struct {
	code   int
	line   int // the code in the status line, where Python's server has something else
	header http.Header
	body   []byte
	err    error // of the body: it is not whole
}

// do sends a request, reads the answer while it sends, and fails the test if there is none.
func (s *site) do(t *testing.T, r request) *response {
	t.Helper()
	answer, err := s.try(r)
	if err != nil {
		t.Fatalf("%s: %s %s: %v", s.name, r.method, r.path, err)
	}
	return answer
}

func (s *site) try(r request) (*response, error) {
	c, err := s.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(c, s.head(r))
		_, _ = c.Write(r.body) // a host may refuse it
	}()
	answer, err := c.answer(r.method)
	if err != nil {
		return nil, err
	}
	answer.body, answer.err = io.ReadAll(c.body)
	_ = c.Close()
	<-sent
	return answer, nil
}

// A conn is a client's connection to a host. All that is done with it fails when patience has run out.
type conn struct {
	*net.TCPConn
	r    *bufio.Reader
	body io.Reader // of the answer
}

func (s *site) dial() (*conn, error) {
	c, err := net.DialTimeout("tcp", s.address(), patience)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return &conn{TCPConn: c.(*net.TCPConn), r: bufio.NewReader(c)}, nil
}

// connect dials, and closes the connection when the test ends.
func (s *site) connect(t *testing.T) *conn {
	t.Helper()
	c, err := s.dial()
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (c *conn) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads the head of the answer. The body is for the caller to read.
func (c *conn) answer(method string) (*response, error) {
	for {
		res, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		c.body = res.Body
		code := res.StatusCode
		if res.Status == "200 Script output follows" { // the program's own is among the headers
			code, _ = strconv.Atoi(res.Header.Get("Status")[:3])
		}
		return &response{code: code, line: res.StatusCode, header: res.Header}, nil
	}
}

// line reads a line of the answer's body.
func (c *conn) line() string {
	var b strings.Builder
	one := make([]byte, 1)
	for {
		n, err := c.body.Read(one)
		b.Write(one[:n])
		switch {
		case n == 1 && one[0] == '\n':
			return b.String()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return b.String() + "(nothing more)"
		case err != nil:
			return b.String() + "(" + err.Error() + ")"
		}
	}
}

// reset closes the connection so that the host cannot but notice.
func (c *conn) reset() error {
	_ = c.SetLinger(0)
	return c.Close()
}
