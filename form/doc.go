// Package form reads what a browser sends to an application: the query, forms, uploads and cookies.
// It also makes the cookies that an application sets.
//
// All of it is functions over a [gateway.Environ]. They change nothing in the Environ, except that
// [Parse] and [Parts] read its Input. An application keeps what they return, since a second call
// does the work again, and finds no Input.
//
//	func sign(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
//		for part, err := range form.Parts(env, form.Limits{MaxBytes: 32 << 20}) {
//			if err != nil {
//				return request.Refuse(err).Call(env, start) // a 400, 413 or 415
//			}
//			switch part.Name {
//			case "message":
//				message, err = part.Value()
//			case "photo":
//				_, err = io.Copy(file, part)
//			}
//			if err != nil && part.Err() == nil {
//				return nil, err // of the file; the form's own comes with the next step
//			}
//		}
//		...
//	}
//
// # Errors
//
// The error of a request has one of three kinds, says what is wrong and where, and is answered by
// [request.Refuse]:
//
//   - [request.ErrMalformed], a 400. It also wraps [io.ErrUnexpectedEOF] if the form was cut short;
//   - [request.ErrBodyTooLarge], a 413, for what passes a limit. The text names the limit;
//   - [request.ErrMediaType], a 415, for a body that is no form.
//
// docs/limits.md has the limits beside those of the servers. Any other error is that of Input.
// Beside an error there is never a part of the values.
//
// # What is refused
//
// The functions accept what browsers send, and what RFC 7578, RFC 2046 and the URL Standard allow.
// They refuse what two parsers may read in two ways, since attackers hide things there from the
// parser that stands in front. The comment of each function says what that is.
//
// Names, values and file names are the bytes that the client has sent. Browsers send UTF-8, but
// nothing makes a client do so. They write %22, %0D and %0A for the quote and the line break in a
// name of a multipart form. Since they leave "%" as it is, nobody can undo that, and Parts does not
// try.
//
// The package links neither net, net/http, net/url nor mime/multipart, each of which a CGI program
// pays for at every start.
package form
