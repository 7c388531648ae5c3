// Files beside pages of one's own. Below /files/ they come from net/http's file server: with
// ranges, conditions, types and lists of folders. Below /get/ a file is sent whole, by sendfile(2)
// where the server and the system can, and then no byte of it is copied into this program.
//
//	mkdir -p /tmp/files && echo hello >/tmp/files/hello.txt
//	FILES=/tmp/files go run ./examples/files &
//	curl -r 1-3 http://127.0.0.1:8000/files/hello.txt    # ell
//
// Nothing outside of the folder is served, also where a link leads there. A file whose type the
// system does not know is sniffed: no folder of files that others have uploaded belongs here.
package main

import (
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"example.com/gateway"
	"example.com/gateway/middleware"
	"example.com/gateway/nethttp"
	"example.com/gateway/serve"
)

func page(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	return text(start, 200, "A page.\n")
}

func text(start gateway.StartResponse, code int, line string) (gateway.Body, error) {
	return start.Answer(code, gateway.Headers{{"Content-Type", "text/plain"}}, gateway.Text(line))
}

// get returns an application that sends files whole. One that sends a part seeks, and declares the
// length of the part: Reader goes from there so far, by sendfile, too.
func get(dir *os.Root) gateway.ApplicationFunc {
	return func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		file, err := dir.Open(strings.TrimPrefix(env.Vars["PATH_INFO"], "/"))
		if err != nil {
			return text(start, 404, "No such file.\n")
		}
		info, err := file.Stat()
		if err != nil || info.IsDir() {
			_ = file.Close()
			return text(start, 404, "No such file.\n")
		}
		return start.Answer(200, gateway.Headers{{"Content-Type", "application/octet-stream"},
			{"Content-Length", strconv.FormatInt(info.Size(), 10)},
		}, gateway.Reader(file, 0)) // which closes the file
	}
}

func site(dir *os.Root) gateway.Application {
	server := nethttp.Application(nethttp.StripScriptName(http.FileServerFS(dir.FS())))
	return middleware.Mount(map[string]gateway.Application{
		"/": gateway.ApplicationFunc(page), "/files": server, "/get": get(dir)})
}

func main() {
	dir, err := os.OpenRoot(os.Getenv("FILES"))
	if err != nil {
		log.Fatal("files: FILES is the folder to serve: ", err)
	}
	if err := serve.Run(site(dir)); err != nil {
		log.Fatal(err)
	}
}
