package request_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/request"
)

// build returns the variables of a Builder that was given these, without Finish's defaults, and the
// error of the last Add.
func build(add [][2]string) (vars map[string]string, err error) {
	var b request.Builder
	for _, v := range add {
		err = b.Add(v[0], v[1])
	}
	env := new(gateway.Environ)
	_, _ = b.Finish(env)
	for _, name := range []string{"SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"} {
		delete(env.Vars, name)
	}
	return env.Vars, err
}

func TestAddCombinesWhatIsRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		add  [][2]string
		want map[string]string // nil is ErrMalformed
	}{
		{"headers, in order (C28)", [][2]string{{"HTTP_ACCEPT", "a"}, {"HTTP_ACCEPT", "b"}, {"HTTP_ACCEPT", "c"}},
			map[string]string{"HTTP_ACCEPT": "a, b, c"}},
		{"cookies", [][2]string{{"HTTP_COOKIE", "a=1"}, {"HTTP_COOKIE", "b=2"}}, map[string]string{"HTTP_COOKIE": "a=1; b=2"}},
		{"empty headers", [][2]string{{"HTTP_X", ""}, {"HTTP_X", "a"}, {"HTTP_X", ""}, {"HTTP_X", "b"}}, map[string]string{"HTTP_X": "a, b"}},
		{"an empty header is there (R34)", [][2]string{{"HTTP_X", ""}}, map[string]string{"HTTP_X": ""}},
		{"others: the last counts", [][2]string{{"SCRIPT_NAME", "/a"}, {"SCRIPT_NAME", "/b"}, {"X", "1"}, {"X", ""}},
			map[string]string{"SCRIPT_NAME": "/b", "X": ""}},
		{"two lengths that are equal", [][2]string{{"CONTENT_LENGTH", "5"}, {"CONTENT_LENGTH", "5"}}, map[string]string{"CONTENT_LENGTH": "5"}},
		{"an empty length first", [][2]string{{"CONTENT_LENGTH", ""}, {"CONTENT_LENGTH", "5"}}, map[string]string{"CONTENT_LENGTH": "5"}},
		{"two lengths that differ", [][2]string{{"CONTENT_LENGTH", "5"}, {"CONTENT_LENGTH", "6"}}, nil},
		{"two lengths, one empty", [][2]string{{"CONTENT_LENGTH", "5"}, {"CONTENT_LENGTH", ""}}, nil},
		{"two lengths of the same value", [][2]string{{"CONTENT_LENGTH", "5"}, {"CONTENT_LENGTH", "05"}}, nil},
		{"what never comes in", [][2]string{{"HTTP_PROXY", "http://evil"}, {"HTTP_CONTENT_TYPE", "a"}, {"HTTP_CONTENT_LENGTH", "9"}, {"HTTP_", "a"}},
			map[string]string{}},
		{"what only looks like it", [][2]string{{"HTTP_PROXY_X", "a"}, {"PROXY", "b"}, {"http_proxy", "c"}, {"HTTP_CONTENT_TYPES", "d"}},
			map[string]string{"HTTP_PROXY_X": "a", "PROXY": "b", "http_proxy": "c", "HTTP_CONTENT_TYPES": "d"}},
		{"what no host makes of a header's name", [][2]string{{"HTTP_X-USER", "admin"}, {"HTTP_X_USER", "alice"}, {"HTTP_x_user", "admin"},
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
		{"the host: the last counts", [][2]string{{"HTTP_HOST", "a"}, {"HTTP_HOST", "a:8240"}}, map[string]string{"HTTP_HOST": "a:8240"}},
		{"a path with LF, which is lawful", [][2]string{{"PATH_INFO", "/a\nb"}}, map[string]string{"PATH_INFO": "/a\nb"}},
	} {
		vars, err := build(c.add)
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
					err := new(request.Builder).Add("HTTP_X", string(value))
					if want := c == '\n' || c == '\r' || c == 0; want != (err != nil) {
						t.Fatalf("%q: %v", value, err)
					}
				}
			}
		}
	}
}

// Whatever two headers are called, neither is lost nor taken for the other; and each is one,
// however often it comes.
func TestHeadersOfManyNames(t *testing.T) {
	t.Parallel()
	want := map[string]string{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.0", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
	built := request.Builder{Limits: request.Limits{MaxHeaders: -1}}
	_ = built.Add("REQUEST_METHOD", "GET")
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
	env := new(gateway.Environ)
	if _, err := built.Finish(env); err != nil || !maps.Equal(env.Vars, want) {
		t.Errorf("%v, want %v, %v", env.Vars, want, err)
	}
}

func TestNamesOfVariables(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"A", "proxy-nokeepalive", "HTTP_X", "ProgramFiles(x86)", "BASH_FUNC_f%%", "\xff\xe9", "a.b:c/d"} {
		if err := new(request.Builder).Add(name, ""); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"A B", "A=B", "=", "A\nB", "A\rB", "\x00", "A\tB", "\x7f", "A\x1f"} {
		if err := new(request.Builder).Add(name, ""); !errors.Is(err, request.ErrMalformed) || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTheErrorOfAddCannotForgeALogEntry(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"HTTP_X\nforged", "HTTP_\x1b[2J", "X\u0085forged", "REDIRECT_HTTP_\nforged"} {
		err := new(request.Builder).AddEnviron([]string{name + "=\n\x00"})
		if err == nil || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("%.20q: %.80q", name, err)
		}
	}
}

// finish is what a server does with variables.
func finish(env *gateway.Environ) (length int64, err error) {
	var b request.Builder
	for name, value := range env.Vars {
		_ = b.Add(name, value)
	}
	return b.Finish(env)
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
		{"REQUEST_URI", "*"}, {"REQUEST_URI", "a:b"}, {"REQUEST_URI", "example.com:443"},
		{"REQUEST_URI", "://x/"}, {"REQUEST_URI", "?q"},
		{"REQUEST_URI", "**", "REQUEST_METHOD", "OPTIONS"}, {"PATH_INFO", "*", "REQUEST_METHOD", "POST"},
		{"REQUEST_URI", "*", "REQUEST_METHOD", "options"},
		{"HTTP_HOST", "a b"}, {"HTTP_HOST", "example.com/x"}, {"HTTP_HOST", "user@example.com"},
		{"HTTP_HOST", "é"}, {"HTTP_HOST", "a, b"},
		{"REQUEST_URI", "/a\x00b"}, {"QUERY_STRING", "a\nb"}, {"CONTENT_TYPE", "a\rb"},
		{"SERVER_NAME", "a\x00"}, {"SERVER_PORT", "80\n"},
		{"REMOTE_USER", "alice\r\nroot"}, {"REMOTE_USER", "\x00"}, {"REMOTE_ADDR", "127.0.0.1\n"}, {"AUTH_TYPE", "Basic\x00"},
		{"CONTENT_LENGTH", "0", "HTTP_CONTENT_LENGTH", "9"}, {"CONTENT_LENGTH", "9", "HTTP_CONTENT_LENGTH", "10"}, // half an upload
		{"CONTENT_LENGTH", "-1"}, {"CONTENT_LENGTH", "+5"}, {"CONTENT_LENGTH", " 5"}, {"CONTENT_LENGTH", "0x10"},
		{"CONTENT_LENGTH", "5, 5"}, {"CONTENT_LENGTH", "5.0"}, {"CONTENT_LENGTH", strings.Repeat("9", 30)}, {"CONTENT_LENGTH", " "},
	} {
		length, err := finish(&gateway.Environ{Vars: vars(change...)})
		if !errors.Is(err, request.ErrMalformed) || length != -1 && change[1] != strconv.FormatInt(length, 10) {
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
		{"PATH_INFO", "/.."}, {"QUERY_STRING", "\xff%"}, {"SCRIPT_NAME", "x"}, {"SERVER_PORT", "none"},
		{"HTTP_HOST", ""}, {"HTTP_HOST", "[::1]:80"}, {"HTTP_HOST", "under_score.example:8000"}, {"HTTP_HOST", "a%20b"},
		{"REQUEST_URI", ""}, {"REQUEST_URI", "-"}, {"REQUEST_URI", "//"},
		{"REQUEST_URI", "http://example.com"}, {"REQUEST_URI", "HTTPS://a/b:c"},
		{"REQUEST_URI", "*", "REQUEST_METHOD", "OPTIONS"}, {"REQUEST_METHOD", "connect"},
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

// A client takes a 2xx for CONNECT, and all that follows, for the bytes of a tunnel.
func TestATunnelIsRefused(t *testing.T) {
	t.Parallel()
	for _, change := range [][]string{
		{}, {"REQUEST_URI", "example.com:443"}, {"PATH_INFO", "example.com:443"}, {"REQUEST_URI", "*"},
		{"CONTENT_LENGTH", "5"},
	} {
		_, err := finish(&gateway.Environ{Vars: vars(append(change, "REQUEST_METHOD", "CONNECT")...)})
		if err != request.ErrConnect {
			t.Errorf("%q: %v, want ErrConnect", change, err)
		}
	}
	_, err := finish(&gateway.Environ{Vars: vars("REQUEST_METHOD", "CONNECT", "HTTP_X", "\n")})
	if !errors.Is(err, request.ErrMalformed) {
		t.Errorf("with a malformed header: %v", err)
	}
}

// OPTIONS * is about the server as a whole, and for no path of it.
func TestOptionsOfTheServerHasNoPath(t *testing.T) {
	t.Parallel()
	env := &gateway.Environ{Vars: vars("REQUEST_METHOD", "OPTIONS", "REQUEST_URI", "*", "PATH_INFO", "*")}
	if _, err := finish(env); err != nil || env.Vars["PATH_INFO"] != "" || env.Vars["REQUEST_URI"] != "*" {
		t.Errorf("%q, %v", env.Vars, err)
	}
}

// C23, C17: HAProxy puts the port into SERVER_NAME, and hosts differ in the brackets of IPv6.
func TestAddressesHaveOneForm(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"SERVER_NAME", "::1", "[::1]"}, {"SERVER_NAME", "[::1]:8000", "[::1]"},
		{"SERVER_NAME", "example.com:8000", "example.com"},
		{"SERVER_NAME", "example.com", "example.com"}, {"SERVER_NAME", ":80", "localhost"},
		{"REMOTE_ADDR", "[::1]", "::1"}, {"REMOTE_ADDR", "::1", "::1"}, {"REMOTE_ADDR", "192.0.2.1:80", "192.0.2.1"},
		{"REMOTE_ADDR", "192.0.2.1", "192.0.2.1"}, {"REMOTE_ADDR", "unix:", "unix:"},
	} {
		env := &gateway.Environ{Vars: vars(c[0], c[1])}
		if _, err := finish(env); err != nil || env.Vars[c[0]] != c[2] {
			t.Errorf("%s %q became %q, %v, want %q", c[0], c[1], env.Vars[c[0]], err, c[2])
		}
	}
}

// C1, C28: a value that has another line in it is refused under every name, but for values that
// lawfully have lines.
func TestNoVariableBringsAnotherLine(t *testing.T) {
	t.Parallel()
	var line, path, free = []string{"HTTP_X", "REMOTE_USER", "REMOTE_HOST", "SERVER_SOFTWARE",
		"REDIRECT_HTTP_AUTHORIZATION", "Authorization",
		"REDIRECT_REDIRECT_QUERY_STRING", "HTTP_X_CERT", "REMOTE_PORT", "HTTPS"},
		[]string{"PATH_INFO", "SCRIPT_NAME", "SCRIPT_FILENAME", "PATH_TRANSLATED", "DOCUMENT_URI",
			"REDIRECT_URL", "ORIG_PATH_INFO", "SSL_CLIENT_CERT"},
		[]string{"X_CUSTOM", "HTTP", "PS1"} // of a deployer, or of a process
	for _, c := range []struct {
		names         []string
		byAdd, byList bool // refused
	}{{line, true, true}, {free, true, false}, {path, false, false}} {
		for _, name := range c.names {
			for _, br := range []string{"\n", "\r", "\x00"} {
				var b, list request.Builder
				value := "/a" + br + "b"
				if err := b.Add(name, value); errors.Is(err, request.ErrMalformed) != (c.byAdd || br == "\x00") {
					t.Errorf("Add(%s, %q): %v", name, value, err)
				}
				err := list.AddEnviron([]string{name + "=" + value})
				if errors.Is(err, request.ErrMalformed) != (c.byList || br == "\x00") {
					t.Errorf("AddEnviron(%s=%q): %v", name, value, err)
				}
			}
		}
	}
}

// BusyBox decodes REQUEST_URI, so that a lawful path can have a line break there.
func TestATargetThatWasDecodedIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, br := range []string{"\n", "\r", "\r\n"} {
		var b request.Builder
		for _, v := range [][2]string{{"REQUEST_METHOD", "GET"}, {"PATH_INFO", "/a" + br},
			{"REQUEST_URI", "a:b"}, {"REQUEST_URI", "/a" + br}} {
			_ = b.Add(v[0], v[1])
		}
		env := new(gateway.Environ)
		if _, err := b.Finish(env); err != nil || env.Vars["PATH_INFO"] != "/a"+br {
			t.Errorf("%q: %q, %v", br, env.Vars, err)
		}
		if target, found := env.Vars["REQUEST_URI"]; found {
			t.Errorf("REQUEST_URI is %q", target)
		}
	}
}

func TestTheScheme(t *testing.T) { // R43
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

func TestIsChunked(t *testing.T) { // R118
	t.Parallel()
	for value, want := range map[string]bool{"chunked": true, "Chunked": true, "gzip, chunked": true, "": false, "gzip": false} {
		if got := request.IsChunked(&gateway.Environ{Vars: map[string]string{"HTTP_TRANSFER_ENCODING": value}}); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}

// A client that sends a thousand headers of one name must not keep a server busy: the time is
// linear in their size.
func TestRepeatedHeadersTakeLinearMemory(t *testing.T) {
	line := strings.Repeat("x", 1000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var built request.Builder
	for range 980 {
		_ = built.Add("HTTP_X", line)
	}
	if _, err := built.Finish(new(gateway.Environ)); errors.Is(err, request.ErrHeaderTooLarge) {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 20<<20 {
		t.Errorf("980 lines of 1 kB allocate %d bytes", bytes)
	}
}

func TestLimitsOfABuilder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		limits request.Limits
		add    [][2]string
		want   error
	}{
		{"as many as allowed", request.Limits{MaxHeaders: 3}, [][2]string{{"A", ""}, {"A", ""}}, nil},
		{"one more", request.Limits{MaxHeaders: 3}, [][2]string{{"A", ""}, {"A", ""}, {"HTTP_PROXY", ""}}, request.ErrHeaderTooLarge},
		{"as large as allowed", request.Limits{MaxHeaderBytes: 20}, [][2]string{{"A", "12"}}, nil},
		{"one byte more", request.Limits{MaxHeaderBytes: 20}, [][2]string{{"A", "123"}}, request.ErrHeaderTooLarge},
		{"the size comes before what is malformed", request.Limits{MaxHeaders: 2}, [][2]string{{"HTTP_A", "\n"}, {"B", ""}}, request.ErrHeaderTooLarge},
		{"a body as long as allowed", request.Limits{MaxBodyBytes: 5}, [][2]string{{"CONTENT_LENGTH", "5"}}, nil},
		{"a longer one", request.Limits{MaxBodyBytes: 5}, [][2]string{{"CONTENT_LENGTH", "6"}}, request.ErrBodyTooLarge},
		{"by default", request.Limits{}, slices.Repeat([][2]string{{"A", ""}}, 1000), request.ErrHeaderTooLarge},
		{"none", request.Limits{MaxHeaders: -1, MaxHeaderBytes: -1}, slices.Repeat([][2]string{{"A", strings.Repeat("a", 2000)}}, 1000), nil},
	} {
		b := request.Builder{Limits: c.limits}
		_ = b.Add("REQUEST_METHOD", "GET")
		for _, v := range c.add {
			_ = b.Add(v[0], v[1])
		}
		if _, err := b.Finish(new(gateway.Environ)); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestAddEnvironTakesWhatTheSystemLetThrough(t *testing.T) {
	t.Parallel()
	var b request.Builder
	if err := b.AddEnviron([]string{"REQUEST_METHOD=GET", "=C:=C:\\dir", "none", "=", "A B=c", "X=a=b", "HTTP_Proxy=x"}); err != nil {
		t.Fatal(err)
	}
	env := new(gateway.Environ)
	if _, err := b.Finish(env); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"REQUEST_METHOD": "GET", "A B": "c", "X": "a=b",
		"SERVER_PROTOCOL": "HTTP/1.0", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
	if !maps.Equal(env.Vars, want) {
		t.Errorf("%q, want %q", env.Vars, want)
	}
}

func TestAddHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		add  [][2]string
		want map[string]string // nil is ErrMalformed
	}{
		{[][2]string{{"accept", "a"}, {"Accept", "b"}, {"X-Forwarded-For", "c"}}, map[string]string{"HTTP_ACCEPT": "a, b", "HTTP_X_FORWARDED_FOR": "c"}},
		{[][2]string{{"cookie", "a"}, {"COOKIE", "b"}}, map[string]string{"HTTP_COOKIE": "a; b"}},
		{[][2]string{{"content-type", "a/b"}, {"content-LENGTH", "5"}}, map[string]string{"CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "5"}},
		{[][2]string{{"Proxy", "x"}, {"PROXY", "x"}, {"X_User", "x"}, {"Transfer-Encoding", "chunked"}}, map[string]string{}},
		{[][2]string{{"", "x"}}, nil},
		{[][2]string{{"a b", "x"}}, nil},
		{[][2]string{{"Content-Length ", "5"}}, nil},
		{[][2]string{{"a:", "x"}}, nil},
		{[][2]string{{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}, nil},
		{[][2]string{{"content-length", "5"}, {"transfer-encoding", "x"}}, nil},
		{[][2]string{{"Host", "a"}, {"host", "a"}}, map[string]string{"HTTP_HOST": "a"}},
		{[][2]string{{"Host", "a"}, {"host", "b"}}, nil},
		{[][2]string{{"Content-Length", "5"}, {"Content-Length", "6"}}, nil},
		{[][2]string{{"X", "a\nb"}}, nil},
	} {
		var b request.Builder
		for _, field := range c.add {
			_ = b.AddHeader(field[0], field[1])
		}
		env := new(gateway.Environ)
		_ = b.Add("REQUEST_METHOD", "GET")
		_, err := b.Finish(env)
		for _, name := range []string{"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"} {
			delete(env.Vars, name)
		}
		if (c.want == nil) != errors.Is(err, request.ErrMalformed) || c.want != nil && !maps.Equal(env.Vars, c.want) {
			t.Errorf("%q: %q, %v, want %q", c.add, env.Vars, err, c.want)
		}
	}
}

// What the Builder leaves out, or refuses, has been read all the same.
func TestTheLimitsCountWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	for name, add := range map[string]func(b *request.Builder) error{
		"a header with an underscore":  func(b *request.Builder) error { return b.AddHeader("X_User", long) },
		"a header that is no token":    func(b *request.Builder) error { return b.AddHeader("a b", long) },
		"Proxy":                        func(b *request.Builder) error { return b.AddHeader("Proxy", long) },
		"HTTP_PROXY":                   func(b *request.Builder) error { return b.Add("HTTP_PROXY", long) },
		"a variable that is malformed": func(b *request.Builder) error { return b.Add("A B", long) },
		"a variable without a name":    func(b *request.Builder) error { return b.Add("", long) },
		"an environment":               func(b *request.Builder) error { return b.AddEnviron([]string{"A B=" + long}) },
	} {
		for _, limits := range []request.Limits{{MaxHeaders: 10}, {MaxHeaderBytes: 10_000}} {
			b := request.Builder{Limits: limits}
			var err error
			n := 0
			for ; n < 20 && !errors.Is(err, request.ErrHeaderTooLarge); n++ {
				err = add(&b)
			}
			if n < 10 || n > 11 {
				t.Errorf("%s: after %d the error is %v", name, n, err)
			}
		}
	}
}
