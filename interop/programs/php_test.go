//go:build interop && linux

package programs

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/host"
)

// startPHP starts php-fpm, as testdata/php-fpm.conf has it.
func startPHP(t *testing.T) *site {
	t.Helper()
	s := newSite(t, "php", "php-fpm.conf", "php.ini", "php.d")
	s.startFPM("php-fpm.conf", s.path("php.d"),
		"static.sock", "ondemand.sock", "recycled.sock", "spare.sock")
	return s
}

// startFPM starts php-fpm with the configuration and the extensions of a folder.
func (s *site) startFPM(conf, extensions string, sockets ...string) {
	s.t.Helper()
	found, _ := filepath.Glob("/usr/sbin/php-fpm[0-9]*")
	if len(found) == 0 {
		s.t.Fatal("php-fpm is not installed, and these tests do not skip: run interop/install")
	}
	for i, name := range sockets {
		sockets[i] = s.path(name)
	}
	s.start(sockets, "env", "PHP_INI_SCAN_DIR="+extensions, found[len(found)-1], "--nodaemonize",
		"-y", s.path(conf), "-c", s.path("php.ini"))
}

// fpm is a pool of php-fpm.
func (s *site) fpm(pool string) *host.FastCGI {
	return &host.FastCGI{
		Addresses: []string{"unix:" + s.path(pool+".sock")},
		Scripts:   host.Scripts{Root: s.path("php"), Suffix: ".php", Index: "index.php"},
	}
}

// phpCGI is php-cgi, as a program for each request. It starts twice as fast without most of its
// extensions.
func (s *site) phpCGI() *host.CGI {
	return &host.CGI{
		Path:    "php-cgi",
		Scripts: host.Scripts{Root: s.path("php"), Suffix: ".php", Index: "index.php"},
		Options: host.Options{Vars: map[string]string{
			"PHPRC": s.dir, "PHP_INI_SCAN_DIR": s.path("php.d"),
		}},
	}
}

// A phpRequest is what index.php says of a request.
type phpRequest struct {
	Server, Get, Post, Cookie map[string]string
	Size                      int
	SHA256                    string
	Env                       any
}

// UnmarshalJSON knows that PHP has no empty map, but an empty list.
func (r *phpRequest) UnmarshalJSON(text []byte) error {
	type plain phpRequest
	for _, name := range []string{"get", "post", "cookie"} {
		text = bytes.Replace(text, []byte(`"`+name+`":[]`), []byte(`"`+name+`":{}`), 1)
	}
	return json.Unmarshal(text, (*plain)(r))
}

func (c *client) php(a *answer) *phpRequest {
	c.Helper()
	r := new(phpRequest)
	if err := json.Unmarshal(c.want(a, 200).body, r); err != nil {
		c.Fatalf("%v: %v", a, err)
	}
	return r
}

func TestPHP(t *testing.T) {
	t.Parallel()
	s := startPHP(t)
	s.write("upload.bin", string(random(50<<20)), 0o644)
	for name, app := range map[string]gateway.Application{
		"static": s.fpm("static"), "ondemand": s.fpm("ondemand"), "php-cgi": s.phpCGI(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behind(t, app, func(c *client) {
				s.checkVariables(c)
				s.checkBodies(c, name+c.front)
				s.checkSession(c)
				s.checkAnswers(c)
				s.checkPaths(c)
				s.streams(c, "/stream.php?mark=stream"+name+c.front, "stream"+name+c.front)
				s.checkLeaving(c, name+c.front)
				c.calm()
			})
		})
	}
}

// random returns bytes that nothing compresses, always the same.
func random(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{4}).Read(data)
	return data
}

func (s *site) checkVariables(c *client) {
	r := c.php(c.get("/index.php/more/%C3%BC?a=b%20c&d=", "Host: example.com:81", "Cookie: x=y",
		"PHP_ADMIN_VALUE: auto_prepend_file=/etc/hostname",
		"Php-Admin-Value: auto_prepend_file=/etc/hostname",
		"Proxy: http://evil/", "Authorization: Basic YTpi", "X-Forwarded-For: 192.0.2.1"))
	for key, want := range map[string]string{
		"REQUEST_METHOD": "GET", "QUERY_STRING": "a=b%20c&d=",
		"REQUEST_URI": "/index.php/more/%C3%BC?a=b%20c&d=",
		"SCRIPT_NAME": "/index.php", "PATH_INFO": "/more/ü", "PHP_SELF": "/index.php/more/ü",
		"SCRIPT_FILENAME": s.path("php/index.php"), "DOCUMENT_ROOT": s.path("php"),
		"PATH_TRANSLATED": s.path("php") + "/more/ü", "HTTP_HOST": "example.com:81",
		"REMOTE_ADDR": clientAddress, "REQUEST_SCHEME": "http",
		"GATEWAY_INTERFACE": "CGI/1.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1",
	} {
		if got := r.Server[key]; got != want {
			c.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{
		"PHP_ADMIN_VALUE", "HTTP_PROXY", "HTTP_AUTHORIZATION", "PHP_AUTH_USER", "TMPDIR", "HTTPS",
	} {
		if value, found := r.Server[key]; found {
			c.Errorf("%s is %q", key, value)
		}
	}
	if r.Get["a"] != "b c" || r.Cookie["x"] != "y" {
		c.Errorf("the query and the cookies are %v and %v", r.Get, r.Cookie)
	}
	long := strings.Repeat("x", 60_000)
	if r := c.php(c.get("/", "X-Long: "+long)); r.Server["HTTP_X_LONG"] != long {
		c.Errorf("a header of 60,000 bytes arrives with %d", len(r.Server["HTTP_X_LONG"]))
	}
	// A record has 65,535 bytes, and PHP puts no variable together from two. nginx sends no more.
	if !isCGI(c) && c.front == "http" {
		c.want(c.get("/", "X-Long: "+strings.Repeat("x", 66_000)), 431)
	}
}

func (s *site) checkBodies(c *client, mark string) {
	form := url.Values{"name": {"a b&c"}, "text": {strings.Repeat("ü", 10_000)}}
	r := c.php(c.do("POST", "/", strings.NewReader(form.Encode()),
		"Content-Type: application/x-www-form-urlencoded"))
	if r.Post["name"] != "a b&c" || r.Post["text"] != form.Get("text") {
		c.Errorf("the form arrives as %.100v", r.Post)
	}

	// A body of unknown length arrives whole.
	for _, size := range []int{0, 1, 1000, 3 << 20} {
		data := random(size)
		r := c.php(c.do("PUT", "/index.php", io.MultiReader(bytes.NewReader(data)),
			"Content-Type: application/octet-stream"))
		if r.Size != size || r.SHA256 != fmt.Sprintf("%x", sha256.Sum256(data)) {
			c.Errorf("of a body of %d bytes in chunks %d arrive: %s", size, r.Size, r.SHA256)
		}
	}

	file, err := os.Open(s.path("upload.bin"))
	if err != nil {
		c.Fatal(err)
	}
	defer file.Close()
	hash := sha256.New()
	reader, writer := io.Pipe()
	m := multipart.NewWriter(writer)
	go func() {
		part, err := m.CreateFormFile("file", "upload.bin")
		if err == nil {
			_, err = io.Copy(part, io.TeeReader(file, hash))
		}
		writer.CloseWithError(errors.Join(err, m.Close()))
	}()
	a := c.do("POST", "/upload.php?mark="+mark, reader, "Content-Type: "+m.FormDataContentType())
	c.want(a, 200, fmt.Sprintf("upload.bin 0 %d %x\n", 50<<20, hash.Sum(nil)))
}

func (s *site) checkSession(c *client) {
	visitor := *c
	http := *c.http
	http.Jar, _ = cookiejar.New(nil)
	visitor.http = &http
	for i := 1; i <= 3; i++ {
		a := visitor.want(visitor.get("/session.php"), 200, fmt.Sprintf("visit %d\n", i))
		if i == 1 && len(a.header.Values("Set-Cookie")) != 2 {
			c.Errorf("the cookies are %q", a.header.Values("Set-Cookie"))
		}
	}
	c.want(c.get("/session.php"), 200, "visit 1\n")
}

func (s *site) checkAnswers(c *client) {
	for _, query := range []string{"", "?length"} {
		a := c.want(c.get("/big.php"+query), 200)
		for i := range 128 {
			if len(a.body) != 8<<20 || a.body[i<<16] != byte('A'+i%26) {
				c.Fatalf("an answer of 8 MiB has %d bytes", len(a.body))
			}
		}
		if got := a.header.Get("Content-Length"); (got != "") != (query != "") {
			c.Errorf("the Content-Length is %q", got)
		}
	}
	for _, path := range []string{"/", "/big.php?length", "/big.php"} {
		if a := c.want(c.do("HEAD", path, nil), 200); len(a.body) != 0 {
			c.Errorf("the answer to HEAD %s is %v", path, a)
		}
	}
	c.want(c.get("/end.php?how=exit"), 200, "so far\n")
	// php-cgi has an exit status besides, and so no whole answer.
	a := c.get("/end.php?how=fatal")
	if a.err != nil || a.code != 500 && !(isCGI(c) && a.code == 502) {
		c.Errorf("a fatal error is %v", a)
	}
	c.says("PHP Fatal error")
}

func (s *site) checkPaths(c *client) {
	c.want(c.get("/folder/"), 200, "the index of the folder\n")
	if a := c.get("/folder?q"); a.code != 301 || a.header.Get("Location") != "/folder/?q" {
		c.Errorf("the path of a folder is %v", a)
	}
	for _, path := range []string{"/picture.jpg", "/picture.jpg/x.php", "/picture.jpg%2Fx.php",
		"/picture.jpg/index.php", "/none.php", "/none/index.php", "/empty/", "/index.PHP", "/index.php.",
		"/marks.inc", "/../php.ini/x.php", "/%2e%2e/php/index.php", "/folder/..%2findex.php"} {
		conn := c.dial() // which sends the path as it is
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
		answer, err := io.ReadAll(conn)
		status, _, _ := strings.Cut(string(answer), "\r\n")
		// nginx refuses paths that lead out of the root by itself, and goes back within it.
		code := strings.Fields(status + " . .")[1]
		isNginx := c.front == "nginx" && (code == "400" || strings.Contains(path, "..%2f"))
		if err != nil || code != "404" && !isNginx {
			c.Errorf("%s: %q, %v", path, answer, err)
		}
		if strings.Contains(string(answer), "the picture runs") {
			c.Errorf("%s: %q", path, answer)
		}
	}
}

// isCGI reports whether PHP is a program for each request.
func isCGI(c *client) bool { return strings.Contains(c.Name(), "php-cgi") }

// leaveUploading leaves in the middle of an upload. The program, which would make a mark, does not
// run.
func (s *site) leaveUploading(c *client, path, mark string) {
	c.Helper()
	before := c.come.Load()
	conn := c.dial()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\n\r\n%s", path, strings.Repeat("a=b&", 1000))
	if !soon(func() bool { return c.come.Load() > before }) {
		c.Error("the request has not come")
	}
	conn.Close()
	c.calm()
	if text, ran := s.marked(mark); ran {
		c.Errorf("the program ran on half a body: %q", text)
	}
}

// checkLeaving leaves in the middle of an upload, and in the middle of an answer: the script is
// ended.
func (s *site) checkLeaving(c *client, mark string) {
	s.leaveUploading(c, "/upload.php?mark="+mark+"-half", mark+"-half")
	conn := c.dial()
	path := "/end.php?how=endless&mark=" + mark + "-endless"
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	if _, err := io.ReadFull(conn, make([]byte, 500)); err != nil {
		c.Error(err)
	}
	conn.Close()
	c.calm()
	if !isCGI(c) { // that one gets a SIGTERM, and can say nothing
		if text := s.awaitMark(c.T, mark+"-endless-end"); text != "status 1" {
			c.Errorf("a script whose client has left ends with the %s, want that of an abort: 1", text)
		}
	}
	if text, found := s.marked(mark + "-endless-after"); found {
		c.Error(text)
	}
}

// TestPHPThatBreaksOff has scripts that end in the middle, one way or the other.
func TestPHPThatBreaksOff(t *testing.T) {
	t.Parallel()
	s := startPHP(t)
	slowFPM, slowCGI := s.fpm("spare"), s.phpCGI()
	slowFPM.HeadTimeout, slowCGI.HeadTimeout = 500*time.Millisecond, 500*time.Millisecond
	for name, apps := range map[string]struct{ app, slow gateway.Application }{
		"fpm":     {s.fpm("spare"), slowFPM},
		"php-cgi": {s.phpCGI(), slowCGI},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("dead", func(t *testing.T) { behind(t, apps.app, checkDying) })
			t.Run("slow", func(t *testing.T) { behind(t, apps.slow, s.checkSlow) })
		})
	}
}

// checkDying has scripts that die.
func checkDying(c *client) {
	if a := c.get("/end.php?how=kill"); a.code != 502 || a.err != nil {
		c.Errorf("a script that is killed: %v, want a 502", a)
	}
	c.broken(c.get("/end.php?how=kill-after"))
	c.broken(c.get("/end.php?how=short"))
	for _, how := range []string{"fatal-after", "exit-3"} {
		if a := c.get("/end.php?how=" + how); isCGI(c) {
			c.broken(a)
		} else { // php-fpm does not tell: docs/host.md says so
			c.want(a, 200, "so far\n")
		}
	}
	c.calm()
}

// checkSlow has a script that does not begin its answer.
func (s *site) checkSlow(c *client) {
	mark := "slow" + c.front
	if isCGI(c) {
		mark += "cgi"
	}
	if a := c.get("/end.php?how=slow&mark=" + mark); a.code != 504 {
		c.Errorf("a slow script: %v, want a 504", a)
	}
	s.mark(mark)
	if !isCGI(c) {
		if text := s.awaitMark(c.T, mark+"-end"); text != "status 1" {
			c.Errorf("a slow script ends with the %s, want that of an abort: 1", text)
		}
	}
	c.calm()
	if text, found := s.marked(mark + "-after"); found {
		c.Error(text)
	}
}

// TestPHPOverKeptConnections has workers that end after three requests, and requests that go on
// after their answers.
func TestPHPOverKeptConnections(t *testing.T) {
	t.Parallel()
	s := startPHP(t)
	r := s.relay(t, "recycled")
	recycled := s.fpm("recycled-relay")
	recycled.MaxIdle = 1
	t.Cleanup(recycled.CloseIdleConnections)
	t.Run("recycled", func(t *testing.T) {
		behind(t, recycled, func(c *client) {
			for i := range 30 {
				if i%5 == 0 { // leaves unread what follows CONTENT_LENGTH, and the like
					c.want(c.do("POST", "/", strings.NewReader("name=value")), 200)
				}
				c.php(c.get(fmt.Sprintf("/?i=%d", i)))
			}
			// The script reads nothing of the body.
			c.want(c.do("POST", "/folder/", bytes.NewReader(random(1<<20))), 200, "the index of the folder")
			c.php(c.get("/"))
		})
	})
	t.Cleanup(func() {
		if n := r.Load(); n >= 76 {
			t.Errorf("there were %d connections for 76 requests: none was kept", n)
		}
	})

	kept := s.fpm("spare")
	kept.MaxIdle = 2
	t.Cleanup(kept.CloseIdleConnections)
	behind(t, kept, func(c *client) {
		for i := range 3 {
			mark := fmt.Sprint("finish", c.front, i)
			c.want(c.get("/end.php?how=finish&mark="+mark), 200, "all of it\n")
			if _, done := s.marked(mark + "-done"); done {
				c.Error("the script has ended before the answer was here")
			}
			s.mark(mark)
			s.awaitMark(c.T, mark+"-done")
		}
		c.php(c.get("/"))
	})
}

// TestPHPThatSeesOtherPathsSaysWhatToSet has scripts that are elsewhere for php-fpm.
func TestPHPThatSeesOtherPathsSaysWhatToSet(t *testing.T) {
	t.Parallel()
	s := startPHP(t)
	elsewhere := s.fpm("spare")
	elsewhere.Scripts.RemoteRoot = "/srv/elsewhere"
	behind(t, elsewhere, func(c *client) {
		c.want(c.get("/index.php"), 404, "File not found.")
		c.says("Primary script unknown")
		c.says("Scripts.RemoteRoot is to be the folder as PHP-FPM sees it")
	})
	if err := os.Symlink(s.path("php"), s.path("linked")); err != nil {
		t.Fatal(err)
	}
	right := s.fpm("spare")
	right.Scripts.RemoteRoot = s.path("linked")
	t.Run("right", func(t *testing.T) {
		behind(t, right, func(c *client) {
			if got := c.php(c.get("/")).Server["SCRIPT_FILENAME"]; got != s.path("linked/index.php") {
				c.Errorf("SCRIPT_FILENAME is %q", got)
			}
		})
	})
}

// relay passes connections on to a pool, as the pool with -relay, and counts them.
func (s *site) relay(t *testing.T, pool string) *atomic.Int64 {
	t.Helper()
	n := new(atomic.Int64)
	l, err := net.Listen("unix", s.path(pool+"-relay.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			go func() {
				defer in.Close()
				out, err := net.Dial("unix", s.path(pool+".sock"))
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(out, in)
					_ = out.(*net.UnixConn).CloseWrite()
				}()
				_, _ = io.Copy(in, out)
				out.Close()
			}()
		}
	}()
	return n
}
