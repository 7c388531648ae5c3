package doctor

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

// A fake is a web server with one fault: in the variables, or in what it does with HTTP.
type fake struct {
	symptom string
	env     func(env *gateway.Environ) *gateway.Environ // changes the request; nil leaves it
	front   func(w http.ResponseWriter, r *http.Request, next http.Handler)
	prober  Prober
	ctx     context.Context // of the probe; nil is the test's
}

func vars(change func(v map[string]string)) func(env *gateway.Environ) *gateway.Environ {
	return func(env *gateway.Environ) *gateway.Environ {
		change(env.Vars)
		return env
	}
}

// refuse returns a front that answers some requests by itself.
func refuse(
	code int,
	which func(r *http.Request) bool,
) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if which(r) {
			w.WriteHeader(code)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// kind returns whether the request is for that part of the doctor.
func kind(name string) func(r *http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Query().Get("doctor") == name }
}

func breaksWith(length string) func(r *http.Request) bool {
	return func(r *http.Request) bool { return kind("break")(r) && r.URL.Query().Get("length") == length }
}

func isChunked(r *http.Request) bool { return r.ContentLength < 0 }

// answer returns a front that answers some requests with a text of its own.
func answer(
	text string,
	which func(r *http.Request) bool,
) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if which(r) {
			io.WriteString(w, text)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// hang begins an answer and waits until the client has had enough.
func hang(which func(r *http.Request) bool) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if which(r) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "first\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	}
}

func proxied(w http.ResponseWriter, r *http.Request, next http.Handler) {
	w.Header().Set("Server", "a proxy")
	next.ServeHTTP(w, r)
}

// A sink takes a response, and passes on its head and first block.
type sink struct {
	http.ResponseWriter
	writes int
}

func (s *sink) Write(p []byte) (int, error) {
	if s.writes++; s.writes == 1 {
		s.ResponseWriter.Write(p)
		s.ResponseWriter.(http.Flusher).Flush()
	}
	return len(p), nil
}

func (s *sink) Flush() {}

// faulty returns a web server for each fault.
func faulty() []fake {
	var requests atomic.Int64
	return []fake{
		{
			symptom: "path-missing",
			env:     vars(func(v map[string]string) { v["SCRIPT_NAME"], v["PATH_INFO"] = "", "" }),
		},
		{symptom: "path-unsplit", env: vars(func(v map[string]string) {
			v["SCRIPT_NAME"] = v["PATH_INFO"]
			delete(v, "PATH_INFO")
		})},
		{
			symptom: "path-doubled",
			env:     vars(func(v map[string]string) { v["SCRIPT_NAME"] = v["PATH_INFO"] }),
		},
		{
			symptom: "path-refused",
			front:   refuse(404, func(r *http.Request) bool { return r.URL.Path != "/" }),
		},
		{symptom: "path-lost", env: vars(func(v map[string]string) { v["PATH_INFO"] = "/" })},
		{symptom: "path-first-segment", env: vars(func(v map[string]string) {
			if i := strings.Index(v["PATH_INFO"][1:], "/"); i > 0 {
				v["SCRIPT_NAME"], v["PATH_INFO"] = v["PATH_INFO"][:i+1], v["PATH_INFO"][i+1:]
			}
		})},
		{
			symptom: "path-encoded",
			env: vars(
				func(v map[string]string) { v["PATH_INFO"], _, _ = strings.Cut(v["REQUEST_URI"], "?") },
			),
		},
		{
			symptom: "path-decoded-twice",
			env:     vars(func(v map[string]string) { v["PATH_INFO"] = unescape(v["PATH_INFO"]) }),
		},
		{
			symptom: "path-slashes-merged",
			env: vars(
				func(v map[string]string) { v["PATH_INFO"] = strings.ReplaceAll(v["PATH_INFO"], "//", "/") },
			),
		},
		{
			symptom: "path-slash-refused",
			front: refuse(
				404,
				func(r *http.Request) bool { return strings.Contains(r.RequestURI, "%2F") },
			),
		},
		{
			symptom: "path-changed",
			env: vars(
				func(v map[string]string) { v["PATH_INFO"], _, _ = strings.Cut(v["PATH_INFO"], ";") },
			),
		},
		{
			symptom: "target-changed",
			env: vars(
				func(v map[string]string) { v["REQUEST_URI"] = strings.ReplaceAll(v["REQUEST_URI"], "%2F", "/") },
			),
		},
		{
			symptom: "query-changed",
			env: vars(
				func(v map[string]string) { v["QUERY_STRING"] = strings.ReplaceAll(v["QUERY_STRING"], "%e9", "%E9") },
			),
		},
		{symptom: "contract", env: vars(func(v map[string]string) { delete(v, "SERVER_NAME") })},
		{
			symptom: "host-port",
			env: vars(
				func(v map[string]string) { v["HTTP_HOST"], _, _ = strings.Cut(v["HTTP_HOST"], ":") },
			),
		},
		{symptom: "host-replaced", env: vars(func(v map[string]string) { v["HTTP_HOST"] = "app" })},
		{
			symptom: "scheme",
			env:     vars(func(v map[string]string) { v["HTTP_X_FORWARDED_PROTO"] = "https" }),
		},
		{symptom: "user-unchecked", env: vars(func(v map[string]string) {
			if v["HTTP_AUTHORIZATION"] != "" {
				v["REMOTE_USER"] = "doctor"
			}
		})},
		{symptom: "authorization-kept", env: vars(func(v map[string]string) {
			v["SERVER_SOFTWARE"], v["FCGI_ROLE"] = "HAProxy 2", "RESPONDER"
			delete(v, "HTTP_AUTHORIZATION")
		})},
		{symptom: "scheme-untold", env: func(env *gateway.Environ) *gateway.Environ {
			env.URLScheme = "https"
			return env
		}},
		{
			symptom: "address-of-proxy",
			env:     vars(func(v map[string]string) { v["HTTP_X_FORWARDED_FOR"] = "127.0.0.9" }),
		},
		{symptom: "address-forged", env: vars(func(v map[string]string) {
			if v["HTTP_X_FORWARDED_FOR"] != "" {
				v["REMOTE_ADDR"] = v["HTTP_X_FORWARDED_FOR"]
			}
		})},
		{
			symptom: "forwarded-for-missing",
			front:   proxied,
			env:     vars(func(v map[string]string) { v["HTTP_X_FORWARDED_PROTO"] = "http" }),
		},
		{
			symptom: "forwarded-proto-forged",
			front:   proxied,
			env: func(env *gateway.Environ) *gateway.Environ {
				env.Vars["HTTP_X_FORWARDED_FOR"] += ", 127.0.0.1"
				env.Extra = map[string]any{"middleware.remote_addr": ""} // as from middleware.Forwarded
				return env
			},
		},
		{
			symptom: "authorization-missing",
			env:     vars(func(v map[string]string) { delete(v, "HTTP_AUTHORIZATION") }),
		},
		{symptom: "authorization-elsewhere", env: vars(func(v map[string]string) {
			v["REDIRECT_HTTP_AUTHORIZATION"] = v["HTTP_AUTHORIZATION"]
			delete(v, "HTTP_AUTHORIZATION")
		})},
		{
			symptom: "cookies-comma",
			env: vars(
				func(v map[string]string) { v["HTTP_COOKIE"] = strings.ReplaceAll(v["HTTP_COOKIE"], ";", ",") },
			),
		},
		{
			symptom: "underscores",
			env:     vars(func(v map[string]string) { v["HTTP_X_DOCTOR_PROBE"] = "1" }),
		},
		{
			symptom: "headers-refused",
			front: refuse(
				431,
				func(r *http.Request) bool { return r.Header.Get("X-Doctor-Large-0") != "" },
			),
		},
		{
			symptom: "upload-malformed",
			front:   refuse(400, func(r *http.Request) bool { return r.ContentLength > 1000 }),
		},
		{
			symptom: "upload-refused",
			front:   refuse(413, func(r *http.Request) bool { return r.ContentLength > 1<<20 }),
		},
		{
			symptom: "upload-large-refused",
			front:   refuse(413, func(r *http.Request) bool { return r.ContentLength > 10<<20 }),
			prober:  Prober{Large: true},
		},
		{symptom: "upload-cut", env: func(env *gateway.Environ) *gateway.Environ {
			env.Input = io.MultiReader(strings.NewReader("x"), env.Input)
			return env
		}},
		{symptom: "chunked-refused", front: refuse(411, isChunked)},
		{
			symptom: "chunked-lost",
			front: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if isChunked(r) {
					io.Copy(io.Discard, r.Body)
					r.Body, r.ContentLength = http.NoBody, 0
				}
				next.ServeHTTP(w, r)
			},
		},
		{
			symptom: "continue-late",
			front:   refuse(417, func(r *http.Request) bool { return r.Header.Get("Expect") != "" }),
		},
		{
			symptom: "stream-collected",
			front: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !kind("stream")(r) {
					next.ServeHTTP(w, r)
					return
				}
				all := httptest.NewRecorder()
				next.ServeHTTP(all, r)
				w.Write(all.Body.Bytes())
			},
		},
		{symptom: "stream-cut", front: answer("block 1\n", kind("stream"))},
		{symptom: "broken-hangs", front: hang(breaksWith("declared"))},
		{
			symptom: "broken-late",
			front:   hang(func(r *http.Request) bool { return breaksWith("declared")(r) && !r.Close }),
		},
		{symptom: "broken-declared-whole", front: answer("first\n", breaksWith("declared"))},
		{symptom: "broken-whole", front: answer("first\n", breaksWith("none"))},
		{
			symptom: "length-dropped",
			front: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method == "HEAD" && kind("length")(r) {
					return
				}
				next.ServeHTTP(w, r)
			},
		},
		{symptom: "head-body", front: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == "HEAD" && kind("json")(r) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
					conn.Close()
				}
				return
			}
			next.ServeHTTP(w, r)
		}},
		{symptom: "no-content", front: answer("nothing", kind("status"))},
		{symptom: "leave-idle", env: func(env *gateway.Environ) *gateway.Environ {
			return env.WithContext(context.WithoutCancel(env.Context()))
		}},
		{
			symptom: "leave-never",
			front: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if kind("leave")(r) {
					next.ServeHTTP(
						&sink{ResponseWriter: w},
						r.WithContext(context.WithoutCancel(r.Context())),
					)
					return
				}
				next.ServeHTTP(w, r)
			},
		},
		{symptom: "not-kept", front: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			w.Header().Set("Connection", "close")
			next.ServeHTTP(w, r)
		}},
		{symptom: "compressed", front: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Header.Get("Accept-Encoding") != "" {
				w.Header().Set("Content-Encoding", "gzip")
			}
			next.ServeHTTP(w, r)
		}},
		{symptom: "http10", env: vars(func(v map[string]string) { v["SERVER_PROTOCOL"] = "HTTP/1.0" })},
		{
			symptom: "load-lost",
			prober:  Prober{Load: 200 * time.Millisecond},
			front: refuse(503, func(r *http.Request) bool {
				time.Sleep(10 * time.Millisecond) // or the time of the bubble would stand still
				return kind("length")(r) && r.Method == "GET" && !r.Close && requests.Add(1) > 10
			}),
		},
	}
}

// run probes the fake, in a network of its own. It is for a bubble of testing/synctest, where
// waiting takes no time, and nothing is ever late.
func (f fake) run(t *testing.T, progress func(Verdict)) (*Report, error) {
	app := Application(testToken)
	if f.env != nil {
		page := app
		app = gateway.ApplicationFunc(
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				return page.Call(f.env(env), start)
			},
		)
	}
	page := nethttp.Handler(app)
	handler := page
	if f.front != nil {
		handler = http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { f.front(w, r, page) },
		)
	}
	network := newPipes()
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(network) }()
	defer func() {
		server.Close()
		<-ended
		time.Sleep(time.Minute) // net/http waits half a second before it closes a connection that is not to be reset
	}()
	p := f.prober
	p.Progress, p.network = progress, network.dial
	ctx := f.ctx
	if ctx == nil {
		ctx = t.Context()
	}
	return p.Probe(ctx, "http://127.0.0.1:8000/?token="+url.QueryEscape(testToken))
}

// pipes is a network: a listener, and connections to it, in memory.
type pipes struct {
	conns chan net.Conn
	over  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), over: make(chan struct{})} }

// An end is one of a pipe's, with an address as of TCP.
type end struct{ net.Conn }

func (end) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000} }
func (end) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50_000} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- end{theirs}:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.over:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.over:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.over) })
	return nil
}

func (p *pipes) Addr() net.Addr { return end{}.LocalAddr() }

// names returns the symptoms of a report.
func names(r *Report) (list []string) {
	for _, f := range slices.Concat(r.Findings, r.Notes) {
		list = append(list, f.Symptom)
	}
	return list
}

// Each symptom has a web server that has it, and the prober finds that and nothing else.
func TestEachSymptomIsFoundAlone(t *testing.T) {
	t.Parallel()
	for _, s := range symptoms {
		if !slices.ContainsFunc(faulty(), func(f fake) bool { return f.symptom == s.name }) {
			t.Errorf("no fault is planted for %s", s.name)
		}
	}
	for _, f := range faulty() {
		t.Run(f.symptom, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var lines bytes.Buffer
				report, err := f.run(t, func(v Verdict) { lines.WriteString(v.String() + "\n") })
				if err != nil {
					t.Fatal(err)
				}
				if got := names(report); !slices.Equal(got, []string{f.symptom}) {
					t.Errorf("found %q\n%s", got, &lines)
				}
				isFinding := len(report.Findings) > 0
				if want := symptomOf(f.symptom).isFault; isFinding != want {
					t.Errorf("it is a finding: %v, want %v", isFinding, want)
				}
			})
		})
	}
}

// Each rule has the shape of its web server: the page knows the server and the protocol by the
// variables, and gives that line.
func TestEachRuleIsGivenToItsWebServer(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		f := find(r.symptom, "seen", r.server, r.gateway)
		if f.Advice != r.advice || f.Note || !strings.HasSuffix(f.Proof, r.file) {
			t.Errorf("%v: got %+v", r, f)
		}
		if f := find(r.symptom, "seen", "another", r.gateway); f.Advice != "" ||
			f.Note == symptomOf(r.symptom).isFault {
			t.Errorf("%v: another web server gets %+v", r, f)
		}
		if f := find(r.symptom, "seen", r.server, ""); !strings.Contains(f.Advice, r.advice) {
			t.Errorf("%v: without a protocol: %+v", r, f)
		}
	}
}

func TestLengthOfAnswerIsBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		block := bytes.Repeat([]byte("x"), 64<<10)
		for range 1000 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	c, err := newClient(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.do(t.Context(), call{})
	if err != nil || len(answer.body) > maxReply {
		t.Errorf("%v, %s bytes", err, strconv.Itoa(len(answer.body)))
	}
}
