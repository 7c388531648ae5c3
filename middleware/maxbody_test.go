package middleware_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"example.com/gateway/gatewaytest"
	"example.com/gateway/middleware"
	"example.com/gateway/request"
)

func TestMaxBodyIsAMiddleware(t *testing.T) {
	t.Parallel()
	gatewaytest.TestMiddleware(t, middleware.MaxBody(5), nil, get("", "/"),
		gatewaytest.NewEnviron("HEAD", "/", nil),
		gatewaytest.NewEnviron("POST", "/", strings.NewReader("12345")))
}

func TestMaxBody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		max    int64
		length string // "" for a body of unknown length
		body   string
		status string
		read   string // what the application reads
		err    error
	}{
		{"below", 5, "4", "1234", "200 OK", "1234", nil},
		{"at", 5, "5", "12345", "200 OK", "12345", nil},
		{"above", 5, "6", "123456", "413 Content Too Large", "", nil},
		{"far above", 5, "9223372036854775807", "1", "413 Content Too Large", "", nil},
		{"no number", 5, "x", "1", "400 Bad Request", "", nil},
		{"negative", 5, "-1", "1", "400 Bad Request", "", nil},
		{"unknown, below", 5, "", "1234", "200 OK", "1234", nil},
		{"unknown, at", 5, "", "12345", "200 OK", "12345", nil},
		{"unknown, above", 5, "", "123456", "413 Content Too Large", "12345", request.ErrBodyTooLarge},
		{"none", 0, "", "", "200 OK", "", nil},
		{"none is taken", 0, "1", "1", "413 Content Too Large", "", nil},
		{"none is taken, unknown", 0, "", "1", "413 Content Too Large", "", request.ErrBodyTooLarge},
	} {
		env := gatewaytest.NewEnviron("POST", "/", strings.NewReader(c.body))
		if delete(env.Vars, "CONTENT_LENGTH"); c.length != "" {
			env.Vars["CONTENT_LENGTH"] = c.length
		}
		var read string
		app := middleware.MaxBody(c.max)(appFunc(func(env *environ, start start) (body, error) {
			b, err := io.ReadAll(env.Input)
			if read = string(b); !errors.Is(err, c.err) {
				t.Errorf("%s: read %q, %v", c.name, b, err)
			}
			if err != nil {
				return request.Refuse(err).Call(env, start)
			}
			return start.Answer(200, plain, nil)
		}))
		response := gatewaytest.Record(appFunc(func(env *environ, start start) (body, error) {
			input := env.Input
			body, err := app.Call(env, start)
			if env.Input != input {
				t.Errorf("%s: the outer Environ has another Input", c.name)
			}
			return body, err
		}), env)
		if response.Status != c.status || read != c.read {
			t.Errorf("%s: %s, and the application has read %q", c.name, response.Status, read)
		}
	}
}

func TestMaxBodyTakesNoNegativeLimit(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("MaxBody(-1) does not panic")
		}
	}()
	middleware.MaxBody(-1)
}
