//go:build interop && linux

package interop

import (
	"bufio"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"example.com/gateway/interop/internal/process"
)

// TestTheGuestbookInABrowser signs examples/guestbook in Chromium, under a web server that starts
// it for each request, and as an HTTP server.
func TestTheGuestbookInABrowser(t *testing.T) {
	dir := openDir(t)
	program := filepath.Join(dir, "guestbook")
	build := exec.Command(
		"go",
		"build",
		"-o",
		program,
		"-ldflags",
		"-X main.folder="+filepath.Join(dir, "book"),
		"../examples/guestbook",
	)
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	photo := writePhoto(t, dir)
	b := startBrowser(t, dir)

	apache := hosts[0]
	s := startSite(t, apache, program)
	signIn(t, b, "http://"+s.address()+scriptName, photo)

	port := process.FreePort(t)
	p := process.Start(
		t,
		dir,
		false,
		"env",
		"GATEWAY=http:tcp:127.0.0.1:"+port,
		"GUESTBOOK="+filepath.Join(dir, "book2"),
		program,
	)
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	awaitListener(t, "tcp", "127.0.0.1:"+port)
	signIn(t, b, "http://127.0.0.1:"+port, photo)
}

// writePhoto writes a photo of 7 by 5, under a name that is not easy.
func writePhoto(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, `ünï "日本" photo.png`)
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	err = png.Encode(file, image.NewRGBA(image.Rect(0, 0, 7, 5)))
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// signIn fills the form in and sends it.
func signIn(t *testing.T, b *browser, where, photo string) {
	t.Helper()
	b.call(t, "Page.navigate", map[string]any{"url": where}, nil)
	b.await(t, "document.querySelectorAll('form').length == 1 && document.readyState == 'complete'")
	const name, message = `Zoë <script>document.title = "x"</script> "日本"`, `&lt; <b>hello</b> 😀`
	for selector, text := range map[string]string{"[name=name]": name, "[name=message]": message} {
		b.await(t, "document.querySelector('"+selector+"').focus() || true")
		b.call(t, "Input.insertText", map[string]any{"text": text}, nil)
	}
	var document struct{ Root struct{ NodeID int } }
	var input struct{ NodeID int }
	b.call(t, "DOM.getDocument", nil, &document)
	b.call(
		t,
		"DOM.querySelector",
		map[string]any{"nodeId": document.Root.NodeID, "selector": "[name=photo]"},
		&input,
	)
	b.call(
		t,
		"DOM.setFileInputFiles",
		map[string]any{"nodeId": input.NodeID, "files": []string{photo}},
		nil,
	)
	b.await(t, "document.querySelector('button').click() || true")

	// What was written is text, and the photo is shown, although it is an attachment.
	signed := "document.querySelectorAll('article').length == 1 && " +
		"document.querySelector('h2').textContent == " + strconv.Quote(name) + " && " +
		"document.querySelector('article p').textContent == " + strconv.Quote(message) + " && " +
		"document.querySelector('img').naturalWidth == 7 && " +
		"document.querySelector('[name=name]').value == " + strconv.Quote(name) + " && " +
		"document.title == 'Guestbook' && document.readyState == 'complete'"
	b.await(t, signed)
	// A reload does not send the form again.
	b.await(t, "(window.isOld = true) && (location.reload() || true)")
	b.await(t, "!window.isOld && "+signed)
	b.await(t, "document.cookie == ''") // no script can read the session
}

// A browser is a Chromium with one page, which is told what to do by the DevTools protocol:
// messages of JSON that end with NUL, over two pipes.
type browser struct {
	to      *os.File
	from    *bufio.Reader
	id      int
	session string // of the page
}

func startBrowser(t *testing.T, dir string) *browser {
	t.Helper()
	theirs, to := pipe(t)
	from, ours := pipe(t)
	// Without its sandbox it runs where no user namespaces are allowed. It sees no pages but ours.
	p := process.StartWith(
		t,
		dir,
		false,
		[]*os.File{theirs, ours},
		"env",
		"HOME="+dir,
		"LC_ALL=C.UTF-8",
		"chromium",
		"--headless",
		"--log-level=3",
		"--no-sandbox",
		"--disable-gpu",
		"--disable-dev-shm-usage",
		"--no-first-run",
		"--user-data-dir="+filepath.Join(dir, "profile"),
		"--remote-debugging-pipe",
		"about:blank",
	)
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "env.log"))
			t.Logf("Chromium and what it has called say:\n%s", log)
		}
	})
	for _, file := range []*os.File{theirs, ours} {
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// A start takes its time, and nothing that comes later takes longer.
	if err := from.SetReadDeadline(time.Now().Add(12 * process.Patience)); err != nil {
		t.Fatal(err)
	}
	b := &browser{to: to, from: bufio.NewReader(from)}
	var target struct{ TargetID string }
	b.call(t, "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call(
		t,
		"Target.attachToTarget",
		map[string]any{"targetId": target.TargetID, "flatten": true},
		&session,
	)
	b.session = session.SessionID
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// call calls a method and waits for its result. Events in between are left out.
func (b *browser) call(t *testing.T, method string, params map[string]any, result any) {
	t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method, "params": params}
	if params == nil {
		message["params"] = struct{}{}
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	data, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.to.Write(append(data, 0)); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	for {
		data, err := b.from.ReadBytes(0)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		var answer struct {
			ID     int
			Error  *struct{ Message string }
			Result json.RawMessage
		}
		if err := json.Unmarshal(data[:len(data)-1], &answer); err != nil {
			t.Fatalf("%s: %v in %q", method, err, data)
		}
		if answer.ID != b.id {
			continue
		}
		if answer.Error != nil {
			t.Fatalf("%s: %s", method, answer.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				t.Fatalf("%s: %v in %s", method, err, answer.Result)
			}
		}
		return
	}
}

// await waits until an expression is true in the page. While a page is being left, it may fail.
func (b *browser) await(t *testing.T, expression string) {
	t.Helper()
	var last json.RawMessage
	if !process.Soon(func() bool {
		var answer struct{ Result struct{ Value any } }
		b.call(
			t,
			"Runtime.evaluate",
			map[string]any{"expression": expression, "returnByValue": true},
			&last,
		)
		return json.Unmarshal(last, &answer) == nil && answer.Result.Value == true
	}) {
		var page json.RawMessage
		b.call(
			t,
			"Runtime.evaluate",
			map[string]any{"expression": "document.documentElement.outerHTML"},
			&page,
		)
		t.Fatalf("the page is never so: %s\nlast: %s\npage: %s", expression, last, page)
	}
}

// openDir returns a folder in which nobody may write: the user with that name.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gateway-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, process.Nobody, process.Nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
