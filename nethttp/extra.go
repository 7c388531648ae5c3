package nethttp

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"example.com/gateway"
)

// EarlyHints sends a 103 (Early Hints) with the headers, usually Link, before the response begins (E17). It takes the
// environ of the request under [Handler]. Elsewhere it does nothing, nor for a client of HTTP/1.0, which knows no interim
// responses. It returns an error wrapping gateway.ErrHeader or gateway.ErrContentLength for headers that start would refuse,
// and gateway.ErrHeadersSent or gateway.ErrEnded when it is too late.
//
// A server or middleware that has its own way puts a func(gateway.Headers) error into Extra["nethttp.early_hints"], which is then
// called instead; so does middleware that is to see all headers.
func EarlyHints(env *gateway.Environ, headers gateway.Headers) error {
	if err := check(headers, "Content-Length"); err != nil {
		return err
	}
	if hint, ok := env.Extra["nethttp.early_hints"].(func(gateway.Headers) error); ok {
		return hint(headers)
	}
	x, ok := env.Context().Value(exchangeKey{}).(*exchange)
	switch {
	case !ok:
		return nil
	case x.over.Load():
		return gateway.ErrEnded
	case x.head:
		return gateway.ErrHeadersSent
	case !x.r.ProtoAtLeast(1, 1), x.r.Context().Value(http.ServerContextKey) == nil:
		return nil // a writer that is not an http.Server's takes a 103 for the response
	}
	h := x.w.Header()
	before := make(http.Header, len(headers))
	for _, field := range headers {
		name := textproto.CanonicalMIMEHeaderKey(field[0])
		if _, found := before[name]; !found {
			before[name] = h[name]
			delete(h, name)
		}
		h[name] = append(h[name], field[1])
	}
	x.w.WriteHeader(http.StatusEarlyHints)
	for name, list := range before { // the hints are not the response
		if delete(h, name); list != nil {
			h[name] = list
		}
	}
	return nil
}

// Trailers sets the fields that follow the body (E18), in place of those of an earlier call, at any time before the response is
// over. It takes the environ of the request under [Handler], and does nothing elsewhere. They are lost where the
// protocol has no place for them: in HTTP/1.0, and in HTTP/1.1 behind a Content-Length, which a body of one block gets. Its errors
// are those of [EarlyHints]; fields that say how to read the body are refused too. Extra["nethttp.trailers"] is called instead if
// it is a func(gateway.Headers) error.
func Trailers(env *gateway.Environ, headers gateway.Headers) error {
	if err := check(headers, notInTrailers...); err != nil {
		return err
	}
	if set, ok := env.Extra["nethttp.trailers"].(func(gateway.Headers) error); ok {
		return set(headers)
	}
	x, ok := env.Context().Value(exchangeKey{}).(*exchange)
	switch {
	case !ok:
		return nil
	case x.over.Load():
		return gateway.ErrEnded
	}
	h := x.w.Header()
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			delete(h, name)
		}
	}
	for _, field := range headers {
		name := http.TrailerPrefix + textproto.CanonicalMIMEHeaderKey(field[0])
		h[name] = append(h[name], field[1])
	}
	return nil
}

// hasTrailers reports that Trailers has somewhere to put them.
func hasTrailers(env *gateway.Environ) bool {
	if _, ok := env.Extra["nethttp.trailers"].(func(gateway.Headers) error); ok {
		return true
	}
	return env.Context().Value(exchangeKey{}) != nil
}

// notInTrailers are fields that say how to frame, route, or process what came before (RFC 9110, 6.5.1).
var notInTrailers = []string{"Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Location", "Set-Cookie",
	"Cache-Control", "WWW-Authenticate", "Host", "Authorization"}

// check refuses what start would refuse, by asking it, and the given names.
func check(headers gateway.Headers, names ...string) (err error) {
	for _, field := range headers {
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, field[0]) }) {
			return fmt.Errorf("%w: %s has no place here", gateway.ErrHeader, field[0])
		}
	}
	_ = gateway.Respond(gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err = start("200 OK", headers, nil)
		return gateway.Bytes(), nil
	}), new(gateway.Environ), nowhere{})
	return err
}

// nowhere is a transport that drops the response.
type nowhere struct{}

func (nowhere) WriteHead(string, gateway.Headers) error { return nil }
func (nowhere) Write(block []byte) (int, error)         { return len(block), nil }
