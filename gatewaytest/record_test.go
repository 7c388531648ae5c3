package gatewaytest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

func TestRecordKeepsAllOfAResponse(t *testing.T) {
	var deployer bytes.Buffer
	env := get("/")
	env.Errors = &deployer
	r := gatewaytest.Record(appFunc(func(env *environ, start start) (body, error) {
		w, err := start("202 Accepted", plain, nil)
		if err != nil {
			return nil, err
		}
		fmt.Fprint(env.Errors, "a note\n")
		fmt.Fprint(w, "writ")
		fmt.Fprint(w, "ten ")
		block := []byte("one ")
		return gateway.Stream(func(yield func([]byte, error) bool) {
			_ = yield(block, nil) && yield(nil, nil)
			copy(block, "two ") // the block is the body's again
			yield(block, nil)
		}), nil
	}), env)
	if r.Status != "202 Accepted" || r.Code() != 202 {
		t.Errorf("Status %q, Code %d", r.Status, r.Code())
	}
	if !slices.Equal(r.Headers, plain) {
		t.Errorf("Headers %v", r.Headers)
	}
	if string(r.Written) != "written " {
		t.Errorf("Written %q", r.Written)
	}
	if got := fmt.Sprintf("%q", r.Blocks); got != `["one " "two "]` {
		t.Errorf("Blocks %s", got)
	}
	if r.Body() != "written one two " || string(r.Written) != "written " {
		t.Errorf("Body %q, Written %q", r.Body(), r.Written)
	}
	if r.Closes != 1 || r.Err != nil || !r.Whole {
		t.Errorf("Closes %d, Err %v, Whole %v", r.Closes, r.Err, r.Whole)
	}
	if r.Errors != "a note\n" || deployer.String() != r.Errors {
		t.Errorf("Errors %q, and the environ's own got %q", r.Errors, &deployer)
	}
}

// A test sees what a client sees.
func TestRecordIsWhatAClientGets(t *testing.T) {
	for _, c := range []struct {
		name   string
		app    appFunc
		method string
		want   string // status, Content-Length, body, closes
		err    error
		errors string
	}{
		{"length", hello, "GET", "200 OK|14|Hello World !\n|1", nil, ""},
		{"HEAD", hello, "HEAD", "200 OK|14||1", nil, ""},
		{"late start", newGreeting, "GET", "200 OK||Hello /|1", nil, ""},
		{"no body", answering("204 No Content", nil, ""), "GET", "204 No Content|||1", nil, ""},
		{"error", func(env *environ, start start) (body, error) { return nil, errBoom },
			"GET", "500 Internal Server Error|26|500 Internal Server Error\n|0", errBoom, "gateway: GET /: boom\n"},
		{"body beside an error", func(env *environ, start start) (body, error) { return gateway.Text("x"), errBoom },
			"GET", "500 Internal Server Error|26|500 Internal Server Error\n|1", errBoom, "gateway: GET /: boom\n"},
		{"panic", func(env *environ, start start) (body, error) { panic(errBoom) },
			"GET", "500 Internal Server Error|26|500 Internal Server Error\n|0", errBoom,
			"gateway: GET /: panic: boom\n"},
		{"late error", func(env *environ, start start) (body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				_ = yield([]byte("half"), nil) && yield(nil, errBoom)
			}), err
		}, "GET", "200 OK||half|1", errBoom, "gateway: GET /: boom\n"},
		{"no start", func(env *environ, start start) (body, error) { return gateway.Text("x"), nil },
			"GET", "500 Internal Server Error|26|500 Internal Server Error\n|1", gateway.ErrNotStarted, "not called"},
		{"shared body", func() appFunc {
			shared := gateway.Text("x")
			_ = shared.Close()
			return func(env *environ, start start) (body, error) {
				_, err := start("200 OK", plain, nil)
				return shared, err
			}
		}(), "GET", "500 Internal Server Error|26|500 Internal Server Error\n|1", gateway.ErrEnded,
			"used after its end, or for a second response"},
	} {
		r := gatewaytest.Record(c.app, gatewaytest.NewEnviron(c.method, "/", nil))
		got := fmt.Sprintf("%s|%s|%s|%d", r.Status, r.Headers.Get("Content-Length"), r.Body(), r.Closes)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if !errors.Is(r.Err, c.err) {
			t.Errorf("%s: Err is %v, want %v", c.name, r.Err, c.err)
		}
		if r.Whole != (c.name != "late error") {
			t.Errorf("%s: Whole is %v", c.name, r.Whole)
		}
		if !strings.Contains(r.Errors, c.errors) || (r.Errors == "") != (c.errors == "") {
			t.Errorf("%s: Errors is %q, want %q", c.name, r.Errors, c.errors)
		}
	}
}

var errBoom = errors.New("boom")

// An application may change its environ in any way (R11), and the environ of the test stays as it
// is.
func TestAnEnvironCanBeRecordedAgain(t *testing.T) {
	env := get("/a/b")
	app := appFunc(func(env *environ, start start) (body, error) {
		first := env.ShiftPath()
		env.Extra = map[string]any{"app.x": 1}
		_, err := start("200 OK", plain, nil)
		return gateway.Text(first), err
	})
	for range 2 {
		if got := gatewaytest.Record(app, env).Body(); got != "a" {
			t.Errorf("got %q", got)
		}
	}
	if env.Vars["PATH_INFO"] != "/a/b" || env.Extra != nil {
		t.Errorf("the environ has become %v, %v", env.Vars, env.Extra)
	}
	body := post("x")
	_, _ = gatewaytest.Record(appFunc(upload), body), gatewaytest.Record(appFunc(upload), body)
	if r := gatewaytest.Record(appFunc(echo), body); r.Body() != "" {
		t.Errorf("a body was there twice: %q", r.Body())
	}
}

func TestABodyWithoutAnEndIsRecordedUntilTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	n := 0
	r := gatewaytest.Record(appFunc(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for yield([]byte("x"), nil) {
				if n++; n == 3 {
					cancel(gateway.ErrDisconnected)
				}
			}
		}), err
	}), get("/").WithContext(ctx))
	if r.Body() != "xxx" || !errors.Is(r.Err, gateway.ErrDisconnected) || r.Whole || r.Closes != 1 {
		t.Errorf("got %q, %v, %d closes", r.Body(), r.Err, r.Closes)
	}
}

func TestRecordOfNothingIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		app    gateway.Application
		env    *environ
		status string
	}{
		"nil application":    {nil, get("/"), "500 Internal Server Error"},
		"nil environ":        {appFunc(hello), nil, ""},
		"neither of the two": {nil, nil, ""},
	} {
		r := gatewaytest.Record(c.app, c.env)
		want := strings.Replace(name, "neither of the two", "nil environ", 1)
		if r.Status != c.status || r.Err == nil || r.Err.Error() != "gatewaytest: "+want {
			t.Errorf("%s: %q, %v", name, r.Status, r.Err)
		}
	}
}

func TestCodeIsTheNumberOfAStatus(t *testing.T) {
	for status, want := range map[string]int{"200 OK": 200, "404": 404, "": 0, "2": 0, "abc": 0} {
		if got := (&gatewaytest.Response{Status: status}).Code(); got != want {
			t.Errorf("Code of %q is %d, want %d", status, got, want)
		}
	}
}

// A test that needs no variables may use an empty environ.
func TestRecordTakesAnEmptyEnviron(t *testing.T) {
	r := gatewaytest.Record(appFunc(func(env *environ, start start) (body, error) {
		b, err := io.ReadAll(env.Input)
		if len(b) > 0 || err != nil {
			t.Errorf("Input has %q, %v", b, err)
		}
		fmt.Fprintln(env.Errors, "noted")
		return hello(env, start)
	}), new(gateway.Environ))
	if r.Code() != 200 || r.Errors != "noted\n" {
		t.Errorf("got %+v", r)
	}
}
