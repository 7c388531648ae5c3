package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"io/fs"
	"log"
	"os"
	"strings"
	"sync"
)

// A book is a folder: the key that signs cookies and tokens, the entries, a line each, and the
// photos. Processes that run at the same time, as under CGI, need no locks.
type book struct {
	*os.Root
	key []byte
}

type entry struct{ Name, Message, Photo string }

// folder is for a web server that drops GUESTBOOK, as suEXEC does:
// -ldflags '-X main.folder=/home/you/guestbook'.
var folder string

//go:embed page.html
var source string

// page is made when it is asked for: a CGI program would make it for each photo, too.
var page = sync.OnceValue(func() *template.Template { return template.Must(template.New("").Parse(source)) })

// open opens the folder, which no web server may serve, and makes what it lacks.
func open(dir string) *book {
	if dir == "" {
		log.Fatal("guestbook: GUESTBOOK is not set: name a folder that no web server serves")
	}
	err := os.MkdirAll(dir+"/photos", 0o700)
	if err != nil {
		log.Fatal("guestbook: ", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		log.Fatal("guestbook: ", err)
	}
	key, err := root.ReadFile("key")
	if errors.Is(err, fs.ErrNotExist) { // all processes get the key of the first
		name := rand.Text()
		defer root.Remove(name)
		if err = root.WriteFile(name, []byte(rand.Text()), 0o600); err == nil {
			_ = root.Link(name, "key")
			key, err = root.ReadFile("key")
		}
	}
	if err != nil {
		log.Fatal("guestbook: ", err)
	}
	return &book{root, key}
}

// mac returns the signature of data. No signature passes for one of another kind.
func (b *book) mac(kind, data string) string {
	h := hmac.New(sha256.New, b.key)
	h.Write([]byte(kind + ":" + data))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// isMac takes the same time for every wrong signature.
func (b *book) isMac(mac, kind, data string) bool {
	return hmac.Equal([]byte(mac), []byte(b.mac(kind, data)))
}

// keep appends an entry, in one write. The line break in front ends what a write to a full disk has
// left behind.
func (b *book) keep(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	file, err := b.OpenFile("entries", os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write([]byte("\n" + string(line) + "\n"))
	return errors.Join(err, file.Close())
}

// entries returns the last entries, the newest first. It skips lines that are none.
func (b *book) entries(count int) (list []entry, err error) {
	data, err := b.ReadFile("entries")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for lines := strings.TrimSuffix(string(data), "\n"); lines != "" && len(list) < count; {
		i := strings.LastIndexByte(lines, '\n')
		var e entry
		if json.Unmarshal([]byte(lines[i+1:]), &e) == nil {
			list = append(list, e)
		}
		lines = lines[:max(i, 0)]
	}
	return list, nil
}
