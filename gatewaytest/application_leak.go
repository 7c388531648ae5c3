package gatewaytest

import (
	"bytes"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"
)

// labelKey is the label of the goroutines of an application under test. A goroutine inherits the
// labels of the goroutine that started it. So the label tells which goroutines are the
// application's, whatever else the process does.
const labelKey = "gatewaytest"

// left returns how many goroutines the application leaves behind in a run like r, and where they
// are. The goroutines of a pool do not count: they do not become more when the run is repeated.
func (a *trial) left(r *run) (n int, stacks string) {
	if a.leaks {
		return 0, ""
	}
	grace := a.patience / 10
	now, _ := a.settle(a.idle, grace)
	if now <= a.idle {
		a.idle = now
		return 0, ""
	}
	const again = 3
	each := now - a.idle
	for range again {
		if a.run(r.q, r.fault).hung {
			return 0, ""
		}
	}
	leak := a.idle + each*(1+again)
	now, stacks = a.settle(leak-1, 4*grace)
	if now < leak {
		a.idle = now
		return 0, ""
	}
	a.leaks = true
	return each, stacks
}

// settle waits until the application has no more than max goroutines, or the time is over.
func (a *trial) settle(max int, grace time.Duration) (n int, stacks string) {
	end := time.Now().Add(grace)
	for pause := 10 * time.Microsecond; ; pause = min(2*pause, grace/20) {
		n, stacks = a.goroutines()
		if n <= max || time.Now().After(end) {
			return n, stacks
		}
		time.Sleep(pause)
	}
}

// goroutines returns how many goroutines the application has, and where they are.
func (a *trial) goroutines() (n int, stacks string) {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1) // a Buffer does not fail
	// A record is "2 @ 0x... 0x...", a line with the labels, and
	// "#\t0x...\tfunction+0x12\t\tfile:line" for each frame.
	label := fmt.Sprintf("%q:%q", labelKey, a.label)
	_, records, _ := strings.Cut(profile.String(), "\n")
	var b strings.Builder
	for _, record := range strings.Split(records, "\n\n") {
		lines := strings.Split(record, "\n")
		if len(lines) < 2 || !strings.HasPrefix(lines[1], "# labels:") || !strings.Contains(lines[1], label) {
			continue
		}
		count := 0
		_, _ = fmt.Sscanf(lines[0], "%d @", &count)
		n += count
		if b.Len() > 4000 {
			continue
		}
		fmt.Fprintf(&b, "\t\t%d at", count)
		for i, line := range lines[2:] {
			if field := strings.Fields(line); len(field) == 4 && i < 12 {
				function, _, _ := strings.Cut(field[2], "+0x")
				fmt.Fprintf(&b, "\n\t\t\t%s %s", function, field[3])
			}
		}
		b.WriteByte('\n')
	}
	return n, strings.TrimRight(b.String(), "\n")
}
