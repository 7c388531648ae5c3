package validate_test

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/internal/rules"
	"example.com/gateway/validate"
)

// A wrong is a mistake of one side, and the findings that it must lead to. Each field has a default
// that is right.
type wrong struct {
	name   string
	app    gateway.Application // default: hello
	server server              // default: gateway.Respond
	env    func() *gateway.Environ
	mw     gateway.Middleware // default: none
	want   []string
}

func app(f gateway.ApplicationFunc) gateway.Application { return f }

// startsWith returns an application that is right except, maybe, for its status and headers.
func startsWith(status string, headers ...[2]string) gateway.Application {
	return app(answers(status, append(slices.Clone(plain), headers...), empty))
}

// changed returns a function that makes a complete request, and then lets f change it.
func changed(f func(env *gateway.Environ)) func() *gateway.Environ {
	return func() *gateway.Environ {
		env := environ("GET")
		f(env)
		return env
	}
}

func variable(name, value string) func() *gateway.Environ {
	return changed(func(env *gateway.Environ) { env.Vars[name] = value })
}

// misused returns a server that hands the body to f.
func misused(f func(body gateway.Body)) server {
	return func(app gateway.Application, env *gateway.Environ) { (&toy{finish: f}).serve(app, env) }
}

func rangeAll(seq iter.Seq2[[]byte, error]) {
	for range seq {
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type closers struct {
	io.Reader
	io.Writer
}

func (closers) Close() error { return nil }

// readsAll returns an application that reads n bytes of its Input, so many times, and answers.
func readsAll(n, times int) gateway.Application {
	return app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		p := make([]byte, n)
		for range times {
			_, _ = env.Input.Read(p)
		}
		return hello(env, start)
	})
}

func inputOf(read func(p []byte) (int, error)) func() *gateway.Environ {
	return changed(func(env *gateway.Environ) { env.Input = readerFunc(read) })
}

var wrongApplications = append(hopByHop(), []wrong{
	{name: "no body and no error", want: []string{"R15 application"},
		app: app(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return nil, nil })},
	{name: "no body after the writer", want: []string{"R100 application"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, _ := start("200 OK", plain, nil)
			_, _ = io.WriteString(w, "all of it")
			return nil, nil
		})},
	{name: "nil as blocks", want: []string{"R15 application"}, app: app(answers("200 OK", plain, func() gateway.Body { return bodyOf{} }))},
	{name: "size that is not true", want: []string{"R20 application"},
		// The server reads from the reader of the body, too.
		server: func(app gateway.Application, env *gateway.Environ) {
			_ = gateway.Respond(app, env, &recorder{during: func([]byte) {
				_, _ = env.Extra["test.reader"].(*strings.Reader).Seek(0, io.SeekEnd)
			}})
		},
		env: changed(func(env *gateway.Environ) { env.Extra = map[string]any{"test.reader": strings.NewReader("12345678")} }),
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Reader(env.Extra["test.reader"].(*strings.Reader), 4), err
		})},
	{name: "yield again after false", want: []string{"R22 application"}, env: func() *gateway.Environ { return environ("HEAD") },
		app: app(answers("200 OK", plain, func() gateway.Body {
			return bodyOf{blocks: func(yield func([]byte, error) bool) {
				yield([]byte("a"), nil)
				yield([]byte("b"), nil)
			}}
		}))},
	{name: "yield after the iteration", want: []string{"R22 application"},
		app: app(answers("200 OK", plain, func() gateway.Body {
			var kept func([]byte, error) bool
			return bodyOf{
				blocks: func(yield func([]byte, error) bool) { kept = yield; yield([]byte("a"), nil) },
				close:  func() error { kept([]byte("b"), nil); return nil },
			}
		}))},
	{name: "block before start", want: []string{"R23 application"},
		app: app(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return text(), nil })},
	{name: "start after a block that was refused", want: []string{"R23 application"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return bodyOf{blocks: func(yield func([]byte, error) bool) {
				if !yield([]byte("a"), nil) {
					_, _ = start("500 Internal Server Error", plain, errBoom)
					panic(errBoom)
				}
			}}, nil
		})},
	{name: "no start at all", want: []string{"R23 application"},
		app: app(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return empty(), nil })},
	{name: "start after the end", want: []string{"R24 application"}, server: func(app gateway.Application, env *gateway.Environ) {
		respond(app, env)
		_, _ = env.Extra["test.start"].(gateway.StartResponse)("200 OK", plain, nil)
	}, env: changed(func(env *gateway.Environ) { env.Extra = map[string]any{"test.start": nil} }),
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			env.Extra["test.start"] = start
			return hello(env, start)
		})},
	{name: "Input after the end", want: []string{"D5 application"}, server: func(app gateway.Application, env *gateway.Environ) {
		respond(app, env)
		_, _ = env.Extra["test.input"].(io.Reader).Read(make([]byte, 1))
	}, env: changed(func(env *gateway.Environ) { env.Extra = map[string]any{"test.input": nil} }),
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			env.Extra["test.input"] = env.Input
			return hello(env, start)
		})},
	{name: "Input after a panic", want: []string{"D5 application"}, server: func(app gateway.Application, env *gateway.Environ) {
		respond(app, env)
		_, _ = env.Extra["test.input"].(io.Reader).Read(make([]byte, 1))
	}, env: changed(func(env *gateway.Environ) { env.Extra = map[string]any{"test.input": nil} }),
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			env.Extra["test.input"] = env.Input
			panic(errBoom)
		})},
	{name: "reads on past the end", want: []string{"R56 application"}, app: readsAll(1, 5)},
	{name: "reads on past the end in the body", want: []string{"R56 application"}, env: func() *gateway.Environ { return withInput("four") },
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				p := make([]byte, 4)
				for n, i := 0, 0; i < 6; i++ { // one Read for the bytes, five for the end
					if n, _ = env.Input.Read(p); !yield(p[:n], nil) {
						return
					}
				}
			}), err
		})},
	{name: "closes Input", want: []string{"R64 application"}, server: serve,
		env: changed(func(env *gateway.Environ) { env.Input = closers{Reader: env.Input} }),
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_ = env.Input.(io.Closer).Close()
			return hello(env, start)
		})},
	{name: "closes Errors", want: []string{"R64 application"},
		env: changed(func(env *gateway.Environ) { env.Errors = closers{Writer: env.Errors} }),
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_ = env.Errors.(io.Closer).Close()
			return hello(env, start)
		})},
	{name: "status without a reason", want: []string{"R65 application"}, app: startsWith("200")},
	{name: "status without a space", want: []string{"R65 application"}, app: startsWith("200OK")},
	{name: "status that is no number", want: []string{"R65 application"}, app: startsWith("20X OK")},
	{name: "status below 100", want: []string{"R65 application"}, app: startsWith("099 Low")},
	{name: "informational status", want: []string{"R65 application"}, app: startsWith("103 Early Hints")},
	{name: "status with two spaces", want: []string{"R65 application"}, app: startsWith("200  OK")},
	{name: "status that ends in a space", want: []string{"R65 application"}, app: startsWith("200 OK ")},
	{name: "empty status", want: []string{"R65 application"}, app: startsWith("")},
	{name: "status with a line end", want: []string{"R66 application"}, app: startsWith("200 OK\r\n")},
	{name: "status with a DEL", want: []string{"R66 application"}, app: startsWith("200 OK\x7F")},
	{name: "empty name", want: []string{"R68 application"}, app: startsWith("200 OK", [2]string{"", "x"})},
	{name: "name with a colon", want: []string{"R68 application"}, app: startsWith("200 OK", [2]string{"X-A:", "x"})},
	{name: "name with a line break", want: []string{"R68 application"}, app: startsWith("200 OK", [2]string{"X\nA", "x"})},
	{name: "name that ends with a dash", want: []string{"R68 application"}, app: startsWith("200 OK", [2]string{"X-", "x"})},
	{name: "name that ends with an underscore", want: []string{"R68 application"}, app: startsWith("200 OK", [2]string{"X_", "x"})},
	{name: "value with a line break", want: []string{"R69 application"}, app: startsWith("200 OK", [2]string{"X-A", "a\r\nSet-Cookie: b"})},
	{name: "value with a NUL", want: []string{"R69 application"}, app: startsWith("200 OK", [2]string{"X-A", "\x00"})},
	{name: "transfer coding", want: []string{"R91 application"}, app: startsWith("200 OK", [2]string{"transfer-encoding", "chunked"})},
	{name: "Status as a header", want: []string{"C46 application"}, app: startsWith("200 OK", [2]string{"STATUS", "200 OK"})},
	{name: "two Content-Types", want: []string{"C46 application"}, app: startsWith("200 OK", plain[0])},
	{name: "two Locations", want: []string{"C46 application"},
		app: startsWith("302 Found", [2]string{"Location", "/a"}, [2]string{"location", "/b"})},
	{name: "Content-Length with a sign", want: []string{"D3 application"}, app: startsWith("200 OK", [2]string{"Content-Length", "+0"})},
	{name: "empty Content-Length", want: []string{"D3 application"}, app: startsWith("200 OK", [2]string{"Content-Length", ""})},
	{name: "two Content-Lengths", want: []string{"D3 application"},
		app: startsWith("200 OK", [2]string{"Content-Length", "0"}, [2]string{"content-length", "0"})},
	{name: "body without a Content-Type", want: []string{"C48 application"}, app: app(answers("200 OK", nil, text))},
	{name: "body with an empty Content-Type", want: []string{"C48 application"},
		app: app(answers("200 OK", gateway.Headers{{"Content-Type", ""}}, text))},
	{name: "written body without a Content-Type", want: []string{"C48 application"}, app: app(writes(nil, "a"))},
	{name: "204 with a Content-Type", want: []string{"C48 application"}, app: startsWith("204 No Content")},
	{name: "205 with a Content-Type", want: []string{"C48 application"}, app: startsWith("205 Reset Content")},
	{name: "205 with a Content-Length", want: []string{"D1 application"},
		app: app(answers("205 Reset Content", gateway.Headers{{"Content-Length", "1"}}, empty))},
	{name: "205 with a body", want: []string{"D1 application"}, app: app(answers("205 Reset Content", nil, text))},
	{name: "304 with a Content-Type", want: []string{"C48 application"}, app: startsWith("304 Not Modified")},
	{name: "relative Location", want: []string{"C49 application"}, app: startsWith("302 Found", [2]string{"Location", "next?a=b:c"})},
	{name: "204 with a body", want: []string{"D1 application"}, app: app(answers("204 No Content", nil, text))},
	{name: "304 with a body", want: []string{"D1 application"}, app: app(answers("304 Not Modified", nil, text))},
	{name: "204 with a Content-Length", want: []string{"D1 application"},
		app: app(answers("204 No Content", gateway.Headers{{"Content-Length", "0"}}, empty))},
	{name: "swallows the error of a start with a cause", want: []string{"R81 application"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				if yield([]byte("half of it"), nil) {
					_, _ = start("500 Internal Server Error", plain, errBoom)
				}
			}), err
		})},
	{name: "swallows the error of a start in Call", want: []string{"R82 application", "R113 application"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, _ = start("200 OK", plain, nil)
			_, _ = start("200 OK", plain, nil)
			return text(), nil
		})},
	{name: "deals with the error of a start", want: []string{"R65 application"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200", plain, nil)
			if err != nil {
				_, err = start("500 Internal Server Error", plain, err)
			}
			return text(), err
		})},
	{name: "swallows the error of a start in the body", want: []string{"R65 application", "R113 application"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return bodyOf{blocks: func(yield func([]byte, error) bool) {
				_, _ = start("200", plain, nil)
				yield([]byte("a"), nil)
			}}, nil
		})},
	{name: "second start without a cause", want: []string{"R82 application"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, _ = start("200 OK", plain, nil)
			_, err := start("200 OK", plain, nil)
			return nil, err
		})},
	{name: "longer than its length", want: []string{"R85 application"},
		app: app(answers("200 OK", plain.Append("Content-Length", "3"), func() gateway.Body { return yields("ab", "cd") }))},
	{name: "longer than its length, with a Close of its own", want: []string{"R85 application"},
		app: app(answers("200 OK", plain.Append("Content-Length", "3"), func() gateway.Body { return gateway.OnClose(yields("ab", "cd"), func() error { return nil }) }))},
	{name: "writes more than its length", want: []string{"R86 application"}, app: app(writes(plain.Append("Content-Length", "3"), "ab", "cd"))},
	{name: "shorter than its length", want: []string{"R87 application"}, app: app(short)},
	{name: "writer in the body", want: []string{"R102 application"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("200 OK", plain, nil)
			return gateway.Stream(func(yield func([]byte, error) bool) {
				if _, err := io.WriteString(w, "a"); err != nil {
					yield(nil, err)
				}
			}), err
		})},
	{name: "writer after the end", want: []string{"R102 application"}, server: func(app gateway.Application, env *gateway.Environ) {
		respond(app, env)
		_, _ = env.Extra["test.w"].(io.Writer).Write([]byte("a"))
	}, env: changed(func(env *gateway.Environ) { env.Extra = map[string]any{"test.w": nil} }),
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("200 OK", plain, nil)
			env.Extra["test.w"] = w
			return text(), err
		})},
	{name: "writes to a block that the server has", want: []string{"D8 application"},
		server: func(app gateway.Application, env *gateway.Environ) {
			_ = gateway.Respond(app, env, &recorder{during: func([]byte) { env.Extra["test.block"].([]byte)[0] = 'J' }})
		},
		env: changed(func(env *gateway.Environ) { env.Extra = map[string]any{"test.block": []byte("Hello")} }),
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return gateway.Bytes(env.Extra["test.block"].([]byte)), err
		})},
}...)

func hopByHop() (list []wrong) {
	for _, name := range []string{"Connection", "KEEP-ALIVE", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer",
		"Trailers", "Upgrade"} {
		list = append(list, wrong{name: "hop-by-hop " + name, want: []string{"R72 application"},
			app: startsWith("200 OK", [2]string{name, "x"})})
	}
	return list
}

func writes(headers gateway.Headers, parts ...string) gateway.ApplicationFunc {
	return func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", headers, nil)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			if _, err := io.WriteString(w, part); err != nil {
				return nil, err
			}
		}
		return gateway.Bytes(), nil
	}
}

var wrongServers = []wrong{
	{name: "nil Environ", want: []string{"R12 server"}, server: func(app gateway.Application, env *gateway.Environ) {
		_, _ = app.Call(nil, new(toy).start)
	}},
	{name: "nil start", want: []string{"R12 server"}, server: func(app gateway.Application, env *gateway.Environ) { _, _ = app.Call(env, nil) }},
	{name: "nil writer", want: []string{"R14 server"}, server: func(app gateway.Application, env *gateway.Environ) {
		(&toy{onStart: func(*toy, string, gateway.Headers, error) (io.Writer, error) { return nil, nil }}).serve(app, env)
	}},
	{name: "Close twice", want: []string{"R21 server"}, server: misused(func(body gateway.Body) {
		rangeAll(body.Blocks())
		_, _ = body.Close(), body.Close()
	})},
	{name: "Close in the iteration", want: []string{"R21 server"}, app: app(answers("200 OK", plain, abc)), server: misused(func(body gateway.Body) {
		for range body.Blocks() {
			_ = body.Close()
		}
	})},
	{name: "Blocks after Close", want: []string{"R21 server"}, server: misused(func(body gateway.Body) {
		_ = body.Close()
		body.Blocks()
	})},
	{name: "ranges after Close", want: []string{"R21 server"}, server: misused(func(body gateway.Body) {
		seq := body.Blocks()
		_ = body.Close()
		rangeAll(seq)
	})},
	{name: "Blocks twice", want: []string{"R26 server"}, server: misused(func(body gateway.Body) {
		rangeAll(body.Blocks())
		body.Blocks()
		_ = body.Close()
	})},
	{name: "ranges twice", want: []string{"R26 server"}, app: app(answers("200 OK", plain, func() gateway.Body { return yields("a") })),
		server: misused(func(body gateway.Body) {
			seq := body.Blocks()
			rangeAll(seq)
			rangeAll(seq)
			_ = body.Close()
		})},
	{name: "ranges twice, and leaves early the first time", want: []string{"R26 server"}, app: app(answers("200 OK", plain, abc)),
		server: misused(func(body gateway.Body) {
			seq := body.Blocks()
			for range seq {
				break
			}
			rangeAll(seq)
			_ = body.Close()
		})},
	{name: "no method", want: []string{"R28 server"}, env: variable("REQUEST_METHOD", "")},
	{name: "method that is no token", want: []string{"R28 server"}, env: variable("REQUEST_METHOD", "GET /")},
	{name: "no variables", want: []string{"R28 server", "R32 server", "R33 server"}, server: serve, env: changed(func(env *gateway.Environ) { env.Vars = nil })},
	{name: "SCRIPT_NAME without a slash", want: []string{"R29 server"}, env: variable("SCRIPT_NAME", "app")},
	{name: "SCRIPT_NAME that is a slash", want: []string{"R29 server"}, env: variable("SCRIPT_NAME", "/")},
	{name: "PATH_INFO without a slash", want: []string{"R30 server"}, env: variable("PATH_INFO", "hello")},
	{name: "no SERVER_NAME", want: []string{"R32 server"}, env: variable("SERVER_NAME", "")},
	{name: "no SERVER_PORT", want: []string{"R32 server"}, env: variable("SERVER_PORT", "")},
	{name: "SERVER_PORT in words", want: []string{"C24 server"}, env: variable("SERVER_PORT", "http")},
	{name: "no SERVER_PROTOCOL", want: []string{"R33 server"}, env: variable("SERVER_PROTOCOL", "")},
	{name: "negative CONTENT_LENGTH", want: []string{"C10 server"}, env: variable("CONTENT_LENGTH", "-1")},
	{name: "CONTENT_LENGTH in words", want: []string{"C10 server"}, env: variable("CONTENT_LENGTH", "many")},
	{name: "httpoxy", want: []string{"D6 server"}, env: variable("HTTP_PROXY", "http://evil.example")},
	{name: "HTTP_CONTENT_TYPE", want: []string{"D6 server"}, env: variable("HTTP_CONTENT_TYPE", "text/plain")},
	{name: "HTTP_CONTENT_LENGTH", want: []string{"D6 server"}, env: variable("HTTP_CONTENT_LENGTH", "0")},
	{name: "SERVER_NAME with a port", want: []string{"C23 server"}, env: variable("SERVER_NAME", "example.com:80")},
	{name: "SERVER_NAME without brackets", want: []string{"C23 server"}, env: variable("SERVER_NAME", "::1")},
	{name: "SERVER_NAME that is none", want: []string{"C23 server"}, env: variable("SERVER_NAME", "example.com/")},
	{name: "HTTP_HOST that is none", want: []string{"D11 server"}, env: variable("HTTP_HOST", "example.com/x")},
	{name: "REMOTE_ADDR with a port", want: []string{"C17 server"}, env: variable("REMOTE_ADDR", "192.0.2.1:80")},
	{name: "REMOTE_ADDR in brackets", want: []string{"C17 server"}, env: variable("REMOTE_ADDR", "[::1]")},
	{name: "target that is no path", want: []string{"D11 server"}, env: variable("REQUEST_URI", "a:b")},
	{name: "tunnel", want: []string{"D11 server"}, env: variable("REQUEST_METHOD", "CONNECT")},
	{name: "line break in REMOTE_USER", want: []string{"C28 server"}, env: variable("REMOTE_USER", "a\nb")},
	{name: "NUL in any variable", want: []string{"C28 server"}, env: variable("PATH_INFO", "/a\x00b")},
	{name: "line break in a header", want: []string{"C28 server"}, env: variable("HTTP_X_A", "a\r\nb")},
	{name: "no scheme", want: []string{"R43 server"}, env: changed(func(env *gateway.Environ) { env.URLScheme = "" })},
	{name: "unusual scheme", want: []string{"R43 server"}, env: changed(func(env *gateway.Environ) { env.URLScheme = "HTTP" })},
	{name: "nil Input", want: []string{"R44 server"}, server: serve, env: changed(func(env *gateway.Environ) { env.Input = nil })},
	{name: "nil Errors", want: []string{"R45 server"}, server: serve, env: changed(func(env *gateway.Environ) { env.Errors = nil })},
	{name: "concurrent although it says otherwise", want: []string{"R49 server"}, server: concurrent(false), app: readsAll(1, 1)},
	{name: "concurrent under two lints", want: []string{"R49 server"}, app: readsAll(1, 1), server: func(app gateway.Application, env *gateway.Environ) {
		concurrent(false)(new(collector).linter().Application(gateway.ApplicationFunc(
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				return app.Call(env, start)
			})), env)
	}},
	{name: "value of its own without an owner", want: []string{"R53 server"},
		env: changed(func(env *gateway.Environ) { env.Extra = map[string]any{"role": 1} })},
	{name: "value of its own in upper case", want: []string{"R53 server"},
		env: changed(func(env *gateway.Environ) { env.Extra = map[string]any{"Test.role": 1} })},
	{name: "Read returns more than it was given", want: []string{"R54 server"}, app: readsAll(1, 1),
		env: inputOf(func(p []byte) (int, error) { return len(p) + 1, nil })},
	{name: "Read returns less than nothing", want: []string{"R54 server"}, app: readsAll(1, 1),
		env: inputOf(func(p []byte) (int, error) { return -1, nil })},
	// package bufio gives up
	{name: "Read returns nothing a hundred times", want: []string{"R54 server"}, app: readsAll(1, 100),
		env: inputOf(func(p []byte) (int, error) { return 0, nil })},
	{name: "Errors takes half and says nothing", want: []string{"R54 server"},
		env: changed(func(env *gateway.Environ) {
			env.Errors = writerFunc(func(p []byte) (int, error) { return len(p) / 2, nil })
		}),
		app: app(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, _ = io.WriteString(env.Errors, "hello\n")
			return hello(env, start)
		})},
	{name: "Input longer than CONTENT_LENGTH", want: []string{"R55 server"}, app: readsAll(100, 2), env: func() *gateway.Environ {
		env := withInput("four")
		env.Input = strings.NewReader("fours")
		return env
	}},
	{name: "clean end of half a body", want: []string{"D5 server"}, app: readsAll(100, 2), env: func() *gateway.Environ {
		env := withInput("four")
		env.Input = strings.NewReader("fou")
		return env
	}},
	{name: "more after the end", want: []string{"R58 server"}, app: readsAll(1, 3), env: func() *gateway.Environ {
		results := []error{io.EOF, nil, io.EOF}
		return inputOf(func(p []byte) (int, error) {
			err := results[0]
			results = results[1:]
			if err == nil {
				return 1, nil
			}
			return 0, err
		})()
	}},
	{name: "start changes the headers", want: []string{"R67 server"}, server: func(app gateway.Application, env *gateway.Environ) {
		(&toy{onStart: func(t *toy, _ string, headers gateway.Headers, _ error) (io.Writer, error) {
			headers[0][0] = strings.ToLower(headers[0][0])
			return t, nil
		}}).serve(app, env)
	}},
	{name: "keeps the headers and changes them", want: []string{"R67 server"}, server: func(app gateway.Application, env *gateway.Environ) {
		var kept gateway.Headers
		(&toy{onStart: func(t *toy, _ string, headers gateway.Headers, _ error) (io.Writer, error) {
			kept = headers
			return t, nil
		}, onBlock: func([]byte) { kept[0][1] = "text/html" }}).serve(app, env)
	}},
	{name: "takes a hop-by-hop header", want: []string{"R72 application", "R73 server"}, server: serve,
		app: startsWith("200 OK", [2]string{"Upgrade", "websocket"})},
	{name: "takes a transfer coding", want: []string{"R68 application", "R91 application", "R73 server"}, server: serve,
		app: startsWith("200 OK", [2]string{"Transfer-Encoding", "gzip"}, [2]string{"X A", "b"})},
	{name: "takes a malformed header", want: []string{"R68 application", "R74 server"}, server: serve, app: startsWith("200 OK", [2]string{"X A", "b"})},
	{name: "takes a malformed status", want: []string{"R65 application", "R74 server"}, server: serve, app: startsWith("200")},
	{name: "takes a second start", want: []string{"R82 application", "R83 server"}, server: func(app gateway.Application, env *gateway.Environ) {
		(&toy{onStart: func(t *toy, _ string, _ gateway.Headers, _ error) (io.Writer, error) { return t, nil }}).serve(app, env)
	}, app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, _ = start("200 OK", plain, nil)
		_, err := start("200 OK", plain, nil)
		return text(), err
	})},
	{name: "takes a start after the head", want: []string{"R80 server"}, server: func(app gateway.Application, env *gateway.Environ) {
		(&toy{onStart: func(t *toy, _ string, _ gateway.Headers, _ error) (io.Writer, error) { return t, nil }}).serve(app, env)
	}, app: app(failsLate)},
	{name: "takes a start after the writer", want: []string{"R80 server"}, server: func(app gateway.Application, env *gateway.Environ) {
		(&toy{onStart: func(t *toy, _ string, _ gateway.Headers, _ error) (io.Writer, error) { return t, nil }}).serve(app, env)
	}, app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, _ := start("200 OK", plain, nil)
		_, _ = w.Write(nil)
		_, err := start("500 Internal Server Error", plain, errBoom)
		return text(), err
	})},
	{name: "loses the cause", want: []string{"R80 server"}, server: func(app gateway.Application, env *gateway.Environ) {
		(&toy{onStart: func(t *toy, _ string, _ gateway.Headers, _ error) (io.Writer, error) {
			if t.sent {
				return t, gateway.ErrHeadersSent
			}
			return t, nil
		}}).serve(app, env)
	}, app: app(failsLate)},
	{name: "writer that takes half", want: []string{"R99 server"}, app: app(writes(plain, "hello")),
		server: func(app gateway.Application, env *gateway.Environ) {
			(&toy{onWrite: func(p []byte) (int, error) { return len(p) / 2, nil }}).serve(app, env)
		}},
	{name: "writer that takes too much", want: []string{"R99 server"}, app: app(writes(plain, "hello")),
		server: func(app gateway.Application, env *gateway.Environ) {
			(&toy{onWrite: func(p []byte) (int, error) { return len(p) + 1, nil }}).serve(app, env)
		}},
	{name: "writer that changes what it is given", want: []string{"D8 server"}, app: app(writes(plain, "hello")),
		server: func(app gateway.Application, env *gateway.Environ) {
			(&toy{onWrite: func(p []byte) (int, error) { p[0] = 'j'; return len(p), nil }}).serve(app, env)
		}},
	{name: "changes a block", want: []string{"D8 server"}, server: func(app gateway.Application, env *gateway.Environ) {
		(&toy{onBlock: func(block []byte) { block[0] = 'J' }}).serve(app, env)
	}},
}

// failsLate meets an error after the head was sent. It calls start with the cause, and passes on
// the error of start.
func failsLate(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		if !yield([]byte("half of it"), nil) {
			return
		}
		if _, err := start("500 Internal Server Error", plain, errBoom); err != nil {
			yield(nil, err)
		}
	}), err
}

// failsHalfway yields an error after its first block.
func failsHalfway(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", plain, nil)
	return gateway.Stream(func(yield func([]byte, error) bool) {
		if yield([]byte("half of it"), nil) {
			yield(nil, errBoom)
		}
	}), err
}

// endsQuietly returns a body that ends where the given body fails.
func endsQuietly(body gateway.Body) gateway.Body {
	return bodyOf{func(yield func([]byte, error) bool) {
		for block, err := range body.Blocks() {
			if err != nil || !yield(block, nil) {
				return
			}
		}
	}, body.Close}
}

// concurrent returns a server that makes a second request while the first is in Call.
func concurrent(multithread bool) server {
	return func(app gateway.Application, env *gateway.Environ) {
		env.Multithread = multithread
		second := make(chan struct{})
		env.Input = readerFunc(func([]byte) (int, error) { // the first request is in Call
			go func() {
				defer close(second)
				other := environ("GET")
				other.Multithread = multithread
				serve(app, other)
			}()
			<-second
			return 0, io.EOF
		})
		serve(gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return app.Call(env, start)
		}), env)
	}
}

// through returns a middleware that returns what f makes of the inner body. *w is the writer of the
// last start.
func through(f func(body gateway.Body, w *io.Writer) (gateway.Body, error)) gateway.Middleware {
	return func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w := new(io.Writer)
			body, err := app.Call(env, func(status string, headers gateway.Headers, cause error) (_ io.Writer, err error) {
				*w, err = start(status, headers, cause)
				return *w, err
			})
			if err != nil || body == nil {
				return body, err
			}
			return f(body, w)
		})
	}
}

// before returns a middleware that calls f before the application.
func before(f func(env *gateway.Environ)) gateway.Middleware {
	return func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			env = env.Clone()
			f(env)
			return app.Call(env, start)
		})
	}
}

func abc() gateway.Body { return yields("a", "b", "c") }

var wrongMiddleware = []wrong{
	{name: "joins blocks", want: []string{"R94 middleware"}, app: app(answers("200 OK", plain, abc)),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return bodyOf{func(yield func([]byte, error) bool) {
				var all []byte
				for block := range body.Blocks() {
					all = append(all, block...)
				}
				yield(all, nil)
			}, body.Close}, nil
		})},
	{name: "holds a block until the next comes", want: []string{"R94 middleware"}, app: app(answers("200 OK", plain, abc)),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return bodyOf{func(yield func([]byte, error) bool) {
				var last []byte
				for block := range body.Blocks() {
					if last != nil && !yield(last, nil) {
						return
					}
					last = append([]byte(nil), block...)
				}
				yield(last, nil)
			}, body.Close}, nil
		})},
	{name: "swallows blocks", want: []string{"R95 middleware"}, app: app(answers("200 OK", plain, abc)),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return bodyOf{func(yield func([]byte, error) bool) { rangeAll(body.Blocks()) }, body.Close}, nil
		})},
	{name: "ranges the body in Call", want: []string{"R96 middleware"}, app: app(answers("200 OK", plain, abc)),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			var all []byte
			for block := range body.Blocks() {
				all = append(all, block...)
			}
			return gateway.Bytes(all), body.Close()
		})},
	{name: "writes the blocks", want: []string{"R96 middleware", "R97 middleware"}, app: app(answers("200 OK", plain, abc)),
		mw: through(func(body gateway.Body, w *io.Writer) (gateway.Body, error) {
			for block := range body.Blocks() {
				if _, err := (*w).Write(block); err != nil {
					return nil, err
				}
			}
			return gateway.Bytes(), body.Close()
		})},
	{name: "writes the blocks from its own body", want: []string{"R102 middleware", "R97 middleware"},
		app: app(answers("200 OK", plain, abc)),
		mw: through(func(body gateway.Body, w *io.Writer) (gateway.Body, error) {
			return bodyOf{func(yield func([]byte, error) bool) {
				for block := range body.Blocks() {
					if _, err := (*w).Write(block); err != nil {
						yield(nil, err)
						return
					}
				}
			}, body.Close}, nil
		})},
	{name: "loses Close", want: []string{"R21 middleware"},
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) { return gateway.Stream(body.Blocks()), nil })},
	{name: "fails and does not close", want: []string{"R21 middleware"},
		mw: through(func(gateway.Body, *io.Writer) (gateway.Body, error) { return nil, errBoom })},
	{name: "closes twice", want: []string{"R21 middleware"},
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return gateway.OnClose(body, body.Close), nil
		})},
	{name: "swallows an error of the body", want: []string{"D2 middleware"}, app: app(failsHalfway),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) { return endsQuietly(body), nil })},
	{name: "swallows an error of a start that came late", want: []string{"R81 middleware"}, app: app(failsLate),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) { return endsQuietly(body), nil })},
	{name: "swallows an error of the first step", want: []string{"D2 middleware"},
		app: app(answers("200 OK", plain, func() gateway.Body {
			return gateway.Stream(func(yield func([]byte, error) bool) { yield(nil, errBoom) })
		})),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) { return endsQuietly(body), nil })},
	{name: "swallows an error of Call", want: []string{"D2 middleware"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			_, err := start("200 OK", plain, nil)
			return nil, errors.Join(err, errBoom)
		}), mw: func(app gateway.Application) gateway.Application {
			return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				if body, err := app.Call(env, start); err == nil {
					return body, nil
				}
				return text(), nil
			})
		}},
	{name: "breaks the path", want: []string{"R30 middleware"}, mw: before(func(env *gateway.Environ) { env.Vars["PATH_INFO"] = "hello" })},
	{name: "loses the method", want: []string{"R28 middleware"}, mw: before(func(env *gateway.Environ) { delete(env.Vars, "REQUEST_METHOD") })},
	{name: "replaces Input and not its length", want: []string{"D5 middleware"}, app: readsAll(100, 2),
		env: func() *gateway.Environ { return withInput("a longer body") },
		mw:  before(func(env *gateway.Environ) { env.Input = strings.NewReader("short") })},
	{name: "adds a hop-by-hop header", want: []string{"R72 middleware"}, mw: func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return app.Call(env, func(status string, headers gateway.Headers, cause error) (io.Writer, error) {
				return start(status, headers.Append("Keep-Alive", "timeout=5"), cause)
			})
		})
	}},
	{name: "changes the content and not its length", want: []string{"R85 middleware"},
		app: app(answers("200 OK", plain.Append("Content-Length", "3"), abc)),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return gateway.Map(body, func(block []byte) []byte { return append(block, block...) }), nil
		})},
	{name: "maps in place", want: []string{"D8 middleware"}, app: app(answers("200 OK", plain, abc)),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return gateway.Map(body, func(block []byte) []byte {
				block[0] = 'J'
				return block
			}), nil
		})},
	{name: "writes to a block of the application", want: []string{"D8 middleware"},
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return bodyOf{func(yield func([]byte, error) bool) {
				for block, err := range body.Blocks() {
					block[0] = 'J'
					if !yield(block, err) {
						return
					}
				}
			}, body.Close}, nil
		})},
	{name: "keeps a block while it yields an empty one", want: []string{"D8 middleware"}, app: app(answers("200 OK", plain, abc)),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return bodyOf{func(yield func([]byte, error) bool) {
				var kept []byte
				for block, err := range body.Blocks() {
					if kept = block; err != nil || !yield(nil, err) { // R94
						return
					}
				}
				yield(kept, nil)
			}, body.Close}, nil
		})},
	{name: "is one block behind", want: []string{"D8 middleware"}, app: app(answers("200 OK", plain, abc)),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return bodyOf{func(yield func([]byte, error) bool) {
				var last []byte
				for block, err := range body.Blocks() {
					if err != nil || !yield(last, nil) {
						return
					}
					last = block
				}
				yield(last, nil)
			}, body.Close}, nil
		})},
	{name: "appends to a block that it kept", want: []string{"D8 middleware"},
		app: app(answers("200 OK", plain, func() gateway.Body { return yields("one,", "two,", "three") })),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return bodyOf{func(yield func([]byte, error) bool) {
				var kept []byte
				for block, err := range body.Blocks() {
					joined := append(kept[:len(kept):len(kept)], block...)
					if kept == nil {
						kept, joined = block, nil
					}
					if err != nil || !yield(joined, nil) {
						return
					}
				}
			}, body.Close}, nil
		})},
	{name: "copies a block when it is too late", want: []string{"D8 middleware"},
		app: app(answers("200 OK", plain, func() gateway.Body { return yields("the first one", "the second one") })),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) {
			return bodyOf{func(yield func([]byte, error) bool) {
				var kept [][]byte
				for block, err := range body.Blocks() {
					if kept = append(kept, block); err != nil || !yield(nil, err) {
						return
					}
				}
				yield(append([]byte("<"), bytes.Join(kept, nil)...), nil)
			}, body.Close}, nil
		})},
	{name: "calls with nil", want: []string{"R12 middleware"}, mw: func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return app.Call(env, nil)
		})
	}},
	{name: "passes on what the application did", want: []string{"R72 application"}, app: startsWith("200 OK", [2]string{"TE", "x"}),
		mw: through(func(body gateway.Body, _ *io.Writer) (gateway.Body, error) { return body, nil })},
	{name: "keeps a malformed head for later", want: []string{"R72 application"}, app: startsWith("200 OK", [2]string{"TE", "x"}), mw: startsLate},
	{name: "passes on an early block", want: []string{"R23 application"},
		app: app(func(*gateway.Environ, gateway.StartResponse) (gateway.Body, error) { return text(), nil }),
		mw:  gateway.Chain()},
	{name: "passes on a wrong length", want: []string{"R87 application"}, app: app(short), mw: gateway.Chain()},
	{name: "lets the application read on past the end", want: []string{"R56 application"}, app: readsAll(1, 9), mw: gateway.Chain()},
	{name: "reads on past the end before the application", want: []string{"R56 middleware"},
		mw: before(func(env *gateway.Environ) {
			for range 5 {
				_, _ = io.ReadAll(env.Input)
			}
		})},
	{name: "passes on what the server did", want: []string{"C24 server"}, env: variable("SERVER_PORT", "http"), mw: gateway.Chain()},
	{name: "lets the application write late", want: []string{"R102 application"},
		app: app(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			w, err := start("200 OK", plain, nil)
			return bodyOf{blocks: func(yield func([]byte, error) bool) {
				_ = yield([]byte("a"), nil) && yield([]byte("b"), nil)
				if _, err := io.WriteString(w, "c"); err != nil {
					yield(nil, err)
				}
			}}, err
		}), mw: gateway.Chain()},
}

func TestEachMistakeIsFoundAndNothingElse(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, c := range slices.Concat(wrongApplications, wrongServers, wrongMiddleware) {
		if seen[c.name] {
			t.Errorf("two cases are called %q", c.name)
		}
		seen[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			var got collector
			c.run(got.linter())
			found := got.findings()
			slices.Sort(found)
			want := slices.Sorted(slices.Values(c.want))
			if !slices.Equal(found, want) {
				t.Errorf("found%s\nwant %q", got.texts(), want)
			}
			for _, f := range got.list {
				sentence := "; the rule: " + strings.TrimSuffix(rules.Get(f.Rule).Text, ".")
				if seen, ok := strings.CutSuffix(f.Text, sentence); !ok || seen == "" || strings.Contains(f.Text, "\n") {
					t.Errorf("the text is %q, want what was seen and %q", f.Text, sentence)
				}
				if f.Place == "" {
					t.Error("the finding has no place")
				}
			}
		})
	}
}

func (c wrong) run(l validate.Linter) {
	app, serve, env := c.app, c.server, c.env
	if app == nil {
		app = gateway.ApplicationFunc(hello)
	}
	if serve == nil {
		serve = respond
	}
	if env == nil {
		env = func() *gateway.Environ { return environ("GET") }
	}
	if c.mw != nil {
		app = l.Middleware(c.mw)(app)
	} else {
		app = l.Application(app)
	}
	serve(app, env())
}

// TestBodyThatIsNeverClosedIsFound also checks that the finding names the place that called the
// application.
func TestBodyThatIsNeverClosedIsFound(t *testing.T) {
	t.Parallel()
	for name, lint := range map[string]func(l validate.Linter) gateway.Application{
		"application": func(l validate.Linter) gateway.Application { return l.Application(gateway.ApplicationFunc(hello)) },
		"middleware that is not under the lint": func(l validate.Linter) gateway.Application {
			return l.Application(gateway.ApplicationFunc(hello))
		},
		"middleware": func(l validate.Linter) gateway.Application {
			return l.Middleware(gateway.Chain())(gateway.ApplicationFunc(hello))
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := make(chan validate.Finding, 10)
			linted := lint(validate.Linter{Report: func(f validate.Finding) { found <- f }})
			place := "validate_test.forgetsToClose wrong_test.go:"
			if name == "middleware that is not under the lint" {
				place = "losesClose."
				respond(losesClose(linted), environ("GET"))
			} else {
				forgetsToClose(linted)
			}
			deadline := time.After(20 * time.Second)
			for {
				runtime.GC()
				select {
				case f := <-found:
					if f.Rule != "R21" || f.Side != validate.SideServer || !strings.Contains(f.Place, place) {
						t.Errorf("found %s", f)
					}
					return
				case <-deadline:
					t.Fatal("not found")
				case <-time.After(time.Millisecond): // the runtime reports on a goroutine of its own
				}
			}
		})
	}
}

// losesClose is a middleware with a common mistake: the body that it returns does not close the
// inner body.
func losesClose(app gateway.Application) gateway.Application {
	return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		body, err := app.Call(env, start)
		return gateway.Stream(body.Blocks()), err
	})
}

//go:noinline
func forgetsToClose(app gateway.Application) {
	s := &toy{finish: func(body gateway.Body) { rangeAll(body.Blocks()) }}
	s.serve(app, environ("GET"))
}

// TestForgottenBodyIsReportedToTheNextRequest checks a body that is never closed under a lint
// without a Report.
func TestForgottenBodyIsReportedToTheNextRequest(t *testing.T) {
	t.Parallel()
	app := validate.Application(gateway.ApplicationFunc(hello))
	forgetsToClose(app)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		runtime.GC()
		var log strings.Builder
		env := environ("GET")
		env.Errors = &log
		respond(app, env)
		if strings.HasPrefix(log.String(), "validate: R21 server: ") {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("not found")
}

// TestKeptBlocksArePoisoned checks that a server which keeps blocks has garbage, so that its own
// tests can see it.
func TestKeptBlocksArePoisoned(t *testing.T) {
	t.Parallel()
	var got collector
	var kept [][]byte
	source := []byte("Hello")
	keeper := &toy{onBlock: func(block []byte) { kept = append(kept, block) },
		onWrite: func(p []byte) (int, error) { kept = append(kept, p); return len(p), nil }}
	keeper.serve(got.linter().Application(gateway.ApplicationFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", plain, nil)
		_, _ = w.Write(source)
		return gateway.Bytes(source, source), err
	})), environ("GET"))
	if len(kept) != 3 {
		t.Fatalf("kept %d blocks", len(kept))
	}
	for i, block := range kept {
		if string(block) != "\xDB\xDB\xDB\xDB\xDB" {
			t.Errorf("kept block %d is %q", i, block)
		}
	}
	if string(source) != "Hello" {
		t.Errorf("the application's own block is %q", source)
	}
	if len(got.list) != 0 {
		t.Errorf("found%s", got.texts())
	}
}

// TestEveryRequestIsChecked checks that the lint finds a fault as often as it is made.
func TestEveryRequestIsChecked(t *testing.T) {
	t.Parallel()
	var got collector
	linted := got.linter().Application(gateway.ApplicationFunc(hello))
	for range 600 {
		respond(linted, environ("GET"))
		respond(linted, variable("HTTP_X_A", "a\nb")())
	}
	if n := len(got.findings()); n != 600 {
		t.Errorf("found in %d requests, want 600", n)
	}
}

// TestFaultyCallsArePassedOn checks that the lint reports a faulty call and does not prevent it.
func TestFaultyCallsArePassedOn(t *testing.T) {
	t.Parallel()
	closes, ranges := 0, 0
	linted := new(collector).linter().Application(app(answers("200 OK", plain, func() gateway.Body {
		return bodyOf{func(func([]byte, error) bool) { ranges++ }, func() error { closes++; return nil }}
	})))
	misused(func(body gateway.Body) {
		seq := body.Blocks()
		rangeAll(seq)
		rangeAll(seq)
		_, _ = body.Close(), body.Close()
	})(linted, environ("GET"))
	if closes != 2 || ranges != 2 {
		t.Errorf("%d calls of Close and %d iterations, want 2 and 2", closes, ranges)
	}
}

func TestReportedOncePerRequest(t *testing.T) {
	t.Parallel()
	var got collector
	linted := got.linter().Application(startsWith("200 OK", [2]string{"TE", "x"}, [2]string{"Upgrade", "x"}))
	for range 3 {
		respond(linted, environ("GET"))
	}
	if want := []string{"R72 application", "R72 application", "R72 application"}; !slices.Equal(got.findings(), want) {
		t.Errorf("found%s", got.texts())
	}
}

// TestNilIsAnErrorOfCall checks that without an Environ, and so without a log, the error of Call
// has the finding.
func TestNilIsAnErrorOfCall(t *testing.T) {
	t.Parallel()
	_, err := validate.Application(gateway.ApplicationFunc(hello)).Call(nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "validate: R12 server: ") {
		t.Errorf("Call returned %v", err)
	}
}
