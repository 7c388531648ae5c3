package nethttp

import (
	"fmt"
	"net/http"

	"example.com/gateway"
)

// Application returns h as an application, for any server. A nil h is http.DefaultServeMux.
//
// h gets the request that [Request] makes. The request's URL has the whole path, SCRIPT_NAME and
// PATH_INFO: to mount h, wrap it with http.StripPrefix, as under net/http. [Environ] has the
// variables for which an http.Request has no place.
//
// The ResponseWriter behaves as net/http's. A response without WriteHeader is a 200. If h does not
// set Content-Type, the first block decides it; to send none, set it to nil. A response of up to
// 4096 bytes that h has not flushed gets a Content-Length. Responses to HEAD, and those with status
// 204, 205 or 304, have no body. A Write beyond a declared length returns http.ErrContentLength. A
// second WriteHeader is a line in Errors.
//
// http.ResponseController can flush, and EnableFullDuplex has no effect, since h may always read
// while it writes. Its other methods return http.ErrNotSupported. A 103 and trailers are sent for
// requests that came through [Handler], [Mount] or [Server], and dropped elsewhere. Status and the
// headers about the connection, such as Connection and Transfer-Encoding, are dropped, since the
// server has its own. A header that start refuses, such as one with a line break, makes the
// response a 500, where net/http would replace the line break.
//
// If h panics with http.ErrAbortHandler, the response is cut off, and the log gets no stack. Any
// other panic passes, and gateway.Respond recovers it. h must not use the ResponseWriter after it
// has returned: its methods then return gateway.ErrEnded. Temporary files of a multipart form are
// removed when h has returned.
func Application(h http.Handler) gateway.Application {
	if h == nil {
		h = http.DefaultServeMux
	}
	return &application{h}
}

// Environ returns the environ of a request that [Request] has made, as for a handler of
// [Application], and nil for any other request. It has SCRIPT_NAME, PATH_INFO, REMOTE_USER and all
// other variables for which an http.Request has no place. The handler must not change it.
func Environ(r *http.Request) *gateway.Environ {
	env, _ := r.Context().Value(environKey{}).(*gateway.Environ)
	return env
}

type environKey struct{}

// An application is an http.Handler as an application.
type application struct{ h http.Handler }

// Call implements gateway.Application. The handler runs inside of it, since start's writer works
// only until Call returns.
func (a *application) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	r, err := Request(env)
	if err != nil {
		return nil, err
	}
	w := &response{env: env, start: start, header: make(http.Header, 4), length: -1}
	defer w.close() // also when h panics
	defer func() {
		r.Body.Close()
		if r.MultipartForm != nil {
			_ = r.MultipartForm.RemoveAll()
		}
	}()
	if err := a.serve(w, r); err != nil {
		return nil, err
	}
	return w.finish()
}

// serve runs the handler. It returns http.ErrAbortHandler if the handler panics with that, and lets
// any other panic pass. If a write had failed before, the error wraps that too: when the client has
// left, Respond writes nothing into the log.
func (a *application) serve(w *response, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if e, ok := v.(error); !ok || e != http.ErrAbortHandler {
				panic(v)
			}
			err = http.ErrAbortHandler
			if cause := w.failure(); cause != nil {
				err = fmt.Errorf("%w: %w", http.ErrAbortHandler, cause)
			}
		}
	}()
	a.h.ServeHTTP(w, r)
	return nil
}
