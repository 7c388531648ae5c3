package examples_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The tests of the program itself have what is served, and how. These are the ways to start it.
func TestFilesAreServedOverHTTPAndCGI(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello.txt"), []byte("hello\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FILES", dir)
	program := filepath.Join(buildAll(t), "files"+exe())
	want := map[string]string{"/files/hello.txt": "ell", "/get/hello.txt": "hello\n"}
	for path, want := range want {
		cgi := exec.Command(program)
		cgi.Env = append(withoutCGI(os.Environ()), "GATEWAY=cgi", "REQUEST_METHOD=GET",
			"SCRIPT_NAME=/cgi-bin/files", "PATH_INFO="+path, "HTTP_RANGE=bytes=1-3")
		out, err := cgi.Output()
		if _, body, _ := strings.Cut(string(out), "\r\n\r\n"); body != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", path, out, err, want)
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted on Windows")
	}
	server := begin(t, program, "http:tcp:127.0.0.1:0")
	want = map[string]string{"/files/hello.txt": "206 ell", "/get/hello.txt": "200 hello\n"}
	for path, want := range want {
		req, err := http.NewRequest("GET", server.where+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Range", "bytes=1-3")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if got := res.Status[:4] + string(body); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	server.stop(t)
}
