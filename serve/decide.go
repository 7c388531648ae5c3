package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"example.com/gateway/internal/errno"
)

// A way is one way to serve: a protocol, a place, and the reason for both.
type way struct {
	protocol  string // "cgi", "lambda", "fcgi", "scgi", "uwsgi", "http"
	network   string // "unix", "tcp", "fd" for a socket that is open already; or "": it has none
	address   string
	stream    bool           // of "lambda"
	fd        uintptr        // of an "fd"
	mode      fs.FileMode    // of a "unix"
	proxies   []netip.Prefix // whose connections begin with a header of the PROXY protocol
	isProxied bool           // there are proxies, or the socket is a Unix socket of one
	another   string         // how a user has it serve on another socket
	why       string         // the reason, behind "since"
}

// ports are the variables that have a port for HTTP. A process that has several has inherited the
// later ones: the host of Azure Functions may itself run under IIS or with a PORT.
var ports = []struct{ name, host string }{
	{"FUNCTIONS_CUSTOMHANDLER_PORT", "127.0.0.1"},
	{"HTTP_PLATFORM_PORT", "127.0.0.1"},
	{"PORT", ""},
}

// runtimeAPI is the variable by which AWS Lambda says where a function gets its events.
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// decide finds out how to serve. It returns at least one way, or an error. A variable that is empty
// counts as none.
func (p *process) decide() ([]way, error) {
	if p.gateway != "" {
		return p.told("Server.Gateway", p.gateway)
	}
	if value := p.env("GATEWAY"); value != "" {
		return p.told("GATEWAY", value)
	}
	if p.isListening(0) {
		return []way{{protocol: "fcgi", network: "fd", fd: 0, another: "say in GATEWAY what to serve",
			why: "stdin is a listening socket"}}, nil
	}
	if ways, err := p.activated(); len(ways) > 0 || err != nil {
		return ways, err
	}
	// RFC 3875 has GATEWAY_INTERFACE always there as well (C8), but not every host sends it:
	// fcgiwrap passes on no more than its configuration names.
	if p.noSockets || p.env("REQUEST_METHOD") != "" {
		return []way{{protocol: "cgi"}}, nil
	}
	if api := p.env(runtimeAPI); api != "" {
		return []way{{protocol: "lambda", address: api, why: runtimeAPI + " is set"}}, nil
	}
	for _, v := range ports {
		port := p.env(v.name)
		if port == "" {
			continue
		}
		if !isPort(port) {
			return nil, fmt.Errorf("serve: %s is %q, want a number up to 65535", v.name, port)
		}
		return []way{{protocol: "http", network: "tcp", address: v.host + ":" + port,
			another: "set " + v.name + " to another port", why: v.name + " is " + port}}, nil
	}
	return []way{{protocol: "http", network: "tcp", address: "127.0.0.1:8000", another: "set PORT to another port",
		why: "neither stdin nor GATEWAY, LISTEN_PID, REQUEST_METHOD or PORT says otherwise"}}, nil
}

// told returns the way that a user has named, in a variable or a field.
func (p *process) told(from, value string) ([]way, error) {
	w, err := parse(value)
	switch {
	case err != nil:
	case p.noSockets && w.protocol != "cgi":
		err = errNoSockets
	case w.protocol == "lambda" && p.env(runtimeAPI) == "":
		err = errors.New(runtimeAPI + " is not set: AWS Lambda and its emulator set it")
	case w.network == "fd" && !p.isListening(int(w.fd)):
		err = fmt.Errorf("file %d is not a listening socket", w.fd)
	default:
		w.another, w.why = "name another socket in "+from, from+" says so"
		if w.protocol == "lambda" {
			w.address = p.env(runtimeAPI)
		}
		return []way{w}, nil
	}
	return nil, fmt.Errorf("serve: %s is %q: %w", from, value, err)
}

var (
	errForm = errors.New(`want "cgi", or "lambda" or "lambda:stream" on AWS Lambda, or "fcgi", "scgi", "uwsgi" or ` +
		`"http" with ":unix:/path", ":tcp:host:port" or ":fd:number" behind it`)

	errNoSockets = errors.New(`there are no sockets on this system, want "cgi"`)
)

// parse parses the value of GATEWAY.
func parse(value string) (way, error) {
	switch value {
	case "cgi":
		return way{protocol: "cgi"}, nil
	case "lambda":
		return way{protocol: "lambda"}, nil
	case "lambda:stream":
		return way{protocol: "lambda", stream: true}, nil
	}
	protocol, place, _ := strings.Cut(value, ":")
	if !isProtocol(protocol) {
		return way{}, errForm
	}
	network, address, _ := strings.Cut(place, ":")
	address, options, hasOptions := strings.Cut(address, "?")
	w := way{protocol: protocol, network: network, address: address}
	switch network {
	case "tcp":
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return way{}, err
		}
		if !isPort(port) {
			return way{}, fmt.Errorf("%q is no port, want a number up to 65535", port)
		}
	case "fd":
		n, err := strconv.ParseUint(address, 10, 31)
		if err != nil {
			return way{}, fmt.Errorf("%q is no file, want its number", address)
		}
		w.fd, w.address = uintptr(n), ""
	case "unix":
		w.mode = 0o600
		switch {
		case address == "":
			return way{}, errForm
		case address[0] == '@': // an abstract socket of Linux, which has no mode: everybody on the machine may connect
			return way{}, errors.New("a Unix socket is a path")
		case address[len(address)-1] == '/':
			return way{}, errors.New("a Unix socket is no folder")
		}
	default:
		return way{}, errForm
	}
	if hasOptions {
		for option := range strings.SplitSeq(options, "&") {
			if err := w.set(option); err != nil {
				return way{}, err
			}
		}
	}
	return w, nil
}

// set sets the option that is behind a "?".
func (w *way) set(option string) error {
	name, value, _ := strings.Cut(option, "=")
	switch {
	case name == "proxy":
		return w.setProxies(value)
	case name != "mode" || w.network != "unix":
		return fmt.Errorf("%q is no option of this socket; "+
			"there are proxy, and mode of a Unix socket", name)
	}
	n, err := strconv.ParseUint(value, 8, 32)
	if err != nil || n > 0o777 || n&0o600 != 0o600 {
		return fmt.Errorf("%q is no mode of a socket, want octal digits such as 0660", value)
	}
	w.mode = fs.FileMode(n)
	return nil
}

// setProxies sets the peers that speak the PROXY protocol: "unix" for a Unix socket, and otherwise
// addresses.
func (w *way) setProxies(list string) error {
	w.isProxied = true
	if list == "unix" && w.network != "tcp" {
		return nil
	}
	if w.network == "unix" {
		return fmt.Errorf("%q is no proxy of a Unix socket, want proxy=unix", list)
	}
	for s := range strings.SplitSeq(list, ",") {
		peers, err := netip.ParsePrefix(s)
		if addr, addrErr := netip.ParseAddr(s); addrErr == nil && addr.Zone() == "" {
			peers, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return fmt.Errorf("%q is no address of a proxy, "+
				"want one such as 192.0.2.1 or 10.0.0.0/8", s)
		}
		w.proxies = append(w.proxies, peers)
	}
	return nil
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
// sd_listen_fds(3), and none if one of the variables is not set or they are another process's.
func (p *process) activated() ([]way, error) {
	pid, count := p.env("LISTEN_PID"), p.env("LISTEN_FDS")
	if pid == "" || count == "" {
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
	names := strings.Split(p.env("LISTEN_FDNAMES"), ":")
	ways := make([]way, n)
	for i := range ways {
		ways[i] = way{protocol: "http", network: "fd", fd: firstFD + uintptr(i), another: "say in GATEWAY what to serve",
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

// listen opens the socket of a way. Lambda has none.
func (w *way) listen() (net.Listener, error) {
	var l net.Listener
	var err error
	switch w.network {
	case "":
		return nil, nil
	case "fd":
		l, err = listenFile(w.fd)
	case "unix":
		l, err = listenUnix(w.address, w.mode)
	default:
		l, err = net.Listen(w.network, w.address)
	}
	if err != nil {
		return nil, w.explain(err)
	}
	if !w.isProxied {
		return l, nil
	}
	if isUnix := l.Addr().Network() == "unix"; isUnix != (len(w.proxies) == 0) {
		l.Close()
		return nil, fmt.Errorf("serve: cannot serve %s on file %d: proxy=unix is for Unix sockets, "+
			"and addresses are for TCP; this one is %s", w.protocol, w.fd, l.Addr().Network())
	}
	return ProxyProtocol(l, w.proxies...), nil
}

func listenFile(fd uintptr) (net.Listener, error) {
	standard := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	if fd < uintptr(len(standard)) {
		return net.FileListener(standard[fd])
	}
	f := os.NewFile(fd, fmt.Sprintf("file %d", fd))
	defer f.Close() // FileListener makes a duplicate
	return net.FileListener(f)
}

// explain returns an error of listen as one that names the socket, and what to change.
func (w *way) explain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) { // it names the socket as well
		err = op.Err
	}
	socket, change := w.network+":"+w.address, w.another
	switch {
	case w.network == "fd":
		socket, change = fmt.Sprintf("file %d", w.fd), "pass a listening socket, or "+change
	case errors.Is(err, errInUse) || errno.IsInUse(err):
		change = "end the process that listens there, or " + change
	case errors.Is(err, fs.ErrNotExist):
		change = "make the folder, or " + change
	case errno.IsDenied(err):
		change = "give this process the permission, or " + change
	}
	return fmt.Errorf("serve: cannot serve %s on %s: %w; %s", w.protocol, socket, err, change)
}

// where returns the address of l in the form that people use: as a URL for HTTP over TCP. It also
// says who speaks the PROXY protocol there.
func (w *way) where(l net.Listener) string {
	if l == nil {
		if w.stream {
			return w.address + ", streamed"
		}
		return w.address + ", buffered"
	}
	place := l.Addr().Network() + ":" + l.Addr().String()
	if w.protocol == "http" && l.Addr().Network() == "tcp" {
		place = "http://" + l.Addr().String()
	}
	if !w.isProxied {
		return place
	}
	peers := "everybody there"
	if len(w.proxies) > 0 {
		peers = strings.Trim(fmt.Sprint(w.proxies), "[]")
	}
	return place + ", with the PROXY protocol from " + peers
}
