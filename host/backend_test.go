package host

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// patience is how long a test waits for what is to happen at once.
const patience = 20 * time.Second

// A backend is a server whose connections a test serves by hand.
type backend struct {
	t       testing.TB
	l       net.Listener
	address []string
	wg      sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // that were accepted
}

// newBackend starts a server until the end of the test. serve gets each connection, with its number
// from 0 on, and the connection is closed when serve returns.
func newBackend(t testing.TB, network string, serve func(c net.Conn, n int)) *backend {
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{t: t, l: l, address: []string{nameOf(l.Addr())}}
	b.wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			b.mu.Lock()
			b.conns = append(b.conns, c)
			b.mu.Unlock()
			b.wg.Go(func() {
				defer c.Close()
				serve(c, n)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		b.mu.Lock()
		for _, c := range b.conns {
			c.Close()
		}
		b.mu.Unlock()
		b.wg.Wait()
		awaitNothing(t)
	})
	return b
}

// accepted returns how many connections there were.
func (b *backend) accepted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

// awaitNothing fails the test if a goroutine of an exchange does not end.
func awaitNothing(t testing.TB) {
	t.Helper()
	var stacks string
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(time.Millisecond) {
		buf := make([]byte, 1<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "host.(*exchange).") &&
			!strings.Contains(stacks, "Session).") {
			return
		}
	}
	t.Errorf("a goroutine is left behind:\n%s", stacks)
}

// The records of FastCGI, in words of their own: package fastcgi is not to be proven by itself.
const (
	beginRequest = 1
	abortRequest = 2
	endRequest   = 3
	params       = 4
	stdin        = 5
	stdout       = 6
	stderr       = 7
)

// rec returns a record.
func rec(kind byte, id uint16, content string, padding ...int) string {
	pad := 0
	if len(padding) > 0 {
		pad = padding[0]
	}
	return string([]byte{1, kind, byte(id >> 8), byte(id), byte(len(content) >> 8),
		byte(len(content)), byte(pad), 0xEE}) + content + strings.Repeat("\xEE", pad)
}

// end returns END_REQUEST.
func end(id uint16, app uint32, protocol byte) string {
	return rec(endRequest, id, string(binary.BigEndian.AppendUint32(nil,
		app))+string([]byte{protocol, 0xEE, 0xEE, 0xEE}))
}

// page returns a whole answer.
func page(id uint16, body string) string {
	return rec(stdout, id, "Content-Type: text/plain\r\n\r\n"+body) + rec(stdout, id, "") +
		end(id, 0, 0)
}

// A fcgiRequest is what has come of a request.
type fcgiRequest struct {
	id      uint16
	keep    bool
	vars    map[string]string
	body    string
	records []int // the sizes of PARAMS
	aborted bool
}

// readHead reads a request up to the end of its parameters.
func readFCGIHead(r *bufio.Reader) (q fcgiRequest, err error) {
	q.vars = map[string]string{}
	for {
		kind, id, content, err := readRecord(r)
		if err != nil {
			return q, err
		}
		switch {
		case kind == beginRequest && q.id == 0 && len(content) == 8 && content[:2] == "\x00\x01":
			q.id, q.keep = id, content[2] == 1
		case kind == params && id == q.id && content == "":
			return q, nil
		case kind == params && id == q.id:
			q.records = append(q.records, len(content))
			for content != "" { // whole pairs, or it panics
				n, rest := readSize(content)
				v, rest := readSize(rest)
				q.vars[rest[:n]] = rest[n : n+v]
				content = rest[n+v:]
			}
		default:
			return q, fmt.Errorf("a record of type %d, id %d, %q", kind, id, content)
		}
	}
}

func readSize(s string) (int, string) {
	if s[0] < 0x80 {
		return int(s[0]), s[1:]
	}
	return int(binary.BigEndian.Uint32([]byte(s)) & 0x7FFFFFFF), s[4:]
}

func readRecord(r *bufio.Reader) (kind byte, id uint16, content string, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, "", err
	}
	if head[0] != 1 {
		return 0, 0, "", fmt.Errorf("no record: %q", head)
	}
	b := make([]byte, int(binary.BigEndian.Uint16(head[4:]))+int(head[6]))
	_, err = io.ReadFull(r, b)
	return head[1], binary.BigEndian.Uint16(head[2:]), string(b[:len(b)-int(head[6])]), err
}

// readFCGI reads a request to its end.
func readFCGI(r *bufio.Reader) (q fcgiRequest, err error) {
	if q, err = readFCGIHead(r); err != nil {
		return q, err
	}
	var body strings.Builder
	for {
		kind, id, content, err := readRecord(r)
		q.body = body.String()
		switch {
		case err != nil:
			return q, err
		case kind == abortRequest && id == q.id:
			q.aborted = true
			return q, nil
		case kind != stdin || id != q.id:
			return q, fmt.Errorf("a record of type %d, id %d, %q", kind, id, content)
		case content == "":
			return q, nil
		}
		body.WriteString(content)
	}
}

// answering returns a serve that reads requests and answers each by answer.
func answering(t testing.TB, answer func(q fcgiRequest, n int) string) func(c net.Conn, n int) {
	return func(c net.Conn, n int) {
		r := bufio.NewReader(c)
		for {
			q, err := readFCGI(r)
			if err != nil {
				return
			}
			if _, err := io.WriteString(c, answer(q, n)); err != nil || !q.keep {
				return
			}
		}
	}
}

// get requests a page.
func get(app gateway.Application) *gatewaytest.Response {
	return gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/", nil))
}

// post requests a page with a body.
func post(app gateway.Application, body string) *gatewaytest.Response {
	return gatewaytest.Record(app, gatewaytest.NewEnviron("POST", "/", strings.NewReader(body)))
}
