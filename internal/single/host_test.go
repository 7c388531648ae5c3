package single_test

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
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/backend"
	"example.com/gateway/internal/testhost"
	"example.com/gateway/scgi"
	"example.com/gateway/uwsgi"
)

// A protocol is one that single serves. Every test is for all of them.
type protocol struct {
	name   string
	server func(app gateway.Application, l backend.Limits, errorLog *log.Logger) server
	encode func(vars [][2]string) string
	ok     string // how a response begins
}

type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

var protocols = []protocol{
	{"scgi", func(app gateway.Application, l backend.Limits, errorLog *log.Logger) server {
		return &scgi.Server{Application: app, MaxConns: l.MaxConns, MaxRequests: l.MaxRequests, MaxHeaderBytes: l.MaxHeaderBytes,
			MaxHeaders: l.MaxHeaders, MaxBodyBytes: l.MaxBodyBytes, ReadHeaderTimeout: l.ReadHeaderTimeout,
			ReadTimeout: l.ReadTimeout, WriteTimeout: l.WriteTimeout, ErrorLog: errorLog}
	}, func(vars [][2]string) string {
		var b strings.Builder
		for _, v := range vars {
			b.WriteString(v[0] + "\x00" + v[1] + "\x00")
		}
		return fmt.Sprintf("%d:%s,", b.Len(), b.String())
	}, "Status: 200 OK\r\n"},
	{"uwsgi", func(app gateway.Application, l backend.Limits, errorLog *log.Logger) server {
		return &uwsgi.Server{Application: app, MaxConns: l.MaxConns, MaxRequests: l.MaxRequests, MaxHeaderBytes: l.MaxHeaderBytes,
			MaxHeaders: l.MaxHeaders, MaxBodyBytes: l.MaxBodyBytes, ReadHeaderTimeout: l.ReadHeaderTimeout,
			ReadTimeout: l.ReadTimeout, WriteTimeout: l.WriteTimeout, ErrorLog: errorLog}
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

// request is what a host sends before the body. A variable of extra replaces one of the usual ones; a value of "-" leaves it out.
func (p *protocol) request(length string, extra ...string) string {
	vars := [][2]string{{"CONTENT_LENGTH", length}, {"SCGI", "1"}, {"REQUEST_METHOD", "POST"}, {"SERVER_PROTOCOL", "HTTP/1.1"},
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

// A running is a server that runs until the end of the test.
type running struct {
	t    *testing.T
	p    *protocol
	s    server
	addr net.Addr
	log  *buffer
}

func (p *protocol) start(t *testing.T, network string, l backend.Limits, app gateway.ApplicationFunc) *running {
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

// ask sends a request as it is, and returns the whole answer.
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

// answers checks that the server is well.
func (r *running) answers(path string) {
	r.t.Helper()
	if got := r.ask(r.p.request("0", "PATH_INFO", path)); !strings.HasPrefix(got, r.p.ok) {
		r.t.Errorf("%s: another request gets %.200q", r.p.name, got)
	}
}

// body returns what comes after the head.
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
