package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The variants of programs/fcgi-server behind nginx, each on a Unix socket, over connections that
// nginx keeps.
var proxied = []struct{ name, argument, location string }{
	{"gateway/fcgi", "gateway", "include /etc/nginx/fastcgi_params; fastcgi_keep_conn on; fastcgi_pass gateway;"},
	{"net/http/fcgi", "fcgi", "include /etc/nginx/fastcgi_params; fastcgi_keep_conn on; fastcgi_pass fcgi;"},
	{"net/http, proxy_pass", "http", `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://http;`},
}

const wrkConns = 32

// measureNginx measures requests a second through nginx. seconds is how long one variant is asked
// in a round.
func measureNginx(t *table, dir string, rounds, seconds int) error {
	const what = "hello behind nginx, 32 clients"
	if rounds == 0 {
		return nil
	}
	for _, tool := range []string{"nginx", "wrk"} {
		if _, err := lookPath(tool); err != nil {
			t.add(row{what: what, variant: "no " + tool + " here"})
			return nil
		}
	}
	dir = filepath.Join(dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := goBuild(dir, programs+"fcgi-server", true)
	if err != nil {
		return err
	}
	for _, v := range proxied {
		s, err := startPersistent(file, v.argument, filepath.Join(dir, v.argument+".sock"), v.argument != "http")
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		defer s.stop()
	}
	nginx, addr, err := startNginx(dir, nginxConfig)
	if err != nil {
		return err
	}
	defer nginx.stop()

	times := make([][]time.Duration, len(proxied)) // a request
	for round := range 1 + rounds {                // the first does not count
		for _, i := range rand.Perm(len(proxied)) {
			d, err := runWrk("http://"+addr+"/"+proxied[i].argument, wrkConns, seconds)
			if err != nil {
				return fmt.Errorf("%s: %w", proxied[i].name, err)
			}
			if round > 0 {
				times[i] = append(times[i], d)
			}
		}
	}
	for i, v := range proxied {
		rate := float64(time.Second) / float64(median(times[i]))
		t.add(row{
			what: what, variant: v.name,
			time:  fmt.Sprintf("%s, %.0f a second", microseconds(median(times[i])), rate),
			ratio: ratioOf(times[i], times[0]).String(),
		})
	}
	t.atLeast(what+", requests a second, gateway/fcgi ÷ net/http/fcgi", ratioOf(times[1], times[0]).median, 2.5)
	t.atLeast(what+", requests a second, gateway/fcgi ÷ net/http by proxy_pass", ratioOf(times[2], times[0]).median, 1)
	return nil
}

func (t *table) atLeast(name string, value, bound float64) {
	t.targets = append(t.targets, target{name, value, fmt.Sprintf("at least %g", bound), value >= bound})
}

var (
	wrkTotal  = regexp.MustCompile(`(?m)^ *(\d+) requests in ([0-9.]+)s,`)
	wrkFaults = regexp.MustCompile(`(?m)^ *(Non-2xx or 3xx responses|Socket errors): .*$`)
)

// runWrk returns how long a request took: the time divided by their number.
func runWrk(url string, conns, seconds int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second+20*time.Second)
	defer cancel()
	program, err := lookPath("wrk")
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, program, "-t", "1", "-c", strconv.Itoa(conns), "-d", strconv.Itoa(seconds)+"s", url).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	return parseWrk(string(out))
}

// parseWrk reads what wrk prints. A request that failed makes the figure worthless.
func parseWrk(out string) (time.Duration, error) {
	if fault := wrkFaults.FindString(out); fault != "" {
		return 0, fmt.Errorf("wrk: %s", strings.TrimSpace(fault))
	}
	total := wrkTotal.FindStringSubmatch(out)
	if total == nil {
		return 0, fmt.Errorf("wrk: unexpected output\n%s", out)
	}
	n, err := strconv.Atoi(total[1])
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.ParseFloat(total[2], 64)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, fmt.Errorf("wrk: no requests\n%s", out)
	}
	return time.Duration(seconds * float64(time.Second) / float64(n)), nil
}

// An nginxProcess is nginx with its workers.
type nginxProcess struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	ended  chan struct{}
}

// startNginx starts nginx in the foreground, in a group of processes of its own, and waits until it
// listens.
func startNginx(dir string, config func(addr, dir string) string) (*nginxProcess, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	addr := l.Addr().String()
	l.Close()
	program, err := lookPath("nginx")
	if err != nil {
		return nil, "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config(addr, dir)), 0o644); err != nil {
		return nil, "", err
	}
	p := &nginxProcess{cmd: exec.Command(program, "-p", dir, "-c", "nginx.conf", "-e", "error.log"), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, "", err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return p, addr, nil
		}
		select {
		case <-p.ended:
			return nil, "", fmt.Errorf("nginx ended at its start\n%s", &p.output)
		case <-time.After(10 * time.Millisecond):
		}
	}
	p.stop()
	return nil, "", fmt.Errorf("nginx does not listen\n%s", &p.output)
}

func (p *nginxProcess) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // what is left of the group
	<-p.ended
}

// nginxConfig has nothing in it that would favour a variant: what is not said is nginx's default.
func nginxConfig(addr, dir string) string {
	var b strings.Builder
	if os.Geteuid() == 0 {
		b.WriteString("user root;\n") // the sockets are this user's
	}
	b.WriteString("daemon off;\nworker_processes auto;\npid nginx.pid;\nerror_log error.log;\nevents {}\nhttp {\n\taccess_log off;\n")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "\t%s_temp_path tmp_%s;\n", kind, kind)
	}
	for _, v := range proxied {
		fmt.Fprintf(&b, "\tupstream %s { server unix:%s; keepalive %d; }\n", v.argument, filepath.Join(dir, v.argument+".sock"), wrkConns)
	}
	fmt.Fprintf(&b, "\tserver {\n\t\tlisten %s;\n", addr)
	for _, v := range proxied {
		fmt.Fprintf(&b, "\t\tlocation /%s { %s }\n", v.argument, v.location)
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// lookPath knows the folder that is not in everybody's PATH.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	return path, err
}
