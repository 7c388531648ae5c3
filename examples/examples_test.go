// Package examples_test builds every example and runs it as its comment says.
package examples_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// crlf returns a response with CR LF at the ends of its head's lines, which have LF in text.
func crlf(text string) string {
	head, body, _ := strings.Cut(text, "\n\n")
	return strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
}

var long = strings.Repeat("no line break ", 1<<16) // a line that no buffer holds

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func post(contentType, body string) []string {
	return []string{"REQUEST_METHOD=POST", "CONTENT_TYPE=" + contentType, fmt.Sprint("CONTENT_LENGTH=", len(body))}
}

var tests = []struct {
	example, name string
	env           []string // added to an environment without CGI variables
	stdin         string
	stdout        string // for crlf
	stderr        string
}{
	{example: "function", name: "hello",
		stdout: "Status: 200 OK\nContent-Type: text/plain\nContent-Length: 14\n\nHello World !\n"},
	{example: "struct", name: "hello",
		stdout: "Status: 200 OK\nContent-Type: text/plain\n\nHello World !\n"},
	{example: "struct", name: "reads the request when it is ranged",
		env:    []string{"REQUEST_METHOD=GET", "HTTP_X_NAME=Phillip"},
		stdout: "Status: 200 OK\nContent-Type: text/plain\n\nHello Phillip !\n"},
	{example: "middleware", name: "headers, writer and body",
		stdout: "Status: 200 OK\nContent-Type: text/plain\n\nellohay oughthray ethay iterwray !\nellohay oughthray ethay odybay !\n"},
	{example: "stream", name: "all events, then Close", env: []string{"REQUEST_METHOD=GET", "QUERY_STRING=2"},
		stdout: "Status: 200 OK\nContent-Type: text/event-stream\nCache-Control: no-store\n\ndata: tick 1\n\ndata: tick 2\n\n",
		stderr: "ticks: closed\n"},
	{example: "upload", name: "by line", env: post("text/plain", "one\ntwo\nthree"), stdin: "one\ntwo\nthree",
		stdout: "Status: 200 OK\nContent-Type: text/plain\nContent-Length: 91\n\nlines: 3\nsize: 13\nsha256: " + digest("one\ntwo\nthree") + "\n"},
	{example: "upload", name: "by line, a long one", env: post("text/plain", long), stdin: long,
		stdout: "Status: 200 OK\nContent-Type: text/plain\nContent-Length: 95\n\nlines: 1\nsize: 917504\nsha256: " + digest(long) + "\n"},
	{example: "upload", name: "by block", env: post("application/octet-stream", "\x00\xff\n"), stdin: "\x00\xff\n",
		stdout: "Status: 200 OK\nContent-Type: text/plain\nContent-Length: 81\n\nsize: 3\nsha256: " +
			digest("\x00\xff\n") + "\n"},
	{example: "upload", name: "nothing", env: post("text/plain", ""),
		stdout: "Status: 200 OK\nContent-Type: text/plain\nContent-Length: 90\n\nlines: 0\nsize: 0\nsha256: " + digest("") + "\n"},
	{example: "upload", name: "cut short", env: post("application/octet-stream", "four"), stdin: "fou",
		stdout: "Status: 400 Bad Request\nContent-Type: text/plain\nContent-Length: 26\n\nThe upload was cut short.\n"},
	{example: "framework", name: "a pattern of the mux",
		env:    []string{"GATEWAY=cgi", "REQUEST_METHOD=GET", "PATH_INFO=/hello/gopher"},
		stdout: "Status: 200 OK\nContent-Type: text/plain; charset=utf-8\nContent-Length: 15\n\nHello gopher !\n", stderr: "GET /hello/gopher\n"},
	{example: "framework", name: "what only the environ has",
		env:    []string{"GATEWAY=cgi", "REQUEST_METHOD=GET", "PATH_INFO=/whoami", "REMOTE_USER=ada"},
		stdout: "Status: 200 OK\nContent-Type: text/plain; charset=utf-8\nContent-Length: 4\n\nada\n",
		stderr: "GET /whoami\n"},
	{example: "framework", name: "another method",
		env: []string{"GATEWAY=cgi", "REQUEST_METHOD=DELETE", "PATH_INFO=/whoami"},
		stdout: "Status: 405 Method Not Allowed\nContent-Type: text/plain; charset=utf-8\nAllow: GET, HEAD\nX-Content-Type-Options: nosniff\n" +
			"Content-Length: 19\n\nMethod Not Allowed\n", stderr: "DELETE /whoami\n"},
	{example: "upload", name: "without a body",
		stdout: "Status: 405 Method Not Allowed\nContent-Type: text/plain\nAllow: POST\nContent-Length: 26\n\nSend something with POST.\n"},
}

func TestExamplesAnswerAsTheirCommentsSay(t *testing.T) {
	bin := buildAll(t)
	for _, test := range tests {
		t.Run(test.example+"/"+test.name, func(t *testing.T) {
			cmd := exec.Command(filepath.Join(bin, test.example+exe()))
			cmd.Env = append(withoutCGI(os.Environ()), test.env...)
			cmd.Stdin = strings.NewReader(test.stdin)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil {
				t.Errorf("%v, stderr %q", err, &stderr)
			}
			if got, want := stdout.String(), crlf(test.stdout); got != want {
				t.Errorf("stdout is\n%q, want\n%q", got, want)
			}
			if got := stderr.String(); got != test.stderr {
				t.Errorf("stderr is %q, want %q", got, test.stderr)
			}
		})
	}
}

func TestEveryExampleIsTestedAndShort(t *testing.T) {
	mains, err := filepath.Glob("*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, main := range mains {
		name := filepath.Dir(main)
		limit := 80
		if name == "guestbook" {
			limit = 120
		}
		files, err := filepath.Glob(name + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file) // so that go test knows that its result depends on the file
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(source, []byte("\n")); n >= limit && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s has %d lines, want less than %d", file, n, limit)
			}
			if file == main && !bytes.Contains(source, []byte("go run ./examples/"+name)) {
				t.Errorf("%s does not say how to run it", main)
			}
		}
		found := slices.Contains([]string{"anywhere", "cgibin", "doctor", "events", "files", "git", "guestbook", "php"}, name) // servers, with tests of their own
		for _, test := range tests {
			found = found || test.example == name
		}
		if !found {
			t.Errorf("no test runs %s", main)
		}
	}
}

// built builds all examples, once.
var built = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "gateway-examples-"); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./...").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %v\n%s", err, out)
	}
	return dir, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := built(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// buildAll returns the folder with all examples as programs.
func buildAll(t *testing.T) (dir string) {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// withoutCGI removes CGI variables, with which the environment of the test itself may come.
func withoutCGI(env []string) (list []string) {
	for _, entry := range env {
		switch name, _, _ := strings.Cut(entry, "="); name {
		case "GATEWAY_INTERFACE", "REQUEST_METHOD", "SERVER_PROTOCOL", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING",
			"REQUEST_URI", "CONTENT_LENGTH", "CONTENT_TYPE":
		default:
			list = append(list, entry)
		}
	}
	return list
}
