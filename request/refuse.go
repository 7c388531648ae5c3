package request

import (
	"errors"
	"io"
	"strings"

	"example.com/gateway"
)

// Errors of requests that a server refuses by itself. [Refuse] answers each with its status.
var (
	// ErrMalformed is returned by the methods of a Builder, wrapped with what is wrong, for a
	// request that gets a 400.
	ErrMalformed = errors.New("gateway: malformed request")

	// ErrLengthRequired is for a body of unknown length in a protocol that needs the length: 411.
	// No function of this package returns it; a server passes it to Refuse.
	ErrLengthRequired = errors.New("gateway: request has a body of unknown length")

	// ErrBodyTooLarge is returned by Builder.Finish for a CONTENT_LENGTH above Limits.MaxBodyBytes,
	// which gets a 413, and by Body.Read for a body of unknown length that passes its bound. It
	// wraps gateway.ErrContentLength.
	ErrBodyTooLarge error = tooLarge{}

	// ErrHeaderTooLarge is returned by the methods of a Builder when Limits.MaxHeaders or
	// MaxHeaderBytes is passed: 431.
	ErrHeaderTooLarge = errors.New("gateway: request has too many or too large headers")

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
// it to gateway.Respond, so that a refusal is a response like any other.
func Refuse(why error) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		code := 400
		switch {
		case errors.Is(why, ErrLengthRequired):
			code = 411
		case errors.Is(why, ErrBodyTooLarge):
			code = 413
		case errors.Is(why, ErrHeaderTooLarge):
			code = 431
		case errors.Is(why, ErrOverloaded):
			code = 503
		}
		_, _ = io.WriteString(env.Errors, strings.ReplaceAll(why.Error(), "\n", "; ")+"\n")
		status := gateway.Status(code)
		_, err := start(status, gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text(status + "\n"), err
	})
}
