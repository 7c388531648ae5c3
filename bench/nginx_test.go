package main

import (
	"testing"
	"time"
)

func TestNginxIsMeasured(t *testing.T) {
	var table table
	if err := measureNginx(&table, t.TempDir(), 1, 1); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"nginx", "wrk"} {
		if _, err := lookPath(tool); err != nil {
			if len(table.rows) != 1 || len(table.targets) != 0 {
				t.Errorf("without %s there are %d rows and %d targets, want a row that says so", tool, len(table.rows), len(table.targets))
			}
			t.Skip(tool, "is not installed")
		}
	}
	if len(table.rows) != len(proxied) || len(table.targets) != 2 {
		t.Errorf("%d rows, %d targets, want %d and 2", len(table.rows), len(table.targets), len(proxied))
	}
}

func TestARequestThatFailedSpoilsTheFigure(t *testing.T) {
	const whole = "  2 threads and 32 connections\n  50 requests in 2.50s, 7KB read\nRequests/sec:  20\n"
	for _, c := range []struct {
		out  string
		want time.Duration // 0 is an error
	}{
		{whole, 50 * time.Millisecond},
		{whole + "  Non-2xx or 3xx responses: 1\n", 0},
		{whole + "  Socket errors: connect 0, read 1, write 0, timeout 0\n", 0},
		{"  0 requests in 2.50s, 7KB read\n", 0},
		{"unable to connect\n", 0},
	} {
		if got, err := parseWrk(c.out); got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%q is %v (%v), want %v", c.out, got, err, c.want)
		}
	}
}
