package nethttp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
	"example.com/gateway/request"
)

// slowApp answers at once, or after ten seconds if its path says so and its Context does not end.
var slowApp = appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	wait := func() {
		select {
		case <-time.After(10 * time.Second):
		case <-env.Context().Done():
		}
	}
	switch env.Vars["PATH_INFO"] {
	case "/slow":
		wait()
	case "/stream":
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			if yield([]byte("hel"), nil) {
				wait()
				yield([]byte("lo"), nil)
			}
		}), err
	}
	return text(start, "hello")
})

func TestShutdownLosesNoRequest(t *testing.T) {
	const slow, stream = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, c := range []struct {
		name   string
		before string        // is sent, and answered unless it takes long
		pause  time.Duration // between the end of that answer and the stop
		wait   time.Duration // between the stop, or the end of that answer, and the next request
		after  string
		answer bool          // the request after the stop gets one
		closes bool          // the answer that comes after the stop says that the connection ends
		took   time.Duration // Shutdown
	}{
		{"fresh, silent", "", 0, 0, "", false, false, 2 * time.Second},
		{"fresh, a request in time", "", 0, 1900 * time.Millisecond, hi, true, true, 1900 * time.Millisecond},
		{"fresh, a request that takes long", "", 0, 1900 * time.Millisecond, slow, true, true, 11900 * time.Millisecond},
		{"fresh, too late", "", 0, 2100 * time.Millisecond, hi, false, false, 2 * time.Second},
		{"kept, silent", hi, 0, 0, "", false, false, 500 * time.Millisecond},
		{"kept for long, silent", hi, time.Minute, 0, "", false, false, 500 * time.Millisecond},
		{"kept, a request in time", hi, 0, 400 * time.Millisecond, hi, true, true, 400 * time.Millisecond},
		{"kept, too late", hi, 0, 600 * time.Millisecond, hi, false, false, 500 * time.Millisecond},
		{"a request goes on, silent", slow, 0, 0, "", true, true, 10 * time.Second},
		{"the head is sent, silent", stream, 0, 0, "", true, false, 10500 * time.Millisecond},
		{"the head is sent, a next request in time", stream, 0, 400 * time.Millisecond, hi, true, true, 10400 * time.Millisecond},
	} {
		inBubble(t, &nethttp.Server{Application: slowApp}, func(b *bubble) {
			conn := b.l.dial()
			defer conn.Close()
			synctest.Wait()
			r := bufio.NewReader(conn)
			read := func() (closes, ok bool) {
				response, err := http.ReadResponse(r, nil)
				if err != nil {
					return false, false
				}
				body, err := io.ReadAll(response.Body)
				return response.Close, string(body) == "hello" && err == nil
			}
			goesOn := c.before == slow || c.before == stream
			if c.before != "" {
				go io.WriteString(conn, c.before)
				if !goesOn {
					if _, ok := read(); !ok {
						b.t.Errorf("%s: no answer before the stop", c.name)
					}
				}
			}
			time.Sleep(c.pause)
			synctest.Wait()
			begun := time.Now()
			type result struct {
				err  error
				took time.Duration
			}
			stopped := make(chan result, 1)
			go func() {
				err := b.server.Shutdown(context.Background())
				stopped <- result{err, time.Since(begun)}
			}()
			var closes, ok bool
			if goesOn {
				closes, ok = read()
			}
			if c.after != "" {
				time.Sleep(c.wait)
				go io.WriteString(conn, c.after)
				closes, ok = read()
			}
			if ok != c.answer || closes != c.closes {
				b.t.Errorf("%s: an answer %v, want %v; it says that the connection ends %v, want %v", c.name, ok, c.answer, closes, c.closes)
			}
			if n, err := io.Copy(io.Discard, r); n > 0 || err != nil && !errors.Is(err, io.ErrClosedPipe) {
				b.t.Errorf("%s: then %d bytes, %v", c.name, n, err)
			}
			if got := <-stopped; got.err != nil || got.took != c.took {
				b.t.Errorf("%s: Shutdown has returned %v after %v, want %v", c.name, got.err, got.took, c.took)
			}
		})
	}
}

// The Context of a request that does not end in time ends, and Close cuts the request off.
func TestShutdownThatRunsOutOfTime(t *testing.T) {
	for _, hears := range []bool{true, false} {
		cause := make(chan error, 1)
		hearing := make(chan struct{})
		app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			<-env.Context().Done()
			cause <- context.Cause(env.Context())
			if !hears {
				_, _ = io.ReadAll(env.Input)
				<-hearing
			}
			return text(start, "hello")
		})
		inBubble(t, &nethttp.Server{Application: app}, func(b *bubble) {
			conn := b.l.dial()
			defer conn.Close()
			go io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1")
			time.Sleep(time.Second)
			answer := make(chan string, 1)
			go func() {
				all, _ := io.ReadAll(conn)
				answer <- string(all)
			}()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := b.server.Shutdown(ctx); err != context.DeadlineExceeded {
				b.t.Errorf("Shutdown has returned %v", err)
			}
			if err := <-cause; err != gateway.ErrShutdown {
				b.t.Errorf("the cause is %v", err)
			}
			if !hears {
				if err := b.server.Close(); err != nil {
					b.t.Errorf("Close has returned %v", err)
				}
				if s := <-answer; s != "" {
					b.t.Errorf("the answer is %q", s)
				}
				cancelled, cancel := context.WithCancel(context.Background())
				cancel()
				if err := b.server.Shutdown(cancelled); err != context.Canceled {
					b.t.Errorf("after Close, while the application goes on, Shutdown has returned %v", err)
				}
				close(hearing)
			} else if s := <-answer; !strings.Contains(s, "Connection: close\r\n") || !strings.HasSuffix(s, "hello") {
				b.t.Errorf("the answer is %q", s)
			}
			if err := b.server.Shutdown(context.Background()); err != nil {
				b.t.Errorf("when all has ended, Shutdown has returned %v", err)
			}
		})
	}
}

func TestAServerThatWasStopped(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(s *nethttp.Server) error{
		"Shutdown": func(s *nethttp.Server) error { return s.Shutdown(context.Background()) },
		"Close":    (*nethttp.Server).Close,
	} {
		s := &nethttp.Server{Application: slowApp}
		if err := stop(s); err != nil {
			t.Errorf("%s before Serve: %v", name, err)
		}
		l := newPipeListener()
		if err := s.Serve(l); err != gateway.ErrShutdown {
			t.Errorf("Serve after %s: %v", name, err)
		}
		if _, err := l.Accept(); err != net.ErrClosed {
			t.Errorf("Serve after %s leaves the listener open", name)
		}
	}
}

func TestWhatServeRefuses(t *testing.T) {
	t.Parallel()
	app := gateway.Application(slowApp)
	none := filepath.Join(t.TempDir(), "none.pem")
	for _, c := range []struct {
		name  string
		serve func(l net.Listener) error
		want  string
	}{
		{"no application", (&nethttp.Server{}).Serve, "nethttp: Server.Application is nil"},
		{"no application", func(l net.Listener) error { return nethttp.Serve(l, nil) }, "nethttp: Server.Application is nil"},
		{"a prefix without a slash", (&nethttp.Server{Application: app, Prefix: "blog"}).Serve, `nethttp: Server.Prefix is "blog"`},
		{"no certificate", func(l net.Listener) error {
			return (&nethttp.Server{Application: app}).ServeTLS(l, "", "")
		}, "nethttp: ServeTLS: "},
		{"no such file", func(l net.Listener) error {
			return (&nethttp.Server{Application: app}).ServeTLS(l, none, none)
		}, "nethttp: ServeTLS: open " + none},
	} {
		l := newPipeListener()
		if err := c.serve(l); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if _, err := l.Accept(); err != net.ErrClosed {
			t.Errorf("%s: the listener is open", c.name)
		}
	}
	broken := errors.New("the cable is cut")
	if err := nethttp.Serve(brokenListener{err: broken}, app); err != broken {
		t.Errorf("a listener that fails: %v", err)
	}
}

type brokenListener struct {
	net.Listener
	err error
}

func (l brokenListener) Accept() (net.Conn, error) { return nil, l.err }
func (l brokenListener) Close() error              { return nil }

func TestServeTLS(t *testing.T) {
	t.Parallel()
	certificate := certificateOf(t)
	certFile, keyFile := pemFilesOf(t, certificate)
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return text(start, env.Vars["SERVER_PROTOCOL"]+" "+env.URLScheme+" "+env.Vars["SCRIPT_NAME"]+"|"+env.Vars["PATH_INFO"]+" "+env.Vars["SSL_TLS_SNI"])
	})
	for _, c := range []struct {
		name              string
		config            *tls.Config
		certFile, keyFile string
		want              string
	}{
		{"files", nil, certFile, keyFile, "HTTP/2.0 https /blog|/x example.com"},
		{"a configuration", &tls.Config{Certificates: []tls.Certificate{certificate}}, "", "", "HTTP/2.0 https /blog|/x example.com"},
		{"no HTTP/2", &tls.Config{NextProtos: []string{"http/1.1"}}, certFile, keyFile, "HTTP/1.1 https /blog|/x example.com"},
	} {
		s := &nethttp.Server{Application: app, Prefix: "/blog", TLSConfig: c.config, ErrorLog: quiet}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.ServeTLS(l, c.certFile, c.keyFile) }()
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "example.com"}}
		response, err := (&http.Client{Transport: transport}).Get("https://" + l.Addr().String() + "/blog/x")
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if body, err := io.ReadAll(response.Body); string(body) != c.want || err != nil {
			t.Errorf("%s: the answer is %q, %v; want %q", c.name, body, err, c.want)
		}
		response.Body.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("%s: Shutdown has returned %v", c.name, err)
		}
		if err := <-ended; err != gateway.ErrShutdown {
			t.Errorf("%s: ServeTLS has returned %v", c.name, err)
		}
		if c.config != nil && (c.config.NextProtos != nil) != (c.name == "no HTTP/2") {
			t.Errorf("%s: ServeTLS has changed the configuration", c.name)
		}
	}
}

// Under HTTP/2, the requests that are going on come to their end. So does a request that the client
// sends before it hears of the stop.
func TestShutdownUnderHTTP2(t *testing.T) {
	for _, path := range []string{"slow", "stream"} {
		inTLSBubble(t, &nethttp.Server{Application: slowApp}, func(b *bubble) {
			client := b.client()
			ask := func(path string) string {
				response, err := client.Get("https://x/" + path)
				if err != nil {
					return err.Error()
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if err != nil {
					return err.Error()
				}
				return string(body)
			}
			first := make(chan string, 1)
			go func() { first <- ask(path) }()
			time.Sleep(time.Second)
			begun := time.Now()
			stopped := make(chan error, 1)
			go func() { stopped <- b.server.Shutdown(context.Background()) }()
			time.Sleep(time.Second)
			if s := ask(""); s != "hello" { // on the same connection: there is no other any more
				b.t.Errorf("/%s: a request after the stop: %s", path, s)
			}
			if s := <-first; s != "hello" {
				b.t.Errorf("/%s: the request that was going on: %s", path, s)
			}
			if err := <-stopped; err != nil || time.Since(begun) > 15*time.Second {
				b.t.Errorf("/%s: Shutdown has returned %v after %v", path, err, time.Since(begun))
			}
		})
	}
}

// Under HTTP/2, a client may leave and come again while its requests go on. They still count.
func TestApplicationsOfAClientThatHasLeftCount(t *testing.T) {
	var goOn chan struct{}
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/deaf" {
			<-goOn
		}
		return text(start, "hello")
	})
	inTLSBubble(t, &nethttp.Server{Application: app, Limits: request.Limits{MaxConns: 1}}, func(b *bubble) {
		goOn = make(chan struct{})
		client := b.client()
		left := make(chan struct{})
		go func() {
			defer close(left)
			if response, err := client.Get("https://x/deaf"); err == nil {
				response.Body.Close()
				b.t.Error("there is an answer")
			}
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		b.dialled.Close()
		<-left
		answer := make(chan string, 1)
		go func() {
			response, err := b.client().Get("https://x/")
			if err != nil {
				answer <- err.Error()
				return
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			answer <- string(body)
		}()
		time.Sleep(time.Minute)
		if len(answer) > 0 {
			b.t.Errorf("with a limit of one connection, another has got %q", <-answer)
		}
		close(goOn)
		if s := <-answer; s != "hello" {
			b.t.Errorf("when the application has returned, the answer is %q", s)
		}
	})
}

// A client of HTTP/1.0 takes a response without a length for whole when the connection ends like
// any other.
func TestAClientOfHTTP10CanTellABrokenResponse(t *testing.T) {
	t.Parallel()
	fault := errors.New("the disk is on fire")
	stalled := make(chan struct{})
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		var headers gateway.Headers
		if strings.HasPrefix(env.Vars["PATH_INFO"], "/length") {
			headers = lengthOf(100)
		}
		_, err := start("200 OK", headers, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			if !yield([]byte("begun"), nil) {
				return
			}
			switch {
			case strings.HasSuffix(env.Vars["PATH_INFO"], "/whole"):
				yield([]byte(" and done"), nil)
			case strings.HasSuffix(env.Vars["PATH_INFO"], "/left"):
				<-env.Context().Done()
				yield(nil, context.Cause(env.Context()))
			case strings.HasSuffix(env.Vars["PATH_INFO"], "/stalled"):
				for block := make([]byte, 1<<20); yield(block, nil); {
				}
				stalled <- struct{}{}
			default:
				yield(nil, fault)
			}
		}), err
	})
	limits := request.Limits{WriteTimeout: time.Second}
	addr := serveTCP(t, &nethttp.Server{Application: app, ErrorLog: quiet, Limits: limits}, false)
	config := &tls.Config{Certificates: []tls.Certificate{certificateOf(t)}}
	addrTLS := serveTCP(t, &nethttp.Server{Application: app, ErrorLog: quiet, Limits: limits, TLSConfig: config}, true)
	for _, c := range []struct {
		path, version string
		tls           bool
		body          string
		reset         bool
	}{
		{"/broken", "1.0", false, "begun", true},
		{"/broken", "1.0", true, "begun", true},
		{"/whole", "1.0", false, "begun and done", false},
		{"/whole", "1.0", true, "begun and done", false},
		{"/left", "1.0", false, "begun", false},
		{"/length/broken", "1.0", false, "begun", false},   // the length tells
		{"/broken", "1.1", false, "5\r\nbegun\r\n", false}, // the last chunk is missing
		{"/stalled", "1.0", false, "begun", true},
		{"/stalled", "1.0", true, "begun", true},
	} {
		name := fmt.Sprintf("%s under HTTP/%s, TLS %v", c.path, c.version, c.tls)
		tcp, err := net.Dial("tcp", addr)
		if c.tls {
			tcp, err = net.Dial("tcp", addrTLS)
		}
		if err != nil {
			t.Fatal(err)
		}
		conn := tcp
		if c.tls {
			conn = tls.Client(tcp, &tls.Config{InsecureSkipVerify: true})
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/%s\r\nHost: x\r\nConnection: close\r\n\r\n", c.path, c.version)
		switch c.path {
		case "/left":
			_ = tcp.(*net.TCPConn).CloseWrite() // for net/http the client has left
		case "/stalled":
			<-stalled
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		all, err := io.ReadAll(conn)
		if isReset := errors.Is(err, syscall.ECONNRESET); isReset != c.reset || err != nil && !isReset {
			t.Errorf("%s: the connection ends with %v, want a reset: %v", name, err, c.reset)
		}
		_, body, _ := strings.Cut(string(all), "\r\n\r\n")
		if body != c.body && !c.reset { // a reset may take bytes along
			t.Errorf("%s: the body is %q, want %q", name, body, c.body)
		}
	}
}

// serveTCP has s serve until the test ends, and returns its address.
func serveTCP(t *testing.T, s *nethttp.Server, withTLS bool) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		if withTLS {
			ended <- s.ServeTLS(l, "", "")
		} else {
			ended <- s.Serve(l)
		}
	}()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return l.Addr().String()
}

// Whatever a client leaves in the middle of, nothing is written into the log.
func TestAClientThatLeavesIsNoFault(t *testing.T) {
	t.Parallel()
	var lines lines
	done := make(chan struct{}, 10)
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		gone := func() { done <- struct{}{} }
		if env.Vars["REQUEST_METHOD"] == "POST" { // the client leaves in its body
			defer gone()
			if _, err := io.ReadAll(env.Input); err != nil {
				return nil, err
			}
			return text(start, "hello")
		}
		switch env.Vars["PATH_INFO"] {
		case "/early":
			defer gone()
			<-env.Context().Done()
			return nil, context.Cause(env.Context())
		case "/cause":
			defer gone()
			<-env.Context().Done()
			return nil, env.Context().Err()
		case "/file":
			_, err := start("200 OK", lengthOf(64<<20), nil)
			return gateway.OnClose(gateway.Reader(fileOf(t, make([]byte, 64<<20)), 0), func() error { gone(); return nil }), err
		case "/handler":
			defer gone()
			h := func(w http.ResponseWriter, r *http.Request) {
				for block := make([]byte, 64<<10); ; {
					if _, err := w.Write(block); err != nil {
						panic(http.ErrAbortHandler)
					}
				}
			}
			return nethttp.Application(http.HandlerFunc(h)).Call(env, start)
		}
		_, err := start("200 OK", plain, nil)
		return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
			for block := make([]byte, 64<<10); yield(block, nil); {
			}
		}), func() error { gone(); return nil }), err
	})
	certificate := certificateOf(t)
	start := func(withTLS bool, protocols ...string) string {
		s := &nethttp.Server{
			Application: app, ErrorLog: log.New(&lines, "", 0),
			Limits:    request.Limits{ReadHeaderTimeout: 300 * time.Millisecond},
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: protocols},
		}
		return serveTCP(t, s, withTLS)
	}
	plainAddr, addr1, addr2 := start(false), start(true, "http/1.1"), start(true, "h2")
	check := func(what string) {
		t.Helper()
		if s := lines.take(); s != "" {
			t.Errorf("%s: the log has %q", what, s)
		}
	}
	for what, hello := range map[string]string{"nothing": "", "a part of a head": "GET / HT",
		"a part of a hello": "\x16\x03\x01\x02\x00\x01"} {
		for _, stays := range []bool{false, true} {
			for _, addr := range []string{plainAddr, addr1, addr2} {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(hello, "GET") == (addr == plainAddr) { // or the client is at fault
					_, _ = io.WriteString(conn, hello)
				}
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				if stays {
					if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%s: the connection is kept", what)
					}
				}
				conn.Close()
			}
			time.Sleep(50 * time.Millisecond)
			check(fmt.Sprintf("after %s, stays %v", what, stays))
		}
	}
	conn, err := net.Dial("tcp", addr1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, hi)
	if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.0 400") {
		t.Errorf("a client that speaks no TLS gets %q", answer)
	}
	time.Sleep(50 * time.Millisecond)
	if s := lines.take(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "TLS") {
		t.Errorf("a client that speaks no TLS: the log has %q", s)
	}
	for _, target := range []string{"GET /early", "GET /cause", "GET /stream", "GET /file", "GET /handler", "POST /"} {
		method, path, _ := strings.Cut(target, " ")
		for _, addr := range []string{plainAddr, addr1} {
			var conn net.Conn
			var err error
			if addr == plainAddr {
				conn, err = net.Dial("tcp", addr)
			} else {
				conn, err = tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
			}
			if err != nil {
				t.Fatal(err)
			}
			length := ""
			if method == "POST" {
				length = "Content-Length: 10\r\n"
			}
			_, _ = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, length)
			if method == "POST" {
				_, _ = io.WriteString(conn, "12345")
			}
			time.Sleep(20 * time.Millisecond)
			conn.Close()
			until(t, target, done)
			time.Sleep(20 * time.Millisecond)
			check(target + " at " + addr)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var body io.Reader
		if method == "POST" {
			r, w := io.Pipe()
			body = r
			go io.WriteString(w, "12345")
			defer w.Close()
		}
		r, _ := http.NewRequestWithContext(ctx, method, "https://"+addr2+path, body)
		time.AfterFunc(50*time.Millisecond, cancel)
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		if response, err := transport.RoundTrip(r); err == nil {
			<-ctx.Done()
			response.Body.Close()
		}
		until(t, target, done)
		time.Sleep(20 * time.Millisecond)
		check(target + " under HTTP/2")
		transport.CloseIdleConnections()
	}
}
