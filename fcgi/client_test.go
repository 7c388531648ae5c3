package fcgi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

// The types of records, flags and statuses of the FastCGI 1.0 specification, 8, written down a
// second time: a test that took them from the package would agree with any mistake there.
const (
	beginRequest    = 1
	abortRequest    = 2
	endRequest      = 3
	paramsRecord    = 4
	stdinRecord     = 5
	stdoutRecord    = 6
	stderrRecord    = 7
	getValues       = 9
	getValuesResult = 10
	unknownType     = 11

	responder  = 1
	authorizer = 2
	filter     = 3

	keepConn = 1

	requestComplete = 0
	overloaded      = 2
	unknownRole     = 3
)

// patience is how long a test waits for what must come: much longer than it takes on a busy machine.
const patience = 20 * time.Second

// rec returns a record with padding that must not be looked at.
func rec(kind byte, id uint16, content string, padding ...int) string {
	pad := 0
	if len(padding) > 0 {
		pad = padding[0]
	}
	if len(content) > 0xFFFF || pad > 0xFF {
		panic("no such record")
	}
	return string([]byte{1, kind, byte(id >> 8), byte(id), byte(len(content) >> 8), byte(len(content)), byte(pad), 0xEE}) +
		content + strings.Repeat("\xEE", pad)
}

func begin(id uint16, role int, flags byte) string {
	return rec(beginRequest, id, string([]byte{0, byte(role), flags, 0, 0, 0, 0, 0}))
}

// stream returns the records of a stream, of at most size bytes each, and its end.
func stream(kind byte, id uint16, content string, size, padding int) string {
	var b strings.Builder
	for content != "" {
		n := min(size, len(content))
		b.WriteString(rec(kind, id, content[:n], padding))
		content = content[n:]
	}
	return b.String() + rec(kind, id, "", padding)
}

// pairs encodes names and values.
func pairs(list ...string) string {
	var b []byte
	for i := 0; i < len(list); i += 2 {
		for _, s := range list[i : i+2] {
			if len(s) < 128 {
				b = append(b, byte(len(s)))
			} else {
				b = binary.BigEndian.AppendUint32(b, uint32(len(s))|1<<31)
			}
		}
		b = append(b, list[i]+list[i+1]...)
	}
	return string(b)
}

// get returns a request without a body.
func get(id uint16, path string, more ...string) string {
	return request(id, keepConn, "GET", path, "", more...)
}

// request returns a whole request. A body goes with its length, unless more says otherwise.
func request(id uint16, flags byte, method, path, body string, more ...string) string {
	return head(id, flags, method, path, append([]string{"CONTENT_LENGTH", fmt.Sprint(len(body))}, more...)...) +
		stream(stdinRecord, id, body, 32768, 3)
}

// head returns a request up to its parameters.
func head(id uint16, flags byte, method, path string, more ...string) string {
	list := map[string]string{}
	order := []string{}
	for _, l := range [][]string{{"REQUEST_METHOD", method, "PATH_INFO", path, "SERVER_PROTOCOL", "HTTP/1.1", "SERVER_NAME", "localhost", "SERVER_PORT", "80"}, more} {
		for i := 0; i < len(l); i += 2 {
			if _, found := list[l[i]]; !found {
				order = append(order, l[i])
			}
			list[l[i]] = l[i+1]
		}
	}
	var flat []string
	for _, name := range order {
		flat = append(flat, name, list[name])
	}
	return begin(id, responder, flags) + stream(paramsRecord, id, pairs(flat...), 32768, 0)
}

// An answer is what has come for a request.
type answer struct {
	stdout, stderr string
	stdoutEnds     int
	ends           int
	status         byte // the protocol status of END_REQUEST
	appStatus      uint32
}

// body returns what comes after the head.
func (a *answer) body() string {
	_, body, found := strings.Cut(a.stdout, "\r\n\r\n")
	if !found {
		return "no head: " + a.stdout
	}
	return body
}

func (a *answer) line(name string) string {
	for line := range strings.SplitSeq(a.stdout, "\r\n") {
		if value, found := strings.CutPrefix(line, name+": "); found {
			return value
		} else if line == "" {
			break
		}
	}
	return ""
}

// A client is a host: one connection to the server.
type client struct {
	t    testing.TB
	conn net.Conn
	br   *bufio.Reader

	farewell bool // an empty record of STDERR may come behind END_REQUEST

	// Of what was read.
	answers   map[uint16]*answer
	values    []string // contents of GET_VALUES_RESULT
	farewells int      // empty records of STDERR behind END_REQUEST
	unknown   []byte   // types that UNKNOWN_TYPE named
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, br: bufio.NewReader(conn), answers: map[uint16]*answer{}}
}

// send sends all at once; the server may end the connection first.
func (c *client) send(parts ...string) {
	c.t.Helper()
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.conn, strings.Join(parts, "")); errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("the server does not take what it is sent")
	}
}

// sendAside is send on a goroutine, for what may be more than fits between the two.
func (c *client) sendAside(parts ...string) {
	go func() { _, _ = io.WriteString(c.conn, strings.Join(parts, "")) }()
}

// record reads one record and adds it to what came.
func (c *client) record() error {
	var h [8]byte
	if _, err := io.ReadFull(c.br, h[:]); err != nil {
		return err
	}
	content := make([]byte, int(h[4])<<8+int(h[5])+int(h[6]))
	if _, err := io.ReadFull(c.br, content); err != nil {
		return fmt.Errorf("in a record: %w", err)
	}
	if h[0] != 1 {
		return fmt.Errorf("record of version %d", h[0])
	}
	content = content[:len(content)-int(h[6])]
	id := binary.BigEndian.Uint16(h[2:])
	if id == 0 {
		switch {
		case h[1] == getValuesResult:
			c.values = append(c.values, string(content))
		case h[1] == unknownType && len(content) == 8:
			c.unknown = append(c.unknown, content[0])
		default:
			return fmt.Errorf("management record of type %d: %q", h[1], content)
		}
		return nil
	}
	a := c.answer(id)
	if c.farewell && h[1] == stderrRecord && len(content) == 0 {
		c.farewells++
		return nil
	}
	if a.ends > 0 {
		return fmt.Errorf("record of type %d for the request %d after its END_REQUEST: %q", h[1], id, content)
	}
	switch h[1] {
	case stdoutRecord:
		switch {
		case a.stdoutEnds > 0:
			return fmt.Errorf("STDOUT after its end: %q", content)
		case len(content) == 0:
			a.stdoutEnds++
		}
		a.stdout += string(content)
	case stderrRecord:
		if len(content) == 0 {
			return errors.New("end of a STDERR that goes on")
		}
		a.stderr += string(content)
	case endRequest:
		if len(content) != 8 {
			return fmt.Errorf("END_REQUEST of %d bytes", len(content))
		}
		a.ends++
		a.appStatus, a.status = binary.BigEndian.Uint32(content), content[4]
	default:
		return fmt.Errorf("record of type %d", h[1])
	}
	return nil
}

func (c *client) answer(id uint16) *answer {
	if c.answers[id] == nil {
		c.answers[id] = new(answer)
	}
	return c.answers[id]
}

// until reads until what is wanted has come.
func (c *client) until(what string, enough func() bool) {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	for !enough() {
		if err := c.record(); err != nil {
			c.t.Fatalf("waiting for %s: %v; so far %s", what, err, c.all())
		}
	}
}

func (c *client) all() string {
	var b strings.Builder
	for id, a := range c.answers {
		fmt.Fprintf(&b, "%d: %.300q, stderr %.300q, %d ends; ", id, a.stdout, a.stderr, a.ends)
	}
	return b.String()
}

// read reads the answer to a request, and forgets it, so that the id can be used again.
func (c *client) read(id uint16) *answer {
	c.t.Helper()
	c.until(fmt.Sprintf("the end of request %d", id), func() bool { return c.answer(id).ends > 0 })
	a := c.answers[id]
	delete(c.answers, id)
	return a
}

// roundTrip sends a request and reads the answer.
func (c *client) roundTrip(id uint16, request string) *answer {
	c.t.Helper()
	c.send(request)
	return c.read(id)
}

// end reads to the end of the connection and returns how it ended: nil if cleanly.
func (c *client) end() error {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		err := c.record()
		switch {
		case err == nil:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.t.Fatalf("the connection does not end; so far %s", c.all())
		case err == io.EOF:
			return nil
		}
		return err
	}
}

// silent checks that nothing comes for a moment. A server that is slow passes: it can only be too
// lenient.
func (c *client) silent() {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if err := c.record(); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("something came (%v): %s %q", err, c.all(), c.values)
	}
}

// A site is a server under test with its listener.
type site struct {
	t      testing.TB
	server *fcgi.Server
	addr   net.Addr
	log    *safeBuffer
	done   chan error
}

// serve serves on a Unix socket until the test ends, which must leave no goroutine.
func serve(t testing.TB, app gateway.ApplicationFunc, set ...func(*fcgi.Server)) *site {
	t.Helper()
	return serveOn(t, listenUnix(t), app, set...)
}

func listenUnix(t testing.TB) net.Listener {
	t.Helper()
	dir, err := os.MkdirTemp("", "fcgi") // t.TempDir is too long for the address of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func listenTCP(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func serveOn(t testing.TB, l net.Listener, app gateway.ApplicationFunc, set ...func(*fcgi.Server)) *site {
	t.Helper()
	s := &site{t: t, addr: l.Addr(), log: new(safeBuffer), done: make(chan error, 1)}
	s.server = &fcgi.Server{Application: app, ErrorLog: log.New(s.log, "", 0)}
	for _, f := range set {
		f(s.server)
	}
	go func() { s.done <- s.server.Serve(l) }()
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		select {
		case err := <-s.done:
			if !errors.Is(err, gateway.ErrShutdown) {
				t.Errorf("Serve returned %v, want ErrShutdown", err)
			}
		case <-time.After(patience):
			t.Error("Serve does not return")
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			t.Errorf("connections are left: %v", err)
		}
		if sites--; sites == 0 { // cleanups of one test, which run one after the other
			checkGoroutines(t)
		}
	})
	sites++
	return s
}

// sites is how many are open. No test of this package is parallel: its goroutines would be
// another's leak.
var sites int

// checkGoroutines checks that no goroutine of the package is left.
func checkGoroutines(t testing.TB) {
	t.Helper()
	var left string
	for stop := time.Now().Add(patience); time.Now().Before(stop); time.Sleep(time.Millisecond) {
		if left = goroutines(); left == "" {
			return
		}
	}
	t.Errorf("goroutines are left:\n%s", left)
}

func stacks() string {
	buf := make([]byte, 4<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

func goroutines() string {
	var left []string
	for g := range strings.SplitSeq(stacks(), "\n\n") {
		if strings.Contains(g, "gateway/fcgi.(*") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// dial connects a client.
func (s *site) dial() *client {
	s.t.Helper()
	conn, err := net.Dial(s.addr.Network(), s.addr.String())
	if err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, conn)
}

// A safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text("Hello World !\n"), err
}

// echo answers with the path and the body.
func echo(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	body, err := io.ReadAll(env.Input)
	status := "200 OK"
	if err != nil {
		status = "400 " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	_, err = start(status, plain, nil)
	return gateway.Text(env.Vars["PATH_INFO"] + " " + string(body)), err
}

// wait waits for a channel.
func wait[T any](t testing.TB, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s does not come\n%s", what, goroutines())
	}
	return v
}

// discard is for servers whose applications fail on purpose.
var discard = log.New(io.Discard, "", 0)
