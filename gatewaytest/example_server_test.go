package gatewaytest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/request"
)

// serveToy is a whole HTTP server. It reads a request, and writes a response. The rules of the
// contract are in gateway.Respond, and those of a safe Environ are in package request. For the open
// Internet the server lacks limits and deadlines.
func serveToy(l net.Listener, app gateway.Application) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go serveConn(conn.(*net.TCPConn), app)
	}
}

// serveConn serves one request and closes the connection.
func serveConn(conn *net.TCPConn, app gateway.Application) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		return
	}
	if req.Header.Get("Expect") == "100-continue" && req.ProtoAtLeast(1, 1) {
		io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	env := &gateway.Environ{Errors: io.Discard, Multithread: true}
	length, err := variables(req, conn).Finish(env)
	if err != nil {
		app = request.Refuse(err)
	}
	body := request.NewBody(req.Body, length, request.NoLimit)
	env.Input = body
	gateway.Respond(app, env, &toyTransport{bufio.NewWriter(client{conn}), conn})
	// A client that is still sending would get a reset, and no response.
	body.Drain(request.DrainBytes, request.DrainTime)
}

// variables returns what the server and the client say of the request.
func variables(req *http.Request, conn net.Conn) *request.Builder {
	host, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	peer, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	b := new(request.Builder)
	for name, value := range map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SOFTWARE": "toy/1", "SERVER_NAME": host, "SERVER_PORT": port,
		"SERVER_PROTOCOL": req.Proto, "REMOTE_ADDR": peer, "REQUEST_METHOD": req.Method, "REQUEST_URI": req.RequestURI,
		"PATH_INFO": req.URL.Path, "QUERY_STRING": req.URL.RawQuery, "HTTP_HOST": req.Host,
	} {
		b.Add(name, value) // Finish returns the error, if there is one
	}
	for name, values := range req.Header {
		for _, value := range values {
			b.AddHeader(name, value)
		}
	}
	return b
}

// A toyTransport is a bufio.Writer with the two methods of a Transport that a bufio.Writer lacks.
type toyTransport struct {
	*bufio.Writer
	conn *net.TCPConn
}

func (t *toyTransport) WriteHead(status string, headers gateway.Headers) error {
	fmt.Fprintf(t, "HTTP/1.1 %s\r\nConnection: close\r\n", status)
	for name, value := range headers.All() {
		fmt.Fprintf(t, "%s: %s\r\n", name, value)
	}
	if headers.Get("Date") == "" {
		fmt.Fprintf(t, "Date: %s\r\n", time.Now().UTC().Format(http.TimeFormat))
	}
	_, err := t.WriteString("\r\n") // a bufio.Writer keeps its first error
	return err
}

// End ends the response with the connection: cleanly, or with a reset, which tells the client that
// the response is cut off.
func (t *toyTransport) End(whole bool) error {
	if !whole {
		t.conn.SetLinger(0)
		return t.conn.Close()
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return t.conn.CloseWrite()
}

// A client is a connection. If its Write fails, the client has left.
type client struct{ net.Conn }

func (c client) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, request.Disconnected(err)
}

// testToyServer is the body of TestToyServer. The test itself is in another file: go doc shows the
// whole file of an example only if no test is in the file.
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

// This is a whole server: an Environ, a Transport and a call of gateway.Respond. testToyServer
// proves that the server keeps the rules.
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
