package scgi_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/testhost"
	"example.com/gateway/scgi"
)

var discard = log.New(io.Discard, "", 0)

// The conformance suite runs behind a web server that speaks SCGI. The two are connected by TCP,
// which has a reset: over a Unix socket a response that was cut off may look like a whole one.
func TestConformance(t *testing.T) {
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		addr := testhost.Backend(t, &scgi.Server{Application: app, ErrorLog: discard}, "tcp")
		return testhost.Start(t, func(w http.ResponseWriter, r *http.Request, path string) bool {
			return testhost.Single(w, r, addr, true, func(length string) string {
				var b strings.Builder
				for _, v := range append(testhost.Vars(r, path, length), [2]string{"SCGI", "1"}) {
					b.WriteString(v[0] + "\x00" + v[1] + "\x00")
				}
				return fmt.Sprintf("%d:%s,", b.Len(), b.String())
			})
		})
	})
}
