package gatewaytest_test

import (
	"bytes"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// One line proves middleware, too: that it closes the inner body, and passes its blocks and errors on. This is the body of a test.
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

func TestShout(t *testing.T) { gatewaytest.TestMiddleware(t, shout, nil) }
