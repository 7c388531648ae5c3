// The server of the FastCGI figures: a hello behind gateway/fcgi, net/http/fcgi or plain net/http,
// as the first argument says, on the Unix socket that the second names. For each line on stdin it
// says what it has used so far; the end of stdin ends it.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	nhfcgi "net/http/fcgi"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/request"
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Text("Hello World !\n"), err
}

func helloHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", "14")
	io.WriteString(w, "Hello World !\n")
}

func main() {
	l, err := net.Listen("unix", os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		switch os.Args[1] {
		case "gateway":
			err = (&fcgi.Server{Application: gateway.ApplicationFunc(hello), Limits: request.Limits{MaxConns: 20000}}).Serve(l)
		case "fcgi":
			err = nhfcgi.Serve(l, http.HandlerFunc(helloHTTP))
		default:
			err = http.Serve(l, http.HandlerFunc(helloHTTP))
		}
		log.Fatal(err)
	}()
	for in := bufio.NewReader(os.Stdin); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "collect") {
			debug.FreeOSMemory()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			log.Fatal(err)
		}
		fmt.Println(usage.Utime.Nano()+usage.Stime.Nano(), m.Mallocs, m.TotalAlloc, m.HeapInuse+m.StackInuse, resident())
	}
}

// resident returns the memory that the process has now, or 0 where that cannot be told.
func resident() (bytes int64) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size int64
	if _, err := fmt.Sscan(string(b), &size, &bytes); err != nil {
		return 0
	}
	return bytes * int64(os.Getpagesize())
}
