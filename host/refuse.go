package host

import (
	"errors"
	"fmt"

	"example.com/gateway"
	"example.com/gateway/request"
)

// statusOf returns the code of the page that a client gets for an error of the package or of the
// body that the client sends, or 0.
func statusOf(err error) int {
	for _, page := range []struct {
		err  error
		code int
	}{
		{ErrNotFound, 404}, {ErrVariables, 431}, {ErrUnavailable, 502}, {ErrAnswer, 502},
		{ErrCutShort, 502}, {ErrOverloaded, 503}, {ErrTimeout, 504}, {ErrStorage, 507},
		{request.ErrBodyTooLarge, 413}, {request.ErrMalformed, 400},
	} {
		if errors.Is(err, page.err) {
			return page.code
		}
	}
	return 0
}

// refuse answers a request with a page that has the status of err. The page says nothing of the
// request or of the program, Environ.Errors does. Any other error is the client's, or of the server
// of the request, and is returned.
func (x *exchange) refuse(start gateway.StartResponse, err error) (gateway.Body, error) {
	if errors.Is(err, request.ErrMalformed) || errors.Is(err, gateway.ErrContentLength) {
		return request.Refuse(err).Call(x.env, start)
	}
	code := statusOf(err)
	if code == 0 {
		return nil, fmt.Errorf("%s: %w", x.name, err)
	}
	page, err := x.page(start, code, err)
	return gateway.Text(page), err
}

// page makes the response a page with the status of a failure, and logs why.
func (x *exchange) page(start gateway.StartResponse, code int, why error) (string, error) {
	x.logf("%v", why)
	status := gateway.Status(code)
	_, err := start(status, gateway.Headers{{"Content-Type", "text/plain"}}, why)
	return status + "\n", err
}
