package validate_test

import (
	"fmt"
	"io"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/cgi"
	"example.com/gateway/validate"
)

// A program puts its application under the lint while the application is developed. The findings go
// to the log, which is stdout here.
func ExampleApplication() {
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Length", "20"}, {"Content-Type", "text/plain"}}, nil)
		return gateway.Text("Hello World !\n"), err
	})
	program := cgi.Program{Env: []string{"REQUEST_METHOD=GET"}, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: firstLine{os.Stdout}}
	_ = program.Run(validate.Application(app))
	// Output:
	// validate: R87 application: Content-Length is 20, and there were 14 bytes; the rule: A body shorter than its Content-Length is reported, and the server breaks the response so that the client can tell
}

// A test collects the findings.
func ExampleLinter() {
	linter := validate.Linter{Report: func(f validate.Finding) {
		fmt.Println(f.Rule, "was broken by the", f.Side)
	}}
	app := linter.Application(gateway.ApplicationFunc(
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return gateway.Text("Hello World !\n"), nil
		}))
	_ = cgiProgram().Run(app)
	// Output:
	// R23 was broken by the application
}

// A middleware that joins all blocks into one stops a stream.
func ExampleLinter_Middleware() {
	joins := func(app gateway.Application) gateway.Application {
		return gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			body, err := app.Call(env, start)
			if err != nil || body == nil {
				return body, err
			}
			return gateway.OnClose(gateway.Stream(func(yield func([]byte, error) bool) {
				var all []byte
				for block, err := range body.Blocks() {
					if err != nil {
						yield(nil, err)
						return
					}
					all = append(all, block...) // the mistake: no yield(nil, nil) follows
				}
				yield(all, nil)
			}), body.Close), nil
		})
	}
	linter := validate.Linter{Report: func(f validate.Finding) { fmt.Println(f.Rule, f.Side) }}
	_ = cgiProgram().Run(linter.Middleware(joins)(gateway.ApplicationFunc(hello)))
	// Output:
	// R94 middleware
}

func cgiProgram() *cgi.Program {
	return &cgi.Program{Env: []string{"REQUEST_METHOD=GET"}, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard}
}

// A firstLine writes the findings alone, without their places, which have line numbers of this file.
type firstLine struct{ w io.Writer }

func (f firstLine) Write(p []byte) (int, error) {
	if text, _, found := strings.Cut(string(p), " ("); found && strings.HasPrefix(text, "validate: ") {
		_, _ = io.WriteString(f.w, text+"\n")
	}
	return len(p), nil
}
