package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/gateway/internal/errno"
)

const (
	defaultConnectTimeout = 5 * time.Second

	// downTime is how long an address that has failed is left alone.
	downTime = 5 * time.Second
)

// An address is where a server listens.
type address struct {
	name          string // "unix:/run/php-fpm.sock"
	network, path string // as package net has them

	// Guarded by the dialer's mutex.
	down time.Time      // until when it is left alone; the zero time if the last try has succeeded
	idle []*fastCGIConn // that are kept, the oldest first
}

// A dialer knows the addresses of a server. The zero value is ready.
type dialer struct {
	once sync.Once
	err  error // a malformed address

	mu        sync.Mutex
	addresses []*address // fixed after once
	next      int        // where the next request begins to look
}

// parseAddress parses an address: "unix:" and a path, or "tcp:" with a host and a port.
func parseAddress(s string) (*address, error) {
	network, path, _ := strings.Cut(s, ":")
	switch _, port, err := net.SplitHostPort(path); {
	case network == "unix" && path != "":
		return &address{name: s, network: network, path: path}, nil
	case network == "tcp" && err == nil && port != "":
		return &address{name: s, network: network, path: path}, nil
	}
	want := `"unix:/run/app.sock" or "tcp:127.0.0.1:9000"`
	if _, port, err := net.SplitHostPort(s); err == nil && port != "" && network != "tcp" {
		want = fmt.Sprintf("%q", "tcp:"+s)
	} else if strings.HasPrefix(s, "/") {
		want = fmt.Sprintf("%q", "unix:"+s)
	}
	return nil, fmt.Errorf("%w: the address %q: write %s", ErrUnavailable, s, want)
}

// order returns the addresses in the order in which a request is to try them: in turn, and those
// that have failed of late at the end.
func (d *dialer) order(list []string) ([]*address, error) {
	d.once.Do(func() {
		if len(list) == 0 {
			d.err = fmt.Errorf("%w: there is no address: set Addresses", ErrUnavailable)
		}
		for _, s := range list {
			a, err := parseAddress(s)
			if err != nil {
				d.err = err
				return
			}
			d.addresses = append(d.addresses, a)
		}
	})
	if d.err != nil || len(d.addresses) == 1 {
		return d.addresses, d.err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	up, down := make([]*address, 0, len(d.addresses)), []*address(nil)
	first := d.next
	for i := range d.addresses {
		next := (first + i) % len(d.addresses)
		switch a := d.addresses[next]; {
		case now.Before(a.down):
			down = append(down, a)
		case len(up) == 0:
			// The next request begins behind this one: the neighbour of an address that is down
			// does not get the requests of both.
			d.next = (next + 1) % len(d.addresses)
			fallthrough
		default:
			up = append(up, a)
		}
	}
	if len(up) == 0 {
		d.next = (first + 1) % len(d.addresses)
	}
	return append(up, down...), nil
}

// dial connects to the first of the addresses that takes a connection. Each may take as long as
// timeout, or the default if that is 0. The error wraps ErrUnavailable or ErrOverloaded.
func (d *dialer) dial(
	ctx context.Context, order []*address, timeout time.Duration,
) (net.Conn, *address, error) {
	timeout = orDefault(timeout, defaultConnectTimeout)
	begin := time.Now()
	for delay := time.Millisecond; ; delay = min(2*delay, 50*time.Millisecond) {
		var failed error
		full := false
		for _, a := range order {
			conn, err := d.dialOne(ctx, a, timeout, len(order) > 1)
			switch {
			case err == nil:
				return conn, a, nil
			case ctx.Err() != nil:
				return nil, nil, err
			}
			// A server with too much to do is one that is there.
			if isFull := errors.Is(err, ErrOverloaded); failed == nil || isFull && !full {
				failed, full = err, isFull
			}
		}
		if !full || timeout > 0 && time.Since(begin) >= timeout {
			return nil, nil, failed
		}
		// Over TCP a server whose queue is full makes its clients wait, and so it is to be here.
		select {
		case <-ctx.Done():
			return nil, nil, failed
		case <-time.After(delay):
		}
	}
}

// dialOne connects to an address. isOneOf says that there are others.
func (d *dialer) dialOne(
	ctx context.Context, a *address, timeout time.Duration, isOneOf bool,
) (net.Conn, error) {
	if isOneOf {
		d.mu.Lock()
		if !a.down.IsZero() {
			a.down = time.Now().Add(downTime) // this request finds out for the others
		}
		d.mu.Unlock()
	}
	conn, err := a.dial(ctx, timeout)
	isFull := errno.IsFull(err) // a Unix socket has no room for another connection to be accepted
	if isOneOf {
		d.mu.Lock()
		switch {
		case err == nil || isFull:
			a.down = time.Time{}
		case ctx.Err() == nil:
			a.down = time.Now().Add(downTime)
		}
		d.mu.Unlock()
	}
	if err == nil {
		return conn, nil
	}
	kind := ErrUnavailable
	if isFull {
		kind = ErrOverloaded
	}
	where := ""
	if isOneOf {
		where = " at " + a.name
	}
	return nil, fmt.Errorf("%w%s: %s", kind, where, explain(err, a, timeout))
}

// dial connects to the address.
func (a *address) dial(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	if a.network == "unix" { // which never waits: a context and its timer would be for nothing
		return net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: a.path})
	}
	// Time-outs find out about a peer that is gone.
	dialer := net.Dialer{Timeout: timeout, KeepAlive: -1}
	return dialer.DialContext(ctx, a.network, a.path)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() && !errno.IsFull(err)
}

// explain says what is wrong when nobody can be reached, and what to do.
func explain(err error, a *address, timeout time.Duration) string {
	var dns *net.DNSError
	switch {
	case isTimeout(err):
		return fmt.Sprintf("no connection within %v: is the machine up, and does no firewall drop "+
			"the packets?", timeout)
	case errno.IsFull(err):
		return "its queue is full of connections that it has not accepted: it needs more " +
			"workers, or a longer queue (listen.backlog of PHP-FPM, listen of uWSGI, and net.core.somaxconn)"
	case errors.As(err, &dns):
		return fmt.Sprintf("%v: the name of the host is wrong, or the resolver is", err)
	case errno.IsRefused(err) && a.network == "unix":
		return "nobody listens on the socket: the server that has made it is gone"
	case errno.IsRefused(err):
		return "the connection was refused: is the server running, and does it listen there?"
	case errors.Is(err, fs.ErrNotExist):
		return "the socket does not exist: is the server running, and does it listen there?"
	case errors.Is(err, fs.ErrPermission):
		return denied(a)
	case a.network == "unix" && len(a.path) > maxSocketPath:
		return fmt.Sprintf("%v: the path of a Unix socket has at most %d bytes", err, maxSocketPath)
	}
	return err.Error()
}

// maxSocketPath is what the path of a Unix socket may have on Linux. Elsewhere it is less.
const maxSocketPath = 107

// denied says why a socket may not be used.
func denied(a *address) string {
	what := "its owner and group, or those of a folder above, do not allow it"
	if info, err := os.Stat(a.path); err == nil {
		what = fmt.Sprintf("its mode is %v, and its owner and group do not allow it",
			info.Mode().Perm())
	}
	return fmt.Sprintf("permission denied: this process runs as user %d, which must be able to "+
		"write to the socket; %s (listen.owner, listen.group and listen.mode of PHP-FPM, "+
		"chown-socket and chmod-socket of uWSGI)", os.Getuid(), what)
}
