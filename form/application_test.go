package form_test

import (
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/form"
	"example.com/gateway/gatewaytest"
)

// An application that uses every function takes every failure of a server as it should, and gives
// the same answer however its form arrives.
func TestAnApplicationWithFormsSurvives(t *testing.T) {
	t.Parallel()
	app := gateway.ApplicationFunc(func(env *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		return (&guestbook{dir: t.TempDir()}).Call(env,
			start) // a new one, so that requests can be repeated
	})
	get := gatewaytest.NewEnviron("GET", "/?q=hello", nil)
	get.Vars["HTTP_COOKIE"] = "theme=dark; name=UGhpbGxpcA"
	theme := gatewaytest.NewEnviron("POST", "/theme", strings.NewReader("theme=dark"))
	theme.Vars["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
	sign := gatewaytest.NewEnviron("POST", "/", strings.NewReader(multipartBody("b",
		`name="name"`, "Phillip", `name="message"`, "hello",
		`name="photo"; filename="me.png"`, "\x89PNG\r\n\x1a\n")))
	sign.Vars["CONTENT_TYPE"] = "multipart/form-data; boundary=b"
	gatewaytest.TestApplication(t, app, get, theme, sign)
}

func TestAGuestbook(t *testing.T) {
	t.Parallel()
	g := &guestbook{dir: t.TempDir()}
	sign := gatewaytest.NewEnviron("POST", "/", strings.NewReader(multipartBody("b",
		`name="name"`, "Phillip <J>", `name="message"`, "hello",
		`name="photo"; filename="C:\me.png"`, "PNG")))
	sign.Vars["CONTENT_TYPE"] = "multipart/form-data; boundary=b"
	r := gatewaytest.Record(g, sign)
	cookie := r.Headers.Get("Set-Cookie")
	if r.Code() != 303 ||
		cookie != "name=UGhpbGxpcCA8Sj4; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax" {
		t.Fatalf("%d %q %s", r.Code(), cookie, r.Errors)
	}
	get := gatewaytest.NewEnviron("GET", "/?q=ell", nil)
	get.Vars["HTTP_COOKIE"], _, _ = strings.Cut(cookie, ";")
	want := "<p>Hello again, Phillip &lt;J&gt;!\n<p>Phillip &lt;J&gt;: hello (me.png)\n"
	if r := gatewaytest.Record(g, get); r.Body() != want {
		t.Errorf("%q, want %q", r.Body(), want)
	}
	large := gatewaytest.NewEnviron("POST", "/theme", strings.NewReader(strings.Repeat("a",
		1<<10+1)))
	large.Vars["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
	if r := gatewaytest.Record(g, large); r.Code() != 413 {
		t.Errorf("%d for a form that is too large, want 413", r.Code())
	}
}

// multipartBody returns a form: the parameters of each Content-Disposition, and the content.
func multipartBody(boundary string, parts ...string) string {
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		b.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; " + parts[i] +
			"\r\n\r\n" + parts[i+1] + "\r\n")
	}
	return b.String() + "--" + boundary + "--\r\n"
}

// post returns a request with a form.
func post(contentType, body string) *gateway.Environ {
	return &gateway.Environ{
		Vars: map[string]string{"REQUEST_METHOD": "POST", "CONTENT_TYPE": contentType,
			"CONTENT_LENGTH": strconv.Itoa(len(body))},
		Input: strings.NewReader(body),
	}
}

// A got is a part that was read to its end.
type got struct {
	name, fileName, content string
	header                  gateway.Headers
}

// parts returns what Parts walks.
func parts(env *gateway.Environ, limits form.Limits) (list []got, err error) {
	for part, err := range form.Parts(env, limits) {
		if err != nil {
			return list, err
		}
		var content strings.Builder
		// The errors of a part and of its loop are the same one.
		_, _ = part.WriteTo(&content)
		list = append(list, got{part.Name, part.FileName, content.String(), part.Header})
	}
	return list, nil
}
