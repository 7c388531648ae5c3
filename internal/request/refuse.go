package request

import (
	"errors"
	"io"
	"strings"

	"example.com/gateway"
)

// What a server refuses by itself, besides ErrMalformed.
var (
	ErrHeaderTooLarge = errors.New("gateway: request has too many or too large headers")
	ErrBodyTooLarge   = error(tooLarge{})
	ErrLengthRequired = errors.New("gateway: request has a body of unknown length")
	ErrOverloaded     = errors.New("gateway: too many requests are going on")
)

// A tooLarge is ErrBodyTooLarge: an application that reads such a body knows it by the error of the root package.
type tooLarge struct{}

func (tooLarge) Error() string { return "gateway: request has too large a body" }
func (tooLarge) Unwrap() error { return gateway.ErrContentLength }

// Refuse returns the application of a request that no application should see: it logs why and answers with the status that says
// so, and nothing of the request.
func Refuse(why error) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		code := 400
		switch {
		case errors.Is(why, ErrLengthRequired):
			code = 411
		case errors.Is(why, ErrHeaderTooLarge):
			code = 431
		case errors.Is(why, ErrBodyTooLarge):
			code = 413
		case errors.Is(why, ErrOverloaded):
			code = 503
		}
		_, _ = io.WriteString(env.Errors, strings.ReplaceAll(why.Error(), "\n", "; ")+"\n")
		status := gateway.Status(code)
		_, err := start(status, gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text(status + "\n"), err
	})
}
