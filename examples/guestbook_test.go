package examples_test

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"example.com/gateway/host"
	"example.com/gateway/nethttp"
)

var png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + strings.Repeat("\x00<script>\xff", 10_000)

// TestTheGuestbookOnEveryServer starts the guestbook in each way, and uses it as a browser does.
func TestTheGuestbookOnEveryServer(t *testing.T) {
	bin := buildAll(t)
	program := filepath.Join(bin, "guestbook"+exe())
	for _, way := range []struct {
		name  string
		start func(t *testing.T) (url string)
	}{
		{"CGI", func(t *testing.T) string { return startCGI(t, program) }},
		{"CGI only", func(t *testing.T) string { return startCGI(t, buildCGIOnly(t)) }},
		{"FastCGI", func(t *testing.T) string {
			s := begin(t, program, "fcgi:unix:"+filepath.Join(shortDir(t), "s"))
			t.Cleanup(func() { s.stop(t) })
			app := &host.FastCGI{Addresses: []string{s.where}}
			return webServer(t, nethttp.Handler(app))
		}},
		{"HTTP", func(t *testing.T) string {
			s := begin(t, program, "http:tcp:127.0.0.1:0")
			t.Cleanup(func() { s.stop(t) })
			return s.where
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && !strings.HasPrefix(way.name, "CGI") {
				t.Skip("a process cannot be interrupted on Windows")
			}
			dir := t.TempDir()
			t.Setenv("GUESTBOOK", dir)
			useGuestbook(t, way.start(t), dir)
		})
	}
}

func useGuestbook(t *testing.T, where, dir string) {
	ada, eve := newVisitor(t, where), newVisitor(t, where)
	page := ada.page(t)
	if strings.Contains(page, "Hello again") || strings.Contains(page, "<article>") {
		t.Errorf("the first page is %s", page)
	}
	token := ada.token(t)

	// Nothing that the visitor has sent is markup.
	name, message := `<script>alert("x")</script>'`, `</p><img src=x onerror="alert('y')">`
	form := newForm(token, name, message).file("../../evil.html", "text/html", png)
	if res, body := ada.send(t, form); res.StatusCode != 303 || body != "" ||
		!strings.HasSuffix(where+"/", res.Header.Get("Location")) {
		t.Fatalf("the entry: %s, %q, Location %q", res.Status, body, res.Header.Get("Location"))
	}
	page = ada.page(t)
	escaped := html.EscapeString(name)
	for _, text := range []string{"<h2>" + escaped + "</h2>",
		"<p>" + html.EscapeString(message) + "</p>", "<p>Hello again, " + escaped + "!</p>",
		`value="` + escaped + `"`} {
		if !strings.Contains(page, text) {
			t.Errorf("the page has no %s: %s", text, page)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "<img src=x") {
		t.Errorf("the page has what a visitor wrote: %s", page)
	}

	// The photo is what it is, whatever the visitor has called it.
	m := regexp.MustCompile(`<img src="([^"]*/photo/[A-Z2-7]{26})"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no photo: %s", page)
	}
	res, body := eve.do(t, "GET", eve.root.ResolveReference(&url.URL{Path: m[1]}).String(), nil)
	if res.StatusCode != 200 || body != png || res.ContentLength != int64(len(png)) ||
		res.Header.Get("Content-Type") != "image/png" ||
		res.Header.Get("X-Content-Type-Options") != "nosniff" ||
		res.Header.Get("Content-Disposition") != "attachment" {
		t.Errorf("the photo: %s, %d bytes, %v", res.Status, len(body), res.Header)
	}
	if err := os.WriteFile(filepath.Join(dir, "other.png"), []byte(png), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/photo/../other.png", "/photo/..%2fother.png",
		"/photo/", "/photo/none", "/photo/../key", "/photo/..%2fkey", "/photo/%2e%2e/key",
		"/photo/.", "/none"} {
		if res, body := eve.do(t, "GET", where+path, nil); res.StatusCode != 404 {
			t.Errorf("%s: %s, %q", path, res.Status, body)
		}
	}

	// What is refused leaves nothing behind.
	before := filesIn(t, dir)
	large := newForm(
		token,
		"ada",
		"hello",
	).file("large.png", "image/png", png+strings.Repeat("x", 8<<20))
	for _, c := range []struct {
		what    string
		visitor *visitor
		form    *entryForm
		code    int
	}{
		{"no token", ada, newForm("", "ada", "hello").file("p", "image/png", png), 403},
		{"no token, and a page for a photo", ada,
			newForm("", "ada", "hello").file("p", "image/png", "<script>"), 403},
		{"another visitor's token", eve,
			newForm(token, "eve", "hello").file("p", "image/png", png), 403},
		{"the token behind the photo", ada,
			(&entryForm{}).file("p", "image/png", png).field("token", token), 400},
		{"no message", ada, newForm(token, "ada", " \r\n").file("p", "image/png", png), 400},
		{"a page for a photo", ada,
			newForm(token, "ada", "hello").file("p.png", "image/png", "<script>"), 400},
		{"too large a photo", ada, large, 413},
		{"too large a photo, of unknown length", ada, large.chunked(), 413},
		{"too long a name", ada, newForm(token, strings.Repeat("x", 2001), "hello"), 413},
		{"half a form", ada, newForm(token, "ada", "hello").file("p", "image/png", png).cut(), 400},
	} {
		if res, body := c.visitor.send(t, c.form); res.StatusCode != c.code {
			t.Errorf("%s: %s, %q, want %d", c.what, res.Status, body, c.code)
		}
		if after := filesIn(t, dir); after != before {
			t.Errorf("%s: there are the files %s, and were %s", c.what, after, before)
		}
	}
	if res, _ := ada.do(t, "DELETE", where+"/", nil); res.StatusCode != 405 ||
		res.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("DELETE: %s, %v", res.Status, res.Header)
	}

	// A cookie that was changed is no cookie.
	value := ada.jar.Cookies(ada.root)[0].Value
	data, mac, _ := strings.Cut(value, "!")
	id, _, _ := strings.Cut(data, ".")
	for _, forged := range []string{data + "x!" + mac, data + "!" + mac[1:], data + "!", data, "!",
		"", data + "!" + token, id + "!" + token} {
		mallory := newVisitor(t, where)
		mallory.jar.SetCookies(
			mallory.root,
			[]*http.Cookie{{Name: "guestbook", Value: forged, Path: "/"}},
		)
		if page := mallory.page(t); strings.Contains(page, "Hello again") {
			t.Errorf("with the cookie %q: %s", forged, page)
		}
		if res, _ := mallory.send(t, newForm(token, "mallory", "hello")); res.StatusCode != 403 {
			t.Errorf("with the cookie %q: %s", forged, res.Status)
		}
	}

	// The last entry is the first on the page, and one without a photo has none.
	form = newForm(token, "", "the second").file("", "application/octet-stream", "")
	if res, body := ada.send(t, form); res.StatusCode != 303 {
		t.Errorf("an entry without a photo: %s, %q", res.Status, body)
	}
	page = eve.page(t)
	second := strings.Index(page, "<p>the second</p>")
	if second < 0 || second > strings.Index(page, "onerror") ||
		strings.Count(page, "<article>") != 2 || strings.Count(page, "<img") != 1 ||
		!strings.Contains(page, "<h2>Anonymous</h2>") {
		t.Errorf("with two entries the page is %s", page)
	}
}

// Processes that run at the same time lose no entry, and agree on the key, which the first of them
// makes.
func TestTheGuestbookLosesNoEntryUnderCGI(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GUESTBOOK", dir)
	where := startCGI(t, buildCGIOnly(t))
	const visitors, entries = 8, 5
	begin := make(chan struct{})
	var group sync.WaitGroup
	for i := range visitors {
		v := newVisitor(t, where)
		group.Go(func() {
			<-begin
			for j := range entries {
				form := newForm(
					v.token(t),
					"x",
					fmt.Sprintf("visitor %d, entry %d", i, j),
				).file("p", "image/png", png)
				if res, body := v.send(t, form); res.StatusCode != 303 {
					t.Errorf("%s, %q", res.Status, body)
				}
			}
		})
	}
	close(begin)
	group.Wait()
	page := newVisitor(t, where).page(t)
	for i := range visitors {
		for j := range entries {
			if line := fmt.Sprintf("<p>visitor %d, entry %d</p>", i, j); strings.Count(
				page,
				line,
			) != 1 {
				t.Errorf("the page has %d times %s", strings.Count(page, line), line)
			}
		}
	}
	if photos, err := os.ReadDir(filepath.Join(dir, "photos")); len(photos) != visitors*entries ||
		err != nil {
		t.Errorf("there are %d photos, %v", len(photos), err)
	}
}

func TestTheGuestbookWantsAFolder(t *testing.T) {
	cmd := exec.Command(buildCGIOnly(t))
	cmd.Env = append(withoutCGI(os.Environ()), "GUESTBOOK=")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "GUESTBOOK is not set") {
		t.Errorf("it says %q, %v", out, err)
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	program := filepath.Join(t.TempDir(), "guestbook"+exe())
	build := exec.Command(
		"go",
		"build",
		"-tags",
		"cgionly",
		"-ldflags",
		"-X main.folder="+dir,
		"-o",
		program,
		"./guestbook",
	)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd = exec.Command(program)
	cmd.Env = append(withoutCGI(os.Environ()), "GUESTBOOK=")
	if out, err := cmd.CombinedOutput(); err != nil ||
		!strings.Contains(string(out), "<title>Guestbook</title>") {
		t.Errorf("with a folder of the linker it says %q, %v", out, err)
	}
	if files := filesIn(t, dir); files != "key" {
		t.Errorf("there are the files %q", files)
	}
}

// cgiOnly is the guestbook without package net, once.
var cgiOnly = sync.OnceValues(func() (string, error) {
	dir, err := built()
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "guestbook-cgionly"+exe())
	build := exec.Command("go", "build", "-tags", "cgionly", "-o", program, "./guestbook")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	deps, err := exec.Command("go", "list", "-deps", "-tags", "cgionly", "./guestbook").Output()
	if strings.Contains("\n"+string(deps), "\nnet\n") {
		return "", fmt.Errorf("with -tags cgionly it links net")
	}
	return program, err
})

func buildCGIOnly(t *testing.T) string {
	t.Helper()
	program, err := cgiOnly()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// startCGI serves a CGI program below the path that a web server would give it.
func startCGI(t *testing.T, program string) (url string) {
	const script = "/cgi-bin/guestbook.cgi"
	app := &host.CGI{
		Path:    program,
		Options: host.Options{Vars: map[string]string{"GUESTBOOK": os.Getenv("GUESTBOOK")}},
	}
	return webServer(t, nethttp.Mount(script, app)) + script
}

// webServer serves h, without a log: that of a refused form says why.
func webServer(t *testing.T, h http.Handler) (url string) {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// shortDir returns a folder whose name leaves room for that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// filesIn returns the names of all files below a folder.
func filesIn(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*", "*/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				name, _ := filepath.Rel(dir, path)
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, " ")
}

// A visitor is a browser.
type visitor struct {
	root   *url.URL
	jar    http.CookieJar
	client *http.Client
}

func newVisitor(t *testing.T, where string) *visitor {
	t.Helper()
	root, err := url.Parse(where + "/")
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{root, jar, &http.Client{Jar: jar, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}}
	t.Cleanup(v.client.CloseIdleConnections)
	return v
}

func (v *visitor) do(t *testing.T, method, url string, form *entryForm) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Error(err)
		return &http.Response{}, ""
	}
	if form != nil {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(form.body)), form.length
		req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	}
	res, err := v.client.Do(req)
	if err != nil {
		t.Error(err)
		return &http.Response{}, ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res, string(body)
}

func (v *visitor) send(t *testing.T, form *entryForm) (*http.Response, string) {
	t.Helper()
	return v.do(t, "POST", v.root.String(), form.end())
}

func (v *visitor) page(t *testing.T) string {
	t.Helper()
	res, page := v.do(t, "GET", v.root.String(), nil)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/html; charset=utf-8" ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page: %s, %v", res.Status, res.Header)
	}
	cookie := res.Header.Get("Set-Cookie")
	for _, attribute := range []string{"; HttpOnly", "; SameSite=Lax",
		"; Path=" + strings.TrimSuffix(v.root.Path, "/")} {
		if !strings.Contains(cookie, attribute) {
			t.Errorf("the cookie is %q", cookie)
		}
	}
	return page
}

// token returns the token of the page's form.
func (v *visitor) token(t *testing.T) string {
	t.Helper()
	page := v.page(t)
	m := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Errorf("the page has no token: %s", page)
		return ""
	}
	return m[1]
}

const boundary = "a-boundary"

// An entryForm is a form as a browser sends it. length is its Content-Length, -1 for chunks, and 0
// as long as it has no end.
type entryForm struct {
	body   string
	length int64
}

func newForm(token, name, message string) *entryForm {
	return (&entryForm{}).field("token", token).field("name", name).field("message", message)
}

func (f *entryForm) field(name, value string) *entryForm {
	return f.part(
		textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + name + `"`}},
		value,
	)
}

func (f *entryForm) file(name, contentType, content string) *entryForm {
	return f.part(textproto.MIMEHeader{"Content-Type": {contentType},
		"Content-Disposition": {`form-data; name="photo"; filename="` + name + `"`}}, content)
}

func (f *entryForm) part(header textproto.MIMEHeader, content string) *entryForm {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary(boundary)
	if part, err := w.CreatePart(header); err == nil {
		_, _ = io.WriteString(part, content)
	}
	return &entryForm{body: f.body + b.String() + "\r\n"}
}

func (f *entryForm) end() *entryForm {
	if f.length != 0 {
		return f
	}
	body := f.body + "--" + boundary + "--\r\n"
	return &entryForm{body, int64(len(body))}
}

// chunked returns the form without a length.
func (f *entryForm) chunked() *entryForm { return &entryForm{f.end().body, -1} }

// cut returns the form without its end.
func (f *entryForm) cut() *entryForm { return &entryForm{f.body, int64(len(f.body))} }

// A disk that was full, or a process that was killed, has left half an entry: it costs no other one.
func TestTheGuestbookGoesOnBehindHalfAnEntry(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GUESTBOOK", dir)
	v := newVisitor(t, startCGI(t, buildCGIOnly(t)))
	sign := func(message string) {
		if res, body := v.send(t, newForm(v.token(t), "ada", message)); res.StatusCode != 303 {
			t.Fatalf("%s: %s, %q", message, res.Status, body)
		}
	}
	sign("before")
	file, err := os.OpenFile(filepath.Join(dir, "entries"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("\n{\"Name\":\"eve\",\"Mess"); err != nil {
		t.Fatal(err)
	}
	file.Close()
	sign("behind")
	page := v.page(t)
	for _, text := range []string{"<p>before</p>", "<p>behind</p>"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page has no %s: %s", text, page)
		}
	}
	if n := strings.Count(page, "<article>"); n != 2 {
		t.Errorf("the page has %d entries", n)
	}
}
