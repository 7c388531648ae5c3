package host_test

import (
	"encoding/base64"
	"net/http"
	"strings"

	"example.com/gateway"
	"example.com/gateway/host"
	"example.com/gateway/nethttp"
	"example.com/gateway/serve"
)

// PHP-FPM runs the pages of a folder, and Go serves the files beside them.
func ExampleFastCGI_php() {
	pages := &host.FastCGI{
		Addresses: []string{"unix:/run/php/php8.2-fpm.sock"},
		Scripts:   host.Scripts{Root: "/srv/www", Suffix: ".php", Index: "index.php"},
	}
	files := nethttp.Application(http.FileServer(http.Dir("/srv/www")))

	_ = serve.Run(gateway.ApplicationFunc(
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			path := env.Vars["PATH_INFO"]
			if strings.HasSuffix(path, "/") || strings.Contains(strings.ToLower(path), ".php") {
				return pages.Call(env, start)
			}
			return files.Call(env, start)
		}))
}

// PHP without a server of its own.
func ExampleCGI_php() {
	pages := &host.CGI{
		Path:    "php-cgi",
		Scripts: host.Scripts{Root: "/srv/www", Suffix: ".php", Index: "index.php"},
		Options: host.Options{Vars: map[string]string{"PHPRC": "/srv/php.ini"}},
	}
	_ = serve.Run(pages)
}

// A Python application in uWSGI. An SCGI and a FastCGI reach its other sockets.
func ExampleUWSGI() {
	python := &host.UWSGI{Addresses: []string{"unix:/run/app.sock"}}
	_ = serve.Run(python)
}

// Repositories that everybody may read. Those whom Go knows may push.
func ExampleCGI_git() {
	git := &host.CGI{
		Path: "git",
		Args: []string{"http-backend"},
		Options: host.Options{
			Vars:   map[string]string{"GIT_PROJECT_ROOT": "/srv/git", "GIT_HTTP_EXPORT_ALL": "1"},
			Stream: true,
		},
	}
	ada := "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:secret"))
	_ = serve.Run(gateway.ApplicationFunc(
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			isPush := env.Vars["QUERY_STRING"] == "service=git-receive-pack" ||
				strings.HasSuffix(env.Vars["PATH_INFO"], "/git-receive-pack")
			switch {
			case isPush && env.Vars["HTTP_AUTHORIZATION"] == ada:
				env.Vars["REMOTE_USER"] = "ada"
			case isPush:
				_, err := start("401 Unauthorized", gateway.Headers{{"WWW-Authenticate", "Basic"}}, nil)
				return gateway.Text("Who are you?\n"), err
			}
			return git.Call(env, start)
		}))
}

// The pages of cgit.
func ExampleCGI_cgit() {
	cgit := &host.CGI{
		Path:    "/usr/lib/cgit/cgit.cgi",
		Options: host.Options{Vars: map[string]string{"CGIT_CONFIG": "/etc/cgitrc"}},
	}
	_ = serve.Run(cgit)
}

// A repository of fossil's, by a program for each request or by a server.
func ExampleSCGI_fossil() {
	cgi := &host.CGI{Path: "/srv/fossil.cgi"}
	scgi := &host.SCGI{Addresses: []string{"tcp:127.0.0.1:9000"}}
	_, _ = cgi, scgi
}

// Perl: the scripts of a folder with CGI.pm, and a server with FCGI.pm.
func ExampleCGI_perl() {
	scripts := &host.CGI{Scripts: host.Scripts{Root: "/srv/cgi-bin", Suffix: ".pl"}}
	server := &host.FastCGI{Addresses: []string{"unix:/run/perl.sock"}}
	_, _ = scripts, server
}

// A server of this module, or one of net/http/fcgi, behind another host.
func ExampleFastCGI() {
	app := &host.FastCGI{
		Addresses: []string{"tcp:127.0.0.1:9001", "tcp:127.0.0.1:9002"},
		MaxIdle:   100,
		Options:   host.Options{Stream: true, Authorization: true},
	}
	_ = serve.Run(app)
}
