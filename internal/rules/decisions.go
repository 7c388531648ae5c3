package rules

// decisions has what gateway decided where PEP 3333 says nothing.
var decisions = []Rule{
	{ID: "D1", Sides: "SA", Text: "HEAD gets the head that GET would, and no block; 204, 205 and 304 have no body, 204 no Content-Length and 205 one of 0; a 1xx status is ErrStatus."},
	{ID: "D2", Sides: "S", Text: "A start that was never called is ErrNotStarted and a 500; an error after the head was sent breaks the framing, never a clean end, and is reported."},
	{ID: "D3", Sides: "SA", Text: "A Content-Length is plain digits and there once, or start returns ErrContentLength; more body is cut and reported, less breaks the response."},
	{ID: "D4", Sides: "SA", Text: "Status, names and values are always checked, by an error of start and never by rewriting, and no Content-Type is ever added."},
	{ID: "D5", Sides: "S", Text: "Input always ends by itself, with io.ErrUnexpectedEOF if it was cut short; after the response it, start and the writer return ErrEnded, and yield takes no block."},
	{ID: "D6", Sides: "S", Text: "Repeated request headers are joined with \", \" and cookies with \"; \", and HTTP_PROXY, HTTP_CONTENT_TYPE and HTTP_CONTENT_LENGTH never reach Vars."},
	{ID: "D7", Sides: "S", Text: "REQUEST_URI, the target as the client sent it, is in Vars whenever the server can know it."},
	{ID: "D8", Sides: "SA", Text: "A block is the body's: the server keeps none past its step and the body touches none before; a list of Headers that was handed over is not written to."},
	{ID: "D9", Sides: "S", Text: "The error page is \"500 Internal Server Error\" in text/plain without detail; the detail goes to Errors, one line first, then the stack if there is one."},
	{ID: "D10", Sides: "S", Text: "The Context ends when the client is gone, the server stops, a deadline passes or the response is over, and context.Cause says which."},
	{ID: "D11", Sides: "S", Text: "No application sees a CONNECT, which gets a 501, nor a target " +
		"that is no path, such as \"a:b\", nor a Host that is no host, which get a 400."},
}
