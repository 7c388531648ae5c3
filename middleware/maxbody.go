package middleware

import (
	"example.com/gateway"
	"example.com/gateway/request"
)

// MaxBody returns a middleware that bounds the body of a request to max bytes. It is for one
// application among several: a server's MaxBodyBytes is for all of its applications, and package
// form has limits of its own.
//
// A request that declares more gets a 413, and one whose CONTENT_LENGTH is no number a 400; neither
// reaches the application. A body of unknown length ends with request.ErrBodyTooLarge when it has
// more than max bytes. The application passes that error to request.Refuse, for a 413.
//
// With max 0 no request may have a body. MaxBody panics if max is negative.
func MaxBody(max int64) gateway.Middleware {
	if max < 0 {
		panic("middleware: MaxBody needs a limit that is not negative")
	}
	return func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(
			env *gateway.Environ, start gateway.StartResponse,
		) (gateway.Body, error) {
			length, err := env.ContentLength()
			switch {
			case err != nil:
				return request.Refuse(err).Call(env, start)
			case length > max:
				return request.Refuse(request.ErrBodyTooLarge).Call(env, start)
			case length < 0:
				env = env.WithContext(env.Context()) // a copy, whose Input is another
				env.Input = request.NewBody(env.Input, -1, max)
			}
			return app.Call(env, start)
		})
	}
}
