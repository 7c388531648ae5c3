package cgi_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/cgi"
)

// A CGI program is an application and these three lines.
func ExampleRun() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text("Hello World !\n"), err
	}
	if err := cgi.Run(gateway.ApplicationFunc(app)); err != nil {
		os.Exit(1)
	}
}

// A Program with its fields set serves a request in memory.
func ExampleProgram() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", gateway.Headers{{"X-Powered-By", "gateway"}, {"Content-Type", "text/plain"}}, nil)
		return gateway.Text("Hello " + env.Vars["QUERY_STRING"] + " !\n"), err
	}
	var out bytes.Buffer
	program := &cgi.Program{
		Env:    []string{"REQUEST_METHOD=GET", "QUERY_STRING=World"},
		Stdin:  strings.NewReader(""),
		Stdout: &out,
		Stderr: os.Stderr,
	}
	if err := program.Run(gateway.ApplicationFunc(app)); err != nil {
		fmt.Println(err)
	}
	fmt.Print(strings.ReplaceAll(out.String(), "\r\n", "\n"))
	// Output:
	// Status: 200 OK
	// Content-Type: text/plain
	// X-Powered-By: gateway
	// Content-Length: 14
	//
	// Hello World !
}

// A request that no application should see is answered all the same.
func ExampleProgram_Run() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		panic("not called")
	}
	var out, log bytes.Buffer
	program := &cgi.Program{
		Env:    []string{"REQUEST_METHOD=POST", "CONTENT_LENGTH=5, 5"},
		Stdin:  strings.NewReader("12345"),
		Stdout: &out,
		Stderr: &log,
	}
	if err := program.Run(gateway.ApplicationFunc(app)); err != nil {
		fmt.Println(err)
	}
	fmt.Print(strings.ReplaceAll(out.String(), "\r\n", "\n"))
	fmt.Print(log.String())
	// Output:
	// Status: 400 Bad Request
	// Content-Type: text/plain
	// Content-Length: 16
	//
	// 400 Bad Request
	// gateway: POST: malformed request: CONTENT_LENGTH is not a length
}

// A program whose log is a file of its own, where the host has no log that can be read.
func ExampleProgram_stderr() {
	app := gateway.ApplicationFunc(func(
		_ *gateway.Environ, start gateway.StartResponse,
	) (gateway.Body, error) {
		headers := gateway.Headers{{"Content-Type", "text/plain"}}
		return start.Answer(200, headers, gateway.Text("Hello World !\n"))
	})
	file, err := os.OpenFile("/home/you/app.log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		os.Exit(1)
	}
	program := &cgi.Program{Stderr: file} // all else is the process's
	if err := program.Run(app); err != nil {
		os.Exit(1)
	}
}
