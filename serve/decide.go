package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
)

// A way is one way to serve: a protocol, a place, and the reason for both.
type way struct {
	protocol string // "cgi", "fcgi", "scgi", "uwsgi", "http"
	network  string // "unix", "tcp", or "fd" for a socket that is open already; "" for cgi
	address  string
	fd       uintptr     // of an "fd"
	mode     fs.FileMode // of a "unix"
	why      string      // the reason, behind "since"
}

// decide finds out how to serve. It returns at least one way, or an error.
func (p *process) decide() ([]way, error) {
	if value := p.get("GATEWAY"); value != "" {
		w, err := parse(value)
		if err != nil {
			return nil, fmt.Errorf("serve: GATEWAY is %q: %w", value, err)
		}
		w.why = "GATEWAY says so"
		return []way{w}, nil
	}
	if p.isListening(0) {
		return []way{{protocol: "fcgi", network: "fd", fd: 0, why: "stdin is a listening socket"}}, nil
	}
	if ways, err := p.activated(); len(ways) > 0 || err != nil {
		return ways, err
	}
	if p.get("REQUEST_METHOD") != "" {
		if _, found := p.env("GATEWAY_INTERFACE"); found {
			return []way{{protocol: "cgi"}}, nil
		}
	}
	if port := p.get("PORT"); port != "" {
		if !isPort(port) {
			return nil, fmt.Errorf("serve: PORT is %q, want a number up to 65535", port)
		}
		return []way{{protocol: "http", network: "tcp", address: ":" + port, why: "PORT is " + port}}, nil
	}
	return []way{{protocol: "http", network: "tcp", address: "127.0.0.1:8000",
		why: "there are no CGI variables, no socket was passed, and neither GATEWAY nor PORT is set"}}, nil
}

func (p *process) get(name string) string {
	value, _ := p.env(name)
	return value
}

var errForm = errors.New(
	`want "cgi", or "fcgi", "scgi", "uwsgi" or "http" with ":unix:/path" or ":tcp:host:port" behind it`)

// parse parses the value of GATEWAY.
func parse(value string) (way, error) {
	if value == "cgi" {
		return way{protocol: "cgi"}, nil
	}
	protocol, place, _ := strings.Cut(value, ":")
	if !isProtocol(protocol) {
		return way{}, errForm
	}
	network, address, _ := strings.Cut(place, ":")
	w := way{protocol: protocol, network: network, address: address, mode: 0o600}
	switch network {
	case "tcp":
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return way{}, err
		}
		if !isPort(port) {
			return way{}, fmt.Errorf("%q is no port, want a number up to 65535", port)
		}
	case "unix":
		path, mode, found := strings.Cut(address, "?mode=")
		if found {
			n, err := strconv.ParseUint(mode, 8, 32)
			if err != nil || n > 0o777 || n&0o600 != 0o600 {
				return way{}, fmt.Errorf("%q is no mode of a socket, want octal digits such as 0660", mode)
			}
			w.mode = fs.FileMode(n)
		}
		switch w.address = path; {
		case path == "":
			return way{}, errForm
		case path[0] == '@': // an abstract socket of Linux, which has no mode: everybody on the machine may connect
			return way{}, errors.New("a Unix socket is a path")
		case path[len(path)-1] == '/':
			return way{}, errors.New("a Unix socket is no folder")
		}
	default:
		return way{}, errForm
	}
	return w, nil
}

// isPort reports whether s is the number of a port. 0 stands for any free port.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}

func isProtocol(s string) bool { return s == "fcgi" || s == "scgi" || s == "uwsgi" || s == "http" }

// firstFD is the number of the first socket that was passed: SD_LISTEN_FDS_START of
// sd_listen_fds(3).
const firstFD = 3

// activated returns a way for each socket that was passed to the process by the rules of
// sd_listen_fds(3), and none if the variables are not set or are another process's.
func (p *process) activated() ([]way, error) {
	pid, count := p.get("LISTEN_PID"), p.get("LISTEN_FDS")
	if pid == "" {
		return nil, nil
	}
	if n, err := strconv.Atoi(pid); err != nil || n < 1 {
		return nil, fmt.Errorf("serve: LISTEN_PID is %q, want the number of a process", pid)
	} else if n != p.pid { // the process that has started this one
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 1000 {
		return nil, fmt.Errorf("serve: LISTEN_FDS is %q, want the number of sockets", count)
	}
	names := strings.Split(p.get("LISTEN_FDNAMES"), ":")
	ways := make([]way, n)
	for i := range ways {
		ways[i] = way{protocol: "http", network: "fd", fd: firstFD + uintptr(i),
			why: "the socket was passed to it (LISTEN_FDS)"}
		if i < len(names) && isProtocol(names[i]) {
			ways[i].protocol = names[i]
			ways[i].why = "the socket was passed to it with that name (LISTEN_FDS, LISTEN_FDNAMES)"
		}
		if !p.isListening(int(ways[i].fd)) {
			return nil, fmt.Errorf("serve: LISTEN_FDS is %q, but file %d is not a listening socket", count, ways[i].fd)
		}
	}
	return ways, nil
}

// listen opens the socket of a way.
func (w *way) listen() (net.Listener, error) {
	switch w.network {
	case "fd":
		f := os.Stdin
		if w.fd != 0 {
			f = os.NewFile(w.fd, fmt.Sprintf("file %d", w.fd))
			defer f.Close() // FileListener makes a duplicate
		}
		return net.FileListener(f)
	case "unix":
		return listenUnix(w.address, w.mode)
	}
	return net.Listen(w.network, w.address)
}

// where returns the address of l in the form that people use: as a URL for HTTP over TCP.
func (w *way) where(l net.Listener) string {
	addr := l.Addr().String()
	if w.protocol == "http" && l.Addr().Network() == "tcp" {
		return "http://" + addr
	}
	return l.Addr().Network() + ":" + addr
}
