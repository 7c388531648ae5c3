package validate

import (
	"io"
	"maps"
	"slices"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// checkEnviron checks the Environ that the server, or a middleware in its place, gives the
// application. flow.mu is held.
func (r *request) checkEnviron(env *gateway.Environ) {
	bad := func(rule, format string, args ...any) { r.find(outside, rule, format, args...) }
	for _, v := range variables {
		switch value := env.Vars[v.name]; {
		case v.isRight(value, env.Vars):
		case value == "":
			bad(v.rule, "%s is missing", v.name)
		default:
			bad(v.rule, "%s is %s", v.name, header.Quote(value))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env.Vars)) {
		switch value := env.Vars[name]; {
		case strings.Contains(value, "\x00"):
			bad("C28", "%s has a NUL: %s", header.Quote(name), header.Quote(value))
		case header.IsLine(name) && strings.ContainsAny(value, "\r\n"):
			bad("C28", "%s has a line break: %s", name, header.Quote(value))
		}
	}
	if s := env.URLScheme; s != "http" && s != "https" {
		bad("R43", "URLScheme is %s", header.Quote(s))
	}
	if env.Input == nil {
		bad("R44", "Input is nil")
	}
	if env.Errors == nil {
		bad("R45", "Errors is nil")
	}
	for _, name := range slices.Sorted(maps.Keys(env.Extra)) {
		if !isExtraName(name) {
			bad("R53", "Extra has %s", header.Quote(name))
		}
	}
}

// variables has the rules for the values of variables. The value of a missing variable is "".
var variables = []struct {
	name, rule string
	isRight    func(value string, vars map[string]string) bool
}{
	{"REQUEST_METHOD", "R28", func(value string, _ map[string]string) bool { return header.IsToken(value) }},
	{"REQUEST_METHOD", "D11", func(value string, _ map[string]string) bool { return value != "CONNECT" }},
	{"REQUEST_URI", "D11", func(value string, vars map[string]string) bool {
		return header.IsTarget(value, vars["REQUEST_METHOD"])
	}},
	{"HTTP_HOST", "D11", func(value string, _ map[string]string) bool { return header.IsHost(value) }},
	{"REMOTE_ADDR", "C17", func(value string, _ map[string]string) bool { return value == header.Address(value) }},
	{"SCRIPT_NAME", "R29", isPath},
	// The root is "": with "/" the path of Environ.URL begins with two slashes. That is right only
	// if the client has sent two slashes, of which Environ.ShiftPath makes a "/".
	{"SCRIPT_NAME", "R29", func(value string, vars map[string]string) bool {
		return value != "/" || vars["PATH_INFO"] == "" || strings.Contains(vars["REQUEST_URI"], "//")
	}},
	{"PATH_INFO", "R30", isPath},
	{"CONTENT_LENGTH", "C10", func(value string, _ map[string]string) bool {
		_, ok := header.ParseLength(value)
		return ok || value == ""
	}},
	{"SERVER_NAME", "R32", isThere},
	{"SERVER_NAME", "C23", func(value string, _ map[string]string) bool {
		return value == header.HostName(value) && header.IsHost(value)
	}},
	{"SERVER_PORT", "R32", isThere},
	{"SERVER_PORT", "C24", func(value string, _ map[string]string) bool { return value == "" || isDigits(value) }},
	{"SERVER_PROTOCOL", "R33", isThere},
	{"HTTP_PROXY", "D6", isAbsent},
	{"HTTP_CONTENT_TYPE", "D6", isAbsent},
	{"HTTP_CONTENT_LENGTH", "D6", isAbsent},
}

func isThere(value string, _ map[string]string) bool  { return value != "" }
func isAbsent(value string, _ map[string]string) bool { return value == "" }
func isPath(value string, _ map[string]string) bool   { return value == "" || value[0] == '/' }

// isExtraName reports whether a name is of lower-case letters, digits, underscores and at least one
// dot (R53).
func isExtraName(s string) bool {
	return strings.Contains(s, ".") && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_.") == ""
}

// wrapStreams puts the lint between the application and its streams. A stream has a Close only if
// the server's stream has one: gateway.Reader, for one, closes whatever has a Close.
func (r *request) wrapStreams(env *gateway.Environ) {
	in := &input{r: r, in: env.Input, length: -1}
	if n, ok := header.ParseLength(env.Vars["CONTENT_LENGTH"]); ok {
		in.length = n
	}
	switch c := env.Input.(type) {
	case nil:
	case io.Closer:
		r.env.Input = struct {
			*input
			*closer
		}{in, &closer{r, "Input", c}}
	default:
		r.env.Input = in
	}
	log := &errorLog{r, env.Errors}
	switch c := env.Errors.(type) {
	case nil:
	case io.Closer:
		r.env.Errors = struct {
			*errorLog
			*closer
		}{log, &closer{r, "Errors", c}}
	default:
		r.env.Errors = log
	}
}

const (
	// maxIdle is how many Reads in a row may return nothing and no error, as in package bufio.
	maxIdle = 100

	// maxEnds is how many Reads may return io.EOF. A parser, a drain and a middleware may each read
	// to the end, and one of them may make sure. Only a loop that ignores io.EOF goes on.
	maxEnds = 4
)

// An input is the Input that the application gets.
type input struct {
	r  *request
	in io.Reader // the server's

	// Guarded by r.flow.mu.
	length int64 // CONTENT_LENGTH, or -1
	bytes  int64
	ends   int // how many Reads have returned io.EOF, up to maxEnds
	idle   int // how many Reads in a row have returned nothing and no error
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	r := in.r
	r.flow.lock()
	switch { // before the Read: a middleware that passes the Read on is not to blame
	case r.phase == over:
		r.find(inside, "D5", "Input was read after the response was over")
	case in.ends == maxEnds && len(p) > 0:
		r.find(inside, "R56", "Input was read after it had ended with io.EOF %d times", maxEnds)
	}
	r.flow.unlock()

	n, err := in.in.Read(p)

	r.flow.lock()
	defer r.flow.unlock()
	if r.phase != over { // the response may have ended during the Read
		in.check(len(p), n, err)
	}
	return n, err
}

// check checks the results of a Read into a slice of size bytes. r.flow.mu is held.
func (in *input) check(size, n int, err error) {
	bad := func(rule, format string, args ...any) { in.r.find(outside, rule, format, args...) }
	switch {
	case n < 0 || n > size:
		bad("R54", "Read returned %d for a slice of %d", n, size)
		return
	case size == 0:
		return
	case in.ends > 0 && (n > 0 || err == nil):
		bad("R58", "Read returned %d bytes and %s after io.EOF", n, textOf(err))
		return
	case in.ends > 0:
		if err == io.EOF {
			in.ends = min(in.ends+1, maxEnds)
		}
		return
	}
	in.bytes += int64(n)
	if err == io.EOF {
		in.ends = 1
	}
	if n > 0 || err != nil {
		in.idle = 0
	} else if in.idle++; in.idle == maxIdle {
		bad("R54", "Read returned nothing, and no error, %d times in a row", maxIdle)
	}
	switch {
	case in.length < 0:
	case in.bytes > in.length:
		bad("R55", "CONTENT_LENGTH is %d, and Input has at least %d bytes", in.length, in.bytes)
	case in.ends > 0 && in.bytes < in.length:
		bad("D5", "CONTENT_LENGTH is %d, and Input ends with io.EOF after %d bytes", in.length, in.bytes)
	}
}

// An errorLog is the Errors that the application gets.
type errorLog struct {
	r   *request
	log io.Writer // the server's
}

// Write implements io.Writer.
func (e *errorLog) Write(p []byte) (int, error) {
	n, err := e.log.Write(p)
	if n < 0 || n > len(p) || n < len(p) && err == nil {
		e.r.flow.lock()
		defer e.r.flow.unlock()
		e.r.find(outside, "R54", "Write of Errors returned %d for %d bytes, and %s", n, len(p), textOf(err))
	}
	return n, err
}

// A closer is the Close of a stream that the application must not close.
type closer struct {
	r    *request
	name string
	c    io.Closer // the server's
}

// Close implements io.Closer.
func (c *closer) Close() error {
	c.r.flow.lock()
	c.r.find(inside, "R64", "%s was closed", c.name)
	c.r.flow.unlock()
	return c.c.Close()
}
