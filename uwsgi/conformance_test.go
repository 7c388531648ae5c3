package uwsgi_test

import (
	"encoding/binary"
	"io"
	"log"
	"net/http"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/internal/testhost"
	"example.com/gateway/uwsgi"
)

var discard = log.New(io.Discard, "", 0)

// The conformance suite runs behind a web server that speaks uwsgi. The two are connected by TCP,
// which has a reset: over a Unix socket a response that was cut off may look like a whole one.
func TestConformance(t *testing.T) {
	gatewaytest.TestServer(t, func(t *testing.T, app gateway.Application) string {
		addr := testhost.Backend(t, &uwsgi.Server{Application: app, ErrorLog: discard}, "tcp")
		return testhost.Start(t, func(w http.ResponseWriter, r *http.Request, path string) bool {
			return testhost.Single(w, r, addr, false, func(length string) string {
				var vars []byte
				for _, v := range testhost.Vars(r, path, length) {
					for _, s := range v {
						vars = append(binary.LittleEndian.AppendUint16(vars, uint16(len(s))), s...)
					}
				}
				if len(vars) > 0xFFFF {
					http.Error(w, "too large for a packet", http.StatusRequestHeaderFieldsTooLarge)
					return ""
				}
				return string(append(binary.LittleEndian.AppendUint16([]byte{0}, uint16(len(vars))), 0)) + string(vars)
			})
		})
	})
}
