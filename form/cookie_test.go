package form_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/form"
)

var cookieHeaders = []struct {
	header string
	want   [][2]string
}{
	{"", nil},
	{"a=1", [][2]string{{"a", "1"}}},
	{"a=1; b=2;c=3 ;\td=4", [][2]string{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}},
	{"a=1; a=2", [][2]string{{"a", "1"}, {"a", "2"}}},
	{";; ;a=1;", [][2]string{{"a", "1"}}},
	{"a=; b = 2", [][2]string{{"a", ""}, {"b", " 2"}}},
	{`a="1 2"; b="; c=""; d="x`, [][2]string{{"a", "1 2"}, {"c", ""}}},
	{`a="b;c"`, nil}, // a semicolon ends a cookie inside quotes, too
	{`a=1"2; b=\x; c={"x":1}`, nil},
	{"a=b=c==; b=%20%3B", [][2]string{{"a", "b=c=="}, {"b", "%20%3B"}}}, // nothing is decoded
	{"a=1, b=2", [][2]string{{"a", "1, b=2"}}},
	{"A=1; a=2", [][2]string{{"A", "1"}, {"a", "2"}}},
	{"bare; =nameless; a b=1; a@b=1; \u00e9=1", nil},
	{"a=\u00e9; b=\x00; c=\x7f; d=\r\n; e=1", [][2]string{{"e", "1"}}},
	{"$Version=1; a=1; $Path=/", [][2]string{{"$Version", "1"}, {"a", "1"}, {"$Path", "/"}}},
	// A cookie that anybody can set does not pass for one with a prefix (CVE-2020-8184, and white
	// space that is not ASCII).
	{"__%48ost-a=evil; \u00a0__Host-a=evil; \u2000__Host-a=evil; \v__Host-a=evil; __Host-a",
		[][2]string{{"__%48ost-a", "evil"}}},
	{"  __Host-a=1", [][2]string{{"__Host-a", "1"}}},
	{"__host-a=1", [][2]string{{"__host-a", "1"}}},
}

func TestCookies(t *testing.T) {
	t.Parallel()
	for _, c := range cookieHeaders {
		if got := cookies(withCookies(c.header)); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.header, got, c.want)
		}
	}
}

func withCookies(header string) *gateway.Environ {
	return &gateway.Environ{Vars: map[string]string{"HTTP_COOKIE": header}}
}

func TestACookieIsTheFirstOfItsName(t *testing.T) {
	t.Parallel()
	env := withCookies("A=0; b=1; a=2; a=3; c")
	for name, want := range map[string]string{"a": "2", "A": "0", "b": "1", "c": "", "d": "",
		"": ""} {
		if got := form.Cookie(env, name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// The server bounds what cookies there are. Walking them takes no memory.
func TestManyAndLargeCookies(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&b, "c%d=%d; ", i, i)
	}
	env := withCookies(b.String() + "large=" + strings.Repeat("x", 4096))
	if n := len(cookies(env)); n != 10001 || form.Cookie(env, "c9999") != "9999" ||
		len(form.Cookie(env, "large")) != 4096 {
		t.Errorf("%d cookies", n)
	}
}

// TestCookiesTakeNoMemory is not parallel: it counts for the whole process.
func TestCookiesTakeNoMemory(t *testing.T) {
	env := withCookies("a=1; b=2; c=3")
	if n := testing.AllocsPerRun(100, func() { form.Cookie(env, "c") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var setCookies = []struct {
	cookie form.SetCookie
	want   string // "": it is refused
	text   string // in the error
}{
	{form.SetCookie{Name: "a", Value: "1"}, "a=1", ""},
	{form.SetCookie{Name: "a"}, "a=", ""},
	{form.SetCookie{Name: "__Host-id", Value: "x-_.~!#$%&'()*+/:<=>?@[]^`{|}", Path: "/",
		MaxAge: time.Hour, HttpOnly: true,
		Secure: true, SameSite: "Strict"},
		"__Host-id=x-_.~!#$%&'()*+/:<=>?@[]^`{|}; Path=/; Max-Age=3600; " +
			"HttpOnly; Secure; SameSite=Strict", ""},
	{form.SetCookie{Name: "a", Value: "1", Path: "/a b,c=", Domain: "a-1.example.com",
		Expires: time.Date(2026, 12, 1, 1, 2, 3, 0, time.FixedZone("", 3600))},
		"a=1; Path=/a b,c=; Domain=a-1.example.com; Expires=Tue, 01 Dec 2026 00:02:03 GMT", ""},
	{form.SetCookie{Name: "a", MaxAge: time.Nanosecond}, "a=; Max-Age=1",
		""}, // and not 0, which deletes
	{form.SetCookie{Name: "a", MaxAge: 1001 * time.Millisecond}, "a=; Max-Age=2", ""},
	{form.SetCookie{Name: "a", MaxAge: time.Second}, "a=; Max-Age=1", ""},
	{form.SetCookie{Name: "a", MaxAge: -1}, "a=; Max-Age=0", ""},
	{form.SetCookie{Name: "a", MaxAge: 1<<63 - 1}, "a=; Max-Age=9223372037", ""},
	{form.SetCookie{Name: "a", Expires: time.Unix(0, 0)},
		"a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""},
	{form.SetCookie{Name: "a", Secure: true, SameSite: "None"}, "a=; Secure; SameSite=None", ""},
	{form.SetCookie{Name: "a", SameSite: "Lax"}, "a=; SameSite=Lax", ""},
	{form.SetCookie{Name: "__Secure-a", Secure: true, Domain: "example.com", Path: "/x"},
		"__Secure-a=; Path=/x; Domain=example.com; Secure", ""},
	{form.SetCookie{Name: "__HostA"}, "__HostA=", ""},

	{form.SetCookie{}, "", `"": the name is not a token`},
	{form.SetCookie{Name: "a b"}, "", `"a b": the name is not a token`},
	{form.SetCookie{Name: "a=b"}, "", "the name is not a token"},
	{form.SetCookie{Name: "é"}, "", "the name is not a token"},
	{form.SetCookie{Name: "a", Value: "1 2"}, "", "encode it"},
	{form.SetCookie{Name: "a", Value: "1,2"}, "", "encode it"},
	{form.SetCookie{Name: "a", Value: `"1"`}, "", "encode it"},
	{form.SetCookie{Name: "a", Value: `1\2`}, "", "encode it"},
	{form.SetCookie{Name: "a", Value: "1; Domain=evil.example"}, "", "encode it"},
	{form.SetCookie{Name: "a", Value: "1\r\nSet-Cookie: b=2"}, "", "encode it"},
	{form.SetCookie{Name: "a", Value: "1\x00"}, "", "encode it"},
	{form.SetCookie{Name: "a", Value: "\x7f"}, "", "encode it"},
	{form.SetCookie{Name: "a", Value: "é"}, "", "encode it"},
	{form.SetCookie{Name: "a", Path: "x"}, "", "the path"},
	{form.SetCookie{Name: "a", Path: "/; Secure"}, "", "the path"},
	{form.SetCookie{Name: "a", Path: "/\n"}, "", "the path"},
	{form.SetCookie{Name: "a", Path: "/é"}, "", "the path"},
	{form.SetCookie{Name: "a", Path: "/a "}, "", "the path"},
	{form.SetCookie{Name: "a", Path: "/" + strings.Repeat("x", 1024)}, "", "the path"},
	{form.SetCookie{Name: "a", Domain: ".example.com"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: "example.com."}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: "example.com:80"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: "example.com; Path=/"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: "a_b.example"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: "-a.example"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: "a-.example"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: "a\r.example"}, "",
		"the domain"}, // 0x0D is "-" without the bit of lower case
	{form.SetCookie{Name: "a", Domain: "a\x10.example"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: "192.0.2.1"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: "[::1]"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: strings.Repeat("a", 64) + ".example"}, "", "the domain"},
	{form.SetCookie{Name: "a", Domain: strings.Repeat("a.", 130) + "example"}, "", "the domain"},
	{form.SetCookie{Name: "a", Expires: time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)}, "",
		"Expires"},
	{form.SetCookie{Name: "a", Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "",
		"Expires"},
	{form.SetCookie{Name: "a", SameSite: "lax"}, "", "SameSite is not"},
	{form.SetCookie{Name: "a", SameSite: "Lax; Secure"}, "", "SameSite is not"},
	{form.SetCookie{Name: "a", SameSite: "None"}, "", "needs Secure"},
	{form.SetCookie{Name: "__Secure-a"}, "", "needs Secure"},
	{form.SetCookie{Name: "__SECURE-a"}, "", "needs Secure"}, // browsers ignore the case
	{form.SetCookie{Name: "__Host-a", Path: "/"}, "", "needs Secure"},
	{form.SetCookie{Name: "__Host-a", Secure: true}, "", `__Host- needs the path "/"`},
	{form.SetCookie{Name: "__host-a", Secure: true, Path: "/x"}, "", `__Host- needs the path "/"`},
	{form.SetCookie{Name: "__Host-a", Secure: true, Path: "/", Domain: "example.com"}, "",
		"no domain"},
}

func TestSetCookies(t *testing.T) {
	t.Parallel()
	for _, c := range setCookies {
		got, err := c.cookie.Encode()
		if got != c.want || !strings.Contains(text(err), c.text) ||
			(err != nil) != (c.want == "") || err != nil && !errors.Is(err, form.ErrCookie) {
			t.Errorf("%+v: %q, %v\nwant %q, %q", c.cookie, got, err, c.want, c.text)
		}
	}
}

// A browser takes 4096 bytes of a name and a value, and drops more without a word.
func TestTheSizeOfACookie(t *testing.T) {
	t.Parallel()
	if _, err := (form.SetCookie{Name: "four", Value: strings.Repeat("x",
		4092)}).Encode(); err != nil {
		t.Error(err)
	}
	if line, err := (form.SetCookie{Name: "four", Value: strings.Repeat("x",
		4093)}).Encode(); line != "" || !errors.Is(err, form.ErrCookie) {
		t.Errorf("%d bytes, %v", len(line), err)
	}
}
