package nethttp

import (
	"errors"
	"math"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/gateway"
	"example.com/gateway/request"
)

// The response of an application: an exchange as a gateway.Transport, which hands everything to
// net/http at once. net/http holds it back until Flush, or until there is more than fits its
// buffers.

var _ gateway.Transport = (*exchange)(nil)

// WriteHead implements gateway.Transport.
func (x *exchange) WriteHead(status string, headers gateway.Headers) error {
	code, err := strconv.Atoi(status[:3]) // net/http has its own reasons
	if err != nil {
		return err
	}
	x.code = code
	h := x.w.Header()
	hasType := false
	for name := range h { // handlers around this one have set some, in any case
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Set-Cookie", "Vary":
			continue
		case "Content-Type":
			hasType = true
		}
		if slices.ContainsFunc(headers, func(field [2]string) bool { return strings.EqualFold(field[0], name) }) {
			delete(h, name)
		}
	}
	values := make([]string, len(headers)) // one allocation for all
	for i := range headers {
		name := textproto.CanonicalMIMEHeaderKey(headers[i][0])
		if list := h[name]; len(list) > 0 {
			h[name] = append(list, headers[i][1])
			continue
		}
		values[i] = headers[i][1]
		h[name] = values[i : i+1 : i+1]
	}
	if _, found := h["Content-Type"]; !found && !hasType {
		h["Content-Type"] = nil // so that net/http guesses none
	}
	if x.mustClose() || x.h.stopping.Err() != nil {
		h["Connection"] = []string{"close"} // under HTTP/2 net/http then sends a GOAWAY
		x.closes = true
	}
	x.w.WriteHeader(code)
	return nil
}

// Write implements gateway.Transport. It gives the client time for each part of a large block.
func (x *exchange) Write(block []byte) (n int, err error) {
	for part := range slices.Chunk(block, x.step()) {
		x.startWrite()
		m, err := x.w.Write(part)
		x.endWrite()
		if n += m; err != nil {
			return n, x.lost(err)
		}
	}
	return n, nil
}

// Flush implements gateway.Transport. A handler around this one may have a ResponseWriter that
// cannot flush, and then decides by itself when the client gets a block.
func (x *exchange) Flush() error {
	x.startWrite()
	defer x.endWrite()
	err := http.NewResponseController(x.w).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return x.lost(err)
}

// End implements gateway.Transport. The client then has all of a whole response. Only the end of a
// response without a length is still to come: net/http sends it when ServeHTTP returns. There a
// response that is not whole is cut off, unless End has reset the connection.
func (x *exchange) End(whole bool) (err error) {
	if whole {
		x.isAnswered.Store(x.hasEnd())
		err = x.Flush()
		x.whole = err == nil
	}
	if !x.whole && x.conn != nil && x.endsByClose() && !errors.Is(x.ctx.Cause(), gateway.ErrDisconnected) {
		x.conn.reset()
	}
	return err
}

// hasEnd reports whether the client can tell the last byte of the response: it has a length, or no
// body. The end of any other response comes when ServeHTTP returns.
func (x *exchange) hasEnd() bool {
	return x.w.Header()["Content-Length"] != nil || x.r.Method == "HEAD" || x.code == 204 || x.code == 304
}

// endsByClose reports whether the response has no end but that of the connection: under HTTP/1.0
// without a length.
func (x *exchange) endsByClose() bool {
	return x.code != 0 && !x.r.ProtoAtLeast(1, 1) && x.w.Header()["Content-Length"] == nil
}

// lost returns the error of a write, and ends the Context. The client is gone, unless a handler
// around this one has given up by itself.
func (x *exchange) lost(err error) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, http.ErrHandlerTimeout) {
		err = request.Disconnected(err)
	}
	x.ctx.Cancel(err)
	return err
}

// stepBytes is how much of a block or a file the client has to accept within one WriteTimeout.
const stepBytes = 64 << 10

// step returns how many bytes may be written at a time.
func (x *exchange) step() int {
	if x.h.limits.WriteTimeout > 0 {
		return stepBytes
	}
	return math.MaxInt
}

// startWrite gives the client a WriteTimeout to accept what is written next.
func (x *exchange) startWrite() {
	if timeout := x.h.limits.WriteTimeout; timeout > 0 {
		_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(timeout))
	}
}

// endWrite takes the deadline of startWrite away. Under HTTP/2 net/http resets a stream whose
// deadline has passed even if nothing is being written. Under HTTP/1 net/http writes a 100
// (Continue) by itself, and crypto/tls answers a client that changes its keys.
func (x *exchange) endWrite() {
	if x.h.limits.WriteTimeout > 0 {
		_ = http.NewResponseController(x.w).SetWriteDeadline(time.Time{})
	}
}
