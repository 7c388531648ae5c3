package lambda_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/lambda"
)

// one returns an answer for a script that has one event: text comes in answer to the first next.
func one(timeout time.Duration, text string) func(r *asked) string {
	return func(r *asked) string {
		switch {
		case r.what != "next":
			return accepted
		case r.n == 1:
			return event("id-1", timeout, text)
		}
		return wait
	}
}

// What an event is that no application should see is posted, and the next event is served.
func TestAnEventThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ event, want string }{
		{`not JSON`, "the event is no JSON: invalid character 'o' in literal null (expecting 'u')"},
		{`[]`, "the event is no JSON object, but a list"},
		{`{"Records": []}`, `it has no httpMethod, and has \"Records\"`},
		{restGet[:len(restGet)-1] + `, "headers": {"X-A": 1}}`,
			`the event's \"headers.X-A\" is a number, want a string`},
		{restGet[:len(restGet)-1] + `, "body": "!", "isBase64Encoded": true}`, `body is no base64`},
	} {
		var posted []*asked
		_ = inBubble(t, newServer(answering("200 OK", nil, "next")), func(r *asked) string {
			switch {
			case r.what != "next":
				return accepted
			case r.n == 1:
				return event("bad", time.Minute, c.event)
			case r.n == 3:
				return event("good", time.Minute, get)
			}
			return wait
		}, func(s *script) { posted = s.requests() })
		if len(posted) != 2 || posted[0].what != "error" || posted[0].id != "bad" ||
			!strings.Contains(posted[0].body, c.want) ||
			!strings.Contains(posted[0].body, `"errorType":"Runtime.InvalidEvent"`) ||
			posted[1].what != "response" || posted[1].id != "good" {
			t.Errorf("%s: %s", c.event, show(posted))
		}
	}
}

// The Context ends a moment before the deadline, so that what the application then answers arrives.
func TestTheContextEndsBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]time.Duration{
		time.Minute:             time.Minute - 200*time.Millisecond,
		2 * time.Second:         1800 * time.Millisecond,
		500 * time.Millisecond:  450 * time.Millisecond,
		100 * time.Millisecond:  90 * time.Millisecond,
		15 * 60 * time.Second:   15*60*time.Second - 200*time.Millisecond,
		1000 * time.Millisecond: 900 * time.Millisecond,
	} {
		var took time.Duration
		var posted []*asked
		_ = inBubble(t, newServer(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			begun := time.Now()
			ctx := env.Context()
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != want {
				t.Errorf("%v: the Context's deadline is in %v", timeout, time.Until(deadline))
			}
			<-ctx.Done()
			took = time.Since(begun)
			if cause := context.Cause(ctx); cause != context.DeadlineExceeded {
				t.Errorf("%v: the cause is %v", timeout, cause)
			}
			return start.Answer(503, nil, gateway.Text("late"))
		}), one(timeout, get), func(s *script) {
			time.Sleep(time.Hour)
			posted = s.requests()
		})
		if took != want || len(posted) != 1 || !strings.HasPrefix(posted[0].body,
			`{"statusCode":503`) {
			t.Errorf("%v: it ended after %v, want %v; %s", timeout, took, want, show(posted))
		}
	}
}

// An application that never ends is left behind before Lambda ends the process, and the next event
// is served. What the application does later reaches nobody.
func TestAnApplicationThatNeverEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		stream  bool
		begins  bool // with a block
		want    string
		trailer string
	}{
		{"buffered", false, true, "error", ""},
		{"streamed, before the first block", true, false, "error", ""},
		{"streamed, after a block", true, true, "response", "Function.Timeout"},
	} {
		var late error
		server := newServer(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body,
			error) {
			if env.Extra["lambda.request_id"] == "id-2" {
				return start.Answer(200, nil, gateway.Text("next"))
			}
			_, err := start("200 OK", nil, nil)
			return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
				if c.begins {
					yield([]byte("begun"), nil)
				}
				time.Sleep(10 * time.Second)
				yield([]byte("late"), nil)
			}), func() error {
				late = context.Cause(env.Context())
				return nil
			}), err
		})
		server.Stream = c.stream
		var buffer strings.Builder
		server.ErrorLog = log.New(&buffer, "", 0)
		var posted []*asked
		var begun time.Time
		_ = inBubble(t, server, func(r *asked) string {
			switch {
			case r.what != "next":
				return accepted
			case r.n == 1:
				begun = time.Now()
				return event("id-1", 3*time.Second, get)
			case r.n == 3:
				return event("id-2", 3*time.Second, get)
			}
			return wait
		}, func(s *script) {
			time.Sleep(time.Minute)
			posted = s.requests()
			if n := s.nexts(); n != 3 {
				t.Errorf("%s: the next event was asked for %d times: something disturbs the "+
					"connection", c.name, n)
			}
		})
		if len(posted) != 2 || posted[0].what != c.want || posted[0].id != "id-1" ||
			posted[1].id != "id-2" || posted[1].what != "response" ||
			c.want == "error" && !strings.Contains(posted[0].body,
				`"errorType":"Function.Timeout"`) ||
			strings.Contains(posted[0].body+posted[1].body, "late") ||
			posted[0].trailer.Get("Lambda-Runtime-Function-Error-Type") != c.trailer {
			t.Errorf("%s: %s", c.name, show(posted))
			continue
		}
		if at := posted[1].at.Sub(begun); at != 2900*time.Millisecond {
			t.Errorf("%s: the next event was served after %v", c.name, at)
		}
		if late != context.DeadlineExceeded || !strings.Contains(buffer.String(),
			"id-1 lambda: the application has not returned at its deadline") {
			t.Errorf("%s: the late cause is %v, the log %q", c.name, late, &buffer)
		}
	}
}

// A response that nobody takes any more is given up at the deadline.
func TestAStreamThatNobodyTakes(t *testing.T) {
	t.Parallel()
	server := newServer(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body,
		error) {
		time.Sleep(time.Second)
		return start.Answer(200, nil, gateway.Text(strings.Repeat("x", 1<<20)))
	})
	server.Stream = true
	var posted []*asked
	_ = inBubble(t, server, func(r *asked) string {
		if r.n == 1 {
			return event("id-1", 3*time.Second, get)
		}
		if r.what == "next" {
			return wait
		}
		return accepted
	}, func(s *script) {
		s.stalls.Store(true)
		time.Sleep(time.Minute)
		posted = s.requests()
	})
	if len(posted) != 1 || posted[0].what != "error" {
		t.Errorf("%s", show(posted))
	}
}

func TestADeadlineThatMakesNoSense(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                     `Lambda-Runtime-Deadline-Ms is \"\", want milliseconds`,
		"soon":                 `Lambda-Runtime-Deadline-Ms is \"soon\", want milliseconds`,
		"1":                    "Lambda-Runtime-Deadline-Ms is 1, which was ",
		"-5":                   "Lambda-Runtime-Deadline-Ms is -5, which was ",
		"99999999999999999999": "want milliseconds",
	} {
		var posted []*asked
		called := false
		_ = inBubble(t, newServer(func(env *gateway.Environ,
			start gateway.StartResponse) (gateway.Body, error) {
			called = true
			return start.Answer(200, nil, nil)
		}), func(r *asked) string {
			switch {
			case r.what != "next":
				return accepted
			case r.n == 1:
				return fmt.Sprintf("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: "+
					"id-1\r\nLambda-Runtime-Deadline-Ms: %s\r\n"+
					"Content-Length: %d\r\n\r\n%s", value, len(get), get)
			}
			return wait
		}, func(s *script) { posted = s.requests() })
		if len(posted) != 1 || posted[0].what != "error" || !strings.Contains(posted[0].body,
			want) || called {
			t.Errorf("%q: called is %v, %s", value, called, show(posted))
		}
	}
}

// Shutdown ends the wait for an event at once, and waits for an invocation that is going on.
func TestShutdown(t *testing.T) {
	t.Parallel()
	server := newServer(answering("200 OK", nil, "x"))
	if err := inBubble(t, server, func(*asked) string { return wait }, func(*script) {
		begun := time.Now()
		if err := server.Shutdown(context.Background()); err != nil || time.Since(begun) != 0 {
			t.Errorf("idle: Shutdown has returned %v after %v", err, time.Since(begun))
		}
	}); err != gateway.ErrShutdown {
		t.Errorf("idle: Serve has returned %v", err)
	}

	server = newServer(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body,
		error) {
		time.Sleep(10 * time.Second)
		return start.Answer(200, nil, gateway.Text("whole"))
	})
	if err := inBubble(t, server, one(time.Minute, get), func(s *script) {
		begun := time.Now()
		if err := server.Shutdown(context.Background()); err != nil ||
			time.Since(begun) != 10*time.Second {
			t.Errorf("busy: Shutdown has returned %v after %v", err, time.Since(begun))
		}
		if posted := s.requests(); len(posted) != 1 || !strings.Contains(posted[0].body, "whole") {
			t.Errorf("busy: %s", show(posted))
		}
	}); err != gateway.ErrShutdown {
		t.Errorf("busy: Serve has returned %v", err)
	}

	server = newServer(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body,
		error) {
		<-env.Context().Done()
		return start.Answer(200, nil, gateway.Text(context.Cause(env.Context()).Error()))
	})
	if err := inBubble(t, server, one(time.Minute, get), func(s *script) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("out of time: Shutdown has returned %v", err)
		}
		synctest.Wait()
		if posted := s.requests(); len(posted) != 1 || !strings.Contains(posted[0].body,
			gateway.ErrShutdown.Error()) {
			t.Errorf("out of time: %s", show(posted))
		}
	}); err != gateway.ErrShutdown {
		t.Errorf("out of time: Serve has returned %v", err)
	}
}

// Close does not wait for an application, and cuts it off.
func TestClose(t *testing.T) {
	t.Parallel()
	server := newServer(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body,
		error) {
		time.Sleep(10 * time.Second) // deaf
		if err := context.Cause(env.Context()); !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("the cause is %v", err)
		}
		return start.Answer(200, nil, gateway.Text("late"))
	})
	var posted []*asked
	if err := inBubble(t, server, one(time.Minute, get), func(s *script) {
		server.Close()
		time.Sleep(time.Minute)
		posted = s.requests()
	}); err != gateway.ErrShutdown || len(posted) > 0 {
		t.Errorf("Serve has returned %v; %s", err, show(posted))
	}
	server = newServer(answering("200 OK", nil))
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := server.Serve(); err != gateway.ErrShutdown {
		t.Errorf("after Close: Serve has returned %v", err)
	}
}

// Managed instances have several invocations at a time, each on a connection of its own.
func TestSeveralInvocationsAtATime(t *testing.T) {
	t.Parallel()
	const loops = 3
	server := newServer(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body,
		error) {
		time.Sleep(time.Second)
		return start.Answer(200, nil, gateway.Text(env.Extra["lambda.request_id"].(string)))
	})
	server.WithEnv(map[string]string{"AWS_LAMBDA_RUNTIME_API": "api:1",
		"AWS_LAMBDA_MAX_CONCURRENCY": "3"})
	var posted []*asked
	_ = inBubble(t, server, func(r *asked) string {
		switch {
		case r.what != "next":
			return accepted
		case r.n <= loops:
			return strings.Replace(event(fmt.Sprint("id-", r.n), time.Minute, get), "\r\n",
				fmt.Sprint("\r\nLambda-Runtime-Invocation-Id: echo-", r.n, "\r\n"), 1)
		}
		return wait
	}, func(s *script) {
		begun := time.Now()
		time.Sleep(time.Minute)
		posted = s.requests()
		for _, r := range posted {
			if r.at.Sub(begun) != time.Second {
				t.Errorf("%s was served after %v", r.id, r.at.Sub(begun))
			}
		}
	})
	conns := map[int]bool{}
	for _, r := range posted {
		conns[r.conn] = true
		if !strings.Contains(r.body, `"body":"`+r.id+`"`) ||
			r.header.Get("Lambda-Runtime-Invocation-Id") != "echo-"+r.id[3:] {
			t.Errorf("%s got %s, %v", r.id, r.body, r.header)
		}
	}
	if len(posted) != loops || len(conns) != loops {
		t.Errorf("%d responses, %d connections", len(posted), len(conns))
	}
}

// What makes no sense is told to Lambda, which then says so, and not that the process has ended.
func TestAServerThatCannotBegin(t *testing.T) {
	t.Parallel()
	if err := newServer(nil).WithEnv(nil).Serve(); err == nil || !strings.Contains(err.Error(),
		"AWS_LAMBDA_RUNTIME_API is not set") {
		t.Error(err)
	}
	for value, want := range map[string]string{"": "Server.Application is nil",
		"many": `AWS_LAMBDA_MAX_CONCURRENCY is "many"`,
		"0":    "want a number from 1", "-1": "want a number from 1",
		"10001": "want a number from 1 to 10000"} {
		server := &lambda.Server{}
		if value != "" {
			server.Application = answering("200 OK", nil)
		}
		server.WithEnv(map[string]string{"AWS_LAMBDA_RUNTIME_API": "api:1",
			"AWS_LAMBDA_MAX_CONCURRENCY": value})
		var posted []*asked
		err := inBubble(t, server, func(*asked) string { return accepted },
			func(s *script) { posted = s.requests() })
		if err == nil || !strings.Contains(err.Error(), want) || len(posted) != 1 ||
			posted[0].what != "init" ||
			!strings.Contains(posted[0].body, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%q: %v, %s", value, err, show(posted))
		}
	}
	server := &lambda.Server{}
	server.WithEnv(map[string]string{"AWS_LAMBDA_RUNTIME_API": "api:1"})
	if err := inBubble(t, server, func(*asked) string { return hangUp }, nil); err == nil ||
		!strings.Contains(err.Error(), "Server.Application is nil") || !errors.Is(err,
		io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}
