package middleware

import (
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/gateway"
)

// AccessLog returns a middleware that calls log with an [Entry] for each request, when the response
// is over. [Combined] and [Common] make a log of the usual lines; a function of a few lines writes
// to a log/slog.Logger.
//
// Each request that reaches AccessLog has one entry, also if the client leaves, and if the
// application fails, panics or ends its goroutine. A request that the server refuses by itself does
// not reach AccessLog: the server's own log has that. AccessLog puts nothing around the response:
// blocks leave one by one, and files by the server's own way, as they do without it.
//
// The entry has the variables as they are when AccessLog is called. So [Forwarded] goes around
// AccessLog, and AccessLog around the application: Chain(Forwarded(...), AccessLog(...)). A user
// that middleware inside of AccessLog sets is in no entry.
//
// log is called on the goroutine of the request, and concurrently for requests that overlap. The
// response has gone out, but its connection waits for log. A panic of log is reported on
// Environ.Errors.
func AccessLog(log func(Entry)) gateway.Middleware {
	return func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(
			env *gateway.Environ, start gateway.StartResponse,
		) (gateway.Body, error) {
			entry := newEntry(env)
			env.OnEnd(func(o gateway.Outcome) {
				entry.Outcome, entry.Duration = o, time.Since(entry.Time)
				log(entry)
			})
			return app.Call(env, start)
		})
	}
}

// An Entry is a request and what became of it. Its strings are raw bytes of the client's: whoever
// writes them to a log escapes them, as Combined, Common and log/slog do. Each may be empty.
type Entry struct {
	Time     time.Time     // when the request reached AccessLog
	Duration time.Duration // until the response was over, and the body closed

	RemoteAddr string // REMOTE_ADDR
	RemoteUser string // REMOTE_USER, as the server says it
	Method     string // REQUEST_METHOD
	Target     string // REQUEST_URI, or else the path and query that Environ.URL makes
	Protocol   string // SERVER_PROTOCOL
	Host       string // HTTP_HOST
	Referer    string // HTTP_REFERER
	UserAgent  string // HTTP_USER_AGENT
	RequestID  string // HTTP_X_REQUEST_ID, which is the client's unless the web server sets it

	// Outcome has the status, the bytes of the body that went out, and the time of the first block.
	// Unless it is Whole, the response broke, and Err says why: the client has left
	// (gateway.ErrDisconnected), the time was over (context.DeadlineExceeded), or what failed.
	gateway.Outcome
}

func newEntry(env *gateway.Environ) Entry {
	target := env.Vars["REQUEST_URI"]
	if target == "" {
		_, target, _ = strings.Cut(env.URL(), "://")
		_, target, _ = strings.Cut(target, "/")
		target = "/" + target
	}
	return Entry{
		Time:       time.Now(),
		RemoteAddr: env.Vars["REMOTE_ADDR"],
		RemoteUser: env.Vars["REMOTE_USER"],
		Method:     env.Vars["REQUEST_METHOD"],
		Target:     target,
		Protocol:   env.Vars["SERVER_PROTOCOL"],
		Host:       env.Vars["HTTP_HOST"],
		Referer:    env.Vars["HTTP_REFERER"],
		UserAgent:  env.Vars["HTTP_USER_AGENT"],
		RequestID:  env.Vars["HTTP_X_REQUEST_ID"],
	}
}

// Common returns a function for [AccessLog] that writes each entry to w as a line in the Common Log
// Format:
//
//	192.0.2.1 - - [29/Nov/2026:10:15:00 +0000] "GET /x HTTP/1.1" 200 14
//
// A byte that is no printable ASCII, a quote and a backslash are written as \xNN, and so is a space
// outside of quotes: nothing that a client sends makes another line or another field. An empty
// field is "-". The format has no place for why a response broke.
//
// Each line is one Write, and no two Writes overlap. Errors of w are dropped.
func Common(w io.Writer) func(Entry) { return lines(w, false) }

// Combined is [Common] with two more fields, the Referer and the User-Agent, in quotes.
func Combined(w io.Writer) func(Entry) { return lines(w, true) }

func lines(w io.Writer, isCombined bool) func(Entry) {
	var mu sync.Mutex
	return func(e Entry) {
		b := appendField(nil, e.RemoteAddr, " \"\\")
		b = append(b, " - "...)
		b = appendField(b, e.RemoteUser, " \"\\")
		b = e.Time.AppendFormat(b, " [02/Jan/2006:15:04:05 -0700] ")
		b = appendQuoted(b, e.Method+" "+e.Target+" "+e.Protocol)
		b = append(b, ' ')
		code, _, _ := strings.Cut(e.Status, " ")
		b = appendField(b, code, " \"\\")
		b = append(b, ' ')
		if e.Bytes == 0 {
			b = append(b, '-')
		} else {
			b = strconv.AppendInt(b, e.Bytes, 10)
		}
		if isCombined {
			b = appendQuoted(append(b, ' '), e.Referer)
			b = appendQuoted(append(b, ' '), e.UserAgent)
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = w.Write(append(b, '\n'))
	}
}

func appendQuoted(b []byte, s string) []byte {
	return append(appendField(append(b, '"'), s, "\"\\"), '"')
}

// appendField appends s, or "-", with the bytes of special and those that are no printable ASCII as
// \xNN.
func appendField(b []byte, s, special string) []byte {
	const hex = "0123456789abcdef"
	if s == "" {
		return append(b, '-')
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || strings.IndexByte(special, c) >= 0 {
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}
