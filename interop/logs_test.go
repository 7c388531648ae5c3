//go:build interop && linux

package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A logs is the log files of a host, and how far they have been read.
type logs struct {
	files []string
	read  []int
}

// mark forgets what was logged up to now.
func (l *logs) mark() {
	l.read = l.read[:0]
	for _, name := range l.files {
		data, _ := os.ReadFile(name)
		l.read = append(l.read, len(data))
	}
}

// since returns what was logged since the last mark.
func (l *logs) since() string {
	var b bytes.Buffer
	for i, name := range l.files {
		data, _ := os.ReadFile(name)
		if i < len(l.read) && l.read[i] <= len(data) {
			data = data[l.read[i]:]
		}
		if len(data) > 0 {
			fmt.Fprintf(&b, "%s:\n%s", filepath.Base(name), data)
		}
	}
	return b.String()
}

// tail returns the last lines of what was logged since the last mark.
func (l *logs) tail() string {
	lines := strings.SplitAfter(l.since(), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "")
}
