package nethttp_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/cgi"
	"example.com/gateway/fcgi"
	"example.com/gateway/nethttp"
	"example.com/gateway/scgi"
	"example.com/gateway/uwsgi"
)

var update = flag.Bool("update", false, "write the table into doc.go")

// A side is a column of the table: a server, seen from the web server in front or from the client.
type side struct {
	name string
	host bool // there is a web server in front

	// request sends a request with the variables to the application. It returns the response as it
	// comes, and a function that closes the connection.
	request func(t *testing.T, app gateway.Application, vars []string) (response *bufio.Reader, leave func())
}

var sides = []side{
	{"cgi", true, askCGI},
	{"fcgi", true, asking(fcgi.Serve, func(vars []string) string {
		return record(1, "\x00\x01\x00\x00\x00\x00\x00\x00") + record(4, pairs(vars, func(n int) string { return string([]byte{byte(n)}) })) + record(4, "") + record(5, "")
	})},
	{"scgi", true, asking(scgi.Serve, func(vars []string) string {
		block := "CONTENT_LENGTH\x000\x00SCGI\x001\x00" + strings.ReplaceAll(strings.Join(vars, "\x00"), "=", "\x00") + "\x00"
		return fmt.Sprintf("%d:%s,", len(block), block)
	})},
	{"uwsgi", true, asking(uwsgi.Serve, func(vars []string) string {
		block := pairs(vars, nil)
		return "\x00" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(block)))) + "\x00" + block
	})},
	{"nethttp", false, asking(nethttp.Serve, func(vars []string) string {
		for _, v := range vars {
			if target, found := strings.CutPrefix(v, "REQUEST_URI="); found {
				return "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
			}
		}
		panic("no target")
	})},
}

// pairs returns names and values with their lengths. For FastCGI, length encodes a length, and both
// lengths come before both strings. For uwsgi, length is nil, and each length comes before its
// string.
func pairs(vars []string, length func(int) string) (block string) {
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		if length != nil {
			block += length(len(name)) + length(len(value)) + name + value
			continue
		}
		for _, s := range []string{name, value} {
			block += string(binary.LittleEndian.AppendUint16(nil, uint16(len(s)))) + s
		}
	}
	return block
}

func record(kind byte, content string) string {
	return string(append([]byte{1, kind, 0, 1}, byte(len(content)>>8), byte(len(content)), 0, 0)) + content
}

func asking(serve func(net.Listener, gateway.Application) error, request func([]string) string) func(*testing.T, gateway.Application, []string) (*bufio.Reader, func()) {
	return func(t *testing.T, app gateway.Application, vars []string) (*bufio.Reader, func()) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go serve(&fileListener{l, &askedFiles}, app)
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, request(vars))
		return bufio.NewReader(conn), func() { conn.Close() }
	}
}

func askCGI(t *testing.T, app gateway.Application, vars []string) (*bufio.Reader, func()) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer w.Close()
		_ = (&cgi.Program{Env: vars, Stdin: strings.NewReader(""), Stdout: fileWriter{w}, Stderr: io.Discard}).Run(app)
	}()
	t.Cleanup(func() { r.Close() })
	return bufio.NewReader(r), func() { r.Close() }
}

// A fileWriter is a pipe that counts files as a fileConn does.
type fileWriter struct{ *os.File }

func (w fileWriter) ReadFrom(r io.Reader) (int64, error) {
	countFile(r, &askedFiles)
	return w.File.ReadFrom(r)
}

var tableVars = []string{"REQUEST_METHOD=GET", "SERVER_PROTOCOL=HTTP/2.0", "HTTPS=on", "PATH_INFO=/a/b", "QUERY_STRING=q", "REQUEST_URI=/a%2Fb?q", "REMOTE_ADDR=192.0.2.1",
	"SERVER_NAME=x", "SERVER_PORT=443"}

// answer runs an application on a server and returns all of the response. Under FastCGI the headers
// of the records are in it.
func (s side) answer(t *testing.T, app gateway.Application) string {
	r, _ := s.request(t, app, tableVars)
	all, _ := io.ReadAll(r)
	return string(all)
}

func (s side) handler(t *testing.T, h http.HandlerFunc) string {
	return s.answer(t, nethttp.Application(h))
}

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

// probes are the rows of the table.
var probes = []struct {
	name  string
	probe func(t *testing.T, s side) string
}{
	{"Flush sends what was written", func(t *testing.T, s side) string {
		seen := make(chan struct{})
		r, _ := s.request(t, nethttp.Application(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "block!")
			w.(http.Flusher).Flush()
			<-seen
		})), tableVars)
		_, err := r.ReadString('!')
		close(seen)
		return yes(err == nil)
	}},
	{"the context ends when the client leaves", func(t *testing.T, s side) string {
		left, result := make(chan struct{}), make(chan string, 1)
		r, leave := s.request(t, nethttp.Application(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			done := r.Context().Done()
			io.WriteString(w, "block!")
			w.(http.Flusher).Flush()
			<-left
			select {
			case <-done:
				result <- "yes"
				return
			case <-time.After(map[bool]time.Duration{true: 200 * time.Millisecond, false: 10 * time.Second}[s.name == "cgi"]):
			}
			for range 1000 {
				io.WriteString(w, "more")
				w.(http.Flusher).Flush()
				select {
				case <-done:
					result <- "at a write"
					return
				default:
				}
			}
			result <- "no"
		})), tableVars)
		_, _ = r.ReadString('!')
		leave()
		close(left)
		return until(t, "the end of the context", result)
	}},
	{"early hints", func(t *testing.T, s side) string {
		answer := s.handler(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); io.WriteString(w, "x") })
		return yes(strings.Contains(answer, "103 Early Hints"))
	}},
	{"trailers", func(t *testing.T, s side) string {
		answer := s.handler(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
			io.WriteString(w, "x")
		})
		return yes(strings.Contains(answer, "X-Sum: 1\r\n"))
	}},
	{"Expect: 100-continue", func(t *testing.T, s side) string {
		if s.host {
			return "the host"
		}
		first := "no"
		server := httptest.NewServer(nethttp.Handler(nethttp.Application(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }))))
		defer server.Close()
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
		if line, _ := bufio.NewReader(conn).ReadString('\n'); strings.HasPrefix(line, "HTTP/1.1 100 ") {
			first = "yes"
		}
		return first
	}},
	{"HTTP/2", func(t *testing.T, s side) string {
		if s.host {
			return map[string]string{"yes": "the host"}[s.shows(t, func(r *http.Request) bool { return r.ProtoMajor == 2 })]
		}
		return yes(overTLS(t, func(r *http.Request) bool { return r.ProtoMajor == 2 }))
	}},
	{"TLS is not nil", func(t *testing.T, s side) string {
		if s.host {
			return s.shows(t, func(r *http.Request) bool { return r.TLS != nil })
		}
		return yes(overTLS(t, func(r *http.Request) bool { return r.TLS != nil }))
	}},
	{"TLS has the version and certificates", func(t *testing.T, s side) string {
		if s.host {
			return s.shows(t, func(r *http.Request) bool { return r.TLS != nil && r.TLS.Version != 0 })
		}
		return yes(overTLS(t, func(r *http.Request) bool { return r.TLS != nil && r.TLS.Version != 0 }))
	}},
	{"the path as it was encoded", func(t *testing.T, s side) string {
		return s.shows(t, func(r *http.Request) bool { return r.RequestURI == "/a%2Fb?q" && r.URL.EscapedPath() == "/a%2Fb" })
	}},
	{"an application's reason of a status", func(t *testing.T, s side) string {
		return yes(strings.Contains(s.answer(t, answering("404 Gone Fishing", nil, func() gateway.Body { return gateway.Bytes() })), "404 Gone Fishing\r\n"))
	}},
	{"http.CloseNotifier, for gin's streams", func(t *testing.T, s side) string {
		return yes(strings.Contains(s.handler(t, func(w http.ResponseWriter, _ *http.Request) {
			if n, ok := w.(interface{ CloseNotify() <-chan bool }); ok && n.CloseNotify() != nil {
				io.WriteString(w, "a notifier")
			}
		}), "a notifier"))
	}},
	{"deadlines of a request's own", func(t *testing.T, s side) string {
		return yes(!strings.Contains(s.handler(t, func(w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			if err := errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})); err != nil {
				io.WriteString(w, "no deadlines")
			}
		}), "no deadlines"))
	}},
	{"hijacking, WebSocket", func(t *testing.T, s side) string {
		return yes(!strings.Contains(s.handler(t, func(w http.ResponseWriter, _ *http.Request) {
			if _, ok := w.(http.Hijacker); !ok {
				io.WriteString(w, "no hijacker")
			}
		}), "no hijacker"))
	}},
	// The files of applications are in TestAFileGoesOutBySendfile.
	{"a handler's files by sendfile", func(t *testing.T, s side) string {
		f := fileOf(t, []byte(strings.Repeat("x", 100_000)+"!"))
		defer f.Close()
		before := askedFiles.Load()
		answer := s.handler(t, func(w http.ResponseWriter, r *http.Request) { http.ServeContent(w, r, "", time.Time{}, f) })
		if !strings.Contains(answer, "!") {
			t.Errorf("%s: the end of the file has not come", s.name)
		}
		return yes(askedFiles.Load() > before)
	}},
}

// askedFiles counts the bytes that came to the connections of asking, or to the stdout of askCGI,
// as parts of files.
var askedFiles atomic.Int64

func (s side) shows(t *testing.T, look func(r *http.Request) bool) string {
	result := make(chan bool, 1)
	s.handler(t, func(_ http.ResponseWriter, r *http.Request) { result <- look(r) })
	return yes(until(t, "the call", result))
}

func overTLS(t *testing.T, look func(r *http.Request) bool) bool {
	result := make(chan bool, 1)
	server := httptest.NewUnstartedServer(nethttp.Handler(nethttp.Application(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { result <- look(r) }))))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return <-result
}

// askedFiles counts the file of an application, so that the row about the files of handlers means
// something. The other servers send files without the methods of their connections.
func TestTheTableSeesFiles(t *testing.T) {
	for _, s := range sides {
		if s.name != "nethttp" {
			continue
		}
		before := askedFiles.Load()
		s.answer(t, answering("200 OK", lengthOf(100_000), func() gateway.Body { return gateway.Reader(fileOf(t, make([]byte, 100_000)), 0) }))
		if n := askedFiles.Load() - before; n != 100_000-8192 {
			t.Errorf("%s: %d bytes came as a file", s.name, n)
		}
	}
}

// The table of the package comment is what the probes find.
func TestTheTableOfThePackageComment(t *testing.T) {
	t.Parallel()
	row := func(b *strings.Builder, name string, cells []string) {
		line := fmt.Sprintf("//\t%-42s", name)
		for _, cell := range cells {
			line += fmt.Sprintf("%-12s", cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	var b strings.Builder
	var names []string
	for _, s := range sides {
		names = append(names, s.name)
	}
	row(&b, "", names)
	for _, p := range probes {
		var cells []string
		for _, s := range sides {
			cells = append(cells, p.probe(t, s))
		}
		row(&b, p.name, cells)
	}
	const begin, end = "the feature is there if the web server in front has it.\n//\n", "//\n// net/http writes"
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(source), begin)
	table, after, found2 := strings.Cut(rest, end)
	if !found || !found2 {
		t.Fatalf("doc.go has no table between %q and %q", begin, end)
	}
	if table == b.String() {
		return
	}
	if !*update {
		t.Errorf("the table in doc.go is\n%s, and what was seen is\n%s\ngo test ./nethttp -run Table -update writes it", table, b.String())
		return
	}
	if err := os.WriteFile("doc.go", []byte(before+begin+b.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
