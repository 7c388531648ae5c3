package nethttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/cgi"
	"example.com/gateway/nethttp"
)

// show prints the body of the response to a GET.
func show(h http.Handler, target string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	fmt.Print(w.Code, " ", w.Body)
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

// lf writes line ends as the output of an example has them.
type lf struct{ w io.Writer }

func (l lf) Write(p []byte) (int, error) {
	_, err := io.WriteString(l.w, strings.ReplaceAll(string(p), "\r\n", "\n"))
	return len(p), err
}

// What the web server knows of the client is in the environ.
func ExampleEnviron() {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s at %s\n", nethttp.Environ(r).Vars["REMOTE_USER"], r.URL)
	})
	env := &gateway.Environ{Vars: map[string]string{"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/app", "PATH_INFO": "/x", "REMOTE_USER": "ada"}}
	r := new(recorder)
	if err := gateway.Respond(nethttp.Application(h), env, r); err != nil {
		fmt.Println(err)
	}
	fmt.Print(r.writes[0])
	// Output: ada at /app/x
}

// A browser gets to know what the page will need while the page is still being made.
func ExampleEarlyHints() {
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if err := nethttp.EarlyHints(env, gateway.Headers{{"Link", "</style.css>; rel=preload; as=style"}}); err != nil {
			return nil, err
		}
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/html"}}, nil)
		return gateway.Text("<link rel=stylesheet href=/style.css>\n"), err
	})
	show(nethttp.Handler(app), "/") // and no hints, since there is no http.Server here
	// Output: 200 <link rel=stylesheet href=/style.css>
}

// A sum that is known when the body is.
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
