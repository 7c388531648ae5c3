package gateway_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/gateway"
)

func TestShiftPath(t *testing.T) {
	t.Parallel()
	// The first inputs are those of wsgiref's tests. wsgiref resolves "..", "." and empty segments.
	// ShiftPath does not, since "/.." would climb out of the prefix under which the application is
	// mounted. Where wsgiref returns None, ShiftPath returns "".
	type result struct{ segment, script, path string }
	for _, c := range []struct {
		script, path string
		want         result
		python       *result // the result of wsgiref, if it differs
	}{
		{"", "/", result{"", "/", ""}, nil},
		{"", "/x", result{"x", "/x", ""}, nil},
		{"/", "", result{"", "/", ""}, nil}, // None
		{"/a", "/x/y", result{"x", "/a/x", "/y"}, nil},
		{"/a", "/x/", result{"x", "/a/x", "/"}, nil},

		{"/a/b", "/../y", result{"..", "/a/b/..", "/y"}, &result{"..", "/a", "/y"}},
		{"", "/../y", result{"..", "/..", "/y"}, &result{"..", "", "/y"}},
		{"/a/b", "//y", result{"", "/a/b/", "/y"}, &result{"y", "/a/b/y", ""}},
		{"/a/b", "//y/", result{"", "/a/b/", "/y/"}, &result{"y", "/a/b/y", "/"}},
		{"/a/b", "/./y", result{".", "/a/b/.", "/y"}, &result{"y", "/a/b/y", ""}},
		{"/a/b", "/./y/", result{".", "/a/b/.", "/y/"}, &result{"y", "/a/b/y", "/"}},
		{"/a/b", "///./..//y/.//", result{"", "/a/b/", "//./..//y/.//"}, &result{"..", "/a", "/y/"}},
		{"/a/b", "///", result{"", "/a/b/", "//"}, &result{"", "/a/b/", ""}},
		{"/a/b", "/.//", result{".", "/a/b/.", "//"}, &result{"", "/a/b/", ""}},
		{"/a/b", "/x//", result{"x", "/a/b/x", "//"}, &result{"x", "/a/b/x", "/"}},
		{"/a/b", "/.", result{".", "/a/b/.", ""}, &result{"", "/a/b", ""}}, // None

		// wsgiref does not test these.
		{"", "", result{"", "", ""}, nil},
		{"/blog", "/2026/11", result{"2026", "/blog/2026", "/11"}, nil},
		{"", "/%2F/x", result{"%2F", "/%2F", "/x"}, nil},
		{"", "/caf\xe9/x", result{"caf\xe9", "/caf\xe9", "/x"}, nil},
		{"/a", "x/y", result{"x", "/ax", "/y"}, nil}, // no leading slash: C14 has no such path
		{"/a", "x", result{"x", "/ax", ""}, nil},
	} {
		env := &gateway.Environ{Vars: map[string]string{"SCRIPT_NAME": c.script, "PATH_INFO": c.path}}
		got := result{segment: env.ShiftPath()}
		got.script, got.path = env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"]
		if got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.script, c.path, got, c.want)
		}
		if c.python != nil && got == *c.python {
			t.Errorf("%q, %q: the result is that of wsgiref", c.script, c.path)
		}
	}
	if got := new(gateway.Environ).ShiftPath(); got != "" {
		t.Errorf("without variables: %q", got)
	}
}

// The first inputs are those of wsgiref's tests of request_uri and application_uri, with the host
// and the port that its setup_testing_defaults sets.
func TestURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want string
		vars map[string]string
	}{
		{"http://127.0.0.1/", map[string]string{"PATH_INFO": "/"}},
		{"http://127.0.0.1/spam", map[string]string{"SCRIPT_NAME": "/spam"}},
		{"http://127.0.0.1/sp%E4m", map[string]string{"SCRIPT_NAME": "/sp\xe4m"}},
		{"http://127.0.0.1/spammity/spam", map[string]string{"SCRIPT_NAME": "/spammity", "PATH_INFO": "/spam"}},
		{"http://127.0.0.1/spammity/sp%E4m", map[string]string{"SCRIPT_NAME": "/spammity", "PATH_INFO": "/sp\xe4m"}},
		{"http://127.0.0.1/spammity/spam;ham", map[string]string{"SCRIPT_NAME": "/spammity", "PATH_INFO": "/spam;ham"}},
		{"http://127.0.0.1/spammity/spam;cookie=1234,5678",
			map[string]string{"SCRIPT_NAME": "/spammity", "PATH_INFO": "/spam;cookie=1234,5678"}},
		{"http://127.0.0.1/spammity/spam?say=ni",
			map[string]string{"SCRIPT_NAME": "/spammity", "PATH_INFO": "/spam", "QUERY_STRING": "say=ni"}},
		{"http://127.0.0.1/spammity/spam?s%E4y=ni",
			map[string]string{"SCRIPT_NAME": "/spammity", "PATH_INFO": "/spam", "QUERY_STRING": "s%E4y=ni"}},

		{"http://spam.example.com:2071/", map[string]string{"HTTP_HOST": "spam.example.com:2071", "PATH_INFO": "/"}},
		{"http://spam.example.com/", map[string]string{"HTTP_HOST": "", "SERVER_NAME": "spam.example.com", "PATH_INFO": "/"}},
		{"http://127.0.0.1/", map[string]string{"SERVER_NAME": "spam.example.com", "PATH_INFO": "/"}},
		{"https://127.0.0.1/", map[string]string{"HTTPS": "on", "PATH_INFO": "/"}},
		{"http://127.0.0.1:8000/", map[string]string{"HTTP_HOST": "", "SERVER_PORT": "8000", "PATH_INFO": "/"}},
		// application_uri adds a slash to an empty SCRIPT_NAME. PEP 3333's algorithm does not.
		{"http://127.0.0.1", nil},

		{"https://127.0.0.1", map[string]string{"HTTPS": "on", "HTTP_HOST": "", "SERVER_PORT": "443"}},
		{"https://127.0.0.1:80", map[string]string{"HTTPS": "on", "HTTP_HOST": "", "SERVER_PORT": "80"}},
		{"http://127.0.0.1:443", map[string]string{"HTTP_HOST": "", "SERVER_PORT": "443"}},
		{"http://127.0.0.1", map[string]string{"HTTP_HOST": "", "SERVER_PORT": ""}},
		{"http://[::1]:8000/", map[string]string{"HTTP_HOST": "", "SERVER_NAME": "::1",
			"SERVER_PORT": "8000", "PATH_INFO": "/"}},
		{"http://a.example:81/", map[string]string{"HTTP_HOST": "", "SERVER_NAME": "a.example:81",
			"SERVER_PORT": "81", "PATH_INFO": "/"}},
		{"http://127.0.0.1/a%20b%25%3F%23%2B%26%22%00%0D%0A%7F", map[string]string{"PATH_INFO": "/a b%?#+&\"\x00\r\n\x7f"}},
		{"http://127.0.0.1/caf%C3%A9/-._~;=,", map[string]string{"PATH_INFO": "/café/-._~;=,"}},
		{"http://127.0.0.1/?a=%20&b=é", map[string]string{"PATH_INFO": "/", "QUERY_STRING": "a=%20&b=é"}},
	} {
		env := &gateway.Environ{URLScheme: "http", Vars: map[string]string{
			"HTTP_HOST": "127.0.0.1", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80"}}
		if c.vars["HTTPS"] == "on" {
			env.URLScheme = "https"
		}
		maps.Copy(env.Vars, c.vars)
		if got := env.URL(); got != c.want {
			t.Errorf("%q: %s, want %s", c.vars, got, c.want)
		}
	}
}

func TestContentLengthOfARequestIsStrict(t *testing.T) {
	t.Parallel()
	env := &gateway.Environ{Vars: map[string]string{}}
	if n, err := env.ContentLength(); n != -1 || err != nil {
		t.Errorf("absent: %d, %v", n, err)
	}
	for value, want := range map[string]int64{"": -1, "0": 0, "5": 5, "005": 5, strings.Repeat("0", 30) + "7": 7,
		"9223372036854775807": 1<<63 - 1} {
		env.Vars["CONTENT_LENGTH"] = value
		if n, err := env.ContentLength(); n != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", value, n, err, want)
		}
	}
	for _, value := range append(slices.Clone(notLengths), " ", strings.Repeat("x", 1<<20)) {
		env.Vars["CONTENT_LENGTH"] = value
		n, err := env.ContentLength()
		if n != -1 || !errors.Is(err, gateway.ErrContentLength) {
			t.Errorf("%.40q: %d, %v, want ErrContentLength", value, n, err)
		} else if len(err.Error()) > 200 || hasControl(err.Error()) {
			t.Errorf("%.40q: an error of %d bytes: %.80q", value, len(err.Error()), err)
		}
	}
}

func TestHeaderOfARequest(t *testing.T) {
	t.Parallel()
	env := &gateway.Environ{Vars: map[string]string{
		"HTTP_ACCEPT": "a", "HTTP_X_Y_Z9": "xyz", "CONTENT_TYPE": "t", "CONTENT_LENGTH": "5", "HTTP_CONTENT_TYPES": "ts",
		"HTTP_" + strings.Repeat("LONG_", 50) + "X": "long", "REMOTE_ADDR": "secret",
	}}
	for _, c := range []struct{ name, want string }{
		{"Accept", "a"}, {"accept", "a"}, {"ACCEPT", "a"}, {"aCCePT", "a"}, {"X-Y-Z9", "xyz"}, {"x_y-z9", "xyz"},
		{"Content-Type", "t"}, {"content-type", "t"}, {"content_type", "t"}, {"CONTENT-LENGTH", "5"}, {"Content-Types", "ts"},
		{strings.Repeat("Long-", 50) + "x", "long"},
		{"", ""}, {"Remote-Addr", ""}, {"Missing", ""}, {"Accept ", ""}, {"HTTP-Accept", ""}, {"é", ""},
	} {
		if got := env.Header(c.name); got != c.want {
			t.Errorf("Header(%q) is %q, want %q", c.name, got, c.want)
		}
	}
	if got := new(gateway.Environ).Header("Accept"); got != "" {
		t.Errorf("without variables: %q", got)
	}
}

func TestAllWalksTheWholeDictionarySorted(t *testing.T) {
	t.Parallel()
	input, log := strings.NewReader(""), new(entryLog)
	env := &gateway.Environ{
		Vars:         map[string]string{"REQUEST_METHOD": "GET", "A": "1", "wsgi.errors": "of a client", "zz": "2"},
		URLScheme:    "https",
		Input:        input,
		Errors:       log,
		Multithread:  true,
		Multiprocess: false,
		RunOnce:      true,
		Extra:        map[string]any{"fcgi.role": 1},
	}
	want := map[string]any{ // R42-R51
		"REQUEST_METHOD": "GET", "A": "1", "zz": "2", "fcgi.role": 1,
		"wsgi.version": [2]int{1, 0}, "wsgi.url_scheme": "https", "wsgi.input": input, "wsgi.input_terminated": true,
		"wsgi.errors": log, "wsgi.multithread": true, "wsgi.multiprocess": false, "wsgi.run_once": true,
	}
	got := map[string]any{}
	var keys []string
	for key, value := range env.All() {
		keys = append(keys, key)
		got[key] = value
	}
	if !slices.IsSorted(keys) || len(keys) != len(want) {
		t.Errorf("the keys are %q", keys)
	}
	if !maps.Equal(got, want) {
		t.Errorf("the values are %v, want %v", got, want)
	}
	for key := range env.All() {
		if key != "A" {
			t.Errorf("the first key is %q", key)
		}
		break
	}
	if n := len(maps.Collect(new(gateway.Environ).All())); n != 8 {
		t.Errorf("an empty environ has %d keys", n)
	}
}

// R42, R53: the keys that All adds begin with "wsgi.". A key of Extra does not hide one of them.
func TestTheKeysOfTheDictionary(t *testing.T) {
	t.Parallel()
	env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET"}, URLScheme: "https",
		Extra: map[string]any{"fcgi.role": "responder", "wsgi.url_scheme": "gopher", "wsgi.version": 2}}
	all := maps.Collect(env.All())
	if all["wsgi.version"] != [2]int{1, 0} || all["wsgi.url_scheme"] != "https" || all["fcgi.role"] != "responder" {
		t.Errorf("%v", all)
	}
	form := regexp.MustCompile(`^[a-z0-9]+\.[a-z0-9_.]+$`)
	for key := range all {
		if _, found := env.Vars[key]; !found && !form.MatchString(key) {
			t.Errorf("the key %q has not the form of R53", key)
		}
	}
}

// R124, R126: the methods of an Environ look at its fields when they are called, and keep nothing.
func TestFunctionsOfAnEnvironKeepNoCopy(t *testing.T) {
	t.Parallel()
	env := &gateway.Environ{
		Vars:      map[string]string{"HTTP_ACCEPT": "a", "CONTENT_LENGTH": "1", "SERVER_NAME": "one.example"},
		URLScheme: "http",
		Extra:     map[string]any{"my.thing": 1},
	}
	look := func() (string, int64, string) {
		n, err := env.ContentLength()
		if err != nil {
			t.Error(err)
		}
		return env.Header("Accept"), n, env.URL()
	}
	before := env.Clone()
	if accept, n, url := look(); accept != "a" || n != 1 || url != "http://one.example" {
		t.Errorf("%q, %d, %q", accept, n, url)
	}
	for range env.All() {
	}
	if !maps.Equal(env.Vars, before.Vars) || !maps.Equal(env.Extra, before.Extra) {
		t.Errorf("the methods have left %q, %v", env.Vars, env.Extra)
	}
	env.Vars["HTTP_ACCEPT"], env.Vars["CONTENT_LENGTH"], env.Vars["SERVER_NAME"] = "b", "2", "two.example"
	if accept, n, url := look(); accept != "b" || n != 2 || url != "http://two.example" {
		t.Errorf("after a change: %q, %d, %q", accept, n, url)
	}
}

func TestCloneHasMapsOfItsOwn(t *testing.T) {
	t.Parallel()
	type key struct{}
	env := (&gateway.Environ{
		Vars: map[string]string{"PATH_INFO": "/a/b"}, Extra: map[string]any{"x.y": 1}, Input: strings.NewReader(""),
		Errors: new(entryLog), URLScheme: "http", Multithread: true,
	}).WithContext(context.WithValue(t.Context(), key{}, "kept"))
	clone := env.Clone()
	clone.ShiftPath()
	clone.Vars["NEW"], clone.Extra["new"] = "1", 1
	if env.Vars["PATH_INFO"] != "/a/b" || len(env.Vars) != 1 || len(env.Extra) != 1 {
		t.Errorf("the original became %q, %v", env.Vars, env.Extra)
	}
	if clone.Vars["PATH_INFO"] != "/b" || clone.Extra["x.y"] != 1 || clone.Input != env.Input ||
		clone.Errors != env.Errors || clone.URLScheme != "http" || !clone.Multithread ||
		clone.Context().Value(key{}) != "kept" {
		t.Errorf("the clone is %v", clone)
	}
	if empty := new(gateway.Environ).Clone(); empty.Vars != nil || empty.Extra != nil || empty.Context() == nil {
		t.Errorf("the clone of nothing is %v", empty)
	}
}

func TestWithContext(t *testing.T) {
	t.Parallel()
	env := &gateway.Environ{Vars: map[string]string{}}
	if env.Context() != context.Background() {
		t.Error("the context of an environ that has none")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	with := env.WithContext(ctx)
	if with.Context() != ctx || env.Context() != context.Background() {
		t.Error("the contexts are mixed up")
	}
	if with.Vars["SHARED"] = "1"; env.Vars["SHARED"] != "1" {
		t.Error("Vars are not shared")
	}
	defer func() {
		if recover() == nil {
			t.Error("a nil context is taken")
		}
	}()
	var none context.Context
	env.WithContext(none)
}

// The inner application sees the context that middleware made. start and Input stay those of the
// response.
func TestMiddlewareHandsDownAContextOfItsOwn(t *testing.T) {
	t.Parallel()
	type key struct{}
	var inner *gateway.Environ
	var s script
	s.respond("GET", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		inner = env.WithContext(context.WithValue(env.Context(), key{}, "value"))
		return hello(text("a"), "200 OK", nil)(inner, start)
	})
	if inner.Context().Value(key{}) != "value" || inner.Input != s.env.Input {
		t.Error("the inner environ is not the outer one's copy")
	}
	if context.Cause(inner.Context()) != gateway.ErrEnded {
		t.Errorf("the inner context's cause is %v", context.Cause(inner.Context()))
	}
}

func TestInputPassesThroughWhatTheServerGives(t *testing.T) {
	t.Parallel()
	var s script
	s.respond("POST", func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		b, err := io.ReadAll(env.Input)
		if string(b) != "the request's body" || err != nil {
			t.Errorf("Input has %q, %v", b, err)
		}
		if n, err := env.Input.Read(make([]byte, 1)); n != 0 || err != io.EOF { // R58
			t.Errorf("a Read past the end returned %d, %v", n, err)
		}
		return hello(text("a"), "200 OK", nil)(env, start)
	})
	if s.err != nil {
		t.Error(s.err)
	}
}

// A richInput has methods that an application might be tempted to call.
type richInput struct {
	*strings.Reader // Seek, WriteTo, ReadAt, Len
	closed          bool
}

func (r *richInput) Close() error { r.closed = true; return nil }

// R63, R64: the application's Input has Read alone, whatever methods the server's Input has.
func TestInputHasOnlyRead(t *testing.T) {
	t.Parallel()
	input := &richInput{Reader: strings.NewReader("body")}
	env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "POST"}, Input: input}
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		for name, found := range map[string]bool{
			"Close":      is[io.Closer](env.Input),
			"Seek":       is[io.Seeker](env.Input),
			"WriteTo":    is[io.WriterTo](env.Input),
			"ReadAt":     is[io.ReaderAt](env.Input),
			"UnreadByte": is[io.ByteScanner](env.Input),
			"Len":        is[interface{ Len() int }](env.Input),
		} {
			if found {
				t.Errorf("Input has %s", name)
			}
		}
		return hello(text("a"), "200 OK", nil)(env, start)
	}
	err := gateway.Respond(gateway.ApplicationFunc(app), env, new(recorder))
	if err != nil || input.closed {
		t.Errorf("Respond returned %v; the server's Input was closed: %v", err, input.closed)
	}
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

// Input is the one field of an Environ that another goroutine may use.
func TestTheInputMayBeReadWhileTheResponseIsWritten(t *testing.T) {
	t.Parallel()
	var s script
	s.run("POST", func(s *script) { s.begin("200 OK", nil) }, func(s *script) {
		read := make(chan string)
		go func() {
			b, _ := io.ReadAll(s.env.Input)
			read <- string(b)
		}()
		s.send("a")
		s.send("b")
		if got := <-read; got != "the request's body" {
			t.Errorf("Input has %q", got)
		}
	})
	s.check(t, want{events: []string{plainHead, `"a"`, `"b"`, "close"}, errs: []error{nil}, going: []bool{true, true}})
}

func TestLatin1(t *testing.T) {
	t.Parallel()
	for native, text := range map[string]string{"": "", "plain": "plain", "caf\xe9": "café", "caf\xc3\xa9": "cafÃ©",
		"\x00\x7f\x80\xff": "\x00\x7f\u0080ÿ"} {
		if got := gateway.DecodeLatin1(native); got != text {
			t.Errorf("DecodeLatin1(%q) is %q, want %q", native, got, text)
		}
		if got, err := gateway.EncodeLatin1(text); got != native || err != nil {
			t.Errorf("EncodeLatin1(%q) is %q, %v, want %q", text, got, err, native)
		}
	}
	for text, want := range map[string]string{ // R105
		"abĀ":           "at byte 2 is not in Latin-1",
		"é€":            "'€' at byte 2 is not in Latin-1",
		"\U0001F600":    "at byte 0 is not in Latin-1",
		"a\uFFFD":       "at byte 1 is not in Latin-1",
		"a\xff":         "is not UTF-8 at byte 1",
		"\xc3":          "is not UTF-8 at byte 0",
		"é\xed\xa0\x80": "is not UTF-8 at byte 2", // a surrogate
	} {
		if got, err := gateway.EncodeLatin1(text); got != "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("EncodeLatin1(%q) is %q, %v, want an error that says %s", text, got, err, want)
		}
	}
}

func TestUTF8(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		native, text string
		ok           bool
	}{
		{"", "", true}, {"plain", "plain", true}, {"café", "café", true}, {"a\uFFFDb", "a\uFFFDb", true},
		{"caf\xe9", "caf\uFFFD", false}, {"\xff\xfe\xfda\xffb", "\uFFFDa\uFFFDb", false},
	} {
		if text, ok := gateway.DecodeUTF8(c.native); text != c.text || ok != c.ok {
			t.Errorf("DecodeUTF8(%q) is %q, %v, want %q, %v", c.native, text, ok, c.text, c.ok)
		}
	}
}
