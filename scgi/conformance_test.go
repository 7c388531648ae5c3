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

// The whole suite, behind a web server that speaks SCGI. It does so over TCP, since that has a reset: over a Unix socket
// nothing in the protocol tells a response that broke from one that ended.
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
