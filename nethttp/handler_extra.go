package nethttp

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// EarlyHints sends a 103 (Early Hints) with the headers, usually Link, before the response begins.
// env is the environ of the request.
//
// It is for requests that came through [Handler], [Mount] or [Server]. It does nothing for any
// other request, nor for a client of HTTP/1.0, which knows no interim responses. A server or
// middleware that has its own way sets Extra["nethttp.early_hints"] to a func(gateway.Headers)
// error, which EarlyHints then calls instead.
//
// It returns an error that wraps gateway.ErrHeader or gateway.ErrContentLength for a header that
// start would refuse, gateway.ErrHeadersSent when the response has begun, and gateway.ErrEnded when
// the response is over. Only the goroutine of Call or of the iteration may call it.
func EarlyHints(env *gateway.Environ, headers gateway.Headers) error {
	if err := check(headers, mayHint); err != nil {
		return err
	}
	if hint, ok := env.Extra["nethttp.early_hints"].(func(gateway.Headers) error); ok {
		return hint(headers)
	}
	x := exchangeOf(env)
	switch {
	case x == nil:
		return nil
	case x.ended():
		return gateway.ErrEnded
	case x.code != 0:
		return gateway.ErrHeadersSent
	case !x.r.ProtoAtLeast(1, 1):
		return nil
	case x.r.Context().Value(http.ServerContextKey) == nil:
		return nil // a ResponseWriter that is not an http.Server's takes a 103 for the response
	}
	h := x.w.Header()
	response := maps.Clone(h) // net/http sends all that is in h, and the hints are not the response
	clear(h)
	for _, field := range headers {
		name := textproto.CanonicalMIMEHeaderKey(field[0])
		h[name] = append(h[name], field[1])
	}
	x.startWrite()
	x.w.WriteHeader(http.StatusEarlyHints)
	x.endWrite()
	clear(h)
	maps.Copy(h, response)
	return nil
}

// Trailers sets the fields that follow the body, in place of those of an earlier call. An
// application may call it at any time before the response is over. env is the environ of the
// request.
//
// It is for the same requests as [EarlyHints], and Extra["nethttp.trailers"] is called instead if
// it is a func(gateway.Headers) error. The trailers are lost where the protocol has no place for
// them: under HTTP/1.0, and under HTTP/1.1 behind a Content-Length, which a body of one block gets.
//
// It returns the errors of EarlyHints but gateway.ErrHeadersSent. gateway.ErrHeader is also for a
// field that says how to read the body, such as Content-Type. Only the goroutine of Call or of the
// iteration may call it.
func Trailers(env *gateway.Environ, headers gateway.Headers) error {
	if err := check(headers, mayTrail); err != nil {
		return err
	}
	if set, ok := env.Extra["nethttp.trailers"].(func(gateway.Headers) error); ok {
		return set(headers)
	}
	x := exchangeOf(env)
	switch {
	case x == nil:
		return nil
	case x.ended():
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

// hasTrailers reports whether Trailers does anything for a request.
func hasTrailers(env *gateway.Environ) bool {
	if _, ok := env.Extra["nethttp.trailers"].(func(gateway.Headers) error); ok {
		return true
	}
	return exchangeOf(env) != nil
}

// mayHint reports whether a field may be in early hints.
func mayHint(name string) bool { return header.KindOf(name) != header.ContentLength }

// mayTrail reports whether a field may follow the body. A field may not if it says how to frame,
// route or process what came before it (RFC 9110, 6.5.1).
func mayTrail(name string) bool {
	if header.KindOf(name) != header.Ordinary {
		return false
	}
	return !slices.ContainsFunc(notInTrailers, func(other string) bool { return strings.EqualFold(name, other) })
}

// notInTrailers are ordinary names of fields that may not follow the body.
var notInTrailers = []string{
	"Authorization", "Cache-Control", "Content-Encoding", "Content-Range", "Host", "Proxy-Authenticate", "Set-Cookie",
	"WWW-Authenticate",
}

// check returns an error if a field is not allowed here, and if start would refuse the fields. It
// asks start itself.
func check(fields gateway.Headers, isAllowed func(name string) bool) (err error) {
	for _, field := range fields {
		if !isAllowed(field[0]) {
			return fmt.Errorf("%w: %s has no place in early hints or trailers", gateway.ErrHeader, field[0])
		}
	}
	app := func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err = start("200 OK", fields, nil)
		return gateway.Bytes(), nil
	}
	_ = gateway.Respond(gateway.ApplicationFunc(app), new(gateway.Environ), nowhere{})
	return err
}

// nowhere is a transport that drops the response.
type nowhere struct{}

func (nowhere) WriteHead(string, gateway.Headers) error { return nil }
func (nowhere) Write(block []byte) (int, error)         { return len(block), nil }
func (nowhere) Flush() error                            { return nil }
func (nowhere) End(bool) error                          { return nil }
