package fcgi_test

import (
	"io"
	"runtime"
	"testing"
)

// nginxRequest is what nginx's stock fastcgi_params and a browser make of a GET.
func nginxRequest() string {
	return head(1, keepConn, "GET", "/world",
		"SCRIPT_FILENAME", "/srv/www/hello", "QUERY_STRING", "", "REQUEST_METHOD", "GET", "CONTENT_TYPE", "", "CONTENT_LENGTH", "",
		"SCRIPT_NAME", "/hello", "REQUEST_URI", "/hello/world", "DOCUMENT_URI", "/hello/world", "DOCUMENT_ROOT", "/srv/www",
		"SERVER_PROTOCOL", "HTTP/1.1", "REQUEST_SCHEME", "http", "GATEWAY_INTERFACE", "CGI/1.1", "SERVER_SOFTWARE", "nginx/1.22.1",
		"REMOTE_ADDR", "192.0.2.77", "REMOTE_PORT", "51234", "SERVER_ADDR", "192.0.2.1", "SERVER_PORT", "80", "SERVER_NAME", "www.example.com",
		"REDIRECT_STATUS", "200", "HTTP_HOST", "www.example.com", "HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5",
		"HTTP_ACCEPT_ENCODING", "gzip, deflate, br, zstd", "HTTP_COOKIE", "session=0123456789abcdef0123456789abcdef; theme=dark") +
		rec(stdinRecord, 1, "")
}

// exchange sends a request and reads the answer without an allocation of its own.
func exchange(t testing.TB, c *client, request, answer []byte) {
	if _, err := c.conn.Write(request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c.conn, answer); err != nil {
		t.Fatal(err)
	}
}

const answerSize = len(helloAnswer) + 8 + 8 + 16

// net/http/fcgi has 108 allocations and 73 kB a hello; 10 and 4 kB are the bound.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := serve(t, hello).dial()
	request, answer := []byte(nginxRequest()), make([]byte, answerSize)
	for range 100 {
		exchange(t, c, request, answer)
	}
	const n = 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		exchange(t, c, request, answer)
	}
	runtime.ReadMemStats(&after)
	allocs := float64(after.Mallocs-before.Mallocs) / n
	bytes := float64(after.TotalAlloc-before.TotalAlloc) / n
	t.Logf("%.2f allocations, %.0f bytes", allocs, bytes)
	if allocs > 10.5 || bytes > 4096 {
		t.Errorf("a hello takes %.2f allocations and %.0f bytes, want at most 10 and 4096", allocs, bytes)
	}
}

func BenchmarkHello(b *testing.B) {
	s := serve(b, hello)
	request := []byte(nginxRequest())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c, answer := s.dial(), make([]byte, answerSize)
		for pb.Next() {
			exchange(b, c, request, answer)
		}
	})
}
