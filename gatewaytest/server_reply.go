package gatewaytest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A reply is a response, as the client got it.
type reply struct {
	code   int    // 0 if there was no response
	status string // such as "200 OK"
	head   string // as it was on the wire
	header http.Header
	body   string
	broken error  // why the head or the body ended early, or nil
	extra  string // the bytes after the end of the response, before the connection was closed
}

// want checks the code and the body of a response, and that the response is whole.
func (x *exchange) want(r *reply, code int, body string) {
	x.t.Helper()
	if r.broken != nil {
		x.errorf("the response broke off: %v", r.broken)
	}
	if r.code != code {
		x.errorf("the status is %q, want %d", r.status, code)
	}
	if r.body != body {
		x.errorf("the body is %s, want %s", abridged(r.body), abridged(body))
	}
	if r.extra != "" {
		x.errorf("after the end of the response there is %s", abridged(r.extra))
	}
}

// wantHeader checks all values of a header, in order.
func (x *exchange) wantHeader(r *reply, name string, values ...string) {
	x.t.Helper()
	if got := r.header.Values(name); !slices.Equal(got, values) {
		x.errorf("the header %s is %s, want %s", name, abridged(fmt.Sprintf("%q", got)),
			abridged(fmt.Sprintf("%q", values)))
	}
}

// wantErrorPage checks that the client got the whole error page, and no more: neither what went
// wrong, nor a header of the response that failed.
func (x *exchange) wantErrorPage(r *reply) {
	x.t.Helper()
	x.want(r, http.StatusInternalServerError, "500 Internal Server Error\n")
	x.wantHeader(r, "Content-Type", "text/plain")
	if strings.Contains(r.head, secret) || strings.Contains(r.body, secret) {
		x.errorf("the client is told what went wrong: %s", abridged(r.head+r.body))
	}
	if r.header.Get("X-Old") != "" {
		x.errorf("the error page has a header of the response that failed")
	}
}

// wantBroken checks that the client can tell that the response is cut off, and that what arrived is
// a beginning of body.
func (x *exchange) wantBroken(r *reply, body string) {
	x.t.Helper()
	if r.broken == nil {
		x.errorf("the client cannot tell that the response is not whole: it got %q and %s, and a clean end",
			r.status, abridged(r.body))
	}
	if !strings.HasPrefix(body, r.body) {
		x.errorf("the body is %s, want %s or a beginning of it", abridged(r.body), abridged(body))
	}
	if strings.Contains(r.head, secret) {
		x.errorf("the client is told what went wrong: %s", abridged(r.head))
	}
}

// wantAlive checks that the server answers the next request, which is for nextOr.
func (x *exchange) wantAlive() {
	x.t.Helper()
	r := x.get("/next")
	if r.code != http.StatusOK || r.body != "alive" || r.broken != nil {
		x.errorf("the next request got %q, %s and the error %v; want 200 and \"alive\"", r.status, abridged(r.body),
			r.broken)
	}
}
