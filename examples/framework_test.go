package examples_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.com/gateway/internal/testhost"
)

// The same mux gives the same answers behind each protocol.
func TestFrameworkOnEveryServer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted on Windows")
	}
	program := filepath.Join(buildAll(t), "framework"+exe())
	for _, protocol := range []string{"http", "fcgi", "scgi", "uwsgi"} {
		place := "tcp:127.0.0.1:0"
		if protocol != "http" {
			place = "unix:" + t.TempDir() + "/s"
		}
		s := begin(t, program, protocol+":"+place)
		var logged []string
		for _, c := range []struct{ method, target, want string }{
			{"GET", "/hello/gopher", "200 text/plain; charset=utf-8, 15, allow \"\": Hello gopher !\n"},
			{"GET", "/hello/a%20b%2Fc?q", "200 text/plain; charset=utf-8, 14, allow \"\": Hello a b/c !\n"},
			{"HEAD", "/hello/gopher", "200 text/plain; charset=utf-8, 15, allow \"\": "},
			{"GET", "/whoami", "200 text/plain; charset=utf-8, 7, allow \"\": nobody\n"},
			{"GET", "/nowhere", "404 text/plain; charset=utf-8, 19, allow \"\": 404 page not found\n"},
			{"DELETE", "/whoami", "405 text/plain; charset=utf-8, 19, allow \"GET, HEAD\": Method Not Allowed\n"},
		} {
			res := s.ask(t, c.method, c.target)
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				t.Errorf("%s: %s %s: %v", protocol, c.method, c.target, err)
			}
			got := fmt.Sprintf("%d %s, %s, allow %q: %s", res.StatusCode,
				res.Header.Get("Content-Type"), res.Header.Get("Content-Length"),
				res.Header.Get("Allow"), body)
			if got != c.want {
				t.Errorf("%s: %s %s: %q, want %q", protocol, c.method, c.target, got, c.want)
			}
			logged = append(logged, c.method+" "+c.target+"\n")
		}
		if protocol != "http" { // only a web server says who the client is
			res := s.ask(t, "GET", "/whoami", "REMOTE_USER", "ada")
			if body, _ := io.ReadAll(res.Body); string(body) != "ada\n" {
				t.Errorf("%s: with REMOTE_USER: %q", protocol, body)
			}
		}
		said := s.stop(t)
		for _, line := range logged {
			if !strings.Contains(said, line) {
				t.Errorf("%s: it says %q, there is no %q", protocol, said, line)
			}
		}
	}
}

// ask sends a request in the server's protocol. extra has names and values of variables in turn.
func (s *server) ask(t *testing.T, method, target string, extra ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if s.protocol == "http" {
		if r.URL, err = url.Parse(s.where + target); err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	vars := [][2]string{{"CONTENT_LENGTH", "0"}, {"SCGI", "1"}, {"GATEWAY_INTERFACE", "CGI/1.1"},
		{"REQUEST_METHOD", method},
		{"SERVER_PROTOCOL", "HTTP/1.1"}, {"SERVER_NAME", "localhost"}, {"SERVER_PORT", "80"},
		{"HTTP_HOST", "localhost"},
		{"REQUEST_URI", target}, {"SCRIPT_NAME", ""}, {"PATH_INFO", r.URL.Path}, {"QUERY_STRING", r.URL.RawQuery}}
	for i := 0; i < len(extra); i += 2 {
		vars = append(vars, [2]string{extra[i], extra[i+1]})
	}
	_, path, _ := strings.Cut(s.where, ":")
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	w := httptest.NewRecorder()
	whole := false
	switch s.protocol {
	case "fcgi":
		whole = relayFastCGI(t, w, addr, vars)
	case "scgi":
		whole = testhost.Single(w, r, addr, false, func(string) string {
			var b strings.Builder
			for _, v := range vars {
				b.WriteString(v[0] + "\x00" + v[1] + "\x00")
			}
			return fmt.Sprintf("%d:%s,", b.Len(), b.String())
		})
	case "uwsgi":
		whole = testhost.Single(w, r, addr, false, func(string) string {
			b := make([]byte, 4)
			for _, v := range vars {
				for _, s := range v {
					b = append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
				}
			}
			binary.LittleEndian.PutUint16(b[1:], uint16(len(b)-4))
			return string(b)
		})
	}
	if !whole {
		t.Errorf("%s: %s %s: the answer is not whole", s.protocol, method, target)
	}
	return w.Result()
}

// relayFastCGI sends a request without a body, in as few records as there can be.
func relayFastCGI(t *testing.T, w http.ResponseWriter, addr net.Addr, vars [][2]string) bool {
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	params := ""
	for _, v := range vars {
		params += string([]byte{byte(len(v[0])), byte(len(v[1]))}) + v[0] + v[1]
	}
	b := record(nil, 1, "\x00\x01\x00\x00\x00\x00\x00\x00") // BEGIN_REQUEST, a responder's
	b = record(record(record(b, 4, params), 4, ""), 5, "")
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	for {
		var head [8]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return false
		}
		content := make([]byte, int(binary.BigEndian.Uint16(head[4:]))+int(head[6]))
		if _, err := io.ReadFull(conn, content); err != nil {
			return false
		}
		switch head[1] {
		case 3: // END_REQUEST
			return testhost.Relay(w, &stdout)
		case 6:
			stdout.Write(content[:len(content)-int(head[6])])
		}
	}
}

func record(b []byte, kind byte, content string) []byte {
	return append(append(b, 1, kind, 0, 1, byte(len(content)>>8), byte(len(content)), 0, 0), content...)
}
