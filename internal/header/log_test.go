package header

import (
	"strings"
	"testing"
)

func TestALogEntryIsOneLine(t *testing.T) {
	for _, c := range []struct{ method, path, why, want string }{
		{"GET", "/", "gateway: too large", "gateway: GET /: too large\n"},
		{"", "", "gateway: no method", "gateway: no method\n"},
		{"GET", "/a b", "\"x\"\ty", "gateway: GET /a b: \"x\"\ty\n"},
		{"G\nT", "/\r\n", "a\x1b[31m\x00\u202e\xff\\n", `gateway: G\nT /\r\n: a\x1b[31m\x00\u202e\xff\n` + "\n"},
		{"", "/\u00e9", "x", "gateway: /\u00e9: x\n"},
	} {
		if got := LogEntry(c.method, c.path, c.why); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	long := strings.Repeat("x", 10_000)
	if got := LogEntry(long, long, long); len(got) > 4500 || strings.Count(got, "...") != 3 {
		t.Errorf("%d bytes", len(got))
	}
}
