// Package gateway is WSGI (PEP 3333) said in Go: the contract between web servers and web applications.
//
// An application is written once, as an [Application]. A server is written once, as a [Transport] given to
// [Respond]. Any application then runs under any server, and [Middleware], which is both, goes between:
//
//	var plain = gateway.Headers{{"Content-Type", "text/plain"}}
//
//	func hello(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
//		_, err := start("200 OK", plain, nil)
//		return gateway.Text("Hello World !\n"), err
//	}
//
//	func main() { cgi.Run(gateway.ApplicationFunc(hello)) }
//
// Application authors need [Environ], [StartResponse], [Headers] and a [Body] from [Text], [Bytes], [Stream] or
// [Reader]. Server authors fill an Environ, implement the two methods of Transport, call Respond, and get every rule of
// the specification with it. Comments cite the rules of PEP 3333 as R1-R139 and those of RFC 3875 (CGI) as C1-C58;
// docs/conformance.md lists them all.
//
// What it is not: a router, a framework, a template engine or a logger. It sniffs no Content-Type, adds no header but
// Content-Length, and does not write to the process's stderr on its own.
package gateway

import (
	"errors"
	"io"
	"iter"
)

// An Application answers requests.
//
// Call is invoked once for each request (R4) and may be invoked again, also concurrently when env.Multithread says so
// (R2, R49). It must call start before its body yields its first non-empty block: before it returns, or as late as
// inside the iteration (R23, R24). It must return a Body, also when it has sent everything with the writer that start
// returned (R15, R100).
//
// A Body returned beside an error is closed, never ranged. An error, or a panic, becomes the page "500 Internal Server
// Error" if nothing was sent, and a visibly broken response otherwise; either way it is reported on env.Errors.
//
// The application may change env and keep reading env.Input until the response is over, and neither after that.
type Application interface {
	Call(env *Environ, start StartResponse) (Body, error)
}

// ApplicationFunc is a function used as an [Application], the function style of PEP 3333's simple_app.
type ApplicationFunc func(env *Environ, start StartResponse) (Body, error)

// Call calls f(env, start).
func (f ApplicationFunc) Call(env *Environ, start StartResponse) (Body, error) {
	return f(env, start)
}

var _ Application = ApplicationFunc(nil)

// StartResponse states the status and headers of the response. It sends nothing (R75): the head leaves with the first
// non-empty block, with the first use of the writer, or at the end of the body (R76).
//
// The application passes a status like "404 Not Found" ([Status] has the usual ones) and a list of headers, which is
// copied. cause is nil, but for a second call from an error handler: it is PEP 3333's exc_info, the error that made the
// first response obsolete. With it the stored response is replaced if nothing was sent (R79); else start returns it
// wrapped with [ErrHeadersSent], and the application must return that error from what it is doing (R80, R81).
//
// The writer is PEP 3333's write(), for code that wants to print rather than yield. It works until Call returns; what
// is written goes out at once, before all yielded blocks (R99, R102). A body is the better way (R98). The writer is
// never nil; after an error it returns that error.
//
// start and its writer belong to the goroutine that runs Call or the iteration. A call that overlaps another is refused.
//
// It returns an error wrapping [ErrStarted], [ErrHeadersSent], [ErrStatus], [ErrHeader], [ErrContentLength] or
// [ErrEnded]. The error is kept: an application that ignores it gets a 500, never a half-right response.
type StartResponse func(status string, headers Headers, cause error) (io.Writer, error)

// Middleware is both sides at once: given an [Application] it returns another, which is the server to the first.
//
// What it returns must obey the rules of both sides. It returns a body as soon as the inner application has (R96),
// yields at least one block, maybe empty, for each inner block (R94, R95), and closes the inner body: [Map] and
// [OnClose], or embedding the Body, keep all three.
type Middleware func(Application) Application

// Chain returns a middleware that applies the given ones, the first outermost: Chain(a, b)(app) is a(b(app)).
// Chain() returns the application unchanged.
func Chain(middleware ...Middleware) Middleware {
	return func(app Application) Application {
		for i := len(middleware) - 1; i >= 0; i-- {
			app = middleware[i](app)
		}
		return app
	}
}

// A Body is what the application returns: the blocks of the response and a Close.
//
// Blocks is ranged at most once, and may be left early (R22): a generator cleans up when its yield returns false. A
// block belongs to the body. It is valid until the iteration moves on; the server must not keep it longer, and the
// body must not touch it before. Each block goes out before the next is asked for (R16, R92), so the body does its own
// buffering (R17). An empty block, nil or not, sends nothing (R76). An error ends the body and breaks the response.
//
// Close is called exactly once by the server, on every path and last of all, even if Blocks was never ranged (R21).
// Whoever wraps a Body must pass Close on: embed the Body, or use [Map] and [OnClose].
//
// A Body is for one response. Those of this package yield [ErrEnded] when Blocks is called again or after Close.
type Body interface {
	Blocks() iter.Seq2[[]byte, error]
	Close() error
}

// A Transport sends one response in the wire format of its server. [Respond] is its only caller, on one goroutine at a
// time, in this order: WriteHead once, then Write one or more times, unless one of them fails: then nothing more. The
// status and the headers were checked; the headers, which the transport must not change, and the block are valid until
// the Write that follows, or the call itself, returns. Nothing is called after Respond returned.
//
// A transport needs to know nothing of HEAD, 204, 304, lengths or the order of events. It adds what its protocol
// requires of a server and the application left out, such as Date (R70).
type Transport interface {
	// WriteHead starts the response. It may hold the head back: a Write always follows at once, so that head and
	// first block can leave together.
	WriteHead(status string, headers Headers) error

	// Write sends the block, which it must not change, and everything held back, and returns when it is on its way (R92, R93). It is
	// empty only right after WriteHead, when the head is to go out alone. It returns how much of the block was
	// sent, and an error if that is not all; one that wraps ErrDisconnected says that the client has left, and is
	// not reported as a fault.
	Write(block []byte) (int, error)
}

// Respond runs the application for one request and sends its response through t. It is the engine: what every server
// calls, and the one place where the order of events of PEP 3333 is decided.
//
// The caller owes a filled env, whose Input ends by itself and whose Errors takes what went wrong; nil ones are an
// empty body and a log that discards. It owes nothing about the application: panics are recovered, the body is closed
// exactly once and last, and what the application may still hold of this request, start, writer, Input or Context,
// returns [ErrEnded] or is cancelled when Respond returns. Only an application that ends its goroutine, with runtime.Goexit as
// t.FailNow does, keeps Respond from returning: the response is ended and the body closed as for an error, and the deferred calls
// of the server run.
//
// A response whose application failed before anything was sent is the page "500 Internal Server Error", without
// detail. Everything that went wrong is written to env.Errors, a line each and a stack for a panic, and returned,
// except that a client that left is only returned. If the error wraps [ErrBroken] the response is not whole, or its body
// went on after it was told to stop: the server must not end it cleanly, but so that the client can tell (close or reset the
// connection, leave out the final chunk). With any other error, as with nil, the response is whole, and ends as any other.
//
// Respond may be called concurrently with different environs.
func Respond(app Application, env *Environ, t Transport) error {
	return respond(app, env, t)
}

var (
	// ErrStarted is returned by start when it is called again without a cause (R82).
	ErrStarted = errors.New("gateway: start was called before, and without a cause")

	// ErrNotStarted is returned by Respond when a body yields or ends before start was called (R23), and by a start that
	// comes after such a block.
	ErrNotStarted = errors.New("gateway: start was not called")

	// ErrHeadersSent is returned by start, wrapped with the cause, when the head is on its way already (R80).
	ErrHeadersSent = errors.New("gateway: headers were sent already")

	// ErrStatus is returned by start when the status is not three digits, a space and a reason (R65, R66), or is 1xx.
	ErrStatus = errors.New("gateway: invalid status")

	// ErrHeader is returned by start when a header's name or value is malformed or not the application's to
	// set: control characters (R69), hop-by-hop (R72), Status, or a second one of a kind that is unique (C46).
	ErrHeader = errors.New("gateway: invalid header")

	// ErrContentLength is returned by start and Environ.ContentLength when the length is not plain digits, by the
	// writer when more is written than was declared (R86), and by Respond when more or less was sent (R85, R87).
	ErrContentLength = errors.New("gateway: wrong Content-Length")

	// ErrEnded is returned by start, the writer, Input and a body's blocks when they are used after the response is over
	// or, for a body, a second time. It is also the cause of the Context's end when nothing else was.
	ErrEnded = errors.New("gateway: used after its end")

	// ErrBroken is returned by Respond, wrapped with the cause, when the response is not whole and the server must not
	// end it cleanly.
	ErrBroken = errors.New("gateway: response is not whole")

	// ErrDisconnected is returned, wrapped, by a Transport's Write when the client is gone, and is then the cause
	// of the Context's end.
	ErrDisconnected = errors.New("gateway: client disconnected")

	// ErrShutdown is the cause of the Context's end when the server stops, or the process was asked to (SIGTERM).
	ErrShutdown = errors.New("gateway: server is shutting down")
)
