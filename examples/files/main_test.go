package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/nethttp"
)

const digits = "0123456789"

var changed = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// open returns the site of a folder with the file ten, a folder, and links that lead out of it.
func open(t *testing.T) (dir string, app gateway.Application) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "files")
	if err := os.MkdirAll(filepath.Join(dir, "sub", "deep"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ten.txt", "sub/ten.txt", "../secret"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(digits), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Symlink("../secret", filepath.Join(dir, "link")) // not everybody may on Windows
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return dir, site(root)
}

func TestFilesAndPagesAreServed(t *testing.T) {
	t.Parallel()
	_, app := open(t)
	date, other := changed.Format(http.TimeFormat), changed.Add(-time.Hour).Format(http.TimeFormat)
	for _, c := range []struct {
		request string // the headers are behind the path
		want    string // the status's code, Content-Range or Location, and the body
	}{
		{"GET /", "200  A page.\n"},
		{"GET /files/ten.txt", "200  0123456789"},
		{"HEAD /files/ten.txt", "200  "},
		{"GET /files/sub/ten.txt", "200  0123456789"},
		{"GET /files", "307 /cgi-bin/files/files/ *"},
		{"GET /files/sub", "301 sub/ "},
		{"GET /files/none", "404  *"},
		{"GET /files/link", "500  *"},
		{"GET /files/../secret", "404  *"},
		{"GET /files/..%2fsecret", "404  *"},

		{"GET /files/ten.txt|Range=bytes=0-3", "206 bytes 0-3/10 0123"},
		{"GET /files/ten.txt|Range=bytes=7-", "206 bytes 7-9/10 789"},
		{"GET /files/ten.txt|Range=bytes=-2", "206 bytes 8-9/10 89"},
		{"GET /files/ten.txt|Range=bytes=8-99", "206 bytes 8-9/10 89"},
		{"GET /files/ten.txt|Range=bytes=10-", "416 bytes */10 *"},
		{"GET /files/ten.txt|Range=lines=1-2", "416  *"}, // to net/http any other unit is none
		{"GET /files/ten.txt|Range=bytes=0-3|If-Range=" + date, "206 bytes 0-3/10 0123"},
		{"GET /files/ten.txt|Range=bytes=0-3|If-Range=" + other, "200  0123456789"},
		{`GET /files/ten.txt|Range=bytes=0-3|If-Range="x"`, "200  0123456789"},
		{"GET /files/ten.txt|If-Modified-Since=" + date, "304  "},
		{"GET /files/ten.txt|If-Modified-Since=" + other, "200  0123456789"},

		{"GET /get/ten.txt", "200  0123456789"},
		{"GET /get/ten.txt|Range=bytes=0-3", "200  0123456789"},
		{"HEAD /get/sub/ten.txt", "200  "},
		{"GET /get/sub", "404  *"},
		{"GET /get/", "404  *"},
		{"GET /get/none", "404  *"},
		{"GET /get/link", "404  *"},
		{"GET /get/../secret", "404  *"},
	} {
		line, rest, _ := strings.Cut(c.request, "|")
		method, target, _ := strings.Cut(line, " ")
		env := gatewaytest.NewEnviron(method, target, nil)
		env.Vars["SCRIPT_NAME"] = "/cgi-bin/files"
		for header := range strings.SplitSeq(rest, "|") {
			name, value, _ := strings.Cut(header, "=")
			env.Vars["HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = value
		}
		r := gatewaytest.Record(app, env)
		got := fmt.Sprintf(
			"%.3s %s%s ",
			r.Status,
			r.Headers.Get("Content-Range"),
			r.Headers.Get("Location"),
		)
		if body := r.Body(); strings.HasSuffix(c.want, "*") && body != "" &&
			!strings.Contains(body, digits) {
			got += "*"
		} else {
			got += body
		}
		if got != c.want || r.Err != nil && r.Err != context.Canceled {
			t.Errorf("%s: %q, %v, want %q", c.request, got, r.Err, c.want)
		}
	}
	r := gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/files/ten.txt", nil))
	if got := r.Headers.Get("Content-Type"); got != "text/plain; charset=utf-8" ||
		r.Headers.Get("Accept-Ranges") != "bytes" {
		t.Errorf("the headers are %v", r.Headers)
	}
}

// What goes out by sendfile comes to the connection as a file: all of a file below /get/ but its
// first block, which the head is sent with, and nothing of one below /files/.
func TestAFileThatIsSentWholeGoesBySendfile(t *testing.T) {
	t.Parallel()
	dir, app := open(t)
	content := bytes.Repeat([]byte(digits), 50_000)
	if err := os.WriteFile(filepath.Join(dir, "big"), content, 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var files atomic.Int64
	s := &http.Server{Handler: nethttp.Handler(app)}
	go s.Serve(&fileListener{l, &files})
	defer s.Close()
	asFile := map[string]int64{"/get/big": int64(len(content)) - 8192, "/files/big": 0}
	for path, want := range asFile {
		files.Store(0)
		res, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if !bytes.Equal(body, content) || err != nil ||
			res.Header.Get("Content-Length") != strconv.Itoa(len(content)) {
			t.Errorf("%s: %d bytes, %v, %v", path, len(body), err, res.Header)
		}
		if got := files.Load(); got != want {
			t.Errorf("%s: %d bytes came as a file, want %d", path, got, want)
		}
	}
}

// A fileListener counts the bytes that its connections are given as an *os.File, which package net
// sends by sendfile(2).
type fileListener struct {
	net.Listener
	bytes *atomic.Int64
}

func (l *fileListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &fileConn{c.(*net.TCPConn), l.bytes}, nil
}

type fileConn struct {
	*net.TCPConn
	bytes *atomic.Int64
}

func (c *fileConn) ReadFrom(r io.Reader) (int64, error) {
	if part, ok := r.(*io.LimitedReader); ok {
		if _, ok := part.R.(*os.File); ok {
			c.bytes.Add(part.N)
		}
	}
	return c.TCPConn.ReadFrom(r)
}
