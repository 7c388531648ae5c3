package gatewaytest

import (
	"errors"
	"io"
	"net/http"

	"example.com/gateway"
)

// A look is a request as an application saw it.
type look struct {
	*gateway.Environ // a copy, with a copy of Vars
	body             string
	err              error // how the body ended, nil for a clean end
}

// look is the application of the cases that are about the request.
func (x *exchange) look(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	l := &look{Environ: env.Clone()}
	body, err := io.ReadAll(env.Input)
	l.body, l.err = string(body), err
	x.mu.Lock()
	x.looks = append(x.looks, l)
	x.mu.Unlock()
	_, err = start("200 OK", plain, nil)
	return gateway.Text("seen"), err
}

func (x *exchange) lookCount() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.looks)
}

// lastLook returns the last look, or nil if there are no more than n looks.
func (x *exchange) lastLook(n int) *look {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.looks) == n {
		return nil
	}
	return x.looks[len(x.looks)-1]
}

// wantVar checks a variable.
func (x *exchange) wantVar(l *look, name, value string) {
	x.t.Helper()
	if l == nil {
		x.errorf("the application was not called")
		return
	}
	if got := l.Vars[name]; got != value {
		x.errorf("%s is %s, want %s", name, abridged(got), abridged(value))
	}
}

// wantBody checks what Input had, and how it ended.
func (x *exchange) wantBody(l *look, body string, err error) {
	x.t.Helper()
	if l == nil {
		x.errorf("the application was not called")
		return
	}
	if l.body != body {
		x.errorf("the body is %s, want %s", abridged(l.body), abridged(body))
	}
	if !errors.Is(l.err, err) {
		x.errorf("the body ended with the error %v, want %v", l.err, err)
	}
}

// ask sends a request to look, and returns the look.
func (x *exchange) ask(method, path, body string, header ...string) *look {
	x.t.Helper()
	return x.asked(method, x.request(method, path, body, header...))
}

// asked is ask for a request that the caller has made.
func (x *exchange) asked(method, request string) *look {
	x.t.Helper()
	n := x.lookCount()
	r := x.exchange(method, request)
	l := x.lastLook(n)
	switch {
	case l == nil:
		x.fatalf("the application was not called; the answer is %q %s %v", r.status, abridged(r.body), r.broken)
	case r.code != http.StatusOK || r.body != "seen" && method != "HEAD" || r.broken != nil:
		x.fatalf("the answer is %q %s %v, want 200 and the application's", r.status, abridged(r.body), r.broken)
	}
	return l
}

// askOrRefuse is ask for a request that a server or its host may refuse, with a status of its own
// or by closing the connection. It then returns nil, and the application must not have been called.
func (x *exchange) askOrRefuse(method, request string) *look {
	x.t.Helper()
	n := x.lookCount()
	r := x.exchange(method, request)
	l := x.lastLook(n)
	switch {
	case l != nil && r.code == http.StatusOK:
		return l
	case l != nil:
		x.errorf("the application was called, but the answer is %q %s %v", r.status, abridged(r.body), r.broken)
	case r.code == 0:
		x.remark("refused by closing the connection")
	case r.code < 400 || r.code == http.StatusInternalServerError || r.broken != nil:
		x.errorf("the application was not called, but the answer is %q %v", r.status, r.broken)
	default:
		x.remark("refused with %d", r.code)
	}
	return nil
}

// mustRefuse is askOrRefuse for a request that no application may see.
func (x *exchange) mustRefuse(method, request string) {
	x.t.Helper()
	if l := x.askOrRefuse(method, request); l != nil {
		x.errorf("the application was called, for %s %s with the body %s", abridged(l.Vars["REQUEST_METHOD"]),
			abridged(l.Vars["PATH_INFO"]), abridged(l.body))
	}
}
