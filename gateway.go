// Package gateway is WSGI (PEP 3333) said in Go: the contract between web servers and web applications.
//
// An application is written once, as an [Application]. A server is written once, as a [Transport]
// given to [Respond]. Any application then runs under any server. [Middleware] goes between the
// two: it is an application to the server, and a server to the application.
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
// An application author needs [Environ], the request, [StartResponse] and [Headers], for the head
// of the response, and a [Body] from [Text], [Bytes], [Stream] or [Reader]. A server author fills
// an Environ, with package request, implements the four methods of Transport, calls Respond, and
// gets every rule of the specification with it.
//
// Comments cite the rules of PEP 3333 as R1-R139 and those of RFC 3875 (CGI) as C1-C58.
// docs/conformance.md lists them all.
//
// The package is no router, framework, template engine or logger. It guesses no Content-Type, adds
// no header but Content-Length, and does not write to the process's stderr.
package gateway

import (
	"errors"
	"io"
	"iter"
)

// An Application answers requests.
//
// The server calls Call once for each request (R4). It may call Call again, for other requests,
// also concurrently when env.Multithread says so (R2, R49).
//
// Call must call start before the body yields its first block that is not empty: before it returns,
// or as late as inside the iteration (R23, R24). It must return a Body or an error. An application
// that has sent everything with start's writer still returns a Body, such as Bytes() (R15, R100).
//
// A Body that comes with an error is closed, and never ranged. After an error or a panic the client
// gets the page "500 Internal Server Error" if nothing was sent, and otherwise a response that is
// cut off, unless it has all bytes of the declared length. Either way env.Errors gets a report.
//
// The application may change env, and read env.Input, until the response is over: until the body's
// Close has returned.
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

// StartResponse states the status and headers of the response. It sends nothing (R75). The head
// leaves with the first block that is not empty, with the first use of the writer, or at the end of
// the body (R76).
//
// The application passes a status like "404 Not Found", which [Status] makes of a number, and a
// list of headers, which start copies. cause is nil for the first call. An error handler may call
// start again, with the error that made the first response obsolete as cause: it is PEP 3333's
// exc_info. If nothing was sent, the new status and headers replace the first ones (R79). Nobody
// logs the cause then: an error handler writes it to Errors. Otherwise start returns the cause
// wrapped with [ErrHeadersSent], and the application must return that error from what it is doing
// (R80, R81).
//
// start returns a writer, PEP 3333's write(), for code that prints rather than yields. A Write
// sends its bytes at once, and returns how many bytes the transport has taken (R99); a response
// without a body, such as that to HEAD, takes all. The writer works until Call returns, so that its
// bytes come before all blocks of the body (R102). A body is the better way (R98). The writer is
// never nil. After an error, Write returns the first error of the response.
//
// start and its writer belong to the goroutine that runs Call or the iteration. A call that
// overlaps another is refused, and the response fails.
//
// start returns an error that wraps [ErrStarted], [ErrNotStarted], [ErrHeadersSent], [ErrStatus],
// [ErrHeader], [ErrContentLength] or [ErrEnded], or the error with which the response has failed
// before. The response keeps the error of start: an application that ignores it gets a 500 or a
// response that is cut off, never a half-right one.
type StartResponse func(status string, headers Headers, cause error) (io.Writer, error)

// Answer starts the response with the status of a code, such as 404, and returns body and start's
// error, for Call to return:
//
//	return start.Answer(404, gateway.Headers{{"Content-Type", "text/plain"}}, gateway.Text("No.\n"))
//
// A nil body is an empty one, as behind a redirect. An application that has an error handler, or
// prints to the writer, calls start itself.
func (start StartResponse) Answer(code int, headers Headers, body Body) (Body, error) {
	if body == nil {
		body = Text("")
	}
	_, err := start(Status(code), headers, nil)
	return body, err
}

// Middleware is both sides at once: it takes an [Application], to which it is the server, and
// returns another.
//
// The application that it returns obeys the rules of both sides. It returns a body as soon as the
// inner application has returned one (R96), yields at least one block, maybe empty, for each inner
// block (R94, R95), and closes the inner body. [Map], [OnClose] and a struct that embeds the inner
// Body do all three. It may yield more blocks, also after the last inner one.
//
// A body beside an error must be closed, too, and may be nil. Map and OnClose take both, so that
// middleware returns what they make of the inner body together with the inner error.
//
// Only OnClose and Map know what the inner body knows of its length. A response whose body is in a
// struct of the middleware's own gets no Content-Length but the one that start was given.
//
// The inner application may change env. Middleware reads what it needs of env before it calls the
// inner application, or hands on env.Clone(). [Environ.OnEnd] tells middleware what became of the
// response, also of one that has failed before it began: the page of such a response comes from
// Respond, and middleware sees the error or the panic, and not the page.
type Middleware func(Application) Application

// Chain returns a middleware that applies the given ones, the first outermost: Chain(a, b)(app) is
// a(b(app)). Chain() returns the application unchanged.
func Chain(middleware ...Middleware) Middleware {
	return func(app Application) Application {
		for i := len(middleware) - 1; i >= 0; i-- {
			app = middleware[i](app)
		}
		return app
	}
}

// A Body is what the application returns: the blocks of the response, and a Close.
//
// The server ranges Blocks at most once, and may leave early (R22): when yield returns false, the
// body stops and cleans up. yield returns false when the client has left, when the Context has
// ended, when a block goes beyond the declared length, after any other failure, and after the first
// block of a response that has no body, such as that to HEAD. A body that yields again gets a
// panic, as from a range loop. Each block goes out before the server asks for the next (R16, R92),
// so the body does its own buffering (R17). An empty block, nil or not, sends nothing (R76). An
// error ends the body and breaks the response; a block beside the error is not sent.
//
// A block belongs to the body. The server must not change it, and must not keep it once yield has
// returned. The body must not change it before.
//
// The server calls Close exactly once, on every path and last of all, even if it never ranged
// Blocks (R21). Whoever wraps a Body must pass Close on: by embedding the Body, or with [Map] and
// [OnClose].
//
// A Body is for one response: make a new one for each request. [Text], [Bytes], [Stream] and
// [Reader] yield [ErrEnded] when Blocks is called again or after Close. An error of Close is
// reported, and changes nothing of the response, which is over.
type Body interface {
	Blocks() iter.Seq2[[]byte, error]
	Close() error
}

// A Transport sends one response in the wire format of its server. [Respond] is its only caller, on
// one goroutine at a time, in this order: WriteHead once, then any number of Write and Flush, then
// End once. When a method fails, the only call that follows is End. Nothing is called after Respond
// has returned.
//
// A Transport that is also an io.ReaderFrom sends files by itself (wsgi.file_wrapper, R135). When
// the body reads a regular file, Respond sends the first block by Write and Flush, so that an
// unreadable file still gets an error page, and hands out the rest in parts of at most 512 KiB.
// ReadFrom gets an *io.LimitedReader on the application's reader, whose N is an upper bound: the
// file may end before. ReadFrom may also take the R of the LimitedReader, an *os.File for example,
// and send up to N bytes of it by a way of its own, without counting N down. It returns how many
// bytes it has sent, and an error if it has read more than that. If it returns early and without an
// error, Respond sends the rest of the file by Write. A Flush follows each part. Respond looks for
// no other method.
//
// A Transport needs to know nothing of HEAD, 204, 304, lengths or the order of events. It adds what
// its protocol requires of a server and the application left out, such as Date (R70). An error that
// wraps [ErrDisconnected] says that the client has left, and Respond does not report it as a fault.
//
// A bufio.Writer has Write, Flush and ReadFrom already: a type that embeds one, over its
// connection, adds WriteHead and End. A transport that frames its blocks must not embed one, whose
// ReadFrom would send a file without the frames.
type Transport interface {
	// WriteHead starts the response. It may hold the head back until Flush or End. The status and
	// the headers are checked. The transport must not change the headers, which are valid until
	// Flush or End returns.
	WriteHead(status string, headers Headers) error

	// Write sends a block, which is never empty. It may hold the block back, also by reference: the
	// block is valid until Flush or End returns. The transport must not change the block. Write
	// returns how many bytes it has taken, and an error if that is not all.
	Write(block []byte) (int, error)

	// Flush sends all that is held back, and returns when it is on its way (R92, R93). Respond
	// calls Flush after each block but the last, if it knows the last. More is to come, and may
	// take a while.
	Flush() error

	// End sends all that is held back and ends the response. If whole is true the response ends
	// cleanly. If whole is false it is cut off, after some failure, and the transport ends it so
	// that the client can tell: by a reset, or without the final chunk.
	//
	// Respond calls End once in each response, before the body's Close, also after another method
	// has failed, and after the application or the transport has ended the goroutine. The error of
	// the method that has failed was reported, and End need not return it again.
	End(whole bool) error
}

// Respond runs the application for one request and sends its response through t. It is the engine:
// what every server calls, and the one place where the order of events of PEP 3333 is decided.
//
// The caller owes a filled env, whose Input ends by itself and whose Errors takes reports; a nil
// Input is an empty body, a nil Errors drops the reports, and nil Vars are no variables. The
// application gets a shallow copy of env. The caller owes nothing about the application: Respond
// recovers panics, of the application and of t, and closes the body exactly once and last. After
// that start, its writer and Input return [ErrEnded], and the Context has ended.
//
// When the Context ends before, Respond stops the body at its next block, and the response is cut
// off. It does not interrupt a Read, a Write, or an application that waits for something else. A
// body that ends by itself after that is cut off too if the application may have given up: if bytes
// of the declared length are missing, or if no length was declared and the application has called
// the Context's Done or Err. When a method of t returns [ErrDisconnected], Respond ends the Context.
//
// A response whose application failed before anything was sent is the page "500 Internal Server
// Error", without detail, or "503 Service Unavailable" if the Context has ended with [ErrShutdown]
// or context.DeadlineExceeded and the application has not panicked. An application that fails later
// leaves a response that t is told to break, by End(false), unless the client has all bytes of the
// declared length, or the response has no body. A nil Application fails like any other.
//
// Respond returns what went wrong, joined: the first misuse or failure of the response, the error
// of the application if it is another, and those of End and Close. It also writes each to
// env.Errors, as one line, with a stack for a panic. It does not write an error that only says that
// the client has left. The error is for logs and tests. A server learns from End whether the
// response is whole.
//
// An application that ends its goroutine (runtime.Goexit, as t.FailNow does) keeps Respond from
// returning. Respond still ends the response and closes the body, as for an error. A server does in
// deferred calls what it has to do after Respond.
//
// Respond asks for Done of env's Context only when the application asks for Done or Err of its own. So
// a server may begin there to watch for a client that leaves.
//
// Respond may be called concurrently with different environs. It panics if env or t is nil.
func Respond(app Application, env *Environ, t Transport) (err error) {
	if env == nil || t == nil {
		panic("gateway: Respond needs an Environ and a Transport")
	}
	r := newResponse(env, t)
	var body Body
	failure, whole := errGoexit, false // unless run and finish return
	// Each step is deferred, since the application or the transport may end the goroutine in the
	// step before.
	defer func() {
		r.in.ended.Store(true)
		r.ctx.Cancel(ErrEnded)
		err = r.faults
	}()
	defer func() { r.tell(whole) }()
	defer func() { r.close(body) }()
	defer r.end(&whole)
	defer func() { whole = r.finish(failure) }()
	failure = r.run(app, &body)
	return nil
}

// Errors of the contract. An error of this package that stands for a rule of PEP 3333 or RFC 3875
// has a method Rule() string, which returns the rule's number in docs/conformance.md, such as
// "R82". errors.As finds it.
var (
	// ErrStarted is returned by start when it is called again without a cause (R82).
	ErrStarted error = &fault{rule: "R82", text: "gateway: start was called before, and without a cause"}

	// ErrNotStarted is returned by Respond when a body yields or ends before start was called
	// (R23), and by a start that comes after such a block.
	ErrNotStarted error = &fault{rule: "R23", text: "gateway: start was not called"}

	// ErrHeadersSent is returned by start, wrapped with the cause, when the head is on its way
	// already (R80).
	ErrHeadersSent error = &fault{rule: "R80", text: "gateway: headers were sent already"}

	// ErrStatus is returned by start when the status is not three digits, a space and a reason
	// (R65, R66), or is 1xx.
	ErrStatus error = &fault{rule: "R65", text: "gateway: invalid status"}

	// ErrHeader is returned by start when the name or the value of a header is malformed (R68,
	// R69), or the header is not the application's to set: hop-by-hop (R72), Status, or a second
	// one of a kind that a response has once (C46).
	ErrHeader error = &fault{rule: "C46", text: "gateway: invalid header"}

	// ErrContentLength is returned by start and Environ.ContentLength when the length is not plain
	// digits, by the writer when more is written than start declared (R85), and by Respond when the
	// body is longer or shorter (R85, R87).
	ErrContentLength error = &fault{rule: "R85", text: "gateway: wrong Content-Length"}

	// ErrEnded is returned by start, the writer, Input and a body's blocks when they are used after
	// the response is over or, for a body, a second time. Without another cause the Context ends
	// with ErrEnded.
	ErrEnded error = &fault{rule: "R2", text: "gateway: used after its end, or for a second response"}

	// ErrDisconnected is returned, wrapped, by the methods of a Transport when the client is gone.
	// It is then the cause of the Context's end.
	ErrDisconnected = errors.New("gateway: client disconnected")

	// ErrShutdown is the cause of the Context's end when the server stops, or the process was asked
	// to (SIGTERM).
	ErrShutdown = errors.New("gateway: server is shutting down")
)
