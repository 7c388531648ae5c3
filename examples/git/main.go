// Git over HTTP: everybody may clone, and one user may push.
//
//	git init --bare /tmp/repos/hello.git
//	GIT_PUSH=ada:secret go run ./examples/git /tmp/repos &
//	git clone http://127.0.0.1:8000/hello.git
//	cd hello && git commit --allow-empty -m first
//	git push http://ada:secret@127.0.0.1:8000/hello.git HEAD
//
// The work is done by git http-backend, a CGI program that comes with git. It reads a body to its
// end, which Stream is for: git sends a large push in chunks. It lets those push who have a
// REMOTE_USER. GIT_PUSH is that user's name and password.
package main

import (
	"crypto/subtle"
	"encoding/base64"
	"log"
	"os"
	"path/filepath"
	"strings"

	"example.com/gateway"
	"example.com/gateway/host"
	"example.com/gateway/serve"
)

// guarded returns app with a REMOTE_USER for the one who knows the credentials, "name:password". A
// push without them gets a 401, whereupon git asks its user.
func guarded(app gateway.Application, credentials string) gateway.Application {
	user, _, _ := strings.Cut(credentials, ":")
	want := []byte("Basic " + base64.StdEncoding.EncodeToString([]byte(credentials)))
	return gateway.ApplicationFunc(func(env *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		got := []byte(env.Header("Authorization"))
		delete(env.Vars, "REMOTE_USER")
		switch {
		case credentials != "" && subtle.ConstantTimeCompare(got, want) == 1:
			env.Vars["REMOTE_USER"], env.Vars["AUTH_TYPE"] = user, "Basic"
		case strings.HasSuffix(env.Vars["PATH_INFO"], "/git-receive-pack"),
			env.Vars["QUERY_STRING"] == "service=git-receive-pack":
			_, err := start(gateway.Status(401), gateway.Headers{
				{"Content-Type", "text/plain"}, {"WWW-Authenticate", `Basic realm="push"`}}, nil)
			return gateway.Text("401 Unauthorized\n"), err
		}
		return app.Call(env, start)
	})
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: git DIR")
	}
	dir, err := filepath.Abs(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	git := &host.CGI{
		Path: "git",
		Args: []string{"http-backend"},
		Options: host.Options{
			Stream:       true,
			MaxBodyBytes: -1,
			Vars:         map[string]string{"GIT_PROJECT_ROOT": dir, "GIT_HTTP_EXPORT_ALL": "1"},
		},
	}
	if err := serve.Run(guarded(git, os.Getenv("GIT_PUSH"))); err != nil {
		log.Fatal(err)
	}
}
