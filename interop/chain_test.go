//go:build interop && linux

package interop

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/gateway/interop/internal/process"
)

// clientAddress is the client's own, so that it is nobody else's: proxies connect from 127.0.0.1.
const clientAddress = "127.0.0.9"

// A chain is what is between a client and the application. docs/client.md has a row for each.
type chain struct {
	name           string
	gateway        string // what the application serves; "@APP@" is a port of its own
	quirk          string
	start          func(t *testing.T, s *site) // what else is in front
	nginx, haproxy string                      // their configurations
	script         string
	prefix, scheme string // what the application sees for a request below prefix
}

var chains = []chain{
	{name: "haproxy-nginx-fcgi", gateway: "fcgi:unix:@DIR@/app.sock", quirk: "x-forwarded:",
		nginx: "client-nginx-fcgi.conf", haproxy: "client-haproxy.cfg", scheme: "https"},
	{name: "haproxy-nginx-realip-fcgi", gateway: "fcgi:unix:@DIR@/app.sock",
		nginx: "client-nginx-realip-fcgi.conf", haproxy: "client-haproxy.cfg", scheme: "https"},
	{name: "haproxy-proxy-nginx-fcgi", gateway: "fcgi:unix:@DIR@/app.sock",
		nginx: "client-nginx-proxy-fcgi.conf", haproxy: "client-haproxy-tcp-nginx.cfg", scheme: "http"},
	{name: "nginx-http", gateway: "http:tcp:@APP@", quirk: "x-forwarded-prefix:127.0.0.1",
		nginx: "client-nginx-http.conf", scheme: "http", prefix: "/blog"},
	{name: "nginx-http-forwarded", gateway: "http:tcp:@APP@", quirk: "forwarded:127.0.0.1",
		nginx: "client-nginx-forwarded.conf", scheme: "http"},
	{name: "apache-http", gateway: "http:tcp:@APP@", quirk: "x-forwarded:127.0.0.1", scheme: "http",
		start: func(t *testing.T, s *site) { runApache(t, s, "client-apache-http.conf") }},
	{name: "lighttpd-http", gateway: "http:unix:@DIR@/app.sock", quirk: "x-forwarded:", scheme: "http",
		start: func(t *testing.T, s *site) { runLighttpd(t, s, "client-lighttpd-http.conf") }},
	{name: "lighttpd-http-forwarded", gateway: "http:unix:@DIR@/app.sock", quirk: "forwarded:", scheme: "http",
		start: func(t *testing.T, s *site) { runLighttpd(t, s, "client-lighttpd-forwarded.conf") }},
	{name: "caddy-http", gateway: "http:tcp:@APP@", quirk: "x-forwarded:127.0.0.1", scheme: "http",
		start: func(t *testing.T, s *site) {
			s.run(t, "env", "HOME="+s.path("tmp"), "caddy", "run", "--adapter", "caddyfile", "--config",
				s.configure(t, "client-caddyfile"))
		}},
	{name: "haproxy-http", gateway: "http:tcp:@APP@", quirk: "x-forwarded:127.0.0.1", scheme: "https",
		haproxy: "client-haproxy-http.cfg"},
	{name: "haproxy-proxy-v1-http", gateway: "http:tcp:@APP@?proxy=127.0.0.1",
		haproxy: "client-haproxy-tcp-v1.cfg", scheme: "http"},
	{name: "haproxy-proxy-v2-http", gateway: "http:tcp:@APP@?proxy=127.0.0.1",
		haproxy: "client-haproxy-tcp-v2.cfg", scheme: "http"},
	{name: "haproxy-proxy-v2-fcgi", gateway: "fcgi:unix:@DIR@/app.sock?proxy=unix",
		haproxy: "client-haproxy-fcgi.cfg", scheme: "http", script: "/app"},
}

// forged are headers with which a client tries to be somebody else (M2-M5 in the words of
// middleware's tests).
var forged = [][]string{
	nil,
	{"X-Forwarded-For: 6.6.6.6"},
	{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 6.6.6.7, unknown"},
	{"X-Forwarded-For: \"6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Client-IP: 6.6.6.6"},
	{"X-Forwarded-Host: evil.example", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /evil"},
	{"X-Forwarded-Proto: javascript"},
	{"X-Forwarded-Proto: https, http"},
	{"Forwarded: for=6.6.6.6;proto=https;host=evil.example"},
	{"Forwarded: for=\"6.6.6.6", "Forwarded: for=6.6.6.7;by=\"_x;host=evil.example"},
	{"Forwarded: for=6.6.6.6;by=\"\\"},
	{"Authorization: Basic YWRtaW46bm9uc2Vuc2U="}, // admin, with a password that nobody checks
}

func TestWhoIsTheClient(t *testing.T) {
	program := build(t)
	for _, c := range chains {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var app string
			s := startSite(t, host{c.name, func(t *testing.T, s *site) {
				app = s.startChain(t, c)
			}}, program)
			for _, headers := range forged {
				vars := s.environFrom(t, s.address(), clientAddress, c.prefix+"/environ/x", headers)
				hostName := "localhost:" + s.port
				for name, want := range map[string]string{
					"REMOTE_ADDR": clientAddress, "HTTP_HOST": hostName, "PATH_INFO": "/environ/x",
					"SCRIPT_NAME": c.script + c.prefix, "wsgi.url_scheme": c.scheme,
					"REMOTE_HOST": "", "REMOTE_USER": "",
				} {
					if got := vars[name]; got != want {
						t.Errorf("%q: %s is %q, want %q", headers, name, got, want)
					}
				}
			}
			if strings.HasPrefix(c.gateway, "http:tcp:") {
				s.strangers(t, app, strings.Contains(c.gateway, "proxy="))
			}
		})
	}
}

// startChain starts the application and what is in front of it, and returns the address of the
// application.
func (s *site) startChain(t *testing.T, c chain) string {
	t.Helper()
	s.script, s.persistent = c.script, true
	address := "127.0.0.1:" + process.FreePort(t)
	s.backend = address
	s.logs.files = append(s.logs.files, s.path("env.log"), s.path("haproxy.log"))
	gateway := strings.NewReplacer("@APP@", address, "@DIR@", s.dir).Replace(c.gateway)
	b := &backend{gateway: gateway}
	s.startBackend(t, b, c.quirk)
	if c.nginx != "" {
		runNginx(t, s, c.nginx)
	}
	if c.nginx != "" && c.haproxy != "" {
		awaitListener(t, "unix", s.path("nginx.sock"))
	}
	if c.start != nil {
		c.start(t, s)
	}
	if c.haproxy != "" {
		runHAProxy(t, s, c.haproxy)
	}
	return address
}

// strangers connects to the application past its proxy, from an address that is not the proxy's,
// and says what only the proxy may say.
func (s *site) strangers(t *testing.T, app string, hasProxy bool) {
	t.Helper()
	for _, headers := range forged {
		vars := s.environFrom(t, app, clientAddress, "/environ/x", headers)
		if vars["REMOTE_ADDR"] != clientAddress || vars["wsgi.url_scheme"] != "http" || vars["SCRIPT_NAME"] != "" {
			t.Errorf("%q: REMOTE_ADDR is %q, the scheme %q, SCRIPT_NAME %q",
				headers, vars["REMOTE_ADDR"], vars["wsgi.url_scheme"], vars["SCRIPT_NAME"])
		}
	}
	const header = "PROXY TCP4 6.6.6.6 127.0.0.1 1 80\r\n"
	from := []string{clientAddress}
	if !hasProxy {
		from = append(from, "127.0.0.1")
	}
	for _, address := range from {
		if code, _ := ask(t, app, address,
			header+"GET /environ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); code != 400 {
			t.Errorf("a header of the PROXY protocol from %s: status %d, want 400", address, code)
		}
	}
}

// environFrom asks for the variables of a request from an address.
func (s *site) environFrom(t *testing.T, to, from, path string, headers []string) map[string]string {
	t.Helper()
	head := fmt.Sprintf("GET %s%s HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n", s.script, path, s.port)
	for _, header := range headers {
		head += header + "\r\n"
	}
	code, body := ask(t, to, from, head+"\r\n")
	if code != 200 {
		t.Fatalf("%q: status %d, %s", headers, code, body)
	}
	vars := make(map[string]string)
	for line := range strings.Lines(body) {
		name, quoted, _ := strings.Cut(strings.TrimSpace(line), "=")
		value, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		vars[name] = value
	}
	return vars
}

// ask sends a request from an address, and returns the status and the body of the answer.
func ask(t *testing.T, to, from, request string) (code int, body string) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := dialer.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(all)
}
