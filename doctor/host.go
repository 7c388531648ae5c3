package doctor

import (
	"strings"

	"example.com/gateway"
	"example.com/gateway/internal/startup"
)

// The names of web servers, as the rules and the reports have them.
const (
	apache   = "Apache"
	caddy    = "Caddy"
	h2o      = "h2o"
	haproxy  = "HAProxy"
	lighttpd = "lighttpd"
	nginx    = "nginx"
	uwsgi    = "uWSGI"
)

// software is what web servers call themselves, in SERVER_SOFTWARE or in a response's Server, in
// lower case.
var software = []struct{ prefix, server string }{
	{"apache", apache}, {"caddy", caddy}, {"h2o", h2o}, {"haproxy", haproxy},
	{"lighttpd", lighttpd}, {"nginx", nginx}, {"openresty", nginx}, {"uwsgi", uwsgi},
}

func serverOf(name string) string {
	name = strings.ToLower(name)
	for _, s := range software {
		if strings.HasPrefix(name, s.prefix) {
			return s.server
		}
	}
	return ""
}

// recognise returns the name of the web server in front of the application, and what it was
// recognised by. Both are "" if it is unknown, or if there is none.
func recognise(env *gateway.Environ) (server, by string) {
	if server := serverOf(env.Vars["SERVER_SOFTWARE"]); server != "" {
		return server, "SERVER_SOFTWARE"
	}
	for _, shape := range []struct{ server, variable string }{
		{uwsgi, "UWSGI_ROUTER"},
		{apache, "CONTEXT_DOCUMENT_ROOT"},
		{apache, "HTTP_X_FORWARDED_SERVER"},
	} {
		if env.Vars[shape.variable] != "" {
			return shape.server, "the variable " + shape.variable
		}
	}
	if via := env.Vars["HTTP_VIA"]; via != "" {
		if i := strings.LastIndexByte(via, ','); i >= 0 {
			via = via[i+1:]
		}
		if _, by, found := strings.Cut(strings.TrimSpace(via), " "); found && serverOf(by) != "" {
			return serverOf(by), "the header Via"
		}
	}
	if env.Vars["DOCUMENT_URI"] != "" { // scgi_params and uwsgi_params have no SERVER_SOFTWARE
		return nginx, "the variable DOCUMENT_URI"
	}
	return "", ""
}

// gatewayOf returns the protocol by which the request has come: "cgi", "fcgi", "scgi", "uwsgi",
// "http", "lambda", or "" if it is unknown.
func gatewayOf(env *gateway.Environ) string {
	ways := startup.Ways()
	switch {
	case env.RunOnce:
		return "cgi"
	case len(ways) == 1:
		return ways[0].Protocol
	case env.Vars["SERVER_SOFTWARE"] == "net/http":
		return "http"
	case env.Vars["SCGI"] == "1":
		return "scgi"
	case env.Vars["FCGI_ROLE"] != "":
		return "fcgi"
	}
	return ""
}

// started says which gateway the process is, and why.
func started(env *gateway.Environ) string {
	if env.RunOnce {
		return "a CGI program, which the web server has started for this request"
	}
	var list []string
	for _, w := range startup.Ways() {
		list = append(list, w.Sentence)
	}
	if len(list) == 0 {
		return "a server of the program's own: the program does not call serve.Run"
	}
	return strings.Join(list, "; ")
}
