//go:build interop && linux

package interop

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/gateway/interop/internal/process"
)

// startActivated starts nginx, which keeps connections, and behind it a process on a socket that is
// held for it.
func startActivated(t *testing.T) (*site, *activation, *process.Process) {
	t.Helper()
	var held *activation
	var first *process.Process
	s := startDeployed(t, "nginx", func(s *site) {
		s.backend = "unix:" + s.path("run/app.sock")
		held = s.activate(t)
		first = held.start(t, s)
		s.run(t, "nginx", "-p", s.dir, "-c", s.configure(t, "server-nginx-fcgi-keep.conf"), "-e", "error.log")
	})
	return s, held, first
}

// TestARestartLosesNothing restarts the process several times under load: with the next one
// accepting before the last one is told to end, and as systemd does it, one after the other. What
// is going on goes on, however long it takes.
func TestARestartLosesNothing(t *testing.T) {
	s, held, old := startActivated(t)
	load := beginLoad(t, s, "/", 5*time.Second)
	pids := make(map[string]bool)
	for i := range 4 {
		w := s.watch(t)
		conn := s.connect(t)
		conn.send(t, s.head(request{path: "/stream?id=" + w.id}))
		w.began()
		if event := w.next(patience); event != "waiting" { // in the middle of its response
			t.Fatalf("the application tells %q", event)
		}
		var next *process.Process
		overlap := i%2 == 0
		if overlap {
			next = held.start(t, s)
		}
		if err := old.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if !process.Soon(func() bool { return strings.Count(s.log("sh.log"), "gateway: terminated: ") == i+1 }) {
			t.Fatal("the old process does not say that it ends")
		}
		w.release()
		answer, err := conn.answer("GET")
		if err != nil {
			t.Fatalf("the request that was going on: %v", err)
		}
		if got := conn.rest(); answer.code != 200 || got != "first\nsecond\n" {
			t.Errorf("the request that was going on got %d %q", answer.code, got)
		}
		select {
		case <-old.Ended:
		case <-time.After(patience):
			t.Fatal("the old process does not end")
		}
		if old.Err != nil {
			t.Errorf("the old process: %v", old.Err)
		}
		if !overlap {
			next = held.start(t, s)
		}
		pids[string(s.do(t, request{path: "/process"}).body)] = true
		old = next
	}
	load.lossless()
	if len(pids) != 4 {
		t.Errorf("%d processes have answered after 4 restarts", len(pids))
	}
}

func (s *site) log(name string) string {
	text, _ := os.ReadFile(s.path(name))
	return string(text)
}

// TestAStormHarmsNobody: what is no FastCGI, half of it, or clients that vanish, come to the socket
// in great number while others are served. Nobody notices, and afterwards nothing is left of them.
func TestAStormHarmsNobody(t *testing.T) {
	s, _, server := startActivated(t)
	calm := openFiles(t, server)
	load := beginLoad(t, s, "/", 4*time.Second)
	path := s.path("run/app.sock")
	var wg sync.WaitGroup
	for i := range 8 {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			for range 20 {
				var open []net.Conn
				for range 20 { // 160 at a time
					conn, err := net.DialTimeout("unix", path, patience)
					if err != nil {
						t.Errorf("a connection of the storm: %v", err)
						break
					}
					open = append(open, conn)
					_ = conn.SetDeadline(time.Now().Add(patience))
					_, _ = conn.Write(storm(random)) // the server may have closed it
				}
				for _, conn := range open {
					if random.IntN(2) == 0 {
						_ = conn.(*net.UnixConn).CloseWrite()
					}
					_ = conn.Close()
				}
			}
		})
	}
	wg.Wait()
	load.lossless()
	if isOver(server) {
		t.Fatalf("the server has ended: %v", server.Err)
	}
	answer := s.do(t, request{method: "POST", path: "/upload", body: large})
	if got := string(answer.body); got != hashOf(large) {
		t.Errorf("afterwards: %s", got)
	}
	// nginx keeps some of the load's connections.
	if !process.Soon(func() bool { return openFiles(t, server) <= calm+loadConns }) {
		t.Errorf("the server has %d files open, had %d before", openFiles(t, server), calm)
	}
	if kB := resident(t, server); kB > 200<<10 {
		t.Errorf("the server has %d kB of memory", kB)
	}
}

// storm returns something that a FastCGI server does not want to see, or the beginning of something
// that it does.
func storm(random *rand.Rand) []byte {
	record := func(kind byte, id uint16, content []byte) []byte {
		b := []byte{1, kind, 0, 0, 0, 0, 0, 0}
		binary.BigEndian.PutUint16(b[2:], id)
		binary.BigEndian.PutUint16(b[4:], uint16(len(content)))
		return append(b, content...)
	}
	const begin, params, stdin = 1, 4, 5
	noise := make([]byte, random.IntN(2000))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	id := uint16(random.IntN(1 << 16))
	b := record(begin, id, []byte{0, 1, 1, 0, 0, 0, 0, 0})
	switch random.IntN(8) {
	case 0:
		return nil
	case 1:
		return noise
	case 2:
		return []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	case 3:
		return b
	case 4:
		return append(b, record(params, id, noise)...)
	case 5: // a pair that claims 2 GiB
		return append(b, append(record(params, id, []byte{0xff, 0xff, 0xff, 0xff, 1}), record(params, id, nil)...)...)
	case 6: // a whole request, of which the body does not come
		pair := append([]byte{14, 4}, "REQUEST_METHODPOST"...)
		pair = append(append(pair, 9, 7), "PATH_INFO/upload"...)
		pair = append(append(pair, 14, 4), "CONTENT_LENGTH1000"...)
		b = append(b, append(record(params, id, pair), record(params, id, nil)...)...)
		return append(b, record(stdin, id, []byte("half"))...)
	}
	return append(b, noise...)
}

func openFiles(t *testing.T, p *process.Process) int {
	t.Helper()
	list, err := os.ReadDir(filepath.Join("/proc", fmt.Sprint(p.Cmd.Process.Pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// resident returns the memory of a process in kB.
func resident(t *testing.T, p *process.Process) (kB int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(p.Cmd.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kB); err == nil {
			return kB
		}
	}
	t.Fatal("the kernel does not say how much memory the server has")
	return 0
}

// restarted are hosts and the configuration with which each keeps its connections to the program,
// if it can.
var restarted = []struct {
	name, protocol, network, quirk, script, conf string
	start                                        func(t *testing.T, s *site, conf string)
}{
	{"nginx-fcgi-keep", "fcgi", "unix", "document-uri", "", "server-nginx-fcgi-keep.conf", runNginx},
	{"nginx-fcgi-keep-tcp", "fcgi", "tcp", "document-uri", "", "server-nginx-fcgi-keep.conf", runNginx},
	{"nginx-http", "http", "tcp", "", "", "server-nginx-http.conf", runNginx},
	{"nginx-scgi", "scgi", "unix", "document-uri:/app", "/app", "server-nginx-scgi.conf", runNginx},
	{"apache-fcgi", "fcgi", "unix", "request-uri:/app", "/app", "server-apache-fcgi.conf", runApache},
	{"haproxy-fcgi", "fcgi", "unix", "", "/app", "server-haproxy-fcgi.cfg", runHAProxy},
	{"lighttpd-fcgi", "fcgi", "unix", "", "", "server-lighttpd-fcgi.conf", runLighttpd},
}

// TestARestartBehindEachHostLosesNothing restarts the program ten times behind each host, on one
// socket that outlives it, while four clients send GETs and POSTs. The next process accepts before
// the last one is told to end, and the last one ends soon.
func TestARestartBehindEachHostLosesNothing(t *testing.T) {
	for _, h := range restarted {
		t.Run(h.name, func(t *testing.T) {
			var file *os.File
			start := func(s *site) *process.Process {
				log := s.path("sh.log")
				count := func() int { return strings.Count(s.log("sh.log"), "gateway: serving ") }
				before := count()
				p := process.StartWith(t, s.dir, false, []*os.File{file}, "sh", "-c",
					"QUIRK="+h.quirk+" LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES="+h.protocol+" exec "+s.path("cgi-bin/app"))
				s.processes = append(s.processes, p)
				if !process.Soon(func() bool { return count() > before }) {
					t.Fatalf("the program does not say in %s that it serves", log)
				}
				return p
			}
			var old *process.Process
			s := startSite(t, host{h.name, func(t *testing.T, s *site) {
				s.script, s.persistent = h.script, true
				s.logs.files = append(s.logs.files, s.path("sh.log"), s.path("haproxy.log"))
				address := s.path("app.sock")
				s.backend = "unix:" + address
				if h.network == "tcp" {
					address = "127.0.0.1:" + process.FreePort(t)
					s.backend = address
				}
				file = holdSocket(t, h.network, address)
				old = start(s)
				h.start(t, s, h.conf)
			}}, build(t))
			var failures, answered atomic.Int64
			stop := make(chan struct{})
			var clients sync.WaitGroup
			defer func() {
				close(stop)
				clients.Wait()
				t.Logf("%d requests were answered, %d lost", answered.Load(), failures.Load())
			}()
			for i := range 4 {
				clients.Go(func() {
					client := &http.Client{Transport: new(http.Transport), Timeout: patience}
					defer client.CloseIdleConnections()
					for n := i; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						var response *http.Response
						var err error
						want := ""
						if n%2 == 0 {
							response, err = client.Get("http://" + s.address() + s.script + "/process")
						} else {
							body := strings.Repeat("x", n%5000)
							want = hashOf([]byte(body))
							response, err = client.Post("http://"+s.address()+s.script+"/upload", "text/plain", strings.NewReader(body))
						}
						if err != nil {
							if failures.Add(1) < 10 {
								t.Logf("request %d: %v", n, err)
							}
							continue
						}
						got, err := io.ReadAll(response.Body)
						response.Body.Close()
						if err != nil || response.StatusCode != 200 || want != "" && string(got) != want {
							if failures.Add(1) < 10 {
								t.Logf("request %d: %s %s, %v", n, response.Request.Method, response.Status, err)
							}
							continue
						}
						answered.Add(1)
					}
				})
			}
			var slowest time.Duration
			for range 10 {
				time.Sleep(200 * time.Millisecond)
				next := start(s)
				told := time.Now()
				if err := old.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				select {
				case <-old.Ended:
				case <-time.After(patience):
					t.Fatal("the old process does not end")
				}
				slowest = max(slowest, time.Since(told))
				if old.Err != nil {
					t.Errorf("the old process: %v", old.Err)
				}
				old = next
			}
			// Apache looks for the end of a connection, and then sends its request. FastCGI has no way
			// to tell Apache before: what ends between the two is lost.
			allowed := int64(0)
			if h.name == "apache-fcgi" {
				allowed = answered.Load() / 1000
			}
			if failures.Load() > allowed {
				t.Errorf("%d of %d requests were lost", failures.Load(), answered.Load())
			}
			t.Logf("the slowest process took %v to end", slowest)
			if slowest > 5*time.Second {
				t.Errorf("a process took %v to end", slowest)
			}
		})
	}
}

// holdSocket returns a listening socket for the processes of a test.
func holdSocket(t *testing.T, network, address string) *os.File {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // File is a duplicate
	if unix, ok := l.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
		if err := os.Chmod(address, 0o666); err != nil { // the host may run as another user
			t.Fatal(err)
		}
	}
	file, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}
