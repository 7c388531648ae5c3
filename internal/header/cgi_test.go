package header_test

import (
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// C57: the CGI fields first, the others in their order; Status at the very front, or right after
// Location.
func TestAppendCGI(t *testing.T) {
	for _, test := range []struct {
		name          string
		headers       gateway.Headers
		first, second string // Status first; Location first
	}{
		{"nothing", nil, "Status: 200 OK\r\n\r\n", "Status: 200 OK\r\n\r\n"},
		{"in order", gateway.Headers{{"X-B", "2"}, {"X-A", "1"}, {"X-B", ""}},
			"Status: 200 OK\r\nX-B: 2\r\nX-A: 1\r\nX-B: \r\n\r\n", "Status: 200 OK\r\nX-B: 2\r\nX-A: 1\r\nX-B: \r\n\r\n"},
		{"CGI fields", gateway.Headers{{"X-A", "1"}, {"content-TYPE", "text/plain"}, {"LOCATION", "/x"}, {"Content-Length", "3"}},
			"Status: 200 OK\r\ncontent-TYPE: text/plain\r\nLOCATION: /x\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n",
			"LOCATION: /x\r\nStatus: 200 OK\r\ncontent-TYPE: text/plain\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n"},
		{"names of the same length", gateway.Headers{{"X-Twelve-Ch1", "1"}, {"X-Eight1", "2"}, {"Content-Type", "a/b"}},
			"Status: 200 OK\r\nContent-Type: a/b\r\nX-Twelve-Ch1: 1\r\nX-Eight1: 2\r\n\r\n",
			"Status: 200 OK\r\nContent-Type: a/b\r\nX-Twelve-Ch1: 1\r\nX-Eight1: 2\r\n\r\n"},
	} {
		for locationFirst, want := range map[bool]string{false: test.first, true: test.second} {
			got := string(header.AppendCGI([]byte("before "), "200 OK", test.headers, locationFirst))
			if got != "before "+want {
				t.Errorf("%s, Location first %v:\ngot  %q\nwant %q", test.name, locationFirst, got, want)
			}
			if n := header.CGISize("200 OK", test.headers); n != len(want) {
				t.Errorf("%s: CGISize is %d, want %d", test.name, n, len(want))
			}
		}
	}
}

// A buffer of that size is not moved.
func TestAppendCGIFitsSize(t *testing.T) {
	headers := gateway.Headers{{"Content-Type", "text/plain"}, {"X", strings.Repeat("x", 1000)}}
	b := make([]byte, 0, header.CGISize("404 Not Found", headers))
	if got := header.AppendCGI(b, "404 Not Found", headers, true); &got[0] != &b[:1][0] {
		t.Error("the buffer was too small")
	}
}
