package gatewaytest_test

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// greet is an application like any other.
func greet(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	headers := gateway.Headers{{"Content-Type", "text/plain"}}
	if env.Vars["REQUEST_METHOD"] != "POST" {
		_, err := start(gateway.Status(405), headers.Append("Allow", "POST"), nil)
		return gateway.Text("Send your name.\n"), err
	}
	form, err := io.ReadAll(io.LimitReader(env.Input, 1<<16))
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(string(form))
	if err != nil {
		_, err = start(gateway.Status(400), headers, nil)
		return gateway.Text("That is no form.\n"), err
	}
	_, err = start(gateway.Status(200), headers, nil)
	return gateway.Text("Hello " + values.Get("name") + " from " + env.Header("X-From") + " !\n"), err
}

// A request, and what the application answers.
func ExampleRecord() {
	env := gatewaytest.NewEnviron("POST", "/greet", strings.NewReader("name=Ph%20J"))
	env.Vars["HTTP_X_FROM"] = "a test"

	r := gatewaytest.Record(gateway.ApplicationFunc(greet), env)
	fmt.Println(r.Status)
	fmt.Println(r.Headers.Get("Content-Length"))
	fmt.Print(r.Body())
	// Output:
	// 200 OK
	// 25
	// Hello Ph J from a test !
}

// What went through the writer, what was yielded, and what was logged are kept apart.
func ExampleResponse() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		w, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(w, "written")
		fmt.Fprintln(env.Errors, "a line in the log")
		return gateway.Bytes([]byte("a block"), []byte("another")), nil
	}
	r := gatewaytest.Record(gateway.ApplicationFunc(app), gatewaytest.NewEnviron("GET", "/", nil))
	fmt.Printf("%q\n%q\n%q\nclosed %d time, error %v\n", r.Written, r.Blocks, r.Errors, r.Closes, r.Err)
	// Output:
	// "written\n"
	// ["a block" "another"]
	// "a line in the log\n"
	// closed 1 time, error <nil>
}

// An application that fails: the client gets a page without detail, the log gets the error.
func ExampleRecord_failure() {
	app := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		return nil, fmt.Errorf("no database")
	}
	r := gatewaytest.Record(gateway.ApplicationFunc(app), gatewaytest.NewEnviron("GET", "/", nil))
	fmt.Print(r.Code(), " ", r.Body(), r.Errors)
	// Output:
	// 500 500 Internal Server Error
	// gateway: GET /: no database
}

// An absolute URL makes a request to that host.
func ExampleNewEnviron() {
	env := gatewaytest.NewEnviron("GET", "https://[2001:db8::1]:8443/caf%C3%A9?q=1", nil)
	for _, name := range []string{"HTTPS", "HTTP_HOST", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "SERVER_NAME",
		"SERVER_PORT"} {
		fmt.Println(name, env.Vars[name])
	}
	fmt.Println(env.URL())
	// Output:
	// HTTPS on
	// HTTP_HOST [2001:db8::1]:8443
	// PATH_INFO /café
	// QUERY_STRING q=1
	// REQUEST_URI /caf%C3%A9?q=1
	// SERVER_NAME [2001:db8::1]
	// SERVER_PORT 8443
	// https://[2001:db8::1]:8443/caf%C3%A9?q=1
}

// One line proves that the application takes every failure of a server as it should. This is the
// body of a test:
//
//	func TestGreetSurvives(t *testing.T) { ... }
func ExampleTestApplication() {
	var t *testing.T // the test's

	if t != nil { // for an example has none
		gatewaytest.TestApplication(t, gateway.ApplicationFunc(greet),
			gatewaytest.NewEnviron("GET", "/greet", nil),
			gatewaytest.NewEnviron("POST", "/greet", strings.NewReader("name=Ph%20J")))
	}
	// Output:
}

func TestGreetSurvives(t *testing.T) {
	gatewaytest.TestApplication(t, gateway.ApplicationFunc(greet),
		gatewaytest.NewEnviron("GET", "/greet", nil),
		gatewaytest.NewEnviron("POST", "/greet", strings.NewReader("name=Ph%20J")))
}
