package main

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"example.com/gateway"
)

// keepPhoto writes a photo as it comes. It returns the name of its file, which nobody can guess,
// also beside an error.
func (b *book) keepPhoto(photo io.Reader) (name string, err error) {
	name = rand.Text()
	file, err := b.Create("photos/" + name)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(file, photo)
	return name, errors.Join(err, file.Close())
}

func (b *book) dropPhoto(name string) {
	if name != "" {
		_ = b.Remove("photos/" + name)
	}
}

func (b *book) isPhoto(name string) bool {
	file, _, err := b.openPhoto(name)
	if err == nil {
		_ = file.Close()
	}
	return err == nil
}

// openPhoto opens a photo, and tells its kind by its first bytes, whatever the sender says. Package
// image would start a CGI program later.
func (b *book) openPhoto(name string) (file *os.File, kind string, err error) {
	if strings.ContainsAny(name, "./") { // of the client's; none of ours
		return nil, "", fs.ErrNotExist
	}
	if file, err = b.Open("photos/" + name); err != nil {
		return nil, "", err
	}
	begin := make([]byte, 8)
	_, _ = file.ReadAt(begin, 0)
	for prefix, kind := range map[string]string{
		"GIF8": "image/gif", "\xff\xd8\xff": "image/jpeg", "\x89PNG\r\n\x1a\n": "image/png"} {
		if strings.HasPrefix(string(begin), prefix) {
			return file, kind, nil
		}
	}
	return nil, "", errors.Join(fs.ErrInvalid, file.Close())
}

// sendPhoto answers with a photo. A browser that was led to it saves it, instead of opening it as a
// page of this site.
func (b *book) sendPhoto(start gateway.StartResponse, name string) (gateway.Body, error) {
	file, kind, err := b.openPhoto(name)
	if err != nil {
		return text(start, 404, "There is no such photo.\n")
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return start.Answer(200, gateway.Headers{{"Content-Type", kind},
		{"Content-Length", strconv.FormatInt(info.Size(), 10)},
		{"X-Content-Type-Options", "nosniff"}, {"Content-Disposition", "attachment"},
	}, gateway.Reader(file, 0))
}
