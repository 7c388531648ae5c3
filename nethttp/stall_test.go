package nethttp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

// A pipeListener hands out connections that live inside of a synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestAClientThatStallsItsBodyHasFiveSeconds: it has its answer, and then the connection ends.
func TestAClientThatStallsItsBodyHasFiveSeconds(t *testing.T) {
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n0123456789",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &pipeListener{make(chan net.Conn), make(chan struct{})}
			app := answering("413 Content Too Large", plain, func() gateway.Body { return gateway.Text("too much") })
			s := &http.Server{Handler: nethttp.Handler(app), ErrorLog: quiet}
			go s.Serve(l)
			client, server := net.Pipe()
			l.conns <- server
			go func() { _, _ = io.WriteString(client, request) }()
			r := bufio.NewReader(client)
			response, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(response.Body); string(body) != "too much" || err != nil {
				t.Errorf("the answer is %q, %v", body, err)
			}
			begin := time.Now()
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("then %q", rest)
			}
			if took := time.Since(begin); took < 5*time.Second || took > 6*time.Second { // net/http adds half a second
				t.Errorf("%.60q: the connection ended after %v, want 5 s", strings.ReplaceAll(request, "\r\n", " "), took)
			}
			client.Close()
			s.Close()
		})
	}
}

// TestABodyThatRunsOutOfTimeEndsTheContext: D10.
func TestABodyThatRunsOutOfTimeEndsTheContext(t *testing.T) {
	t.Parallel()
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		ctx, when := env.Context(), env.Vars["QUERY_STRING"]
		cause := make(chan error, 1)
		if when == "before" {
			context.AfterFunc(ctx, func() { cause <- context.Cause(ctx) })
		}
		if n, err := env.Input.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the read returned %d, %v", when, n, err)
		}
		if when == "after" {
			context.AfterFunc(ctx, func() { cause <- context.Cause(ctx) })
		}
		if err := until(t, "the end of the context", cause); err != context.DeadlineExceeded {
			t.Errorf("Done was asked for %s the read: the cause is %v, want context.DeadlineExceeded", when, err)
		}
		return hello(env, start)
	})
	h := nethttp.Handler(app)
	late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now()); err != nil {
			t.Error(err)
		}
		h.ServeHTTP(w, r)
	})
	eachProtocol(t, late, func(t *testing.T, proto string, client *http.Client, url string) {
		for _, when := range []string{"before", "after"} {
			r, w := io.Pipe()
			response, err := client.Post(url+"/?"+when, "text/plain", r)
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(response.Body); string(body) != "Hello World !\n" {
				t.Errorf("the answer is %q", body)
			}
			response.Body.Close()
			w.Close()
		}
	})
}

// Nobody asks for Done, and the response that has begun does not go on.
func TestABodyThatRunsOutOfTimeEndsTheResponse(t *testing.T) {
	t.Parallel()
	var lines lines
	h := logging(nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			if yield([]byte("begun"), nil) {
				_, _ = env.Input.Read(make([]byte, 1))
				if yield([]byte("and on"), nil) {
					t.Error("the second block was taken")
				}
			}
		}), err
	})), &lines)
	eachProtocol(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		h.ServeHTTP(w, r)
	}), func(t *testing.T, proto string, client *http.Client, url string) {
		r, w := io.Pipe()
		defer w.Close()
		response, err := client.Post(url, "text/plain", r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if body, err := io.ReadAll(response.Body); string(body) != "begun" || err == nil {
			t.Errorf("the answer is %q, %v", body, err)
		}
	})
	if want := strings.Repeat("gateway: POST /: context deadline exceeded\n", 3); lines.String() != want {
		t.Errorf("the log is %q, want %q", lines.String(), want)
	}
}

// TestAClientThatLeavesInItsBody is what that must not be taken for.
func TestAClientThatLeavesInItsBody(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}, 1), make(chan error, 1)
	h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		ctx := env.Context()
		context.AfterFunc(ctx, func() { ended <- context.Cause(ctx) })
		_, _ = io.ReadFull(env.Input, make([]byte, 3))
		begun <- struct{}{}
		if _, err := io.ReadAll(env.Input); err == nil {
			t.Error("the body ended cleanly")
		}
		until(t, "the end of the context", ctx.Done()) // before the response's
		return hello(env, start)
	}))
	eachProtocol(t, h, func(t *testing.T, proto string, client *http.Client, url string) {
		body, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, "abc")
			until(t, "the call", begun)
			w.CloseWithError(errors.New("on purpose")) // which ends the connection, or the stream
		}()
		if response, err := client.Post(url, "text/plain", body); err == nil {
			response.Body.Close()
		}
		if err := until(t, "the end of the context", ended); !errors.Is(err, gateway.ErrDisconnected) {
			t.Errorf("the cause is %v, want ErrDisconnected", err)
		}
	})
}

// TestAReadThatHangsDoesNotKeepTheContext: a handler around may end it while its own body goes on for ever.
func TestAReadThatHangsDoesNotKeepTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		body, w := io.Pipe()
		h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			done := env.Context().Done()
			go func() { _, _ = env.Input.Read(make([]byte, 1)) }()
			synctest.Wait()
			cancel()
			<-done
			if err := context.Cause(env.Context()); err != gateway.ErrDisconnected {
				t.Errorf("the cause is %v, want ErrDisconnected", err)
			}
			return hello(env, start)
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", body).WithContext(ctx))
		w.Close()
	})
}

// A lateBody ends the request's context and only then lets its Read return, as that of net/http does.
type lateBody struct{ cancel func() }

func (b lateBody) Read([]byte) (int, error) {
	b.cancel()
	time.Sleep(100 * time.Millisecond)
	return 0, os.ErrDeadlineExceeded
}

func (b lateBody) Close() error { return nil }

// TestTheCauseWaitsForTheRead: it does not depend on who hears first that net/http has ended the request's context.
func TestTheCauseWaitsForTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			done := env.Context().Done()
			go func() { _, _ = env.Input.Read(make([]byte, 1)) }()
			<-done
			if err := context.Cause(env.Context()); err != context.DeadlineExceeded {
				t.Errorf("the cause is %v, want context.DeadlineExceeded", err)
			}
			return hello(env, start)
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", lateBody{cancel}).WithContext(ctx))
	})
}
