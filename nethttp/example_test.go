package nethttp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"time"

	"example.com/gateway"
	"example.com/gateway/cgi"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/nethttp"
	"example.com/gateway/request"
)

// show prints the body of the response to a GET.
func show(h http.Handler, target string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	fmt.Print(w.Code, " ", w.Body)
}

// An HTTP server that ends on an interrupt, when the requests that are going on have ended.
func ExampleServer() {
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text("Hello World !\n"), err
	})
	l, err := net.Listen("tcp", "127.0.0.1:8000")
	if err != nil {
		log.Fatal(err)
	}
	server := nethttp.Server{
		Application: app,
		Limits:      request.Limits{MaxBodyBytes: 10 << 20, IdleTimeout: time.Minute},
	}
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	stopped := make(chan error)
	go func() {
		<-interrupt
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	}()
	if err := server.Serve(l); err != gateway.ErrShutdown {
		log.Fatal(err)
	}
	if err := <-stopped; err != nil {
		log.Print(err)
		server.Close()
	}
}

func ExampleHandler() {
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text("Hello " + env.Vars["QUERY_STRING"] + " !\n"), err
	})
	mux := http.NewServeMux()
	mux.Handle("/hello", nethttp.Handler(app))
	show(mux, "/hello?World")
	// Output: 200 Hello World !
}

func ExampleMount() {
	blog := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text(fmt.Sprintf("SCRIPT_NAME %q, PATH_INFO %q\n", env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"])), err
	})
	mux := http.NewServeMux()
	mux.Handle("/blog/", nethttp.Mount("/blog", blog))
	show(mux, "/blog/2026/11")
	// Output: 200 SCRIPT_NAME "/blog", PATH_INFO "/2026/11"
}

// An application gets a form with an upload, and a cookie, from net/http.
func ExampleRequest() {
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		r, err := nethttp.Request(env)
		if err != nil {
			return nil, err
		}
		r.Body = http.MaxBytesReader(nil, r.Body, 10<<20)     // all of the upload
		if err := r.ParseMultipartForm(1 << 20); err != nil { // the part of it that stays in memory
			return nil, err
		}
		defer r.MultipartForm.RemoveAll() // of the part that does not
		file, info, err := r.FormFile("photo")
		if err != nil {
			return nil, err
		}
		defer file.Close()
		session, err := r.Cookie("session")
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text(fmt.Sprintf("%s by %s in session %s: %d bytes\n", info.Filename, r.FormValue("name"), session.Value, info.Size)), err
	})

	var upload bytes.Buffer
	form := multipart.NewWriter(&upload)
	_ = form.WriteField("name", "Ada")
	part, _ := form.CreateFormFile("photo", "engine.jpg")
	_, _ = part.Write(make([]byte, 1000))
	form.Close()
	env := gatewaytest.NewEnviron("POST", "/photos", &upload)
	env.Vars["CONTENT_TYPE"] = form.FormDataContentType()
	env.Vars["HTTP_COOKIE"] = "session=4711"
	fmt.Print(gatewaytest.Record(app, env).Body())
	// Output: engine.jpg by Ada in session 4711: 1000 bytes
}

// A ServeMux runs as a CGI program.
func ExampleApplication() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s !\n", r.PathValue("name"))
	})
	program := cgi.Program{Env: []string{"REQUEST_METHOD=GET", "PATH_INFO=/hello/World"}, Stdin: strings.NewReader(""), Stdout: lf{os.Stdout}}
	if err := program.Run(nethttp.Application(mux)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Status: 200 OK
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 14
	//
	// Hello World !
}

// An lf writes the line ends that the output of an example has.
type lf struct{ w io.Writer }

func (l lf) Write(p []byte) (int, error) {
	_, err := io.WriteString(l.w, strings.ReplaceAll(string(p), "\r\n", "\n"))
	return len(p), err
}

// A handler finds what the web server knows of the client in the environ.
func ExampleEnviron() {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s at %s\n", nethttp.Environ(r).Vars["REMOTE_USER"], r.URL)
	})
	env := gatewaytest.NewEnviron("GET", "/app/x", nil)
	env.Vars["REMOTE_USER"] = "ada"
	fmt.Print(gatewaytest.Record(nethttp.Application(h), env).Body())
	// Output: ada at /app/x
}

// The browser fetches what the page needs while the application still makes the page.
func ExampleEarlyHints() {
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if err := nethttp.EarlyHints(env, gateway.Headers{{"Link", "</style.css>; rel=preload; as=style"}}); err != nil {
			return nil, err
		}
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/html"}}, nil)
		return gateway.Text("<link rel=stylesheet href=/style.css>\n"), err
	})
	show(nethttp.Handler(app), "/") // without hints, since there is no http.Server
	// Output: 200 <link rel=stylesheet href=/style.css>
}

// A checksum follows the body, since it is known only then.
func ExampleTrailers() {
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			if yield([]byte("Hello World !\n"), nil) {
				_ = nethttp.Trailers(env, gateway.Headers{{"X-Sum", "14"}})
			}
		}), err
	})
	server := httptest.NewServer(nethttp.Handler(app))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%s%v\n", body, response.Trailer)
	// Output:
	// Hello World !
	// map[X-Sum:[14]]
}
