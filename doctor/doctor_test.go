package doctor

import (
	"encoding/json"
	"html"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"
	"unicode/utf8"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/middleware"
)

func TestOnlyThoseWhoMayLookSeeThePage(t *testing.T) {
	t.Parallel()
	type v = map[string]string
	for _, test := range []struct {
		name, token string
		vars        v
		want        int
	}{
		{"a local client", "", v{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8000"}, 200},
		{"by IPv6", "", v{"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8000"}, 200},
		{"by an address that is mapped", "", v{"REMOTE_ADDR": "::ffff:127.0.0.1", "HTTP_HOST": "127.0.0.1"}, 200},
		{"over a Unix socket", "", v{"REMOTE_ADDR": "", "HTTP_HOST": "localhost", "SERVER_SOFTWARE": "net/http"}, 200},
		{"by a web server's Unix socket", "", v{"REMOTE_ADDR": "unix:", "HTTP_HOST": "localhost"}, 200},
		{"from elsewhere", "", v{"REMOTE_ADDR": "203.0.113.1", "HTTP_HOST": "localhost"}, 403},
		{"a web server that names no address", "", v{"REMOTE_ADDR": "", "HTTP_HOST": "localhost",
			"SERVER_SOFTWARE": "nginx/1"}, 403},
		{"a name that is rebound", "", v{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "evil.example"}, 403},
		{"a name that begins like ours", "", v{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost.evil.example"}, 403},
		{"no name", "", v{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": ""}, 403},
		{"behind a proxy", "", v{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost",
			"HTTP_X_FORWARDED_FOR": "203.0.113.1"}, 403},
		{"behind a proxy, a local client", "", v{"REMOTE_ADDR": "127.0.0.1",
			"HTTP_HOST": "localhost", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 200},
		{"one of two", "", v{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost",
			"HTTP_X_FORWARDED_FOR": "127.0.0.1, 203.0.113.1"}, 403},
		{"behind a proxy of another kind", "", v{"REMOTE_ADDR": "127.0.0.1",
			"HTTP_HOST": "localhost", "HTTP_FORWARDED": "for=203.0.113.1"}, 403},
		{"behind an nginx that was told nothing", "", v{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:9000",
			"SERVER_SOFTWARE": "net/http", "SERVER_PROTOCOL": "HTTP/1.0"}, 403},
		{"a token in the query", "a b", v{"QUERY_STRING": "x=1&token=a%20b", "REMOTE_ADDR": "203.0.113.1"}, 200},
		{"a token in the header", "secret", v{"HTTP_X_DOCTOR_TOKEN": "secret", "REMOTE_ADDR": "203.0.113.1"}, 200},
		{"another token", "secret", v{"QUERY_STRING": "token=secrets", "REMOTE_ADDR": "127.0.0.1",
			"HTTP_HOST": "localhost"}, 403},
		{"no token, a local client", "secret", v{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost"}, 403},
		{"a token for a page that has none", "", v{"QUERY_STRING": "token=", "REMOTE_ADDR": "203.0.113.1"}, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []string{"", "doctor=json&", "doctor=upload&", "doctor=length&"} {
				env := gatewaytest.NewEnviron("GET", "/", nil)
				for name, value := range test.vars {
					env.Vars[name] = value
				}
				if kind != "" {
					env.Vars["QUERY_STRING"] = kind + env.Vars["QUERY_STRING"]
				}
				r := gatewaytest.Record(Application(test.token), env)
				if r.Code() != test.want || r.Err != nil {
					t.Errorf("%s: %d, %v, want %d", kind, r.Code(), r.Err, test.want)
				}
				if strings.Contains(r.Body(), "SERVER_") && test.want == 403 {
					t.Errorf("%s: the refusal has variables: %s", kind, r.Body())
				}
			}
		})
	}
}

// A Forwarded that believes everybody makes anybody a local client.
func TestWhoeverForgesAnAddressIsNotLocal(t *testing.T) {
	t.Parallel()
	env := local("*/*")
	env.Vars["REMOTE_ADDR"], env.Vars["HTTP_X_FORWARDED_FOR"] = "203.0.113.1", "127.0.0.1"
	app := middleware.Forwarded(middleware.Proxies{FromAny: true, For: 1})(Application(""))
	if r := gatewaytest.Record(app, env); r.Code() != 403 {
		t.Errorf("%s", r.Status)
	}
}

// local returns a request of a client that may look.
func local(accept string) *gateway.Environ {
	env := gatewaytest.NewEnviron("GET", "/p?x=1", nil)
	env.Vars["REMOTE_ADDR"], env.Vars["HTTP_HOST"], env.Vars["HTTP_ACCEPT"] = "127.0.0.1", "localhost", accept
	return env
}

var forms = []string{"text/html,*/*;q=0.8", "application/json", "*/*"}

func TestNoFormShowsASecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2xyz"
	for _, accept := range forms {
		env := local(accept)
		for _, name := range []string{"HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_API_KEY", "HTTP_X_AUTH", "AWS_SECRET_ACCESS_KEY",
			"DB_PASSWORD", "HTTP_X_CSRF_TOKEN", "HTTP_PROXY_AUTHORIZATION",
			"REDIRECT_HTTP_AUTHORIZATION", "Authorization",
			"SSL_CLIENT_CERT", "http_x_secret", "SSL_SESSION_ID", "HTTP_X_AMZN_OIDC_ACCESSTOKEN", "HTTP_SET_COOKIE2"} {
			env.Vars[name] = "a" + secret + "b"
		}
		env.Vars["QUERY_STRING"] = "a=1&token=" + secret + "&p%61ssword=" + secret + ";api_key=" + secret
		env.Vars["REQUEST_URI"] = "/p?token=" + secret
		env.Vars["HTTP_REFERER"] = "https://me:" + secret + "@example.com/?session=" + secret
		env.Vars["HTTP_X_ORIGINAL_URL"] = "/p?access_token=" + secret
		// With each finding there is, too: what has shown it is on the page.
		env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = "", ""
		env.Vars["HTTP_X_KEYS"] = secret + "\x00\r\n"
		env.Vars["DEPLOYERS_OWN"], env.Vars["HTTP_X_URL"] = secret, "postgres://me:"+secret+"@db/"
		delete(env.Vars, "HTTP_AUTHORIZATION")
		r := gatewaytest.Record(Application(""), env)
		if r.Code() != 200 || r.Err != nil {
			t.Fatalf("%s: %s %v", accept, r.Status, r.Err)
		}
		if i := strings.Index(r.Body(), secret); i >= 0 {
			t.Errorf("%s: %s", accept, r.Body()[max(0, i-60):i])
		}
		if !strings.Contains(r.Body(), "AWS_SECRET_ACCESS_KEY") {
			t.Errorf("%s: the name is not there", accept)
		}
	}
}

func TestNamesOfTheRequestAreSorted(t *testing.T) {
	t.Parallel()
	if !slices.IsSorted(ofRequest) {
		t.Errorf("%q", ofRequest)
	}
}

func TestEnvironmentOfACGIProgramIsNotShown(t *testing.T) {
	t.Parallel()
	for _, accept := range forms {
		env := local(accept)
		env.RunOnce = true
		env.Vars["DATABASE_URL"] = "postgres://db.internal"
		env.Vars["HTTP_X_MINE"] = "shown"
		body := gatewaytest.Record(Application(""), env).Body()
		if strings.Contains(body, "DATABASE_URL") || strings.Contains(body, "db.internal") ||
			!strings.Contains(body, "HTTP_X_MINE") {
			t.Errorf("%s: %s", accept, body)
		}
	}
}

func TestWhatAClientSendsStaysText(t *testing.T) {
	t.Parallel()
	const hostile = "</pre><script>alert(1)</script>\"'&\x1b]0;title\x07\x1b[31m\r\nforged: line\u202egnp.exe\u2028\xff\xfe\x00\u009b31m"
	for _, accept := range forms {
		env := local(accept)
		env.Vars["HTTP_A_HOSTILE"] = hostile
		env.Vars["HTTP_"+hostile] = "name"
		env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = hostile, hostile
		env.Vars["REQUEST_URI"] = hostile
		env.Vars["QUERY_STRING"] = hostile
		env.Vars["HTTP_VIA"] = "1.1 " + hostile
		env.Vars["HTTP_A_LARGE"] = strings.Repeat(hostile, 1<<20/len(hostile))
		for i := range 2000 {
			env.Vars["HTTP_MANY_"+strings.Repeat("X", i)] = "1"
		}
		r := gatewaytest.Record(Application(""), env)
		body := r.Body()
		if r.Code() != 200 || r.Err != nil || len(body) > 400_000 {
			t.Fatalf("%s: %s, %v, %d bytes", accept, r.Status, r.Err, len(body))
		}
		if n := strings.Count(body, "HTTP_MANY_"); n < 100 || n > maxVariables {
			t.Errorf("%s: %d variables", accept, n)
		}
		if !utf8.ValidString(body) {
			t.Errorf("%s: not UTF-8", accept)
		}
		for _, c := range body {
			if unicode.IsControl(c) && c != '\n' || c == '\u202e' || c == '\u2028' {
				t.Fatalf("%s: has %U", accept, c)
			}
		}
		if strings.Contains(body, "\nforged") ||
			strings.HasPrefix(accept, "text/html") && strings.Contains(body, "<script>") {
			t.Errorf("%s: what the client sent is more than text", accept)
		}
	}
}

func TestPageHasNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	r := gatewaytest.Record(Application(""), local("text/html"))
	policy := r.Headers.Get("Content-Security-Policy")
	nonce := regexp.MustCompile(`'nonce-(\w{20,})'`).FindStringSubmatch(policy)
	if nonce == nil || !strings.HasPrefix(policy, "default-src 'none'") ||
		strings.Contains(policy, "unsafe") {
		t.Fatalf("the policy is %s", policy)
	}
	body := r.Body()
	if strings.Count(body, `nonce="`+nonce[1]+`"`) != 2 || strings.Count(body, "<script") != 1 ||
		strings.Count(body, "<style") != 1 {
		t.Error("the page's style and script are not its own two")
	}
	for _, m := range regexp.MustCompile(`(?i)\b(src|href|action|style|on\w+)\s*=\s*"([^"]*)"`).FindAllStringSubmatch(body, -1) {
		if m[2] != "data:," {
			t.Errorf("the page has %s", m[0])
		}
	}
	if again := gatewaytest.Record(Application(""),
		local("text/html")).Headers.Get("Content-Security-Policy"); again == policy {
		t.Error("the nonce is the same twice")
	}
	if r.Headers.Get("Referrer-Policy") != "no-referrer" ||
		r.Headers.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", r.Headers)
	}
}

func TestFindingsComeFirstWithTheirLine(t *testing.T) {
	t.Parallel()
	for _, accept := range forms {
		env := local(accept)
		env.Vars["SERVER_SOFTWARE"], env.Vars["SCGI"] = "nginx/1.22.1", "1"
		env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = "", ""
		body := html.UnescapeString(gatewaytest.Record(Application(""), env).Body())
		line := `quirks.DocumentURI("/app")`
		if accept == "application/json" {
			var p page
			if err := json.Unmarshal([]byte(gatewaytest.Record(Application(""), env).Body()), &p); err != nil {
				t.Fatal(err)
			}
			if len(p.Findings) != 1 || !strings.Contains(p.Findings[0].Advice, line) ||
				p.Server != nginx ||
				p.Gateway != "scgi" {
				t.Errorf("%+v", p)
			}
			continue
		}
		advice, variables := strings.Index(body, line), strings.Index(body, "REMOTE_ADDR")
		if advice < 0 || variables < advice || !strings.Contains(body, "server-nginx-scgi.conf") {
			t.Errorf("%s: %s", accept, body)
		}
	}
}

// What shows in one request: the shape of each symptom that has one, and of no other.
func TestShapesAreOfOneSymptom(t *testing.T) {
	t.Parallel()
	type v = map[string]string
	for _, test := range []struct {
		vars v
		want string
	}{
		{v{}, ""},
		{v{"SCRIPT_NAME": "", "PATH_INFO": ""}, "path-missing"},
		{v{"SCRIPT_NAME": "", "PATH_INFO": "", "REQUEST_METHOD": "OPTIONS"}, ""},
		{v{"SCRIPT_NAME": "/a/b", "PATH_INFO": "-", "DOCUMENT_URI": "/a/b"}, "path-unsplit"},
		{v{"SCRIPT_NAME": "/a/b", "PATH_INFO": "", "DOCUMENT_URI": "/a/b"}, ""}, // quirks.DocumentURI("/a/b")
		{v{"SCRIPT_NAME": "/a b", "PATH_INFO": "/a b", "REQUEST_URI": "/a%20b?x"}, "path-doubled"},
		{v{"SCRIPT_NAME": "/a", "PATH_INFO": "/a", "REQUEST_URI": "/a/a"}, ""},
		{v{"HTTP_X_FORWARDED_PROTO": "https", "SERVER_SOFTWARE": "net/http"}, "scheme"},
		{v{"HTTP_X_FORWARDED_PROTO": "https", "SERVER_SOFTWARE": "nginx/1"}, ""}, // anybody's word: nginx says HTTPS
		{v{"HTTP_X_FORWARDED_FOR": "127.0.0.9", "SERVER_SOFTWARE": "net/http"}, "address-of-proxy"},
		{v{"HTTP_X_FORWARDED_FOR": "127.0.0.9", "SERVER_SOFTWARE": "nginx/1"}, ""}, // nginx says REMOTE_ADDR
		{v{"Authorization": "x"}, "authorization-elsewhere"},
		{v{"REDIRECT_HTTP_AUTHORIZATION": "x", "HTTP_AUTHORIZATION": "x"}, ""},
		{v{"SERVER_SOFTWARE": "net/http", "SERVER_PROTOCOL": "HTTP/1.0"}, "http10"},
		{v{"SERVER_NAME": "", "HTTP_X": "a\x00"}, "contract contract"},
	} {
		env := gatewaytest.NewEnviron("GET", "/p", nil)
		for name, value := range test.vars {
			if env.Vars[name] = value; value == "-" {
				delete(env.Vars, name)
			}
		}
		var got []string
		for _, f := range examine(env).Findings {
			got = append(got, f.Symptom)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%v: %q, want %q", test.vars, got, test.want)
		}
	}
}

func TestWebServersAreRecognised(t *testing.T) {
	t.Parallel()
	type v = map[string]string
	for _, test := range []struct {
		vars v
		want string
	}{
		{v{"SERVER_SOFTWARE": "nginx/1.22.1"}, nginx},
		{v{"SERVER_SOFTWARE": "Apache/2.4.71 (Debian)"}, apache},
		{v{"SERVER_SOFTWARE": "lighttpd/1.4.69"}, lighttpd},
		{v{"SERVER_SOFTWARE": "Caddy/v2.6.2"}, caddy},
		{v{"SERVER_SOFTWARE": "HAProxy 2.6.12"}, haproxy},
		{v{"SERVER_SOFTWARE": "h2o/2.2.5"}, h2o},
		{v{"UWSGI_ROUTER": "http"}, uwsgi},
		{v{"DOCUMENT_URI": "/a"}, nginx},
		{v{"CONTEXT_DOCUMENT_ROOT": "/srv"}, apache},
		{v{"HTTP_VIA": "1.0 other, 1.1 Caddy"}, caddy},
		{v{"HTTP_VIA": "x"}, ""},
		{v{"SERVER_SOFTWARE": "net/http"}, ""},
	} {
		env := gatewaytest.NewEnviron("GET", "/p", nil)
		delete(env.Vars, "SERVER_SOFTWARE")
		for name, value := range test.vars {
			env.Vars[name] = value
		}
		if got, _ := recognise(env); got != test.want {
			t.Errorf("%v: %q, want %q", test.vars, got, test.want)
		}
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	env := local("*/*")
	env.Vars["REQUEST_METHOD"] = "DELETE"
	if r := gatewaytest.Record(Application(""), env); r.Code() != 405 ||
		r.Headers.Get("Allow") != "GET, HEAD" {
		t.Errorf("%s %v", r.Status, r.Headers)
	}
	env = local("*/*")
	env.Vars["QUERY_STRING"] = "doctor=%1bnothing"
	if r := gatewaytest.Record(Application(""), env); r.Code() != 404 {
		t.Errorf("%s", r.Status)
	}
}

// An upload is counted, and never kept.
func TestUploadOfTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	env := gatewaytest.NewEnviron("POST", "/?doctor=upload", io.LimitReader(zeros{}, maxUpload+10))
	env.Vars["REMOTE_ADDR"], env.Vars["HTTP_HOST"] = "127.0.0.1", "localhost"
	if r := gatewaytest.Record(Application(""), env); r.Code() != 413 {
		t.Errorf("%s %s", r.Status, r.Body())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestTimedResponsesAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := Application("")
		codes := make(chan int)
		const n = 40
		for range n {
			go func() {
				env := local("*/*")
				env.Vars["QUERY_STRING"] = "doctor=stream"
				codes <- gatewaytest.Record(app, env).Code()
			}()
		}
		got := map[int]int{}
		for range n {
			got[<-codes]++
		}
		if got[200] != 32 || got[503] != n-32 {
			t.Errorf("%v", got)
		}
	})
}

func TestWhatIsLeftIsBounded(t *testing.T) {
	t.Parallel()
	d := Application("").(*application)
	for i := range 10 * maxLeft {
		d.note(strings.Repeat("i", i%1000), "waiting")
		d.note(strings.Repeat("i", i%1000), "idle")
	}
	if len(d.left) != maxLeft || len(d.ids) != maxLeft {
		t.Errorf("%d, %d", len(d.left), len(d.ids))
	}
}

func TestPageTakesEveryFailureOfAServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var list []*gateway.Environ
		for _, accept := range forms {
			list = append(list, local(accept))
		}
		for _, kind := range []string{"stream", "length", "status", "leave&id=1"} {
			env := local("*/*")
			env.Vars["QUERY_STRING"] = "doctor=" + kind
			list = append(list, env)
		}
		upload := gatewaytest.NewEnviron("POST", "/?doctor=upload", strings.NewReader("some bytes"))
		upload.Vars["REMOTE_ADDR"], upload.Vars["HTTP_HOST"] = "127.0.0.1", "localhost"
		gatewaytest.TestApplication(t, Application(""), append(list, upload)...)
	})
}

func FuzzShow(f *testing.F) {
	for _, seed := range []string{"", "a\\b", "\x1b[31m", "\xff\xe2\x82", "\u202e", "\u009b", "é", strings.Repeat("x", 2000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := show(s, 100)
		if !utf8.ValidString(got) || len(got) > 1000 {
			t.Errorf("%q gives %q", s, got)
		}
		for _, c := range got {
			if !unicode.IsPrint(c) {
				t.Errorf("%q gives %q", s, got)
			}
		}
	})
}

func FuzzHideInQuery(f *testing.F) {
	for _, seed := range []string{"/p?", "a=1&", "https://h/?a;", "?%", "x://u:p@h/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const secret = "SECRETVALUE"
		for _, name := range []string{"token", "%74oken", "api_key"} {
			value := s + "&" + name + "=" + secret
			if got := hideInQuery(value); strings.Contains(got, secret) &&
				!strings.Contains(s, secret) {
				t.Errorf("%q gives %q", value, got)
			}
		}
	})
}
