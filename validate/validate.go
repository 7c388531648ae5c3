// Package validate is a lint: middleware that checks, on every request, what a server and an
// application owe each other. For each rule that is broken, the lint names the rule, the side to
// blame and the place in the source:
//
//	func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
//		_, err := start("200 OK", gateway.Headers{{"Connection", "close"}}, nil)
//		return gateway.Text("Hello World !\n"), err
//	}
//
//	func main() { cgi.Run(validate.Application(gateway.ApplicationFunc(hello))) }
//
// This program writes to its log:
//
//	validate: R72 application: Connection is hop-by-hop; the rule: An application sets no [...] (main.hello main.go:9)
//
// [Application] puts the lint between a server and an application. [Middleware] puts it on both
// sides of a middleware. gatewaytest.TestMiddleware runs a middleware under the lint in one call.
//
// The lint is for development and tests. It checks everything on every request and copies every
// block, which costs a small request some microseconds. The rules are in docs/spec.md.
//
// The lint is the counterpart of Python's wsgiref.validate. It also finds mistakes that
// wsgiref.validate misses: hop-by-hop headers, second calls of start, wrong lengths, blocks that a
// server keeps or changes, blocks that a middleware holds back, and bodies that are never closed.
//
// # What changes under the lint
//
// A correct server and a correct application see no difference: the lint passes on the same bytes
// in the same blocks and the same order, the same errors and the same panics, and Respond computes
// the same Content-Length. The lint reports a faulty call, and then passes the call on as it is.
//
// The application gets a copy of the Environ, as from Environ.WithContext. The copy shares Vars and
// Extra, and its Input and Errors go through the lint.
//
// The server gets a copy of each block. The lint overwrites the copy with bytes 0xDB when the body
// moves on. A server that has kept the copy sends garbage, which the tests of that server see.
//
// # What the lint leaves out
//
//   - The blocks of an answer to HEAD. An application may yield them, middleware may measure them, and the
//     server drops them, as gatewaytest.TestServer checks.
//   - Matters of taste, such as unusual methods.
//   - Faults that only the bytes on the wire can show.
//   - Calls that overlap within one request. Respond refuses and reports them.
package validate

import (
	"errors"
	"sync/atomic"

	"example.com/gateway"
)

// Application returns app under the lint, for use in its place. The findings go to the Errors of
// the request, one line each.
//
// The lint takes the caller for a server. To check a middleware use [Middleware], which tells the
// server, the middleware and the application apart.
//
// If Multithread is false, an application that calls itself must pass on an Environ made from its
// own, as by Environ.Clone. The lint takes any other call for a second request of the server, and
// reports R49.
//
// If app is nil, each Call reports that and returns an error, and the response is a 500.
func Application(app gateway.Application) gateway.Application { return Linter{}.Application(app) }

// Middleware returns mw under the lint. The lint checks mw on both sides: as an application to its
// caller, and as a server to the application that mw is given. A fault that mw only passes on is
// held against the side that it came from.
//
// Both sides together show more mistakes:
//
//   - mw keeps an inner block back, or drops it, and yields no block in its place, not even an empty one
//     (R94, R95);
//   - mw ranges the inner body before its own Call has returned (R96);
//   - mw sends inner blocks through the writer (R97);
//   - the inner application fails, and the response, which has the inner head, ends as if whole;
//   - mw keeps an inner block after the inner body has moved on, and sends it later;
//   - mw never closes the inner body (R21).
//
// The lint does not look for the first four in a request in which mw calls the application several
// times: some of the inner responses may then be for mw's own use. It finds none of the six if mw
// calls the application with a Context that is not made from the Context that mw got.
//
// If mw is nil, or the application, or the application that mw makes, each Call reports that and
// returns an error, and the response is a 500.
func Middleware(mw gateway.Middleware) gateway.Middleware { return Linter{}.Middleware(mw) }

// A Linter says where the findings go. The functions [Application] and [Middleware] use the zero
// value.
type Linter struct {
	// Report, if not nil, is called with each finding as soon as the lint has it. It runs on the
	// goroutine that made the faulty call, or, for a body that was never closed, on a goroutine of
	// the runtime. It may be called concurrently. It must not call the application, body or writer
	// that the finding is about.
	//
	// If Report is nil, the lint writes the line "validate: " + Finding.String() to the Errors of
	// the request. If Errors is nil or the response is over, the line goes to the Errors of the
	// next request. A process that gets no other request, as under CGI, loses it.
	Report func(Finding)
}

// Application is the function [Application] with the linter's Report.
func (l Linter) Application(app gateway.Application) gateway.Application {
	made := &lint{app: app, report: l.Report, sides: [2]Side{SideServer, SideApplication}}
	if isNil(app) {
		made.unusable = made.finding(inside, "R1", "the application is nil", caller(inside))
	}
	return made
}

// Middleware is the function [Middleware] with the linter's Report.
func (l Linter) Middleware(mw gateway.Middleware) gateway.Middleware {
	here := caller(inside)
	return func(app gateway.Application) gateway.Application {
		outer := &lint{report: l.Report, sides: [2]Side{SideServer, SideMiddleware}}
		if mw == nil {
			outer.unusable = outer.finding(inside, "R1", "the middleware is nil", here)
			return outer
		}
		inner := &lint{app: app, report: l.Report, sides: [2]Side{SideMiddleware, SideApplication}, outer: outer}
		if isNil(app) {
			inner.unusable = inner.finding(inside, "R1", "the application is nil", caller(inside))
		}
		if outer.app = mw(inner); isNil(outer.app) {
			outer.unusable = outer.finding(inside, "R1", "the middleware made a nil application", placeOf(mw))
		}
		return outer
	}
}

func isNil(app gateway.Application) bool {
	f, isFunc := app.(gateway.ApplicationFunc)
	return app == nil || isFunc && f == nil
}

// A lint is an application with the lint around it. The lint around a middleware has two halves,
// each a lint: the outer half is around the middleware, the inner half around the application that
// the middleware calls.
type lint struct {
	app      gateway.Application
	report   func(Finding) // nil stands for the Errors of the request
	sides    [2]Side       // indexed by way: who is outside, who is inside
	outer    *lint         // the outer half, if this is the inner one
	unusable *Finding      // why app cannot be called: some part is nil
	running  atomic.Int32  // how many requests run code of app right now, of those that are alone
	late     lateFindings
}

var _ gateway.Application = (*lint)(nil)

// Call implements gateway.Application.
func (l *lint) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if env == nil || start == nil {
		return nil, l.refuse(l.finding(outside, "R12", "Call was given a nil Environ or a nil start", caller(outside)))
	}
	if l.unusable != nil {
		return nil, l.refuse(l.unusable)
	}
	r := l.newRequest(env, start)
	result, err := r.call()
	if result == nil {
		return nil, err
	}
	return newBody(r, result), err
}

// refuse reports why the application is not called. It returns the error of Call, which the server
// logs: Environ.Errors may be nil as well.
func (l *lint) refuse(f *Finding) error {
	if l.report != nil {
		l.report(*f)
	}
	return errors.New(logPrefix + f.String())
}
