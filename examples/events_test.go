package examples_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// A client that leaves ends its stream: otherwise the server would wait for 30 seconds before it
// stops, and then say so. The tests of the program itself have what is in a stream.
func TestEventsEndWithTheirClient(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted on Windows")
	}
	path := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	t.Setenv("EVENTS", path)
	server := begin(t, filepath.Join(buildAll(t), "events"+exe()), "http:tcp:127.0.0.1:0")
	client := &http.Client{Transport: &http.Transport{}}
	res, err := client.Get(server.where)
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Header.Get("Content-Type"); res.StatusCode != 200 || got != "text/event-stream" {
		t.Errorf("%s, %s", res.Status, got)
	}
	events := bufio.NewReader(res.Body)
	expect(t, events, "retry: 2000\n\n")
	for _, line := range []string{"one\n", "two\n"} { // each arrives before the next is written
		if _, err := file.WriteString(line); err != nil {
			t.Fatal(err)
		}
		id := map[string]string{"one\n": "4", "two\n": "8"}[line]
		expect(t, events, "id: "+id+"\ndata: "+line+"\n")
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	if said := server.stop(t); said == "" {
		t.Error("it says nothing about its end")
	}
}

// expect reads as many bytes as want has.
func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v, want %q", got[:n], err, want)
	}
}
