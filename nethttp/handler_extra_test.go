package nethttp_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

func TestEarlyHintsAndTrailers(t *testing.T) {
	t.Parallel()
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		fail := func(what string, err error, want error) {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		fail("hints", nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>"}, {"Link", "</b.js>"}}), nil)
		fail("a second time", nethttp.EarlyHints(env, gateway.Headers{{"link", "</c.css>"}, {"X-Hint", "1"}}), nil)
		fail("a line break", nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>\r\nEvil: 1"}}), gateway.ErrHeader)
		fail("a length", nethttp.EarlyHints(env, gateway.Headers{{"Content-Length", "1"}}), gateway.ErrHeader)
		fail("hop-by-hop", nethttp.EarlyHints(env, gateway.Headers{{"Connection", "close"}}), gateway.ErrHeader)
		fail("trailers", nethttp.Trailers(env, gateway.Headers{{"X-Old", "1"}}), nil)
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			_ = yield([]byte("body"), nil)
			fail("hints after the head", nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>"}}), gateway.ErrHeadersSent)
			fail("trailers", nethttp.Trailers(env, gateway.Headers{{"x-sum", "1"}, {"X-Sum", "2"}}), nil)
			fail("a line break in a trailer", nethttp.Trailers(env, gateway.Headers{{"X-Sum", "1\nEvil: 1"}}), gateway.ErrHeader)
			fail("a length as a trailer", nethttp.Trailers(env, gateway.Headers{{"content-length", "1"}}), gateway.ErrHeader)
		}), err
	})
	var late *gateway.Environ
	h := nethttp.Handler(appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		late = env
		return app(env, start)
	}))
	around := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Before", "1")
		w.Header().Set("Link", "</theirs>")
		h.ServeHTTP(w, r)
	})
	eachProtocol(t, around, func(t *testing.T, proto string, client *http.Client, url string) {
		response, body, hints := get(t, client, url)
		if got := fmt.Sprint(hints); got != "[103 [</a.css> </b.js>] [] 103 [</c.css>] []]" {
			t.Errorf("the hints are %v", got)
		}
		if body != "body" || response.StatusCode != 200 || fmt.Sprint(response.Header["Link"]) != "[</theirs>]" || response.Header["X-Hint"] != nil {
			t.Errorf("the response is %d %q, Link %v", response.StatusCode, body, response.Header["Link"])
		}
		if got := fmt.Sprint(response.Trailer); got != "map[X-Sum:[1 2]]" {
			t.Errorf("the trailers are %v", got)
		}
	})
	if err := nethttp.EarlyHints(late, nil); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("hints after the response: %v", err)
	}
	if err := nethttp.Trailers(late, nil); !errors.Is(err, gateway.ErrEnded) {
		t.Errorf("trailers after the response: %v", err)
	}
	t.Run("HTTP/1.0", func(t *testing.T) {
		addr := serve(t, &http.Server{Handler: h})
		if answer := send(t, addr, "GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(answer, "\r\n\r\nbody") {
			t.Errorf("the answer is %q", answer)
		}
	})
	t.Run("no http.Server", func(t *testing.T) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 200 || w.Body.String() != "body" {
			t.Errorf("the answer is %d %q", w.Code, w.Body)
		}
	})
}

// A 103 has nothing of the response, neither of what handlers around have set nor of the trailers.
func TestEarlyHintsAreNothingElse(t *testing.T) {
	t.Parallel()
	app := appFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if err := nethttp.Trailers(env, gateway.Headers{{"X-Sum", "1"}}); err != nil {
			t.Error(err)
		}
		if err := nethttp.EarlyHints(env, gateway.Headers{{"Link", "</a.css>"}}); err != nil {
			t.Error(err)
		}
		return text(start, "hello")
	})
	addr := serve(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "secret=1")
		w.Header()["x-lower"] = []string{"1"}
		nethttp.Handler(app).ServeHTTP(w, r)
	})})
	answer := send(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	hints, response, _ := strings.Cut(answer, "\r\n\r\n")
	if hints != "HTTP/1.1 103 Early Hints\r\nLink: </a.css>" {
		t.Errorf("the 103 is %q", hints)
	}
	if !strings.Contains(response, "Set-Cookie: secret=1\r\n") ||
		!strings.Contains(response, "x-lower: 1\r\n") || strings.Contains(response, "Link") {
		t.Errorf("the response is %q", response)
	}
}

// The functions in Extra are called instead of the server's (R123).
func TestMiddlewareTakesEarlyHintsOver(t *testing.T) {
	t.Parallel()
	var hinted, trailed gateway.Headers
	env := &gateway.Environ{Extra: map[string]any{
		"nethttp.early_hints": func(h gateway.Headers) error { hinted = h; return nil },
		"nethttp.trailers":    func(h gateway.Headers) error { trailed = h; return errors.New("no") },
	}}
	if err := nethttp.EarlyHints(env, gateway.Headers{{"Link", "x"}}); err != nil || hinted.Get("Link") != "x" {
		t.Errorf("%v, %v", hinted, err)
	}
	if err := nethttp.Trailers(env, gateway.Headers{{"X", "x"}}); err == nil || trailed.Get("X") != "x" {
		t.Errorf("%v, %v", trailed, err)
	}
	if err := nethttp.EarlyHints(env, gateway.Headers{{"Link", "\n"}}); !errors.Is(err, gateway.ErrHeader) {
		t.Errorf("a line break: %v", err)
	}
	if err := errors.Join(nethttp.EarlyHints(new(gateway.Environ), nil), nethttp.Trailers(new(gateway.Environ), nil)); err != nil {
		t.Errorf("where nobody has them: %v", err)
	}
}

// A handler's fields that must not follow the body are left out, as under net/http. The response is
// whole.
func TestFieldsThatAreNoTrailers(t *testing.T) {
	t.Parallel()
	var trailed gateway.Headers
	env := environ(nil, "")
	env.Extra = map[string]any{"nethttp.trailers": func(h gateway.Headers) error { trailed = h; return nil }}
	names := []string{"Connection", "Content-Length", "Content-Type", "Host", "Keep-Alive", "Set-Cookie", "Status", "Trailers", "Transfer-Encoding"}
	r, log, err := respond(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Declared, "+strings.Join(names, ", "))
		io.WriteString(w, "x")
		for _, name := range append(names, "X-Other") {
			w.Header().Set(http.TrailerPrefix+name, "2")
			if name != "X-Other" {
				w.Header().Set(name, "1")
			}
		}
		w.Header().Set("X-Declared", "1")
	}, env)
	if err != nil || log != "" || !r.whole || fmt.Sprint(trailed) != "[[X-Declared 1] [X-Other 2]]" {
		t.Errorf("%v, log %q, whole %v, the trailers are %v", err, log, r.whole, trailed)
	}
	for _, name := range names {
		if err := nethttp.Trailers(env, gateway.Headers{{name, "1"}}); !errors.Is(err, gateway.ErrHeader) {
			t.Errorf("Trailers took %s: %v", name, err)
		}
	}
}
