package form_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"

	"example.com/gateway"
	"example.com/gateway/form"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/request"
)

// stricter has what Parts refuses and mime/multipart takes, by the text of the error, and why.
var stricter = []struct{ text, why string }{
	{"is no form's", "multipart/mixed is for mail"},
	{"is not 1 to 70 bytes of those",
		"RFC 2046, 5.1.1: a parser may cut a longer boundary, or end it at another byte"},
	{"CONTENT_TYPE: ", "package mime takes a boundary twice if both are equal, one of RFC 2231, " +
		"and white space that is not ASCII"},
	{"the line of the boundary has",
		"RFC 2046, 5.1.1: the content has no such line, and LF alone is no line break"},
	{"there is no CR LF before", "the same, before the first part"},
	{"before the first part: the form was cut short", "the same: no other boundary has come"},
	{"the head of part ",
		"NextPart returns io.EOF for a head that is cut short, as for a whole form"},
	{"a header has a control character",
		"RFC 9110, 5.5: elsewhere NUL ends a string, and a lone CR or LF a line"},
	{"a header goes on in a second line", "RFC 9112, 5.2: given up, and read in several ways"},
	{"this is no header", "net/textproto takes a space in a name"},
	{"there are two headers", "one parser takes the first, another the last"},
	{"there is no Content-Disposition", "RFC 7578, 4.2: each part has one, of the type form-data"},
	{"Content-Disposition: ", "RFC 7578, 4.2: it has a name, once; to mime/multipart a part with " +
		"a wrong one has no name"},
	{"the Content-Transfer-Encoding", "RFC 7578, 4.7: given up; nobody would decode the content"},
	{"has no end before the next",
		"to a parser that looks for boundaries first, the part has no head"},
	{"Limits.MaxFields", "mime/multipart.Reader does not count parts"},
	{"Limits.MaxHeadBytes", "mime/multipart takes 10 MB"},
}

// compareParts holds Parts beside mime/multipart: the same parts, or an error that is listed. And
// what Parts finds does not depend on how the bytes arrive.
func compareParts(t *testing.T, contentType, body string) (list []got, err error) {
	t.Helper()
	list, err = parts(post(contentType, body), form.Limits{})
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"byte by byte": iotest.OneByteReader, "half by half": iotest.HalfReader,
		"with EOF beside the last": iotest.DataErrReader} {
		env := post(contentType, body)
		env.Input = wrap(env.Input)
		again, err2 := parts(env, form.Limits{})
		if !reflect.DeepEqual(list, again) || text(err) != text(err2) {
			t.Fatalf("%q %q\nat once: %v %q\n%s: %v %q", contentType, body, err, list, name, err2,
				again)
		}
	}
	checkError(t, err)
	theirs, theirErr := theirParts(contentType, body)
	switch {
	case errors.Is(theirErr, bufio.ErrBufferFull): // mime/multipart takes no line of 4 KiB
		return list, err
	case err == nil && theirErr != nil:
		t.Fatalf("%q %q\nParts takes what mime/multipart refuses: %v", contentType, body, theirErr)
	case err != nil && theirErr == nil:
		for _, reason := range stricter {
			if strings.Contains(err.Error(), reason.text) {
				return list, err
			}
		}
		t.Fatalf("%q %q\nParts refuses what mime/multipart takes, and no reason is listed: %v",
			contentType, body, err)
	case err != nil:
		return list, err
	}
	if len(list) != len(theirs) {
		t.Fatalf("%q %q\n%d parts, and mime/multipart finds %d", contentType, body, len(list),
			len(theirs))
	}
	for i, ours := range list {
		their := theirs[i]
		disposition := ours.header.Get("Content-Disposition")
		if ours.content != their.content ||
			ours.header.Get("Content-Type") != their.header.Get("Content-Type") ||
			disposition != their.header.Get("Content-Disposition") {
			t.Fatalf("%q %q\npart %d: %q, want %q", contentType, body, i+1, ours, their)
		}
		if strings.ContainsAny(ours.fileName, `/\`) || ours.fileName == "." ||
			ours.fileName == ".." {
			t.Fatalf("%q: the file name is %q", disposition, ours.fileName)
		}
		// A backslash is a byte of a name, but before a quote and a backslash: mime drops it before
		// a "(", too, and filepath.Base takes it for a separator on Windows alone. A star is
		// ignored.
		if strings.ContainsAny(disposition, `\*`) {
			continue
		}
		if ours.name != their.name ||
			ours.fileName != their.fileName[strings.LastIndexByte(their.fileName, '/')+1:] {
			t.Fatalf("%q: %q and %q, want %q and %q", disposition, ours.name, ours.fileName,
				their.name, their.fileName)
		}
	}
	return list, nil
}

// A their is a part as mime/multipart has it.
type their struct {
	name, fileName, content string
	header                  http.Header
}

func theirParts(contentType, body string) (list []their, err error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" && kind != "multipart/mixed" {
		return nil, errors.Join(err, http.ErrNotMultipart)
	}
	for r := multipart.NewReader(strings.NewReader(body), params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		list = append(list, their{part.FormName(), params["filename"], string(content),
			http.Header(part.Header)})
	}
}

// checkError checks that an error of a request is of one kind, and one line for a log.
func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	kinds := 0
	for _, kind := range []error{request.ErrMalformed, request.ErrBodyTooLarge,
		request.ErrMediaType} {
		if errors.Is(err, kind) {
			kinds++
		}
	}
	if kinds != 1 || strings.ContainsFunc(err.Error(), unicode.IsControl) ||
		!strings.HasPrefix(err.Error(), "gateway: ") {
		t.Fatalf("%d kinds: %q", kinds, err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzParts holds Parts beside mime/multipart, and Parse beside Parts. A form that is cut after
// some bytes is none.
func FuzzParts(f *testing.F) {
	for _, name := range []string{"chromium-names", "firefox-fetch", "curl-escaped"} {
		env, body := sent(f, name)
		_, boundary, _ := strings.Cut(env.Vars["CONTENT_TYPE"], "boundary=")
		f.Add(strings.ReplaceAll(body, boundary, "b"), 100)
	}
	for _, c := range acceptedForms {
		f.Add(c.body, 10)
	}
	for _, c := range refusedForms {
		f.Add(c.body, 20)
	}
	f.Fuzz(func(t *testing.T, body string, cut int) {
		list, err := compareParts(t, ofB, body)
		// Parse reads the same fields as Parts, or says that one of them is a file.
		values, err2 := form.Parse(post(ofB, body), form.Limits{})
		checkError(t, err2)
		if err2 != nil && values != nil {
			t.Fatalf("values beside an error: %q, %v", values, err2)
		}
		if err == nil && err2 == nil {
			want := form.Values{}
			for _, p := range list {
				want[p.name] = append(want[p.name], p.content)
			}
			if !reflect.DeepEqual(values, want) {
				t.Fatalf("Parse: %q, Parts: %q", values, list)
			}
		}
		if cut >= 0 && cut < len(body) {
			stopsAt(t, ofB, body, cut)
		}
	})
}

func FuzzContentType(f *testing.F) {
	for _, c := range acceptedForms {
		f.Add(c.contentType)
	}
	for _, c := range refusedForms {
		f.Add(c.contentType)
	}
	f.Fuzz(func(t *testing.T, contentType string) {
		compareParts(t, contentType, one("b"))
		_, params, _ := mime.ParseMediaType(contentType)
		if boundary := params["boundary"]; boundary != "" && !strings.ContainsAny(boundary,
			"\r\n") {
			compareParts(t, contentType, one(boundary))
		}
		if _, err := form.Parse(post(contentType, "a=1"), form.Limits{}); err != nil {
			checkError(t, err)
		}
	})
}

// FuzzHead spends its time on the head of a part alone.
func FuzzHead(f *testing.F) {
	for _, c := range acceptedHeads {
		f.Add(c.head)
	}
	for _, c := range refusedHeads {
		f.Add(c.head)
	}
	f.Fuzz(func(t *testing.T, head string) {
		compareParts(t, "multipart/form-data; boundary=b",
			"--b\r\n"+head+"\r\n\r\ncontent\r\n--b--\r\n")
	})
}

func FuzzQuery(f *testing.F) {
	for _, c := range queries {
		f.Add(c.query)
	}
	for _, name := range []string{"chromium-get", "firefox-get"} {
		env, _ := sent(f, name)
		f.Add(env.Vars["QUERY_STRING"])
	}
	f.Fuzz(func(t *testing.T, query string) {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		env.Vars["QUERY_STRING"] = query
		got, err := form.Query(env)
		checkError(t, err)
		want, wantErr := url.ParseQuery(query)
		switch {
		case (err == nil) != (wantErr == nil) && !errors.Is(err, request.ErrBodyTooLarge):
			t.Fatalf("%q: %v, but net/url says %v", query, err, wantErr)
		case err != nil && got != nil:
			t.Fatalf("%q: values beside an error: %q, %v", query, got, err)
		case err == nil && !maps.EqualFunc(got, form.Values(want), slices.Equal):
			t.Fatalf("%q: %q, but net/url has %q", query, got, want)
		}
		posted, err2 := form.Parse(post("application/x-www-form-urlencoded", query), form.Limits{})
		if !reflect.DeepEqual(posted, got) || (err == nil) != (err2 == nil) {
			t.Fatalf("%q: Parse has %q, %v, and Query %q, %v", query, posted, err2, got, err)
		}
	})
}

func FuzzCookies(f *testing.F) {
	for _, c := range cookieHeaders {
		f.Add(c.header)
	}
	f.Fuzz(func(t *testing.T, line string) {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		env.Vars["HTTP_COOKIE"] = line
		got := cookies(env)
		if strings.Count(line, ";") >= 3000 || strings.ContainsAny(line, "\r\n") {
			return // net/http has a limit, and trims line breaks; here a server refuses both
		}
		// Cookies is stricter: a cookie without a "=" has no name, and is not the cookie of that
		// name.
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			if strings.Contains(pair, "=") {
				pairs = append(pairs, pair)
			}
		}
		var want [][2]string
		for _, c := range (&http.Request{Header: http.Header{"Cookie": {strings.Join(pairs,
			";")}}}).Cookies() {
			want = append(want, [2]string{c.Name, c.Value})
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: %q, but net/http has %q", line, got, want)
		}
		if list, err := http.ParseCookie(line); err == nil && len(list) != len(got) {
			t.Fatalf("%q: %q, but http.ParseCookie has %d", line, got, len(list))
		}
		for _, c := range got {
			first := got[slices.IndexFunc(got,
				func(other [2]string) bool { return other[0] == c[0] })]
			if value := form.Cookie(env, c[0]); value != first[1] {
				t.Fatalf("%q: the cookie %q is %q, want %q", line, c[0], value, first[1])
			}
		}
	})
}

var sameSites = map[string]http.SameSite{"": 0, "Lax": http.SameSiteLaxMode,
	"Strict": http.SameSiteStrictMode, "None": http.SameSiteNoneMode}

func FuzzSetCookie(f *testing.F) {
	for _, c := range setCookies {
		f.Add(c.cookie.Name, c.cookie.Value, c.cookie.Path, c.cookie.Domain,
			c.cookie.Expires.Unix(), int64(c.cookie.MaxAge/time.Second),
			c.cookie.Secure, c.cookie.HttpOnly, c.cookie.SameSite)
	}
	f.Fuzz(func(t *testing.T, name, value, path, domain string, expires, maxAge int64, secure,
		httpOnly bool, sameSite string) {
		maxAge %= 1e9
		ours := form.SetCookie{Name: name, Value: value, Path: path, Domain: domain,
			Expires: time.Unix(expires, 0).UTC(), MaxAge: time.Duration(maxAge) * time.Second,
			Secure: secure, HttpOnly: httpOnly, SameSite: sameSite}
		line, err := ours.Encode()
		if err != nil {
			if line != "" || !errors.Is(err, form.ErrCookie) || strings.ContainsFunc(err.Error(),
				unicode.IsControl) {
				t.Fatalf("%q %v", line, err)
			}
			return // net/http would change the cookie, or send one that a browser drops
		}
		theirs := http.Cookie{Name: name, Value: value, Path: path, Domain: domain,
			Expires: ours.Expires,
			MaxAge:  int(maxAge), Secure: secure, HttpOnly: httpOnly, SameSite: sameSites[sameSite]}
		if ours.Expires.IsZero() {
			theirs.Expires = time.Time{}
		}
		if err := theirs.Valid(); err != nil || line != theirs.String() {
			t.Fatalf("%q, but net/http has %q, %v", line, theirs.String(), err)
		}
		// The browser gives back what it was given.
		env := &gateway.Environ{Vars: map[string]string{"HTTP_COOKIE": name + "=" + value}}
		if got := form.Cookie(env, name); got != value {
			t.Fatalf("%q comes back as %q", value, got)
		}
		if strings.ContainsAny(line, "\r\n\x00") || bytes.Count([]byte(line),
			[]byte("=")) > 8+len(value)+len(path) {
			t.Fatalf("%q", line)
		}
	})
}
