// Package validate is a lint. It stands as middleware between a server and an application, or on both sides of another
// middleware, checks what passes in either direction, and names the rule that was broken, the side to blame and the place:
//
//	func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
//		_, err := start("200 OK", gateway.Headers{{"Connection", "close"}}, nil)
//		return gateway.Text("Hello World !\n"), err
//	}
//
//	func main() { cgi.Run(validate.Application(gateway.ApplicationFunc(hello))) }
//
// writes to the log:
//
//	validate: R72 application: An application sets no hop-by-hop header and [...]: Connection [...] (main.hello main.go:9)
//
// It is wsgiref's validator, with what that misses: hop-by-hop headers, second starts, lengths, blocks that are kept or
// changed, the block rule of middleware, bodies that nobody closes. It is for development and tests; the smallest request costs
// about three times what [gateway.Respond] alone does. gatewaytest.TestMiddleware has middleware under it, in one call.
//
// For a correct pair nothing changes: the same bytes in the same blocks and order, the same errors and panics, the same
// Content-Length that is computed. The application gets a copy of the Environ, as from Environ.WithContext, with Vars and Extra
// shared, and Input and Errors wrapped. The server gets a copy of each block, which is overwritten with 0xDB once the iteration
// moved on: one that kept it sends garbage, and its tests see that. A faulty call is reported and then passed on as it is.
//
// What it does not say: anything of a body in answer to HEAD, which an application may yield (D1), middleware may measure and the
// server drops (C37), as gatewaytest.TestServer checks; what is a matter of taste, such as unusual methods; and what only the wire
// can show. Calls that overlap within one request are refused and reported by gateway.Respond itself, and since Respond closes every
// body, those that it got itself are not watched. What costs much is done in the first hundred requests and in one of 256 after, since
// who has it wrong has it wrong in many: to look at the variables (R29, R30, R32, R33, D6), but for the method and the length, through
// all HTTP_ variables for line breaks (C28), and at the stack for middleware that hands start on as it is and may lose the body (R21).
package validate

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/gateway"
	"example.com/gateway/internal/rules"
)

// Application returns app under the lint, for use in its place. Findings go to the request's Errors, one line each.
//
// What calls it is taken for a server. Around a middleware use [Middleware]: it tells the three sides apart.
// If app is nil, each call is a finding and an error, and the response a 500.
func Application(app gateway.Application) gateway.Application { return Linter{}.Application(app) }

// Middleware returns mw under the lint, on both sides: as an application to what calls it, and as a server to the
// application it is given. It also sees what only both sides together show: blocks held back or swallowed (R94, R95), or kept past
// their step and sent as garbage (D8); an inner body that is ranged before Call returned (R96), sent through the writer (R97) or
// never closed (R21); and an inner error after which the response, with the inner head, ended as if there were none (D2). But for
// D8 and R21, these are left out for a request in which the middleware calls the application more than once, and all of them under
// a Context that is not made from its own.
//
// A fault that the middleware only passes on is held against the side it came from. For tests, gatewaytest.TestMiddleware runs mw
// under this lint through every failure that a server and an application can have. If mw is nil, or the application, or what mw
// makes of it, each call is a finding and an error, and the response a 500.
func Middleware(mw gateway.Middleware) gateway.Middleware { return Linter{}.Middleware(mw) }

// A Linter says where findings go. The zero value is what the functions [Application] and [Middleware] use.
type Linter struct {
	// Report is called with each finding, when it is found, on the goroutine that was at fault; for a body that was never
	// closed on one of the runtime's. It may be called concurrently. It must not call what the finding is about.
	//
	// nil writes a line "validate: " + Finding.String() to the request's Errors, or, for what is found after the response is over,
	// to those of the next request. A process without a next one, as under CGI, loses these; a Report does not.
	Report func(Finding)
}

// Application is the function [Application] with the linter's Report.
func (l Linter) Application(app gateway.Application) gateway.Application {
	made := &lint{app: app, report: l.Report, sides: [2]Side{SideServer, SideApplication}, respond: respondPCs().start}
	if isNil(app) {
		made.missing, made.place = "the application is nil", caller(inside)
	}
	return made
}

// Middleware is the function [Middleware] with the linter's Report.
func (l Linter) Middleware(mw gateway.Middleware) gateway.Middleware {
	place := ""
	if mw == nil {
		place = caller(inside)
	}
	return func(app gateway.Application) gateway.Application {
		key := new(flowKey)
		outer := &lint{report: l.Report, sides: [2]Side{SideServer, SideMiddleware}, flow: key, respond: respondPCs().start}
		if mw == nil {
			outer.missing, outer.place = "the middleware is nil", place
			return outer
		}
		inner := &lint{app: app, report: l.Report, sides: [2]Side{SideMiddleware, SideApplication}, flow: key, inner: true}
		if isNil(app) {
			inner.missing, inner.place = "the application is nil", caller(inside)
		}
		if outer.app = mw(inner); isNil(outer.app) {
			outer.missing, outer.place = "the middleware made a nil application", placeOf(mw)
		}
		return outer
	}
}

func isNil(app gateway.Application) bool {
	f, isFunc := app.(gateway.ApplicationFunc)
	return app == nil || isFunc && f == nil
}

// A Side is one of the parties to the contract.
type Side uint8

// The sides, of which one is to blame for a finding.
const (
	SideServer      Side = iota + 1 // what called the application
	SideApplication                 // what was called
	SideMiddleware                  // what Middleware was put around
)

// String returns "server", "application" or "middleware".
func (s Side) String() string {
	switch s {
	case SideServer:
		return "server"
	case SideApplication:
		return "application"
	case SideMiddleware:
		return "middleware"
	}
	return "Side(" + strconv.Itoa(int(s)) + ")"
}

// A Finding is a rule that was broken. In one request a rule is reported once for a side: the first time.
type Finding struct {
	Rule string // its number, as in docs/conformance.md: "R72"
	Side Side   // who broke it
	Text string // the rule's sentence and, after a colon, what was seen; one line
	// Place is the function, file and line of the offending call, "main.hello main.go:9", or if that is not on the stack,
	// where what is to blame is declared. For a body that was never closed it is the calls that led to it, innermost first,
	// with " < " between. It is "" if nothing is known.
	Place string
}

// String returns the finding as one line: "R72 application: An application sets no ... (main.hello main.go:9)".
func (f Finding) String() string {
	s := f.Rule + " " + f.Side.String() + ": " + f.Text
	if f.Place != "" {
		s += " (" + f.Place + ")"
	}
	return s
}

// A lint is one application with the lint around it.
type lint struct {
	app     gateway.Application
	report  func(Finding) // nil is the request's Errors
	sides   [2]Side       // by way: who is outside, who is inside
	flow    *flowKey      // of the middleware that this is one half of; or nil
	inner   bool          // and it is the half within
	missing string        // what is nil, in place of an app
	place   string        // where
	running atomic.Int32  // code of the application that runs, of requests that are not Multithread
	late    late

	respond  uintptr // the start of gateway.Respond
	requests atomic.Int64
	good     atomic.Pointer[good]
}

var _ gateway.Application = (*lint)(nil)

// A way is the direction from which a fault came.
type way uint8

const (
	outside way = iota // the server, or a middleware in its role
	inside             // the application, or a middleware in its role
)

// finding makes the Finding of a broken rule.
func (l *lint) finding(w way, rule, seen, place string) Finding {
	return Finding{Rule: rule, Side: l.sides[w], Text: strings.TrimSuffix(rules.Get(rule).Text, ".") + ": " + seen, Place: place}
}

// A late is what was found when there was no log for it any more.
type late struct {
	any  atomic.Bool
	mu   sync.Mutex
	list []Finding
}

// maxLate bounds what is kept of a server that never closes and is never called again.
const maxLate = 100

func (l *late) add(f Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) < maxLate {
		l.list = append(l.list, f)
	}
	l.any.Store(true)
}

func (l *late) take() (list []Finding) {
	if !l.any.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list, l.list = l.list, nil
	l.any.Store(false)
	return list
}
