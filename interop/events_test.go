//go:build interop && linux

package interop

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/gateway/interop/internal/process"
)

// TestEventsInABrowser follows examples/events with an EventSource, behind an nginx that buffers
// responses by default. Each event arrives before the next is written, and none is lost or comes
// twice when the process dies and another takes over.
func TestEventsInABrowser(t *testing.T) {
	dir := openDir(t)
	program, path := filepath.Join(dir, "events"), filepath.Join(dir, "log")
	build := exec.Command("go", "build", "-o", program, "../examples/events")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	write := func(text string) {
		t.Helper()
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	var listener *os.File // which both processes have
	start := func(t *testing.T) *process.Process {
		t.Helper()
		return process.StartWith(t, dir, false, []*os.File{listener},
			"env", "GATEWAY=fcgi:fd:3", "EVENTS="+path, program)
	}
	var first *process.Process
	s := startSite(t, host{"nginx", func(t *testing.T, s *site) {
		s.script, s.backend = "", "unix:"+s.path("app.sock")
		l := listenUnix(t, s.path("app.sock")).(*net.UnixListener)
		l.SetUnlinkOnClose(false)
		var err error
		if listener, err = l.File(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		first = start(t)
		s.run(t, "nginx", "-p", s.dir, "-c", s.configure(t, "events-nginx.conf"), "-e", "error.log")
	}}, program)

	b := startBrowser(t, openDir(t))
	b.call(t, "Page.navigate", map[string]any{"url": "http://" + s.address() + "/"}, nil)
	b.await(t, "document.title == 'start' && document.readyState == 'complete'")
	write("one\n")
	b.await(t, `(() => {
		const events = window.events = new EventSource("/events")
		events.onopen = () => document.title += " open"
		events.onmessage = event => document.title += " " + event.data
		return true
	})()`)
	b.await(t, "document.title == 'start open one'")
	write("two\n")
	b.await(t, "document.title == 'start open one two'")

	// The browser comes back to the process that is left, and names the last event that it has seen.
	second := start(t)
	if err := first.Cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-first.Ended
	write("three\n")
	b.await(t, "document.title == 'start open one two open three'")
	b.await(t, "window.events.close() || true") // a page that is left may keep it
	if err := second.Stop(); err != nil {
		t.Error(err) // a stream that goes on without its client
	}
}
