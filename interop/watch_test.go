//go:build interop && linux

package interop

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A watch sees what the program does while it answers one request: what it tells, and its end.
type watch struct {
	t      *testing.T
	id     string
	events *os.File
	lines  *bufio.Reader
	holder *os.File // a writer, so that events does not end before the program has opened it
	gate   *os.File
}

// watch makes the named pipes that the program looks for when a request has the argument id.
func (s *site) watch(t *testing.T) *watch {
	t.Helper()
	s.watches++
	w := &watch{t: t, id: strconv.Itoa(s.watches)}
	dir := s.path(filepath.Join("state", w.id))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	open := func(name string, flag int) *os.File {
		file, err := os.OpenFile(filepath.Join(dir, name), flag|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		return file
	}
	for _, name := range []string{"events", "gate"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(syscall.Mkfifo(path, 0o666), os.Chmod(path, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	w.events = open("events", os.O_RDONLY)
	w.holder = open("events", os.O_WRONLY)
	w.gate = open("gate", os.O_RDWR)
	w.lines = bufio.NewReader(w.events)
	return w
}

// next returns the next thing that the program told, "process ended", or "" if nothing comes in time.
func (w *watch) next(limit time.Duration) string {
	w.t.Helper()
	if err := w.events.SetReadDeadline(time.Now().Add(limit)); err != nil {
		w.t.Fatal(err)
	}
	line, err := w.lines.ReadString('\n')
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ""
		}
		return "process ended"
	}
	if w.holder != nil { // the program has it open now
		_ = w.holder.Close()
		w.holder = nil
	}
	return strings.TrimSuffix(line, "\n")
}

// untilEnd returns what the program told up to its end, which must come in time. That it came to
// its end by itself is not part of it: a host that has what it wants may kill the process that is
// about to end.
func (w *watch) untilEnd() string {
	w.t.Helper()
	return w.collect(w.next(patience))
}

// undisturbed is untilEnd, and lets the program go on if nothing has happened to it for a while.
func (w *watch) undisturbed(while time.Duration) string {
	w.t.Helper()
	event := w.next(while)
	if event == "" {
		w.release()
		event = w.next(patience)
	}
	return w.collect(event)
}

func (w *watch) collect(event string) string {
	w.t.Helper()
	var list []string
	for ; ; event = w.next(patience) {
		switch event {
		case "process ended":
			return strings.Join(list, ", ")
		case "":
			return strings.Join(append(list, "still running"), ", ")
		case "end":
		default:
			list = append(list, event)
		}
	}
}

// began waits for the program's start.
func (w *watch) began() {
	w.t.Helper()
	if event := w.next(patience); event != "start" {
		w.t.Fatalf("the program did not start: %q", event)
	}
}

// release lets the program go on.
func (w *watch) release() {
	w.t.Helper()
	if _, err := w.gate.Write([]byte{1}); err != nil {
		w.t.Fatal(err)
	}
}
