package form_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"example.com/gateway"
	"example.com/gateway/form"
	"example.com/gateway/request"
)

// A guestbook uses every function of the package: entries with a photo, by a multipart form; the
// reader's name, in a cookie; a theme, by an urlencoded form; a search, by the query.
type guestbook struct {
	dir string // has the photos

	mu      sync.Mutex
	entries []entry
}

type entry struct{ name, message, photo string }

func (g *guestbook) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	switch env.Vars["REQUEST_METHOD"] + " " + env.Vars["PATH_INFO"] {
	case "GET /", "HEAD /":
		return g.list(env, start)
	case "POST /":
		return g.sign(env, start)
	case "POST /theme":
		return g.theme(env, start)
	}
	return answer(start, 404, nil, "There is nothing here.\n")
}

func (g *guestbook) list(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	query, err := form.Query(env)
	if err != nil {
		return request.Refuse(err).Call(env, start)
	}
	var b strings.Builder
	for name, value := range form.Cookies(env) {
		if name == "theme" {
			fmt.Fprintf(&b, "<link rel=stylesheet href=%s.css>\n", html.EscapeString(value))
		}
	}
	if name, err := base64.RawURLEncoding.DecodeString(form.Cookie(env, "name")); err == nil &&
		len(name) > 0 {
		fmt.Fprintf(&b, "<p>Hello again, %s!\n", html.EscapeString(string(name)))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.entries {
		if strings.Contains(e.message, query.Get("q")) {
			fmt.Fprintf(&b, "<p>%s: %s (%s)\n", html.EscapeString(e.name),
				html.EscapeString(e.message), html.EscapeString(e.photo))
		}
	}
	return answer(start, 200, gateway.Headers{{"Content-Type", "text/html; charset=utf-8"}},
		b.String())
}

func (g *guestbook) sign(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	var e entry
	var photo string
	defer func() {
		if photo != "" {
			os.Remove(photo)
		}
	}()
	for part, err := range form.Parts(env, form.Limits{MaxBytes: 20 << 20}) {
		if err != nil {
			return request.Refuse(err).Call(env, start)
		}
		switch part.Name {
		case "name":
			e.name, err = part.Value()
		case "message":
			e.message, err = part.Value()
		case "photo":
			if part.FileName == "" || photo != "" {
				continue // the user has chosen none, and no browser sends two
			}
			e.photo = part.FileName
			photo, err = g.store(part)
		}
		if err != nil && part.Err() == nil { // the disk is to blame
			return nil, err
		}
	}
	if e.message == "" {
		return answer(start, 400, nil, "A message, please.\n")
	}
	cookie, err := form.SetCookie{Name: "name",
		Value: base64.RawURLEncoding.EncodeToString([]byte(e.name)),
		Path:  "/", MaxAge: 30 * 24 * time.Hour, HttpOnly: true, SameSite: "Lax"}.Encode()
	if err != nil {
		return answer(start, 400, nil, "A shorter name, please.\n")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if photo != "" {
		if err := os.Rename(photo, filepath.Join(g.dir, fmt.Sprint(len(g.entries)))); err != nil {
			return nil, err
		}
		photo = ""
	}
	g.entries = append(g.entries, e)
	return answer(start, 303, gateway.Headers{{"Location", "/"}, {"Set-Cookie", cookie}}, "")
}

// store writes a file under a name of its own. It is there for good when the form was whole.
func (g *guestbook) store(part *form.Part) (string, error) {
	file, err := os.CreateTemp(g.dir, "new")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(file, part)
	return file.Name(), errors.Join(err, file.Close())
}

func (g *guestbook) theme(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	values, err := form.Parse(env, form.Limits{MaxBytes: 1 << 10})
	if err != nil {
		return request.Refuse(err).Call(env, start)
	}
	cookie, err := form.SetCookie{Name: "theme", Value: values.Get("theme")}.Encode()
	if err != nil {
		return answer(start, 400, nil, "That is no theme.\n")
	}
	return answer(start, 303, gateway.Headers{{"Location", "/"}, {"Set-Cookie", cookie}}, "")
}

func answer(start gateway.StartResponse, code int, headers gateway.Headers,
	text string) (gateway.Body, error) {
	if headers.Get("Content-Type") == "" {
		headers = headers.Append("Content-Type", "text/plain")
	}
	_, err := start(gateway.Status(code), headers, nil)
	return gateway.Text(text), err
}
