package nethttp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"example.com/gateway"
)

// Application returns h as an application, for any server. A nil h is http.DefaultServeMux.
//
// h gets the request that [Request] makes. The request's URL has the whole path, SCRIPT_NAME and
// PATH_INFO. [StripScriptName] leaves the path below the place where the application is mounted.
// [Environ] has the variables for which an http.Request has no place.
//
// The ResponseWriter behaves as net/http's. A response without WriteHeader is a 200. If h does not
// set Content-Type, the first block decides it; to send none, set it to nil. A response of up to
// 4096 bytes that h has not flushed gets a Content-Length. Responses to HEAD, and those with status
// 204, 205 or 304, have no body. A Write beyond a declared length returns http.ErrContentLength. A
// second WriteHeader is a line in Errors.
//
// The ResponseWriter is an http.Flusher and an http.CloseNotifier, which gin's streams need.
// http.ResponseController can flush, and EnableFullDuplex has no effect, since h may always read
// while it writes. Its other methods return http.ErrNotSupported. A 103 and trailers are sent for
// requests that came through [Handler], [Mount] or [Server], and dropped elsewhere. Other interim
// responses are dropped: WriteHeader(100) does nothing, and the first Read of the body makes the
// server send a 100, where the server can. Names in Header count in any case. Status and the
// headers about the connection, such as Connection and Transfer-Encoding, are dropped, since the
// server has its own. A header that start refuses, such as one with a line break, makes the
// response a 500, where net/http would replace the line break.
//
// If h panics with http.ErrAbortHandler, the response is cut off, and the log gets a line without a
// stack. If nothing was sent before, the client gets a 500, where net/http would close the
// connection. Any other panic passes, and gateway.Respond recovers it. h must not use the
// ResponseWriter after it has returned: its methods then return gateway.ErrEnded. Temporary files of
// a multipart form are removed when h has returned.
func Application(h http.Handler) gateway.Application {
	if h == nil {
		h = http.DefaultServeMux
	}
	return &application{h}
}

// StripScriptName returns a handler, for [Application], that calls h with the path below the place
// where the application is mounted: PATH_INFO. It is http.StripPrefix for a prefix that is known at
// the time of the request. A constant prefix is wrong as soon as the same program is mounted
// elsewhere: under CGI, SCRIPT_NAME is the path of the program.
//
//	middleware.Mount(map[string]gateway.Application{
//		"/files": nethttp.Application(nethttp.StripScriptName(http.FileServerFS(files))),
//	})
//
// A request for the place itself, without the slash behind it, is led there by a 307, since relative
// links begin at the slash. As with http.StripPrefix, h must make no absolute redirect of the path
// that it sees. A request that did not come through Application reaches h as it is.
func StripScriptName(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		env := Environ(r)
		if env == nil || env.Vars["SCRIPT_NAME"] == "" {
			h.ServeHTTP(w, r)
			return
		}
		inner := new(http.Request)
		*inner = *r
		inner.URL = new(url.URL)
		*inner.URL = *r.URL
		path, found := strings.CutPrefix(r.URL.Path, env.Vars["SCRIPT_NAME"])
		switch {
		case !found: // a handler in between has changed the path
			http.NotFound(w, r)
			return
		case path == "":
			target := url.URL{Path: r.URL.Path + "/", RawQuery: r.URL.RawQuery}
			http.Redirect(w, r, target.String(), http.StatusTemporaryRedirect)
			return
		}
		inner.URL.Path, inner.URL.RawPath = path, rawEnd(r.URL.RawPath, len(env.Vars["SCRIPT_NAME"]))
		h.ServeHTTP(w, inner)
	})
}

// rawEnd returns what is left of a raw path behind the bytes that decode to n bytes, or "".
func rawEnd(raw string, n int) string {
	for ; n > 0 && raw != ""; n-- {
		size := 1
		if raw[0] == '%' {
			size = min(len("%2F"), len(raw))
		}
		raw = raw[size:]
	}
	return raw
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
// any other panic pass. If a write had failed before, or the Context had ended, the error wraps that
// too: when the client has left, Respond writes nothing into the log.
func (a *application) serve(w *response, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if e, ok := v.(error); !ok || e != http.ErrAbortHandler {
				panic(v)
			}
			err = http.ErrAbortHandler
			cause := w.failure()
			if cause == nil {
				cause = context.Cause(w.env.Context())
			}
			if cause != nil {
				err = fmt.Errorf("%w: %w", http.ErrAbortHandler, cause)
			}
		}
	}()
	a.h.ServeHTTP(w, r)
	return nil
}
