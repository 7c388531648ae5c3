package host

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A resources is what a process has.
type resources struct{ files, children, goroutines int }

func count(t *testing.T) (r resources) {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // of a thread that may have ended
		r.children += len(strings.Fields(string(text)))
	}
	r.files, r.goroutines = len(files), runtime.NumGoroutine()
	return r
}

// nothingIsLeft waits until the process has no more than before.
func nothingIsLeft(t *testing.T, before resources) {
	t.Helper()
	var now resources
	for range 1000 {
		now = count(t)
		if now.files <= before.files && now.children <= before.children &&
			now.goroutines <= before.goroutines {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("before %+v, now %+v", before, now)
}
