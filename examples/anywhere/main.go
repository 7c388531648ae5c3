// One binary behind every server: serve.Run finds out what to be from how the process was started.
//
//	go run ./examples/anywhere                                        # HTTP on 127.0.0.1:8000
//	PORT=8080 go run ./examples/anywhere                              # HTTP on all interfaces
//	GATEWAY=fcgi:unix:/run/app.sock?mode=0660 go run ./examples/anywhere   # FastCGI; or scgi, uwsgi, http
//	GATEWAY=uwsgi:tcp:127.0.0.1:9000 go run ./examples/anywhere
//
// It needs no variable as a CGI program, under spawn-fcgi or mod_fcgid, or with a socket from
// systemd. It says on stderr what it does and why. Ctrl-C ends it when it has answered the requests
// that are going on.
package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/serve"
)

// anywhere answers with how it was called.
func anywhere(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	how := "in a process that serves many"
	if env.RunOnce {
		how = "in a process of its own"
	}
	var page strings.Builder
	fmt.Fprintf(&page, "You have called %s.\n", env.URL())
	fmt.Fprintf(&page, "This request runs %s, number %d.\n", how, os.Getpid())
	for _, name := range []string{"GATEWAY_INTERFACE", "SERVER_SOFTWARE", "SERVER_PROTOCOL",
		"SCRIPT_NAME", "PATH_INFO", "REQUEST_URI"} {
		fmt.Fprintf(&page, "%s is %q.\n", name, env.Vars[name])
	}
	_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain; charset=utf-8"}}, nil)
	return gateway.Text(page.String()), err
}

func main() {
	if err := serve.Run(gateway.ApplicationFunc(anywhere)); err != nil {
		log.Fatal(err)
	}
}
