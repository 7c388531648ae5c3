// A folder of CGI programs, for the browser or behind any web server.
//
//	go run ./examples/cgibin DIR                                # HTTP on 127.0.0.1:8000
//	go build ./examples/cgibin
//	spawn-fcgi -s /run/fcgiwrap.socket -M 0660 -G www-data -- ./cgibin /usr/lib/cgi-bin
//	GATEWAY='fcgi:unix:/run/fcgiwrap.socket?mode=0660' ./cgibin /usr/lib/cgi-bin
//
// Over HTTP the path names the program: /hello.cgi/a runs DIR/hello.cgi with the PATH_INFO "/a".
// Behind a web server that has found the program, the program is what SCRIPT_FILENAME says. That is
// how nginx is set up for fcgiwrap, and this takes the place of fcgiwrap without a change there. A
// SCRIPT_FILENAME outside of DIR is a 404.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"example.com/gateway"
	"example.com/gateway/host"
	"example.com/gateway/serve"
)

// A folder is an application that runs the programs in a folder.
type folder struct {
	dir      string // absolute
	programs host.CGI
}

func (f *folder) Call(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	if file := env.Vars["SCRIPT_FILENAME"]; file != "" {
		path, found := strings.CutPrefix(file, strings.TrimRight(f.dir, "/"))
		if !found || !strings.HasPrefix(path, "/") {
			fmt.Fprintf(env.Errors, "cgibin: SCRIPT_FILENAME is %q, which is not below %s\n", file,
				f.dir)
			_, err := start(gateway.Status(404), gateway.Headers{{"Content-Type", "text/plain"}},
				nil)
			return gateway.Text("404 Not Found\n"), err
		}
		// The CGI looks for the program on the path, and moves it to SCRIPT_NAME. nginx has put the
		// program there, and also what follows the program if it was not told to split the two.
		mount, found := strings.CutSuffix(env.Vars["SCRIPT_NAME"], path)
		if !found {
			mount = ""
		}
		env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = mount, path+env.Vars["PATH_INFO"]
	}
	return f.programs.Call(env, start)
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: cgibin DIR")
	}
	dir, err := filepath.Abs(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	f := &folder{dir: filepath.ToSlash(dir)}
	// Who can put a link into the folder can put a program there as well.
	f.programs.Scripts = host.Scripts{Root: dir, Symlinks: true}
	f.programs.Authorization = true // as fcgiwrap does: the programs may check passwords
	if err := serve.Run(f); err != nil {
		log.Fatal(err)
	}
}
