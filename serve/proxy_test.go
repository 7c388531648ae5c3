package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/nethttp"
	"example.com/gateway/scgi"
	"example.com/gateway/serve"
	"example.com/gateway/uwsgi"
)

// A server is any of the four.
type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

func servers(app gateway.Application, logger *log.Logger) map[string]server {
	return map[string]server{
		"http":  &nethttp.Server{Application: app, ErrorLog: logger},
		"fcgi":  &fcgi.Server{Application: app, ErrorLog: logger},
		"scgi":  &scgi.Server{Application: app, ErrorLog: logger},
		"uwsgi": &uwsgi.Server{Application: app, ErrorLog: logger},
	}
}

// requests are for /file, over each protocol.
var requests = map[string]string{
	"http": "GET /file HTTP/1.0\r\n\r\n",
	"fcgi": "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" +
		"\x01\x04\x00\x01\x00\x23\x00\x00\x0E\x03REQUEST_METHODGET\x09\x05PATH_INFO/file" +
		"\x01\x04\x00\x01\x00\x00\x00\x00\x01\x05\x00\x01\x00\x00\x00\x00",
	"scgi":  "59:CONTENT_LENGTH\x000\x00SCGI\x001\x00REQUEST_METHOD\x00GET\x00PATH_INFO\x00/file\x00,",
	"uwsgi": "\x00\x27\x00\x00\x0E\x00REQUEST_METHOD\x03\x00GET\x09\x00PATH_INFO\x05\x00/file",
}

// Behind the header each server works as without one: it gets the request, and sends a file that
// is larger than any buffer.
func TestEveryServerBehindTheProxyProtocol(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	name := t.TempDir() + "/file"
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		v := env.Vars
		client := strings.Join([]string{v["REMOTE_ADDR"], v["REMOTE_PORT"], v["SERVER_NAME"], v["SERVER_PORT"]}, " ")
		_, err = start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}, {"Content-Length", fmt.Sprint(size)},
			{"X-Client", client}}, nil)
		return gateway.Reader(file, 32<<10), err
	})
	const (
		line  = "PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n"
		block = "\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x27\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09" +
			"\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x04\xD2\x01\xBB\x04\xFF\xFF"
		local  = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
		nobody = "10.255.255.255"
	)
	for _, c := range []struct {
		peer, header, client string // client is "" if there is no answer
	}{
		{"127.0.0.1", line, "203.0.113.9 1234 198.51.100.1 443"},
		{"127.0.0.1", block, "2001:db8::9 1234 [2001:db8::1] 443"},
		{"127.0.0.1", local, "127.0.0.1"},
		{"127.0.0.1", "", ""},
		{"127.0.0.1", line[:len(line)-1], ""},
		{nobody, "", "127.0.0.1"},
		{nobody, line, ""},
		{nobody, block, ""},
	} {
		var logged safeBuffer
		for protocol, server := range servers(app, log.New(&logged, "", 0)) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				done <- server.Serve(serve.ProxyProtocol(l, netip.MustParsePrefix(c.peer+"/32")))
			}()
			answer := exchange(t, l.Addr().String(), c.header+requests[protocol], protocol != "http")
			if err := server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := <-done; !errors.Is(err, gateway.ErrShutdown) {
				t.Error(err)
			}
			isAnswered := strings.Contains(answer, "X-Client: ")
			if isAnswered != (c.client != "") || isAnswered && strings.Count(answer,
				"0123456789abcdef") < size/16-size/65535 {
				t.Errorf("%s, %q from %s: %d bytes, %.300q", protocol, c.header, c.peer, len(answer), answer)
			}
			if protocol == "http" && c.client != "" && !strings.Contains(answer, "X-Client: "+c.client) {
				t.Errorf("%q from %s: %.300q, want %s", c.header, c.peer, answer, c.client)
			}
		}
		count := 0
		for l := range strings.Lines(logged.String()) {
			if strings.HasPrefix(l, "gateway: no PROXY header from 127.0.0.1:") {
				count++
			}
		}
		if isWrong := c.peer != nobody && c.client == ""; isWrong != (count == len(requests)) {
			t.Errorf("%q from %s: logged %q", c.header, c.peer, logged.String())
		}
	}
}

// exchange sends a request and returns all that comes. A reset ends it too. ends says that the
// client sends nothing more: to an HTTP server that has left.
func exchange(t *testing.T, address, sent string, ends bool) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.WriteString(conn, sent); err != nil {
		return ""
	}
	if ends {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	answer, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	return string(answer)
}

// A safeBuffer is a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
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
