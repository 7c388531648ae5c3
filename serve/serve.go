// Package serve runs an application in the way for which its process was started: as a CGI program,
// over FastCGI, SCGI or uwsgi behind a web server, or as an HTTP server. The same binary can be
// deployed anywhere:
//
//	func main() {
//		if err := serve.Run(app); err != nil {
//			log.Fatal(err)
//		}
//	}
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/gateway"
	"example.com/gateway/cgi"
	"example.com/gateway/fcgi"
	"example.com/gateway/nethttp"
	"example.com/gateway/scgi"
	"example.com/gateway/uwsgi"
)

// Run serves app until the process is told to stop. The first of these that holds decides how:
//
//  1. The environment variable GATEWAY names a protocol and an address, as below.
//  2. Stdin is a listening socket. Run serves FastCGI on it: Apache's mod_fcgid, lighttpd and
//     spawn-fcgi start programs so.
//  3. LISTEN_PID is the number of this process, and LISTEN_FDS says how many sockets were passed to
//     it, as systemd does. LISTEN_FDNAMES names the protocol of each: fcgi, scgi, uwsgi or http. A
//     socket with any other name, or none, is for HTTP.
//  4. GATEWAY_INTERFACE and REQUEST_METHOD are set. Run serves one request as a CGI program.
//  5. PORT is set. Run serves HTTP at that port, on all interfaces.
//  6. Otherwise Run serves HTTP on 127.0.0.1:8000.
//
// GATEWAY is "cgi", or "fcgi", "scgi", "uwsgi" or "http" followed by ":tcp:host:port" or
// ":unix:/path/of/the.sock". Run makes a Unix socket with mode 0600. "?mode=0660" behind the path
// is for a web server that runs as another user of the group. If there is a socket already, Run
// replaces it when nobody listens on it, and returns an error otherwise. An empty variable counts
// as none. For a variable that makes no sense Run returns an error, and does not try the next way.
//
// On stderr Run says what it serves, where, and why. As a CGI program it says nothing there.
//
// On SIGINT or SIGTERM, Run stops accepting and waits for the requests that are going on, for 30
// seconds. When that time has passed, or on a second signal, Run ends their contexts with
// gateway.ErrShutdown, gives the applications 2 seconds to return, and then closes the connections
// that are left. On a third signal the process ends as it would without Run. As a CGI program, Run
// is [cgi.Run], with its treatment of signals.
//
// A restart loses no request if the listening socket outlives the process: with systemd's socket
// activation, or a supervisor that passes the socket as stdin. The old process then finishes its
// requests while the new one accepts. Behind Apache with enablereuse=on, and behind HAProxy, which
// keep connections and do not know that one of them is about to end, a request in some ten thousand
// may still get a 503 at that moment. HAProxy sends it again with retry-on empty-response.
//
// Limits and timeouts are the defaults of [fcgi.Server], [scgi.Server], [uwsgi.Server] and
// [nethttp.Server]. For others, use these servers instead of Run.
//
// Run returns nil when all requests have come to their end. It returns an error if some have not,
// if it cannot listen, or if the variables make no sense.
func Run(app gateway.Application) error {
	p := process{
		env:         os.LookupEnv,
		pid:         os.Getpid(),
		stderr:      os.Stderr,
		isListening: isListening,
	}
	return p.run(app)
}

const (
	// grace is how long Run waits for the requests that are going on. systemd kills a process three
	// times as late.
	grace = 30 * time.Second

	// moment is how long applications get to notice that their contexts have ended, and once more
	// to notice that their connections were closed. Without it, a body's Close might not run.
	moment = 2 * time.Second
)

var (
	errGrace  = fmt.Errorf("they had %v", grace) // "they" are the requests
	errSignal = errors.New("a second signal came")
)

// A process has what Run looks at to decide.
type process struct {
	env         func(string) (string, bool)
	pid         int
	stderr      io.Writer
	isListening func(fd int) bool
}

func (p *process) run(app gateway.Application) error {
	if app == nil {
		return errors.New("serve: no application")
	}
	ways, err := p.decide()
	if err != nil {
		return err
	}
	if ways[0].protocol == "cgi" {
		return cgi.Run(app)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	listeners := make([]net.Listener, len(ways))
	for i := range ways {
		if listeners[i], err = ways[i].listen(); err != nil {
			for _, l := range listeners[:i] {
				l.Close()
			}
			return fmt.Errorf("serve: %w", err)
		}
	}
	servers := make([]server, len(ways))
	ended := make(chan error, len(ways))
	for i, l := range listeners {
		s := newServer(ways[i].protocol, app)
		servers[i] = s
		go func() { ended <- s.Serve(l) }()
	}
	for i, w := range ways {
		fmt.Fprintf(p.stderr, "gateway: serving %s on %s, since %s\n", w.protocol, w.where(listeners[i]), w.why)
	}

	select {
	case err := <-ended: // although nobody has told it to
		_ = stopAll(servers)
		return fmt.Errorf("serve: %w", err)
	case s := <-signals:
		fmt.Fprintf(p.stderr,
			"gateway: %v: waiting up to %v for the requests that are going on; once more ends them\n", s, grace)
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
	return fmt.Errorf("serve: requests were told to end: %w", cause)
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

func newServer(protocol string, app gateway.Application) server {
	switch protocol {
	case "fcgi":
		// Not every web server logs what it gets by FCGI_STDERR. Caddy does not.
		return &fcgi.Server{Application: app, ErrorLog: log.Default()}
	case "scgi":
		return &scgi.Server{Application: app}
	case "uwsgi":
		return &uwsgi.Server{Application: app}
	}
	return &nethttp.Server{Application: app}
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
