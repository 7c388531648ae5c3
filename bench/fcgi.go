package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// The variants of programs/fcgi-server. What the others are compared with comes first.
var persistent = []struct {
	name, argument string
	fcgi           bool
}{
	{"gateway/fcgi", "gateway", true},
	{"net/http/fcgi", "fcgi", true},
	{"net/http", "http", false},
}

const persistentClients = 8

// A usage is what a server has used so far.
type usage struct {
	cpu             time.Duration
	allocs, bytes   int64
	inuse, resident int64 // heap and stacks; the process
}

func (u usage) minus(v usage) usage {
	return usage{u.cpu - v.cpu, u.allocs - v.allocs, u.bytes - v.bytes, u.inuse - v.inuse, u.resident - v.resident}
}

// A persistentServer is a server that runs.
type persistentServer struct {
	cmd             *exec.Cmd
	in              io.WriteCloser
	out             *bufio.Reader
	addr, tcp       string
	request, answer []byte // the exchange that is repeated
	conns           []net.Conn
}

// measurePersistent measures a hello on kept Unix connections: CPU, allocations, what an idle
// connection holds, and whether a request costs more when there are many connections. perRound is
// the number of requests that each client sends in a round.
func measurePersistent(t *table, dir string, rounds, perRound, idle int) error {
	if rounds == 0 {
		return nil
	}
	file, err := goBuild(dir, programs+"fcgi-server", true)
	if err != nil {
		return err
	}
	list := make([]*persistentServer, len(persistent))
	for i, v := range persistent {
		list[i], err = startPersistent(file, v.argument, filepath.Join(dir, v.argument+".sock"), v.fcgi)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		defer list[i].stop()
		if err := list[i].connect(persistentClients); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	cpus, walls := make([][]time.Duration, len(list)), make([][]time.Duration, len(list))
	allocs, sizes := make([][]float64, len(list)), make([][]float64, len(list))
	for round := range 1 + rounds { // the first does not count
		for _, i := range rand.Perm(len(list)) {
			wall, used, err := list[i].round(persistentClients, perRound)
			if err != nil {
				return fmt.Errorf("%s: %w", persistent[i].name, err)
			}
			if n := persistentClients * perRound; round > 0 {
				walls[i], cpus[i] = append(walls[i], wall/time.Duration(n)), append(cpus[i], used.cpu/time.Duration(n))
				allocs[i], sizes[i] = append(allocs[i], float64(used.allocs)/float64(n)), append(sizes[i], float64(used.bytes)/float64(n))
			}
		}
	}
	const what = "FastCGI hello, Unix socket, 8 clients"
	for i, v := range persistent {
		t.add(row{
			what: what, variant: v.name,
			time: microseconds(median(walls[i])), cpu: microseconds(median(cpus[i])),
			memory: fmt.Sprintf("%.1f allocations, %.2f kB", median(allocs[i]), median(sizes[i])/1000),
			ratio:  ratioOf(cpus[i], cpus[0]).String(),
		})
	}
	t.atMost(what+", CPU, gateway/fcgi ÷ net/http/fcgi", ratioOf(cpus[0], cpus[1]).median, 1.0/7, "")
	t.atMost(what+", CPU, gateway/fcgi ÷ net/http", ratioOf(cpus[0], cpus[2]).median, 0.65, "")
	t.atMost(what+", gateway/fcgi, allocations", median(allocs[0]), 10.5, "")
	t.atMost(what+", gateway/fcgi, allocated", median(sizes[0])/1000, 4, "kB")
	return measureIdle(t, list, rounds, perRound, idle)
}

// measureIdle opens many connections and looks at what that costs.
func measureIdle(t *table, list []*persistentServer, rounds, perRound, idle int) error {
	what := fmt.Sprintf("%d kept connections", idle)
	for i, v := range persistent {
		s := list[i]
		before, err := s.used("collect")
		if err == nil {
			err = s.connect(idle - len(s.conns))
		}
		var after usage
		if err == nil {
			_, _, err = s.round(len(s.conns), 1)
		}
		if err == nil {
			after, err = s.used("collect")
		}
		if err != nil {
			return fmt.Errorf("%s, %s: %w", v.name, what, err)
		}
		held := after.minus(before)
		inuse := float64(held.inuse) / float64(idle-persistentClients) / 1000
		resident := float64(held.resident) / float64(idle-persistentClients) / 1000
		t.add(row{what: what, variant: v.name, memory: fmt.Sprintf("%.1f kB in use, %.1f kB resident each", inuse, resident)})
		if i == 0 {
			t.atMost(what+", gateway/fcgi, in use each", inuse, 12, "kB")
			t.atMost(what+", gateway/fcgi, resident each", resident, 12, "kB")
			if err := measureTurns(t, s, rounds, perRound); err != nil {
				return err
			}
		}
		s.disconnect() // there are not file descriptors for all of them
	}
	return nil
}

// measureTurns compares requests on one connection with the same on all in turn.
func measureTurns(t *table, s *persistentServer, rounds, perRound int) error {
	one, all := make([]time.Duration, 0, rounds), make([]time.Duration, 0, rounds)
	for range rounds {
		for _, i := range rand.Perm(2) {
			n, times, dst := 1, persistentClients*perRound, &one
			if i == 1 {
				n, times, dst = len(s.conns), max(1, persistentClients*perRound/len(s.conns)), &all
			}
			_, used, err := s.round(n, times)
			if err != nil {
				return err
			}
			*dst = append(*dst, used.cpu/time.Duration(n*times))
		}
	}
	const what = "FastCGI hello, Unix socket, by connections"
	r := ratioOf(all, one)
	t.add(row{what: what, variant: "gateway/fcgi, 1", cpu: microseconds(median(one)), ratio: "1.00"})
	t.add(row{what: what, variant: fmt.Sprintf("gateway/fcgi, %d in turn", len(s.conns)), cpu: microseconds(median(all)), ratio: r.String()})
	t.atMost(what+fmt.Sprintf(", CPU, %d ÷ 1", len(s.conns)), r.median, 2, "")
	return nil
}

// nginxRequest is what nginx with its stock fastcgi_params makes of httpRequest, on a connection
// that is kept.
func nginxRequest() []byte {
	var params []byte
	for _, p := range [][2]string{
		{"QUERY_STRING", "name=value"}, {"REQUEST_METHOD", "GET"}, {"CONTENT_TYPE", ""}, {"CONTENT_LENGTH", ""},
		{"SCRIPT_NAME", "/hello/world"}, {"REQUEST_URI", "/hello/world?name=value"}, {"DOCUMENT_URI", "/hello/world"},
		{"DOCUMENT_ROOT", "/srv/www/htdocs"}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"REQUEST_SCHEME", "http"},
		{"GATEWAY_INTERFACE", "CGI/1.1"}, {"SERVER_SOFTWARE", "nginx/1.22.1"}, {"REMOTE_ADDR", "192.0.2.77"},
		{"REMOTE_PORT", "51234"}, {"SERVER_ADDR", "192.0.2.1"}, {"SERVER_PORT", "80"}, {"SERVER_NAME", "www.example.com"},
		{"REDIRECT_STATUS", "200"}, {"HTTP_HOST", "www.example.com"},
		{"HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
		{"HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		{"HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5"}, {"HTTP_ACCEPT_ENCODING", "gzip, deflate, br, zstd"},
		{"HTTP_COOKIE", "session=0123456789abcdef0123456789abcdef; theme=dark"},
	} {
		params = append(params, byte(len(p[0])), byte(len(p[1]))) // all are shorter than 128
		params = append(append(params, p[0]...), p[1]...)
	}
	b := fcgiRecord(nil, 1, []byte{0, 1, 1, 0, 0, 0, 0, 0})
	b = fcgiRecord(b, 4, params)
	b = fcgiRecord(b, 4, nil)
	return fcgiRecord(b, 5, nil)
}

func startPersistent(file, argument, addr string, fcgi bool) (*persistentServer, error) {
	s := &persistentServer{cmd: exec.Command(file, argument, addr), addr: addr, request: httpRequest}
	if fcgi {
		s.request = nginxRequest()
	}
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
	if _, err = s.used(""); err == nil { // it runs; when it listens is another matter
		err = s.learn(fcgi)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// learn takes the first answer for the one to expect.
func (s *persistentServer) learn(fcgi bool) (err error) {
	var conn net.Conn
	for range 100 {
		if conn, err = net.Dial("unix", s.addr); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write(s.request); err != nil {
		return err
	}
	end := []byte("\r\n\r\nHello World !\n")
	if fcgi {
		end = []byte("\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	}
	buf := make([]byte, 4096)
	n := 0
	for n < len(buf) {
		m, err := conn.Read(buf[n:])
		if n += m; bytes.HasSuffix(buf[:n], end) {
			if !bytes.Contains(buf[:n], []byte("Hello World !\n")) { // net/http/fcgi has it in a record of its own
				break
			}
			s.answer = buf[:n]
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("unexpected answer %q", buf[:n])
}

func (s *persistentServer) connect(n int) error {
	for range n {
		conn, err := net.Dial("unix", s.addr)
		for errors.Is(err, syscall.EAGAIN) { // more wait to be accepted than the kernel lets
			time.Sleep(time.Millisecond)
			conn, err = net.Dial("unix", s.addr)
		}
		if err != nil {
			return err
		}
		s.conns = append(s.conns, conn)
	}
	return nil
}

func (s *persistentServer) disconnect() {
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *persistentServer) stop() {
	s.disconnect()
	s.in.Close() // which ends it
	_ = s.cmd.Wait()
}

// used asks the server what it has used.
func (s *persistentServer) used(command string) (u usage, err error) {
	if _, err := io.WriteString(s.in, command+"\n"); err != nil {
		return u, err
	}
	line, err := s.out.ReadString('\n')
	if err != nil {
		return u, err
	}
	_, err = fmt.Sscan(line, (*int64)(&u.cpu), &u.allocs, &u.bytes, &u.inuse, &u.resident)
	return u, err
}

// round sends times requests on each of the first n connections, with as many clients as there are,
// but no more than persistentClients: each takes turns with its connections.
func (s *persistentServer) round(n, times int) (wall time.Duration, used usage, err error) {
	before, err := s.used("")
	if err != nil {
		return 0, used, err
	}
	clients := min(n, persistentClients)
	errs := make([]error, clients)
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range clients {
		wg.Go(func() {
			buf := make([]byte, len(s.answer))
			for range times {
				for j := i; j < n; j += clients {
					if errs[i] = s.exchange(s.conns[j], buf); errs[i] != nil {
						return
					}
				}
			}
		})
	}
	wg.Wait()
	wall = time.Since(begun)
	for _, e := range errs {
		if e != nil {
			return 0, used, e
		}
	}
	after, err := s.used("")
	return wall, after.minus(before), err
}

func (s *persistentServer) exchange(conn net.Conn, buf []byte) error {
	if _, err := conn.Write(s.request); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, buf); err != nil {
		return err
	}
	// net/http's Date changes, and only it.
	if end := len(buf) - len("\r\n\r\nHello World !\n"); !bytes.Equal(buf[end:], s.answer[end:]) {
		return fmt.Errorf("another answer: %q", buf)
	}
	return nil
}
