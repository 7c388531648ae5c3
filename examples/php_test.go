package examples_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
)

// The tests of interop/programs have PHP itself. Here this module's FastCGI server takes its place.
func TestPHPPagesAreRunAndFilesAreServed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted on Windows")
	}
	dir, err := os.MkdirTemp("", "php") // its sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, text := range map[string]string{
		"www/index.php": "the source", "www/page.php": "the source",
		"www/page.php.orig": "the source", "www/PAGE.PHP": "the source",
		"www/style.css": "p {}\n", "www/folder/file.txt": "a file\n",
		"www/.secret": "secret", "www/.git/config": "secret",
	} {
		path := filepath.Join(dir, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "php.sock")
	servePHP(t, socket)

	program := filepath.Join(buildAll(t), "php"+exe())
	server := begin(t, program, "http:tcp:127.0.0.1:0", filepath.Join(dir, "www"), "unix:"+socket)
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{
		"/":                      "200 GET " + filepath.Join(dir, "www/index.php") + " ",
		"/page.php/more?a=b":     "200 GET " + filepath.Join(dir, "www/page.php") + "/more a=b",
		"/style.css":             "200 p {}\n",
		"/folder/file.txt":       "200 a file\n",
		"/folder":                "301 ",
		"/folder/":               "404 404 Not Found\n",
		"/page.php.orig":         "404 404 Not Found\n",
		"/PAGE.PHP":              "404 404 Not Found\n",
		"/style.css/page.php":    "404 404 Not Found\n",
		"/none.php":              "404 404 Not Found\n",
		"/none.css":              "404 404 page not found\n",
		"/.secret":               "404 There is no such page.\n",
		"/.git/config":           "404 There is no such page.\n",
		"/%2egit/config":         "404 There is no such page.\n",
		"/folder/%2e%2e/.secret": "404 There is no such page.\n",
	} {
		res, err := client.Get(server.where + path)
		if err != nil {
			t.Error(err)
			continue
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		got := res.Status[:4] + string(body)
		if err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", path, got, err, want)
		}
	}
	server.stop(t)
}

// servePHP answers on a socket as PHP-FPM would to a script that says how it was called.
func servePHP(t *testing.T, socket string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &fcgi.Server{Application: gateway.ApplicationFunc(
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			text := env.Vars["REQUEST_METHOD"] + " " + env.Vars["SCRIPT_FILENAME"] + env.Vars["PATH_INFO"]
			_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/html"}}, nil)
			return gateway.Text(text + " " + env.Vars["QUERY_STRING"]), err
		})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
	})
}
