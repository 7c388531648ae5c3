package nethttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

// What ends strings elsewhere is refused, as behind every other server, before an application sees it.
func TestNULInAPathIsRefused(t *testing.T) {
	called := false
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		called = true
		_, err := start("200 OK", nil, nil)
		return gateway.Text(""), err
	})
	for _, h := range []http.Handler{nethttp.Handler(app), nethttp.Mount("/a", app)} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/a/b%00c", nil))
		if w.Code != http.StatusBadRequest || called {
			t.Errorf("the status is %d, the application was called: %t", w.Code, called)
		}
	}
}
