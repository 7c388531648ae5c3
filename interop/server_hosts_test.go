//go:build interop && linux

package interop

import (
	"strings"
	"testing"

	"example.com/gateway/interop/internal/process"
)

// servers are the hosts that pass requests on to the program, which is a server then: GATEWAY tells
// it of what kind. In the configurations in testdata @DIR@ is the folder of the site, @PORT@ the
// port of the host, and @APP@ the address of the program.
var servers = []host{
	behindNginx("nginx-fcgi", "fcgi", "unix", "", "server-nginx-fcgi.conf"),
	behindNginx("nginx-fcgi-tcp", "fcgi", "tcp", "", "server-nginx-fcgi.conf"),
	behindNginx("nginx-fcgi-keep", "fcgi", "unix", "", "server-nginx-fcgi-keep.conf"),
	behindNginx("nginx-fcgi-keep-tcp", "fcgi", "tcp", "", "server-nginx-fcgi-keep.conf"),
	behindApache("apache-fcgi", "fcgi", "request-uri:/app", "server-apache-fcgi.conf"),
	behindApache("apache-fcgi-handler", "fcgi", "", "server-apache-fcgi-handler.conf"),
	behindNginx("nginx-scgi", "scgi", "unix", "document-uri:/app", "server-nginx-scgi.conf"),
	behindNginx("nginx-uwsgi", "uwsgi", "unix", "", "server-nginx-uwsgi.conf"),
	behindNginx("nginx-http", "http", "tcp", "", "server-nginx-http.conf"),
	behindLighttpd("lighttpd-fcgi", "fcgi", "", "", "server-lighttpd-fcgi.conf"),
	behindLighttpd("lighttpd-fcgi-root", "fcgi", "request-uri", "", "server-lighttpd-fcgi-root.conf"),
	behindLighttpd("lighttpd-scgi", "scgi", "", "/app", "server-lighttpd-scgi.conf"),
	{"lighttpd-spawn", func(t *testing.T, s *site) {
		s.script, s.persistent = "/app", true
		s.run(t, "lighttpd", "-D", "-f", s.configure(t, "server-lighttpd-spawn.conf"))
	}},
	{"caddy-fcgi", func(t *testing.T, s *site) {
		s.serve(t, "fcgi", "unix", "")
		// It has no folder for its state, and needs none here.
		s.run(t, "env", "HOME="+s.path("tmp"), "caddy", "run", "--adapter", "caddyfile", "--config", s.configure(t, "Caddyfile"))
	}},
	behindHAProxy("haproxy-fcgi", "fcgi", "unix", "/app", "server-haproxy-fcgi.cfg"),
	behindHAProxy("haproxy-http", "http", "tcp", "", "server-haproxy-http.cfg"),
	behindApache("apache-scgi", "scgi", "request-uri:/app", "server-apache-scgi.conf"),
	behindApache("apache-uwsgi", "uwsgi", "request-uri:/app", "server-apache-uwsgi.conf"),
}

func behindNginx(name, protocol, network, quirk, conf string) host {
	return host{name, func(t *testing.T, s *site) {
		s.serve(t, protocol, network, quirk)
		runNginx(t, s, conf)
	}}
}

func runNginx(t *testing.T, s *site, conf string) {
	s.run(t, "nginx", "-p", s.dir, "-c", s.configure(t, conf), "-e", "error.log")
}

func behindApache(name, protocol, quirk, conf string) host {
	return host{name, func(t *testing.T, s *site) {
		s.serve(t, protocol, "unix", quirk)
		s.script = "/app"
		runApache(t, s, conf)
	}}
}

func runApache(t *testing.T, s *site, conf string) {
	s.run(t, "apache2", "-f", s.configure(t, conf), "-D", "FOREGROUND", "-c", timeout)
}

func behindLighttpd(name, protocol, quirk, script, conf string) host {
	return host{name, func(t *testing.T, s *site) {
		s.serve(t, protocol, "unix", quirk)
		s.script = script
		runLighttpd(t, s, conf)
	}}
}

func runLighttpd(t *testing.T, s *site, conf string) {
	s.run(t, "lighttpd", "-D", "-f", s.configure(t, conf))
}

func behindHAProxy(name, protocol, network, script, conf string) host {
	return host{name, func(t *testing.T, s *site) {
		s.serve(t, protocol, network, "")
		s.script = script
		s.logs.files = append(s.logs.files, s.path("haproxy.log"))
		runHAProxy(t, s, conf)
	}}
}

func runHAProxy(t *testing.T, s *site, conf string) {
	s.run(t, "haproxy", "-f", s.configure(t, conf))
}

// serve starts the program as a server, and waits until it listens. quirk is what is to be set
// right about the host's paths.
func (s *site) serve(t *testing.T, protocol, network, quirk string) {
	t.Helper()
	_, s.script, _ = strings.Cut(quirk, ":")
	s.persistent = true
	address := s.path("app.sock")
	s.backend = "unix:" + address
	if network == "tcp" {
		address = "127.0.0.1:" + process.FreePort(t)
		s.backend = address
	}
	s.logs.files = append(s.logs.files, s.path("env.log"))
	if s.quirk == "none" {
		quirk = ""
	} else if s.quirk != "" {
		quirk = s.quirk
	}
	// env is for the two variables. The program takes its place.
	s.run(t, "env", "GATEWAY="+protocol+":"+network+":"+address, "QUIRK="+quirk, s.path("cgi-bin/app"))
	awaitListener(t, network, address)
}

// TestServers does all checks that the CGI program has to pass, and some more, with a server behind
// each of the hosts.
func TestServers(t *testing.T) {
	run(t, servers, serverChecks)
}
