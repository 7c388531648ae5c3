//go:build interop && linux

package programs

import (
	"bytes"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/host"
)

// TestPerl runs one script with CGI.pm, as a program for each request and as a FastCGI server.
func TestPerl(t *testing.T) {
	t.Parallel()
	s := newSite(t, "perl")
	socket := s.path("perl.sock")
	s.start([]string{socket}, "spawn-fcgi", "-n", "-s", socket, "-M", "0666", "--",
		s.path("perl/form.fcgi"))
	for name, app := range map[string]gateway.Application{
		"CGI.pm":  &host.CGI{Scripts: host.Scripts{Root: s.path("perl"), Suffix: ".pl"}},
		"FCGI.pm": &host.FastCGI{Addresses: []string{"unix:" + socket}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behind(t, app, func(c *client) {
				c.want(c.get("/form.pl/extra?name=a%20b&name=c"), 200,
					"name: a b, c\n", "method: GET\n", "path: /")
				form := url.Values{"name": {"ü"}}.Encode()
				c.want(c.do("POST", "/form.pl", strings.NewReader(form),
					"Content-Type: application/x-www-form-urlencoded"), 200, "name: ü\n", "method: POST\n")
				var body bytes.Buffer
				m := multipart.NewWriter(&body)
				part, _ := m.CreateFormFile("file", "x.bin")
				_, _ = part.Write(bytes.Repeat([]byte{0, '\n', 0xff}, 300_000))
				_ = m.Close()
				a := c.want(c.do("POST", "/form.pl", bytes.NewReader(body.Bytes()),
					"Content-Type: "+m.FormDataContentType()), 200, "upload: x.bin 900000\n")
				got := a.header.Values("Set-Cookie")
				if len(got) != 1 || !strings.HasPrefix(got[0], "seen=1;") {
					c.Errorf("the cookies are %q", got)
				}
				c.want(c.get("/form.pl", "Cookie: seen=1"), 200, "cookie: 1\n")
				a = c.want(c.get("/form.pl?name=away"), 302)
				if a.header.Get("Location") != "http://example.com/" {
					c.Errorf("a redirect is %v", a)
				}
				c.want(c.get("/form.pl?name=missing"), 404, "there is none")
				if a := c.want(c.do("HEAD", "/form.pl", nil), 200); len(a.body) != 0 {
					c.Errorf("the answer to HEAD is %v", a)
				}
				c.get("/form.pl?name=warn")
				c.says("a warning of the script")
				s.streams(c, "/form.pl?name=stream&mark="+name+c.front, name+c.front)

				// A script that dies has sent its head.
				a = c.get("/form.pl?name=die")
				if name == "CGI.pm" && a.err == nil {
					c.Errorf("the answer of a script that died is %v", a)
				}
				c.says("the script died")
				c.calm()
			})
		})
	}
}
