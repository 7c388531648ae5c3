package gatewaytest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// serveToy is a whole web server. It has a wire format and a connection's life, one request each, and no rule of the
// specification: all those are in gateway.Respond. What it lacks for the open Internet is limits and deadlines.
func serveToy(l net.Listener, app gateway.Application) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go serveConn(conn.(*net.TCPConn), app)
	}
}

func serveConn(conn *net.TCPConn, app gateway.Application) {
	whole := false
	defer func() {
		if !whole { // the client must be able to tell: it gets a reset, and no end
			_ = conn.SetLinger(0)
		}
		_ = conn.Close()
	}()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		whole = true
		return
	}
	if req.Header.Get("Expect") == "100-continue" && req.ProtoAtLeast(1, 1) {
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	err = gateway.Respond(app, toyEnviron(conn, req), &toyTransport{conn: conn})
	whole = !errors.Is(err, gateway.ErrBroken)
	_, _ = io.Copy(io.Discard, io.LimitReader(req.Body, 64<<20)) // or the client gets a reset while it is still sending
}

func toyEnviron(conn net.Conn, req *http.Request) *gateway.Environ {
	host, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	client, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	vars := map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SOFTWARE": "toy/1", "SERVER_PROTOCOL": req.Proto,
		"SERVER_NAME": host, "SERVER_PORT": port, "REMOTE_ADDR": client, "HTTP_HOST": req.Host,
		"REQUEST_METHOD": req.Method, "REQUEST_URI": req.RequestURI, "PATH_INFO": req.URL.Path, "QUERY_STRING": req.URL.RawQuery,
		"CONTENT_TYPE": req.Header.Get("Content-Type"), "CONTENT_LENGTH": req.Header.Get("Content-Length"),
	}
	for name, values := range req.Header {
		switch {
		case name == "Proxy", name == "Content-Type", name == "Content-Length", strings.ContainsAny(name, "_ "):
		case name == "Cookie":
			vars["HTTP_COOKIE"] = strings.Join(values, "; ")
		default:
			vars["HTTP_"+strings.ReplaceAll(strings.ToUpper(name), "-", "_")] = strings.Join(values, ", ")
		}
	}
	return &gateway.Environ{Vars: vars, URLScheme: "http", Input: req.Body, Errors: io.Discard, Multithread: true}
}

// A toyTransport holds the head back until the first block, so that both leave in one packet.
type toyTransport struct {
	conn net.Conn
	head []byte
}

func (t *toyTransport) WriteHead(status string, headers gateway.Headers) error {
	t.head = fmt.Appendf(nil, "HTTP/1.1 %s\r\nConnection: close\r\n", status)
	for name, value := range headers.All() {
		t.head = fmt.Appendf(t.head, "%s: %s\r\n", name, value)
	}
	if headers.Get("Date") == "" {
		t.head = fmt.Appendf(t.head, "Date: %s\r\n", time.Now().UTC().Format(http.TimeFormat))
	}
	t.head = append(t.head, "\r\n"...)
	return nil
}

func (t *toyTransport) Write(block []byte) (int, error) {
	n, err := t.conn.Write(append(t.head, block...))
	n, t.head = max(0, n-len(t.head)), nil
	if err != nil {
		err = fmt.Errorf("%w: %w", gateway.ErrDisconnected, err)
	}
	return n, err
}

// testToyServer is TestToyServer(t), which must not have its full name in the file of an example: there go doc would show no
// more than the example itself.
func testToyServer(t *testing.T) {
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go serveToy(l, app)
		return "http://" + l.Addr().String()
	})
}

// A server is a Transport, an Environ and a call of gateway.Respond. That this one keeps the rules, testToyServer proves.
func ExampleTestServer() {
	hello := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text("Hello " + env.Vars["PATH_INFO"] + "\n"), err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go serveToy(l, gateway.ApplicationFunc(hello))

	resp, err := http.Get("http://" + l.Addr().String() + "/world")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, resp.Header.Get("Content-Length"))
	_, _ = io.Copy(os.Stdout, resp.Body)
	// Output:
	// 200 OK 13
	// Hello /world
}
