// Package serve runs an application in the way for which its process was started: as a CGI program,
// over FastCGI, SCGI or uwsgi behind a web server, on AWS Lambda, or as an HTTP server. The same
// binary can be deployed anywhere:
//
//	func main() {
//		if err := serve.Run(app); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// docs/deployment.md has configurations for web servers, and docs/client.md says who is the client
// behind each. docs/shared-hosting.md has the steps for a web host, and docs/limits.md all limits.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"example.com/gateway"
	"example.com/gateway/cgi"
	"example.com/gateway/fcgi"
	"example.com/gateway/internal/startup"
	"example.com/gateway/lambda"
	"example.com/gateway/nethttp"
	"example.com/gateway/request"
	"example.com/gateway/scgi"
	"example.com/gateway/uwsgi"
)

// Run serves app until the process is told to stop. The first of these that holds decides how:
//
//  1. The environment variable GATEWAY names a protocol and a socket, as below.
//  2. Stdin is a listening socket. Run serves FastCGI on it: Apache's mod_fcgid, lighttpd and
//     spawn-fcgi start programs so.
//  3. LISTEN_PID is the number of this process, and LISTEN_FDS says how many sockets were passed to
//     it, as systemd does. LISTEN_FDNAMES names the protocol of each: fcgi, scgi, uwsgi or http. A
//     socket with any other name, or none, is for HTTP.
//  4. REQUEST_METHOD is set. Run serves one request as a CGI program.
//  5. AWS_LAMBDA_RUNTIME_API is set, as AWS Lambda does. Run serves the function's events.
//  6. FUNCTIONS_CUSTOMHANDLER_PORT (Azure Functions) or HTTP_PLATFORM_PORT (HttpPlatformHandler of
//     IIS) is set. Run serves HTTP at that port of 127.0.0.1.
//  7. PORT is set. Run serves HTTP at that port, on all interfaces.
//  8. Otherwise Run serves HTTP on 127.0.0.1:8000.
//
// Under WASI, and in JavaScript, there are no sockets. Run always serves one request as a CGI
// program there, and returns an error if GATEWAY names a socket.
//
// GATEWAY is "cgi"; "lambda", or "lambda:stream" for responses that leave block by block, as the
// configuration of the function must say too; or "fcgi", "scgi", "uwsgi" or "http" followed by a
// socket:
//
//   - ":tcp:host:port", where no host is all interfaces, and 0 any free port;
//   - ":unix:/path/of/the.sock", where Run makes a Unix socket with mode 0600. "?mode=0660" behind
//     the path is for a web server that runs as another user of the group. If there is a socket
//     already, Run replaces it when nobody listens on it, and returns an error otherwise;
//   - ":fd:number", a listening socket that the process was started with as that file. 0 is stdin.
//
// "?proxy=10.0.0.0/8,192.0.2.1" behind a socket of TCP names load balancers that speak the PROXY
// protocol. Behind a Unix socket it is "?proxy=unix", and "&" goes between two options.
// [ProxyProtocol] says what that means.
//
// A variable that is empty counts as none. For a variable that makes no sense Run returns an error,
// and does not try the next way.
//
// On stderr Run says what it serves, where, and why. As a CGI program it says nothing there.
//
// On SIGINT, SIGTERM or SIGHUP, Run stops accepting and waits for the requests that are going on,
// for Server.Grace: 30 seconds. When that time has passed, or on a second signal, Run ends their
// contexts with gateway.ErrShutdown, gives the applications 2 seconds to return, and then closes the
// connections that are left. On a third signal the process ends as it would without Run. SIGINT and SIGHUP stay
// ignored in a process that was started so, as a shell does for a job in the background and nohup
// for its command. As a CGI program, Run is [cgi.Run], with its treatment of signals.
//
// A restart loses no request if the listening socket outlives the process: with systemd's socket
// activation, or a supervisor that passes the socket as stdin. The old process then finishes its
// requests while the new one accepts. Behind Apache with enablereuse=on, and behind HAProxy, which
// keep connections and do not know that one of them is about to end, a request in some ten thousand
// may still get a 503 at that moment. HAProxy sends it again with retry-on empty-response.
//
// Limits and timeouts are the defaults of [fcgi.Server], [scgi.Server], [uwsgi.Server],
// [lambda.Server] and [nethttp.Server]. For others, and for a program with flags of its own, use a
// [Server].
//
// Run returns nil when all applications have returned, also if their contexts had to be ended: Run
// says so on stderr. It returns an error if connections had to be closed, if it cannot listen, or if
// the variables make no sense.
func Run(app gateway.Application) error { return (&Server{Application: app}).Run() }

// A Server serves an application as the function [Run] does, with settings of the program's own.
type Server struct {
	// Application is called for each request. It must not be nil.
	Application gateway.Application

	// Gateway says how to serve, in the words of the variable GATEWAY: "fcgi:unix:/run/app.sock",
	// for example. Then Run looks at no variable, nor at stdin. "" leaves the decision to the
	// environment. It is made for a flag whose default is "".
	Gateway string

	// Limits has limits and timeouts. A CGI program has none: those of its web server are in force.
	request.Limits

	// Grace is how long Run waits for the requests that are going on when it is told to stop: 30
	// seconds. With a negative number Run ends their contexts at once. A program whose streams have
	// no end wants less, and so does a program under Docker, which kills it after 10 seconds unless
	// it is told otherwise. systemd waits for 90.
	Grace time.Duration

	// ErrorLog gets the entries of Environ.Errors, and what goes wrong outside of requests. nil is
	// the standard logger. A CGI program writes to stderr instead.
	ErrorLog *log.Logger
}

// Run is the function [Run] with the settings of s. A process has one Run at a time, since signals
// are for the process.
func (s *Server) Run() error {
	if s.Application == nil {
		return errors.New("serve: Server.Application is nil: set it to the application to serve")
	}
	p := process{
		gateway:     s.Gateway,
		env:         os.Getenv,
		pid:         os.Getpid(),
		isListening: isListening,
		noSockets:   runtime.GOOS == "wasip1" || runtime.GOOS == "js",
	}
	ways, err := p.decide()
	if err != nil {
		return err
	}
	if ways[0].protocol == "cgi" {
		return cgi.Run(s.Application)
	}
	return s.serve(ways)
}

const (
	defaultGrace = 30 * time.Second

	// moment is how long applications get to notice that their contexts have ended, and once more
	// to notice that their connections were closed. Without it, a body's Close might not run.
	moment = 2 * time.Second
)

var (
	errGrace  = errors.New("the time is over")
	errSignal = errors.New("a second signal came")
)

// A process has what Run looks at to decide.
type process struct {
	gateway     string // Server.Gateway
	env         func(name string) string
	pid         int
	isListening func(fd int) bool
	noSockets   bool // the system has none: package net makes some that nobody can connect to
}

// notifyOfStop relays the signals that stop the process, but for those that whoever has started the
// process has it ignore.
func notifyOfStop(c chan<- os.Signal) {
	signal.Notify(c, syscall.SIGTERM)
	for _, s := range []os.Signal{os.Interrupt, hangUp} {
		if s != nil && !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
}

// serve serves ways, which are on sockets, until a signal comes.
func (s *Server) serve(ways []way) error {
	signals := make(chan os.Signal, 2)
	notifyOfStop(signals)
	defer signal.Stop(signals)

	listeners := make([]net.Listener, len(ways))
	for i := range ways {
		var err error
		if listeners[i], err = ways[i].listen(); err != nil {
			for _, l := range listeners[:i] {
				l.Close()
			}
			return err
		}
	}
	said := make([]startup.Way, len(ways))
	for i, w := range ways {
		said[i] = startup.Way{Protocol: w.protocol,
			Sentence: fmt.Sprintf("serving %s on %s, since %s", w.protocol, w.where(listeners[i]), w.why)}
	}
	startup.Set(said)
	servers := make([]server, len(ways))
	ended := make(chan error, len(ways))
	for i, l := range listeners {
		server := s.newServer(&ways[i])
		servers[i] = server
		go func() { ended <- server.Serve(l) }()
	}
	for _, w := range said {
		fmt.Fprintf(os.Stderr, "gateway: %s\n", w.Sentence)
	}

	grace := max(cmp.Or(s.Grace, defaultGrace), 0)
	select {
	case err := <-ended: // although nobody has told it to
		_ = stopAll(servers)
		return fmt.Errorf("serve: %w", err)
	case sig := <-signals:
		fmt.Fprintf(os.Stderr,
			"gateway: %v: waiting up to %v for the requests that are going on; once more ends them\n", sig, grace)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	timer := time.AfterFunc(grace, func() { cancel(errGrace) })
	defer timer.Stop()
	go func() {
		select {
		case <-signals:
			signal.Stop(signals) // a third signal ends the process
			cancel(errSignal)
		case <-ctx.Done():
		}
	}()
	if shutdown(ctx, servers) == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if !stopAll(servers) {
		return fmt.Errorf("serve: requests were cut off: %w", cause)
	}
	fmt.Fprintf(os.Stderr, "gateway: requests were told to end: %v\n", cause)
	return nil
}

// stopAll ends the requests that are still going on. It reports whether all of them have ended when
// their contexts had, so that no connection had to be closed.
func stopAll(servers []server) bool {
	soon := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), moment)
		defer cancel()
		return shutdown(ctx, servers)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel() // so that shutdown ends the requests' contexts at once
	if shutdown(cancelled, servers) == nil || soon() == nil {
		return true
	}
	for _, s := range servers {
		s.Close()
	}
	_ = soon()
	return false
}

// A server has the methods that all servers have.
type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// A function is a lambda.Server, which has no listener.
type function struct{ *lambda.Server }

func (f function) Serve(net.Listener) error { return f.Server.Serve() }

func (s *Server) newServer(w *way) server {
	switch w.protocol {
	case "lambda":
		return function{&lambda.Server{Application: s.Application, Stream: w.stream,
			Limits: s.Limits, ErrorLog: s.ErrorLog}}
	case "fcgi":
		return &fcgi.Server{Application: s.Application, Limits: s.Limits, ErrorLog: s.ErrorLog}
	case "scgi":
		return &scgi.Server{Application: s.Application, Limits: s.Limits, ErrorLog: s.ErrorLog}
	case "uwsgi":
		return &uwsgi.Server{Application: s.Application, Limits: s.Limits, ErrorLog: s.ErrorLog}
	}
	return &nethttp.Server{Application: s.Application, Limits: s.Limits, ErrorLog: s.ErrorLog}
}

// shutdown stops all servers at the same time.
func shutdown(ctx context.Context, servers []server) error {
	errs := make(chan error, len(servers))
	for _, s := range servers {
		go func() { errs <- s.Shutdown(ctx) }()
	}
	var err error
	for range servers {
		if e := <-errs; err == nil {
			err = e
		}
	}
	return err
}
