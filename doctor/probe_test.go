package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/host"
	"example.com/gateway/internal/testhost"
	"example.com/gateway/middleware"
	"example.com/gateway/nethttp"
	"example.com/gateway/scgi"
	uwsgiserver "example.com/gateway/uwsgi"
)

var discard = log.New(io.Discard, "", 0)

type server interface {
	Serve(net.Listener) error
	Close() error
}

var query = "/?token=" + url.QueryEscape(testToken)

// probed probes a page and wants nothing found but these. Over real connections a machine that
// stands still for seconds looks like a web server that collects: then it looks again.
func probed(t *testing.T, url string, want ...string) {
	t.Helper()
	for try := 1; ; try++ {
		var lines strings.Builder
		p := Prober{Progress: func(v Verdict) { fmt.Fprintln(&lines, v) }}
		report, err := p.Probe(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(report.Verdicts); n < 25 {
			t.Errorf("%d probes", n)
		}
		got := names(report)
		if slices.Equal(got, want) {
			return
		}
		if try == 4 {
			t.Fatalf("found %q\n%s", got, &lines)
		}
	}
}

func TestNothingIsFoundOnOurOwnServers(t *testing.T) {
	t.Parallel()
	// Each behind an HTTP server and package host, as behind a web server.
	for _, test := range []struct {
		name   string
		server func(app gateway.Application) server
		hosted func(address string) gateway.Application
	}{
		{"fcgi", func(app gateway.Application) server { return &fcgi.Server{Application: app, ErrorLog: discard} },
			func(address string) gateway.Application {
				return &host.FastCGI{Addresses: []string{address}, Options: host.Options{Authorization: true}}
			}},
		{"scgi", func(app gateway.Application) server { return &scgi.Server{Application: app, ErrorLog: discard} },
			func(address string) gateway.Application {
				return &host.SCGI{Addresses: []string{address}, Options: host.Options{Authorization: true}}
			}},
		{"uwsgi",
			func(app gateway.Application) server {
				return &uwsgiserver.Server{Application: app,
					ErrorLog: discard}
			},
			func(address string) gateway.Application {
				return &host.UWSGI{Addresses: []string{address}, Options: host.Options{Authorization: true}}
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr := testhost.Backend(t, test.server(Application(testToken)), "tcp")
			front := &nethttp.Server{
				Application: test.hosted("tcp:" + addr.String()),
				ErrorLog:    discard,
			}
			probed(t, "http://"+testhost.Backend(t, front, "tcp").String()+query)
		})
	}
	t.Run("nethttp", func(t *testing.T) {
		t.Parallel()
		s := &nethttp.Server{Application: Application(testToken), ErrorLog: discard}
		probed(t, "http://"+testhost.Backend(t, s, "tcp").String()+query)
	})
	t.Run("nethttp, below a prefix", func(t *testing.T) {
		t.Parallel()
		s := &nethttp.Server{Application: Application(testToken), ErrorLog: discard, Prefix: "/a b"}
		probed(
			t,
			"http://"+testhost.Backend(t, s, "tcp").
				String()+
				"/a%20b"+strings.TrimPrefix(
				query,
				"/",
			),
		)
	})
	t.Run("cgi", func(t *testing.T) {
		t.Parallel()
		if runtime.GOOS == "plan9" || runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
			t.Skip("no processes")
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		program := &host.CGI{Path: self, Options: host.Options{Authorization: true,
			Vars: map[string]string{"DOCTOR_TEST_CGI": "1"}}}
		s := &nethttp.Server{Application: program, ErrorLog: discard}
		probed(t, "http://"+testhost.Backend(t, s, "tcp").String()+query)
	})
}

func TestTLSIsProbedToo(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nethttp.Handler(Application(testToken)))
	server.Config.ErrorLog = discard
	server.StartTLS()
	defer server.Close()
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig
	p := Prober{TLSConfig: roots}
	report, err := p.Probe(t.Context(), server.URL+query)
	if err != nil || !slices.ContainsFunc(report.Verdicts, func(v Verdict) bool {
		return v.Probe == "scheme" && v.Finding == nil && strings.HasSuffix(v.Text, "the URL https")
	}) {
		t.Errorf("%v, %v", report, err)
	}
	if _, err := Probe(t.Context(), server.URL+query); !errors.Is(err, ErrNoAnswer) ||
		!strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
	if _, err := Probe(t.Context(), strings.Replace(server.URL, "https", "http", 1)+query); !errors.Is(
		err,
		ErrNoPage,
	) {
		t.Errorf("http to a server of https: %v", err)
	}
}

func TestADoctorBehindTwoProxiesIsProbed(t *testing.T) {
	t.Parallel()
	trusted := middleware.Forwarded(middleware.Proxies{FromAny: true, For: 2, Proto: 2})
	page := httptest.NewServer(nethttp.Handler(trusted(Application(testToken))))
	defer page.Close()
	next := page.URL
	for range 2 {
		target, err := url.Parse(next)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httptest.NewUnstartedServer(
			&httputil.ReverseProxy{FlushInterval: -1, ErrorLog: discard,
				Rewrite: func(r *httputil.ProxyRequest) {
					r.SetURL(target)
					r.Out.Host = r.In.Host
					r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
					r.SetXForwarded()
					r.Out.Header["X-Forwarded-Proto"] = append(
						r.In.Header["X-Forwarded-Proto"],
						"http",
					)
				}},
		)
		proxy.Config.ErrorLog = discard
		proxy.Start()
		defer proxy.Close()
		next = proxy.URL
	}
	report, err := Probe(t.Context(), next+query)
	if err != nil {
		t.Fatal(err)
	}
	if report.Gateway != "http" {
		t.Errorf("%v", report)
	}
	probed(t, next+query, "query-changed") // net/http/httputil leaves out what has a semicolon
}

// A hostile server answers every connection with the same bytes, or in a way of its own.
var hostile = []struct {
	name   string
	answer string // "" is silence; with %s the id of the request
	want   error
	text   string
}{
	{
		"another page",
		"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
		ErrNoPage,
		"something else",
	},
	{
		"JSON of another kind",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		ErrNoPage,
		"something else",
	},
	{
		"a page for another request",
		"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"doctor\":1,\"id\":\"xx\"}",
		ErrNoPage,
		"cache",
	},
	{
		"a redirect",
		"HTTP/1.1 301 Moved\r\nLocation: https://\u202eevil/\r\nContent-Length: 0\r\n\r\n",
		ErrNoPage,
		`redirects`,
	},
	{"a password", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", ErrNoPage, "password"},
	{"a refusal", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", ErrNoPage, "token"},
	{
		"an error",
		"HTTP/1.1 502 \x1b]0;x\x07\r\nContent-Length: 0\r\n\r\n",
		ErrNoPage,
		"502 Bad Gateway",
	},
	{"half an answer", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", ErrNoPage, "cut off"},
	{"garbage", "\x00\x01\x02\x1b[31m\n\n", ErrNoAnswer, "HTTP"},
	{"SSH", "SSH-2.0-OpenSSH_9\r\n", ErrNoAnswer, "HTTP"},
	{"an end", "-", ErrNoAnswer, "without an answer"},
	{"silence", "", ErrNoAnswer, "nothing came"},
	{"nothing but 1xx", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20), ErrNoAnswer, "1xx"},
	{"a head without an end", strings.Repeat("X: y\r\n", 1<<18), ErrNoAnswer, "HTTP"},
	{
		"a head without an end, in HTTP",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1<<19),
		ErrNoAnswer,
		"",
	},
	{
		"a page without an end",
		"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 4<<20),
		ErrNoPage,
		"",
	},
	{"a status that is none", "HTTP/1.1 999999 X\r\n\r\n", ErrNoAnswer, "HTTP"},
	{
		"deep JSON",
		"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("[", 1<<19),
		ErrNoPage,
		"something else",
	},
}

func TestWhatIsNoPageIsOneLine(t *testing.T) {
	t.Parallel()
	for _, test := range hostile {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				report, err := answering(t, test.answer)
				if !errors.Is(err, test.want) || report != nil {
					t.Fatalf("%v, %v, want %v", report, err, test.want)
				}
				checkLine(t, err.Error())
				if !strings.Contains(err.Error(), test.text) {
					t.Errorf("%v, want %q", err, test.text)
				}
			})
		})
	}
}

// answering probes a server that answers each connection with the same bytes.
func answering(t *testing.T, answer string) (*Report, error) {
	p := Prober{network: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			if answer != "-" {
				go io.WriteString(theirs, answer)
				if answer == "" || strings.Contains(answer, "Length: 0") {
					io.Copy(io.Discard, theirs)
				}
			}
			block := make([]byte, 64<<10)
			theirs.Read(block)
			if answer != "-" && answer != "" {
				for !strings.Contains(string(block), "\r\n\r\n") {
					if _, err := theirs.Read(block); err != nil {
						break
					}
				}
				synctest.Wait()
			}
			theirs.Close()
		}()
		return ours, nil
	}}
	return p.Probe(t.Context(), "http://127.0.0.1:8000/?token=x")
}

func checkLine(t *testing.T, line string) {
	t.Helper()
	if len(line) > 500 {
		t.Errorf("%d bytes: %.100s", len(line), line)
	}
	for _, c := range line {
		if !unicode.IsPrint(c) {
			t.Errorf("%q", line)
			return
		}
	}
}

func TestWhatIsNoURLIsOneLine(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "x", "ftp://x/", "http://", "/p", "http://[::1/", "http://x:port/", "http://x/%zz",
		"http://a\x1b[31mb/", "http://x/?token=%0D%0AX:y", "\x00"} {
		_, err := Probe(t.Context(), bad)
		if !errors.Is(err, ErrURL) {
			t.Errorf("%q: %v", bad, err)
			continue
		}
		checkLine(t, err.Error())
	}
	if _, err := Probe(t.Context(), "http://x.invalid:1/%zz?token=SECRET"); err == nil ||
		strings.Contains(err.Error(), "SECRET") {
		t.Errorf("the error has the token: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = Probe(t.Context(), "http://"+l.Addr().String()+"/")
	if !errors.Is(err, ErrNoAnswer) {
		t.Errorf("%v", err)
	}
	checkLine(t, err.Error())
}

// A page that lies in every word, to a terminal and to whoever reads the report.
func TestAPageThatLiesIsTextOnATerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fake{front: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Query().Get("doctor") != "json" {
				io.WriteString(w, "\x1b[31m\nok     forged  line\n")
				return
			}
			bad := `\u001b[31m\nok     forged\u202e`
			fmt.Fprintf(
				w,
				`{"doctor":1,"id":%q,"server":"%[2]s","gateway":"%[2]s","started":"%[2]s","scheme":"%[2]s","findings":[`+
					`{"symptom":"%[2]s","text":"%[2]s","advice":"rm -rf %[2]s"},{"symptom":"path-missing","text":"%[2]s","seen":"%[2]s","advice":"%[2]s"}],`+
					`"variables":[{"name":"PATH_INFO","value":"%[2]s"},{"name":"HTTP_HOST","value":"%[2]s"},{"name":"HTTP_COOKIE","value":"%[2]s"}]}`,
				r.URL.Query().Get("id"),
				bad,
			)
		}}
		var lines []string
		report, err := f.run(t, func(v Verdict) { lines = append(lines, v.String()) })
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range append(lines, strings.Split(report.String(), "\n")...) {
			for _, c := range line {
				if !unicode.IsPrint(c) {
					t.Fatalf("%q", line)
				}
			}
			if strings.HasPrefix(line, "ok     forged") || strings.Contains(line, "rm -rf") {
				t.Errorf("%q", line)
			}
		}
	})
}

// A host that stops answering after the page: the probes that are left say so, and all ends in
// time.
func TestAHostThatFallsSilentIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := true
		f := fake{front: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if first {
				first = false
				next.ServeHTTP(w, r)
				return
			}
			io.Copy(
				io.Discard,
				r.Body,
			) // net/http notices that a client leaves when it has the body
			<-r.Context().Done()
		}}
		report, err := f.run(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := report.Verdicts[len(report.Verdicts)-1].Text
		if !strings.Contains(text, "the time is over") {
			t.Errorf("the last verdict is %s", text)
		}
	})
}

func TestAProbeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fake{front: hang(kind("stream"))}
		n := 0
		ctx, cancel := context.WithCancel(t.Context())
		f.ctx = ctx
		report, err := f.run(t, func(v Verdict) {
			if n++; v.Probe == "upload: expect" {
				time.AfterFunc(time.Second, cancel) // in the midst of the stream
			}
		})
		if err != nil || n != len(report.Verdicts) ||
			!strings.Contains(report.Verdicts[n-1].Text, "not probed") {
			t.Errorf("%d verdicts, %v", n, err)
		}
	})
}

func TestPasswordOfTheWebServerIsGiven(t *testing.T) {
	t.Parallel()
	page := nethttp.Handler(Application(testToken))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "a:b" {
			w.WriteHeader(401)
			return
		}
		page.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = discard
	defer server.Close()
	probed(t, strings.Replace(server.URL, "http://", "http://me:a%3Ab@", 1)+query)
}

func TestTLSToAServerOfHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Config.ErrorLog = discard
	defer server.Close()
	_, err := (&Prober{TLSConfig: &tls.Config{}}).Probe(
		t.Context(),
		strings.Replace(server.URL, "http", "https", 1),
	)
	if !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "does not speak TLS") {
		t.Errorf("%v", err)
	}
}

// Whatever a page says, the prober takes it for text, or for no page.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{"", "{", `{"doctor":1,"id":"x"}`, `{"doctor":1,"id":"x","started":"\u001b[31m","findings":` +
		`[{"symptom":"path-missing","seen":"\n"}],"variables":[{"name":"A","value":"\u202e"}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		p, err := (&reply{code: 200, body: body}).page("x")
		if err != nil {
			if p != nil ||
				!strings.HasPrefix(err.Error(), "it ") &&
					!strings.HasPrefix(err.Error(), "the answer") {
				t.Errorf("%v, %v", p, err)
			}
			return
		}
		list := []string{p.Started, p.Server, p.Gateway}
		for _, f := range p.Findings {
			symptomOf(f.Symptom)
			list = append(list, f.Seen)
		}
		for _, v := range p.Variables {
			list = append(list, v.Value)
		}
		for _, s := range list {
			for _, c := range s {
				if !unicode.IsPrint(c) {
					t.Errorf("%q", s)
				}
			}
		}
	})
}
