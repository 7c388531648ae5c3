package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const streamBlock = 64 << 10

// A streamRun is what one stream took.
type streamRun struct {
	wall, cpu time.Duration
	rss       int64 // peak, in bytes; -1 if the system does not say
}

// measureStreams streams size bytes from each program and to it, in turns.
func measureStreams(t *table, list []program, rounds, size int) error {
	if rounds == 0 {
		return nil
	}
	for _, direction := range []struct {
		name string
		run  func(p program, size int) (streamRun, error)
	}{
		{"down", streamDown},
		{"up", streamUp},
	} {
		walls, cpus := make([][]time.Duration, len(list)), make([][]time.Duration, len(list))
		peaks := make([]int64, len(list))
		for range rounds {
			for _, i := range rand.Perm(len(list)) {
				run, err := direction.run(list[i], size)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", list[i].name, direction.name, err)
				}
				walls[i], cpus[i] = append(walls[i], run.wall), append(cpus[i], run.cpu)
				peaks[i] = max(peaks[i], run.rss)
			}
		}
		what := "CGI stream, " + mebibytes(size) + " " + direction.name
		for i, p := range list {
			memory := "unknown"
			if peaks[i] > 0 {
				memory = fmt.Sprintf("%.1f MB resident", megabytes(peaks[i]))
			}
			t.add(row{
				what: what, variant: p.name,
				time:   milliseconds(median(walls[i])),
				cpu:    milliseconds(median(cpus[i])),
				memory: memory,
				ratio:  ratioOf(walls[i], walls[0]).String(),
			})
			if p.name == gatewayCGI && (peaks[i] > 0 || runtime.GOOS == "linux") {
				t.below(what+", gateway/cgi resident", megabytes(peaks[i]), 20, "MB")
			}
		}
	}
	return nil
}

// streamDown reads a body of size bytes.
func streamDown(p program, size int) (run streamRun, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return run, err
	}
	defer null.Close()
	process, err := startProcess(p.argv, environment("GET", strconv.Itoa(size), "0"), null)
	if err != nil {
		return run, err
	}
	buf := make([]byte, streamBlock)
	body := -1 // how much of it was read, once its begin was found
	for {
		n, err := process.out.Read(buf)
		if body < 0 {
			// The head comes whole with the first read: both write it at once.
			if i := bytes.Index(buf[:n], []byte("\r\n\r\n")); i >= 0 {
				body = n - i - 4
			}
		} else {
			body += n
		}
		if run.rss == 0 && body >= size-2*streamBlock {
			run.rss = residentPeak(process.pid) // the last block is still in its hands or in the pipe
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			_, _, _ = process.wait()
			return run, err
		}
	}
	if run.wall, run.cpu, err = process.wait(); err == nil && body != size {
		err = fmt.Errorf("body of %d bytes, want %d", body, size)
	}
	return run, err
}

// streamUp sends a body of size bytes.
func streamUp(p program, size int) (run streamRun, err error) {
	process, err := startProcess(p.argv, environment("POST", "", strconv.Itoa(size)), nil)
	if err != nil {
		return run, err
	}
	block := make([]byte, streamBlock)
	for left := size; left > 0; {
		n := min(left, len(block))
		if left == n {
			run.rss = residentPeak(process.pid) // it waits for the last block
		}
		if _, err := process.stdin.Write(block[:n]); err != nil {
			_, _, _ = process.wait()
			return run, err
		}
		left -= n
	}
	out, err := io.ReadAll(process.out)
	if run.wall, run.cpu, _ = process.wait(); err == nil && !strings.HasSuffix(string(out), "\r\n\r\n"+strconv.Itoa(size)) {
		err = fmt.Errorf("response %q, want one that ends with %d", out, size)
	}
	return run, err
}

// residentPeak returns the most memory that a live process has had, or -1. The maximum that wait4
// gives will not do: on Linux it is never less than that of the process that forked.
func residentPeak(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return -1
			}
			return kilobytes << 10
		}
	}
	return -1
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

func mebibytes(size int) string {
	if size >= 1<<30 {
		return fmt.Sprintf("%.4g GiB", float64(size)/(1<<30))
	}
	return fmt.Sprintf("%.4g MiB", float64(size)/(1<<20))
}
