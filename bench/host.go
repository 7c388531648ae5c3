package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hostConns is how many clients the figures of package host have: as many as fcgiwrap has workers.
const hostConns = 8

// A hosted is one way to the same program: a URL, and the processes that serve it.
type hosted struct {
	name, url string
	pids      []int
}

// measureHost measures programs that package host serves, beside the peers that serve the same.
// seconds is how long one variant is asked in a round, and size is that of a stream.
func measureHost(t *table, dir string, rounds, seconds, size int) error {
	if rounds == 0 {
		return nil
	}
	dir = filepath.Join(dir, "host")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	h := &hostBench{dir: dir}
	defer h.stop()
	var err error
	if h.server, err = goBuild(dir, programs+"host-server", true); err != nil {
		return err
	}
	if h.hello, err = goBuild(dir, programs+"hello-bare", true); err != nil {
		return err
	}
	const inServer, behind, php = "a CGI program in an HTTP server", "a CGI program behind nginx", "a page of PHP-FPM"
	for _, group := range []struct {
		what  string
		tools []string
		start func() ([]hosted, error)
		add   func(rates, cpus []ratio)
	}{
		{inServer, []string{"wrk"}, h.startInServer, func(_, cpus []ratio) {
			t.atMost(inServer+", CPU, host.CGI ÷ net/http/cgi", 1/cpus[1].median, 1, "")
		}},
		{behind, []string{"wrk", "nginx", "fcgiwrap"}, h.startBehindNginx, func(rates, _ []ratio) {
			t.atLeast(behind+", requests a second, host.CGI over fcgi ÷ fcgiwrap", rates[1].median, 1)
		}},
		{php, []string{"wrk", "nginx", "caddy", phpFPM()}, h.startPHP, func(rates, _ []ratio) {
			t.atLeast(php+", requests a second, host.FastCGI in an HTTP server ÷ nginx", rates[1].median, 0.6)
			t.atLeast(php+", requests a second, host.FastCGI in an HTTP server ÷ Caddy", rates[2].median, 1)
		}},
	} {
		if missing := firstMissing(group.tools); missing != "" {
			t.add(row{what: group.what, variant: "no " + missing + " here"})
			continue
		}
		list, err := group.start()
		if err != nil {
			return fmt.Errorf("%s: %w", group.what, err)
		}
		rates, cpus, err := measureHosted(t, group.what, list, rounds, seconds)
		if err != nil {
			return fmt.Errorf("%s: %w", group.what, err)
		}
		group.add(rates, cpus)
		h.stop()
	}
	return h.measureStreams(t, size)
}

func firstMissing(tools []string) string {
	for _, tool := range tools {
		if _, err := lookPath(tool); err != nil {
			return tool
		}
	}
	return ""
}

// measureHosted asks each of the list in turns. The ratios are to the first.
func measureHosted(t *table, what string, list []hosted, rounds, seconds int) (rates, cpus []ratio, err error) {
	times, used := make([][]time.Duration, len(list)), make([][]time.Duration, len(list)) // a request
	for round := range 1 + rounds {                                                       // the first does not count
		for _, i := range rand.Perm(len(list)) {
			before := treeCPU(list[i].pids)
			d, err := runWrk(list[i].url, hostConns, seconds)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", list[i].name, err)
			}
			if round > 0 {
				times[i] = append(times[i], d)
				used[i] = append(used[i], (treeCPU(list[i].pids)-before)*d/time.Duration(seconds)/time.Second)
			}
		}
	}
	for i, v := range list {
		rate := ratioOf(times[i], times[0])
		rates, cpus = append(rates, rate), append(cpus, ratioOf(used[i], used[0]))
		cpu := ""
		if len(v.pids) > 0 {
			cpu = microseconds(median(used[i]))
		}
		middle := median(times[i])
		t.add(row{
			what: what, variant: v.name,
			time:  fmt.Sprintf("%s, %.0f a second", microseconds(middle), float64(time.Second)/float64(middle)),
			cpu:   cpu,
			ratio: rate.String(),
		})
	}
	return rates, cpus, nil
}

// treeCPU returns the CPU time of processes, of their children that have ended, and of those that
// have not.
func treeCPU(pids []int) (total time.Duration) {
	const tick = time.Second / 100 // USER_HZ, on every Linux
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.Atoi(field)
			total += time.Duration(n) * tick
		}
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		for _, child := range strings.Fields(string(children)) {
			n, _ := strconv.Atoi(child)
			total += treeCPU([]int{n})
		}
	}
	return total
}

// A hostBench starts what is measured.
type hostBench struct {
	dir, server, hello string
	stops              []func()
}

func (h *hostBench) stop() {
	for _, stop := range h.stops {
		stop()
	}
	h.stops = nil
}

// start starts a process in a group of its own, and waits until it listens.
func (h *hostBench) start(network, address string, argv ...string) (pid int, err error) {
	program, err := lookPath(argv[0])
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(program, argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	h.stops = append(h.stops, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	for range 1000 {
		if conn, err := net.Dial(network, address); err == nil {
			conn.Close()
			return cmd.Process.Pid, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.stop()
	return 0, fmt.Errorf("%s does not listen on %s\n%s", argv[0], address, &output)
}

// startHTTP starts host-server as an HTTP server.
func (h *hostBench) startHTTP(name, path, kind string, target ...string) (hosted, error) {
	address, err := freePort()
	if err != nil {
		return hosted{}, err
	}
	pid, err := h.start("tcp", address, append([]string{h.server, kind, address}, target...)...)
	return hosted{name, "http://" + address + path, []int{pid}}, err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (h *hostBench) startInServer() ([]hosted, error) {
	ours, err := h.startHTTP("gateway/host", "/", "cgi-http", h.hello)
	if err != nil {
		return nil, err
	}
	theirs, err := h.startHTTP("net/http/cgi", "/", "cgi-nethttp", h.hello)
	return []hosted{ours, theirs}, err
}

// startBehindNginx starts nginx, and behind it fcgiwrap, and host.CGI in an fcgi.Server.
func (h *hostBench) startBehindNginx() ([]hosted, error) {
	ours, theirs := filepath.Join(h.dir, "ours.sock"), filepath.Join(h.dir, "fcgiwrap.sock")
	pid, err := h.start("unix", ours, h.server, "cgi-fcgi", ours, h.hello)
	if err != nil {
		return nil, err
	}
	// fcgiwrap does not wait for its programs, so that their CPU time is nobody's.
	_, err = h.start("unix", theirs, "fcgiwrap", "-c", strconv.Itoa(hostConns), "-s", "unix:"+theirs)
	if err != nil {
		return nil, err
	}
	addr, err := h.startNginx(
		fmt.Sprintf("location /ours { include /etc/nginx/fastcgi_params; fastcgi_pass unix:%s; }", ours),
		fmt.Sprintf("location /fcgiwrap { include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME %s; fastcgi_pass unix:%s; }",
			h.hello, theirs))
	return []hosted{
		{"gateway/host over gateway/fcgi", "http://" + addr + "/ours", []int{pid}},
		{"fcgiwrap", "http://" + addr + "/fcgiwrap", nil},
	}, err
}

// startNginx starts nginx with the locations.
func (h *hostBench) startNginx(locations ...string) (addr string, err error) {
	config := func(addr, dir string) string {
		text := nginxConfig(addr, dir)
		return strings.Replace(text, "\t\tlisten ", "\t\t"+strings.Join(locations, "\n\t\t")+"\n\t\tlisten ", 1)
	}
	nginx, addr, err := startNginx(h.dir, config)
	if err == nil {
		h.stops = append(h.stops, nginx.stop)
	}
	return addr, err
}

// phpFPM returns the program, whose name has a version on Debian.
func phpFPM() string {
	if list, _ := filepath.Glob("/usr/sbin/php-fpm*"); len(list) > 0 {
		return list[0]
	}
	return "php-fpm"
}

// startPHP starts PHP-FPM, and before it package host, nginx and Caddy.
func (h *hostBench) startPHP() ([]hosted, error) {
	socket, www, conf := filepath.Join(h.dir, "php.sock"), filepath.Join(h.dir, "www"), filepath.Join(h.dir, "fpm.conf")
	user := ""
	if os.Geteuid() == 0 {
		user = "user = root\n"
	}
	pool := fmt.Sprintf("[global]\ndaemonize = no\nerror_log = %s/fpm.log\n[www]\n%slisten = %s\npm = static\npm.max_children = %d\n",
		h.dir, user, socket, hostConns)
	err := errors.Join(os.MkdirAll(www, 0o755), os.WriteFile(conf, []byte(pool), 0o644),
		os.WriteFile(filepath.Join(www, "hello.php"), []byte("<?php header('Content-Type: text/plain'); echo \"Hello World !\\n\";"), 0o644))
	if err != nil {
		return nil, err
	}
	if _, err := h.start("unix", socket, phpFPM(), "-R", "-F", "-y", conf); err != nil {
		return nil, err
	}
	ours, err := h.startHTTP("gateway/host", "/hello.php", "fastcgi-http", socket, www)
	if err != nil {
		return nil, err
	}
	nginx, err := h.startNginx(fmt.Sprintf("root %s; location /hello.php { include /etc/nginx/fastcgi_params; "+
		"fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_pass unix:%s; }", www, socket))
	if err != nil {
		return nil, err
	}
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	caddyfile := filepath.Join(h.dir, "Caddyfile")
	text := fmt.Sprintf("{\n\tadmin off\n\tauto_https off\n}\nhttp://%s {\n\troot * %s\n\tphp_fastcgi unix/%s\n}\n", address, www, socket)
	if err := os.WriteFile(caddyfile, []byte(text), 0o644); err != nil {
		return nil, err
	}
	caddy, err := h.start("tcp", address, "caddy", "run", "--config", caddyfile)
	return []hosted{
		ours, {"nginx", "http://" + nginx + "/hello.php", nil}, {"Caddy", "http://" + address + "/hello.php", []int{caddy}},
	}, err
}

// measureStreams sends size bytes through package host to a CGI program, and as many back, and looks
// at the memory that the host takes.
func (h *hostBench) measureStreams(t *table, size int) error {
	program, err := goBuild(h.dir, programs+"stream-gateway", true)
	if err != nil {
		return err
	}
	defer h.stop()
	s, err := h.startHTTP("gateway/host", "/?"+strconv.Itoa(size), "stream-http", program)
	if err != nil {
		return err
	}
	before := residentPeak(s.pids[0])
	for _, direction := range []string{"down", "up"} {
		begin := time.Now()
		if err := stream(s.url, direction, int64(size)); err != nil {
			return fmt.Errorf("%s: %w", direction, err)
		}
		peak := residentPeak(s.pids[0])
		what := "a CGI program in an HTTP server, " + mebibytes(size) + " " + direction
		t.add(row{
			what: what, variant: s.name, time: milliseconds(time.Since(begin)),
			memory: fmt.Sprintf("%.1f MB resident", megabytes(peak)),
		})
		t.below(what+", gateway/host resident beyond that of its start", megabytes(peak-before+1), 20, "MB")
	}
	return nil
}

// stream has size bytes come, or go.
func stream(url, direction string, size int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	method, body := "GET", io.Reader(nil)
	if direction == "up" {
		method, body = "POST", io.LimitReader(zeros{}, size)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if direction == "down" {
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes, want %d", n, size)
		}
		return err
	}
	answer, err := io.ReadAll(res.Body)
	if err == nil && string(answer) != strconv.FormatInt(size, 10) {
		err = fmt.Errorf("the program has read %q bytes, want %d", answer, size)
	}
	return err
}

// zeros is a Reader without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
