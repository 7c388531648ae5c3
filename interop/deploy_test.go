//go:build interop && linux

package interop

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/gateway/interop/internal/process"
)

const deployed = "../examples/deploy"

// deploy writes a file of examples/deploy to the folder of the site. It is used as it is, but for
// the folder and the ports, which are the test's.
func (s *site) deploy(t *testing.T, name string, ports map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployed, name))
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"/run/", s.dir + "/run/", "/usr/local/bin/app", s.path("cgi-bin/app"), "127.0.0.1:8080", s.address()}
	for from, to := range ports {
		words = append(words, "127.0.0.1:"+from, "127.0.0.1:"+to)
	}
	if err := os.WriteFile(s.path(name), []byte(strings.NewReplacer(words...).Replace(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	return s.path(name)
}

// A backend is one of several processes with the application.
type backend struct {
	gateway string
	*process.Process
}

// startBackend starts the process, for the first time or again.
func (s *site) startBackend(t *testing.T, b *backend, quirk string) {
	t.Helper()
	b.Process = process.Start(t, s.dir, false, "env", "GATEWAY="+b.gateway, "QUIRK="+quirk, s.path("cgi-bin/app"))
	s.processes = append(s.processes, b.Process)
	_, place, _ := strings.Cut(b.gateway, ":")
	network, address, _ := strings.Cut(place, ":")
	address, _, _ = strings.Cut(address, "?")
	awaitListener(t, network, address)
}

func awaitListener(t *testing.T, network, address string) {
	t.Helper()
	if !process.Soon(func() bool {
		conn, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}) {
		t.Fatalf("nobody listens on %s", address)
	}
}

// startDeployed starts a site of which start does the rest.
func startDeployed(t *testing.T, name string, start func(s *site)) *site {
	t.Helper()
	return startSite(t, host{name, func(t *testing.T, s *site) {
		s.script, s.persistent = "", true
		s.logs.files = append(s.logs.files, s.path("env.log"), s.path("sh.log"), s.path("haproxy.log"))
		s.makeRun(t)
		start(s)
	}}, build(t))
}

// makeRun makes what stands for /run.
func (s *site) makeRun(t *testing.T) {
	t.Helper()
	for _, dir := range []string{s.path("run"), s.path("run/app")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
}

// reached waits until each of the backends has answered, and none else does.
func (s *site) reached(t *testing.T, backends ...*backend) {
	t.Helper()
	var want, seen []string
	for _, b := range backends {
		want = append(want, strconv.Itoa(b.Cmd.Process.Pid))
	}
	slices.Sort(want)
	if !process.Soon(func() bool {
		seen = nil
		for range 4 * len(backends) {
			answer, err := s.try(request{path: "/process"})
			if err != nil || answer.code != 200 {
				return false
			}
			seen = append(seen, string(answer.body))
		}
		slices.Sort(seen)
		seen = slices.Compact(seen)
		return slices.Equal(seen, want)
	}) {
		t.Fatalf("%s: the processes %v answer, want %v", s.name, seen, want)
	}
}

// TestABackendThatIsKilledIsMissedByNobody kills one of several backends under load, and starts it
// again.
func TestABackendThatIsKilledIsMissedByNobody(t *testing.T) {
	t.Run("nginx", func(t *testing.T) {
		port := process.FreePort(t)
		var backends []*backend
		s := startDeployed(t, "nginx", func(s *site) {
			for _, gateway := range []string{"fcgi:unix:" + s.path("run/app/1.sock") + "?mode=0660",
				"fcgi:unix:" + s.path("run/app/2.sock") + "?mode=0660", "fcgi:tcp:127.0.0.1:" + port} {
				backends = append(backends, &backend{gateway: gateway})
				s.startBackend(t, backends[len(backends)-1], "document-uri")
			}
			s.deploy(t, "nginx.conf", map[string]string{"9003": port})
			s.run(t, "nginx", "-p", s.dir, "-c", s.configure(t, "main-nginx.conf"), "-e", "error.log")
		})
		s.killUnderLoad(t, backends, "document-uri")
	})
	t.Run("haproxy", func(t *testing.T) {
		one, two := process.FreePort(t), process.FreePort(t)
		var backends []*backend
		s := startDeployed(t, "haproxy", func(s *site) {
			for _, port := range []string{one, two} {
				backends = append(backends, &backend{gateway: "http:tcp:127.0.0.1:" + port})
				s.startBackend(t, backends[len(backends)-1], "")
			}
			s.run(t, "haproxy", "-f", s.deploy(t, "haproxy.cfg", map[string]string{"9001": one, "9002": two}))
		})
		s.killUnderLoad(t, backends, "")
	})
}

// killUnderLoad kills each of the backends in turn but the last, and starts it again. Both hosts
// then ask another process, so next to nothing is lost: an answer that had begun to arrive. Without
// that it is a third of the connections.
func (s *site) killUnderLoad(t *testing.T, backends []*backend, quirk string) {
	t.Helper()
	s.reached(t, backends...)
	kills := len(backends) - 1
	load := beginLoad(t, s, "/", 5*time.Second)
	for i, b := range backends[:kills] {
		others := slices.Delete(slices.Clone(backends), i, i+1)
		if err := b.Cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-b.Ended
		s.reached(t, others...)
		s.startBackend(t, b, quirk) // on the socket that the dead one has left behind
		s.reached(t, backends...)
	}
	answered, failed := load.end()
	t.Logf("%s: %d requests, %d lost in %d kills", s.name, answered, failed, kills)
	if limit := kills * loadConns / 8; failed > limit {
		t.Errorf("%s: %d requests were lost, want at most %d", s.name, failed, limit)
	}
	if answered < 100 {
		t.Errorf("%s: only %d requests were answered", s.name, answered)
	}
	if last := backends[kills]; last.Err != nil || isOver(last.Process) {
		t.Errorf("%s: the process that was left alone has ended: %v", s.name, last.Err)
	}
}

func isOver(p *process.Process) bool {
	select {
	case <-p.Ended:
		return true
	default:
		return false
	}
}

// A unit is a file of systemd's: the values of each of its keys.
type unit map[string][]string

func readUnit(t *testing.T, path string) unit {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	u := make(unit)
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch key, value, found := strings.Cut(line, "="); {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = line
		case found:
			u[section+key] = append(u[section+key], value)
		default:
			t.Fatalf("%s: %q is no line of a unit", path, line)
		}
	}
	return u
}

// one returns the only value of a key.
func (u unit) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("%s has the values %q, want one", key, u[key])
	}
	return u[key][0]
}

// An activation is what systemd does for a service with a socket: it holds the socket, and passes
// it to each process.
type activation struct {
	file          *os.File
	command, name string
}

// activate opens the socket of the units of examples/deploy.
func (s *site) activate(t *testing.T) *activation {
	t.Helper()
	socket, service := readUnit(t, s.deploy(t, "app.socket", nil)), readUnit(t, s.deploy(t, "app.service", nil))
	if got := service.one(t, "[Unit]Requires"); got != "app.socket" {
		t.Errorf("the service requires %q, want its socket", got)
	}
	path := socket.one(t, "[Socket]ListenStream")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // File is a duplicate
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o666); err != nil { // SocketUser is the web server, which is whoever runs the test
		t.Fatal(err)
	}
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return &activation{file, service.one(t, "[Service]ExecStart"), socket.one(t, "[Socket]FileDescriptorName")}
}

// start starts a process on the socket and waits until it serves. It is a shell that becomes the
// program, since LISTEN_PID is not known before.
func (a *activation) start(t *testing.T, s *site) *process.Process {
	t.Helper()
	log := s.path("sh.log")
	count := func() int {
		text, _ := os.ReadFile(log)
		return strings.Count(string(text), "gateway: serving fcgi on unix:")
	}
	before := count()
	p := process.StartWith(t, s.dir, false, []*os.File{a.file}, "sh", "-c",
		"QUIRK=document-uri LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES="+a.name+" exec "+a.command)
	s.processes = append(s.processes, p)
	if !process.Soon(func() bool { return count() > before }) {
		t.Fatal("the program does not say that it serves FastCGI on the socket that it was given")
	}
	return p
}

func TestSystemdTakesTheUnits(t *testing.T) {
	analyze, err := process.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed, so it cannot be asked what it thinks of the units")
	}
	dir := t.TempDir()
	for _, name := range []string{"app.socket", "app.service"} {
		text, err := os.ReadFile(filepath.Join(deployed, name))
		if err != nil {
			t.Fatal(err)
		}
		filled := strings.ReplaceAll(string(text), "/usr/local/bin/app", "/bin/true") // it must be there
		if err := os.WriteFile(filepath.Join(dir, name), []byte(filled), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	output, err := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, "app.service"), filepath.Join(dir, "app.socket")).CombinedOutput()
	if err != nil || len(output) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, output)
	}
}
