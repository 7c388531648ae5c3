//go:build !linux

package host

import (
	"runtime"
	"testing"
	"time"
)

// A resources is what a process has, as far as these systems say.
type resources struct{ children, goroutines int }

func count(*testing.T) resources { return resources{goroutines: runtime.NumGoroutine()} }

func nothingIsLeft(t *testing.T, before resources) {
	t.Helper()
	for range 1000 {
		if count(t).goroutines <= before.goroutines {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("before %d goroutines, now %d", before.goroutines, count(t).goroutines)
}
