package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

const helloResponse = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello World !\n"

// warmUp is how many rounds run before those that count: files get into the page cache, the CPU
// gets up to speed.
const warmUp = 10

// measureStart runs n rounds in which every program is started once.
func measureStart(t *table, list []program, n int) error {
	if n == 0 {
		return nil
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	env := environment("GET", "name=value", "0")
	buf := make([]byte, 4096)
	walls, cpus := make([][]time.Duration, len(list)), make([][]time.Duration, len(list))
	for round := range warmUp + n {
		for _, i := range rand.Perm(len(list)) {
			if list[i].missing != "" {
				continue
			}
			wall, cpu, err := startHello(list[i], env, null, buf)
			if err != nil {
				return fmt.Errorf("%s: %w", list[i].name, err)
			}
			if round >= warmUp {
				walls[i], cpus[i] = append(walls[i], wall), append(cpus[i], cpu)
			}
		}
	}

	byName := make(map[string][]time.Duration)
	for i, p := range list {
		byName[p.name] = walls[i]
		if p.missing != "" {
			t.add(row{what: "CGI start", variant: p.name, time: p.missing})
			continue
		}
		t.add(row{
			what: "CGI start", variant: p.name,
			time:  milliseconds(median(walls[i])),
			p99:   milliseconds(percentile(walls[i], 99)),
			cpu:   milliseconds(median(cpus[i])),
			ratio: ratioOf(walls[i], walls[0]).String(),
		})
	}
	t.atMost("CGI start, gateway/cgi ÷ bare Go", ratioOf(byName[gatewayCGI], byName[bareGo]).median, 1.10, "")
	t.atMost("CGI start, gateway/cgi ÷ net/http/cgi", ratioOf(byName[gatewayCGI], byName[netHTTPCGI]).median, 0.52, "")
	return nil
}

// startHello runs the program once and checks its response.
func startHello(p program, env []string, null *os.File, buf []byte) (wall, cpu time.Duration, err error) {
	process, err := startProcess(p.argv, env, null)
	if err != nil {
		return 0, 0, err
	}
	n, err := io.ReadFull(process.out, buf)
	wall, cpu, werr := process.wait()
	switch {
	case err != io.ErrUnexpectedEOF: // a hello is shorter than the buffer
		return 0, 0, fmt.Errorf("response of %d bytes: %v", n, err)
	case werr != nil:
		return 0, 0, werr
	case p.exact && string(buf[:n]) != helloResponse, !p.exact && !sameResponse(buf[:n], []byte(helloResponse)):
		return 0, 0, fmt.Errorf("response %q, want %q", buf[:n], helloResponse)
	}
	return wall, cpu, nil
}

// sameResponse reports whether two CGI responses differ in nothing but the order of the lines after
// the first.
func sameResponse(a, b []byte) bool {
	headA, bodyA, _ := bytes.Cut(a, []byte("\r\n\r\n"))
	headB, bodyB, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	linesA, linesB := bytes.Split(headA, []byte("\r\n")), bytes.Split(headB, []byte("\r\n"))
	slices.SortFunc(linesA[1:], bytes.Compare)
	slices.SortFunc(linesB[1:], bytes.Compare)
	return bytes.Equal(bodyA, bodyB) && slices.EqualFunc(linesA, linesB, bytes.Equal)
}
