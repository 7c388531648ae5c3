//go:build unix

package serve_test

import (
	"io"
	"net/http"
	"syscall"
	"testing"

	"example.com/gateway/internal/testlambda"
)

// begun asks a function that runs in a process, and returns its response when the first block is
// there.
func begun(t *testing.T, url string) *http.Response {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestAFunctionOnLambda(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ env, why, how string }{
		{"GATEWAY=", "AWS_LAMBDA_RUNTIME_API is set", "buffered"},
		{"GATEWAY=lambda", "GATEWAY says so", "buffered"},
		{"GATEWAY=lambda:stream", "GATEWAY says so", "streamed"},
	} {
		api := testlambda.NewAPI(t)
		p := begin(t, nil, nil, "AWS_LAMBDA_RUNTIME_API="+api.Address(), c.env)
		p.await("^gateway: serving lambda on " + api.Address() + ", " + c.how + ", since " + c.why +
			"$")
		var wasStream bool
		front := &testlambda.Front{Kind: testlambda.FunctionURL, Invoke: func(event []byte,
			done <-chan struct{}) *testlambda.Result {
			r := api.Invoke(event, done)
			wasStream = r != nil && r.IsStream
			return r
		}}
		response := begun(t, front.Start(t))
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 200 || len(body) == 0 ||
			wasStream != (c.how == "streamed") {
			t.Errorf("%s: %s, %q, %v; streamed is %v", c.env, response.Status, body, err, wasStream)
		}
		p.signal(syscall.SIGTERM)
		p.ends(0, "nil$")
	}
}

// Lambda sends SIGTERM to functions that have an extension. An invocation that is going on comes to
// its end, and a second SIGTERM ends its Context.
func TestSIGTERMOnLambda(t *testing.T) {
	t.Parallel()
	api := testlambda.NewAPI(t)
	p := begin(t, nil, nil, "AWS_LAMBDA_RUNTIME_API="+api.Address(), "GATEWAY=lambda:stream")
	front := &testlambda.Front{Kind: testlambda.FunctionURL, Invoke: api.Invoke}
	response := begun(t, front.Start(t)+"/wait")
	if _, err := response.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	p.await("^gateway: terminated: waiting")
	p.signal(syscall.SIGTERM)
	p.await("^app: the cause is ErrShutdown: true")
	p.await("^app: closed")
	p.await("^gateway: requests were told to end: a second signal came")
	p.ends(0, "nil")
	if _, err := io.ReadAll(response.Body); err == nil {
		t.Error("the response ends as if it were whole")
	}
}
