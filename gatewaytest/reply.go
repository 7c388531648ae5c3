package gatewaytest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A reply is what the client got for a request.
type reply struct {
	code   int    // 0 if there was no answer
	status string // "200 OK"
	head   string // as it was on the wire
	header http.Header
	body   string
	broken error  // why the body, or the head, ended early, or nil
	extra  string // what came after the end, before the connection was closed
}

// want checks the code and the body of a whole answer.
func (x *exchange) want(r *reply, code int, body string) {
	x.t.Helper()
	if r.broken != nil {
		x.errorf("the response broke off: %v", r.broken)
	}
	if r.code != code {
		x.errorf("the status is %q, want %d", r.status, code)
	}
	if r.body != body {
		x.errorf("the body is %s, want %s", abridged([]byte(r.body)), abridged([]byte(body)))
	}
	if r.extra != "" {
		x.errorf("after the end of the response there is %s", abridged([]byte(r.extra)))
	}
}

// wantHeader checks all values of a header, in order.
func (x *exchange) wantHeader(r *reply, name string, values ...string) {
	x.t.Helper()
	if got := r.header.Values(name); !slices.Equal(got, values) {
		x.errorf("the header %s is %s, want %s", name, abridged(fmt.Appendf(nil, "%q", got)), abridged(fmt.Appendf(nil, "%q", values)))
	}
}

// wantErrorPage checks that the client got the page that stands for a failure, whole, without detail and with nothing of the
// response that failed.
func (x *exchange) wantErrorPage(r *reply) {
	x.t.Helper()
	x.want(r, http.StatusInternalServerError, "500 Internal Server Error\n")
	x.wantHeader(r, "Content-Type", "text/plain")
	if strings.Contains(r.head, secret) || strings.Contains(r.body, secret) {
		x.errorf("the client is told what went wrong: %s", abridged([]byte(r.head+r.body)))
	}
	if r.header.Get("X-Old") != "" {
		x.errorf("the error page has a header of the response that failed")
	}
}

// wantBroken checks that the client can tell that the response is not whole, and that it got no more than body of it.
func (x *exchange) wantBroken(r *reply, body string) {
	x.t.Helper()
	if r.broken == nil {
		x.errorf("the client cannot tell that the response is not whole: it got %q and %s, and a clean end",
			r.status, abridged([]byte(r.body)))
	}
	if !strings.HasPrefix(body, r.body) {
		x.errorf("the body is %s, want %s or less of it", abridged([]byte(r.body)), abridged([]byte(body)))
	}
	if strings.Contains(r.head, secret) {
		x.errorf("the client is told what went wrong: %q", r.head)
	}
}

// wantAlive checks that the server answers a next request.
func (x *exchange) wantAlive(path, body string) {
	x.t.Helper()
	r := x.get(path)
	if r.code != http.StatusOK || r.body != body || r.broken != nil {
		x.errorf("the next request got %q, %s and the error %v; want 200 and %q", r.status, abridged([]byte(r.body)), r.broken, body)
	}
}

// abridged quotes what may be long.
func abridged(b []byte) string {
	if len(b) > 300 {
		return fmt.Sprintf("%q and %d more bytes", b[:300], len(b)-300)
	}
	return fmt.Sprintf("%q", b)
}
