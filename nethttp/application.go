package nethttp

import (
	"fmt"
	"net/http"

	"example.com/gateway"
)

// An application is an http.Handler as an application.
type application struct{ h http.Handler }

// Call implements gateway.Application. A handler writes, so it runs inside of Call, where start's writer may be used.
func (a *application) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	r, err := newRequest(env)
	if err != nil {
		return nil, err
	}
	w := &response{env: env, start: start, header: make(http.Header, 4), length: -1}
	defer w.close() // also when h panics
	defer func() {
		r.Body.Close()
		if r.MultipartForm != nil {
			_ = r.MultipartForm.RemoveAll() // of temporary files, as net/http does
		}
	}()
	if err := a.serve(w, r); err != nil {
		return nil, err
	}
	return w.finish()
}

// serve runs the handler. Of all panics http.ErrAbortHandler is the one that says nothing went wrong here.
func (a *application) serve(w *response, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if e, ok := v.(error); !ok || e != http.ErrAbortHandler {
				panic(v)
			}
			err = http.ErrAbortHandler
			if cause := w.failure(); cause != nil { // such as that the client has gone: then no log hears of it
				err = fmt.Errorf("%w: %w", http.ErrAbortHandler, cause)
			}
		}
	}()
	a.h.ServeHTTP(w, r)
	return nil
}
