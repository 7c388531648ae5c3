package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway/gatewaytest"
)

const retry = "retry: 2000\n\n"

// A client gets what it has not seen, and then a comment whenever nothing has happened for a while.
func TestEventsFollowTheFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, last, before string
		more               map[time.Duration]string // written so much later
		stay               time.Duration
		want               []string
	}{
		{"all lines", "", "one\ntwo\n", nil, time.Second,
			[]string{retry, "id: 4\ndata: one\n\n", "id: 8\ndata: two\n\n"}},
		{"the lines behind the last", "4", "one\ntwo\n", nil, time.Second,
			[]string{retry, "id: 8\ndata: two\n\n"}},
		{"an id from a longer file", "9", "one\ntwo\n", nil, time.Second,
			[]string{retry, "id: 4\ndata: one\n\n", "id: 8\ndata: two\n\n"}},
		{"an id that is none", "-4x", "one\n", nil, time.Second,
			[]string{retry, "id: 4\ndata: one\n\n"}},
		{"a negative id", "-4", "one\n", nil, time.Second, []string{retry, "id: 4\ndata: one\n\n"}},
		{"no field but data", "", "a\revent: x\r\n\n", nil, time.Second,
			[]string{retry, "id: 12\ndata: aevent: x\n\n", "id: 13\ndata: \n\n"}},
		{"lines that come later", "", "",
			map[time.Duration]string{3 * time.Second: "one\n", 5 * time.Second: "two\n"},
			10 * time.Second, []string{retry, "id: 4\ndata: one\n\n", "id: 8\ndata: two\n\n"}},
		{"a line in two pieces", "", "o",
			map[time.Duration]string{3 * time.Second: "n", 6 * time.Second: "e\ntwo"},
			10 * time.Second, []string{retry, "id: 4\ndata: one\n\n"}},
		{"heartbeats", "", "", nil, 31 * time.Second, []string{retry, ":\n\n", ":\n\n"}},
		{"a heartbeat that an event has put off", "", "",
			map[time.Duration]string{10 * time.Second: "one\n"}, 24 * time.Second,
			[]string{retry, "id: 4\ndata: one\n\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "log")
			write := func(text string) {
				file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
				if err != nil {
					t.Error(err)
					return
				}
				defer file.Close()
				if _, err := io.WriteString(file, text); err != nil {
					t.Error(err)
				}
			}
			write(c.before)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.stay+wait/2)
				defer cancel()
				for after, text := range c.more {
					time.AfterFunc(after-wait/2, func() { write(text) })
				}
				env := gatewaytest.NewEnviron("GET", "/", nil).WithContext(ctx)
				env.Vars["HTTP_LAST_EVENT_ID"] = c.last
				began := time.Now()
				r := gatewaytest.Record(feed(path), env)
				if stayed := time.Since(began); stayed != c.stay+wait/2 {
					t.Errorf(
						"it goes on for %v, and the client leaves after %v",
						stayed,
						c.stay+wait/2,
					)
				}
				var got []string
				for _, block := range r.Blocks {
					got = append(got, string(block))
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("the blocks are %q, want %q", got, c.want)
				}
				if r.Status != "200 OK" || r.Headers.Get("Content-Type") != "text/event-stream" ||
					r.Headers.Get("Content-Length") != "" {
					t.Errorf("%s, %v", r.Status, r.Headers)
				}
			})
		})
	}
}

func TestWithoutAFileThereAreNoEvents(t *testing.T) {
	t.Parallel()
	r := gatewaytest.Record(
		feed(filepath.Join(t.TempDir(), "none")),
		gatewaytest.NewEnviron("GET", "/", nil),
	)
	if r.Status != "500 Internal Server Error" {
		t.Errorf("%s: %s", r.Status, r.Errors)
	}
}
