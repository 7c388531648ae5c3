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
	onceStream = []string{"http", "scgi", "uwsgi"}
	onceNames  = map[string]string{"fcgi": "gateway/fcgi", "scgi": "gateway/scgi", "uwsgi": "gateway/uwsgi", "http": "net/http"}
)

const onceClients = 4

// measureOnce measures what has one connection for each request, over Unix sockets: a hello beside FastCGI without keep-alive, and
// size bytes of a file down and of a body up beside net/http, in CPU time of the server.
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
	for _, path := range []string{"/down", "/up"} {
		what := fmt.Sprintf("%.4g GiB, Unix socket, ", float64(size)/(1<<30)) + map[string]string{"/down": "a file down", "/up": "a body up"}[path]
		cpus, err := interleave(servers, onceStream, streamRounds, 1, func(name, addr string) error { return streamOnce(name, addr, path, size) })
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

// interleave runs f for each of the servers in random order, round by round, and returns the CPU time that each used for one of n.
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
	if name == "http" {
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
	return fcgiRecord(fcgiRecord(fcgiRecord(r, 4, b), 4, nil), 5, nil)
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

// streamOnce takes size bytes down or sends them up.
func streamOnce(name, addr, path string, size int) error {
	conn, err := net.Dial("unix", addr)
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
	for block := make([]byte, 256<<10); length > 0; {
		n, err := conn.Write(block[:min(len(block), length)])
		if err != nil {
			return err
		}
		length -= n
	}
	r := bufio.NewReaderSize(conn, 256<<10)
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
