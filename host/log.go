package host

import (
	"bytes"
	"strings"
	"sync"
)

// A programLog collects what a program writes to its standard error, as lines. Any goroutine may
// write to it.
type programLog struct {
	mu    sync.Mutex
	part  []byte   // of a line that has no end yet
	lines []string // not taken yet
	size  int      // of all that was collected
}

const (
	// maxLog is how much of what a program says in one request gets into the log. maxLine is how
	// much of a line does. perLine is what a line counts more, for what the log has in front of it.
	maxLog  = 64 << 10
	maxLine = 4 << 10
	perLine = 64
)

// Write implements io.Writer. It takes all, and keeps what is within the bounds.
func (l *programLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, next, found := bytes.Cut(rest, []byte("\n"))
		rest = next
		l.part = append(l.part, line[:min(len(line), maxLine-len(l.part))]...)
		if found {
			l.endLine()
		}
	}
	return len(p), nil
}

// endLine ends the line that has begun. l.mu is held.
func (l *programLog) endLine() {
	line := strings.TrimRight(string(l.part), "\r \t")
	l.part = l.part[:0]
	if line == "" || l.size > maxLog {
		return
	}
	if l.size += len(line) + perLine; l.size > maxLog {
		line = "it has written more than the log takes of one request"
	}
	l.lines = append(l.lines, line)
}

// end ends a last line without an end.
func (l *programLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLine()
}

// take returns the lines since the last call.
func (l *programLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}
