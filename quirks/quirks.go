// Package quirks has middleware for web servers whose path variables or credentials are not what
// CGI says. No server applies any of it by itself. A deployer puts the one that the web server's
// configuration calls for around the application:
//
//	app = quirks.DocumentURI("")(app) // behind nginx with its stock fastcgi_params
//
// A server that guessed would break other deployments: what repairs the paths of one web server
// breaks those of another (plack/Plack#299).
package quirks

import (
	"strings"

	"example.com/gateway"
)

// DocumentURI takes the path from DOCUMENT_URI. It is for nginx, whose stock parameter files do not
// split the path: fastcgi_params has all of it as SCRIPT_NAME, uwsgi_params as PATH_INFO, and
// scgi_params has neither. All have DOCUMENT_URI.
//
// DocumentURI sets SCRIPT_NAME to prefix and PATH_INFO to the rest of the path. prefix is "", "/"
// or like "/some/path"; DocumentURI panics for any other. A path that is not below prefix gets a
// 404, and a path with a NUL gets a 400.
//
// DOCUMENT_URI is decoded, and normalised by nginx: nginx has applied its access rules to the same
// path. A request without DOCUMENT_URI passes unchanged. It comes from another web server, or from
// an nginx with parameters of its own.
func DocumentURI(prefix string) gateway.Middleware {
	prefix = cleanPrefix(prefix)
	return change(func(env *gateway.Environ) (code int) {
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

// RequestURI takes the path from REQUEST_URI, and decodes it. It is for these web servers:
//
//   - Apache, whose mod_proxy_scgi sends PATH_INFO percent-encoded, and whose mod_proxy_fcgi does
//     so with proxy-fcgi-pathinfo=1 and sends none with ProxyPass
//   - h2o, which sends no SCRIPT_NAME
//   - lighttpd with fastcgi.server or scgi.server at "/" and without fix-root-scriptname, which
//     takes the first segment of any path for SCRIPT_NAME
//   - web servers that merge slashes
//
// RequestURI sets SCRIPT_NAME to prefix and PATH_INFO to the rest of the path. prefix is "", "/" or
// like "/some/path", decoded; RequestURI panics for any other. A path that is not below prefix gets
// a 404, and a path that cannot be decoded gets a 400.
//
// REQUEST_URI is as the client has sent it, while the web server may have applied its access rules
// to a normalised path. So that nobody gets to /admin by /public/../admin, a path with a segment
// "." or ".." gets a 400, however it is encoded. A request without REQUEST_URI passes unchanged.
func RequestURI(prefix string) gateway.Middleware {
	prefix = cleanPrefix(prefix)
	return change(func(env *gateway.Environ) (code int) {
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

// IIS takes the path from PATH_INFO, where Microsoft's IIS has all of it unless
// allowPathInfoForScriptMappings is set. Its SCRIPT_NAME is the path of the program, or again the
// whole path if the program handles every path ("*"): a rule that knew no prefix could not tell the
// two apart.
//
// IIS sets SCRIPT_NAME to prefix and PATH_INFO to the rest of the path. prefix is "", "/" or like
// "/app.exe"; IIS panics for any other. A path that is not below prefix gets a 404.
func IIS(prefix string) gateway.Middleware {
	prefix = cleanPrefix(prefix)
	return change(func(env *gateway.Environ) (code int) {
		return split(env, prefix, env.Vars["PATH_INFO"])
	})
}

// Authorization sets HTTP_AUTHORIZATION where it is missing. It is for an Apache without
// CGIPassAuth, which hides that header from programs but can be made to put it into another
// variable. Authorization takes the first of these:
//
//   - REDIRECT_HTTP_AUTHORIZATION, by RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
//     and an internal redirect
//   - Authorization, by SetEnvIf
func Authorization() gateway.Middleware {
	return change(func(env *gateway.Environ) (code int) {
		for _, name := range []string{"REDIRECT_HTTP_AUTHORIZATION", "Authorization"} {
			if value := env.Vars[name]; value != "" && env.Vars["HTTP_AUTHORIZATION"] == "" {
				env.Vars["HTTP_AUTHORIZATION"] = value
			}
		}
		return 0
	})
}

// change makes a middleware of a function that changes the environ. If the function returns the
// code of a status, the request gets that status as its answer and does not reach the application.
func change(f func(*gateway.Environ) (code int)) gateway.Middleware {
	return func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			if code := f(env); code != 0 {
				status := gateway.Status(code)
				_, err := start(status, gateway.Headers{{"Content-Type", "text/plain"}}, nil)
				return gateway.Text(status + "\n"), err
			}
			return app.Call(env, start)
		})
	}
}

// cleanPrefix returns prefix without the slash of the root.
func cleanPrefix(prefix string) string {
	if prefix == "/" {
		return ""
	}
	if prefix != "" && (prefix[0] != '/' || prefix[len(prefix)-1] == '/') {
		panic("quirks: the prefix " + prefix + ` is neither "" nor like "/some/path"`)
	}
	return prefix
}

// split sets the two variables for a path. It returns 404 if the path is not below prefix. The
// target of "OPTIONS *" is the web server as a whole: its PATH_INFO is empty.
func split(env *gateway.Environ, prefix, path string) (code int) {
	if path == "*" && env.Vars["REQUEST_METHOD"] == "OPTIONS" {
		path = prefix
	}
	rest, found := strings.CutPrefix(path, prefix)
	if !found || !isPathInfo(rest) {
		return 404
	}
	env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = prefix, rest
	return 0
}

// isPathInfo reports whether a part of a path can be a PATH_INFO (C14).
func isPathInfo(path string) bool { return path == "" || path[0] == '/' }

// pathOf returns the path of a request target (RFC 9112, 3.2): origin-form, or absolute-form, which
// proxies get.
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

// hasNUL reports whether a path has a NUL, which ends the string for every C library that gets it.
// The servers let none through in PATH_INFO.
func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// decode undoes percent-encoding. It returns false for a "%" without two hexadecimal digits, and
// for a NUL.
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

// unhex returns the value of a hexadecimal digit, or -1. Package encoding/hex would link fmt, which
// a CGI program pays for.
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

// hasDots reports whether a path has a segment "." or "..".
func hasDots(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
