package request

import (
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
)

// A Builder makes an Environ of the variables that a CGI-like protocol has for a request, or of the
// headers of HTTP. It refuses requests that no application should see, and leaves out variables
// that would deceive one.
//
// Add is for protocols that have variables, AddHeader for HTTP, which has headers, and AddEnviron
// for a process that was started for the request. The zero value is ready to use, with the default
// limits. A Builder is for one request and one goroutine:
//
//	var b request.Builder
//	for name, value := range received {
//		b.Add(name, value)
//	}
//	length, err := b.Finish(env)
//	if err != nil {
//		app = request.Refuse(err)
//	}
//
// Each method returns the error of the Builder, so that a server may look at Finish's error alone.
// After [ErrMalformed] the Builder goes on, so that the answer and the log have what there is of
// the request. After [ErrHeaderTooLarge] it takes nothing more, and the server stops reading
// variables: nothing else bounds what it reads. The Builder counts names and values, also those
// that it leaves out. What the protocol has beside them is the server's to bound.
type Builder struct {
	// Limits has MaxHeaders, MaxHeaderBytes and MaxBodyBytes; the Builder looks at no other field.
	// It must be set before the first Add. The Builder calls WithDefaults itself.
	Limits Limits

	vars        map[string]string
	repeated    map[string][]byte // the values of headers that came more than once
	count, size int               // of what was added
	err         error

	// Variables that Finish looks at: to look them up costs nearly as much as to put them in.
	method, target, protocol, path, serverName, serverPort, https, scheme, length string

	clientLength string // HTTP_CONTENT_LENGTH, which is no variable
	isCoded      bool   // there was a Transfer-Encoding header, which is no variable
	headers      uint64 // a Bloom filter of the headers in vars, since few headers come twice
}

// Grow makes room for n variables. A Builder that grows by itself, one variable at a time, takes
// twice as long.
func (b *Builder) Grow(n int) {
	if b.vars == nil {
		b.vars = make(map[string]string, n+2) // Finish may add two
		b.Limits = b.Limits.WithDefaults()
	}
}

// Add adds a variable as the protocol has it: CONTENT_LENGTH, HTTP_ACCEPT.
//
// An empty name, or a name with a space, a control character or a "=", is malformed, and so is a
// value with a NUL or a line break: a program that prints the value into a header, a log or another
// program's environment would print a second one (C1, C28). Two kinds of variables may have line
// breaks: the paths that a web server has decoded, such as PATH_INFO and SCRIPT_FILENAME, and
// certificates. A REQUEST_URI with a line break was decoded too, which BusyBox does: Add leaves it
// out.
//
// A repeated HTTP_ variable is a header in several lines: Add joins the values with ", ", those of
// HTTP_COOKIE with "; ". Of any other repeated variable, and of HTTP_HOST, the last value counts,
// since that is how deployers override a web server's stock parameters. Two CONTENT_LENGTHs that
// differ are malformed: requests are smuggled so.
//
// Add leaves out HTTP_PROXY, which libraries take for configuration (httpoxy, CVE-2016-5385),
// HTTP_CONTENT_TYPE and HTTP_CONTENT_LENGTH, which would rival the real ones, an HTTP_ name that no
// header's name gives, and CONTENT_TYPE and CONTENT_LENGTH if they are empty (C7).
//
// Add takes the port from SERVER_NAME, which HAProxy puts there, and puts an IPv6 address there into
// brackets (C23). It takes the port and the brackets from REMOTE_ADDR (C17).
//
// A server whose protocol has a request target, and no variables, splits the target itself:
// REQUEST_URI is the target, QUERY_STRING is what follows the first "?", and PATH_INFO is the path,
// with its percent-encoding decoded. The server refuses a bad escape. For the target "*" PATH_INFO
// is empty. For "http://host/path" PATH_INFO is "/path", and host counts instead of the Host header.
// url.ParseRequestURI takes a target apart so.
// Such a server also adds GATEWAY_INTERFACE ("CGI/1.1"), SERVER_PROTOCOL, SERVER_SOFTWARE,
// SERVER_NAME, SERVER_PORT and REMOTE_ADDR.
func (b *Builder) Add(name, value string) error {
	if !b.admit(name, value) {
		return b.err
	}
	if name == "" {
		return b.malformed("a variable has no name")
	}
	if !strings.HasPrefix(name, "HTTP_") { // the names of headers are checked more strictly
		for i := range len(name) {
			if c := name[i]; c <= ' ' || c == '=' || c == 0x7F {
				return b.malformed("a variable's name has a space, an equals sign or a control character")
			}
		}
	}
	return b.add(name, value, false)
}

// AddEnviron adds the environment of a process, in the form "NAME=value", as Add does. An entry
// without a "=" or without a name is left out, and any other name is taken: the operating system
// has let it through. A line break is malformed only in the variables of a request: the others are
// not the client's, and may have any number of lines.
func (b *Builder) AddEnviron(list []string) error {
	b.Grow(len(list))
	for _, entry := range list {
		name, value, found := strings.Cut(entry, "=")
		if found && name != "" && b.admit(name, value) { // Windows has "=C:=C:\dir"
			_ = b.add(name, value, true)
		}
	}
	return b.err
}

// AddHeader adds a header of HTTP, under the name that the client has sent, in any case.
//
// AddHeader adds the variable that [VariableOf] names, and leaves out a header without a variable.
// A name that is not a token is malformed, "Content-Length " for one: another server might take it
// for the length. So are two Host headers that differ (RFC 9112, 3.2), and a Transfer-Encoding
// beside a Content-Length (6.1). For a body in chunks, which the server decodes, it adds no
// CONTENT_LENGTH, and with Add the variable HTTP_TRANSFER_ENCODING, "chunked".
func (b *Builder) AddHeader(name, value string) error {
	if !b.admit(name, value) {
		return b.err
	}
	variable := VariableOf(name)
	if variable == "" {
		if !header.IsToken(name) {
			return b.malformed("a header's name is not a token")
		}
		b.isCoded = b.isCoded || strings.EqualFold(name, "Transfer-Encoding")
		return b.err
	}
	if variable == "HTTP_HOST" {
		if host, found := b.vars[variable]; found && host != value {
			return b.malformed("there are two Host headers")
		}
	}
	return b.add(variable, value, false)
}

func (b *Builder) malformed(what string) error {
	if b.err == nil {
		b.err = malformed(what)
	}
	return b.err
}

// admit counts a variable or a header, and reports whether the limits allow for it.
func (b *Builder) admit(name, value string) bool {
	b.Grow(30)
	b.count++
	b.size += len(name) + len(value)
	if b.count > b.Limits.MaxHeaders || b.size > b.Limits.MaxHeaderBytes {
		b.err = ErrHeaderTooLarge
		return false
	}
	return true
}

// add adds a variable that was admitted. isProcess says that it is of a process's environment.
func (b *Builder) add(name, value string, isProcess bool) error {
	if strings.HasPrefix(name, "HTTP_") {
		return b.addHeader(name, value)
	}
	switch name {
	case "CONTENT_LENGTH": // Finish checks this one and the next two
		if b.length != "" && b.length != value {
			return b.malformed("CONTENT_LENGTH is there twice")
		}
		if b.length = value; value == "" {
			return b.err
		}
	case "REQUEST_METHOD":
		b.method = value
	case "SERVER_PROTOCOL":
		b.protocol = value
	default:
		switch {
		case !hasBreak(value):
		case hasNUL(value):
			// A NUL ends the string for every C library that sees it.
			return b.malformed(printable(name) + " has a NUL")
		case name == "REQUEST_URI":
			b.target = ""
			delete(b.vars, name)
			return b.err
		case header.IsLine(name) || !isProcess && !header.MayHaveLines(name):
			return b.malformed(printable(name) + " has a line break")
		}
	}
	switch name {
	case "CONTENT_TYPE":
		if value == "" {
			delete(b.vars, name)
			return b.err
		}
	case "SERVER_NAME":
		value = header.HostName(value)
		b.serverName = value
	case "REMOTE_ADDR":
		value = header.Address(value)
	case "SERVER_PORT":
		b.serverPort = value
	case "REQUEST_URI":
		b.target = value
	case "HTTPS":
		b.https = value
	case "REQUEST_SCHEME":
		b.scheme = value
	case "PATH_INFO":
		b.path = value
	}
	b.vars[name] = value
	return b.err
}

// printable returns the name of a variable for an error, which a log must be able to take.
func printable(name string) string {
	for i := range len(name) {
		if name[i] < ' ' || name[i] >= 0x7F {
			return "a variable"
		}
	}
	return name
}

// addHeader adds an HTTP_ variable.
func (b *Builder) addHeader(name, value string) error {
	switch kindOf(name) {
	case notAName:
		return b.malformed("a header's name is not a token")
	case anothersName:
		return b.err
	}
	switch name {
	case "HTTP_", "HTTP_PROXY", "HTTP_CONTENT_TYPE":
		return b.err
	case "HTTP_CONTENT_LENGTH":
		b.clientLength = value
		return b.err
	}
	// A header is one line (C28). A line break in it would begin another line wherever the
	// application prints it.
	if hasBreak(value) {
		return b.malformed(name + " has a line break or NUL")
	}
	bit := uint64(1) << (uint(len(name)*7+int(name[len(name)-1])) % 64)
	if b.headers&bit == 0 {
		b.headers |= bit
		b.vars[name] = value
		return b.err
	}
	old, found := b.vars[name]
	switch {
	case !found || old == "" || name == "HTTP_HOST":
		b.vars[name] = value
	case value != "":
		b.repeat(name, old, value)
	}
	return b.err
}

// repeat joins the values of a header, in a buffer that grows: a string for each line would take
// quadratic time.
func (b *Builder) repeat(name, first, value string) {
	if b.repeated == nil {
		b.repeated = make(map[string][]byte)
	}
	list := b.repeated[name]
	if list == nil {
		list = []byte(first)
	}
	separator := ", "
	if name == "HTTP_COOKIE" {
		separator = "; "
	}
	b.repeated[name] = append(append(list, separator...), value...)
}

// Finish sets env's Vars, with defaults for the variables that an application must find, and its
// URLScheme. It returns the length of the body, -1 if the request does not say, and nil or an error
// that wraps [ErrMalformed], [ErrHeaderTooLarge], [ErrBodyTooLarge] or [ErrConnect]. Beside an
// error, env has the variables that were added, for the log. A server that keeps connections closes
// this one after the answer, whatever the length and Body.Drain say: after any of these errors but
// ErrBodyTooLarge nobody knows where the next request begins.
//
// Finish checks what a hostile client can reach through a careless web server, and what an
// application may rely on: that there is a REQUEST_METHOD, that it and SERVER_PROTOCOL are
// well-formed, that the request is for a path and a host, as net/http does, that PATH_INFO is empty
// or starts with a slash (C14), and that CONTENT_LENGTH is a length (C10) and the one that the
// client has sent. Anything odd that web servers do passes: methods in lower case, HTTP/3, INCLUDED
// (C25), "%" or invalid UTF-8 in PATH_INFO. A CONTENT_LENGTH of -1 is how Caddy says that it does
// not know. PATH_INFO is empty for "OPTIONS *".
//
// SERVER_PROTOCOL defaults to HTTP/1.0, SERVER_NAME to localhost and SERVER_PORT to the port of the
// scheme (R32). The scheme is https if HTTPS is on, 1 or yes, or if there is no HTTPS and
// REQUEST_SCHEME is https (Apache, nginx).
func (b *Builder) Finish(env *gateway.Environ) (length int64, err error) {
	b.Grow(0)
	for name, list := range b.repeated {
		b.vars[name] = string(list)
	}
	env.Vars = b.vars
	env.URLScheme = b.urlScheme()
	if b.protocol == "" {
		b.vars["SERVER_PROTOCOL"] = "HTTP/1.0"
	}
	if b.serverName == "" {
		b.vars["SERVER_NAME"] = "localhost"
	}
	if b.serverPort == "" {
		b.vars["SERVER_PORT"] = "80"
		if env.URLScheme == "https" {
			b.vars["SERVER_PORT"] = "443"
		}
	}
	if b.length == "-1" && strings.HasPrefix(b.vars["SERVER_SOFTWARE"], "Caddy/") {
		b.length = ""
		delete(b.vars, "CONTENT_LENGTH")
	}
	if b.path == "*" && b.method == "OPTIONS" {
		b.path, b.vars["PATH_INFO"] = "", ""
	}
	if length, err = env.ContentLength(); err != nil {
		_ = b.malformed("CONTENT_LENGTH is not a length")
	}
	switch {
	case b.method == "":
		_ = b.malformed("no REQUEST_METHOD") // R28
	case !header.IsToken(b.method):
		_ = b.malformed("REQUEST_METHOD is not a token")
	case b.method == "CONNECT":
		if b.err == nil {
			b.err = ErrConnect
		}
	case !header.IsTarget(b.target, b.method):
		_ = b.malformed("REQUEST_URI is not a path")
	case !header.IsHost(b.vars["HTTP_HOST"]):
		_ = b.malformed("HTTP_HOST is not a host")
	case b.protocol != "" && !isProtocol(b.protocol):
		_ = b.malformed("SERVER_PROTOCOL is not a protocol")
	case b.path != "" && b.path[0] != '/':
		_ = b.malformed("PATH_INFO does not start with a slash")
	case b.isCoded && b.length != "":
		_ = b.malformed("there are a Transfer-Encoding and a Content-Length")
	case b.clientLength != "" && b.length != "" && b.clientLength != b.length:
		// nginx with scgi_request_buffering off: the application would take a part of the body for
		// all of it.
		_ = b.malformed("CONTENT_LENGTH is not what the client has sent")
	case length > b.Limits.MaxBodyBytes && b.err == nil:
		b.err = ErrBodyTooLarge
	}
	if b.err != nil {
		return length, b.err
	}
	return length, nil
}

// IsChunked reports whether the client has sent its body in chunks, which the web server has
// decoded (R118). Without a CONTENT_LENGTH the body then ends where the chunks ended. IsChunked is
// for protocols with variables: it looks at HTTP_TRANSFER_ENCODING, which AddHeader does not add.
func IsChunked(env *gateway.Environ) bool {
	encoding := env.Vars["HTTP_TRANSFER_ENCODING"]
	return encoding != "" && strings.Contains(strings.ToLower(encoding), "chunked")
}

func (b *Builder) urlScheme() string {
	switch strings.ToLower(b.https) {
	case "on", "1", "yes": // as in wsgiref
		return "https"
	case "":
		if strings.EqualFold(b.scheme, "https") {
			return "https"
		}
	}
	return "http"
}

// hasBreak reports whether s has a line break or NUL. It runs for every variable:
// strings.ContainsAny takes three times as long.
func hasBreak(s string) bool {
	return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 || hasNUL(s)
}

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// isProtocol accepts protocol-name [ "/" 1*digit [ "." 1*digit ] ], which is RFC 3875, 4.1.16 and
// HTTP/2.
func isProtocol(s string) bool {
	name, version, found := strings.Cut(s, "/")
	if !header.IsToken(name) {
		return false
	}
	if !found {
		return true
	}
	major, minor, found := strings.Cut(version, ".")
	return isDigits(major) && (!found || isDigits(minor))
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
