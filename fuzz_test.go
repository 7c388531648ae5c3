package gateway_test

import (
	"bufio"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/gateway"
)

// A head that start accepts cannot split a response: net/http reads the same status and fields from
// it when it is written as HTTP/1.1.
func FuzzHead(f *testing.F) {
	for _, seed := range [][5]string{
		{"200 OK", "Content-Type", "text/plain", "X", "y"},
		{"200 OK\r\nX: y", "A", "b", "C", "d"},
		{"404 Not Found", "A", "b\r\nSet-Cookie: c", "Content-Length", "5"},
		{"299 Caf\xe9", "A b", "c", "A:", "d"},
		{"200 OK", "X", " a\tb ", "X", "\x7f"},
		{"204 No Content", "Content-Length", "3", "content-length", "3"},
		{"304 Not Modified", "Transfer-Encoding", "chunked", "Status", "200"},
		{"999 ", "", "", "\r\n", "\x00"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	f.Fuzz(func(t *testing.T, status, name1, value1, name2, value2 string) {
		headers := gateway.Headers{{name1, value1}, {name2, value2}}
		var startErr error
		head := &headRecorder{}
		app := func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, startErr = start(status, headers, nil)
			return stream()(), startErr
		}
		env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "HEAD"}}
		err := gateway.Respond(gateway.ApplicationFunc(app), env, head)
		if startErr != nil {
			if err == nil || head.status != "500 Internal Server Error" {
				t.Fatalf("refused by %v, and then %v, %q", startErr, err, head.status)
			}
			if hasControl(startErr.Error()) && !strings.ContainsFunc(name1+name2, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("control characters in the error %q", startErr)
			}
			return
		}
		if err != nil || head.status != status {
			t.Fatalf("accepted, and then %v, %q", err, head.status)
		}
		var wire strings.Builder
		wire.WriteString("HTTP/1.1 " + head.status + "\r\n")
		for name, value := range head.headers.All() {
			wire.WriteString(name + ": " + value + "\r\n")
		}
		wire.WriteString("\r\n")
		r := bufio.NewReader(strings.NewReader(wire.String() + "the body"))
		response, err := http.ReadResponse(r, &http.Request{Method: "HEAD"})
		if err != nil {
			t.Fatalf("%q is not a response: %v", wire.String(), err)
		}
		_ = response.Body.Close()
		if response.Status != strings.TrimSpace(status) || strconv.Itoa(response.StatusCode) != status[:3] {
			t.Fatalf("the status is %q, want %q", response.Status, status)
		}
		if rest, _ := r.Peek(9); string(rest) != "the body" {
			t.Fatalf("%q is left after the head", rest)
		}
		want := http.Header{}
		for name, value := range head.headers.All() {
			want.Add(name, strings.Trim(value, " \t"))
		}
		if len(want) != len(response.Header) {
			t.Fatalf("fields %q, want %q", response.Header, want)
		}
		for name, values := range want {
			if !slices.Equal(response.Header[name], values) {
				t.Fatalf("%s is %q, want %q", name, response.Header[name], values)
			}
		}
	})
}

// A headRecorder is a Transport that keeps the head.
type headRecorder struct {
	nullTransport
	status  string
	headers gateway.Headers
}

func (h *headRecorder) WriteHead(status string, headers gateway.Headers) error {
	h.status, h.headers = status, slices.Clone(headers)
	return nil
}

// A length is digits that make an int64, for a request and for a response.
func FuzzContentLength(f *testing.F) {
	for _, seed := range append(slices.Clone(notLengths), "", "0", "5", "007", "9223372036854775807") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		digits := value != "" && strings.Trim(value, "0123456789") == ""
		significant := strings.TrimLeft(value, "0")
		fits := len(significant) < 19 || len(significant) == 19 && significant <= "9223372036854775807"
		env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET", "CONTENT_LENGTH": value}}
		n, err := env.ContentLength()
		switch {
		case value == "":
			if n != -1 || err != nil {
				t.Fatalf("an empty value is %d, %v", n, err)
			}
		case digits && fits:
			if significant == "" {
				significant = "0"
			}
			if err != nil || strconv.FormatInt(n, 10) != significant {
				t.Fatalf("%q is %d, %v", value, n, err)
			}
		case n != -1 || !errors.Is(err, gateway.ErrContentLength):
			t.Fatalf("%q is %d, %v", value, n, err)
		}
		var startErr error
		app := func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, startErr = start("200 OK", gateway.Headers{{"Content-Length", value}}, nil)
			return gateway.Text(""), startErr
		}
		_ = gateway.Respond(gateway.ApplicationFunc(app), env, nullTransport{})
		if (startErr == nil) != (digits && fits) {
			t.Fatalf("start with Content-Length %q: %v", value, startErr)
		}
	})
}

// ShiftPath keeps SCRIPT_NAME + PATH_INFO, and comes to an end.
func FuzzShiftPath(f *testing.F) {
	for _, seed := range [][2]string{
		{"", "/"}, {"/a", "/x/y"}, {"/a/b", "///./..//y/.//"}, {"", "x"}, {"/", ""}, {"\xff", "/\x00//é"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, script, path string) {
		env := &gateway.Environ{Vars: map[string]string{"SCRIPT_NAME": script, "PATH_INFO": path}}
		for i := 0; env.Vars["PATH_INFO"] != ""; i++ {
			if i > len(path) {
				t.Fatalf("%d segments in %q", i, path)
			}
			before := env.Vars["SCRIPT_NAME"]
			segment := env.ShiftPath()
			after := env.Vars["SCRIPT_NAME"]
			if after+env.Vars["PATH_INFO"] != script+path {
				t.Fatalf("%q + %q is no longer %q + %q", after, env.Vars["PATH_INFO"], script, path)
			}
			if strings.Contains(segment, "/") {
				t.Fatalf("a segment %q", segment)
			}
			if moved := strings.TrimPrefix(after, before); moved != segment && moved != "/"+segment {
				t.Fatalf("%q was moved, and %q returned", moved, segment)
			}
		}
		if segment := env.ShiftPath(); segment != "" || env.Vars["SCRIPT_NAME"] != script+path {
			t.Fatalf("a segment %q of nothing, %q", segment, env.Vars["SCRIPT_NAME"])
		}
	})
}

// DecodeLatin1 and EncodeLatin1 are inverse.
func FuzzLatin1(f *testing.F) {
	for _, seed := range []string{"", "plain", "caf\xe9", "café", "Ā", "\uFFFD", "\xff\x00", "\xed\xa0\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := gateway.DecodeLatin1(s)
		if !utf8.ValidString(text) || utf8.RuneCountInString(text) != len(s) {
			t.Fatalf("DecodeLatin1(%q) is %q", s, text)
		}
		if back, err := gateway.EncodeLatin1(text); back != s || err != nil {
			t.Fatalf("%q became %q, and then %q, %v", s, text, back, err)
		}
		fits := utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r > 0xFF })
		native, err := gateway.EncodeLatin1(s)
		if (err == nil) != fits {
			t.Fatalf("EncodeLatin1(%q): %v", s, err)
		}
		if err == nil && gateway.DecodeLatin1(native) != s {
			t.Fatalf("%q became %q, and then %q", s, native, gateway.DecodeLatin1(native))
		}
		if text, ok := gateway.DecodeUTF8(s); ok != utf8.ValidString(s) || !utf8.ValidString(text) || ok && text != s {
			t.Fatalf("DecodeUTF8(%q) is %q, %v", s, text, ok)
		}
	})
}

// The path of a rebuilt URL unescapes to SCRIPT_NAME + PATH_INFO, and the query is QUERY_STRING.
func FuzzURL(f *testing.F) {
	f.Add("", "/", "")
	f.Add("/spam", "/a b%?#;=,", "say=ni&x=%E4")
	f.Add("/sp\xe4m", "/\x00\r\n\"<>", "a b#c")
	f.Fuzz(func(t *testing.T, script, path, query string) {
		env := &gateway.Environ{URLScheme: "http", Vars: map[string]string{"HTTP_HOST": "example.com:8000",
			"SCRIPT_NAME": script, "PATH_INFO": path, "QUERY_STRING": query}}
		rest, found := strings.CutPrefix(env.URL(), "http://example.com:8000")
		if !found {
			t.Fatal(env.URL())
		}
		escaped, rawQuery, hasQuery := strings.Cut(rest, "?")
		if unescaped, err := url.PathUnescape(escaped); err != nil || unescaped != script+path {
			t.Fatalf("%q unescapes to %q, %v, want %q", escaped, unescaped, err, script+path)
		}
		if rawQuery != query || hasQuery != (query != "") {
			t.Fatalf("the query is %q, want %q", rawQuery, query)
		}
		for i := range len(escaped) {
			if c := escaped[i]; c <= ' ' || c >= 0x7F || strings.IndexByte("\"<>?#\\^`{|}", c) >= 0 {
				t.Fatalf("%q in the path %q", c, escaped)
			}
		}
	})
}
