package nethttp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestWhatAHandlerWrites(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name   string
		method string
		h      http.HandlerFunc
		want   string // status, headers, writes
		log    string
		broken bool
	}{
		{"nothing", "GET", func(http.ResponseWriter, *http.Request) {}, `200 OK [[Content-Length 0]] []`, "", false},
		{"a little", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a"); w.Write([]byte("b")) },
			`200 OK [[Content-Type text/plain; charset=utf-8] [Content-Length 2]] ["ab"]`, "", false},
		{"a page", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
			`200 OK [[Content-Type text/html; charset=utf-8] [Content-Length 6]] ["<html>"]`, "", false},
		{"a type", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "<html>")
		},
			`200 OK [[Content-Type a/b] [Content-Length 6]] ["<html>"]`, "", false},
		{"no type", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		},
			`200 OK [[Content-Length 6]] ["<html>"]`, "", false},
		{"an encoding", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "<html>")
		},
			`200 OK [[Content-Encoding gzip] [Content-Length 6]] ["<html>"]`, "", false},
		{"an encoding that is none", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "")
			io.WriteString(w, "<html>")
		},
			`200 OK [[Content-Encoding ] [Content-Type text/html; charset=utf-8] [Content-Length 6]] ["<html>"]`, "", false},
		{"names that are not canonical", "GET", func(w http.ResponseWriter, _ *http.Request) {
			for _, name := range []string{"content-type", "Content-type", "X-A", "x-a", "location", "connection", "STATUS"} {
				w.Header()[name] = []string{name}
			}
			w.Header()["content-length"] = []string{"2"}
			io.WriteString(w, "ab")
			if n, err := io.WriteString(w, "c"); n != 0 || err != http.ErrContentLength {
				t.Errorf("a write past the length returned %d, %v", n, err)
			}
		},
			`200 OK [[Content-Length 2] [Content-Type Content-type] [Location location] [X-A X-A] [X-A x-a]] ["ab"]`, "", false},
		{"no type, by a name that is not canonical", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["content-type"] = nil
			io.WriteString(w, "<html>")
		},
			`200 OK [[Content-Length 6]] ["<html>"]`, "", false},
		{"a status", "GET", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) },
			`404 Not Found [[Content-Type text/plain; charset=utf-8] [X-Content-Type-Options nosniff] [Content-Length 3]] ["no\n"]`, "", false},
		{"two statuses", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(500) },
			`404 Not Found [[Content-Length 0]] []`, "nethttp: superfluous WriteHeader(500) after 404\n", false},
		{"headers after the head", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); w.Header().Set("X-Late", "1") },
			`204 No Content [] []`, "", false},
		{"a body of a 204", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			if n, err := io.WriteString(w, "x"); n != 0 || err != http.ErrBodyNotAllowed {
				t.Errorf("a write of a 204 returned %d, %v", n, err)
			}
		}, `204 No Content [] []`, "", false},
		{"a body of a 205", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(205)
			if n, err := io.WriteString(w, "x"); n != 0 || err != http.ErrBodyNotAllowed {
				t.Errorf("a write of a 205 returned %d, %v", n, err)
			}
		}, `205 Reset Content [[Content-Length 0]] []`, "", false},
		{"more than is held back", "GET", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "a")
			w.Write([]byte(big))
			io.WriteString(w, "b")
		},
			`200 OK [[Content-Type text/plain; charset=utf-8]] ["a" "` + big + `" "b"]`, "", false},
		{"much, with a length", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			io.WriteString(w, big)
		},
			`200 OK [[Content-Length 5000] [Content-Type text/plain; charset=utf-8]] ["` + big + `"]`, "", false},
		{"in blocks", "GET", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "one")
			w.(http.Flusher).Flush()
			io.WriteString(w, "two")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			w.(http.Flusher).Flush()
			io.WriteString(w, "three")
		}, `200 OK [[Content-Type text/plain; charset=utf-8]] ["one" "two" "three"]`, "", false},
		{"the head first", "GET", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, "x") },
			`200 OK [] ["x"]`, "", false},
		{"HEAD", "HEAD", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "four") },
			`200 OK [[Content-Type text/plain; charset=utf-8] [Content-Length 4]] []`, "", false},
		{"HEAD of nothing", "HEAD", func(http.ResponseWriter, *http.Request) {}, `200 OK [] []`, "", false},
		{"more than declared", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			io.WriteString(w, "ab")
			if n, err := io.WriteString(w, "c"); n != 0 || err != http.ErrContentLength {
				t.Errorf("a write past the length returned %d, %v", n, err)
			}
		}, `200 OK [[Content-Length 2] [Content-Type text/plain; charset=utf-8]] ["ab"]`, "", false},
		{"less than declared", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "ab")
		},
			`200 OK [[Content-Length 5] [Content-Type text/plain; charset=utf-8]] ["ab"]`, "gateway: GET /: wrong Content-Length: 5 declared, 2 sent\n", true},
		{"a length that is none", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "two")
			w.WriteHeader(404)
		},
			`404 Not Found [[Content-Length 0]] []`, "nethttp: invalid Content-Length of \"two\"\n", false},
		{"headers that are the server's", "GET", func(w http.ResponseWriter, _ *http.Request) {
			for _, name := range []string{"Connection", "Keep-Alive", "Transfer-Encoding", "TE", "Upgrade",
				"Status", "Proxy-Connection", "Trailer", "Trailers"} {
				w.Header().Set(name, "close")
			}
			w.Header().Set("Date", "today")
			w.WriteHeader(304)
		}, `304 Not Modified [[Date today]] []`, "", false},
		{"a proxy's header", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Proxy-Authenticate", "Basic")
			w.WriteHeader(407)
		}, `407 Proxy Authentication Required [[Proxy-Authenticate Basic] [Content-Length 0]] []`, "", false},
		{"headers in several lines", "GET", func(w http.ResponseWriter, _ *http.Request) {
			for _, v := range []string{"1", "2"} {
				for _, name := range []string{"X-B", "X-A", "Content-Type", "Location", "Content-Length"} {
					w.Header().Add(name, v)
				}
			}
			io.WriteString(w, "x")
		}, `200 OK [[Content-Length 1] [Content-Type 1] [Location 1] [X-A 1] [X-A 2] [X-B 1] [X-B 2]] ["x"]`, "", false},
		{"a line break in a header", "GET", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "a\r\nX-Evil: 1") },
			`500 Internal Server Error [[Content-Type text/plain] [Content-Length 26]] ["500 Internal Server Error\n"]`,
			"gateway: GET /: invalid header: value \"a\\r\\nX-Evil: 1\" of X-A has a control character\n", false},
		{"interim responses that nobody can send", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(100)
			w.WriteHeader(102)
			w.WriteHeader(404)
		},
			`404 Not Found [[Content-Length 0]] []`, "", false},
		{"trailers that nobody can send", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "x")
			w.Header().Set("X-Sum", "1")
			w.Header().Set(http.TrailerPrefix+"X-Other", "2")
		}, `200 OK [[Content-Type text/plain; charset=utf-8] [Content-Length 1]] ["x"]`, "", false},
		{"an abort", "GET", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "one")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
			`200 OK [[Content-Type text/plain; charset=utf-8]] ["one"]`, "gateway: GET /: net/http: abort Handler\n", true},
		{"an abort before anything was sent", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "one"); panic(http.ErrAbortHandler) },
			`500 Internal Server Error [[Content-Type text/plain] [Content-Length 26]] ["500 Internal Server Error\n"]`, "gateway: GET /: net/http: abort Handler\n", false},
		{"copied", "GET", func(w http.ResponseWriter, _ *http.Request) {
			n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(strings.Repeat("y", 40000))})
			if n != 40000 || err != nil {
				t.Errorf("Copy returned %d, %v", n, err)
			}
		}, `200 OK [[Content-Type text/plain; charset=utf-8]] ["` + strings.Repeat("y", 32768) + `" "` + strings.Repeat("y", 7232) + `"]`, "", false},
		{"an upgrade", "GET", func(w http.ResponseWriter, _ *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("Hijack returned %v", err)
			}
			w.WriteHeader(101)
		}, `500 Internal Server Error [[Content-Type text/plain] [Content-Length 26]] ["500 Internal Server Error\n"]`,
			"gateway: GET /: invalid status: \"101 Switching Protocols\" is informational, not a response\n", false},
		{"what a controller can", "GET", func(w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			if err := c.EnableFullDuplex(); err != nil {
				t.Error(err)
			}
			if err := c.SetReadDeadline(time.Time{}); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("SetReadDeadline returned %v", err)
			}
			if err := c.SetWriteDeadline(time.Time{}); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("SetWriteDeadline returned %v", err)
			}
		}, `200 OK [[Content-Length 0]] []`, "", false},
	} {
		r, log, err := respond(c.h, environ(map[string]string{"REQUEST_METHOD": c.method}, ""))
		if got := fmt.Sprintf("%s %v %q", r.status, r.headers, r.writes); got != c.want {
			t.Errorf("%s: the response is\n%.300s, want\n%.300s", c.name, got, c.want)
		}
		if log != c.log {
			t.Errorf("%s: the log is %q, want %q", c.name, log, c.log)
		}
		if r.whole == c.broken {
			t.Errorf("%s: Respond returned %v, broken is to be %v", c.name, err, c.broken)
		}
	}
}

// Whatever header a handler sets, start refuses it or it arrives unchanged.
func FuzzResponse(f *testing.F) {
	f.Add(200, "X-A", "v", []byte("body"))
	f.Add(103, "Content-Length", "1", []byte("body"))
	f.Add(204, "Content-Type", "\r\n", []byte(""))
	f.Add(205, "0", "0", []byte("0"))
	f.Add(206, "Content-Length", "0", []byte("0"))
	f.Add(999, "Trailer", "X", bytes.Repeat([]byte("x"), 5000))
	f.Fuzz(func(t *testing.T, code int, name, value string, body []byte) {
		var taken int
		var werr error
		r, log, err := respond(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()[name] = []string{value, value}
			w.WriteHeader(code)
			taken, werr = w.Write(body)
		}, environ(nil, ""))
		if r.status == "" {
			t.Fatalf("nothing was sent: %v", err)
		}
		for _, field := range r.headers {
			if strings.ContainsAny(field[0]+field[1], "\r\n\x00") {
				t.Errorf("the header %q was sent", field)
			}
		}
		if code == 204 || code == 205 || code == 304 {
			if sent := strings.Join(r.writes, ""); r.status[:3] == strconv.Itoa(code) && sent != "" {
				t.Errorf("a %d has the body %q", code, sent)
			}
			if len(body) > 0 && werr == nil {
				t.Errorf("a write of a %d is no error", code)
			}
		}
		// Write sends all that it counts, and returns an error for the rest.
		if err == nil && code >= 200 && strings.Join(r.writes, "") != string(body[:taken]) {
			t.Errorf("the body is %q, want %q, log %q", r.writes, body[:taken], log)
		}
		if taken < len(body) && !errors.Is(werr, http.ErrBodyNotAllowed) && !errors.Is(werr, http.ErrContentLength) && err == nil {
			t.Errorf("of %d bytes %d were taken, with the error %v", len(body), taken, werr)
		}
		if err != nil && r.whole && r.status != "500 Internal Server Error" {
			t.Errorf("%v, and the status is %q", err, r.status)
		}
	})
}
