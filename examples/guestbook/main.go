// A guestbook: entries and photos by a form, a signed cookie, a token against other sites' forms.
//
//	GUESTBOOK=/tmp/guestbook go run ./examples/guestbook
package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/form"
	"example.com/gateway/request"
)

func (b *book) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	method, path := env.Vars["REQUEST_METHOD"], env.Vars["PATH_INFO"]
	photo, isPhoto := strings.CutPrefix(path, "/photo/")
	switch isGet := method == "GET" || method == "HEAD"; {
	case isGet && isPhoto:
		return b.sendPhoto(start, photo)
	case path != "" && path != "/":
		return text(start, 404, "There is no such page.\n")
	case isGet:
		return b.show(env, start)
	case method == "POST":
		return b.sign(env, start)
	}
	return start.Answer(405, gateway.Headers{{"Allow", "GET, HEAD, POST"}}, nil)
}

func text(start gateway.StartResponse, code int, line string) (gateway.Body, error) {
	return start.Answer(code, gateway.Headers{{"Content-Type", "text/plain"}}, gateway.Text(line))
}

// show answers with the form and the last 50 entries.
func (b *book) show(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	id, name := b.session(env)
	cookie, err := b.cookie(env, id, name)
	entries, err2 := b.entries(50)
	var out bytes.Buffer
	err3 := page().Execute(&out, map[string]any{"Base": env.Vars["SCRIPT_NAME"], "Name": name,
		"Token": b.mac("token", id), "Entries": entries})
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, err // a 500, and a line in the log
	}
	return start.Answer(200, gateway.Headers{{"Content-Type", "text/html; charset=utf-8"},
		{"Cache-Control", "no-store"}, {"Set-Cookie", cookie},
		{"Content-Security-Policy", "default-src 'none'; img-src 'self'; form-action 'self'"},
	}, gateway.Bytes(out.Bytes()))
}

// sign takes an entry, and sends the browser back to the page, so that a reload sends no form.
func (b *book) sign(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	var e entry
	var token string
	id, _ := b.session(env)
	defer func() { b.dropPhoto(e.Photo) }() // unless the entry is kept
	for part, err := range form.Parts(env, form.Limits{MaxBytes: 8 << 20, MaxFieldBytes: 2000}) {
		switch {
		case err != nil:
			return request.Refuse(err).Call(env, start) // a 413 if it is too large
		case part.Name == "token":
			token, err = part.Value()
		case part.Name == "name":
			e.Name, err = part.Value()
		case part.Name == "message":
			e.Message, err = part.Value()
		case part.Name == "photo" && part.FileName != "" && e.Photo == "":
			e.Photo, err = b.keepPhoto(part)
		}
		if err != nil && part.Err() == nil { // the loop comes to an error of the form next
			return nil, err
		}
	}
	switch {
	case !b.isMac(token, "token", id):
		return text(start, 403, "The form was not from here, or too old. Load the page again.\n")
	case strings.TrimSpace(e.Message) == "":
		return text(start, 400, "A message, please.\n")
	case e.Photo != "" && !b.isPhoto(e.Photo):
		return text(start, 400, "The photo is not a GIF, JPEG or PNG.\n")
	}
	cookie, err := b.cookie(env, id, e.Name)
	if err = errors.Join(err, b.keep(e)); err != nil {
		return nil, err
	}
	e.Photo = "" // is kept
	return start.Answer(303, gateway.Headers{{"Location", env.URL()}, {"Set-Cookie", cookie}}, nil)
}

// session returns the visitor's id and name, by the cookie, or a new id.
func (b *book) session(env *gateway.Environ) (id, name string) {
	data, mac, _ := strings.Cut(form.Cookie(env, "guestbook"), "!")
	id, encoded, _ := strings.Cut(data, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !b.isMac(mac, "session", data) {
		return rand.Text(), ""
	}
	return id, string(decoded)
}

func (b *book) cookie(env *gateway.Environ, id, name string) (string, error) {
	data := id + "." + base64.RawURLEncoding.EncodeToString([]byte(name))
	return form.SetCookie{Name: "guestbook", Value: data + "!" + b.mac("session", data), HttpOnly: true,
		Secure: env.URLScheme == "https", SameSite: "Lax", Path: cmp.Or(env.Vars["SCRIPT_NAME"], "/")}.Encode()
}

func main() {
	if err := run(open(cmp.Or(os.Getenv("GUESTBOOK"), folder))); err != nil {
		log.Fatal("guestbook: ", err)
	}
}
