package doctor

import (
	"context"
	"strings"
)

// A probe is one line of the prober's: requests, and what they tell. run returns what arrived, and
// a finding unless that is as it should be.
type probe struct {
	name   string
	run    func(v *visit, ctx context.Context) (text string, f *Finding)
	wanted func(p *Prober) bool // nil is always
}

var probes = []probe{
	{name: "path", run: (*visit).path},
	{name: "path: empty", run: (*visit).pathEmpty},
	{name: "path: a space", run: special("/doctor-probe/a%20b", "path-changed")},
	{name: "path: %2F", run: special("/doctor-probe/a%2Fb", "path-slash-refused")},
	{name: "path: //", run: special("/doctor-probe//b", "path-slashes-merged")},
	{name: "path: ;", run: special("/doctor-probe/a;b=1/c", "path-changed")},
	{name: "path: %2541", run: special("/doctor-probe/%2541", "path-decoded-twice")},
	{name: "path: non-ASCII", run: special("/doctor-probe/%C3%A9/%E9", "path-changed")},
	{name: "path: trailing slash", run: special("/doctor-probe/a/", "path-changed")},
	{name: "path: %00", run: (*visit).pathNUL},
	{name: "query", run: (*visit).query},
	{name: "host", run: (*visit).hostHeader},
	{name: "scheme", run: (*visit).schemeSeen},
	{name: "address", run: (*visit).clientAddress},
	{name: "X-Forwarded-Proto", run: (*visit).forwardedProto},
	{name: "authorization", run: (*visit).authorization},
	{name: "cookies", run: (*visit).cookies},
	{name: "names with _", run: (*visit).underscores},
	{name: "20 kB of headers", run: (*visit).largeHeaders},
	{name: "upload: 1 B", run: uploads(call{size: 1}, 1, "upload-refused")},
	{name: "upload: 1 MB", run: uploads(call{size: 1<<20 + 1}, 1<<20+1, "upload-refused")},
	{name: "upload: chunked", run: uploads(call{chunks: 10}, 100_000, "chunked-refused")},
	{name: "upload: expect", run: (*visit).expectContinue},
	{name: "upload: 100 MB", run: uploads(call{size: 100 << 20}, 100<<20, "upload-large-refused"),
		wanted: func(p *Prober) bool { return p.Large }},
	{name: "stream", run: (*visit).stream},
	{name: "Content-Length", run: (*visit).contentLength},
	{name: "HEAD", run: (*visit).headRequest},
	{name: "204, 304", run: (*visit).noContent},
	{name: "broken, with a length", run: (*visit).brokenDeclared},
	{name: "broken, without", run: (*visit).brokenUndeclared},
	{name: "a client that leaves", run: (*visit).leaves},
	{name: "keep-alive", run: (*visit).keepAlive},
	{name: "compression", run: (*visit).compression},
	{name: "load", run: (*visit).load, wanted: func(p *Prober) bool { return p.Load > 0 }},
}

// ask asks for the page with its variables. If it does not come, text says why.
func (v *visit) ask(ctx context.Context, r call) (p *page, text string) {
	p, _, err := v.look(ctx, r)
	switch {
	case p != nil:
		return p, ""
	case err != nil:
		return nil, "refused: " + firstOf(err)
	}
	return nil, "refused"
}

// firstOf says why there was no answer, or why the answer is not the page.
func firstOf(err error) string {
	text := err.Error()
	if strings.HasPrefix(text, "it ") || strings.HasPrefix(text, "the answer") {
		return text
	}
	return why(err)
}
