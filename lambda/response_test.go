package lambda_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/testlambda"
	"example.com/gateway/lambda"
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

// answering returns an application that answers with a status, headers and blocks.
func answering(status string, headers gateway.Headers, blocks ...string) gateway.ApplicationFunc {
	return func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start(status, headers, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for _, block := range blocks {
				if !yield([]byte(block), nil) {
					return
				}
			}
		}), err
	}
}

// An answer has the form that the event asks for.
func TestBufferedAnswers(t *testing.T) {
	t.Parallel()
	cookies := gateway.Headers{{"Set-Cookie", "a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT"}, {"X-A",
		"1"}, {"set-cookie", "b=2"},
		{"x-a", "2"}, {"Set-Cookie", "c=3"}}
	for _, c := range []struct {
		name, event string
		app         gateway.ApplicationFunc
		want        string
	}{
		{"function URL", get, answering("200 OK", plain, "Hello ", "\"World\"\n"),
			`{"statusCode":200,"headers":{"Content-Type":"text/plain"},"isBase64Encoded":false,"body":"Hello \"World\"\n"}`},
		{"REST API", restGet, answering("404 Not Found", plain, "no"),
			`{"statusCode":404,"multiValueHeaders":{"Content-Type":["text/plain"]},"isBase64Encoded":false,"body":"no"}`},
		{"load balancer", albGet, answering("299 Odd Reason", plain, "x"),
			`{"statusCode":299,"statusDescription":"299 Odd ` +
				`Reason","headers":{"Content-Type":"text/plain"},"isBase64Encoded":false,"body":"x"}`},
		{"load balancer with multi-value headers", albMultiGet, answering("204 No Content", nil),
			`{"statusCode":204,"statusDescription":"204 No ` +
				`Content","multiValueHeaders":{},"isBase64Encoded":false,"body":""}`},

		{"cookies of a function URL", get, answering("200 OK", cookies, "x"),
			`{"statusCode":200,"headers":{"X-A":"1, 2"},"cookies":["a=1; Expires=Thu, 01 Jan ` +
				`2026 00:00:00 GMT","b=2","c=3"],` +
				`"isBase64Encoded":false,"body":"x"}`},
		{"cookies of a REST API", restGet, answering("200 OK", cookies, "x"),
			`{"statusCode":200,"multiValueHeaders":{"Set-Cookie":["a=1; Expires=Thu, 01 Jan 2026 ` +
				`00:00:00 GMT","b=2","c=3"],"X-A":["1","2"]},` +
				`"isBase64Encoded":false,"body":"x"}`},
		{"cookies of a load balancer", albGet, answering("200 OK", cookies, "x"),
			`{"statusCode":200,"statusDescription":"200 OK","headers":{"set-cookie":"a=1; ` +
				`Expires=Thu, 01 Jan 2026 00:00:00 GMT",` +
				`"Set-cookie":"b=2","sEt-cookie":"c=3","X-A":"1, ` +
				`2"},"isBase64Encoded":false,"body":"x"}`},

		{"bytes that are no UTF-8", get, answering("200 OK", plain, "\xff\x00"),
			`{"statusCode":200,"headers":{"Content-Type":"text/plain"},"isBase64Encoded":true,"body":"/wA="}`},
		{"a picture that happens to be UTF-8", get, answering("200 OK",
			gateway.Headers{{"Content-Type", "image/svg+xml"}}, "<svg/>"),
			`{"statusCode":200,"headers":{"Content-Type":"image/svg+xml"},"isBase64Encoded":false,"body":"<svg/>"}`},
		{"an encoding", get, answering("200 OK", gateway.Headers{{"content-encoding", "gzip"}},
			"zip"),
			`{"statusCode":200,"headers":{"content-encoding":"gzip"},"isBase64Encoded":true,"body":"emlw"}`},
		{"a character in two blocks", get, answering("200 OK", nil, "\xc3", "\xa9"),
			`{"statusCode":200,"headers":{},"isBase64Encoded":false,"body":"é"}`},
		{"a header that is no UTF-8", get, answering("200 OK", gateway.Headers{{"X-A", "\xe9"}},
			"x"),
			`{"statusCode":200,"headers":{"X-A":"é"},"isBase64Encoded":false,"body":"x"}`},

		{"an application that panics", get, func(*gateway.Environ,
			gateway.StartResponse) (gateway.Body, error) {
			panic("secret")
		},
			`{"statusCode":500,"headers":{"Content-Type":"text/plain","Content-Length":"26"},"isBase64Encoded":false,"body":"500 Internal Server Error\n"}`},
		{"an application that ends its goroutine", get, func(*gateway.Environ,
			gateway.StartResponse) (gateway.Body, error) {
			runtime.Goexit()
			return nil, nil
		}, `{"statusCode":500,"headers":{"Content-Type":"text/plain","Content-Length":"26"},"isBase64Encoded":false,"body":"500 Internal Server Error\n"}`},
		{"a request that is refused", strings.Replace(get, "GET", "G T", 1), answering("200 OK",
			nil, "called"),
			`{"statusCode":400,"headers":{"Content-Type":"text/plain","Content-Length":"16"},"isBase64Encoded":false,"body":"400 Bad Request\n"}`},
	} {
		posted := invoke(t, newServer(c.app), c.event)
		if len(posted) != 1 || posted[0].what != "response" || posted[0].id != "id-1" ||
			posted[0].body != c.want {
			t.Errorf("%s: %s", c.name, show(posted))
		}
	}
}

func show(posted []*asked) string {
	var b strings.Builder
	for _, r := range posted {
		b.WriteString(r.what + " " + r.id + " " + r.body[:min(len(r.body), 500)] + "\n")
	}
	return b.String()
}

// A stream is a prelude, eight zeros, and the blocks. Load balancers get a buffered answer.
func TestStreamedAnswers(t *testing.T) {
	t.Parallel()
	const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00"
	headers := gateway.Headers{{"Set-Cookie", "a=1"}, {"Content-Encoding", "x"}, {"Set-Cookie",
		"b=2"}}
	for _, c := range []struct {
		name, event string
		app         gateway.ApplicationFunc
		want        string
	}{
		{"function URL", get, answering("200 OK", headers, "one", "\xff\x00"),
			`{"statusCode":200,"headers":{"Content-Encoding":"x"},"cookies":["a=1","b=2"]}` +
				zeros + "one\xff\x00"},
		{"REST API", restGet, answering("201 Created", headers, "one"),
			`{"statusCode":201,"multiValueHeaders":{"Set-Cookie":["a=1","b=2"],"Content-Encoding":["x"]}}` + zeros + "one"},
		{"nothing", get, answering("204 No Content", nil), `{"statusCode":204,"headers":{}}` +
			zeros},
		{"a page of an error", get, func(*gateway.Environ, gateway.StartResponse) (gateway.Body,
			error) {
			return nil, errors.New("x")
		},
			`{"statusCode":500,"headers":{"Content-Type":"text/plain","Content-Length":"26"}}` +
				zeros + "500 Internal Server Error\n"},
	} {
		server := newServer(c.app)
		server.Stream = true
		posted := invoke(t, server, c.event)
		if len(posted) != 1 || posted[0].what != "response" || posted[0].body != c.want {
			t.Errorf("%s: %s", c.name, show(posted))
			continue
		}
		r := posted[0]
		if r.header.Get("Lambda-Runtime-Function-Response-Mode") != "streaming" ||
			r.header.Get("Content-Type") != "application/vnd.awslambda.http-integration-response" ||
			r.trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
			t.Errorf("%s: %v, %v", c.name, r.header, r.trailer)
		}
	}
	server := newServer(answering("200 OK", nil, "x"))
	server.Stream = true
	posted := invoke(t, server, strings.Replace(get, "lambda-url", "execute-api", 1))
	if len(posted) != 1 || !strings.HasSuffix(posted[0].body, `"body":"x"}`) {
		t.Errorf("HTTP API: %s", show(posted))
	}
	server = newServer(answering("200 OK", nil, "x"))
	server.Stream = true
	posted = invoke(t, server, albGet)
	if len(posted) != 1 || !strings.HasPrefix(posted[0].body,
		`{"statusCode":200,"statusDescription":"200 OK"`) ||
		posted[0].header.Get("Lambda-Runtime-Function-Response-Mode") != "" {
		t.Errorf("load balancer: %s", show(posted))
	}
}

// A response that breaks is an error to Lambda, and nothing of the cause leaves the process.
func TestAResponseThatBreaks(t *testing.T) {
	t.Parallel()
	breaks := func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			_ = yield([]byte("half"), nil) && yield(nil, errors.New("secret"))
		}), err
	}
	const errorText = `{"errorMessage":"the response is not whole; the log of the invocation ` +
		`says why","errorType":"Function.ResponseBroken","stackTrace":[]}`
	var buffer strings.Builder
	server := newServer(breaks)
	server.ErrorLog = log.New(&buffer, "", 0)
	posted := invoke(t, server, get)
	if len(posted) != 1 || posted[0].what != "error" || posted[0].body != errorText ||
		posted[0].header.Get("Lambda-Runtime-Function-Error-Type") != "Function.ResponseBroken" {
		t.Errorf("buffered: %s", show(posted))
	}
	if got := buffer.String(); !strings.HasPrefix(got, "id-1 ") || !strings.Contains(got,
		"secret") {
		t.Errorf("the log is %q", got)
	}

	server = newServer(breaks)
	server.Stream = true
	posted = invoke(t, server, get)
	if len(posted) != 1 || posted[0].what != "response" || !strings.HasSuffix(posted[0].body,
		"\x00half") ||
		posted[0].trailer.Get("Lambda-Runtime-Function-Error-Type") != "Function.ResponseBroken" ||
		posted[0].trailer.Get("Lambda-Runtime-Function-Error-Body") != base64.StdEncoding.EncodeToString([]byte(errorText)) {
		t.Errorf("streamed: %s, %v", show(posted), posted[0].trailer)
	}
}

// A response that Lambda would not take is a 500, with a line in the log that says what to do. It
// counts how large the JSON is.
func TestAResponseThatIsTooLarge(t *testing.T) {
	t.Parallel()
	frame := len(`{"statusCode":200,"headers":{},"isBase64Encoded":false,"body":""}`)
	albFrame := len(`{"statusCode":200,"statusDescription":"200 ` +
		`OK","headers":{},"isBase64Encoded":false,"body":""}`)
	const limit, albLimit = 6291556, 1 << 20
	for _, c := range []struct {
		name, event string
		app         gateway.ApplicationFunc
		log         string // "" if it is not too large
	}{
		{"as large as it may be", get, answering("200 OK", nil, strings.Repeat("x", limit-frame)),
			""},
		{"a byte more", get, answering("200 OK", nil, strings.Repeat("x", limit-frame+1)),
			"GATEWAY=lambda:stream"},
		{"many blocks", get, answering("200 OK", nil, strings.Repeat("x", limit-100),
			strings.Repeat("x", 101)), "GATEWAY=lambda:stream"},
		{"escapes", get, answering("200 OK", nil, strings.Repeat("\n", limit/2)),
			"GATEWAY=lambda:stream"},
		{"base64", get, answering("200 OK", nil, strings.Repeat("\xff", limit*3/4)),
			"GATEWAY=lambda:stream"},
		{"load balancer", albGet, answering("200 OK", nil, strings.Repeat("x", albLimit-albFrame)),
			""},
		{"load balancer, a byte more", albGet, answering("200 OK", nil, strings.Repeat("x",
			albLimit-albFrame+1)), "a function URL or a REST API"},
		{"load balancer, much more", albGet, answering("200 OK", nil, strings.Repeat("x",
			albLimit+1)), "a function URL or a REST API"},
	} {
		var buffer strings.Builder
		server := newServer(c.app)
		server.ErrorLog = log.New(&buffer, "", 0)
		posted := invoke(t, server, c.event)
		if len(posted) != 1 || posted[0].what != "response" {
			t.Errorf("%s: %s", c.name, show(posted))
			continue
		}
		is500 := strings.HasPrefix(posted[0].body, `{"statusCode":500,`) &&
			strings.HasSuffix(posted[0].body, `"500 Internal Server Error\n"}`)
		text := buffer.String()
		if is500 != (c.log != "") || c.log != "" && (strings.Count(text, "\n") != 1 ||
			!strings.Contains(text, c.log)) || c.log == "" && text != "" {
			t.Errorf("%s: %.100s, the log is %q", c.name, posted[0].body, text)
		}
	}
}

// The application finds what the event has beside the request.
func TestWhatExtraHas(t *testing.T) {
	t.Parallel()
	var extra map[string]any
	posted := invoke(t, newServer(func(env *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		extra = env.Extra
		body, err := io.ReadAll(env.Input)
		if err != nil || len(body) > 0 {
			t.Errorf("the body is %q, %v", body, err)
		}
		return start.Answer(200, nil, nil)
	}), get)
	if len(posted) != 1 || string(extra["lambda.event"].([]byte)) != get ||
		extra["lambda.request_id"] != "id-1" ||
		extra["lambda.function_arn"] != "arn:test" || extra["lambda.trace_id"] != "Root=1" ||
		len(extra) != 4 {
		t.Errorf("%v", extra)
	}
}

// The first block of a stream arrives while the application waits.
func TestEachBlockOfAStreamLeavesAtOnce(t *testing.T) {
	t.Parallel()
	api := testlambda.NewAPI(t)
	arrived := make(chan struct{})
	serve(t, api, &lambda.Server{Stream: true, Application: gateway.ApplicationFunc(
		func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return start.Answer(200, nil, gateway.Stream(func(yield func([]byte, error) bool) {
				if yield([]byte("one"), nil) {
					select {
					case <-arrived:
						yield([]byte("two"), nil)
					case <-time.After(10 * time.Second):
						yield(nil, errors.New("nobody gets the first block"))
					}
				}
			}))
		})})
	result := api.Invoke([]byte(get), nil)
	prelude := make([]byte, len(`{"statusCode":200,"headers":{}}`)+8+len("one"))
	if _, err := io.ReadFull(result.Body, prelude); err != nil {
		t.Fatal(err)
	}
	close(arrived)
	rest, err := io.ReadAll(result.Body)
	if string(rest) != "two" || err != nil || result.Trailer() != "" {
		t.Errorf("%q, %v, %q", rest, err, result.Trailer())
	}
}

// A stream that the Runtime API does not read any more ends as for a client that has left.
func TestAStreamWhoseClientLeaves(t *testing.T) {
	t.Parallel()
	api := testlambda.NewAPI(t)
	cause := make(chan error, 1)
	serve(t, api, &lambda.Server{Stream: true, Application: gateway.ApplicationFunc(
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			body, err := start.Answer(200, nil, gateway.Stream(func(yield func([]byte,
				error) bool) {
				for block := make([]byte, 1<<16); yield(block, nil); {
				}
			}))
			return gateway.OnClose(body, func() error {
				cause <- context.Cause(env.Context())
				return nil
			}), err
		})})
	result := api.Invoke([]byte(get), nil)
	if _, err := result.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	result.Body.Close()
	if err := <-cause; !errors.Is(err, gateway.ErrDisconnected) {
		t.Errorf("the cause is %v", err)
	}
}
