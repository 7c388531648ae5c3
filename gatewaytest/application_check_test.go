package gatewaytest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// A stubborn body goes on after yield has returned false.
type stubborn struct{}

func (stubborn) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		yield([]byte("one"), nil)
		yield([]byte("two"), nil)
	}
}

func (stubborn) Close() error { return nil }

// A houseRule is an error of an application, whose method Rule has nothing to do with this module.
type houseRule struct{}

func (houseRule) Error() string { return "no more than five at a table" }
func (houseRule) Rule() string  { return "5" }

// wrong are applications that have one fault each, and texts that the failure must have.
var wrong = []struct {
	name     string
	app      func(t *testing.T) gateway.Application
	requests []func() *environ
	want     []string
}{
	{"nil application", func(*testing.T) gateway.Application { return nil }, nil,
		[]string{"TestApplication needs an application"}},
	{"nil func", always(nil), nil,
		[]string{"R109", "GET /, when nothing fails", "panics", "The application is to blame."}},
	{"panic", always(func(env *environ, start start) (body, error) { panic("boom") }), nil,
		[]string{"R109", "HEAD /, when nothing fails", "panics", "boom", "application_check_test.go"}},
	{"panic when Input fails", always(func(env *environ, start start) (body, error) {
		b, err := io.ReadAll(env.Input)
		if err != nil {
			panic(err)
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Bytes(b), err
	}), requests(posts("abc")),
		[]string{"R109", "POST /upload, when the 1st Read of Input fails with an error: the application panics",
			"in 6 more runs"}},
	{"Goexit", always(func(env *environ, start start) (body, error) { runtime.Goexit(); return nil, nil }), nil,
		[]string{"R15", "ended its goroutine"}},
	{"neither a body nor an error", always(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return nil, err
	}), nil, []string{"R15: Call returns a Body"}},
	{"no start", always(func(env *environ, start start) (body, error) { return gateway.Text("x"), nil }), nil,
		[]string{"R23", "start was not called"}},
	{"second start", always(func(env *environ, start start) (body, error) {
		_, _ = start("200 OK", plain, nil)
		_, _ = start("200 OK", plain, nil)
		return gateway.Text("x"), nil
	}), nil, []string{"R82"}},
	{"second start when Input fails", always(func(env *environ, start start) (body, error) {
		if _, err := start("200 OK", plain, nil); err != nil {
			return nil, err
		}
		if _, err := io.ReadAll(env.Input); err != nil {
			_, err := start("500 Sorry", plain, nil)
			return gateway.Text("sorry"), err
		}
		return gateway.Text("x"), nil
	}), requests(posts("abc")), []string{"R82", "when the 1st Read of Input fails with an error"}},
	{"nothing when Input fails", always(func(env *environ, start start) (body, error) {
		if _, err := io.ReadAll(env.Input); err != nil {
			return gateway.Bytes(), nil
		}
		_, err := start("200 OK", plain, nil)
		return gateway.Text("x"), err
	}), requests(posts("abc")), []string{"R23", "when the request's body is cut after byte 2"}},
	{"status", always(answering("200", plain, "x")), nil, []string{"R65"}},
	{"header name", always(answering("200 OK", gateway.Headers{{"A B", "x"}}, "x")), nil, []string{"R68"}},
	{"header value", always(answering("200 OK", gateway.Headers{{"A", "x\n"}}, "x")), nil, []string{"R69"}},
	{"hop-by-hop", always(answering("200 OK", gateway.Headers{{"Connection", "close"}}, "x")), nil, []string{"R72"}},
	{"Status header", always(answering("200 OK", gateway.Headers{{"Status", "200"}}, "x")), nil, []string{"C46"}},
	{"length", always(answering("200 OK", gateway.Headers{{"Content-Length", "3"}}, "x")), nil,
		[]string{"R87", "3 declared, 1 sent"}},
	{"error", always(func(env *environ, start start) (body, error) { return nil, errors.New("broken database") }), nil,
		[]string{"R109", "broken database"}},
	{"error of Close", always(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.OnClose(gateway.Text("x"), func() error { return errors.New("full disk") }), err
	}), nil, []string{"R109", "full disk"}},
	{"one body for all requests", func(*testing.T) gateway.Application {
		b := gateway.Text("x")
		return appFunc(func(env *environ, start start) (body, error) {
			_, err := start("200 OK", plain, nil)
			return b, err
		})
	}, nil, []string{"R2", "when nothing fails, the second time"}},
	{"writer in the iteration", always(func(env *environ, start start) (body, error) {
		w, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) { _, _ = io.WriteString(w, "x") }), err
	}), nil, []string{"R102"}},
	{"errors of the writer that are ignored", always(func(env *environ, start start) (body, error) {
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		for range 5 {
			_, _ = io.WriteString(w, "x")
		}
		return gateway.Bytes(), nil
	}), requests(gets("/")),
		[]string{"R113", "when WriteHead fails with an error: the application swallows an error of the writer",
			"wrote 4 times more"}},
	{"panic of Close behind a body that is too short", always(func(env *environ, start start) (body, error) {
		b, err := answering("200 OK", gateway.Headers{{"Content-Length", "3"}}, "x")(env, start)
		return gateway.OnClose(b, func() error { panic("boom") }), err
	}), nil, []string{"R109", "GET /, when nothing fails: the application panics", "boom"}},
	{"error with a rule of its own", always(func(env *environ, start start) (body, error) {
		return nil, houseRule{}
	}), nil,
		[]string{"R109", "no more than five at a table"}},
	{"yield after false", always(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return stubborn{}, err
	}), requests(gets("/")), []string{"R22", "when WriteHead fails with an error"}},
	{"half an upload", always(careless), requests(posts("0123456789")),
		[]string{"D5", "when the request's body is cut after byte 9",
			"half a request for a whole one: Input failed after 0 of 10 bytes",
			"an error made by gatewaytest", `"200 OK"`}},
	{"half an upload as a redirect", always(func(env *environ, start start) (body, error) {
		_, _ = io.Copy(io.Discard, env.Input)
		_, err := start("303 See Other", plain.With("Location", "/"), nil)
		return gateway.Text("stored"), err
	}), requests(posts("0123456789")), []string{"D5", "303 See Other"}},
	{"half an upload, streamed", always(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			b := make([]byte, 4)
			for {
				n, err := env.Input.Read(b)
				if !yield(b[:n], nil) || err != nil {
					return
				}
			}
		}), err
	}), requests(posts("0123456789")), []string{"D5"}},
	{"last bytes beside io.EOF", always(func(env *environ, start start) (body, error) {
		var all []byte
		b := make([]byte, 100)
		for {
			n, err := env.Input.Read(b)
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			all = append(all, b[:n]...)
		}
		_, err := start("200 OK", plain, nil)
		return gateway.Bytes(all), err
	}), requests(posts("abc")), []string{"R54", "io.EOF beside its last bytes", `the body is "", and was "abc"`}},
	{"one Read for all", always(func(env *environ, start start) (body, error) {
		b := make([]byte, 100)
		n, err := env.Input.Read(b)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", plain, nil)
		return gateway.Bytes(b[:n]), err
	}), requests(posts("abc")), []string{"R54", "one byte at a time", `the body is "a", and was "abc"`}},
	{"another status", func(*testing.T) gateway.Application {
		var n atomic.Int64
		return appFunc(func(env *environ, start start) (body, error) {
			return answering(gateway.Status(200+int(n.Add(1)%2)), plain, "x")(env, start)
		})
	}, nil, []string{"R2", `the status is "200 OK", and was "201 Created" at first`}},
	{"other headers", func(*testing.T) gateway.Application {
		var n atomic.Int64
		return appFunc(func(env *environ, start start) (body, error) {
			return answering("200 OK", plain.Append(fmt.Sprint("X-", n.Add(1)), ""), "x")(env, start)
		})
	}, nil, []string{"R2", "x-2, and were", "x-1 at first"}},
	{"wrong for ever after a failure", func(*testing.T) gateway.Application {
		broken := false
		return appFunc(func(env *environ, start start) (body, error) {
			w, err := start("200 OK", plain, nil)
			if err != nil {
				return nil, err
			}
			if broken {
				return gateway.Text("broken"), nil
			}
			if _, err := io.WriteString(w, "fine"); err != nil {
				broken = true
				return nil, err
			}
			return gateway.Bytes(), nil
		})
	}, requests(gets("/")),
		[]string{"R2", "when nothing fails any more", `the body is "broken", and was "fine" at first`}},
	{"other headers after a failure", func(*testing.T) gateway.Application {
		var broken atomic.Bool
		return appFunc(func(env *environ, start start) (body, error) {
			headers := plain
			if broken.Load() {
				headers = headers.Append("X-Broken", "1")
			}
			if _, err := start("200 OK", headers, nil); err != nil {
				return nil, err
			}
			return gateway.Stream(func(yield func([]byte, error) bool) {
				if !yield([]byte("x"), nil) {
					broken.Store(true)
				}
			}), nil
		})
	}, requests(gets("/")),
		[]string{"R2", "when nothing fails any more",
			"the headers are content-type, x-broken, and were content-type at first"}},
	{"goroutines left", func(t *testing.T) gateway.Application {
		forever := make(chan struct{})
		t.Cleanup(func() { close(forever) })
		return appFunc(func(env *environ, start start) (body, error) {
			go func() { <-forever }()
			return hello(env, start)
		})
	}, nil,
		[]string{"R2: An Application can be called any number of times",
			"leaves goroutines behind, 1 for each request", "application_check_test.go"}},
	{"goroutines left in two places", func(t *testing.T) gateway.Application {
		forever := make(chan struct{})
		t.Cleanup(func() { close(forever) })
		return appFunc(func(env *environ, start start) (body, error) {
			go func() { <-forever }()
			go func() { <-forever }()
			return hello(env, start)
		})
	}, requests(gets("/")), []string{"leaves goroutines behind, 2 for each request"}},
	{"goroutines left when the client leaves", func(t *testing.T) gateway.Application {
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		return appFunc(func(env *environ, start start) (body, error) {
			lines := make(chan []byte)
			go func() {
				defer close(lines)
				for range 3 {
					select {
					case lines <- []byte("x"):
					case <-ctx.Done():
						return
					}
				}
			}()
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				for line := range lines {
					if !yield(line, nil) {
						return
					}
				}
			}), err
		})
	}, requests(gets("/")),
		[]string{"R2", "when WriteHead fails with an error: the application leaves goroutines behind"}},
	{"Input after the end", always(func(env *environ, start start) (body, error) {
		ctx := env.Context()
		go func() {
			<-ctx.Done()
			_, _ = env.Input.Read(make([]byte, 1))
		}()
		return hello(env, start)
	}), nil, []string{"D5", "after the end of the response, it reads Input"}},
	{"start and writer after the end", always(func(env *environ, start start) (body, error) {
		ctx := env.Context()
		go func() {
			<-ctx.Done()
			w, _ := start("200 OK", plain, nil)
			_, _ = io.WriteString(w, "x")
		}()
		return hello(env, start)
	}), nil, []string{"R23", "after the end of the response, it calls start", "R102", "it uses the writer"}},
	{"start in Close", always(func(env *environ, start start) (body, error) {
		b, err := hello(env, start)
		return gateway.OnClose(b, func() error { _, _ = start("200 OK", plain, nil); return nil }), err
	}), nil, []string{"R23", "after the end of the response, it calls start"}},

	{"nil request", always(hello), requests(func() *environ { return nil }),
		[]string{"request 1 of the test: it is nil"}},
	{"request that fails", always(hello), requests(gets("/"), func() *environ {
		return gatewaytest.NewEnviron("POST", "/", iotest.ErrReader(errors.New("no tape")))
	}),
		[]string{"request 2 of the test: its Input fails: no tape"}},
	{"request of another length", always(hello),
		requests(func() *environ { return &environ{Vars: map[string]string{"CONTENT_LENGTH": "3"}} }),
		[]string{"CONTENT_LENGTH is 3 and Input has 0 bytes"}},
	{"request of no length", always(hello),
		requests(func() *environ { return &environ{Vars: map[string]string{"CONTENT_LENGTH": "x"}} }),
		[]string{"wrong Content-Length"}},
}

func always(app appFunc) func(*testing.T) gateway.Application {
	return func(*testing.T) gateway.Application { return app }
}

func answering(status string, headers gateway.Headers, text string) appFunc {
	return func(env *environ, start start) (body, error) {
		_, err := start(status, headers, nil)
		return gateway.Text(text), err
	}
}

func TestWrongApplicationsFail(t *testing.T) {
	for _, c := range wrong {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, gatewaytest.TryApplication(3*time.Second, c.app(t), made(c.requests)...), c.want...)
		})
	}
}

func expect(t *testing.T, f *gatewaytest.Failures, want ...string) {
	t.Helper()
	if len(f.Errors) == 0 {
		t.Fatalf("it passes; want a failure with %q", want)
	}
	for _, text := range want {
		if !strings.Contains(f.String(), text) {
			t.Errorf("no failure has %q:\n%s", text, f)
		}
	}
	for _, text := range f.Errors { // what is wrong comes before the rule
		what, rule, found := strings.Cut(text, " is to blame. The rule is ")
		if !strings.HasPrefix(text, "gatewaytest: ") &&
			(!found || !strings.Contains(what, ", when ") && !strings.Contains(what, ", after ") || rule == "") {
			t.Errorf("the failure is not what was seen, who is to blame, and the rule:\n%s", text)
		}
	}
	if testing.Verbose() {
		t.Log(f)
	}
}
