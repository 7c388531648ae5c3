package validate

import (
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// checkEnviron checks what the server, or a middleware in its place, has made of the request.
func (r *request) checkEnviron() {
	usual := r.readVars()
	if usual && (!r.thorough || r.soundVars()) && (r.env.URLScheme == "http" || r.env.URLScheme == "https") &&
		r.in != nil && r.errors != nil && r.env.Extra == nil {
		return
	}
	bad := func(rule, seen string) { r.find(outside, rule, seen) }
	vars := r.env.Vars
	for _, v := range variables {
		if seen := v.check(vars[v.name], vars); seen != "" {
			bad(v.rule, v.name+seen)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if value := vars[name]; hasLineBreak(name, value) {
			bad("C28", name+" has a line break or NUL: "+quote(value))
		}
	}
	if s := r.env.URLScheme; s != "http" && s != "https" {
		bad("R43", "URLScheme is "+quote(s))
	}
	if r.in == nil {
		bad("R44", "Input is nil")
	}
	if r.errors == nil {
		bad("R45", "Errors is nil")
	}
	for _, name := range slices.Sorted(maps.Keys(r.env.Extra)) {
		if !isExtraName(name) {
			bad("R53", "Extra has "+quote(name))
		}
	}
}

// variables are those that have a form, and the rule for it. check returns what is wrong with a value.
var variables = []struct {
	name, rule string
	check      func(value string, vars map[string]string) (seen string)
}{
	{"REQUEST_METHOD", "R28", func(value string, _ map[string]string) string { return unless(isToken(value), value) }},
	{"SCRIPT_NAME", "R29", func(value string, _ map[string]string) string { return unless(value == "" || value[0] == '/', value) }},
	// The root is "": with "/" a URL that is put together begins with two slashes. Environ.ShiftPath makes a "/" out of a
	// path that has such.
	{"SCRIPT_NAME", "R29", func(value string, vars map[string]string) string {
		return unless(value != "/" || vars["PATH_INFO"] == "" || strings.Contains(vars["REQUEST_URI"], "//"), value)
	}},
	{"PATH_INFO", "R30", func(value string, _ map[string]string) string { return unless(value == "" || value[0] == '/', value) }},
	{"CONTENT_LENGTH", "C10", func(value string, _ map[string]string) string { return unless(value == "" || isLength(value), value) }},
	{"SERVER_NAME", "R32", func(value string, _ map[string]string) string { return unless(value != "", value) }},
	{"SERVER_PORT", "R32", func(value string, _ map[string]string) string { return unless(value != "", value) }},
	{"SERVER_PORT", "C24", func(value string, _ map[string]string) string { return unless(value == "" || isDigits(value), value) }},
	{"SERVER_PROTOCOL", "R33", func(value string, _ map[string]string) string { return unless(value != "", value) }},
	{"HTTP_PROXY", "D6", func(value string, _ map[string]string) string { return unless(value == "", value) }},
	{"HTTP_CONTENT_TYPE", "D6", func(value string, _ map[string]string) string { return unless(value == "", value) }},
	{"HTTP_CONTENT_LENGTH", "D6", func(value string, _ map[string]string) string { return unless(value == "", value) }},
}

func unless(ok bool, value string) (seen string) {
	switch {
	case ok:
		return ""
	case value == "":
		return " is missing"
	}
	return " is " + quote(value)
}

// readVars takes what the lint needs of Vars, and reports whether that is as it is in most requests.
func (r *request) readVars() (usual bool) {
	method, length := r.env.Vars["REQUEST_METHOD"], r.env.Vars["CONTENT_LENGTH"]
	r.head = method == "HEAD"
	r.input.length = -1
	if length != "" {
		n, ok := parseLength(length)
		if !ok {
			return false
		}
		r.input.length = n
	}
	return method == "GET" || isToken(method)
}

// soundVars is what checkEnviron has to say of Vars, for less.
func (r *request) soundVars() bool {
	vars := r.env.Vars
	for i := range variables {
		if v := &variables[i]; v.check(vars[v.name], vars) != "" {
			return false
		}
	}
	for name, value := range vars {
		if hasLineBreak(name, value) {
			return false
		}
	}
	return true
}

func hasLineBreak(name, value string) bool {
	return strings.HasPrefix(name, "HTTP_") && strings.ContainsAny(value, "\r\n\x00")
}

// isExtraName accepts lower case, digits and underscores with a dot between (R53).
func isExtraName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '.':
		default:
			return false
		}
	}
	return strings.Contains(s, ".")
}

// A reading is how far Input was read.
type reading struct {
	length int64 // CONTENT_LENGTH, or -1
	bytes  int64
	ended  uint8 // by io.EOF, so often, up to maxEnds
	idle   uint8 // reads that returned nothing, in a row
}

// wrapStreams puts the lint between the application and its streams. They have a Close only if the server's have: with
// one that is not there, gateway.Reader and others would close what nobody else can.
func (r *request) wrapStreams() {
	switch in := r.in.(type) {
	case nil:
	case io.Closer:
		r.env.Input = inputCloser{(*input)(r), in}
	default:
		r.env.Input = (*input)(r)
	}
	switch log := r.errors.(type) {
	case nil:
	case io.Closer:
		r.env.Errors = errorsCloser{(*errorLog)(r), log}
	default:
		r.env.Errors = (*errorLog)(r)
	}
}

// An input is the Input that the application gets.
type input request

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	r := (*request)(in)
	if r.isOver() {
		r.find(inside, "D5", "Input was read after the response was over")
		return r.in.Read(p)
	}
	r.mu.Lock()
	again := r.input.ended == maxEnds && len(p) > 0
	r.mu.Unlock()
	if again { // said before the Read, so that middleware that passes it on is not blamed
		r.find(inside, "R56", "Input was read after it had ended with io.EOF "+strconv.Itoa(maxEnds)+" times")
	}
	n, err := r.in.Read(p)
	if way, rule, seen := r.read(len(p), n, err); rule != "" {
		r.find(way, rule, seen)
	}
	return n, err
}

// maxIdle is how often a Read may return nothing: as in the bufio package. maxEnds is how often the end may be met: once by each
// of a parser that wants to be sure, whoever drains what is left, and middleware that does so too; a loop that does not know io.EOF
// goes on.
const maxIdle, maxEnds = 100, 4

// read follows one Read, and returns the rule that was broken.
func (r *request) read(size, n int, err error) (w way, rule, seen string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := &r.input
	switch {
	case r.isOver(): // while it waited
		return
	case n < 0 || n > size:
		return outside, "R54", "Read returned " + strconv.Itoa(n) + " for a slice of " + strconv.Itoa(size)
	case size == 0:
		return
	case in.ended > 0 && (n > 0 || err == nil):
		return outside, "R58", "Read returned " + strconv.Itoa(n) + " bytes and " + textOf(err) + " after io.EOF"
	case in.ended > 0:
		if err == io.EOF && in.ended < maxEnds {
			in.ended++
		}
		return
	}
	in.bytes += int64(n)
	if err == io.EOF {
		in.ended = 1
	}
	if n > 0 || err != nil {
		in.idle = 0
	} else if in.idle++; in.idle >= maxIdle {
		in.idle = 0
		return outside, "R54", "Read returned nothing, and no error, " + strconv.Itoa(maxIdle) + " times in a row"
	}
	switch {
	case in.length < 0:
	case in.bytes > in.length:
		return outside, "R55", "CONTENT_LENGTH is " + strconv.FormatInt(in.length, 10) + ", and Input has at least " +
			strconv.FormatInt(in.bytes, 10) + " bytes"
	case in.ended > 0 && in.bytes < in.length:
		return outside, "D5", "CONTENT_LENGTH is " + strconv.FormatInt(in.length, 10) + ", and Input ends with io.EOF after " +
			strconv.FormatInt(in.bytes, 10) + " bytes"
	}
	return
}

type inputCloser struct {
	*input
	c io.Closer
}

// Close implements io.Closer.
func (in inputCloser) Close() error {
	(*request)(in.input).find(inside, "R64", "Input was closed")
	return in.c.Close()
}

// An errorLog is the Errors that the application gets.
type errorLog request

// Write implements io.Writer.
func (e *errorLog) Write(p []byte) (int, error) {
	r := (*request)(e)
	n, err := r.errors.Write(p)
	if n < 0 || n > len(p) || n < len(p) && err == nil {
		r.find(outside, "R54", "Write of Errors returned "+strconv.Itoa(n)+" for "+strconv.Itoa(len(p))+" bytes, and "+textOf(err))
	}
	return n, err
}

type errorsCloser struct {
	*errorLog
	c io.Closer
}

// Close implements io.Closer.
func (e errorsCloser) Close() error {
	(*request)(e.errorLog).find(inside, "R64", "Errors was closed")
	return e.c.Close()
}
