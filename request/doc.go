// Package request is for those who write a server: it turns what a protocol says of a request into
// an Environ that is safe to hand to an application.
//
// Beside its [gateway.Transport], a server needs three things. A [Builder] makes the Environ of the
// protocol's variables or headers, and refuses malformed requests. A [Body] is an Input that ends
// by itself, and tells a body that was cut short from a whole one. [Refuse] is the application that
// answers a request which no application should see. This is the order of events, for a connection
// conn whose head the server has read:
//
//	var b request.Builder
//	b.Add("REQUEST_METHOD", method) // and the other variables
//	b.AddHeader("Host", host)       // and the other headers
//
//	env := &gateway.Environ{Errors: log, Multithread: true}
//	length, err := b.Finish(env)
//	if err != nil {
//		app = request.Refuse(err)
//	}
//	body := request.NewBody(conn, max(length, 0), request.NoLimit) // no CONTENT_LENGTH, no body
//	env.Input = body
//	gateway.Respond(app, env, transport)
//	body.Drain(request.DrainBytes, request.DrainTime)
//
// [Limits] are what a server puts up with. The Builder keeps those of sizes and numbers. Those of
// connections and times are the server's to keep.
//
// The servers of this module are made of this package. It links neither net nor net/http.
package request
