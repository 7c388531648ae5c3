package lambda_test

import (
	"fmt"
	"log"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
)

// What goes wrong while the next event is asked for. The event after it is served, on a connection
// of its own if need be, unless the Runtime API has failed for good.
func TestARuntimeAPIThatFailsOnNext(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: " +
		"bad\r\nLambda-Runtime-Deadline-Ms: 99999999999999\r\n"
	for _, c := range []struct {
		name, answer string
		posted       string // what comes of the invocation that fails, or ""
		fatal        string // the error of Serve, or ""
	}{
		{"403", status(403), "", ""},
		{"404", status(404), "", ""},
		{"202, which is no event", accepted, "", ""},
		{"500", status(500), "", `the Runtime API answers 500: "{\"a\":1}"`},
		{"503", status(503), "", "the Runtime API answers 503"},
		{"closed at once", hangUp, "", ""},
		{"closed in the status line", "HTTP/1.1 20" + more, "", ""},
		{"closed in the head", head[:60] + more, "event was cut short", ""},
		{"closed behind the head", head + "Content-Length: 10\r\n\r\n" + more,
			"event was cut short", ""},
		{"closed in the event", head + "Content-Length: 10\r\n\r\n{}" + more, "event was cut short",
			""},
		{"closed in a chunk", head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{}" + more,
			"event was cut short", ""},
		{"chunks that are none", head + "Transfer-Encoding: chunked\r\n\r\nx\r\n{}\r\n" + more,
			"event was cut short", ""},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n" + more, "", ""},
		{"HTTP/2", "HTTP/2 200\r\n\r\n" + more, "", ""},
		{"a status that is none", "HTTP/1.1 2000 OK\r\n\r\n" + more, "", ""},
		{"an interim response", "HTTP/1.1 100 Continue\r\n\r\n" + more, "", ""},
		{"a header that is none", "HTTP/1.1 200 OK\r\nno header\r\n\r\n" + more, "", ""},
		{"a length that is none", head + "Content-Length: +1\r\n\r\n{" + more,
			"event was cut short", ""},
		{"two lengths", head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}" + more,
			"event was cut short", ""},
		{"a length without end", head + "Content-Length: 9223372036854775807\r\n\r\n{}" + more,
			"event was cut short", ""},
		{"a head without end", head + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 300),
			"event was cut short", ""},
		{"a line without end", "HTTP/1.1 200 " + strings.Repeat("x", 300<<10), "", ""},
		{"no id", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "", ""},
		{"an id that is no part of a path",
			"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a/../b\r\nContent-Length: " +
				"2\r\n\r\n{}", "", ""},
	} {
		var buffer strings.Builder
		server := newServer(answering("200 OK", nil, "next"))
		server.ErrorLog = log.New(&buffer, "", 0)
		var posted []*asked
		nexts := 0
		err := inBubble(t, server, func(r *asked) string {
			if r.what != "next" {
				return accepted
			}
			switch nexts++; nexts {
			case 1:
				return c.answer
			case 2:
				return event("good", time.Minute, get)
			}
			return wait
		}, func(s *script) {
			time.Sleep(time.Minute)
			posted = s.requests()
		})
		if c.fatal != "" {
			if err == nil || !strings.Contains(err.Error(), c.fatal) || len(posted) > 0 {
				t.Errorf("%s: %v, %s", c.name, err, show(posted))
			}
			continue
		}
		if err != gateway.ErrShutdown || buffer.Len() == 0 {
			t.Errorf("%s: Serve has returned %v, the log is %q", c.name, err, &buffer)
		}
		if c.posted != "" {
			if len(posted) == 0 || posted[0].what != "error" || posted[0].id != "bad" ||
				!strings.Contains(posted[0].body, c.posted) {
				t.Errorf("%s: %s", c.name, show(posted))
				continue
			}
			posted = posted[1:]
		}
		if len(posted) != 1 || posted[0].what != "response" || posted[0].id != "good" {
			t.Errorf("%s: %s", c.name, show(posted))
		}
	}
}

// Serve does not try for ever, and not all the time.
func TestARuntimeAPIThatIsGone(t *testing.T) {
	t.Parallel()
	var at []time.Time
	var took time.Duration
	begun := time.Time{}
	err := inBubble(t, newServer(answering("200 OK", nil)), func(r *asked) string {
		if at = append(at, r.at); begun.IsZero() {
			begun = r.at
		}
		return hangUp
	}, func(s *script) {
		time.Sleep(time.Minute)
		synctest.Wait() // which the race detector knows, and a Sleep not
		took = at[len(at)-1].Sub(begun)
	})
	if err == nil || !strings.Contains(err.Error(), "no next event, after 5 attempts") ||
		len(at) != 5 || took != 1100*time.Millisecond {
		t.Errorf("after %d attempts in %v: %v", len(at), took, err)
	}
}

// Forms of an answer that a Runtime API may choose.
func TestFormsOfAnAnswer(t *testing.T) {
	t.Parallel()
	head := func() string {
		s, _, _ := strings.Cut(event("good", time.Minute, ""), "Content-Length")
		return s
	}
	for _, c := range []struct {
		name   string
		answer func() string
		conns  int
	}{
		{"chunks", func() string {
			return head() +
				fmt.Sprintf("Transfer-Encoding: "+
					"chunked\r\n\r\n%x\r\n%s\r\n%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n", 10, get[:10],
					len(get)-10, get[10:])
		}, 1},
		{"the end of the connection", func() string { return head() + "\r\n" + get + more }, 2},
		{"a connection that ends", func() string {
			return head() + fmt.Sprintf("Connection: close\r\nContent-Length: %d\r\n\r\n%s",
				len(get), get)
		}, 2},
		{"lines that end with LF", func() string {
			return strings.ReplaceAll(event("good", time.Minute, get), "\r\n", "\n")
		}, 1},
		{"names in upper case, and spaces", func() string {
			s := strings.Replace(event("good", time.Minute, get),
				"Lambda-Runtime-Aws-Request-Id: good", "LAMBDA-RUNTIME-AWS-REQUEST-ID:\t good \t",
				1)
			return strings.Replace(s, "200 OK", "200", 1)
		}, 1},
		{"a long header", func() string {
			return strings.Replace(event("good", time.Minute, get), "\r\n",
				"\r\nLambda-Runtime-Client-Context: "+strings.Repeat("x", 10000)+"\r\n", 1)
		}, 1},
		{"a large event", func() string {
			return event("good", time.Minute, get[:len(get)-1]+`, "body": "`+strings.Repeat("x",
				7<<20)+`"}`)
		}, 1},
	} {
		var posted []*asked
		conns := 0
		_ = inBubble(t, newServer(answering("200 OK", nil, "x")), func(r *asked) string {
			switch {
			case r.what != "next":
				return accepted
			case r.n == 1:
				return c.answer()
			}
			conns = r.conn
			return wait
		}, func(s *script) { posted = s.requests() })
		if len(posted) != 1 || posted[0].what != "response" || posted[0].id != "good" ||
			conns != c.conns {
			t.Errorf("%s: %d connections, %s", c.name, conns, show(posted))
		}
	}
}

// What goes wrong when a response is sent. Lambda gets an error for the invocation, unless it has
// made one itself, and the next event is served.
func TestARuntimeAPIThatFailsOnAResponse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer string
		posted       string // all that is posted for both invocations
		fatal        bool
	}{
		{"400", status(400), "response 1, error 1, response 2", false},
		{"403", status(403), "response 1, error 1, response 2", false},
		{"413", status(413), "response 1, response 2", false},
		{"200, which is no 202", status(200), "response 1, error 1, response 2", false},
		{"500", status(500), "response 1", true},
		{"closed at once", hangUp, "response 1, response 1, response 2", false},
		// on a new connection
		{"closed in the answer", "HTTP/1.1 202 Acc" + more, "response 1, response 1, response 2",
			false},
		{"garbage", "garbage\r\n\r\n" + more, "response 1, response 1, response 2", false},
	} {
		for _, stream := range []bool{false, true} {
			server := newServer(answering("200 OK", nil, "x"))
			server.Stream = stream
			want := c.posted
			if stream { // which is not sent again
				want = strings.Replace(want, "response 1, response 1", "response 1, error 1", 1)
			}
			var posted []*asked
			nexts, failed := 0, false
			err := inBubble(t, server, func(r *asked) string {
				switch {
				case r.what == "response" && !failed:
					failed = true
					return c.answer
				case r.what != "next":
					return accepted
				}
				if nexts++; nexts <= 2 {
					return event(fmt.Sprint(nexts), time.Minute, get)
				}
				return wait
			}, func(s *script) {
				time.Sleep(time.Minute)
				posted = s.requests()
			})
			var list []string
			for _, r := range posted {
				list = append(list, r.what+" "+r.id)
			}
			if got := strings.Join(list, ", "); got != want ||
				c.fatal != (err != gateway.ErrShutdown) {
				t.Errorf("%s, stream %v: %s, want %s; Serve has returned %v", c.name, stream, got,
					want, err)
			}
		}
	}
}

// An error that cannot be posted either does not end the process.
func TestAnErrorThatIsNotTaken(t *testing.T) {
	t.Parallel()
	for answer, fatal := range map[string]bool{status(403): false, hangUp: false,
		status(500): true} {
		var posted []*asked
		nexts := 0
		err := inBubble(t, newServer(answering("200 OK", nil, "x")), func(r *asked) string {
			switch r.what {
			case "error":
				return answer
			case "response":
				return accepted
			}
			switch nexts++; nexts {
			case 1:
				return event("bad", time.Minute, "[]")
			case 2:
				return event("good", time.Minute, get)
			}
			return wait
		}, func(s *script) {
			time.Sleep(time.Minute)
			posted = s.requests()
		})
		if fatal {
			if err == gateway.ErrShutdown {
				t.Errorf("%q: Serve has returned %v", answer, err)
			}
		} else if err != gateway.ErrShutdown || len(posted) < 2 ||
			posted[len(posted)-1].id != "good" {
			t.Errorf("%q: %v, %s", answer, err, show(posted))
		}
	}
}
