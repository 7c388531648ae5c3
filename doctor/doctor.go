// Package doctor says what a web server really sends to an application, and which line of the web
// server's configuration is missing.
//
// It has two halves. [Application] is a page: the variables of the request, judged. [Probe] sends
// some thirty requests to such a page from outside, as awkward as clients' requests are, and
// compares what was sent with what has arrived.
//
//	middleware.Mount(map[string]gateway.Application{"/": app, "/doctor": doctor.Application(token)})
//
//	report, err := doctor.Probe(ctx, "https://www.example.com/doctor?token=...")
//
// Both take their advice from one table. The advice is a line of a configuration that this
// project's tests run under the real web server. Each is proved by a run with just that line taken
// out, in which the prober names that line, and by one with the line, in which it names none.
// docs/doctor.md lists the table.
//
// The program examples/doctor is the page, by serve.Run, and with a URL as its argument it probes.
package doctor

import (
	"crypto/rand"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/gateway"
)

// Application returns the doctor's page: HTML for a browser, JSON for a client that accepts
// application/json, and text for any other, such as curl. The page has the rules that its own
// request breaks, each with the line of configuration or the middleware that repairs it, the web
// server, the gateway, and the variables of the request.
//
// The page answers 403 to those who may not look. With a token they are those who do not give it,
// in the header X-Doctor-Token or as the parameter "token" of the query. With "" they are those who
// are not on this machine: whose address, or one of those that a proxy has noted, is no loopback
// address, or who have asked for a host that is not localhost. An HTTP server behind a proxy on the
// same machine that notes no address cannot tell its clients from local ones: give it a token.
//
// The page shows no value of a variable, or of a parameter in a URL, whose name has a word such as
// auth, cookie, key, token, secret or pass in it, nor that of a variable that is not the request's,
// such as a parameter of the deployer's own. Of a CGI program's environment it has no more than
// what is the request's. It shows the first 1000 bytes of a value, and 300 variables.
//
// The page is at every path below it, so that a web server that spoils paths cannot hide it. The
// parameter "doctor" of the query asks for what the prober needs: an upload that is counted and
// thrown away, 128 MiB at most; a stream of less than a second; responses that break; and one that
// waits for its client to leave, for 5 seconds at most. At most 32 of these go on at a time. They
// are behind the same rule of access.
//
// Mount it outside of other applications, or alone. Middleware that changes the request, such as a
// quirk, goes around it, and the page then shows what an application sees.
func Application(token string) gateway.Application {
	return &application{token: token, slots: make(chan struct{}, 32), left: map[string]string{}}
}

type application struct {
	token string
	slots chan struct{} // taken by requests that take time

	mu   sync.Mutex
	left map[string]string // what became of the clients that were to leave, by the prober's names
	ids  []string          // the keys of left, the oldest first
}

// maxLeft is how many entries left has.
const maxLeft = 64

const maxUpload = 128 << 20

var plain = gateway.Headers{
	{"Content-Type", "text/plain; charset=utf-8"},
	{"Cache-Control", "no-store"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"}, // the token may be in the URL
}

const refusal = `403 Forbidden

This is a page for whoever runs this application: it says what the web server sends.
It answers clients on this machine that ask for localhost. To look from elsewhere, start
the application with a token (doctor.Application(token), or DOCTOR_TOKEN=... for
examples/doctor), and add ?token=... to the URL.
`

const refusalOfToken = `403 Forbidden

This is a page for whoever runs this application: it says what the web server sends.
Add ?token=... to the URL, with the token with which the application was started.
`

func (d *application) Call(
	env *gateway.Environ,
	start gateway.StartResponse,
) (gateway.Body, error) {
	if !d.mayLook(env) {
		text := refusal
		if d.token != "" {
			text = refusalOfToken
		}
		return start.Answer(403, plain, gateway.Text(text))
	}
	kind := parameter(env, "doctor")
	method := env.Vars["REQUEST_METHOD"]
	switch {
	case kind == "upload":
		return d.timed(start, func() (gateway.Body, error) { return upload(env, start) })
	case method != "GET" && method != "HEAD":
		return start.Answer(405, plain.With("Allow", "GET, HEAD"), gateway.Text("GET, please.\n"))
	}
	switch kind {
	case "", "json":
		return d.page(env, start, kind == "json")
	case "length":
		body := strings.Repeat("0123456789abcdef", 64)
		return start.Answer(
			200,
			plain.With("Content-Length", strconv.Itoa(len(body))),
			gateway.Text(body),
		)
	case "status":
		code := 204
		if parameter(env, "code") == "304" {
			code = 304
		}
		return start.Answer(code, nil, nil)
	case "stream":
		return d.timed(start, func() (gateway.Body, error) { return stream(env, start) })
	case "break":
		return d.timed(start, func() (gateway.Body, error) { return breaks(env, start) })
	case "leave":
		return d.timed(start, func() (gateway.Body, error) { return d.leave(env, start) })
	case "left":
		d.mu.Lock()
		text := d.left[parameter(env, "id")]
		d.mu.Unlock()
		return start.Answer(200, plain, gateway.Text(text+"\n"))
	}
	return start.Answer(
		404,
		plain,
		gateway.Text("404 Not Found: the doctor has no "+show(kind, 40)+"\n"),
	)
}

// timed calls f for a response that takes time, unless there are too many.
func (d *application) timed(
	start gateway.StartResponse, f func() (gateway.Body, error),
) (gateway.Body, error) {
	select {
	case d.slots <- struct{}{}:
	default:
		return start.Answer(503, plain, gateway.Text("503: too many probes at a time\n"))
	}
	release := func() error { <-d.slots; return nil }
	body, err := f()
	if err != nil && body == nil {
		release()
		return nil, err
	}
	return gateway.OnClose(body, release), err
}

// upload answers with how much has arrived, and how long that took.
func upload(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	begin := time.Now()
	n, err := io.Copy(io.Discard, io.LimitReader(env.Input, maxUpload+1))
	if err != nil {
		return nil, err // the server has a better answer than this page
	}
	if n > maxUpload {
		return start.Answer(413, plain, gateway.Text("413: the doctor takes 128 MiB\n"))
	}
	text := strconv.FormatInt(n, 10) + " bytes in " +
		strconv.FormatInt(time.Since(begin).Milliseconds(), 10) + " ms, CONTENT_LENGTH " +
		show(env.Vars["CONTENT_LENGTH"], 30) + "\n"
	return start.Answer(200, plain, gateway.Text(text))
}

const (
	beat  = 200 * time.Millisecond // between two blocks of the stream
	beats = 4
)

// pause waits, and reports whether the request is still wanted.
func pause(env *gateway.Environ, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-env.Context().Done():
		return false
	}
}

func stream(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return start.Answer(200, plain, gateway.Stream(func(yield func([]byte, error) bool) {
		for i := range beats {
			if i > 0 && !pause(env, beat) || !yield([]byte("block "+strconv.Itoa(i+1)+"\n"), nil) {
				return
			}
		}
	}))
}

// errPlanted breaks the responses that the prober wants to see broken.
var errPlanted = errors.New(
	"doctor: the prober has asked for a response that breaks: this is no fault",
)

func breaks(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	headers := plain
	if parameter(env, "length") == "declared" {
		headers = headers.With("Content-Length", "1000")
	}
	return start.Answer(200, headers, gateway.Stream(func(yield func([]byte, error) bool) {
		if yield([]byte("first\n"), nil) {
			pause(env, 20*time.Millisecond)
			yield(nil, errPlanted)
		}
	}))
}

// How long leave waits for the client to leave: first in silence, then with a block now and then.
const (
	leaveIdle  = 2 * time.Second
	leaveBeat  = 100 * time.Millisecond
	leaveBeats = 30
)

// leave sends a block, and notes how and when it notices that the client has left.
func (d *application) leave(
	env *gateway.Environ,
	start gateway.StartResponse,
) (gateway.Body, error) {
	id := parameter(env, "id")
	if len(id) > 32 || id == "" {
		return start.Answer(400, plain, gateway.Text("400: no id\n"))
	}
	note := func(text string) { d.note(id, text) }
	note("waiting")
	begin := time.Now()
	done := env.Context().Done()
	since := func() string {
		return " after " + strconv.FormatInt(time.Since(begin).Milliseconds(), 10) + " ms"
	}
	return start.Answer(200, plain, gateway.Stream(func(yield func([]byte, error) bool) {
		noticed := "idle"
		defer func() { note(noticed + since()) }()
		if !yield([]byte("first\n"), nil) {
			return
		}
		timer := time.NewTimer(leaveIdle)
		defer timer.Stop()
		select {
		case <-done:
			return
		case <-timer.C:
		}
		noticed = "writing"
		block := []byte(strings.Repeat("x", 4096) + "\n")
		for range leaveBeats {
			if !yield(block, nil) || !pause(env, leaveBeat) {
				return
			}
		}
		noticed = "never"
	}))
}

// note keeps what the prober will ask for.
func (d *application) note(id, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, found := d.left[id]; !found {
		if len(d.ids) == maxLeft {
			delete(d.left, d.ids[0])
			d.ids = d.ids[1:]
		}
		d.ids = append(d.ids, id)
	}
	d.left[id] = text
}

// page answers with the page itself.
func (d *application) page(
	env *gateway.Environ,
	start gateway.StartResponse,
	asJSON bool,
) (gateway.Body, error) {
	p := examine(env)
	accept := strings.ToLower(env.Vars["HTTP_ACCEPT"])
	headers := plain.With("Vary", "Accept")
	switch {
	case asJSON || strings.Contains(accept, "application/json"):
		p.ID = show(parameter(env, "id"), 40)
		text, err := p.json()
		if err != nil {
			return nil, err
		}
		return start.Answer(
			200,
			headers.With("Content-Type", "application/json"),
			gateway.Bytes(text),
		)
	case strings.Contains(accept, "text/html"):
		nonce := rand.Text()
		headers = headers.With("Content-Type", "text/html; charset=utf-8").
			With("Content-Security-Policy",
				"default-src 'none'; img-src data:; "+
					"style-src 'nonce-"+nonce+"'; script-src 'nonce-"+nonce+
					"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		return start.Answer(200, headers, gateway.Text(p.html(nonce)))
	}
	return start.Answer(200, headers, gateway.Text(p.text()))
}
