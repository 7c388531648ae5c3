package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The variants of programs/scgi-server. The first is what the others of a group are compared with.
var (
	onceHello  = []string{"fcgi", "scgi", "uwsgi"}
	onceStream = []string{"http", "fcgi", "scgi", "uwsgi", "handler"}
	onceNames  = map[string]string{"fcgi": "gateway/fcgi", "scgi": "gateway/scgi", "uwsgi": "gateway/uwsgi", "http": "net/http",
		"handler": "nethttp.Handler"}
)

const onceClients = 4

// measureOnce measures what has one connection for each request: a hello over Unix sockets beside
// FastCGI without keep-alive, and size bytes of a file down and of a body up beside net/http, over
// Unix sockets and TCP, in CPU time of the server.
func measureOnce(t *table, dir string, rounds, perRound, streamRounds, size int) error {
	if rounds == 0 && streamRounds == 0 {
		return nil
	}
	program, err := goBuild(dir, programs+"scgi-server", true)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "large")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(file, int64(size)); err != nil { // no place on the disk is needed for zeros
		return err
	}
	servers := make(map[string]*persistentServer)
	for name := range onceNames {
		s, err := startOnce(program, name, filepath.Join(dir, name+"-once.sock"), file)
		if err != nil {
			return fmt.Errorf("%s: %w", onceNames[name], err)
		}
		defer s.stop()
		servers[name] = s
	}
	const what = "Hello, Unix socket, a connection for each request"
	cpus, err := interleave(servers, onceHello, rounds, onceClients*perRound, func(name, addr string) error { return helloRound(name, addr, perRound) })
	if err != nil {
		return err
	}
	for i, name := range onceHello {
		if rounds == 0 {
			break
		}
		t.add(row{what: what, variant: onceNames[name], cpu: microseconds(median(cpus[i])), ratio: ratioOf(cpus[i], cpus[0]).String()})
		if i > 0 {
			t.atMost(what+", CPU, "+onceNames[name]+" ÷ gateway/fcgi", ratioOf(cpus[i], cpus[0]).median, 1, "")
		}
	}
	for _, c := range []struct{ network, path, what string }{
		{"unix", "/down", "Unix socket, a file down"}, {"unix", "/up", "Unix socket, a body up"},
		{"tcp", "/down", "TCP, a file down"}, {"tcp", "/up", "TCP, a body up"},
	} {
		what := fmt.Sprintf("%.4g GiB, ", float64(size)/(1<<30)) + c.what
		cpus, err := interleave(servers, onceStream, streamRounds, 1, func(name, addr string) error {
			if c.network == "tcp" {
				addr = servers[name].tcp
			}
			return streamOnce(name, c.network, addr, c.path, size)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		for i, name := range onceStream {
			if streamRounds == 0 {
				break
			}
			t.add(row{what: what, variant: onceNames[name], cpu: milliseconds(median(cpus[i])), ratio: ratioOf(cpus[i], cpus[0]).String()})
			if i > 0 {
				t.atMost(what+", CPU, "+onceNames[name]+" ÷ net/http", ratioOf(cpus[i], cpus[0]).median, 1, "")
			}
		}
	}
	return nil
}

// interleave runs f for each of the servers in random order, round by round, and returns the CPU
// time that each used for one of n.
func interleave(servers map[string]*persistentServer, names []string, rounds, n int, f func(name, addr string) error) ([][]time.Duration, error) {
	cpus := make([][]time.Duration, len(names))
	if rounds == 0 {
		return cpus, nil
	}
	for round := range 1 + rounds { // the first does not count
		for _, i := range rand.Perm(len(names)) {
			s := servers[names[i]]
			before, err := s.used("")
			if err == nil {
				err = f(names[i], s.addr)
			}
			var after usage
			if err == nil {
				after, err = s.used("")
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", onceNames[names[i]], err)
			}
			if round > 0 {
				cpus[i] = append(cpus[i], after.minus(before).cpu/time.Duration(n))
			}
		}
	}
	return cpus, nil
}

func startOnce(program, argument, addr, file string) (*persistentServer, error) {
	s := &persistentServer{cmd: exec.Command(program, argument, addr, file), addr: addr}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if s.tcp, err = s.out.ReadString('\n'); err != nil {
		s.stop()
		return nil, err
	}
	s.tcp = strings.TrimSpace(s.tcp)
	for range 500 { // until it listens
		conn, err := net.Dial("unix", addr)
		if err == nil {
			conn.Close()
			return s, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("it does not listen on %s", addr)
}

// onceRequest is a request of a protocol, up to its body.
func onceRequest(name, method, path string, length int) []byte {
	if name == "http" || name == "handler" {
		return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", method, path, length)
	}
	vars := [][2]string{
		{"CONTENT_LENGTH", fmt.Sprint(length)}, {"SCGI", "1"}, {"REQUEST_METHOD", method}, {"PATH_INFO", path},
		{"QUERY_STRING", "name=value"}, {"SCRIPT_NAME", ""}, {"REQUEST_URI", path + "?name=value"}, {"DOCUMENT_URI", path},
		{"DOCUMENT_ROOT", "/srv/www/htdocs"}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"REQUEST_SCHEME", "http"},
		{"GATEWAY_INTERFACE", "CGI/1.1"}, {"SERVER_SOFTWARE", "nginx/1.22.1"}, {"REMOTE_ADDR", "192.0.2.77"},
		{"REMOTE_PORT", "51234"}, {"SERVER_ADDR", "192.0.2.1"}, {"SERVER_PORT", "80"}, {"SERVER_NAME", "www.example.com"},
		{"HTTP_HOST", "www.example.com"},
		{"HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
		{"HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		{"HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5"}, {"HTTP_ACCEPT_ENCODING", "gzip, deflate, br, zstd"},
		{"HTTP_COOKIE", "session=0123456789abcdef0123456789abcdef; theme=dark"},
	}
	var b []byte
	for _, v := range vars {
		switch name {
		case "scgi":
			b = append(append(append(append(b, v[0]...), 0), v[1]...), 0)
		case "uwsgi":
			b = append(binary.LittleEndian.AppendUint16(b, uint16(len(v[0]))), v[0]...)
			b = append(binary.LittleEndian.AppendUint16(b, uint16(len(v[1]))), v[1]...)
		case "fcgi":
			b = append(b, byte(len(v[0])), byte(len(v[1])))
			b = append(append(b, v[0]...), v[1]...)
		}
	}
	switch name {
	case "scgi":
		return fmt.Appendf(nil, "%d:%s,", len(b), b)
	case "uwsgi":
		return append(append(binary.LittleEndian.AppendUint16([]byte{0}, uint16(len(b))), 0), b...)
	}
	r := fcgiRecord(nil, 1, []byte{0, 1, 0, 0, 0, 0, 0, 0}) // no FCGI_KEEP_CONN
	r = fcgiRecord(fcgiRecord(r, 4, b), 4, nil)
	if length > 0 {
		return r
	}
	return fcgiRecord(r, 5, nil)
}

// onceBody sends a body of length zeros.
func onceBody(conn net.Conn, name string, length int) error {
	if length == 0 {
		return nil
	}
	const size = 256 << 10
	block := make([]byte, 0, size+size/8) // as the protocol has so many of the body
	blockOf := func(n int) []byte {
		if name != "fcgi" {
			return block[:n]
		}
		block = block[:0]
		for zeros := make([]byte, 32<<10); n > 0; { // a record of what nginx makes of a large body
			m := min(n, len(zeros))
			block = fcgiRecord(block, 5, zeros[:m])
			n -= m
		}
		return block
	}
	whole := blockOf(size)
	for ; length >= size; length -= size {
		if _, err := conn.Write(whole); err != nil {
			return err
		}
	}
	last := blockOf(length)
	if name == "fcgi" {
		last = fcgiRecord(last, 5, nil)
	}
	if len(last) == 0 {
		return nil
	}
	_, err := conn.Write(last)
	return err
}

// helloRound sends times requests from each of the clients, each on a connection of its own.
func helloRound(name, addr string, times int) error {
	request := onceRequest(name, "GET", "/hello", 0)
	errs := make([]error, onceClients)
	var wg sync.WaitGroup
	for i := range onceClients {
		wg.Go(func() {
			for range times {
				if errs[i] = helloOnce(addr, request); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func helloOnce(addr string, request []byte) error {
	conn, err := net.Dial("unix", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(request); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && !bytes.Contains(answer, []byte("Hello World !\n")) {
		err = fmt.Errorf("unexpected answer %q", answer)
	}
	return err
}

// A stdout is what a FastCGI answer has in its STDOUT records.
type stdout struct {
	r    *bufio.Reader
	left int // of the record
	skip int // its padding
}

func (s *stdout) Read(p []byte) (int, error) {
	for s.left == 0 {
		if _, err := s.r.Discard(s.skip); err != nil {
			return 0, err
		}
		var header [8]byte
		if _, err := io.ReadFull(s.r, header[:]); err != nil {
			return 0, err
		}
		length := int(header[4])<<8 | int(header[5])
		switch s.skip = int(header[6]); header[1] {
		case 3: // FCGI_END_REQUEST
			return 0, io.EOF
		case 6:
			s.left = length
		default:
			s.skip += length
		}
	}
	n, err := s.r.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// streamOnce takes size bytes down or sends them up.
func streamOnce(name, network, addr, path string, size int) error {
	conn, err := net.Dial(network, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	length := 0
	if path == "/up" {
		length = size
	}
	if _, err := conn.Write(onceRequest(name, "POST", path, length)); err != nil {
		return err
	}
	if err := onceBody(conn, name, length); err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, 256<<10)
	if name == "fcgi" {
		r = bufio.NewReaderSize(&stdout{r: r}, 256<<10)
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if line == "\r\n" {
			break
		}
	}
	if path == "/up" {
		total, err := io.ReadAll(r)
		if err == nil && strings.TrimSpace(string(total)) != fmt.Sprint(size) {
			err = fmt.Errorf("%q bytes have arrived, want %d", total, size)
		}
		return err
	}
	total := 0
	for block := make([]byte, 256<<10); ; {
		n, err := r.Read(block)
		if total += n; err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if total != size {
		return fmt.Errorf("%d bytes have come, want %d", total, size)
	}
	return nil
}
