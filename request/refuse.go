package request

import (
	"errors"
	"io"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// Errors of requests that a server refuses by itself, or an application that reads a form. [Refuse]
// answers each with its status.
var (
	// ErrMalformed is returned by the methods of a Builder, and by package form, wrapped with what
	// is wrong, for a request that gets a 400.
	ErrMalformed = errors.New("gateway: malformed request")

	// ErrLengthRequired is for a body of unknown length in a protocol that needs the length: 411.
	// No function of this package returns it; a server passes it to Refuse.
	ErrLengthRequired = errors.New("gateway: request has a body of unknown length")

	// ErrBodyTooLarge is returned by Builder.Finish for a CONTENT_LENGTH above Limits.MaxBodyBytes,
	// which gets a 413, by Body.Read for a body of unknown length that passes its bound, and by
	// package form. It wraps gateway.ErrContentLength.
	ErrBodyTooLarge error = tooLarge{}

	// ErrMediaType is returned by package form for a body that is no form: 415.
	ErrMediaType = errors.New("gateway: request has a body of a type that is not taken")

	// ErrHeaderTooLarge is returned by the methods of a Builder when Limits.MaxHeaders or
	// MaxHeaderBytes is passed: 431.
	ErrHeaderTooLarge = errors.New("gateway: request has too many or too large headers")

	// ErrConnect is returned by Builder.Finish for the method CONNECT, which gets a 501. It asks
	// for a tunnel: a client would take a response with a 2xx status, and all that follows, for the
	// tunnel's bytes (RFC 9110, 9.3.6).
	ErrConnect = errors.New("gateway: request for a tunnel (CONNECT)")

	// ErrOverloaded is for a request above Limits.MaxRequests: 503. No function of this package
	// returns it; a server passes it to Refuse.
	ErrOverloaded = errors.New("gateway: too many requests are going on")
)

// A malformed is an ErrMalformed with what is wrong.
type malformed string

func (m malformed) Error() string { return ErrMalformed.Error() + ": " + string(m) }
func (m malformed) Unwrap() error { return ErrMalformed }

// A tooLarge is ErrBodyTooLarge: an application that reads such a body knows it by the error of the
// root package.
type tooLarge struct{}

func (tooLarge) Error() string { return "gateway: request has too large a body" }
func (tooLarge) Unwrap() error { return gateway.ErrContentLength }

// Refuse returns the application of a request that no application should see. The application logs
// why on Environ.Errors, and answers with the status that is documented beside the error, or 400:
// "431 Request Header Fields Too Large". The answer says nothing of the request. The server gives
// it to gateway.Respond, so that a refusal is a response like any other. An application refuses so,
// too:
//
//	return request.Refuse(err).Call(env, start)
//
// An application with error pages of its own takes the status from [Code].
func Refuse(why error) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		path := env.Vars["SCRIPT_NAME"] + env.Vars["PATH_INFO"]
		_, _ = io.WriteString(env.Errors, header.LogEntry(env.Vars["REQUEST_METHOD"], path, why.Error()))
		code := Code(why)
		return start.Answer(code, gateway.Headers{{"Content-Type", "text/plain"}},
			gateway.Text(gateway.Status(code)+"\n"))
	})
}

// Code returns the status code of an answer that refuses a request because of an error: the one that
// is documented beside the error, or 400.
func Code(why error) int {
	for _, c := range []struct {
		err  error
		code int
	}{
		{ErrLengthRequired, 411}, {ErrBodyTooLarge, 413}, {ErrMediaType, 415}, {ErrHeaderTooLarge, 431},
		{ErrConnect, 501}, {ErrOverloaded, 503},
	} {
		if errors.Is(why, c.err) {
			return c.code
		}
	}
	return 400
}
