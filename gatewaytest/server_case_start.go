package gatewaytest

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"example.com/gateway"
)

// startCases are about start: when the head leaves, and what a second call does.
var startCases = []serverCase{
	{
		rule: "R24", name: "start-in-the-first-iteration",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				x.wantStart(start, "202 Accepted", plain, nil, nil)
				inTurn(yield, "late ", "start")
			}), nil
		},
		run: func(x *exchange) { x.want(x.get("/"), http.StatusAccepted, "late start") },
	},
	{
		rule: "R25", name: "start-after-empty-blocks",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if !inTurn(yield, "", "") {
					x.errorf("yield returned false for an empty block")
					return
				}
				x.wantStart(start, "202 Accepted", plain, nil, nil)
				inTurn(yield, "", "later")
			}), nil
		},
		run: func(x *exchange) { x.want(x.get("/"), http.StatusAccepted, "later") },
	},
	{
		rule: "R25", name: "start-at-the-end-of-an-empty-body",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				x.wantStart(start, "202 Accepted", plain, nil, nil)
			}), nil
		},
		run: func(x *exchange) { x.want(x.get("/"), http.StatusAccepted, "") },
	},
	{
		rule: "R23", name: "a-block-before-start-is-a-500",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if yield([]byte("headless"), nil) {
					x.errorf("yield took a block before start")
				}
			}), nil
		},
		run: func(x *exchange) {
			x.wantErrorPage(x.get("/"))
			x.wantClosed(1)
		},
	},
	{
		rule: "R23", name: "a-start-after-a-refused-block-does-not-heal-it",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				_ = yield([]byte("headless"), nil)
				if _, err := start("200 OK", old, nil); err == nil {
					x.errorf("start after a refused block returned no error")
				}
			}), nil
		},
		run: func(x *exchange) { x.wantErrorPage(x.get("/")) },
	},
	{
		rule: "D2", name: "no-start-and-one-block-is-a-500",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return x.closing(gateway.Text("headless")), nil
		},
		run: func(x *exchange) {
			x.wantErrorPage(x.get("/"))
			x.wantClosed(1)
		},
	},
	{
		rule: "D2", name: "no-start-and-no-block-is-a-500",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return x.closing(gateway.Bytes()), nil
		},
		run: func(x *exchange) {
			x.wantErrorPage(x.get("/"))
			x.wantClosed(1)
		},
	},
	{
		rule: "R15", name: "neither-a-body-nor-an-error-is-a-500",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old, nil, nil)
			return nil, nil
		},
		run: func(x *exchange) { x.wantErrorPage(x.get("/")) },
	},
	{
		rule: "R75", name: "start-sends-nothing",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old, nil, nil)
			x.wantStart(start, "404 Not Found", plain, errSecret, nil) // which is an error once something was sent
			return gateway.Text("second"), nil
		},
		run: func(x *exchange) {
			r := x.get("/")
			x.want(r, http.StatusNotFound, "second")
			x.wantHeader(r, "X-Old")
		},
	},
	{
		rule: "R76", name: "an-empty-first-block-sends-no-head",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old, nil, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if !yield(nil, nil) || !yield([]byte{}, nil) {
					x.errorf("yield returned false for an empty block")
					return
				}
				x.wantStart(start, "404 Not Found", plain, errSecret, nil)
				yield([]byte("replaced"), nil)
			}), nil
		},
		run: func(x *exchange) { x.want(x.get("/"), http.StatusNotFound, "replaced") },
	},
	{
		rule: "R76", name: "a-body-without-blocks-sends-the-head-at-its-end",
		app: emptyAs("202 Accepted", plain),
		run: func(x *exchange) { x.want(x.get("/"), http.StatusAccepted, "") },
	},
	{
		rule: "R79", name: "a-cause-replaces-the-response-inside-the-iteration",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old.With("Content-Length", "3"), nil, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				x.wantStart(start, "503 Service Unavailable", plain, errSecret, nil)
				inTurn(yield, "sorry, ", "later")
			}), nil
		},
		run: func(x *exchange) {
			r := x.get("/")
			x.want(r, http.StatusServiceUnavailable, "sorry, later")
			x.wantHeader(r, "X-Old")
		},
	},
	{
		rule: "R79", name: "a-cause-may-replace-again",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old, nil, nil)
			x.wantStart(start, "404 Not Found", old, errSecret, nil)
			x.wantStart(start, "410 Gone", plain, errSecret, nil)
			return gateway.Text("third"), nil
		},
		run: func(x *exchange) { x.want(x.get("/"), http.StatusGone, "third") },
	},
	{
		rule: "R78", name: "a-first-start-may-have-a-cause",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "404 Not Found", plain, errSecret, nil)
			return gateway.Text("first"), nil
		},
		run: func(x *exchange) { x.want(x.get("/"), http.StatusNotFound, "first") },
	},
	{
		rule: "R80", name: "a-cause-after-a-write-comes-back",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("200 OK", plain, nil)
			if err != nil {
				return nil, err
			}
			if _, err := io.WriteString(w, "begun"); err != nil {
				return nil, err
			}
			x.await("client has it")
			_, err = start("500 Too Late", plain, errSecret)
			if !errors.Is(err, gateway.ErrHeadersSent) || !errors.Is(err, errSecret) {
				x.errorf("start returned %v, want ErrHeadersSent and the cause", err)
			}
			return nil, err
		},
		run: wantBegunAndBroken,
	},
	{
		rule: "R80", name: "a-cause-after-a-block-comes-back",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", plain, nil, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if !yield([]byte("begun"), nil) {
					return
				}
				x.await("client has it")
				_, err := start("500 Too Late", plain, errSecret)
				if !errors.Is(err, gateway.ErrHeadersSent) || !errors.Is(err, errSecret) {
					x.errorf("start returned %v, want ErrHeadersSent and the cause", err)
				}
				yield(nil, err)
			}), nil
		},
		run: func(x *exchange) {
			wantBegunAndBroken(x)
			x.wantClosed(1)
		},
	},
	{
		rule: "R81", name: "a-late-cause-that-is-ignored-breaks-the-response",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", plain, nil, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if !yield([]byte("begun"), nil) {
					return
				}
				x.await("client has it")
				x.wantStart(start, "500 Too Late", plain, errSecret, gateway.ErrHeadersSent)
				if yield([]byte(" and gone on"), nil) {
					x.errorf("yield took a block after a start that failed")
				}
			}), nil
		},
		run: wantBegunAndBroken,
	},
	{
		rule: "R82", name: "a-second-start-without-a-cause-is-refused",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old, nil, nil)
			x.wantStart(start, "200 OK", old, nil, gateway.ErrStarted)
			return gateway.Text("ignored"), nil
		},
		run: func(x *exchange) { x.wantErrorPage(x.get("/")) },
	},
	{
		rule: "R82", name: "a-second-start-after-the-head-breaks-the-response",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", plain, nil, nil)
			return x.stream(func(x *exchange, yield func([]byte, error) bool) {
				if yield([]byte("begun"), nil) {
					x.await("client has it")
					x.wantStart(start, "404 Not Found", plain, nil, gateway.ErrStarted)
				}
			}), nil
		},
		run: wantBegunAndBroken,
	},
	{
		rule: "R83", name: "a-start-that-failed-counts-as-the-first",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "no status", old, nil, gateway.ErrStatus)
			x.wantStart(start, "200 OK", old, nil, gateway.ErrStarted)
			return gateway.Text("ignored"), nil
		},
		run: func(x *exchange) { x.wantErrorPage(x.get("/")) },
	},
	{
		rule: "R83", name: "a-cause-heals-a-start-that-failed",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("no status", old, nil)
			x.wantStart(start, "502 Bad Gateway", plain, err, nil)
			return gateway.Text("healed"), nil
		},
		run: func(x *exchange) { x.want(x.get("/"), http.StatusBadGateway, "healed") },
	},
	{
		rule: "R14", name: "the-writer-of-a-start-that-failed-returns-its-error",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("no status", old, nil)
			if w == nil {
				x.errorf("start returned no writer")
				return nil, err
			}
			if n, werr := io.WriteString(w, "unheard"); n != 0 || !errors.Is(werr, gateway.ErrStatus) {
				x.errorf("its writer returned %d, %v; want the error of start", n, werr)
			}
			return gateway.Text("ignored"), nil
		},
		run: func(x *exchange) { x.wantErrorPage(x.get("/")) },
	},
	refusedStatuses("R65", "a-status-that-is-not-a-code-and-a-reason-is-refused",
		"", "200", "200 ", "200OK", "20X OK", "2000 OK", "20 OK", " 200 OK", "200  OK", "200 OK ", "200\tOK",
		"200 \tOK", "HTTP/1.1 200 OK", "-20 OK", "OK", "\u0662\u0660\u0660 OK", "099 Low", "000 None"),
	refusedStatuses("R66", "a-status-with-a-control-character-is-refused",
		"200 OK\r\n", "200 OK\n", "200 O\rK", "200 O\nK", "200 \x00OK",
		"200 O\x7fK", "200 O\tK", "200 OK\r\nX-Evil: 1", "200 OK\nX-Evil: 1", "200 OK\r\n\r\nevil"),
	refusedStatuses("D1", "an-informational-status-is-refused", "100 Continue", "101 Switching Protocols",
		"103 Early Hints", "199 Odd"),
	{
		rule: "R65", name: "any-code-of-a-response-passes",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, env.Vars["QUERY_STRING"]+" A Reason", plain, nil, nil)
			return gateway.Text("body"), nil
		},
		run: func(x *exchange) {
			for _, code := range []int{200, 201, 299, 302, 404, 418, 499, 500, 503, 599} {
				x.want(x.get("/?"+strconv.Itoa(code)), code, "body")
			}
		},
	},
	{
		rule: "R104", name: "a-reason-of-any-bytes-does-no-harm",
		app: textAs("404 Nicht gef\xfcnden (\u65e5): 100%", plain, "body"),
		run: func(x *exchange) { x.want(x.get("/"), 404, "body") },
	},
	{
		rule: "R74", name: "start-tells-the-application-what-it-refuses",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			x.wantStart(start, "200 OK", old.Append("Connection", "close"), nil, gateway.ErrHeader)
			x.wantStart(start, "400 Bad Request", plain, errSecret, nil)
			return gateway.Text("corrected"), nil
		},
		run: func(x *exchange) { x.want(x.get("/"), 400, "corrected") },
	},
}

// wantBegunAndBroken reads "begun", tells the application, and checks that the client can tell that
// more should have come.
func wantBegunAndBroken(x *exchange) {
	c := x.dial()
	c.send(x.request("GET", "/", ""))
	if !c.next("begun") {
		return
	}
	code, status := c.code, c.status
	x.note("client has it")
	r := c.reply("GET")
	if code != http.StatusOK {
		x.errorf("the status is %q although the head was sent", status)
	}
	x.wantBroken(r, "")
}

// refusedStatuses is a case for statuses that start refuses. The application returns the error, and
// then ignores it.
func refusedStatuses(rule, name string, statuses ...string) serverCase {
	return serverCase{
		rule: rule, name: name,
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			status, ignored := refusal(env, statuses)
			_, err := start(status, old, nil)
			if !errors.Is(err, gateway.ErrStatus) {
				x.errorf("start(%q) returned %v, want ErrStatus", status, err)
			}
			if ignored {
				err = nil
			}
			return gateway.Text("never"), err
		},
		run: func(x *exchange) { x.wantRefusals(len(statuses)) },
	}
}
