package host

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/header"
	"example.com/gateway/request"
)

// isPassed has the variables that a program gets of the request, but for those of headers: RFC
// 3875's, and others that web servers have for a request. All else in an Environ is its server's
// own: under a CGI server the process's environment, with its secrets, is in there.
var isPassed = map[string]bool{
	"AUTH_TYPE": true, "CONTENT_TYPE": true, "PATH_INFO": true, "PATH_TRANSLATED": true,
	"QUERY_STRING": true, "REMOTE_ADDR": true, "REMOTE_HOST": true, "REMOTE_IDENT": true,
	"REMOTE_USER": true, "REQUEST_METHOD": true, "SCRIPT_NAME": true, "SERVER_NAME": true,
	"SERVER_PORT": true, "SERVER_PROTOCOL": true, "SERVER_SOFTWARE": true,

	"DOCUMENT_ROOT": true, "DOCUMENT_URI": true, "REMOTE_PORT": true, "REQUEST_URI": true,
	"SERVER_ADDR": true,
}

// A variable is a name and its value.
type variable struct{ name, value string }

// variables returns what a program gets, sorted by name. length is the CONTENT_LENGTH, or negative
// for none. The variables of script replace those of the request, and the deployer's replace both.
// The error wraps request.ErrMalformed.
func (o *Options) variables(
	env *gateway.Environ, script map[string]string, length int64,
) ([]variable, error) {
	vars := make(map[string]string, len(env.Vars)+8)
	vars["QUERY_STRING"], vars["SCRIPT_NAME"] = "", "" // which are always there (C18, C20)
	for name, value := range env.Vars {
		if isPassed[name] || o.passes(name, length) {
			vars[name] = value
		}
	}
	vars["GATEWAY_INTERFACE"] = "CGI/1.1"
	vars["REQUEST_SCHEME"] = env.URLScheme
	vars["REDIRECT_STATUS"] = "200" // php-cgi runs no script without it
	if env.URLScheme == "https" {
		vars["HTTPS"] = "on"
	}
	if length >= 0 {
		vars["CONTENT_LENGTH"] = strconv.FormatInt(length, 10)
	}
	maps.Copy(vars, script)
	maps.Copy(vars, o.Vars)
	list := make([]variable, 0, len(vars))
	for name, value := range vars {
		if value == "" && name != "QUERY_STRING" && name != "SCRIPT_NAME" {
			continue
		}
		// No environment can hold a NUL, and a NUL cuts a C string.
		if strings.IndexByte(value, 0) >= 0 {
			return nil, fmt.Errorf("%w: %s has a NUL", request.ErrMalformed, name)
		}
		list = append(list, variable{name, value})
	}
	slices.SortFunc(list, func(a, b variable) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// passes reports whether a program gets the variable of a header. It does not get those of the
// connection's own headers: the server of the request has dealt with them. That a body comes in
// chunks is told where nothing else tells of the body.
func (o *Options) passes(name string, length int64) bool {
	switch {
	case !strings.HasPrefix(name, "HTTP_"):
		return false
	case name == "HTTP_AUTHORIZATION":
		return o.Authorization
	case name == "HTTP_TRANSFER_ENCODING":
		return length < 0
	}
	field := request.HeaderOf(name)
	return field != "" && header.KindOf(field) != header.HopByHop
}
