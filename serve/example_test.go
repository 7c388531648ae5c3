package serve_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
	"example.com/gateway/request"
	"example.com/gateway/serve"
)

func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
	return gateway.Text("Hello World !\n"), err
}

// The whole program.
func ExampleRun() {
	if err := serve.Run(gateway.ApplicationFunc(hello)); err != nil {
		log.Fatal(err)
	}
}

// A program with a flag, which the environment stands in for, and limits of its own:
//
//	app -listen fcgi:unix:/run/app/app.sock?mode=0660
func ExampleServer() {
	server := serve.Server{
		Application: gateway.ApplicationFunc(hello),
		Limits:      request.Limits{MaxBodyBytes: 10 << 20, ReadTimeout: 10 * time.Second},
		ErrorLog:    log.New(os.Stderr, "app: ", log.LstdFlags|log.LUTC),
	}
	flag.StringVar(&server.Gateway, "listen", "",
		"`protocol:socket` to serve, such as http:tcp:127.0.0.1:8080; without it, what the environment says")
	flag.Parse()
	if err := server.Run(); err != nil {
		log.Fatal(err)
	}
}

// An HTTP server behind a load balancer of TCP. REMOTE_ADDR is the load balancer's client.
func ExampleProxyProtocol() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &nethttp.Server{Application: gateway.ApplicationFunc(
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
			return gateway.Text("you are " + env.Vars["REMOTE_ADDR"]), err
		})}
	go server.Serve(serve.ProxyProtocol(l, netip.MustParsePrefix("127.0.0.1/32")))
	defer server.Close()

	conn, err := net.Dial("tcp", l.Addr().String()) // as the load balancer does
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PROXY TCP4 203.0.113.9 198.51.100.1 56324 80\r\n"+"GET / HTTP/1.0\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, answer.Body)
	// Output:
	// you are 203.0.113.9
}
