package middleware_test

import (
	"context"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/middleware"
)

type proxies = middleware.Proxies

// from trusts the peers of the tests' requests, whose REMOTE_ADDR is 192.0.2.1.
var from = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("fe80::/10")}

// through returns the Environ that the application gets, and what was logged.
func through(t *testing.T, mw gateway.Middleware, env *environ) (inner *environ, logged string) {
	t.Helper()
	var log strings.Builder
	env.Errors = &log
	before := env.Clone()
	_, err := mw(appFunc(func(env *environ, _ start) (body, error) {
		inner = env
		return nil, nil
	})).Call(env, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(env, before) {
		t.Errorf("the caller's Environ is %+v, and was %+v", env, before)
	}
	return inner, log.String()
}

// with returns a request with headers, as "Name: value".
func with(headers ...string) *environ {
	env := gatewaytest.NewEnviron("GET", "/app/x?q", nil)
	env.Vars["REMOTE_PORT"], env.Vars["REMOTE_HOST"] = "40000", "proxy.example.net"
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		name = "HTTP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if old, found := env.Vars[name]; found {
			value = old + ", " + value // as request.Builder joins them
		}
		env.Vars[name] = value
	}
	return env
}

// differences returns what differs in the variables of inner, as "NAME=value", and "-NAME" for one
// that is gone.
func differences(outer, inner *environ) string {
	var list []string
	for name, value := range inner.Vars {
		if old, found := outer.Vars[name]; !found || old != value {
			list = append(list, name+"="+value)
		}
	}
	for name := range outer.Vars {
		if _, found := inner.Vars[name]; !found {
			list = append(list, "-"+name)
		}
	}
	if outer.URLScheme != inner.URLScheme {
		list = append(list, inner.URLScheme)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestTheValueThatTheTrustedProxyHasWrittenCounts(t *testing.T) {
	t.Parallel()
	const gone = "-REMOTE_HOST -REMOTE_PORT REMOTE_ADDR="
	for _, c := range []struct {
		trust   proxies
		headers []string
		want    string
		url     string
	}{
		{proxies{For: 1}, []string{"X-Forwarded-For: 203.0.113.9"}, gone + "203.0.113.9", ""},
		{proxies{For: 1}, []string{"X-Forwarded-For: 6.6.6.6, 203.0.113.9"}, gone + "203.0.113.9", ""},
		{proxies{For: 1}, []string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.9"},
			gone + "203.0.113.9", ""},
		{proxies{For: 1}, []string{"X-Forwarded-For: \"6.6.6.6,203.0.113.9"}, gone + "203.0.113.9", ""},
		{proxies{Host: 2}, []string{`X-Forwarded-Host: evil.example, "x`,
			`X-Forwarded-Host: a.example`, `X-Forwarded-Host: y"z`},
			"HTTP_HOST=a.example SERVER_NAME=a.example", ""},
		{proxies{For: 2}, []string{"X-Forwarded-For: 6.6.6.6,203.0.113.9 ,\t10.0.0.1"}, gone + "203.0.113.9", ""},
		{proxies{For: 2}, []string{"X-Forwarded-For: 203.0.113.9,unknown"}, gone + "203.0.113.9", ""},
		{proxies{For: 3}, []string{"X-Forwarded-For: 6.6.6.6, 203.0.113.9"}, "", ""},
		{proxies{For: 1}, []string{"X-Forwarded-For: 203.0.113.9:1234"},
			"-REMOTE_HOST REMOTE_ADDR=203.0.113.9 REMOTE_PORT=1234", ""},
		{proxies{For: 1}, []string{"X-Forwarded-For: [2001:DB8::9]:65535"},
			"-REMOTE_HOST REMOTE_ADDR=2001:db8::9 REMOTE_PORT=65535", ""},
		{proxies{For: 1}, []string{"X-Forwarded-For: [2001:db8::9]"}, gone + "2001:db8::9", ""},
		{proxies{For: 1}, []string{"X-Forwarded-For: 2001:db8::9"}, gone + "2001:db8::9", ""},
		{proxies{For: 1}, []string{"X-Forwarded-For: ::ffff:203.0.113.9"}, gone + "203.0.113.9", ""},

		// M5: no header stands in for another.
		{proxies{For: 1}, []string{"X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6", "True-Client-IP: 6.6.6.6"}, "", ""},
		{proxies{Forwarded: 1}, []string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil.example"}, "", ""},
		// M2: a count is for its header alone.
		{proxies{For: 1}, []string{"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https",
			"X-Forwarded-Port: 1", "X-Forwarded-Prefix: /evil"}, "", ""},
		{proxies{For: 2, AddPrefix: 1}, []string{"X-Forwarded-For: 203.0.113.9, 10.0.0.1",
			"X-Forwarded-Prefix: /evil, /good"}, gone + "203.0.113.9 SCRIPT_NAME=/good",
			"http://example.com/good/app/x?q"},
		{proxies{Host: 1}, []string{"X-Forwarded-For: 6.6.6.6"}, "", ""},

		{proxies{Proto: 1}, []string{"X-Forwarded-Proto: https"}, "HTTPS=on https", "https://example.com/app/x?q"},
		{proxies{Proto: 1}, []string{"X-Forwarded-Proto: HTTPS"}, "HTTPS=on https", ""},
		{proxies{Proto: 1}, []string{"X-Forwarded-Proto: http"}, "", ""},
		{proxies{Proto: 1}, []string{"X-Forwarded-Proto: https, http"}, "", ""},
		{proxies{Host: 1}, []string{"X-Forwarded-Host: www.example.org"},
			"HTTP_HOST=www.example.org SERVER_NAME=www.example.org", "http://www.example.org/app/x?q"},
		{proxies{Host: 1}, []string{"X-Forwarded-Host: www.example.org:8080"},
			"HTTP_HOST=www.example.org:8080 SERVER_NAME=www.example.org SERVER_PORT=8080",
			"http://www.example.org:8080/app/x?q"},
		{proxies{Host: 1}, []string{"X-Forwarded-Host: [2001:db8::1]:81"},
			"HTTP_HOST=[2001:db8::1]:81 SERVER_NAME=[2001:db8::1] SERVER_PORT=81", "http://[2001:db8::1]:81/app/x?q"},
		{proxies{Host: 1, Proto: 1}, []string{"X-Forwarded-Host: www.example.org", "X-Forwarded-Proto: https"},
			"HTTPS=on HTTP_HOST=www.example.org SERVER_NAME=www.example.org SERVER_PORT=443 https",
			"https://www.example.org/app/x?q"},
		{proxies{Port: 1}, []string{"X-Forwarded-Port: 8443"}, "HTTP_HOST=example.com:8443 SERVER_PORT=8443",
			"http://example.com:8443/app/x?q"},
		{proxies{Port: 1, Proto: 1}, []string{"X-Forwarded-Port: 443", "X-Forwarded-Proto: https"},
			"HTTPS=on SERVER_PORT=443 https", "https://example.com/app/x?q"},
		{proxies{Port: 1, Host: 1}, []string{"X-Forwarded-Port: 81", "X-Forwarded-Host: a.example:82"},
			"HTTP_HOST=a.example:81 SERVER_NAME=a.example SERVER_PORT=81", "http://a.example:81/app/x?q"},

		// M1: the two meanings of a prefix.
		{proxies{AddPrefix: 1}, []string{"X-Forwarded-Prefix: /blog"}, "SCRIPT_NAME=/blog",
			"http://example.com/blog/app/x?q"},
		{proxies{AddPrefix: 1}, []string{"X-Forwarded-Prefix: /app/"}, "SCRIPT_NAME=/app",
			"http://example.com/app/app/x?q"},
		{proxies{AddPrefix: 1}, []string{"X-Forwarded-Prefix: /"}, "", ""},
		{proxies{MovePrefix: 1}, []string{"X-Forwarded-Prefix: /app"}, "PATH_INFO=/x SCRIPT_NAME=/app",
			"http://example.com/app/x?q"},
		{proxies{MovePrefix: 1}, []string{"X-Forwarded-Prefix: /app/x/"}, "PATH_INFO= SCRIPT_NAME=/app/x", ""},
		{proxies{MovePrefix: 1}, []string{"X-Forwarded-Prefix: /"}, "", ""},

		// M4, RFC 7239.
		{proxies{Forwarded: 1},
			[]string{`Forwarded: for=203.0.113.9;proto=https;by=10.0.0.1;host="www.example.org:8443"`},
			"-REMOTE_HOST -REMOTE_PORT HTTPS=on HTTP_HOST=www.example.org:8443 REMOTE_ADDR=203.0.113.9" +
				" SERVER_NAME=www.example.org SERVER_PORT=8443 https", "https://www.example.org:8443/app/x?q"},
		{proxies{Forwarded: 1}, []string{`Forwarded: FOR="[2001:db8::9]:1234";; Proto=HTTP`},
			"-REMOTE_HOST REMOTE_ADDR=2001:db8::9 REMOTE_PORT=1234", ""},
		{proxies{Forwarded: 1}, []string{`Forwarded: for=6.6.6.6;proto=https`, `Forwarded: for=203.0.113.9`},
			gone + "203.0.113.9", ""},
		{proxies{Forwarded: 1}, []string{`Forwarded: for=_hidden;host=a.example`},
			"HTTP_HOST=a.example SERVER_NAME=a.example", ""},
		{proxies{Forwarded: 2}, []string{`Forwarded: for=6.6.6.6, for="203.0.113.9", for="[::1]";by="a,b;\"c"`},
			gone + "203.0.113.9", ""},
		{proxies{Forwarded: 3}, []string{`Forwarded: for=6.6.6.6, for=6.6.6.6`}, "", ""},
		// What a client leaves open does not swallow what the proxy appends.
		{proxies{Forwarded: 1}, []string{`Forwarded: for="6.6.6.6`, `Forwarded: for="203.0.113.9"`},
			gone + "203.0.113.9", ""},
		{proxies{Forwarded: 1}, []string{`Forwarded: for=6.6.6.6;by="`, `Forwarded: for="203.0.113.9:80"`},
			"-REMOTE_HOST REMOTE_ADDR=203.0.113.9 REMOTE_PORT=80", ""},
		{proxies{Forwarded: 1}, []string{`Forwarded: for="6.6.6.6\`,
			`Forwarded: for="203.0.113.9"`}, gone + "203.0.113.9", ""},
		// A value in quotation marks is a value, whatever it has: neither a pair nor an element.
		{proxies{Forwarded: 1}, []string{`Forwarded: for=203.0.113.9;by="x;host=evil.example;proto=https"`},
			gone + "203.0.113.9", ""},
		{proxies{Forwarded: 1}, []string{`Forwarded: for=203.0.113.9;by="x, for=6.6.6.6"`}, gone + "203.0.113.9", ""},
		{proxies{Forwarded: 1}, []string{`Forwarded: for=203.0.113.9;by="x\", for=6.6.6.6;y=\"z"`},
			gone + "203.0.113.9", ""},
		{proxies{Forwarded: 1}, []string{`Forwarded: for=203.0.113.9;by="x\\"`}, gone + "203.0.113.9", ""},
	} {
		c.trust.From = from
		outer := with(c.headers...)
		inner, logged := through(t, middleware.Forwarded(c.trust), outer)
		if got := differences(outer, inner); got != c.want {
			t.Errorf("%+v, %q:\n%s, want\n%s", c.trust, c.headers, got, c.want)
		}
		if got := inner.URL(); c.url != "" && got != c.url {
			t.Errorf("%+v, %q: the URL is %s, want %s", c.trust, c.headers, got, c.url)
		}
		if logged != "" && !strings.Contains(c.headers[0], "_hidden") {
			t.Errorf("%+v, %q: logged %q", c.trust, c.headers, logged)
		}
		if c.want == "" && inner != outer {
			t.Errorf("%+v, %q: nothing changes, and the Environ is a clone", c.trust, c.headers)
		}
	}
}

func TestAValueThatMakesNoSenseChangesNothingAndIsSaidOnce(t *testing.T) {
	t.Parallel()
	bad := map[string][]string{ // by the header
		"X-Forwarded-For": {"unknown", "_hidden", "203.0.113", "203.0.113.09", "203.0.113.9:", "203.0.113.9:65536",
			"203.0.113.9:08", "203.0.113.9:-1", "fe80::1%eth0", "[fe80::1%25eth0]", "[203.0.113.9]", "[2001:db8::9",
			"2001:db8::9]", "[2001:db8::9]80", "[2001:db8::9]:", "[2001:db8::9]:80:80", "localhost", "1.2.3.4 5.6.7.8",
			"203.0.113.9\r\nX: y", "203.0.113.9, ", "203.0.113.9,", ",", "unix:", "\"203.0.113.9\"",
			"[]", "[]:1", "::1:"},
		"X-Forwarded-Proto": {"javascript", "ftp", "https:", "wss", "http s", "https\n", "on", "https,", "https;"},
		"X-Forwarded-Host": {"a/b", "a b", "a@b", "a:b", "a:80:80", "[::1", "::1", "[::1]x",
			"[1.2.3.4]", "[fe80::1%25a]", "a%00",
			"a\\b", "a\r\nb", "a?b", "a#b", "<script>", "", "a,", ":80", "a:65536", "[]", "[]:80",
			"a:", "[[::1]]", "\xff"},
		"X-Forwarded-Port": {"0x50", "-1", "65536", "080", "http", "80,", "+80"},
		"X-Forwarded-Prefix": {"app", "//evil.example", "/app//x", "/app/../x", "/..", "/.",
			"/app//", "/a%2fb", "/a\x00", "/a\r\nb", "/a?b", "/a b", "/é", "/<x>",
			"\\app", "/a\\b", ","},
		"Forwarded": {"for", "for=", "=a", `for="203.0.113.9`, `for="203.0.113.9"x`,
			`for="203.0.113.9"proto=https`, "for=2001:db8::9", "for=[::1]", "for = 203.0.113.9",
			"for=203.0.113.9;for=203.0.113.9", "for=203.0.113.9 proto=https", `for=""`,
			"for=unknown", "for=203.0.113.9;b@d=1",
			"proto=ftp", `host="a/b"`, `for="203.0.113.9` + "\n\"", `for="203.0.113.9\`,
			`host="a;host=b"`, `host="a, for=b"`, "203.0.113.9"},
	}
	for name, values := range bad {
		for _, value := range values {
			trust := proxies{From: from}
			*map[string]*int{"X-Forwarded-For": &trust.For, "X-Forwarded-Proto": &trust.Proto,
				"X-Forwarded-Host": &trust.Host, "X-Forwarded-Port": &trust.Port,
				"X-Forwarded-Prefix": &trust.AddPrefix, "Forwarded": &trust.Forwarded}[name] = 1
			mw := middleware.Forwarded(trust)
			outer := with(name + ": " + value)
			inner, logged := through(t, mw, outer)
			if inner != outer {
				t.Errorf("%s: %q changes %s", name, value, differences(outer, inner))
			}
			isEmpty := value == "" // a header without a value is none
			if isEmpty != (logged == "") || !isEmpty && (!strings.HasPrefix(logged,
				"middleware: Forwarded: "+name+": ") ||
				strings.Count(logged, "\n") != 1 || !strings.HasSuffix(logged, "\n")) {
				t.Errorf("%s: %q: logged %q", name, value, logged)
			}
			if _, again := through(t, mw, with(name+": "+value)); again != "" {
				t.Errorf("%s: %q is said twice: %q", name, value, again)
			}
		}
	}
	inner, logged := through(t, middleware.Forwarded(proxies{From: from, MovePrefix: 1}),
		with("X-Forwarded-Prefix: /ap"))
	if inner.Vars["PATH_INFO"] != "/app/x" || !strings.Contains(logged, `"/ap" is not in front of PATH_INFO`) {
		t.Errorf("a prefix that does not match: PATH_INFO is %s, logged %q", inner.Vars["PATH_INFO"], logged)
	}
}

func TestOnlyTheNamedPeersAreBelieved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		trust  proxies
		remote string
		want   bool
	}{
		{proxies{From: from}, "192.0.2.1", true},
		{proxies{From: from}, "::ffff:192.0.2.1", true},
		{proxies{From: from}, "fe80::1%eth0", true},
		{proxies{From: from}, "192.0.3.1", false},
		{proxies{From: from}, "2001:db8::1", false},
		{proxies{From: from}, "", false},
		{proxies{From: from}, "unix:", false},
		{proxies{From: from}, "localhost", false},
		{proxies{}, "", true},
		{proxies{}, "unix:", true},
		{proxies{}, "192.0.2.1", false},
		{proxies{}, "::1", false},
		{proxies{}, "@", false},
		{proxies{FromAny: true}, "", true},
		{proxies{FromAny: true}, "6.6.6.6", true},
		{proxies{FromAny: true}, "localhost", true},
	} {
		c.trust.For, c.trust.Proto = 1, 1
		outer := with("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: ftp")
		outer.Vars["REMOTE_ADDR"] = c.remote
		inner, logged := through(t, middleware.Forwarded(c.trust), outer)
		if got := inner.Vars["REMOTE_ADDR"] == "203.0.113.9"; got != c.want || (logged != "") != c.want {
			t.Errorf("%v, %q: believed is %v, want %v; logged %q", c.trust.From, c.remote, got, c.want, logged)
		}
	}
	list := slices.Clone(from)
	mw := middleware.Forwarded(proxies{From: list, For: 1})
	list[0] = netip.MustParsePrefix("6.6.6.0/24")
	if inner, _ := through(t, mw, with("X-Forwarded-For: 203.0.113.9")); inner.Vars["REMOTE_ADDR"] != "203.0.113.9" {
		t.Error("a change of From after Forwarded counts")
	}
}

func TestExtraHasWhatTheVariablesWere(t *testing.T) {
	t.Parallel()
	outer := with("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example",
		"X-Forwarded-Prefix: /app")
	outer.Vars["REMOTE_IDENT"], outer.Vars["REQUEST_SCHEME"], outer.Vars["PATH_TRANSLATED"] = "id", "http", "/srv/app/x"
	outer.Extra = map[string]any{"test.key": "value"}
	type key struct{}
	outer = outer.WithContext(context.WithValue(context.Background(), key{}, "value"))
	mw := middleware.Forwarded(proxies{From: from, For: 1, Proto: 1, Host: 1, MovePrefix: 1})
	inner, _ := through(t, mw, outer)
	want := map[string]any{
		"test.key":               "value",
		"middleware.remote_addr": "192.0.2.1", "middleware.remote_port": "40000",
		"middleware.remote_host": "proxy.example.net", "middleware.remote_ident": "id",
		"middleware.url_scheme": "http", "middleware.https": "", "middleware.request_scheme": "http",
		"middleware.http_host": "example.com", "middleware.server_name": "example.com", "middleware.server_port": "80",
		"middleware.script_name": "", "middleware.path_info": "/app/x", "middleware.path_translated": "/srv/app/x",
	}
	if !maps.Equal(inner.Extra, want) {
		t.Errorf("Extra is %v, want %v", inner.Extra, want)
	}
	const changes = "-PATH_TRANSLATED -REMOTE_HOST -REMOTE_IDENT -REMOTE_PORT HTTPS=on HTTP_HOST=a.example PATH_INFO=/x" +
		" REMOTE_ADDR=203.0.113.9 REQUEST_SCHEME=https SCRIPT_NAME=/app SERVER_NAME=a.example SERVER_PORT=443 https"
	if got := differences(outer, inner); got != changes {
		t.Errorf("the variables: %s, want %s", got, changes)
	}
	if inner.Context() != outer.Context() || inner.Input != outer.Input {
		t.Error("another Context or Input")
	}

	// The second of two in a row keeps what the first has found.
	again := middleware.Forwarded(proxies{FromAny: true, For: 2})
	env := with("X-Forwarded-For: 198.51.100.7, 203.0.113.9")
	inner, _ = through(t, gateway.Chain(middleware.Forwarded(proxies{From: from, For: 1}), again), env)
	if inner.Vars["REMOTE_ADDR"] != "198.51.100.7" || inner.Extra["middleware.remote_addr"] != "192.0.2.1" {
		t.Errorf("REMOTE_ADDR is %s, and was %v", inner.Vars["REMOTE_ADDR"], inner.Extra["middleware.remote_addr"])
	}
}

func TestHTTPSMayEnd(t *testing.T) {
	t.Parallel()
	outer := gatewaytest.NewEnviron("GET", "https://example.com/", nil)
	outer.Vars["HTTP_X_FORWARDED_PROTO"] = "http"
	inner, _ := through(t, middleware.Forwarded(proxies{FromAny: true, Proto: 1}), outer)
	if got := differences(outer, inner); got != "-HTTPS http" {
		t.Error(got)
	}
}

func TestAPortWithoutAHostLeavesHTTPHostAbsent(t *testing.T) {
	t.Parallel()
	outer := with("X-Forwarded-Port: 8080")
	delete(outer.Vars, "HTTP_HOST")
	inner, _ := through(t, middleware.Forwarded(proxies{FromAny: true, Port: 1}), outer)
	if got := inner.URL(); got != "http://example.com:8080/app/x?q" || inner.Vars["HTTP_HOST"] != "" {
		t.Error(got)
	}
}

func TestCountsThatExcludeEachOtherPanic(t *testing.T) {
	t.Parallel()
	for want, trust := range map[string]proxies{
		"all counts are 0":                   {From: from},
		"a count is negative":                {For: -1},
		"MovePrefix and AddPrefix are both":  {MovePrefix: 1, AddPrefix: 1},
		"Forwarded is set beside For":        {Forwarded: 1, Host: 1},
		"From has an invalid prefix":         {From: make([]netip.Prefix, 1), For: 1},
		"From and FromAny are both set: lea": {From: from, FromAny: true, For: 1},
	} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.HasPrefix(got, "middleware: Forwarded: "+want) {
					t.Errorf("%+v: the panic is %q", trust, got)
				}
			}()
			middleware.Forwarded(trust)
		}()
	}
}

// Many hops, escapes and brackets are read in linear time, or not at all: with quadratic time each
// of these would take minutes.
func TestLongHeadersTakeLinearTime(t *testing.T) {
	t.Parallel()
	const n = 1 << 20
	for name, value := range map[string]string{
		"hops": strings.Repeat("6.6.6.6, ", 10_000) + "203.0.113.9", "commas": strings.Repeat(",", n),
		"quotation marks": strings.Repeat(`"`, n), "escapes": strings.Repeat(`\"`, n/2),
		"backslashes": `for="` + strings.Repeat(`\`, n) + `"`,
		"pairs":       strings.Repeat("for=1;", n/6), "brackets": strings.Repeat("[", n), "colons": strings.Repeat(":", n),
		"names":    "for=203.0.113.9" + strings.Repeat(";", n),
		"slashes":  strings.Repeat("/a", n),
		"elements": strings.Repeat(`for="6.6.6.6", `, 10_000) + `for="203.0.113.9"`,
	} {
		for _, trust := range []proxies{
			{For: 1, Proto: 1, Host: 1, Port: 1, AddPrefix: 1}, {For: 5000, MovePrefix: 1},
			{Forwarded: 1}, {Forwarded: 5000},
			{Forwarded: n},
		} {
			trust.FromAny = true
			inner, _ := through(t, middleware.Forwarded(trust), with("X-Forwarded-For: "+value,
				"X-Forwarded-Proto: "+value,
				"X-Forwarded-Host: "+value, "X-Forwarded-Port: "+value,
				"X-Forwarded-Prefix: "+value, "Forwarded: "+value))
			want := map[string]string{"hops": "203.0.113.9"}[name]
			if trust.For == 1 && want != "" && inner.Vars["REMOTE_ADDR"] != want {
				t.Errorf("%s: REMOTE_ADDR is %q", name, inner.Vars["REMOTE_ADDR"])
			}
		}
	}
}

func TestForwardedIsForConcurrentUse(t *testing.T) {
	t.Parallel()
	app := middleware.Forwarded(proxies{From: from, For: 1})(named("app"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var logged string
	for range 20 {
		wg.Go(func() {
			r := gatewaytest.Record(app, with("X-Forwarded-For: unknown"))
			mu.Lock()
			defer mu.Unlock()
			logged += r.Errors
		})
	}
	wg.Wait()
	if strings.Count(logged, "\n") != 1 {
		t.Errorf("logged %q", logged)
	}
}

func TestForwardedIsBothSidesAtOnce(t *testing.T) {
	t.Parallel()
	mw := middleware.Forwarded(proxies{FromAny: true, For: 1, Proto: 1, Host: 1, Port: 1, AddPrefix: 1})
	gatewaytest.TestMiddleware(t, mw, nil, with(), with("X-Forwarded-For: 203.0.113.9:80", "X-Forwarded-Proto: https",
		"X-Forwarded-Host: [::1]:8443", "X-Forwarded-Port: 443", "X-Forwarded-Prefix: /blog"),
		with("X-Forwarded-For: unknown"))
	mw = middleware.Forwarded(proxies{FromAny: true, Forwarded: 1, MovePrefix: 1})
	gatewaytest.TestMiddleware(t, mw, nil,
		with("Forwarded: for=203.0.113.9;proto=https;host=a.example", "X-Forwarded-Prefix: /app"))
}

// clientOf is how X-Forwarded-For is read, in the plainest words.
func clientOf(header string, hops int) (addr string, found bool) {
	list := strings.Split(header, ",")
	if header == "" || len(list) < hops {
		return "", false
	}
	value := strings.Trim(list[len(list)-hops], " \t")
	if ip, err := netip.ParseAddr(value); err == nil {
		return ip.Unmap().String(), ip.Zone() == ""
	}
	if ap, err := netip.ParseAddrPort(value); err == nil && strings.HasSuffix(value, ":"+strconv.Itoa(int(ap.Port()))) {
		return ap.Addr().Unmap().String(), ap.Addr().Zone() == ""
	}
	if inner, isBracketed := strings.CutPrefix(value, "["); isBracketed {
		inner, isClosed := strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		return ip.Unmap().String(), isClosed && err == nil && ip.Is6() && ip.Zone() == ""
	}
	return "", false
}

func FuzzForwarded(f *testing.F) {
	for _, s := range []string{
		"", "203.0.113.9", "6.6.6.6, 203.0.113.9:80", "[2001:db8::9]:80", "[::1]", "fe80::1%a", "unknown",
		`for=203.0.113.9;proto=https;host=a.example`, `for="[::1]:80";by="x\", y;z"`, `for="a, for=1.2.3.4`,
		"https", "a.example:80", "/app", "//evil", "/app/..", ",,,", "[", "]", "[]:1", `"\`, ";=;=", "::1]",
	} {
		f.Add(s, uint8(1))
		f.Add(s, uint8(2))
	}
	f.Fuzz(func(t *testing.T, value string, hops uint8) {
		n := max(1, int(hops%8))
		all := []string{"X-Forwarded-For: " + value, "X-Forwarded-Proto: " + value, "X-Forwarded-Host: " + value,
			"X-Forwarded-Port: " + value, "X-Forwarded-Prefix: " + value, "Forwarded: " + value}
		outer := with(all...)
		for _, trust := range []proxies{
			{For: n, Proto: n, Host: n, Port: n, AddPrefix: n}, {Forwarded: n, MovePrefix: n},
		} {
			trust.FromAny = true
			inner, logged := through(t, middleware.Forwarded(trust), outer)
			if strings.Count(logged, "\n") > 6 {
				t.Errorf("logged %q", logged)
			}
			if trust.For > 0 {
				want, found := clientOf(value, n)
				if !found {
					want = outer.Vars["REMOTE_ADDR"]
				}
				if got := inner.Vars["REMOTE_ADDR"]; got != want {
					t.Errorf("X-Forwarded-For %q, %d hops: REMOTE_ADDR is %q, want %q", value, n, got, want)
				}
			}
			if _, err := netip.ParseAddr(inner.Vars["REMOTE_ADDR"]); err != nil ||
				strings.Contains(inner.Vars["REMOTE_ADDR"], "%") {
				t.Errorf("REMOTE_ADDR is %q", inner.Vars["REMOTE_ADDR"])
			}
			if inner.URLScheme != "http" && inner.URLScheme != "https" {
				t.Errorf("the scheme is %q", inner.URLScheme)
			}
			for _, name := range []string{"HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "REMOTE_PORT"} {
				if strings.ContainsAny(inner.Vars[name], "/\\@?#<>\" \r\n\t\x00%,;=") {
					t.Errorf("%s is %q", name, inner.Vars[name])
				}
			}
			script, path := inner.Vars["SCRIPT_NAME"], inner.Vars["PATH_INFO"]
			if strings.Contains(script, "//") || strings.Contains(script+"/", "/../") ||
				script != "" && script[0] != '/' ||
				path != "" && path[0] != '/' || trust.MovePrefix > 0 && script+path != "/app/x" {
				t.Errorf("SCRIPT_NAME is %q, PATH_INFO %q", script, path)
			}
		}
	})
}
