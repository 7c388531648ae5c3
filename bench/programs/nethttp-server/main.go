// A hello under net/http and over FastCGI, once as an application and once as a http.Handler. The
// argument says which. The server prints its address, and for each line on stdin the CPU time that
// it has used, in nanoseconds; it ends with stdin.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	netfcgi "net/http/fcgi"
	"os"
	"syscall"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/nethttp"
)

const hello = "Hello World !\n"

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func application(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text(hello), err
}

func handler(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, hello)
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	go func() {
		switch os.Args[1] {
		case "http-gateway":
			err = http.Serve(l, nethttp.Handler(gateway.ApplicationFunc(application)))
		case "http-plain":
			err = http.Serve(l, http.HandlerFunc(handler))
		case "http-both":
			err = http.Serve(l, nethttp.Handler(nethttp.Application(http.HandlerFunc(handler))))
		case "fcgi-gateway":
			err = fcgi.Serve(l, nethttp.Application(http.HandlerFunc(handler)))
		case "fcgi-plain":
			err = netfcgi.Serve(l, http.HandlerFunc(handler))
		}
		log.Fatal(err)
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			log.Fatal(err)
		}
		fmt.Println(usage.Utime.Nano() + usage.Stime.Nano())
	}
}
