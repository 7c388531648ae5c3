// A folder of PHP pages beside other files: PHP-FPM runs the pages, and this program serves the
// rest. It needs no web server in front, and can be behind any.
//
//	mkdir www
//	echo '<?php echo "Hello ", $_GET["name"] ?? "World", " !\n";' >www/index.php
//	echo 'p { color: navy }' >www/style.css
//	printf '%s\n' '[global]' 'error_log = /dev/stderr' '[www]' 'listen = /tmp/php.sock' \
//		'pm = static' 'pm.max_children = 4' >fpm.conf
//	/usr/sbin/php-fpm8.2 --nodaemonize -y fpm.conf &
//	go run ./examples/php www unix:/tmp/php.sock &
//
//	curl http://127.0.0.1:8000/?name=Gopher
//	curl -I http://127.0.0.1:8000/style.css
//	curl http://127.0.0.1:8000/.secret                  # 404, whether it is there or not
//
// The path of a folder is that of its index.php. What has ".php" in its name is never sent as a
// file, so that a page's source cannot be read: not that of page.php.orig either. Files whose names
// begin with a dot are not served, nor is anything in such a folder.
package main

import (
	"log"
	"net/http"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/host"
	"example.com/gateway/nethttp"
	"example.com/gateway/serve"
)

// A site is a folder with pages and files.
type site struct {
	pages, files gateway.Application
}

func newSite(root, fpm string) *site {
	return &site{
		pages: &host.FastCGI{
			Addresses: []string{fpm},
			Scripts:   host.Scripts{Root: root, Suffix: ".php", Index: "index.php"},
		},
		files: nethttp.Application(http.FileServer(http.Dir(root))),
	}
}

func (s *site) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	path := env.Vars["PATH_INFO"]
	switch {
	case strings.Contains(path, "/."):
		_, err := start("404 Not Found", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text("There is no such page.\n"), err
	case strings.HasSuffix(path, "/"), strings.Contains(strings.ToLower(path), ".php"):
		return s.pages.Call(env, start)
	}
	return s.files.Call(env, start)
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: php FOLDER ADDRESS, where PHP-FPM listens: unix:/run/php/php8.2-fpm.sock")
	}
	if err := serve.Run(newSite(os.Args[1], os.Args[2])); err != nil {
		log.Fatal(err)
	}
}
