// The server of the figures with one connection for each request: a hello, a file down and a body
// up behind gateway/scgi, gateway/uwsgi, gateway/fcgi, nethttp.Handler or plain net/http, as the
// first argument says, on the Unix socket that the second names, and on the TCP address that it
// prints; the third is the file. For each line on stdin it says what it has used so far; the end of
// stdin ends it.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/nethttp"
	"example.com/gateway/scgi"
	"example.com/gateway/uwsgi"
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

func app(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	switch env.Vars["PATH_INFO"] {
	case "/down":
		f, err := os.Open(os.Args[3])
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err == nil {
			_, err = start("200 OK", plain.Append("Content-Length", strconv.FormatInt(info.Size(), 10)), nil)
		}
		return gateway.Reader(f, 64<<10), err
	case "/up":
		n, err := count(env.Input)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Text(n), err
	}
	_, err := start("200 OK", plain, nil)
	return gateway.Text("Hello World !\n"), err
}

func appHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	switch r.URL.Path {
	case "/down":
		f, err := os.Open(os.Args[3])
		if err != nil {
			panic(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10)) // else it goes out in chunks
		io.Copy(w, f)
	case "/up":
		n, err := count(r.Body)
		if err != nil {
			panic(err)
		}
		io.WriteString(w, n)
	default:
		w.Header().Set("Content-Length", "14")
		io.WriteString(w, "Hello World !\n")
	}
}

func count(r io.Reader) (string, error) {
	total := 0
	for block := make([]byte, 64<<10); ; {
		n, err := r.Read(block)
		if total += n; err == io.EOF {
			return strconv.Itoa(total), nil
		}
		if err != nil {
			return "", err
		}
	}
}

func main() {
	l, err := net.Listen("unix", os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tcp.Addr())
	for _, l := range []net.Listener{l, tcp} {
		go func() {
			var err error
			switch os.Args[1] {
			case "scgi":
				err = scgi.Serve(l, gateway.ApplicationFunc(app))
			case "uwsgi":
				err = uwsgi.Serve(l, gateway.ApplicationFunc(app))
			case "fcgi":
				err = fcgi.Serve(l, gateway.ApplicationFunc(app))
			case "handler":
				err = http.Serve(l, nethttp.Handler(gateway.ApplicationFunc(app)))
			default:
				err = http.Serve(l, http.HandlerFunc(appHTTP))
			}
			log.Fatal(err)
		}()
	}
	for in := bufio.NewReader(os.Stdin); ; {
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			log.Fatal(err)
		}
		fmt.Println(usage.Utime.Nano()+usage.Stime.Nano(), m.Mallocs, m.TotalAlloc, m.HeapInuse+m.StackInuse, 0)
	}
}
