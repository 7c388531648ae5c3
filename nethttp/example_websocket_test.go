package nethttp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

// A WebSocket beside an application: a ServeMux hands its path to a handler that takes the
// connection over. Below [nethttp.Application] the same handler finds no connection.
func Example_webSocket() {
	app := gateway.ApplicationFunc(
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return start.Answer(
				200,
				gateway.Headers{{"Content-Type", "text/plain"}},
				gateway.Text("Hello World !\n"),
			)
		},
	)
	chat := func(w http.ResponseWriter, r *http.Request) { // of a WebSocket library, in a program
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotImplemented)
			return
		}
		defer conn.Close()
		io.WriteString(
			conn,
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /chat", chat)     // takes the connection over
	mux.Handle("/", nethttp.Handler(app)) // gets all else
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second}

	below := &http.Server{Handler: nethttp.Handler(nethttp.Application(mux))}
	for _, server := range []*http.Server{server, below} {
		s := httptest.NewUnstartedServer(nil)
		s.Config = server
		s.Start()
		fmt.Println(
			firstLine(s.Listener.Addr().String(), "/"),
			"|",
			firstLine(s.Listener.Addr().String(), "/chat"),
		)
		s.Close()
	}
	// Output:
	// HTTP/1.1 200 OK | HTTP/1.1 101 Switching Protocols
	// HTTP/1.1 200 OK | HTTP/1.1 501 Not Implemented
}

// firstLine asks for a WebSocket, and returns the first line of the answer.
func firstLine(address, path string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	fmt.Fprintf(
		conn,
		"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		path,
		address,
	)
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}
