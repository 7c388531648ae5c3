package request_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/internal/request"
)

func TestAddCombinesWhatIsRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		add  [][2]string
		want map[string]string // nil is ErrMalformed
	}{
		{"headers, in order (C28)", [][2]string{{"HTTP_ACCEPT", "a"}, {"HTTP_ACCEPT", "b"}, {"HTTP_ACCEPT", "c"}},
			map[string]string{"HTTP_ACCEPT": "a, b, c"}},
		{"cookies (E19)", [][2]string{{"HTTP_COOKIE", "a=1"}, {"HTTP_COOKIE", "b=2"}}, map[string]string{"HTTP_COOKIE": "a=1; b=2"}},
		{"empty headers", [][2]string{{"HTTP_X", ""}, {"HTTP_X", "a"}, {"HTTP_X", ""}, {"HTTP_X", "b"}}, map[string]string{"HTTP_X": "a, b"}},
		{"an empty header is there (R34)", [][2]string{{"HTTP_X", ""}}, map[string]string{"HTTP_X": ""}},
		{"others: the last counts", [][2]string{{"SCRIPT_NAME", "/a"}, {"SCRIPT_NAME", "/b"}, {"X", "1"}, {"X", ""}},
			map[string]string{"SCRIPT_NAME": "/b", "X": ""}},
		{"two lengths that are equal", [][2]string{{"CONTENT_LENGTH", "5"}, {"CONTENT_LENGTH", "5"}}, map[string]string{"CONTENT_LENGTH": "5"}},
		{"an empty length first", [][2]string{{"CONTENT_LENGTH", ""}, {"CONTENT_LENGTH", "5"}}, map[string]string{"CONTENT_LENGTH": "5"}},
		{"two lengths that differ (E22)", [][2]string{{"CONTENT_LENGTH", "5"}, {"CONTENT_LENGTH", "6"}}, nil},
		{"two lengths, one empty", [][2]string{{"CONTENT_LENGTH", "5"}, {"CONTENT_LENGTH", ""}}, nil},
		{"two lengths of the same value", [][2]string{{"CONTENT_LENGTH", "5"}, {"CONTENT_LENGTH", "05"}}, nil},
		{"what never comes in", [][2]string{{"HTTP_PROXY", "http://evil"}, {"HTTP_CONTENT_TYPE", "a"}, {"HTTP_CONTENT_LENGTH", "9"}, {"HTTP_", "a"}},
			map[string]string{}},
		{"what only looks like it", [][2]string{{"HTTP_PROXY_X", "a"}, {"PROXY", "b"}, {"http_proxy", "c"}, {"HTTP_CONTENT_TYPES", "d"}},
			map[string]string{"HTTP_PROXY_X": "a", "PROXY": "b", "http_proxy": "c", "HTTP_CONTENT_TYPES": "d"}},
		{"what no host makes of a header's name (E6)", [][2]string{{"HTTP_X-USER", "admin"}, {"HTTP_X_USER", "alice"}, {"HTTP_x_user", "admin"},
			{"HTTP_Proxy", "http://evil"}, {"HTTP_CONTENT-LENGTH", "9"}, {"HTTP_X.y", "a"}}, map[string]string{"HTTP_X_USER": "alice"}},
		{"what a host may make of an odd one", [][2]string{{"HTTP_X.Z", "b"}}, map[string]string{"HTTP_X.Z": "b"}},
		{"a type, and then none", [][2]string{{"CONTENT_TYPE", "a/b"}, {"CONTENT_TYPE", ""}}, map[string]string{}},
		{"a value that no variable may have, and then another", [][2]string{{"REMOTE_USER", "a\nb"}, {"REMOTE_USER", "c"}}, nil},
		{"a header's name that is none", [][2]string{{"HTTP_X Y", "a"}}, nil},
		{"a header's name with a line break", [][2]string{{"HTTP_X\r\nY", "a"}}, nil},
		{"HTTPS is no header", [][2]string{{"HTTPS", "off"}, {"HTTPS", "on"}}, map[string]string{"HTTPS": "on"}},
		{"a header with CR LF", [][2]string{{"HTTP_X", "a\r\nb"}}, nil},
		{"a header with LF, the second time", [][2]string{{"HTTP_X", "a"}, {"HTTP_X", "b\n"}}, nil},
		{"a header with NUL", [][2]string{{"HTTP_X", "\x00"}}, nil},
		{"a header with other bytes", [][2]string{{"HTTP_X", "\t\x01\x7f\xff é"}}, map[string]string{"HTTP_X": "\t\x01\x7f\xff é"}},
		{"a path with LF, which is lawful", [][2]string{{"PATH_INFO", "/a\nb"}}, map[string]string{"PATH_INFO": "/a\nb"}},
	} {
		vars := map[string]string{}
		built := request.Builder{Vars: vars}
		var err error
		for _, v := range c.add {
			err = errors.Join(err, built.Add(v[0], v[1]))
		}
		if c.want == nil {
			if !errors.Is(err, request.ErrMalformed) {
				t.Errorf("%s: %v, want ErrMalformed", c.name, err)
			}
			continue
		}
		if err != nil || !maps.Equal(vars, c.want) {
			t.Errorf("%s: %q, %v, want %q", c.name, vars, err, c.want)
		}
	}
}

// What makes two lines of one is found wherever it is, and nothing else is taken for it.
func TestALineBreakIsFoundEverywhere(t *testing.T) {
	t.Parallel()
	for length := 1; length <= 25; length++ {
		for at := range length {
			for c := range 256 {
				for _, filler := range []byte{'a', 0x0E, 0x0C, 0x01, 0x80, 0xFF} {
					value := bytes.Repeat([]byte{filler}, length)
					value[at] = byte(c)
					err := (&request.Builder{Vars: map[string]string{}}).Add("HTTP_X", string(value))
					if want := c == '\n' || c == '\r' || c == 0; want != (err != nil) {
						t.Fatalf("%q: %v", value, err)
					}
				}
			}
		}
	}
}

// Whatever two headers are called, neither is lost nor taken for the other; and each is one, however often it comes.
func TestHeadersOfManyNames(t *testing.T) {
	t.Parallel()
	vars, want := map[string]string{}, map[string]string{}
	built := request.Builder{Vars: vars}
	for i := range 2000 {
		name := fmt.Sprintf("HTTP_%X", i%700)
		value := fmt.Sprint(i)
		if old := want[name]; old != "" {
			want[name] = old + ", " + value
		} else {
			want[name] = value
		}
		if err := built.Add(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(vars, want) {
		t.Errorf("%v, want %v", vars, want)
	}
}

func TestNamesOfVariables(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"A", "proxy-nokeepalive", "HTTP_X", "ProgramFiles(x86)", "BASH_FUNC_f%%", "\xff\xe9", "a.b:c/d"} {
		if err := request.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"A B", "A=B", "=", "A\nB", "A\rB", "\x00", "A\tB", "\x7f", "A\x1f"} {
		if err := request.CheckName(name); !errors.Is(err, request.ErrMalformed) || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTheErrorOfAddCannotForgeALogEntry(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"HTTP_X\nforged", "HTTP_\x1b[2J"} {
		err := (&request.Builder{Vars: map[string]string{}}).Add(name, "\n")
		if err == nil || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("%.20q: %.80q", name, err)
		}
	}
}

// finish is what a server does with variables.
func finish(env *gateway.Environ) (length int64, err error) {
	built := request.Builder{Vars: make(map[string]string)}
	for name, value := range env.Vars {
		err = errors.Join(err, built.Add(name, value))
	}
	if err != nil {
		return -1, err
	}
	return built.Finish(env)
}

// vars returns the variables of a good request, changed.
func vars(change ...string) map[string]string {
	vars := map[string]string{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "example.com",
		"SERVER_PORT": "8000", "SCRIPT_NAME": "", "PATH_INFO": "/"}
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == "-" {
			delete(vars, change[i])
			continue
		}
		vars[change[i]] = change[i+1]
	}
	return vars
}

func TestFinishRefuses(t *testing.T) {
	t.Parallel()
	for _, change := range [][]string{
		{"REQUEST_METHOD", "-"}, {"REQUEST_METHOD", ""}, {"REQUEST_METHOD", "G T"}, {"REQUEST_METHOD", "GET\r\nX: y"},
		{"REQUEST_METHOD", "GET\x00"}, {"REQUEST_METHOD", "GÉT"}, {"REQUEST_METHOD", "GET/"}, // R28
		{"SERVER_PROTOCOL", "HTTP/"}, {"SERVER_PROTOCOL", "HTTP/1."}, {"SERVER_PROTOCOL", "HTTP/.1"}, {"SERVER_PROTOCOL", "/1.1"},
		{"SERVER_PROTOCOL", "HTTP/1.1.1"}, {"SERVER_PROTOCOL", "HTTP/x"}, {"SERVER_PROTOCOL", "HTTP/1.1\r\n"}, {"SERVER_PROTOCOL", " "},
		{"SERVER_PROTOCOL", "HTTP 1.1"}, {"SERVER_PROTOCOL", "HTTP/-1"},
		{"PATH_INFO", "x"}, {"PATH_INFO", "*"}, {"PATH_INFO", "http://x/"}, {"PATH_INFO", "/a\x00b"}, {"SCRIPT_NAME", "/\x00"},
		{"PATH_TRANSLATED", "/srv/\x00"}, // C14
		{"REQUEST_URI", "/a\r\nb"}, {"QUERY_STRING", "a\nb"}, {"CONTENT_TYPE", "a\rb"}, {"SERVER_NAME", "a\x00"}, {"SERVER_PORT", "80\n"},
		{"REMOTE_USER", "alice\r\nroot"}, {"REMOTE_USER", "\x00"}, {"REMOTE_ADDR", "127.0.0.1\n"}, {"AUTH_TYPE", "Basic\x00"},
		{"CONTENT_LENGTH", "-1"}, {"CONTENT_LENGTH", "+5"}, {"CONTENT_LENGTH", " 5"}, {"CONTENT_LENGTH", "0x10"},
		{"CONTENT_LENGTH", "5, 5"}, {"CONTENT_LENGTH", "5.0"}, {"CONTENT_LENGTH", strings.Repeat("9", 30)}, {"CONTENT_LENGTH", " "},
	} {
		length, err := finish(&gateway.Environ{Vars: vars(change...)})
		if !errors.Is(err, request.ErrMalformed) || length != -1 {
			t.Errorf("%q: %d, %v, want ErrMalformed", change, length, err)
		}
	}
	if _, err := finish(new(gateway.Environ)); !errors.Is(err, request.ErrMalformed) {
		t.Errorf("no variables: %v, want ErrMalformed", err)
	}
}

func TestFinishTakesWhatIsOdd(t *testing.T) {
	t.Parallel()
	for _, change := range [][]string{
		{"REQUEST_METHOD", "get"}, {"REQUEST_METHOD", "M-SEARCH"}, {"REQUEST_METHOD", "PROPFIND"},
		{"SERVER_PROTOCOL", "HTTP/2"}, {"SERVER_PROTOCOL", "HTTP/2.0"}, {"SERVER_PROTOCOL", "HTTP/3"}, {"SERVER_PROTOCOL", "INCLUDED"},
		{"SERVER_PROTOCOL", "http/1.1"}, {"SERVER_PROTOCOL", "HTTP/10.25"},
		{"PATH_INFO", ""}, {"PATH_INFO", "-"}, {"PATH_INFO", "/%2F%"}, {"PATH_INFO", "/\xff\xfe"}, {"PATH_INFO", "//"}, {"PATH_INFO", "/a\r\nb"},
		{"PATH_INFO", "/.."}, {"QUERY_STRING", "\xff%"}, {"SCRIPT_NAME", "x"}, {"REQUEST_URI", "*"}, {"SERVER_PORT", "none"},
	} {
		env := &gateway.Environ{Vars: vars(change...)}
		if length, err := finish(env); length != -1 || err != nil {
			t.Errorf("%q: %d, %v", change, length, err)
		}
		if change[1] != "-" && change[1] != "" && env.Vars[change[0]] != change[1] {
			t.Errorf("%q became %q", change, env.Vars[change[0]])
		}
	}
}

func TestFinishFillsInWhatMustNotBeMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change []string
		name   string
		want   string
	}{
		{[]string{"SERVER_PROTOCOL", "-"}, "SERVER_PROTOCOL", "HTTP/1.0"},
		{[]string{"SERVER_PROTOCOL", ""}, "SERVER_PROTOCOL", "HTTP/1.0"},
		{[]string{"SERVER_NAME", "-"}, "SERVER_NAME", "localhost"}, // R32
		{[]string{"SERVER_PORT", "-"}, "SERVER_PORT", "80"},
		{[]string{"SERVER_PORT", "", "HTTPS", "on"}, "SERVER_PORT", "443"},
		{[]string{"SERVER_PORT", "1", "HTTPS", "on"}, "SERVER_PORT", "1"},
	} {
		env := &gateway.Environ{Vars: vars(c.change...)}
		if _, err := finish(env); err != nil || env.Vars[c.name] != c.want {
			t.Errorf("%q: %s is %q, %v, want %q", c.change, c.name, env.Vars[c.name], err, c.want)
		}
	}
	env := &gateway.Environ{Vars: vars("CONTENT_TYPE", "", "CONTENT_LENGTH", "", "QUERY_STRING", "")}
	if length, err := finish(env); length != -1 || err != nil {
		t.Errorf("empty variables: %d, %v", length, err)
	}
	for _, name := range []string{"CONTENT_TYPE", "CONTENT_LENGTH"} {
		if value, found := env.Vars[name]; found {
			t.Errorf("%s is %q, want it gone (C7)", name, value)
		}
	}
	for value, want := range map[string]int64{"0": 0, "5": 5, "9223372036854775807": 1<<63 - 1} {
		if length, err := finish(&gateway.Environ{Vars: vars("CONTENT_LENGTH", value)}); length != want || err != nil {
			t.Errorf("CONTENT_LENGTH %s: %d, %v", value, length, err)
		}
	}
}

func TestTheScheme(t *testing.T) { // R43, T15
	t.Parallel()
	for _, c := range []struct {
		want   string
		change []string
	}{
		{"http", nil},
		{"https", []string{"HTTPS", "on"}}, {"https", []string{"HTTPS", "ON"}}, {"https", []string{"HTTPS", "1"}},
		{"https", []string{"HTTPS", "yes"}}, {"http", []string{"HTTPS", "off"}}, {"http", []string{"HTTPS", "0"}},
		{"http", []string{"HTTPS", "true"}}, {"http", []string{"HTTPS", ""}},
		{"https", []string{"REQUEST_SCHEME", "https"}}, {"https", []string{"REQUEST_SCHEME", "HTTPS", "HTTPS", ""}},
		{"http", []string{"REQUEST_SCHEME", "http"}}, {"http", []string{"REQUEST_SCHEME", "ws"}},
		{"http", []string{"REQUEST_SCHEME", "https", "HTTPS", "off"}}, {"https", []string{"REQUEST_SCHEME", "http", "HTTPS", "on"}},
		{"http", []string{"HTTP_X_FORWARDED_PROTO", "https"}}, {"http", []string{"SERVER_PORT", "443"}}, // a client can say these
	} {
		env := &gateway.Environ{Vars: vars(c.change...)}
		if _, err := finish(env); err != nil || env.URLScheme != c.want {
			t.Errorf("%q: %s, %v, want %s", c.change, env.URLScheme, err, c.want)
		}
	}
}

func TestChunked(t *testing.T) { // R118
	t.Parallel()
	for value, want := range map[string]bool{"chunked": true, "Chunked": true, "gzip, chunked": true, "": false, "gzip": false} {
		if got := request.Chunked(&gateway.Environ{Vars: map[string]string{"HTTP_TRANSFER_ENCODING": value}}); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}
