package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A bridgeCase is one server of programs/nethttp-server. Those of one group are compared with the
// first of it.
type bridgeCase struct {
	group, name, argument string
	request               []byte
	end                   func(response []byte) bool // it is whole
	bound                 float64                    // of the CPU, as a part of the first one's; 0 is none
}

const (
	bridgeTool    = "HTTP hello, headers of a Go client"
	bridgeBrowser = "HTTP hello, headers of a browser"
	bridgeFCGI    = "FastCGI hello, http.Handler"
)

var bridgeCases = []bridgeCase{
	{bridgeTool, "net/http", "http-plain", toolRequest, httpEnd, 0},
	{bridgeTool, "nethttp.Handler", "http-gateway", toolRequest, httpEnd, 1.15},
	{bridgeTool, "nethttp.Handler(nethttp.Application)", "http-both", toolRequest, httpEnd, 0},
	{bridgeBrowser, "net/http", "http-plain", httpRequest, httpEnd, 0},
	{bridgeBrowser, "nethttp.Handler", "http-gateway", httpRequest, httpEnd, 0},
	{bridgeFCGI, "net/http/fcgi", "fcgi-plain", fcgiRequest(), fcgiEnd, 0},
	{bridgeFCGI, "fcgi, nethttp.Application", "fcgi-gateway", fcgiRequest(), fcgiEnd, 1},
}

const bridgeClients = 8

// A bridge is a server that runs, with its clients.
type bridge struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	clients []*bridgeClient
}

// measureBridge measures what nethttp costs, in each direction, in CPU time of the server. perRound
// is the number of requests that each client sends in a round.
func measureBridge(t *table, dir string, rounds, perRound int) error {
	if rounds == 0 {
		return nil
	}
	file, err := goBuild(dir, programs+"nethttp-server", true)
	if err != nil {
		return err
	}
	list := make([]*bridge, len(bridgeCases))
	for i, c := range bridgeCases {
		if list[i], err = startBridge(file, c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		defer list[i].stop()
	}
	cpus, walls := make([][]time.Duration, len(list)), make([][]time.Duration, len(list))
	for round := range 1 + rounds { // the first does not count
		for _, i := range rand.Perm(len(list)) {
			wall, cpu, err := list[i].round(perRound)
			if err != nil {
				return fmt.Errorf("%s: %w", bridgeCases[i].name, err)
			}
			if round > 0 {
				walls[i], cpus[i] = append(walls[i], wall), append(cpus[i], cpu)
			}
		}
	}
	first := 0
	for i, c := range bridgeCases {
		if c.group != bridgeCases[first].group {
			first = i
		}
		r := ratioOf(cpus[i], cpus[first])
		t.add(row{what: c.group, variant: c.name, time: microseconds(median(walls[i])), cpu: microseconds(median(cpus[i])), ratio: r.String()})
		if c.bound > 0 {
			t.atMost(fmt.Sprintf("%s, CPU, %s ÷ %s", c.group, c.name, bridgeCases[first].name), r.median, c.bound, "")
		}
	}
	return nil
}

func microseconds(d time.Duration) string { return fmt.Sprintf("%.2f µs", float64(d)/1e3) }

func startBridge(file string, c bridgeCase) (*bridge, error) {
	b := &bridge{cmd: exec.Command(file, c.argument)}
	var err error
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.out = bufio.NewReader(out)
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := b.out.ReadString('\n')
	for range bridgeClients {
		var conn net.Conn
		if err == nil {
			conn, err = net.Dial("tcp", strings.TrimSpace(addr))
		}
		if err != nil {
			b.stop()
			return nil, err
		}
		b.clients = append(b.clients, &bridgeClient{conn: conn, request: c.request, end: c.end})
	}
	return b, nil
}

func (b *bridge) stop() {
	for _, c := range b.clients {
		c.conn.Close()
	}
	b.in.Close() // which ends it
	_ = b.cmd.Wait()
}

// cpu is what the server has used.
func (b *bridge) cpu() (time.Duration, error) {
	if _, err := io.WriteString(b.in, "\n"); err != nil {
		return 0, err
	}
	line, err := b.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return time.Duration(n), err
}

// round returns what a request takes, and what it costs the server.
func (b *bridge) round(n int) (wall, cpu time.Duration, err error) {
	before, err := b.cpu()
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	errs := make([]error, len(b.clients))
	var wg sync.WaitGroup
	for i, c := range b.clients {
		wg.Go(func() {
			for j := 0; j < n && errs[i] == nil; j++ {
				errs[i] = c.ask()
			}
		})
	}
	wg.Wait()
	wall = time.Since(begun)
	for _, err := range errs {
		if err != nil {
			return 0, 0, err
		}
	}
	after, err := b.cpu()
	total := time.Duration(n * len(b.clients))
	return wall / total, (after - before) / total, err
}

// A bridgeClient is a connection that is kept. end says whether the response is whole.
type bridgeClient struct {
	conn    net.Conn
	request []byte
	end     func(response []byte) bool
	buf     [4096]byte
}

func (c *bridgeClient) ask() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	n := 0
	for {
		m, err := c.conn.Read(c.buf[n:])
		if n += m; err != nil {
			return err
		}
		if c.end(c.buf[:n]) {
			if !bytes.Contains(c.buf[:n], []byte("Hello World !\n")) || !bytes.Contains(c.buf[:n], []byte("200 OK\r\n")) {
				return fmt.Errorf("response %q", c.buf[:n])
			}
			return nil
		}
		if n == len(c.buf) {
			return fmt.Errorf("response %q is too long", c.buf[:n])
		}
	}
}

// toolRequest is what Go's http.Client sends; wrk and curl send less, or the like.
var toolRequest = []byte("GET /hello/world?name=value HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Go-http-client/1.1\r\n" +
	"Accept-Encoding: gzip\r\n\r\n")

// httpRequest is what a browser sends: it makes so many variables that the map for them needs twice
// the space.
var httpRequest = []byte("GET /hello/world?name=value HTTP/1.1\r\nHost: www.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n")

func httpEnd(response []byte) bool {
	return bytes.HasSuffix(response, []byte("\r\n\r\nHello World !\n"))
}

// fcgiRequest is a request with the environment of the CGI programs, on a connection that is kept.
func fcgiRequest() []byte {
	var params []byte
	for _, entry := range environment("GET", "name=value", "0") {
		name, value, _ := strings.Cut(entry, "=")
		params = append(params, byte(len(name)), byte(len(value))) // all are shorter than 128
		params = append(append(params, name...), value...)
	}
	b := fcgiRecord(nil, 1, []byte{0, 1, 1, 0, 0, 0, 0, 0})
	b = fcgiRecord(b, 4, params)
	b = fcgiRecord(b, 4, nil)
	return fcgiRecord(b, 5, nil)
}

func fcgiRecord(b []byte, kind byte, content []byte) []byte {
	b = append(b, 1, kind, 0, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(content)))
	return append(append(b, 0, 0), content...)
}

// fcgiEnd finds END_REQUEST, the last record.
func fcgiEnd(response []byte) bool {
	for len(response) >= 8 {
		size := 8 + int(binary.BigEndian.Uint16(response[4:])) + int(response[6])
		if len(response) < size {
			return false
		}
		if response[1] == 3 {
			return true
		}
		response = response[size:]
	}
	return false
}
