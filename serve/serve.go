// Package serve runs an application on whatever the process was started for: as a CGI program, over FastCGI, SCGI or uwsgi
// behind a web server, or as an HTTP server. One binary, deployed anywhere:
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
	"example.com/gateway/scgi"
	"example.com/gateway/uwsgi"
)

// Run serves app until the process is told to stop. How, it finds out from how the process was started; the first of these
// that holds:
//
//  1. The environment variable GATEWAY names a protocol and an address, as below.
//  2. Stdin is a listening socket: FastCGI on it, as Apache's mod_fcgid, lighttpd and spawn-fcgi start programs.
//  3. LISTEN_PID is this process and LISTEN_FDS says how many sockets were passed (systemd): LISTEN_FDNAMES names the protocol
//     of each, "fcgi", "scgi", "uwsgi" or "http"; with any other name, or none, it is HTTP.
//  4. GATEWAY_INTERFACE and REQUEST_METHOD are set: one request as a CGI program.
//  5. Otherwise HTTP: on all interfaces at the port that the variable PORT names, or on 127.0.0.1:8000.
//
// GATEWAY is "cgi", or "fcgi", "scgi", "uwsgi" or "http" followed by ":unix:/path/of/the.sock" or ":tcp:host:port". A Unix socket
// is made with mode 0600; "?mode=0660" behind the path makes it another, for a web server that runs as another user of
// the group. A socket that is there already is replaced if nobody listens on it, and is an error otherwise. An empty variable
// counts as none; one that makes no sense is an error, never a reason to try the next.
//
// On stderr Run says what it serves and why; as a CGI program it says nothing. On SIGINT or SIGTERM it stops accepting and waits
// for the requests that are going on, 30 seconds at most; then, or on a second signal, it cancels their contexts with
// gateway.ErrShutdown, gives the applications 2 seconds to end, and closes the connections of those that have not. A third
// signal ends the process as it would without Run. Run returns nil when all requests came to their end, and an error if some
// did not, if it could not listen, or if the variables make no sense. As a CGI program it is cgi.Run, with its
// treatment of signals.
//
// Restarting with nothing lost needs somebody who holds the listening socket: systemd's socket activation, or a supervisor that
// passes the socket as stdin. The old process then ends its requests while the new one accepts.
//
// As an HTTP server it has at most 10000 connections open at a time, and more wait until one ends; it takes 1 MiB of headers. A client
// has 30 seconds to send its headers, 60 for the next bytes of a body (the next 16 KiB within a chunk of one that is sent in
// chunks), 60 to accept a block or 64 KiB of a larger one or of a file, and 5 minutes until its next request. When a body runs
// out of time, Input says os.ErrDeadlineExceeded and the Context ends with context.DeadlineExceeded; when an answer does, the client
// counts as gone, and the connection is closed, even if it has accepted a part of the 64 KiB. A slow client that keeps going is not
// cut off, and how long the application takes is its own business.
//
// Each of the other servers has its own defaults for limits, much like these; who needs others makes the server: [fcgi.Server],
// [scgi.Server], [uwsgi.Server], or an http.Server with nethttp.Handler.
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
	// grace is how long requests that are going on get when the process is told to stop: a third of what systemd allows before
	// it kills, and no more than others do.
	grace = 30 * time.Second

	// moment is how long applications get to notice that their context was cancelled, and once more to notice that their
	// connection was closed. Without it what they do in Close would not be done.
	moment = 2 * time.Second
)

var (
	errGrace  = fmt.Errorf("they had %v", grace)
	errSignal = errors.New("a second signal came")
)

// A process is what Run finds out from.
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
	case err := <-ended: // before anybody has asked for it
		_ = stopAll(servers)
		return fmt.Errorf("serve: %w", err)
	case s := <-signals:
		fmt.Fprintf(p.stderr, "gateway: %v: waiting up to %v for the requests that are going on; once more ends them\n", s, grace)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	timer := time.AfterFunc(grace, func() { cancel(errGrace) })
	defer timer.Stop()
	go func() {
		select {
		case <-signals:
			signal.Stop(signals) // the third is the system's to treat
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

// stopAll ends what is still going on, and reports whether it took no more than to cancel its contexts. Those of a server that was
// shut down in vain are.
func stopAll(servers []server) bool {
	soon := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), moment)
		defer cancel()
		return shutdown(ctx, servers)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if shutdown(cancelled, servers) == nil || soon() == nil {
		return true
	}
	for _, s := range servers {
		s.Close()
	}
	_ = soon()
	return false
}

// A server is what all servers have in common.
type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

func newServer(protocol string, app gateway.Application) server {
	switch protocol {
	case "fcgi":
		// Not all hosts log what they get by FCGI_STDERR: Caddy does not.
		return &fcgi.Server{Application: app, ErrorLog: log.Default()}
	case "scgi":
		return &scgi.Server{Application: app}
	case "uwsgi":
		return &uwsgi.Server{Application: app}
	}
	return newHTTP(app)
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
