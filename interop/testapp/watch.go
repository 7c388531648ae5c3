//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// only watches the one request of a CGI program.
var only *watcher

// A watcher is two named pipes in the folder state beside the folder that this program is in, made
// by the test: the program writes lines to events, and waits for the end of gate, or a byte in it.
// The test sees in events also that the process has ended, whatever ended it, or that a server is
// done with the request. Nothing here blocks when the test is gone. Requests that nobody watches
// have no id, and a watcher that is nil.
type watcher struct {
	events *os.File
	gate   *os.File
}

// newWatcher opens the pipes with that number. It returns nil if there are none.
func newWatcher(id string) *watcher {
	program, err := os.Executable()
	if _, bad := strconv.Atoi(id); err != nil || bad != nil {
		return nil
	}
	dir := filepath.Join(filepath.Dir(filepath.Dir(program)), "state", id)
	events, err := os.OpenFile(filepath.Join(dir, "events"), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	gate, err := os.OpenFile(filepath.Join(dir, "gate"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	return &watcher{events, gate}
}

// end is the end of a request.
func (w *watcher) end() error {
	if w != nil {
		_ = w.events.Close()
		_ = w.gate.Close()
	}
	return nil
}

func (w *watcher) say(event string) {
	if w != nil {
		_, _ = w.events.WriteString(event + "\n")
	}
}

func (w *watcher) wait() {
	if w != nil {
		w.say("waiting")
		_, _ = w.gate.Read(make([]byte, 1))
	}
}
