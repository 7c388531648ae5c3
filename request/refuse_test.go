package request_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/request"
)

// A refusal is answered with the status of its error. The log has why, in one line, and the client
// has not.
func TestARefusalHasTheStatusOfItsError(t *testing.T) {
	t.Parallel()
	var b request.Builder
	malformed := b.Add("HTTP_X", "\n")
	for _, c := range []struct {
		why  error
		code int
	}{
		{request.ErrMalformed, 400}, {malformed, 400}, {request.ErrLengthRequired, 411}, {request.ErrBodyTooLarge, 413},
		{request.ErrMediaType, 415},
		{request.ErrHeaderTooLarge, 431}, {request.ErrConnect, 501}, {request.ErrOverloaded, 503},
		{fmt.Errorf("in the\nserver: %w", request.ErrConnect), 501}, {errors.New("anything else"), 400},
	} {
		r := gatewaytest.Record(request.Refuse(c.why), gatewaytest.NewEnviron("GET", "/", nil))
		if r.Status != gateway.Status(c.code) || r.Body() != gateway.Status(c.code)+"\n" || r.Err != nil {
			t.Errorf("%v: %q %q %v, want %d", c.why, r.Status, r.Body(), r.Err, c.code)
		}
		why := strings.ReplaceAll(strings.TrimPrefix(c.why.Error(), "gateway: "), "\n", `\n`)
		if want := "gateway: GET /: " + why + "\n"; r.Errors != want {
			t.Errorf("%v: the log has %q, want %q", c.why, r.Errors, want)
		}
	}
}
