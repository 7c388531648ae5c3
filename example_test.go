package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"example.com/gateway"
)

// A printer is a Transport, which is all that the author of a server writes. Its "protocol" is
// HTTP/1.0 on a writer. Respond adds the order of events, lengths, HEAD, errors and Close.
type printer struct{ w io.Writer }

func (p printer) WriteHead(status string, headers gateway.Headers) error {
	_, err := io.WriteString(p.w, "HTTP/1.0 "+status+"\n")
	for name, value := range headers.All() {
		_, err = io.WriteString(p.w, name+": "+value+"\n")
	}
	_, err = io.WriteString(p.w, "\n")
	return err
}

func (p printer) Write(block []byte) (int, error) { return p.w.Write(block) }

func (p printer) Flush() error { return nil } // Write holds nothing back

func (p printer) End(whole bool) error {
	if !whole {
		_, err := io.WriteString(p.w, "(the connection is reset)\n")
		return err
	}
	return nil
}

// serve answers GET path with app, on stdout.
func serve(app gateway.Application, path string) {
	env := &gateway.Environ{
		Vars: map[string]string{"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "SERVER_NAME": "example.com",
			"SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.0"},
		URLScheme: "http",
		Input:     strings.NewReader(""),
		Errors:    os.Stdout, // a server has a log
	}
	_ = gateway.Respond(app, env, printer{os.Stdout}) // its error is on env.Errors
}

// The function style, PEP 3333's simple_app.
func ExampleApplicationFunc() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text("Hello World !\n"), err
	}
	serve(gateway.ApplicationFunc(app), "/")
	// Output:
	// HTTP/1.0 200 OK
	// Content-Type: text/plain
	// Content-Length: 14
	//
	// Hello World !
}

// A greeting is the struct style, PEP 3333's AppClass: the value is the body. It calls start inside
// the iteration, which is the latest moment.
type greeting struct {
	env   *gateway.Environ
	start gateway.StartResponse
}

func (g *greeting) Blocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if _, err := g.start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil); err != nil {
			yield(nil, err)
			return
		}
		yield([]byte("Hello "+g.env.Vars["PATH_INFO"]+" !\n"), nil)
	}
}

func (g *greeting) Close() error {
	fmt.Println("(closed)")
	return nil
}

func ExampleApplication() {
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return &greeting{env, start}, nil
	})
	serve(app, "/World")
	// Output:
	// HTTP/1.0 200 OK
	// Content-Type: text/plain
	//
	// Hello /World !
	// (closed)
}

// Middleware gives the inner application a start of its own, and the server a body of its own.
func ExampleMiddleware() {
	shout := func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			body, err := app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
				return start(status, headers.With("X-Voice", "loud"), cause)
			})
			if err != nil {
				return body, err
			}
			return gateway.Map(body, bytes.ToUpper), nil
		})
	}
	serve(shout(gateway.ApplicationFunc(hello(text("hello\n"), "200 OK", nil))), "/")
	// Output:
	// HTTP/1.0 200 OK
	// X-Voice: loud
	// Content-Length: 6
	//
	// HELLO
}

func ExampleChain() {
	named := func(name string) gateway.Middleware {
		return func(app gateway.Application) gateway.Application {
			return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				fmt.Println(name)
				return app.Call(env, start)
			})
		}
	}
	app := gateway.Chain(named("outer"), named("inner"))(gateway.ApplicationFunc(hello(text("hello\n"), "200 OK", nil)))
	serve(app, "/")
	// Output:
	// outer
	// inner
	// HTTP/1.0 200 OK
	// Content-Length: 6
	//
	// hello
}

// A generator yields the blocks. Respond sends each block before the generator makes the next.
func ExampleStream() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", nil, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for i := range 3 {
				if !yield(fmt.Appendf(nil, "event %d\n", i), nil) {
					return // the client left
				}
			}
		}), err
	}
	serve(gateway.ApplicationFunc(app), "/")
	// Output:
	// HTTP/1.0 200 OK
	//
	// event 0
	// event 1
	// event 2
}

// A Seek and a Content-Length make a part of a file the body. Close of the body closes the file.
func ExampleReader() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		file, err := os.Open("testdata/alphabet.txt")
		if err != nil {
			return nil, err
		}
		if _, err := file.Seek(3, io.SeekStart); err != nil {
			return gateway.Reader(file, 0), err // Respond closes the body
		}
		headers := gateway.Headers{{"Content-Range", "bytes 3-6/27"}, {"Content-Length", "4"}}
		_, err = start("206 Partial Content", headers, nil)
		return gateway.Reader(file, 0), err
	}
	serve(gateway.ApplicationFunc(app), "/")
	// Output:
	// HTTP/1.0 206 Partial Content
	// Content-Range: bytes 3-6/27
	// Content-Length: 4
	//
	// defg
}

func ExampleMap() {
	body := gateway.Map(gateway.Bytes([]byte("one\n"), []byte("two\n")), bytes.ToUpper)
	defer body.Close()
	for block, err := range body.Blocks() {
		fmt.Printf("%q %v\n", block, err)
	}
	// Output:
	// "ONE\n" <nil>
	// "TWO\n" <nil>
}

// An application releases a connection when the response is over, however the response has ended.
func ExampleOnClose() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		fmt.Println("(connected to the database)")
		_, err := start("200 OK", nil, nil)
		return gateway.OnClose(gateway.Text("hello\n"), func() error {
			fmt.Println("(disconnected)")
			return nil
		}), err
	}
	serve(gateway.ApplicationFunc(app), "/")
	// Output:
	// (connected to the database)
	// HTTP/1.0 200 OK
	// Content-Length: 6
	//
	// hello
	// (disconnected)
}

// Many responses may begin with one list of headers, since no method changes the list.
func ExampleHeaders() {
	base := gateway.Headers{{"Content-Type", "text/html"}, {"Vary", "Cookie"}}
	headers := base.With("content-type", "text/plain").Without("Vary").
		Append("Set-Cookie", "a=1").Append("Set-Cookie", "b=2")
	for name, value := range headers.All() {
		fmt.Println(name, value)
	}
	for value := range headers.Values("set-cookie") {
		fmt.Println("cookie", value)
	}
	fmt.Println(base.Get("Content-Type"))
	// Output:
	// content-type text/plain
	// Set-Cookie a=1
	// Set-Cookie b=2
	// cookie a=1
	// cookie b=2
	// text/html
}

func ExampleStatus() {
	fmt.Println(gateway.Status(404))
	fmt.Println(gateway.Status(599))
	// Output:
	// 404 Not Found
	// 599 Server Error
}

// A mounted application sees its prefix in SCRIPT_NAME and the rest of the path in PATH_INFO.
func ExampleEnviron_ShiftPath() {
	blog := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", nil, nil)
		return gateway.Text(fmt.Sprintf("mounted at %s, asked for %s\n", env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"])), err
	})
	site := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		inner := env.Clone()
		if inner.ShiftPath() == "blog" {
			return blog(inner, start)
		}
		_, err := start("404 Not Found", nil, nil)
		return gateway.Text("not found\n"), err
	})
	serve(site, "/blog/2026/11")
	// Output:
	// HTTP/1.0 200 OK
	// Content-Length: 37
	//
	// mounted at /blog, asked for /2026/11
}

func ExampleEnviron_URL() {
	env := &gateway.Environ{URLScheme: "https", Vars: map[string]string{
		"SERVER_NAME": "example.com", "SERVER_PORT": "8443",
		"SCRIPT_NAME": "/app", "PATH_INFO": "/a b", "QUERY_STRING": "x=1",
	}}
	fmt.Println(env.URL())
	// Output: https://example.com:8443/app/a%20b?x=1
}

// All walks the dictionary of PEP 3333, as wsgiref's demo application prints it.
func ExampleEnviron_All() {
	env := &gateway.Environ{URLScheme: "http", Vars: map[string]string{"REQUEST_METHOD": "GET", "PATH_INFO": "/"}}
	for key, value := range env.All() {
		fmt.Println(key, "=", value)
	}
	// Output:
	// PATH_INFO = /
	// REQUEST_METHOD = GET
	// wsgi.errors = <nil>
	// wsgi.input = <nil>
	// wsgi.input_terminated = true
	// wsgi.multiprocess = false
	// wsgi.multithread = false
	// wsgi.run_once = false
	// wsgi.url_scheme = http
	// wsgi.version = [1 0]
}

// DecodeLatin1 is PEP 3333's unicode_to_wsgi. The variables of an Environ are bytes, here UTF-8. A
// Python program on the other side of a socket expects each byte as a code point.
func ExampleDecodeLatin1() {
	fmt.Println(gateway.DecodeLatin1("/café"))
	// Output: /cafÃ©
}

// EncodeLatin1 is PEP 3333's wsgi_to_bytes.
func ExampleEncodeLatin1() {
	native, err := gateway.EncodeLatin1("/cafÃ©")
	fmt.Println(native, err)
	_, err = gateway.EncodeLatin1("/日本")
	fmt.Println(err)
	// Output:
	// /café <nil>
	// gateway: '日' at byte 1 is not in Latin-1
}

func ExampleDecodeUTF8() {
	fmt.Println(gateway.DecodeUTF8("/caf\xc3\xa9"))
	fmt.Println(gateway.DecodeUTF8("/caf\xe9"))
	// Output:
	// /café true
	// /caf� false
}

// A server is a Transport and a call of Respond.
func ExampleRespond() {
	env := &gateway.Environ{
		Vars:      map[string]string{"REQUEST_METHOD": "HEAD", "PATH_INFO": "/"},
		URLScheme: "http",
		Input:     strings.NewReader(""),
		Errors:    os.Stderr,
	}
	app := gateway.ApplicationFunc(hello(text("Hello World !\n"), "200 OK", nil))
	err := gateway.Respond(app, env, printer{os.Stdout}) // printer knows nothing of HEAD
	fmt.Println(err)
	// Output:
	// HTTP/1.0 200 OK
	// Content-Length: 14
	//
	// <nil>
}

// An error handler gives start the error, which is PEP 3333's exc_info. The second start then
// replaces the first, since nothing was sent.
func ExampleStartResponse() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if _, err := start("200 OK", nil, nil); err != nil {
			return nil, err
		}
		page, err := render()
		if err != nil {
			_, err = start("503 Service Unavailable", gateway.Headers{{"Retry-After", "60"}}, err)
			return gateway.Text("come back later\n"), err
		}
		return gateway.Text(page), nil
	}
	serve(gateway.ApplicationFunc(app), "/")
	// Output:
	// HTTP/1.0 503 Service Unavailable
	// Retry-After: 60
	// Content-Length: 16
	//
	// come back later
}

func render() (string, error) { return "", errors.New("no template") }

// The client of an application that fails gets the error page, and the log gets the error.
func ExampleStartResponse_Answer() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		if env.Vars["PATH_INFO"] == "/old" {
			return start.Answer(303, gateway.Headers{{"Location", "/new"}}, nil)
		}
		return start.Answer(404, gateway.Headers{{"Content-Type", "text/plain"}}, gateway.Text("There is nothing here.\n"))
	}
	serve(gateway.ApplicationFunc(app), "/old")
	// Output:
	// HTTP/1.0 303 See Other
	// Location: /new
	// Content-Length: 0
}

func ExampleApplicationFunc_error() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK\r\nSet-Cookie: injected", nil, nil)
		return gateway.Text("hello\n"), err
	}
	serve(gateway.ApplicationFunc(app), "/x")
	// Output:
	// gateway: GET /x: invalid status: "200 OK\r\nSet-Cookie: injected" has a control character
	// HTTP/1.0 500 Internal Server Error
	// Content-Type: text/plain
	// Content-Length: 26
	//
	// 500 Internal Server Error
}
