//go:build interop && linux

package programs

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"example.com/gateway"
	"example.com/gateway/host"
)

// TestOneApplicationInUWSGIAnswersOverItsThreeProtocols runs testdata/wsgi.py.
func TestOneApplicationInUWSGIAnswersOverItsThreeProtocols(t *testing.T) {
	t.Parallel()
	s := newSite(t, "wsgi.py", "uwsgi.ini")
	s.start([]string{s.path("uwsgi.sock"), s.path("scgi.sock"), s.path("fastcgi.sock")},
		"uwsgi-core", "--ini", s.path("uwsgi.ini"))

	var mu sync.Mutex
	environs := make(map[string]map[string]string) // what the application had, by protocol and front
	t.Cleanup(func() {                             // when all have come
		for _, front := range []string{"http", "nginx"} {
			for _, name := range []string{"scgi", "fastcgi"} {
				got, want := environs[name+" "+front], environs["uwsgi "+front]
				if !maps.Equal(got, want) {
					t.Errorf("%s: over %s the application has\n%q, and over uwsgi\n%q", front, name, got, want)
				}
			}
		}
	})
	for name, app := range map[string]gateway.Application{
		"uwsgi":   &host.UWSGI{Addresses: []string{"unix:" + s.path("uwsgi.sock")}},
		"scgi":    &host.SCGI{Addresses: []string{"unix:" + s.path("scgi.sock")}},
		"fastcgi": &host.FastCGI{Addresses: []string{"unix:" + s.path("fastcgi.sock")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behind(t, app, func(c *client) {
				a := c.want(c.get("/environ/a%20b?q=%20", "Host: example.com", "X-Name: value"), 200)
				environ := make(map[string]string)
				if err := json.Unmarshal(a.body, &environ); err != nil {
					c.Fatal(err)
				}
				for key, want := range map[string]string{
					"PATH_INFO": "/environ/a b", "QUERY_STRING": "q=%20", "SCRIPT_NAME": "",
					"REMOTE_ADDR": clientAddress, "HTTP_X_NAME": "value", "HTTP_HOST": "example.com",
				} {
					if environ[key] != want {
						c.Errorf("%s is %q, want %q", key, environ[key], want)
					}
				}
				for _, key := range []string{ // of a connection, of the protocol, or of nginx's folder
					"REMOTE_PORT", "SERVER_PORT", "SCGI", "CONTENT_LENGTH", "uwsgi.node", "DOCUMENT_ROOT",
				} {
					delete(environ, key)
				}
				mu.Lock()
				environs[name+" "+c.front] = environ
				mu.Unlock()

				// A body of unknown length arrives whole.
				data := make([]byte, 3<<20)
				_, _ = rand.NewChaCha8([32]byte{3}).Read(data)
				sum := fmt.Sprintf("%d %x", len(data), sha256.Sum256(data))
				c.want(c.do("POST", "/body", bytes.NewReader(data)), 200, sum)
				c.want(c.do("PUT", "/body", io.MultiReader(bytes.NewReader(data))), 200, sum)

				a = c.want(c.do("HEAD", "/big", nil), 200)
				if len(a.body) != 0 || a.header.Get("Content-Length") != "20000000" {
					c.Errorf("the answer to HEAD is %v", a)
				}
				if a = c.want(c.get("/big"), 200); len(a.body) != 20_000_000 {
					c.Errorf("20,000,000 bytes are %d", len(a.body))
				}
				a = c.want(c.get("/status"), 418, "short and stout")
				if got := a.header.Values("Set-Cookie"); strings.Join(got, ";") != "a=1;b=2" {
					c.Errorf("two cookies are %q", got)
				}
				s.streams(c, "/stream?"+name+c.front, name+c.front)
				c.broken(c.get("/short"))
				s.leaveUploading(c, "/mark?half"+name+c.front, "half"+name+c.front)
				c.want(c.get("/mark?whole"+name+c.front), 200)
				s.awaitMark(c.T, "whole"+name+c.front)
				c.calm()

				// Its buffer-size is 4096. Over FastCGI it waits for its socket-timeout then.
				if name != "fastcgi" {
					c.want(c.get("/environ", "Cookie: "+strings.Repeat("x", 5000)), 502)
					c.says("buffer-size")
				}
			})
		})
	}
}

// streams checks that the first line of an answer comes before the program makes the second, for
// which the program waits for a mark.
func (s *site) streams(c *client, path, mark string) {
	c.Helper()
	conn := c.dial()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
	var text strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(text.String(), "first\n") {
		n, err := conn.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			c.Fatalf("the first line has not come: %q, %v", &text, err)
		}
	}
	if strings.Contains(text.String(), "second") {
		c.Errorf("the second line has come too: %q", &text)
	}
	s.mark(mark)
	rest, err := io.ReadAll(conn)
	if !strings.Contains(text.String()+string(rest), "second\n") || err != nil {
		c.Errorf("behind the first line comes %q, %v", rest, err)
	}
}
