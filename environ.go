package gateway

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"example.com/gateway/internal/header"
)

// An Environ is a request, PEP 3333's environ: the CGI variables, and what the server says of itself.
//
// Native strings are raw bytes: a value in Vars is what the client or the web server sent, with no
// transcoding (R9, R105-R107). A missing variable and an empty one are the same thing (R27, C7), so
// Vars["QUERY_STRING"] needs no check.
//
// The server fills it anew for each request; the application may change it in any way (R11) until
// the response is over. It is not for concurrent use, but for Input, which one goroutine may read
// while another writes the response.
type Environ struct {
	// Vars has the CGI variables, and whatever else the server or the deployer puts there (R27-R41,
	// R127): always REQUEST_METHOD, SERVER_NAME, SERVER_PORT and SERVER_PROTOCOL; HTTP_ variables
	// for the request's headers, repeated ones joined with ", ", cookies with "; ". Never
	// HTTP_PROXY (httpoxy, CVE-2016-5385), HTTP_CONTENT_TYPE or HTTP_CONTENT_LENGTH. REQUEST_URI,
	// the raw target, is there whenever the server can know it.
	//
	// PATH_INFO is decoded, and nothing more: it may have "..", empty segments, and slashes that
	// the client had encoded. http.ServeMux cleans a path, and no server here does. An application
	// that makes a file's name of a part of the path accepts no slash and no ".." in it.
	Vars map[string]string

	// URLScheme is wsgi.url_scheme: "http" or "https" (R43).
	URLScheme string

	// Input is wsgi.input, the request's body (R44). It always ends by itself, also when the client
	// keeps the connection open (R55, R58). A body that was cut short ends with
	// io.ErrUnexpectedEOF, not io.EOF.
	Input io.Reader

	// Errors is wsgi.errors, the log for this request (R45). Lines end with "\n". The server
	// documents where it goes (R48). One Write is one entry; it never fails in a way that the
	// application must care about.
	Errors io.Writer

	// Multithread is wsgi.multithread: the application may be called concurrently in this process
	// (R49).
	Multithread bool

	// Multiprocess is wsgi.multiprocess: the application may be called in another process at the
	// same time (R50).
	Multiprocess bool

	// RunOnce is wsgi.run_once: the server expects this process to serve this one request (R51).
	RunOnce bool

	// Extra has what a server or middleware adds, under names of its own with its name in front,
	// like "fcgi.role" (R53). It is nil when the server adds nothing: make the map before you add
	// to it.
	Extra map[string]any

	ctx      context.Context
	response *response // nil if the Environ does not come from Respond
}

// An input is the application's Input: the server's, until the response is over. Any goroutine may
// read it.
type input struct {
	r     io.Reader
	ended atomic.Bool
	isCut atomic.Bool // r has said so
}

func (in *input) Read(p []byte) (int, error) {
	switch {
	case in.ended.Load():
		return 0, ErrEnded
	case in.r == nil:
		return 0, io.EOF
	}
	n, err := in.r.Read(p)
	if err != nil && isCutShort(guard(err)) {
		in.isCut.Store(true)
	}
	return n, err
}

// isCutShort reports whether the error of a Read says that the client has left.
func isCutShort(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrDisconnected)
}

// Context returns the request's context. It ends when the client is gone, the server stops, a
// deadline has passed, or the response is over; context.Cause says which: [ErrDisconnected],
// [ErrShutdown], context.DeadlineExceeded, [ErrEnded], or the error of a write. A server may begin
// to watch for these only when Done or Err is first asked for, and may notice that the client has
// left only when Input was read to its end. The Context is never nil.
func (e *Environ) Context() context.Context {
	if e.ctx != nil {
		return e.ctx
	}
	return context.Background()
}

// WithContext returns a shallow copy of e with its context changed to ctx, which must not be nil
// and should be made from e's own. Vars and Extra are shared with e.
func (e *Environ) WithContext(ctx context.Context) *Environ {
	if ctx == nil {
		panic("gateway: nil context")
	}
	c := *e
	c.ctx = ctx
	return &c
}

// Clone returns a copy of e with Vars and Extra of its own, for mounting and re-dispatch. Input,
// Errors and the context are those of e.
func (e *Environ) Clone() *Environ {
	c := *e
	c.Vars = maps.Clone(e.Vars)
	c.Extra = maps.Clone(e.Extra)
	return &c
}

// Header returns the value of the request header with the given name, in any case: Header("Accept")
// is Vars["HTTP_ACCEPT"]. It knows that Content-Type and Content-Length are variables without the
// prefix. Repeated headers are one value.
func (e *Environ) Header(name string) string {
	var buf [64]byte // on the stack: a look-up costs no allocation
	return e.Vars[string(header.AppendVariable(buf[:0], name))]
}

// ContentLength returns the length of the request's body in bytes, or -1 when CONTENT_LENGTH is
// absent: then the body is empty or of unknown length, and reading Input to its end is the way to
// know. It returns an error wrapping [ErrContentLength] when the variable is anything but decimal
// digits that fit an int64 (C10): no sign, no space, no list.
func (e *Environ) ContentLength() (int64, error) {
	value := e.Vars["CONTENT_LENGTH"]
	if value == "" {
		return -1, nil
	}
	n, ok := header.ParseLength(value)
	if !ok {
		return -1, newFault("C10", ErrContentLength, "CONTENT_LENGTH is "+header.Quote(value))
	}
	return n, nil
}

// URL rebuilds the URL of the request, by the algorithm of PEP 3333 (R129): the scheme, HTTP_HOST
// or else SERVER_NAME with a port that is not the default, SCRIPT_NAME and PATH_INFO
// percent-encoded, and QUERY_STRING as it is. As in wsgiref, ";", "=" and "," in the path stay as
// they are. URL puts a SERVER_NAME that is an IPv6 address into brackets.
//
// It may differ from what the client sent (R130): REQUEST_URI has that. HTTP_HOST is the client's word.
func (e *Environ) URL() string {
	var b strings.Builder
	b.WriteString(e.URLScheme)
	b.WriteString("://")
	if host := e.Vars["HTTP_HOST"]; host != "" {
		b.WriteString(host)
	} else {
		b.WriteString(header.HostName(e.Vars["SERVER_NAME"]))
		port := e.Vars["SERVER_PORT"]
		isDefault := e.URLScheme == "https" && port == "443" || e.URLScheme == "http" && port == "80"
		if port != "" && !isDefault {
			b.WriteByte(':')
			b.WriteString(port)
		}
	}
	writePath(&b, e.Vars["SCRIPT_NAME"])
	writePath(&b, e.Vars["PATH_INFO"])
	if query := e.Vars["QUERY_STRING"]; query != "" {
		b.WriteByte('?')
		b.WriteString(query)
	}
	return b.String()
}

func writePath(b *strings.Builder, path string) {
	const hex = "0123456789ABCDEF"
	for i := range len(path) {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/_.-~;=,", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
}

// ShiftPath moves one segment from the front of PATH_INFO to the end of SCRIPT_NAME and returns it,
// for dispatching to an application that is mounted under that segment: with "/blog" and "/2026/11"
// it returns "2026" and leaves "/blog/2026" and "/11". It returns "" and changes nothing when
// PATH_INFO is empty; it returns "" and moves the slash when PATH_INFO is "/", so that "/x" and
// "/x/" stay apart.
//
// SCRIPT_NAME + PATH_INFO is the same before and after. Unlike wsgiref's shift_path_info it does
// not normalise: an empty segment, "." and ".." are returned like any other, since a ".." that is
// resolved climbs out of the prefix under which the application is mounted. PATH_INFO without a
// leading slash counts as one that has none to move: its first segment is moved as it is.
func (e *Environ) ShiftPath() string {
	path := e.Vars["PATH_INFO"]
	if path == "" {
		return ""
	}
	start := 0
	if path[0] == '/' {
		start = 1
	}
	end := len(path)
	if i := strings.IndexByte(path[start:], '/'); i >= 0 {
		end = start + i
	}
	e.Vars["SCRIPT_NAME"] += path[:end]
	e.Vars["PATH_INFO"] = path[end:]
	return path[start:end]
}

// All walks the whole dictionary as PEP 3333 has it, sorted by key: Vars, the wsgi.* keys of the
// struct's fields, and Extra. wsgi.version is [2]int{1, 0} (R42); wsgi.input_terminated is true,
// since Input always ends by itself.
func (e *Environ) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		all := make(map[string]any, len(e.Vars)+len(e.Extra)+8)
		for name, value := range e.Vars {
			all[name] = value
		}
		maps.Copy(all, e.Extra)
		all["wsgi.version"] = [2]int{1, 0}
		all["wsgi.url_scheme"] = e.URLScheme
		all["wsgi.input"] = e.Input
		all["wsgi.input_terminated"] = true
		all["wsgi.errors"] = e.Errors
		all["wsgi.multithread"] = e.Multithread
		all["wsgi.multiprocess"] = e.Multiprocess
		all["wsgi.run_once"] = e.RunOnce
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if !yield(key, all[key]) {
				return
			}
		}
	}
}

// DecodeLatin1 returns native with each byte as the code point of that number, in UTF-8. It is the
// unicode_to_wsgi of PEP 3333's example seen from its result: the form that Python 3 gives a native
// string. In Go it is for talking to those who need that form, or for values that really are
// ISO-8859-1; the values in [Environ.Vars] are bytes already.
func DecodeLatin1(native string) string {
	if isASCII(native) {
		return native
	}
	b := make([]byte, 0, 2*len(native))
	for i := range len(native) {
		b = utf8.AppendRune(b, rune(native[i]))
	}
	return string(b)
}

// EncodeLatin1 returns text with each code point as one byte, the inverse of [DecodeLatin1]. It is
// the wsgi_to_bytes of PEP 3333's example. It returns an error for a code point above U+00FF (R105)
// and for text that is not UTF-8.
func EncodeLatin1(text string) (string, error) {
	if isASCII(text) {
		return text, nil
	}
	b := make([]byte, 0, len(text))
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return "", errors.New("gateway: text is not UTF-8 at byte " + strconv.Itoa(i))
		}
		if r > 0xFF {
			return "", errors.New("gateway: " + strconv.QuoteRune(r) + " at byte " + strconv.Itoa(i) + " is not in Latin-1")
		}
		b = append(b, byte(r))
	}
	return string(b), nil
}

// DecodeUTF8 returns native as text: itself if it is UTF-8, and else with each maximal run of
// invalid bytes replaced by U+FFFD, and false. It is for showing a PATH_INFO or a header value to
// people.
func DecodeUTF8(native string) (text string, ok bool) {
	if utf8.ValidString(native) {
		return native, true
	}
	return strings.ToValidUTF8(native, "\uFFFD"), false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
