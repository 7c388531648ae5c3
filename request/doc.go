// Package request is for those who write a server: it turns what a protocol says of a request into
// an Environ that is safe to hand to an application.
//
// Beside its [gateway.Transport], a server needs three things. A [Builder] makes the Environ of the
// protocol's variables or headers, and refuses malformed requests. A [Body] is an Input that ends
// by itself, and tells a body that was cut short from a whole one. [Refuse] is the application that
// answers a request which no application should see. This is the order of events, for a connection
// conn whose head the server has read from the bufio.Reader in:
//
//	var b request.Builder
//	b.Add("REQUEST_METHOD", method) // and the other variables
//	b.AddHeader("Host", host)       // and the other headers
//
//	env := &gateway.Environ{Errors: log, Multithread: true}
//	ctx, cancel := context.WithCancelCause(context.Background())
//	env = env.WithContext(ctx) // cancel(request.Disconnected(err)) when the client has left
//	length, err := b.Finish(env)
//	if err != nil {
//		app = request.Refuse(err)
//	}
//	body := request.NewBody(in, max(length, 0), request.NoLimit) // no CONTENT_LENGTH, no body
//	env.Input = body
//	isKept := false
//	defer func() { // an application may end the goroutine
//		cancel(nil)
//		if !body.Drain(request.DrainBytes, request.DrainTime) || !isKept {
//			conn.Close()
//		}
//	}()
//	gateway.Respond(app, env, transport)
//	isKept = err == nil
//
// A server that closes a connection on which the client still sends closes its own half first, and
// reads on for DrainTime: the client might lose the answer otherwise.
//
// The end of what a client sends does not say that the client has left: it may have closed only its
// sending half, and still reads the answer. But once the application asks for the Context's Done, a
// server takes that end for a client that has left, as the servers of this module do. An application
// that waits would never learn of it otherwise. A reset, or a write that fails, always says that the
// client has left.
//
// A Body ends no Context. When a read of the body has passed its deadline, the server calls
// cancel(context.DeadlineExceeded), and when the connection has failed
// cancel(request.Disconnected(err)).
//
// To stop, a server lets its requests come to their end. When it can wait no longer, it ends their
// contexts with gateway.ErrShutdown, and Respond stops each body at its next block. Then it closes
// the connections.
//
// [Limits] are what a server puts up with. The Builder keeps those of sizes and numbers. Those of
// connections and times are the server's to keep.
//
// The servers of this module are made of this package. It links neither net nor net/http.
package request
