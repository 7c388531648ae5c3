// Package quirks has rules for what hosts do differently with paths and credentials, as middleware. None is applied by itself: a
// deployment chooses those that its web server's configuration calls for, and puts them around its application:
//
//	app = quirks.DocumentURI("")(app) // behind nginx with its stock fastcgi_params
//
// A server never guesses: what repairs the paths of one host breaks those of another (plack/Plack#299).
package quirks

import (
	"strings"

	"example.com/gateway"
)

// DocumentURI takes the path from DOCUMENT_URI, for nginx, whose stock parameter files leave the split to the program:
// fastcgi_params has the whole path as SCRIPT_NAME, uwsgi_params as PATH_INFO, scgi_params as neither, and all have DOCUMENT_URI. It
// sets SCRIPT_NAME to prefix and PATH_INFO to the rest. A path that is not below prefix gets a 404, one with a NUL a 400.
//
// DOCUMENT_URI is decoded, and normalised by nginx: that is what nginx's own access rules were applied to. A request without it is
// not from nginx, or from one with parameters of its own, and passes unchanged. prefix is "" or "/some/path".
func DocumentURI(prefix string) gateway.Middleware {
	prefix = cleanPrefix(prefix)
	return rule(func(env *gateway.Environ) (code int) {
		path, found := env.Vars["DOCUMENT_URI"]
		if !found {
			return 0
		}
		if hasNUL(path) {
			return 400
		}
		return split(env, prefix, path)
	})
}

// RequestURI takes the path from REQUEST_URI, for hosts that send PATH_INFO percent-encoded (Apache's mod_proxy_scgi, and
// mod_proxy_fcgi with proxy-fcgi-pathinfo=1) or not at all (mod_proxy_fcgi with ProxyPass), or that merge slashes, or
// send no SCRIPT_NAME (h2o), or the first segment of any path as SCRIPT_NAME (lighttpd with fastcgi.server or scgi.server at "/", unless
// fix-root-scriptname is set). It decodes the path, sets SCRIPT_NAME to prefix and PATH_INFO to the rest. A path that is not below
// prefix gets a 404, one that cannot be decoded a 400.
//
// REQUEST_URI is as the client sent it, and the host may have decided who may come in by a path that it has normalised. So that
// /public/../admin gets nobody in, a path with a segment "." or ".." gets a 400, however it is encoded. A request
// without REQUEST_URI passes unchanged. prefix is "" or "/some/path", decoded.
func RequestURI(prefix string) gateway.Middleware {
	prefix = cleanPrefix(prefix)
	return rule(func(env *gateway.Environ) (code int) {
		target, found := env.Vars["REQUEST_URI"]
		if !found {
			return 0
		}
		path, ok := decode(pathOf(target))
		if !ok || hasDots(path) {
			return 400
		}
		return split(env, prefix, path)
	})
}

// IIS removes SCRIPT_NAME from the front of PATH_INFO, where Microsoft's IIS repeats it unless allowPathInfoForScriptMappings is
// set. It is wsgiref's IISCGIHandler.
func IIS(app gateway.Application) gateway.Application {
	return rule(func(env *gateway.Environ) (code int) {
		script, path := env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"]
		if rest, found := strings.CutPrefix(path, script); found && (rest == "" || rest[0] == '/') {
			env.Vars["PATH_INFO"] = rest
		}
		return 0
	})(app)
}

// Authorization sets HTTP_AUTHORIZATION, where it is missing, from the variables that an Apache without CGIPassAuth can be made to
// put the header into: REDIRECT_HTTP_AUTHORIZATION (RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}] and an
// internal redirect), and Authorization (SetEnvIf).
func Authorization(app gateway.Application) gateway.Application {
	return rule(func(env *gateway.Environ) (code int) {
		for _, name := range []string{"REDIRECT_HTTP_AUTHORIZATION", "Authorization"} {
			if value := env.Vars[name]; value != "" && env.Vars["HTTP_AUTHORIZATION"] == "" {
				env.Vars["HTTP_AUTHORIZATION"] = value
			}
		}
		return 0
	})(app)
}

var (
	_ gateway.Middleware = IIS
	_ gateway.Middleware = Authorization
)

// rule makes a middleware of a change to the environ, which answers with an error if change returns its code.
func rule(change func(*gateway.Environ) (code int)) gateway.Middleware {
	return func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if code := change(env); code != 0 {
				status := gateway.Status(code)
				_, err := start(status, gateway.Headers{{"Content-Type", "text/plain"}}, nil)
				return gateway.Text(status + "\n"), err
			}
			return app.Call(env, start)
		})
	}
}

func cleanPrefix(prefix string) string {
	if prefix == "/" {
		return ""
	}
	if prefix != "" && (prefix[0] != '/' || prefix[len(prefix)-1] == '/') {
		panic("quirks: the prefix " + prefix + ` is neither "" nor like "/some/path"`)
	}
	return prefix
}

// split sets the two variables of a path.
func split(env *gateway.Environ, prefix, path string) (code int) {
	rest, found := strings.CutPrefix(path, prefix)
	if !found || rest != "" && rest[0] != '/' {
		return 404
	}
	env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = prefix, rest
	return 0
}

// pathOf returns the path of a request target (RFC 9112, 3.2): origin-form, or absolute-form, which proxies get.
func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if scheme, rest, found := strings.Cut(path, "://"); found && scheme != "" && !strings.Contains(scheme, "/") {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return "/"
		}
		return rest[i:]
	}
	return path
}

// hasNUL is for PATH_INFO, where the servers have let none through: it ends strings elsewhere.
func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// decode undoes percent-encoding. It refuses what is none, and NUL.
func decode(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, !hasNUL(s)
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
				return "", false
			}
			c = byte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		}
		if c == 0 {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func hasDots(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
