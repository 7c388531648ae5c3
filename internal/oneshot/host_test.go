package oneshot_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/testhost"
	"example.com/gateway/request"
	"example.com/gateway/scgi"
	"example.com/gateway/uwsgi"
)

// A protocol is one of those that a Server serves. Every test is for all of them.
type protocol struct {
	name   string
	server func(app gateway.Application, l request.Limits, errorLog *log.Logger) server
	encode func(vars [][2]string) string
	ok     string // how a response begins
}

type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

var protocols = []protocol{
	{"scgi", func(app gateway.Application, l request.Limits, errorLog *log.Logger) server {
		return &scgi.Server{Application: app, Limits: l, ErrorLog: errorLog}
	}, func(vars [][2]string) string {
		var b strings.Builder
		for _, v := range vars {
			b.WriteString(v[0] + "\x00" + v[1] + "\x00")
		}
		return fmt.Sprintf("%d:%s,", b.Len(), b.String())
	}, "Status: 200 OK\r\n"},
	{"uwsgi", func(app gateway.Application, l request.Limits, errorLog *log.Logger) server {
		return &uwsgi.Server{Application: app, Limits: l, ErrorLog: errorLog}
	}, func(vars [][2]string) string {
		b := make([]byte, 4)
		for _, v := range vars {
			for _, s := range v {
				b = append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
			}
		}
		binary.LittleEndian.PutUint16(b[1:], uint16(len(b)-4))
		return string(b)
	}, "HTTP/1.1 200 OK\r\n"},
}

// request returns the bytes that a host sends before the body. The variables of extra are added to
// the usual ones. With the value "-" a usual one is left out instead.
func (p *protocol) request(length string, extra ...string) string {
	vars := [][2]string{{"CONTENT_LENGTH", length}, {"SCGI", "1"}, {"REQUEST_METHOD", "POST"},
		{"SERVER_PROTOCOL", "HTTP/1.1"},
		{"PATH_INFO", "/"}}
	usual := len(vars)
next:
	for i := 0; i < len(extra); i += 2 {
		for j := range vars[:usual] {
			if vars[j][0] == extra[i] && extra[i+1] == "-" {
				vars[j][0] = "X_" + vars[j][0]
				continue next
			}
		}
		vars = append(vars, [2]string{extra[i], extra[i+1]})
	}
	return p.encode(vars)
}

func each(t *testing.T, f func(t *testing.T, p *protocol)) {
	t.Helper()
	t.Parallel()
	for i := range protocols {
		t.Run(protocols[i].name, func(t *testing.T) {
			t.Parallel()
			f(t, &protocols[i])
		})
	}
}

// A running is a server of one protocol that runs until the end of the test.
type running struct {
	t    *testing.T
	p    *protocol
	s    server
	addr net.Addr
	log  *buffer
}

func (p *protocol) start(t *testing.T, network string, l request.Limits, app gateway.ApplicationFunc) *running {
	t.Helper()
	r := &running{t: t, p: p, log: new(buffer)}
	r.s = p.server(app, l, log.New(r.log, "", 0))
	r.addr = testhost.Backend(t, r.s, network)
	return r
}

func (r *running) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial(r.addr.Network(), r.addr.String())
	if err != nil {
		r.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	r.t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a request and returns the whole answer.
func (r *running) ask(request string) string {
	r.t.Helper()
	c := r.dial()
	defer c.Close()
	go io.WriteString(c, request)
	b, err := io.ReadAll(c)
	if err != nil {
		r.t.Errorf("%s: %v after %.200q", r.p.name, err, b)
	}
	return string(b)
}

// answers checks that the server still answers.
func (r *running) answers(path string) {
	r.t.Helper()
	if got := r.ask(r.p.request("0", "PATH_INFO", path)); !strings.HasPrefix(got, r.p.ok) {
		r.t.Errorf("%s: another request gets %.200q", r.p.name, got)
	}
}

// body returns an answer without its head.
func body(answer string) string {
	_, rest, _ := strings.Cut(answer, "\r\n\r\n")
	return rest
}

// readHead reads the head of an answer.
func readHead(t *testing.T, c io.Reader) *bufio.Reader {
	t.Helper()
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%v in the head, after %q", err, line)
		}
		if line == "\r\n" {
			return r
		}
	}
}

// A buffer may be written to and read at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func ok(start gateway.StartResponse, body gateway.Body) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return body, err
}

// hello reads nothing of the request's body.
func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return ok(start, gateway.Text("hello"))
}

// echo answers with the request's body.
func echo(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	b, err := io.ReadAll(env.Input)
	if err != nil {
		return nil, err
	}
	return ok(start, gateway.Text(string(b)))
}

// A pipeListener accepts the connections that a test gives it. They are pipes, with which synctest
// works.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

// A bubble is a server in a bubble of synctest, where time passes when all goroutines wait. It ends
// only when all goroutines have ended: no test can leave one behind.
type bubble struct {
	t     *testing.T
	p     *protocol
	host  net.Conn
	begun time.Time
	log   *buffer
}

func inBubble(t *testing.T, l request.Limits, app gateway.ApplicationFunc, f func(b *bubble)) {
	t.Helper()
	for i := range protocols {
		synctest.Test(t, func(t *testing.T) {
			p := &protocols[i]
			listener := &pipeListener{make(chan net.Conn), make(chan struct{})}
			b := &bubble{t: t, p: p, begun: time.Now(), log: new(buffer)}
			s := p.server(app, l, log.New(b.log, "", 0))
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(listener) }()
			host, conn := net.Pipe()
			listener.conns <- conn
			b.host = host
			f(b)
			host.Close()
			synctest.Wait()
			s.Close()
			<-ended
		})
	}
}

// trickle sends s byte by byte, one each interval, until that fails.
func (b *bubble) trickle(s string, interval time.Duration) (sent int) {
	for i := range len(s) {
		time.Sleep(interval)
		if _, err := io.WriteString(b.host, s[i:i+1]); err != nil {
			break
		}
		sent++
	}
	return sent
}

// A narrow listener's connections hold little: a host that reads slowly is felt soon.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(16 << 10)
	}
	return c, err
}

// startNarrow is start with a narrow listener.
func (p *protocol) startNarrow(t *testing.T, network string, l request.Limits, app gateway.ApplicationFunc) *running {
	t.Helper()
	r := &running{t: t, p: p, log: new(buffer)}
	r.s = p.server(app, l, log.New(r.log, "", 0))
	r.addr = testhost.Backend(t, wrapped{r.s}, network)
	return r
}

type wrapped struct{ server }

func (w wrapped) Serve(l net.Listener) error { return w.server.Serve(narrow{l}) }

// readSlowly reads to the end, size bytes each interval. When it is late, on a busy machine, it
// also reads the bytes that it has missed.
func readSlowly(c net.Conn, size int, interval time.Duration) (all []byte, err error) {
	begun := time.Now()
	for ; ; time.Sleep(interval) {
		n := max(size, int(time.Since(begun)/interval+1)*size-len(all))
		b := make([]byte, n)
		n, err := io.ReadFull(c, b)
		all = append(all, b[:n]...)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// numbered is text of which no part is like another.
func numbered(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}
