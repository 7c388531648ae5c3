// Command bench measures gateway beside its peers and prints one table in Markdown:
//
//	cd bench && go run .
//
// It builds what it measures into a temporary directory, takes about a minute, and needs a Unix and
// Go; C and Python are measured if cc and python3 are there. Below the table it says which targets
// were met. What is measured:
//
//   - CGI start: a whole process, from fork to its end, that answers a request with 30 variables with the same bytes; only
//     net/http/cgi has its own order of headers. CPU is that of the process, in user and system mode.
//   - Respond: the engine on a transport that drops everything. It has no peer to be compared with: calling a http.Handler on a
//     http.ResponseWriter that drops everything runs the handler, and nothing of net/http.
//   - form: the query, the cookies and an upload of a browser, read by package form and by the standard library, in this process.
//   - CGI stream: a body of 1 GiB from a process and another to one, in blocks of 64 KiB. The time hangs on which cores the
//     kernel gives to the two ends of the pipe, more than on either end; it is the memory that counts.
//   - HTTP and FastCGI hello: what nethttp costs in both directions, in CPU time of the server, which has 8 clients with kept
//     connections. The time is the clients' whole time by their requests.
//   - FastCGI over a Unix socket: the same for fcgi beside net/http/fcgi and plain net/http, with the parameters of nginx; what
//     a kept connection holds, in the heap and stacks and of the process; and a request on one connection beside one on many.
//   - A connection for each request, over a Unix socket: SCGI and uwsgi beside FastCGI without keep-alive; and a file of 1 GiB
//     down and a body of 1 GiB up beside net/http.
//   - Behind nginx: the same three servers under wrk, over connections that nginx keeps. The time is the wall clock's, by the
//     number of requests. It is left out if nginx or wrk is not there.
//   - Package host: a CGI program in an HTTP server beside net/http/cgi, and behind nginx beside fcgiwrap; a page of PHP-FPM beside
//     nginx's own FastCGI and Caddy's, all under wrk with 8 clients; and what a stream through a CGI program takes of memory. The
//     CPU is that of the servers with their CGI programs, without PHP-FPM and nginx.
//   - Lambda: a warm invocation and a cold start beside aws-lambda-go with its adapter for function URLs, at a Runtime API in this
//     process. The CPU is that of the function's process.
//
// One round measures each variant once, in random order. A ratio is the median of the ratios within
// the rounds: what disturbs a round disturbs all of its parts. The flags set the number of rounds;
// 0 leaves a part out, and its targets.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	n := flag.Int("n", 500, "rounds of CGI starts")
	respondRounds := flag.Int("respond", 7, "rounds of Respond")
	formRounds := flag.Int("form", 7, "rounds of form")
	streamRounds := flag.Int("stream", 7, "rounds of CGI streams")
	bridgeRounds := flag.Int("bridge", 51, "rounds of nethttp")
	fcgiRounds := flag.Int("fcgi", 51, "rounds of fcgi")
	onceRounds := flag.Int("scgi", 51, "rounds of scgi and uwsgi; a third as many of their streams")
	nginxRounds := flag.Int("nginx", 7, "rounds of nginx, of 2 seconds for each variant")
	hostRounds := flag.Int("host", 7, "rounds of package host, of 2 seconds for each variant")
	lambdaRounds := flag.Int("lambda", 51, "rounds of Lambda, of 200 invocations and a start for each variant")
	size := flag.Int("size", 1<<30, "bytes of a stream")
	check := flag.Bool("check", false, "exit with 1 if a target is missed")
	flag.Parse()

	missed, err := measure(*n, *respondRounds, *formRounds, *streamRounds, *bridgeRounds,
		*fcgiRounds, *onceRounds, *nginxRounds, *hostRounds,
		*lambdaRounds, *size)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if *check && missed {
		os.Exit(1)
	}
}

func measure(n, respondRounds, formRounds, streamRounds, bridgeRounds, fcgiRounds, onceRounds, nginxRounds, hostRounds,
	lambdaRounds, size int) (missed bool, err error) {
	dir, err := os.MkdirTemp("", "gateway-bench")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)

	var t table
	fmt.Fprintln(os.Stderr, "bench: building")
	hellos, err := buildHellos(dir)
	if err != nil {
		return false, err
	}
	streams, err := buildStreams(dir)
	if err != nil {
		return false, err
	}
	// What is measured are other processes and short loops: collections of this one would only disturb.
	debug.SetGCPercent(-1)
	fmt.Fprintln(os.Stderr, "bench: CGI start,", n, "rounds")
	if err := measureStart(&t, hellos, n); err != nil {
		return false, err
	}
	runtime.GC()
	fmt.Fprintln(os.Stderr, "bench: CGI stream,", streamRounds, "rounds")
	if err := measureStreams(&t, streams, streamRounds, size); err != nil {
		return false, err
	}
	runtime.GC()
	fmt.Fprintln(os.Stderr, "bench: nethttp,", bridgeRounds, "rounds")
	if err := measureBridge(&t, dir, bridgeRounds, 250); err != nil {
		return false, err
	}
	fmt.Fprintln(os.Stderr, "bench: fcgi,", fcgiRounds, "rounds")
	if err := measurePersistent(&t, dir, fcgiRounds, 250, 10000); err != nil {
		return false, err
	}
	fmt.Fprintln(os.Stderr, "bench: scgi and uwsgi,", onceRounds, "rounds")
	if err := measureOnce(&t, dir, onceRounds, 100, (onceRounds+2)/3, size); err != nil {
		return false, err
	}
	fmt.Fprintln(os.Stderr, "bench: nginx,", nginxRounds, "rounds")
	if err := measureNginx(&t, dir, nginxRounds, 2); err != nil {
		return false, err
	}
	fmt.Fprintln(os.Stderr, "bench: host,", hostRounds, "rounds")
	if err := measureHost(&t, dir, hostRounds, 2, size); err != nil {
		return false, err
	}
	fmt.Fprintln(os.Stderr, "bench: lambda,", lambdaRounds, "rounds")
	if err := measureLambda(&t, dir, lambdaRounds, 200); err != nil {
		return false, err
	}
	debug.SetGCPercent(100) // here the collections belong to what is measured
	fmt.Fprintln(os.Stderr, "bench: Respond,", respondRounds, "rounds")
	if err := measureRespond(&t, respondRounds, "100ms"); err != nil {
		return false, err
	}
	fmt.Fprintln(os.Stderr, "bench: form,", formRounds, "rounds")
	if err := measureForm(&t, formRounds, int64(size), "100ms"); err != nil {
		return false, err
	}
	fmt.Println(machine())
	fmt.Println()
	return t.print(os.Stdout), nil
}

// machine says where and when the figures were taken.
func machine() string {
	cpu := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s, %s %s, %s", cpu, runtime.NumCPU(), runtime.GOOS, runtime.Version(), cgoState(),
		time.Now().Format("2006-01-02"))
}
