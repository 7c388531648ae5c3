package lambda_test

import (
	"errors"
	"io"
	"log"
	"slices"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/testlambda"
	"example.com/gateway/lambda"
)

// discard drops what is logged.
var discard = log.New(io.Discard, "", 0)

// serve runs a Server at a Runtime API until the end of the test, with ten loops.
func serve(t *testing.T, api *testlambda.API, s *lambda.Server) {
	t.Helper()
	s.WithEnv(map[string]string{"AWS_LAMBDA_RUNTIME_API": api.Address(),
		"AWS_LAMBDA_MAX_CONCURRENCY": "10"})
	if s.ErrorLog == nil {
		s.ErrorLog = discard
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; !errors.Is(err, gateway.ErrShutdown) {
			t.Errorf("Serve has returned %v", err)
		}
	})
}

// The suite, through a Runtime API and a front end for each form of an event.
func TestServerKeepsTheRules(t *testing.T) {
	for _, c := range testlambda.Forms {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			known := slices.Clone(testlambda.KnownFailures(c))
			gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
				name := strings.Split(t.Name(), "/")
				if reason := testlambda.NotRun(c)[strings.Join(name[len(name)-2:],
					"/")]; reason != "" {
					t.Skip(reason)
				}
				api := testlambda.NewAPI(t)
				serve(t, api, &lambda.Server{Application: app, Stream: c.Stream})
				front := &testlambda.Front{Kind: c.Kind, Invoke: api.Invoke}
				return front.Start(t)
			}, known...)
		})
	}
}
