package middleware_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/middleware"
)

var errBoom = errors.New("boom")

func TestAccessLogIsAMiddleware(t *testing.T) {
	t.Parallel()
	log := middleware.AccessLog(middleware.Combined(io.Discard))
	gatewaytest.TestMiddleware(t, log, nil, get("", "/"), gatewaytest.NewEnviron("HEAD", "/", nil),
		gatewaytest.NewEnviron("POST", "/", strings.NewReader("a")))
}

// entryOf returns the entry of a request, after a look that there is one.
func entryOf(t *testing.T, app appFunc, env *environ) middleware.Entry {
	t.Helper()
	var entries []middleware.Entry
	logged := middleware.AccessLog(func(e middleware.Entry) { entries = append(entries, e) })(app)
	ended := make(chan struct{})
	go func() { // the application may end the goroutine
		defer close(ended)
		gatewaytest.Record(logged, env)
	}()
	<-ended
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	return entries[0]
}

func TestEachResponseHasOneEntry(t *testing.T) {
	t.Parallel()
	type step = func(yield func([]byte, error) bool)
	streams := func(f step) appFunc {
		return func(_ *environ, start start) (body, error) {
			return start.Answer(200, plain, gateway.Stream(f))
		}
	}
	for _, c := range []struct {
		name   string
		app    appFunc
		status string
		bytes  int64
		whole  bool
		err    string
	}{
		{"whole", text("hello").(appFunc), "200 OK", 5, true, ""},
		{"an error", func(*environ, start) (body, error) { return nil, errBoom },
			"500 Internal Server Error", 26, true, "boom"},
		{"a panic", func(*environ, start) (body, error) { panic("boom") },
			"500 Internal Server Error", 26, true, "boom"},
		{"an error after a block", streams(func(yield func([]byte, error) bool) {
			yield([]byte("half"), nil)
			yield(nil, errBoom)
		}), "200 OK", 4, false, "boom"},
		{"fewer bytes than declared", func(_ *environ, start start) (body, error) {
			return start.Answer(200, plain.Append("Content-Length", "10"), gateway.Text("half"))
		}, "200 OK", 4, false, "10 declared, 4 sent"},
		{"what the application changes", func(env *environ, start start) (body, error) {
			clear(env.Vars)
			return start.Answer(404, plain, nil)
		}, "404 Not Found", 0, true, ""},
	} {
		e := entryOf(t, c.app, gatewaytest.NewEnviron("GET", "/x?a=b", nil))
		if e.Status != c.status || e.Bytes != c.bytes || e.Whole != c.whole ||
			(e.Err == nil) != (c.err == "") || e.Err != nil && !strings.Contains(e.Err.Error(), c.err) {
			t.Errorf("%s: %+v", c.name, e)
		}
		if e.Method != "GET" || e.Target != "/x?a=b" || e.Protocol != "HTTP/1.1" {
			t.Errorf("%s: %q %q %q", c.name, e.Method, e.Target, e.Protocol)
		}
	}
}

func TestAnEntryHasTheTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		e := entryOf(t, func(_ *environ, start start) (body, error) {
			time.Sleep(time.Second)
			return start.Answer(200, plain, gateway.OnClose(gateway.Text("x"), func() error {
				time.Sleep(time.Second)
				return nil
			}))
		}, get("", "/"))
		if !e.Time.Equal(began) || e.HeadAt.Sub(began) != time.Second || e.Duration != 2*time.Second {
			t.Errorf("began at %v, the head at %v, took %v", e.Time, e.HeadAt, e.Duration)
		}
	})
}

// Under CGI some web servers do not say the raw target.
func TestAnEntryHasATargetWithoutREQUEST_URI(t *testing.T) {
	t.Parallel()
	env := gatewaytest.NewEnviron("GET", "/", nil)
	delete(env.Vars, "REQUEST_URI")
	env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"], env.Vars["QUERY_STRING"] = "/app", "/a b", "c=d"
	env.Vars["HTTP_HOST"] = ""
	if e := entryOf(t, text("x").(appFunc), env); e.Target != "/app/a%20b?c=d" {
		t.Errorf("the target is %q", e.Target)
	}
}

func TestLinesOfTheAccessLog(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 10, 15, 0, 0, time.FixedZone("", -(3*3600+30*60)))
	whole := middleware.Entry{Time: at, RemoteAddr: "192.0.2.1", RemoteUser: "ann", Method: "GET",
		Target: "/x?a=b", Protocol: "HTTP/1.1", Referer: "https://example.com/", UserAgent: "curl/8",
		Outcome: gateway.Outcome{Status: "200 OK", Bytes: 14}}
	evil := whole
	evil.RemoteUser = "a b\" \\"
	evil.Target = "/\" 200 1\r\n192.0.2.9 - - é\x00\x7f\x1b[2J"
	evil.Referer, evil.UserAgent = "", "\"\n"
	empty := middleware.Entry{Time: at}
	for _, c := range []struct {
		entry middleware.Entry
		want  string
	}{
		{whole, `192.0.2.1 - ann [29/Nov/2026:10:15:00 -0330] "GET /x?a=b HTTP/1.1" 200 14` +
			` "https://example.com/" "curl/8"` + "\n"},
		{evil, `192.0.2.1 - a\x20b\x22\x20\x5c [29/Nov/2026:10:15:00 -0330]` +
			` "GET /\x22 200 1\x0d\x0a192.0.2.9 - - \xc3\xa9\x00\x7f\x1b[2J HTTP/1.1" 200 14` +
			` "-" "\x22\x0a"` + "\n"},
		{empty, `- - - [29/Nov/2026:10:15:00 -0330] "  " - - "-" "-"` + "\n"},
	} {
		var common, combined strings.Builder
		middleware.Common(&common)(c.entry)
		middleware.Combined(&combined)(c.entry)
		if combined.String() != c.want {
			t.Errorf("%q\nwant %q", combined.String(), c.want)
		}
		if short, found := strings.CutSuffix(common.String(), "\n"); !found ||
			!strings.HasPrefix(c.want, short+" ") || strings.Count(short, `"`) != 2 {
			t.Errorf("%q", common.String())
		}
	}
}

// A lineWriter finds Writes that overlap, and those that are no line.
type lineWriter struct {
	t     *testing.T
	busy  sync.Mutex
	lines int
}

func (w *lineWriter) Write(p []byte) (int, error) {
	if !w.busy.TryLock() {
		w.t.Error("two Writes overlap")
		return 0, errBoom
	}
	defer w.busy.Unlock()
	time.Sleep(100 * time.Microsecond) // so that another has the time to come
	if bytes.Count(p, []byte("\n")) != 1 || p[len(p)-1] != '\n' {
		w.t.Errorf("%q is no line", p)
	}
	w.lines++
	return 0, errBoom // which nobody minds
}

func TestLinesDoNotMix(t *testing.T) {
	t.Parallel()
	w := &lineWriter{t: t}
	app := middleware.AccessLog(middleware.Common(w))(text("x"))
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { gatewaytest.Record(app, get("", "/")) })
	}
	all.Wait()
	if w.lines != 100 {
		t.Errorf("%d lines", w.lines)
	}
}

// A fileSender is a Transport that sends files by a way of its own, as servers do with sendfile.
type fileSender struct {
	bytes.Buffer
	isFlushed bool
	sent      int64
}

func (f *fileSender) WriteHead(string, gateway.Headers) error { return nil }
func (f *fileSender) Flush() error                            { f.isFlushed = true; return nil }
func (f *fileSender) End(bool) error                          { return nil }
func (f *fileSender) ReadFrom(r io.Reader) (int64, error) {
	n, err := f.Buffer.ReadFrom(r)
	f.sent += n
	return n, err
}

// Middleware that wraps a ResponseWriter loses the server's way for files, or the count of their
// bytes.
func TestAFileGoesByTheServersWayUnderTheLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	var entry middleware.Entry
	chain := gateway.Chain(
		middleware.AccessLog(func(e middleware.Entry) { entry = e }),
		middleware.Timeout(time.Hour),
		middleware.MaxBody(1000),
	)
	var sender fileSender
	err := gateway.Respond(chain(appFunc(func(_ *environ, start start) (body, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		return start.Answer(200, plain, gateway.Reader(file, 0))
	})), get("", "/"), &sender)
	if err != nil || sender.Len() != 100_000 || entry.Bytes != 100_000 || !entry.Whole {
		t.Errorf("%v: %d bytes, the entry is %+v", err, sender.Len(), entry)
	}
	if sender.sent < 80_000 || !sender.isFlushed {
		t.Errorf("%d bytes went by the server's way", sender.sent)
	}
}
