package nethttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"example.com/gateway"
	"example.com/gateway/cgi"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/nethttp"
)

// A recorder is a transport that keeps each block.
type recorder struct {
	status  string
	headers gateway.Headers
	writes  []string
	fail    error // of each Write
	whole   bool  // what End got
}

func (r *recorder) WriteHead(status string, headers gateway.Headers) error {
	r.status, r.headers = status, append(gateway.Headers(nil), headers...)
	return nil
}

func (r *recorder) Write(block []byte) (int, error) {
	if r.fail != nil {
		return 0, r.fail
	}
	r.writes = append(r.writes, string(block))
	return len(block), nil
}

func (r *recorder) Flush() error { return nil }

func (r *recorder) End(whole bool) error {
	r.whole = whole
	return nil
}

// environ returns a complete request with these variables and this body.
func environ(vars map[string]string, body string) *gateway.Environ {
	all := map[string]string{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "www.example.com", "SERVER_PORT": "80", "PATH_INFO": "/"}
	for name, value := range vars {
		all[name] = value
	}
	return &gateway.Environ{Vars: all, URLScheme: "http", Input: strings.NewReader(body)}
}

// respond runs a handler for a request and returns its response, what went to Errors, and what
// Respond returned.
func respond(h http.HandlerFunc, env *gateway.Environ) (*recorder, string, error) {
	var log bytes.Buffer
	env.Errors = &log
	r := new(recorder)
	err := gateway.Respond(nethttp.Application(h), env, r)
	return r, log.String(), err
}

// requestOf returns the request that a handler gets for an environ.
func requestOf(t *testing.T, env *gateway.Environ) (r *http.Request) {
	t.Helper()
	if _, log, err := respond(func(_ http.ResponseWriter, got *http.Request) { r = got }, env); err != nil || log != "" || r == nil {
		t.Fatalf("%v, log %q, request %v", err, log, r)
	}
	return r
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAHandlerThatPanics(t *testing.T) {
	t.Parallel()
	r, log, err := respond(func(w http.ResponseWriter, _ *http.Request) { panicHere() }, environ(nil, ""))
	if r.status != "500 Internal Server Error" || err == nil || !strings.HasPrefix(log, "gateway: GET /: panic: on purpose\n") || !strings.Contains(log, "panicHere") {
		t.Errorf("%q, %v, log %q", r.status, err, log)
	}
	r, log, _ = respond(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(0) }, environ(nil, ""))
	if r.status != "500 Internal Server Error" || !strings.Contains(log, "invalid WriteHeader code 0") {
		t.Errorf("%q, log %q", r.status, log)
	}
	gone := make(chan struct{})
	end := new(recorder)
	go func() { // as t.FailNow does
		defer close(gone)
		_ = gateway.Respond(nethttp.Application(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })), environ(nil, ""), end)
	}()
	<-gone
	if end.status != "500 Internal Server Error" {
		t.Errorf("after Goexit the answer is %q", end.status)
	}
}

func panicHere() { panic("on purpose") }

// A handler may return when its client has left, or panic with http.ErrAbortHandler, as
// httputil.ReverseProxy does. The log gets no line in either case.
func TestAClientThatLeaves(t *testing.T) {
	t.Parallel()
	left := fmt.Errorf("%w: broken pipe", gateway.ErrDisconnected)
	for _, abort := range []bool{false, true} {
		var log bytes.Buffer
		env := environ(nil, "")
		env.Errors = &log
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				if _, err := w.Write(make([]byte, 5000)); !errors.Is(err, gateway.ErrDisconnected) {
					t.Errorf("Write returned %v", err)
				}
			}
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, gateway.ErrDisconnected) {
				t.Errorf("Flush returned %v", err)
			}
			if cause := context.Cause(r.Context()); !errors.Is(cause, gateway.ErrDisconnected) {
				t.Errorf("the context has ended with %v", cause)
			}
			if abort {
				panic(http.ErrAbortHandler)
			}
		})
		r := &recorder{fail: left}
		err := gateway.Respond(nethttp.Application(h), env, r)
		if r.whole || !errors.Is(err, left) || log.Len() > 0 {
			t.Errorf("abort %v: %v, log %q", abort, err, &log)
		}
	}
}

// gin's Context.Stream asks for an http.CloseNotifier, which is deprecated, and panics without it.
func TestAHandlerIsToldThatTheClientHasLeft(t *testing.T) {
	t.Parallel()
	var kept interface{ CloseNotify() <-chan bool }
	for _, leaves := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var gone <-chan bool
		respond(func(w http.ResponseWriter, r *http.Request) {
			kept = w.(interface{ CloseNotify() <-chan bool })
			if gone = kept.CloseNotify(); gone != kept.CloseNotify() || len(gone) > 0 {
				t.Error("there is another channel, or a value in the channel")
			}
			if leaves {
				cancel()
				until(t, "the value", gone)
			}
		}, environ(nil, "").WithContext(ctx))
		cancel()
		time.Sleep(10 * time.Millisecond)
		if len(gone) > 0 || len(kept.CloseNotify()) > 0 {
			t.Errorf("the client leaves %v: there is a value after the response", leaves)
		}
	}
}

// A handler that goes on after it has returned reaches neither its response nor another.
func TestAHandlerThatIsNotDoneWhenItReturns(t *testing.T) {
	t.Parallel()
	var kept http.ResponseWriter
	r, log, err := respond(func(w http.ResponseWriter, _ *http.Request) {
		kept = w
		io.WriteString(w, "one")
	}, environ(nil, ""))
	if err != nil || log != "" || fmt.Sprint(r.writes) != "[one]" {
		t.Fatalf("%v, log %q, %q", err, log, r.writes)
	}
	kept.WriteHeader(500)
	if n, err := kept.Write([]byte("late")); n != 0 || !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("Write returned %d, %v", n, err)
	}
	if n, err := io.WriteString(kept, "late"); n != 0 || !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("WriteString returned %d, %v", n, err)
	}
	if err := http.NewResponseController(kept).Flush(); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("Flush returned %v", err)
	}
	if len(r.writes) != 1 {
		t.Errorf("the writes are %q", r.writes)
	}
}

// As under an http.Server, the files of a form are removed when the handler has returned.
func TestTemporaryFilesAreRemoved(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("f", "upload.bin")
	_, _ = part.Write(make([]byte, 1<<20))
	form.Close()
	for _, panics := range []bool{false, true} {
		var name string
		env := environ(map[string]string{"REQUEST_METHOD": "POST", "CONTENT_TYPE": form.FormDataContentType(), "CONTENT_LENGTH": fmt.Sprint(body.Len())}, body.String())
		_, _, _ = respond(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(1); err != nil {
				t.Error(err)
				return
			}
			f, err := r.MultipartForm.File["f"][0].Open()
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			name = f.(*os.File).Name()
			if panics {
				panic("on purpose")
			}
		}, env)
		if _, err := os.Stat(name); name == "" || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("panics %v: the file %q is there: %v", panics, name, err)
		}
	}
}

func TestANilHandlerIsTheDefault(t *testing.T) {
	t.Parallel()
	r := new(recorder)
	if err := gateway.Respond(nethttp.Application(nil), environ(map[string]string{"PATH_INFO": "/no-such-path"}, ""), r); err != nil || r.status != "404 Not Found" {
		t.Errorf("%q, %v", r.status, err)
	}
}

// Handlers of the standard library run as a CGI program.
func TestExistingHandlers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big.bin"), bytes.Repeat([]byte("0123456789"), 10000), 0o644); err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Status", "200 OK") // as Rails does
		w.Header().Set("Connection", "close")
		fmt.Fprintf(w, "%s %s %d %q %v", r.Method, r.URL, r.ContentLength, body, r.TransferEncoding)
	}))
	defer backend.Close()
	target, _ := url.Parse(backend.URL)
	mux := http.NewServeMux()
	mux.Handle("/proxy/", http.StripPrefix("/proxy", httputil.NewSingleHostReverseProxy(target)))
	mux.Handle("/files/", http.StripPrefix("/files", http.FileServer(http.Dir(dir))))
	mux.Handle("/fs/", http.StripPrefix("/fs", http.FileServerFS(fstest.MapFS{"a.txt": {Data: []byte("text")}})))
	mux.HandleFunc("POST /items/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("id"), r.FormValue("f")) })
	mux.Handle("/redirect", http.RedirectHandler("/files/", http.StatusMovedPermanently))

	for _, c := range []struct {
		vars   []string
		body   string
		status string
		in     []string
	}{
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/proxy/a/b", "REQUEST_URI=/proxy/a%2Fb?q", "QUERY_STRING=q"}, "", "200 OK", []string{`GET /a%2Fb?q 0 "" []`}},
		{[]string{"REQUEST_METHOD=POST", "PATH_INFO=/proxy/", "CONTENT_LENGTH=5"}, "12345", "200 OK", []string{`POST / 5 "12345" []`}},
		{[]string{"REQUEST_METHOD=POST", "PATH_INFO=/proxy/", "HTTP_TRANSFER_ENCODING=chunked"}, "12345", "200 OK", []string{`POST / -1 "12345" [chunked]`}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/files/big.bin"}, "", "200 OK", []string{"Content-Length: 100000\r\n", "789"}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/files/big.bin", "HTTP_RANGE=bytes=5-7"}, "", "206 Partial Content", []string{"Content-Range: bytes 5-7/100000\r\n", "\r\n\r\n567"}},
		{[]string{"REQUEST_METHOD=HEAD", "PATH_INFO=/files/big.bin"}, "", "200 OK", []string{"Content-Length: 100000\r\n"}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/fs/a.txt"}, "", "200 OK", []string{"Content-Type: text/plain; charset=utf-8\r\n", "\r\n\r\ntext"}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/fs/none"}, "", "404 Not Found", nil},
		{[]string{"REQUEST_METHOD=POST", "PATH_INFO=/items/7", "CONTENT_TYPE=application/x-www-form-urlencoded", "CONTENT_LENGTH=3"}, "f=x", "200 OK", []string{"\r\n\r\n7x"}},
		{[]string{"REQUEST_METHOD=GET", "PATH_INFO=/items/7"}, "", "405 Method Not Allowed", []string{"Allow: POST\r\n"}},
		{[]string{"REQUEST_METHOD=GET", "SCRIPT_NAME=/redirect"}, "", "301 Moved Permanently", []string{"Location: /files/\r\n"}},
	} {
		var out, log bytes.Buffer
		program := cgi.Program{Env: append(c.vars, "SERVER_PROTOCOL=HTTP/1.1", "HTTP_HOST=www.example.com"), Stdin: strings.NewReader(c.body), Stdout: &out, Stderr: &log}
		if err := program.Run(nethttp.Application(mux)); err != nil || log.Len() > 0 {
			t.Errorf("%v: %v, log %q", c.vars, err, &log)
		}
		if !strings.HasPrefix(out.String(), "Status: "+c.status+"\r\n") {
			t.Errorf("%v: the answer is %.200q, want %s", c.vars, &out, c.status)
		}
		for _, s := range c.in {
			if !strings.Contains(out.String(), s) {
				t.Errorf("%v: the answer is %.300q, want %q in it", c.vars, &out, s)
			}
		}
	}
}

// A handler sees the path below the place where it is mounted, wherever that is.
func TestStripScriptName(t *testing.T) {
	t.Parallel()
	app := nethttp.Application(nethttp.StripScriptName(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %q %q", r.URL, r.URL.Path, r.URL.RawPath)
	})))
	for _, c := range []struct{ script, path, uri, query, status, location, body string }{
		{"", "/a", "", "", "200 OK", "", `/a "/a" ""`},
		{"", "", "*", "", "200 OK", "", `* "*" ""`},
		{"/cgi-bin/app", "/a b", "", "q=1", "200 OK", "", `/a%20b?q=1 "/a b" ""`},
		{"/app", "/", "", "", "200 OK", "", `/ "/" ""`},
		{"/app", "", "", "q=1", "307 Temporary Redirect", "/app/?q=1", ""},
		{"/a b", "", "", "", "307 Temporary Redirect", "/a%20b/", ""},
		{"/app", "/a/b", "/app/a%2Fb", "", "200 OK", "", `/a%2Fb "/a/b" "/a%2Fb"`},
		{"/a b", "/c/d", "/a%20b/c%2Fd", "", "200 OK", "", `/c%2Fd "/c/d" "/c%2Fd"`},
		{"/app", "/app/x", "", "", "200 OK", "", `/app/x "/app/x" ""`},
	} {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"], env.Vars["QUERY_STRING"] = c.script, c.path, c.query
		if delete(env.Vars, "REQUEST_URI"); c.uri != "" {
			env.Vars["REQUEST_URI"] = c.uri
		}
		if c.uri == "*" {
			env.Vars["REQUEST_METHOD"] = "OPTIONS"
		}
		r := gatewaytest.Record(app, env)
		if r.Status != c.status || r.Headers.Get("Location") != c.location || c.body != "" && r.Body() != c.body {
			t.Errorf("%q %q: %s, Location %q, %s", c.script, c.path, r.Status, r.Headers.Get("Location"), r.Body())
		}
	}
}

// A path of many slashes takes linear time.
func TestStripScriptNameOfALongPath(t *testing.T) {
	t.Parallel()
	raw := "/app" + strings.Repeat("/%2F", 200_000)
	env := gatewaytest.NewEnviron("GET", "/", nil)
	env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"], env.Vars["REQUEST_URI"] = "/app", strings.Repeat("//", 200_000), raw
	got := ""
	gatewaytest.Record(nethttp.Application(nethttp.StripScriptName(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.URL.RawPath
	}))), env)
	if got != raw[len("/app"):] {
		t.Errorf("the raw path has %d bytes", len(got))
	}
}

// A handler answers behind Handler and Application as it does by itself.
func TestARoundTripChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f.txt"), bytes.Repeat([]byte("0123456789"), 2000), 0o644); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/f/", http.StripPrefix("/f", http.FileServer(http.Dir(dir))))
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s %v %d %v %q %v", r.Method, r.URL, r.RequestURI, r.Host, r.Proto, r.Header, r.ContentLength, r.TransferEncoding, body, err)
	})
	mux.HandleFunc("/cookies", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		w.WriteHeader(201)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "block %d;", i)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/204", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/304", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Etag", `"x"`); w.WriteHeader(304) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("large ", 10000)) })
	mux.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(103)
		io.WriteString(w, "hinted")
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Declared")
		io.WriteString(w, "body")
		w.Header().Set("X-Declared", "1")
		w.Header().Set(http.TrailerPrefix+"X-Other", "2")
	})
	mux.HandleFunc("/context", func(w http.ResponseWriter, r *http.Request) {
		_, server := r.Context().Value(http.ServerContextKey).(*http.Server)
		fmt.Fprint(w, server, r.Context().Value(http.LocalAddrContextKey) != nil, r.Context().Err(), r.TLS != nil && r.TLS.HandshakeComplete)
	})
	requests := []func(base string) *http.Request{}
	for _, target := range []string{"/f/f.txt", "/f/", "/f/none", "/f", "/echo", "/echo?q=%41+b&c", "/echo?", "/cookies", "/stream", "/204", "/304", "/large", "/hints",
		"/trailers", "/context", "/none", "//echo", "/f/%66.txt", "/f/a%2Fb"} {
		for _, method := range []string{"GET", "HEAD"} {
			requests = append(requests, func(base string) *http.Request {
				r, _ := http.NewRequest(method, base+target, nil)
				r.Header["X-Header"] = []string{"value"}
				return r
			})
		}
	}
	for _, body := range []func() io.Reader{
		func() io.Reader { return strings.NewReader("a body") },
		func() io.Reader { return io.MultiReader(strings.NewReader("of unknown length")) },
		func() io.Reader { return http.NoBody },
	} {
		requests = append(requests, func(base string) *http.Request {
			r, _ := http.NewRequest("POST", base+"/echo", body())
			r.Header.Set("Content-Type", "text/x")
			return r
		})
	}
	requests = append(requests, func(base string) *http.Request {
		r, _ := http.NewRequest("GET", base+"/f/f.txt", nil)
		r.Header.Set("Range", "bytes=3-5")
		return r
	})

	ask := func(t *testing.T, client *http.Client, r *http.Request) string {
		t.Helper()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		r.Host = "www.example.com"
		var hints []string
		r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h))
			return nil
		}}))
		response, err := client.Do(r)
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
			return ""
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		response.Header.Del("Date")
		response.Header.Del("Last-Modified")
		return fmt.Sprintf("%s %v %d %v %v %v %.200q %d %v", response.Status, response.Header, response.ContentLength, response.TransferEncoding, hints,
			response.Trailer, body, len(body), err)
	}
	var want []string
	eachProtocol(t, mux, func(t *testing.T, proto string, client *http.Client, base string) {
		for _, request := range requests {
			want = append(want, ask(t, client, request(base)))
		}
	})
	eachProtocol(t, nethttp.Handler(nethttp.Application(mux)), func(t *testing.T, proto string, client *http.Client, base string) {
		for _, request := range requests {
			r := request(base)
			got := ask(t, client, r)
			http2 := proto == "HTTP/2.0"
			switch {
			case r.URL.Path == "/trailers" && (http2 || r.Method == "HEAD"), http2 && (r.URL.Path == "/204" || r.URL.Path == "/304"):
				// The framing differs: trailers are not announced and no length is before them, and
				// under HTTP/2 a head without a body leaves before the end of the stream.
			case got != want[0]:
				t.Errorf("%s %s:\n%s, want\n%s", r.Method, r.URL, got, want[0])
			}
			want = want[1:]
		}
	})
}

// A declared length is sent under each writer, and whether the trailers are sent does not depend on
// the size of the body. net/http does the same.
func TestWhatAHandlerDeclaresIsSent(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.URL.Query().Get("size"))
		w.Header().Set("Trailer", "X-Sum")
		if r.URL.Query().Has("declared") {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		_, _ = io.WriteString(w, strings.Repeat("x", size))
		w.Header().Set("X-Sum", "1")
	})
	through := nethttp.Handler(nethttp.Application(h))
	for _, size := range []int{0, 10, 3000, 5000, 100_000} { // around the buffers of net/http and of Application
		for _, declared := range []string{"", "&declared"} {
			target := "/?size=" + strconv.Itoa(size) + declared
			w := httptest.NewRecorder()
			through.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
			want := ""
			if declared != "" {
				want = strconv.Itoa(size)
			}
			if got := w.Header().Get("Content-Length"); got != want || w.Result().Trailer.Get("X-Sum") != "1" {
				t.Errorf("%s, a recorder: Content-Length %q, want %q; the trailers are %v", target, got, want, w.Result().Trailer)
			}
			seen := make(map[string][]string)
			for _, h := range []http.Handler{h, through} {
				eachProtocol(t, h, func(t *testing.T, proto string, client *http.Client, url string) {
					response, body, _ := get(t, client, url+target)
					if len(body) != size {
						t.Errorf("%s: %d bytes arrive", target, len(body))
					}
					length := response.Header.Get("Content-Length")
					if declared == "" && response.ProtoMajor == 2 {
						length = "" // net/http knows the length of a small body, in spite of the trailers
					}
					seen[proto] = append(seen[proto], fmt.Sprint(length, response.Trailer))
				})
			}
			for proto, list := range seen {
				if len(slices.Compact(slices.Clone(list))) != 1 { // HTTP/2 comes twice, with TLS and without
					t.Errorf("%s, %s: length and trailers are %q, under net/http and through an application", target, proto, list)
				}
			}
		}
	}
}

// httputil.ReverseProxy tells that its backend has broken off only under an http.Server: otherwise
// it just returns, and a part of the backend's response would look whole.
func TestAProxyWhoseBackendBreaksOffMakesNoWholeResponse(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer backend.Close()
	target, _ := url.Parse(backend.URL)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	r, _, err := respond(proxy.ServeHTTP, environ(nil, ""))
	if r.whole || strings.Join(r.writes, "") != "begun" || !errors.Is(err, http.ErrAbortHandler) {
		t.Errorf("whole %v, %q, %v", r.whole, r.writes, err)
	}
}

// A proxy notices that the client has left before it writes, and then panics too.
func TestAProxyWhoseClientLeavesIsNoFault(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancelCause(t.Context())
	h := func(_ http.ResponseWriter, r *http.Request) {
		leave(fmt.Errorf("%w: gone", gateway.ErrDisconnected))
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	if r, log, err := respond(h, environ(nil, "").WithContext(ctx)); log != "" || !errors.Is(err, http.ErrAbortHandler) {
		t.Errorf("%q, %v, log %q", r.status, err, log)
	}
}
