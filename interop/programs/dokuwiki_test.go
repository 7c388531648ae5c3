//go:build interop && linux

package programs

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.com/gateway/interop/internal/process"
)

// TestDokuWiki runs examples/php with a whole application: its pages over FastCGI, its files
// besides.
func TestDokuWiki(t *testing.T) {
	t.Parallel()
	const root = "/usr/share/dokuwiki"
	s := newSite(t, "dokuwiki-fpm.conf", "prepend.php", "php.ini")
	s.wiki(t)
	s.startFPM("dokuwiki-fpm.conf", "", "wiki.sock")
	fpm := "unix:" + s.path("wiki.sock")
	program := s.path("php-example")
	build := exec.Command("go", "build", "-o", program, "../../examples/php")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, start := range map[string]func(t *testing.T) string{
		"http": func(t *testing.T) string {
			address := "127.0.0.1:" + process.FreePort(t)
			here := &site{t, s.dir}
			here.start([]string{address}, "env", "GATEWAY=http:tcp:"+address, program, root, fpm)
			return address
		},
		"nginx": func(t *testing.T) string {
			here := newSite(t)
			socket := here.path("app.sock")
			here.start([]string{socket}, "env", "GATEWAY=fcgi:unix:"+socket+"?mode=0666", program, root, fpm)
			return here.startNginx()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &client{T: t, front: name, address: start(t), http: newHTTPClient(t)}
			c.http.CheckRedirect = nil
			c.http.Jar, _ = cookiejar.New(nil)
			useWiki(c)
		})
	}
}

// wiki makes the settings and the data of a wiki, in which ada has the password "secret".
func (s *site) wiki(t *testing.T) {
	t.Helper()
	s.mkdir("conf")
	files, _ := filepath.Glob("/etc/dokuwiki/*")
	for _, name := range files {
		if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s.write("conf/"+filepath.Base(name), string(text), 0o644)
	}
	local, err := os.ReadFile("testdata/dokuwiki.php")
	if err != nil {
		t.Fatal(err)
	}
	s.write("conf/local.php", strings.ReplaceAll(string(local), "@DIR@", s.dir), 0o644)
	s.write("conf/acl.auth.php", "# <?php exit()?>\n*\t@ALL\t1\n*\t@user\t8\n", 0o644)
	user := fmt.Sprintf("ada:%x:Ada Lovelace:ada@example.com:user\n", sha1.Sum([]byte("secret")))
	s.write("conf/users.auth.php", "# <?php exit()?>\n"+user, 0o666)
	for _, name := range []string{"pages", "attic", "media", "media_attic", "media_meta", "meta",
		"cache", "index", "locks", "tmp", "log"} {
		s.mkdir("data/" + name)
	}
	if err := os.Chmod(s.path("data"), 0o777); err != nil {
		t.Fatal(err)
	}
}

// useWiki does what a user of the wiki does.
func useWiki(c *client) {
	// The start page, to which a relative Location leads.
	c.want(c.get("/"), 200, "The wiki of the tests", "This topic does not exist yet")

	page := c.front + "page"
	a := c.want(c.get("/doku.php/"+page+"?do=login"), 200, "Username")
	login := func(password string, code int, part string) {
		c.Helper()
		c.post("/doku.php/"+page, code, url.Values{"do": {"login"}, "id": {page}, "sectok": {token(a)},
			"u": {"ada"}, "p": {password}}, part)
	}
	login("wrong", 403, "Sorry, username or password was wrong.")
	login("secret", 200, "Ada Lovelace")

	edit := c.want(c.get("/doku.php/"+page+"?do=edit"), 200, "wikitext")
	text := "====== A headline ======\n\nSome **bold** text, <html> and ümläuts.\n\n" +
		"{{:" + c.front + ":picture.png}}\n" + strings.Repeat("A line of a long page.\n\n", 500)
	a = c.post("/doku.php/"+page+"?do=edit", 200, url.Values{"id": {page}, "sectok": {token(edit)},
		"rev": {"0"}, "date": {hidden(edit, "date")}, "changecheck": {hidden(edit, "changecheck")},
		"prefix": {"."}, "suffix": {""}, "target": {"section"}, "wikitext": {text},
		"summary": {"created"}, "do[save]": {"1"}},
		"A headline</h1>", "<strong>bold</strong>", "&lt;html&gt; and ümläuts", "Ada Lovelace")
	if n := strings.Count(string(a.body), "A line of a long page."); n != 500 {
		c.Errorf("of 500 lines %d were saved", n)
	}

	picture, _ := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAA" +
		"DUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	manager := c.want(c.get("/lib/exe/mediamanager.php?ns="+c.front), 200, "sectok")
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for name, value := range map[string]string{
		"sectok": token(manager), "ns": c.front, "mediaid": "picture.png",
	} {
		_ = m.WriteField(name, value)
	}
	part, _ := m.CreateFormFile("upload", "picture.png")
	_, err := part.Write(picture)
	if err := errors.Join(err, m.Close()); err != nil {
		c.Fatal(err)
	}
	c.want(c.do("POST", "/lib/exe/mediamanager.php?ns="+c.front, io.MultiReader(&body),
		"Content-Type: "+m.FormDataContentType()), 200, "picture.png", "Upload successful")
	a = c.want(c.get("/lib/exe/fetch.php/"+c.front+":picture.png"), 200)
	if !bytes.Equal(a.body, picture) || a.header.Get("Content-Type") != "image/png" {
		c.Errorf("the picture is %v", a)
	}
	a = c.want(c.get("/lib/exe/fetch.php/"+c.front+":picture.png", "Range: bytes=1-3"), 206)
	if string(a.body) != "PNG" {
		c.Errorf("three bytes of the picture are %v", a)
	}
	a = c.get("/lib/exe/fetch.php/"+c.front+":picture.png", "If-None-Match: "+a.header.Get("ETag"))
	if a.code != 304 || len(a.body) != 0 || a.err != nil {
		c.Errorf("the picture that is known is %v", a)
	}

	c.want(c.get("/lib/exe/css.php?t=dokuwiki"), 200, ".dokuwiki")
	c.want(c.get("/lib/exe/js.php?t=dokuwiki"), 200, "dw_")
	c.want(c.get("/feed.php"), 200, "<rdf:RDF", page)
	icon, err := os.ReadFile("/usr/share/dokuwiki/lib/images/throbber.gif")
	if err != nil {
		c.Fatal(err)
	}
	if a := c.want(c.get("/lib/images/throbber.gif"), 200); !bytes.Equal(a.body, icon) {
		c.Errorf("a file is %v", a)
	}
	for _, path := range []string{
		"/.htaccess", "/inc/lang/en/", "/vendor/", "/none.php", "/lib/images/x.php",
	} {
		if a := c.get(path); a.code != 404 {
			c.Errorf("%s is %v", path, a)
		}
	}

	logout := url.Values{"do": {"logout"}, "id": {page}, "sectok": {token(edit)}}
	c.post("/doku.php/"+page, 200, logout, "Log In")
	a = c.want(c.get("/doku.php/"+page), 200, "A headline")
	if strings.Contains(string(a.body), "Ada Lovelace</bdi>") {
		c.Error("she is still logged in")
	}
}

// post sends a form, and follows redirects.
func (c *client) post(path string, code int, form url.Values, parts ...string) *answer {
	c.Helper()
	return c.want(c.do("POST", path, strings.NewReader(form.Encode()),
		"Content-Type: application/x-www-form-urlencoded"), code, parts...)
}

// token returns DokuWiki's security token, hidden the value of another hidden field.
func token(a *answer) string { return hidden(a, "sectok") }

func hidden(a *answer, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindSubmatch(a.body)
	if m == nil {
		return ""
	}
	return string(m[1])
}
