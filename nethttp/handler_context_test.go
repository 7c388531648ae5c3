package nethttp_test

import (
	"context"
	"errors"
	"io"
	"log"
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

func TestErrorsGoesToTheServersLog(t *testing.T) {
	t.Parallel()
	var lines lines
	addr := serve(t, &http.Server{ErrorLog: log.New(&lines, "http: ", 0), Handler: nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, _ = io.WriteString(env.Errors, "a line\n")
		panic("on purpose")
	}))})
	answer := send(t, addr, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 500 ") || strings.Contains(answer, "on purpose") {
		t.Errorf("the answer is %q", answer)
	}
	got := lines.String()
	if !strings.HasPrefix(got, "http: a line\nhttp: gateway: GET /x: panic: on purpose\ngoroutine ") || strings.Contains(got, "http: panic serving") {
		t.Errorf("the log is %q", got)
	}
}

// context.Cause says why the Context has ended.
func TestTheCauseOfTheContextsEnd(t *testing.T) {
	t.Parallel()
	waiting := func(begun chan struct{}, ended chan error) gateway.Application {
		return appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if v := env.Context().Value(keyOf("k")); v != "v" {
				t.Errorf("the value of a handler around is %v", v)
			}
			begun <- struct{}{}
			<-env.Context().Done()
			ended <- context.Cause(env.Context())
			if err := env.Context().Err(); err != context.Canceled && err != context.DeadlineExceeded {
				t.Errorf("Err is %v", err)
			}
			return hello(env, start)
		})
	}
	values := func(ctx context.Context) context.Context { return context.WithValue(ctx, keyOf("k"), "v") }

	t.Run("the client leaves", func(t *testing.T) {
		begun, ended := make(chan struct{}, 1), make(chan error, 1)
		addr := serve(t, &http.Server{Handler: nethttp.Handler(waiting(begun, ended)),
			BaseContext: func(net.Listener) context.Context { return values(context.Background()) }})
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		until(t, "the call", begun)
		conn.Close()
		if err := until(t, "the end", ended); !errors.Is(err, gateway.ErrDisconnected) {
			t.Errorf("the cause is %v, want ErrDisconnected", err)
		}
	})
	t.Run("the server stops", func(t *testing.T) {
		begun, ended := make(chan struct{}, 1), make(chan error, 1)
		base, stop := context.WithCancelCause(values(context.Background()))
		addr := serve(t, &http.Server{Handler: nethttp.Handler(waiting(begun, ended)), BaseContext: func(net.Listener) context.Context { return base }})
		answer := make(chan string)
		go func() { answer <- send(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }()
		until(t, "the call", begun)
		stop(gateway.ErrShutdown)
		if err := until(t, "the end", ended); !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("the cause is %v, want ErrShutdown", err)
		}
		if s := until(t, "the answer", answer); !strings.HasSuffix(s, "Hello World !\n") {
			t.Errorf("the answer is %q", s)
		}
	})
	t.Run("a deadline passes", func(t *testing.T) {
		begun, ended := make(chan struct{}, 1), make(chan error, 1)
		r := httptest.NewRequest("GET", "/", nil)
		ctx, cancel := context.WithTimeout(values(r.Context()), time.Millisecond)
		defer cancel()
		nethttp.Handler(waiting(begun, ended)).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		if err := <-ended; err != context.DeadlineExceeded {
			t.Errorf("the cause is %v, want context.DeadlineExceeded", err)
		}
	})
	t.Run("nobody asks for Done and the client has left", func(t *testing.T) {
		r := httptest.NewRequest("GET", "/", nil)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		blocks := 0
		h := nethttp.Handler(answering("200 OK", plain, func() gateway.Body {
			return gateway.Stream(func(yield func([]byte, error) bool) {
				for ; blocks < 10 && yield([]byte("x"), nil); blocks++ {
					cancel()
				}
			})
		}))
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("the handler ended with %v", v)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		}()
		if blocks > 1 {
			t.Errorf("%d further blocks were asked for", blocks)
		}
	})
	t.Run("a deadline can be asked for", func(t *testing.T) {
		r := httptest.NewRequest("GET", "/", nil)
		ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
		defer cancel()
		env := environOf(t, r.WithContext(ctx))
		if _, ok := env.Context().Deadline(); !ok {
			t.Error("the Context has no deadline")
		}
	})
}

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

// The response does not go on, even if nobody has asked for Done.
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

// A client that leaves in the middle of its body is not taken for one that runs out of time.
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

// A handler around may end the request's context while a Read of the body hangs. The application's
// Context ends all the same.
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

// A lateBody ends the request's context before its Read returns, as the body of net/http does.
type lateBody struct{ cancel func() }

func (b lateBody) Read([]byte) (int, error) {
	b.cancel()
	time.Sleep(100 * time.Millisecond)
	return 0, os.ErrDeadlineExceeded
}

func (b lateBody) Close() error { return nil }

// The cause does not depend on which goroutine first sees that net/http has ended the request's
// context.
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

// A client that has its answer may go: what the application still has to do is not in vain.
func TestAClientThatGoesWithItsAnswerEndsNoContext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method, status string
		headers              gateway.Headers
		body                 func() gateway.Body
		want                 error
	}{
		{"a length", "GET", "200 OK", plain, func() gateway.Body { return gateway.Text("hello") }, nil},
		{"HEAD", "HEAD", "200 OK", plain, func() gateway.Body { return gateway.Text("hello") }, nil},
		{"204", "GET", "204 No Content", nil, func() gateway.Body { return gateway.Text("") }, nil},
		{"304", "GET", "304 Not Modified", nil, func() gateway.Body { return gateway.Text("") }, nil},
		{"an end that is still to come", "GET", "200 OK", plain, func() gateway.Body {
			return gateway.Stream(func(yield func([]byte, error) bool) { _ = yield([]byte("a"), nil) && yield([]byte("b"), nil) })
		}, gateway.ErrDisconnected},
	} {
		for _, isWatched := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				r := httptest.NewRequest(c.method, "/", nil)
				ctx, leave := context.WithCancel(r.Context())
				isClosed := false
				nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
					if isWatched {
						env.Context().Done()
					}
					_, err := start(c.status, c.headers, nil)
					return gateway.OnClose(c.body(), func() error {
						isClosed = true
						leave()
						synctest.Wait()
						if cause := context.Cause(env.Context()); !errors.Is(cause, c.want) {
							t.Errorf("%s, watched: %v: the Context has ended with %v, want %v",
								c.name, isWatched, cause, c.want)
						}
						return nil
					}), err
				})).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
				if !isClosed {
					t.Errorf("%s: the body is not closed", c.name)
				}
			})
		}
	}
}
