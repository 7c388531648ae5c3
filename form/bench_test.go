package form_test

import (
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/form"
	"example.com/gateway/gatewaytest"
)

// What is small beside what bench/ measures:
//
//	go test -run '^$' -bench . ./form

// BenchmarkForms reads all parts of forms that browsers have sent.
func BenchmarkForms(b *testing.B) {
	for _, name := range []string{"chromium-fetch", "chromium-names", "chromium-hundred"} {
		env, body := sent(b, name)
		contentType := env.Vars["CONTENT_TYPE"]
		_, boundary, _ := strings.Cut(contentType, "boundary=")
		in := strings.NewReader(body)
		b.Run(name+"/form.Parts", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(body)
				env.Input = in
				for part, err := range form.Parts(env, form.Limits{}) {
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, part); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(name+"/mime/multipart", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(body)
				for r := multipart.NewReader(in, boundary); ; {
					part, err := r.NextPart()
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					_, _ = part.FormName(), part.FileName()
					if _, err := io.Copy(io.Discard, part); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkSetCookie(b *testing.B) {
	b.Run("form.SetCookie", func(b *testing.B) {
		b.ReportAllocs()
		c := form.SetCookie{Name: "__Host-session", Value: "V2FsZG8", Path: "/", MaxAge: 1e12,
			HttpOnly: true, Secure: true, SameSite: "Lax"}
		for b.Loop() {
			if _, err := c.Encode(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		c := http.Cookie{Name: "__Host-session", Value: "V2FsZG8", Path: "/", MaxAge: 1000,
			HttpOnly: true, Secure: true,
			SameSite: http.SameSiteLaxMode}
		for b.Loop() {
			if c.String() == "" {
				b.Fatal()
			}
		}
	})
}

// BenchmarkHostile shows what the bytes cost that make a parser look again and again, beside bytes
// that do not: 8 MiB each.
func BenchmarkHostile(b *testing.B) {
	const size = 8 << 20
	for _, c := range []struct{ what, piece string }{
		{"x", "x"}, {"CR", "\r"}, {"CR LF", "\r\n"}, {"CR LF hyphens",
			"\r\n--"}, {"almost the boundary", "\r\n--" + strings.Repeat("b", 69)},
	} {
		body := multipartBody(strings.Repeat("b", 70), "name=a; filename=f",
			strings.Repeat(c.piece+"x", size/(len(c.piece)+1)))
		env := gatewaytest.NewEnviron("POST", "/", nil)
		env.Vars["CONTENT_TYPE"] = "multipart/form-data; boundary=" + strings.Repeat("b", 70)
		for _, way := range []string{"read", "skipped"} {
			b.Run(fmt.Sprintf("%s/%s", c.what, way), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					env.Input = strings.NewReader(body)
					hostile(b, env, way == "read")
				}
			})
		}
	}
}

func hostile(b *testing.B, env *gateway.Environ, read bool) {
	for part, err := range form.Parts(env, form.Limits{}) {
		if err != nil {
			b.Fatal(err)
		}
		if read {
			if _, err := io.Copy(io.Discard, part); err != nil {
				b.Fatal(err)
			}
		}
	}
}
