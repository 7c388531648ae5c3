package middleware_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/middleware"
	"example.com/gateway/request"
)

// The first of a Chain is outermost: the log has what the time-out has made of a request.
func Example() {
	app := gateway.Application(gateway.ApplicationFunc(func(
		_ *gateway.Environ, start gateway.StartResponse,
	) (gateway.Body, error) {
		return start.Answer(200, gateway.Headers{{"Content-Type", "text/plain"}}, gateway.Text("hello\n"))
	}))
	app = gateway.Chain(
		middleware.AccessLog(middleware.Combined(os.Stderr)),
		middleware.Timeout(time.Minute),
	)(app)
	fmt.Print(gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/", nil)).Body())
	// Output:
	// hello
}

// Each request goes to the application with the longest prefix. The application sees where it is
// mounted.
func ExampleMount() {
	paths := func(name string) gateway.Application {
		return gateway.ApplicationFunc(func(
			env *gateway.Environ, start gateway.StartResponse,
		) (gateway.Body, error) {
			_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
			return gateway.Text(fmt.Sprintf("%s: SCRIPT_NAME %q, PATH_INFO %q\n",
				name, env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"])), err
		})
	}
	app := middleware.Mount(map[string]gateway.Application{
		"/":         paths("site"),
		"/git":      paths("git"),
		"/git/docs": paths("docs"),
	})
	for _, target := range []string{"/git/project.git?a=b", "/git", "/git/docs/", "/gitx", "/"} {
		fmt.Print(gatewaytest.Record(app, gatewaytest.NewEnviron("GET", target, nil)).Body())
	}
	// Output:
	// git: SCRIPT_NAME "/git", PATH_INFO "/project.git"
	// git: SCRIPT_NAME "/git", PATH_INFO ""
	// docs: SCRIPT_NAME "/git/docs", PATH_INFO "/"
	// site: SCRIPT_NAME "", PATH_INFO "/gitx"
	// site: SCRIPT_NAME "", PATH_INFO "/"
}

// An entry of the log has what became of the response: this one broke.
func ExampleAccessLog() {
	log := middleware.AccessLog(func(e middleware.Entry) {
		fmt.Printf("%s %s: %s, %d bytes, whole: %v, %v\n", e.Method, e.Target, e.Status, e.Bytes, e.Whole, e.Err)
	})
	app := log(gateway.ApplicationFunc(func(
		_ *gateway.Environ, start gateway.StartResponse,
	) (gateway.Body, error) {
		headers := gateway.Headers{{"Content-Type", "text/plain"}}
		return start.Answer(200, headers, gateway.Stream(func(yield func([]byte, error) bool) {
			_ = yield([]byte("half"), nil) && yield(nil, errors.New("the disk is gone"))
		}))
	}))
	gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/file", nil))
	// Output:
	// GET /file: 200 OK, 4 bytes, whole: false, the disk is gone
}

// A log/slog.Logger takes what it is given. A program that links package slog starts three percent
// slower under CGI, so that package middleware leaves it to those who want it.
func ExampleAccessLog_slog() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey { // which a test cannot know
				return slog.Attr{}
			}
			return a
		},
	})
	logger := slog.New(handler)
	log := middleware.AccessLog(func(e middleware.Entry) {
		logger.Info("request", "method", e.Method, "target", e.Target, "status", e.Status, "bytes", e.Bytes)
	})
	app := log(gateway.ApplicationFunc(func(
		_ *gateway.Environ, start gateway.StartResponse,
	) (gateway.Body, error) {
		return start.Answer(303, gateway.Headers{{"Location", "/new"}}, nil)
	}))
	gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/old", nil))
	// Output:
	// level=INFO msg=request method=GET target=/old status="303 See Other" bytes=0
}

// The lines that web servers write. What a client has sent stays in its field.
func ExampleCombined() {
	log := middleware.Combined(os.Stdout)
	log(middleware.Entry{
		Time:       time.Date(2026, 11, 29, 10, 15, 0, 0, time.UTC),
		RemoteAddr: "192.0.2.1",
		Method:     "GET", Target: "/x", Protocol: "HTTP/1.1",
		UserAgent: "curl\n192.0.2.2",
		Outcome:   gateway.Outcome{Status: "200 OK", Bytes: 14},
	})
	// Output:
	// 192.0.2.1 - - [29/Nov/2026:10:15:00 +0000] "GET /x HTTP/1.1" 200 14 "-" "curl\x0a192.0.2.2"
}

// An application that looks at its Context gives up in time, and the client gets a 503.
func ExampleTimeout() {
	app := middleware.Timeout(time.Millisecond)(gateway.ApplicationFunc(func(
		env *gateway.Environ, start gateway.StartResponse,
	) (gateway.Body, error) {
		<-env.Context().Done() // a query of a database would take the Context
		return nil, env.Context().Err()
	}))
	response := gatewaytest.Record(app, gatewaytest.NewEnviron("GET", "/", nil))
	fmt.Println(response.Status, response.Err)
	// Output:
	// 503 Service Unavailable context deadline exceeded
}

// A request that declares too much does not reach the application.
func ExampleMaxBody() {
	upload := gateway.ApplicationFunc(func(
		env *gateway.Environ, start gateway.StartResponse,
	) (gateway.Body, error) {
		if _, err := io.Copy(io.Discard, env.Input); err != nil {
			return request.Refuse(err).Call(env, start)
		}
		return start.Answer(204, nil, nil)
	})
	app := middleware.MaxBody(5)(upload)
	for _, body := range []string{"12345", "123456"} {
		env := gatewaytest.NewEnviron("POST", "/", strings.NewReader(body))
		fmt.Println(gatewaytest.Record(app, env).Status)
	}
	// Output:
	// 204 No Content
	// 413 Content Too Large
}

// nginx appends its client's address to X-Forwarded-For, and sets X-Forwarded-Proto. What the
// client has put in front of its own address does not count.
func ExampleForwarded() {
	behindNginx := middleware.Forwarded(middleware.Proxies{
		From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, For: 1, Proto: 1,
	})
	app := behindNginx(gateway.ApplicationFunc(func(env *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text(fmt.Sprintf("%s asks for %s, by way of %s\n",
			env.Vars["REMOTE_ADDR"], env.URL(), env.Extra["middleware.remote_addr"])), err
	}))
	env := gatewaytest.NewEnviron("GET", "/page", nil)
	env.Vars["REMOTE_ADDR"] = "10.0.0.1" // nginx
	env.Vars["HTTP_X_FORWARDED_FOR"] = "127.0.0.1, 203.0.113.9"
	env.Vars["HTTP_X_FORWARDED_PROTO"] = "https"
	fmt.Print(gatewaytest.Record(app, env).Body())
	// Output:
	// 203.0.113.9 asks for https://example.com/page, by way of 10.0.0.1
}
