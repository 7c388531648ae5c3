package gatewaytest_test

import (
	"bytes"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// One line proves that a middleware closes the inner body, and passes on its blocks and errors. The
// line stands in a test, func TestShout(t *testing.T).
func ExampleTestMiddleware() {
	var t *testing.T // the test's

	if t != nil { // for an example has none
		gatewaytest.TestMiddleware(t, shout, nil)
	}
	// Output:
}

// shout is middleware.
func shout(app gateway.Application) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := app.Call(env, start)
		if err != nil || body == nil {
			return body, err
		}
		return gateway.Map(body, bytes.ToUpper), nil
	})
}
