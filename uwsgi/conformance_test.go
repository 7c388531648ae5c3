package uwsgi_test

import (
	"encoding/binary"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
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
	gatewaytest.TestServer(t, host(func(r *http.Request) *http.Request { return r }))
}

// As above, with a host that passes on the chunks of a body, as uWSGI's router does with
// http-chunked-input.
func TestConformanceOfRawChunks(t *testing.T) {
	gatewaytest.TestServer(t, host(func(r *http.Request) *http.Request {
		if r.ContentLength >= 0 {
			return r
		}
		out, in := io.Pipe()
		go func() {
			chunks := httputil.NewChunkedWriter(in)
			if _, err := io.Copy(chunks, r.Body); err != nil {
				in.CloseWithError(err)
				return
			}
			chunks.Close()
			io.WriteString(in, "X-Trailer: 1\r\n\r\n")
			in.Close()
		}()
		raw := *r
		raw.Body, raw.ContentLength = out, 0 // testhost.Single sends all of Body, and would count an unknown length
		return &raw
	}))
}

// host returns a start for gatewaytest.TestServer. change is what the web server makes of a request.
func host(change func(*http.Request) *http.Request) func(t *testing.T, app gateway.Application) string {
	return func(t *testing.T, app gateway.Application) string {
		addr := testhost.Backend(t, &uwsgi.Server{Application: app, ErrorLog: discard}, "tcp")
		return testhost.Start(t, func(w http.ResponseWriter, r *http.Request, path string) bool {
			hasLength := r.ContentLength >= 0
			r = change(r)
			return testhost.Single(w, r, addr, false, func(length string) string {
				if !hasLength && r.ContentLength == 0 {
					length = ""
				}
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
	}
}
