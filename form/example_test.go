package form_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"example.com/gateway"
	"example.com/gateway/form"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/request"
)

func ExampleQuery() {
	search := func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		query, err := form.Query(env)
		if err != nil {
			return request.Refuse(err).Call(env, start) // 400 Bad Request
		}
		_, err = start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
		return gateway.Text(fmt.Sprintf("%s in %q", query.Get("q"), query["in"])), err
	}
	for _, target := range []string{"/?q=caf%C3%A9&in=names&in=places", "/?q=100%"} {
		r := gatewaytest.Record(gateway.ApplicationFunc(search), gatewaytest.NewEnviron("GET",
			target, nil))
		fmt.Println(r.Code(), strings.TrimSpace(r.Body()))
	}
	// Output:
	// 200 café in ["names" "places"]
	// 400 400 Bad Request
}

func ExampleParse() {
	env := gatewaytest.NewEnviron("POST", "/",
		strings.NewReader("name=Phillip+J.&topic=go&topic=cgi"))
	env.Vars["CONTENT_TYPE"] = "application/x-www-form-urlencoded"

	values, err := form.Parse(env, form.Limits{MaxBytes: 64 << 10})
	fmt.Println(values.Get("name"), values["topic"], err)
	// Output:
	// Phillip J. [go cgi] <nil>
}

// An application that stores files must be able to take them back: the form may be cut short behind
// a file.
func ExampleParts() {
	const body = "--x\r\n" +
		"Content-Disposition: form-data; name=\"title\"\r\n\r\n" +
		"My holidays\r\n" +
		"--x\r\n" +
		"Content-Disposition: form-data; name=\"photo\"; filename=\"C:\\beach.jpg\"\r\n" +
		"Content-Type: image/jpeg\r\n\r\n" +
		"(a jpeg)\r\n" +
		"--x--\r\n"
	env := gatewaytest.NewEnviron("POST", "/", strings.NewReader(body))
	env.Vars["CONTENT_TYPE"] = "multipart/form-data; boundary=x"

	for part, err := range form.Parts(env, form.Limits{MaxBytes: 100 << 20}) {
		if err != nil {
			fmt.Println(err) // return request.Refuse(err).Call(env, start)
			return
		}
		switch part.Name {
		case "title":
			title, _ := part.Value() // the loop yields the error, if there is one
			fmt.Println("the title is", title)
		case "photo":
			n, err := io.Copy(io.Discard, part)
			if err != nil && part.Err() == nil {
				fmt.Println("the file cannot be written:", err)
				return
			}
			fmt.Println(part.FileName, part.Header.Get("Content-Type"), n, "bytes")
		}
	}
	fmt.Println("the form is whole")
	// Output:
	// the title is My holidays
	// beach.jpg image/jpeg 8 bytes
	// the form is whole
}

// The error of a form says what is wrong, and where.
func ExampleParts_errors() {
	for _, body := range []string{
		"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nvalue\r\n",
		"--x\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--x--\r\n",
		"--x\r\nContent-Disposition: form-data; name=a\r\n\r\na long value\r\n--x--\r\n",
	} {
		env := gatewaytest.NewEnviron("POST", "/", strings.NewReader(body))
		env.Vars["CONTENT_TYPE"] = "multipart/form-data; boundary=x"
		for _, err := range form.Parts(env, form.Limits{MaxFieldBytes: 9}) {
			if err != nil {
				r := gatewaytest.Record(request.Refuse(err), env)
				fmt.Println(r.Code(), err)
				fmt.Println("cut short:", errors.Is(err, io.ErrUnexpectedEOF))
			}
		}
	}
	// Output:
	// 400 gateway: malformed request: form: part 1 "a": the form was cut short: unexpected EOF
	// cut short: true
	// 400 gateway: malformed request: form: part 1: Content-Disposition: there is no name
	// cut short: false
	// 413 gateway: request has too large a body: form: part 1 "a" passes Limits.MaxFieldBytes, 9
	// cut short: false
}

func ExampleCookie() {
	env := gatewaytest.NewEnviron("GET", "/", nil)
	env.Vars["HTTP_COOKIE"] = `__Host-session=V2FsZG8; theme="dark"`

	fmt.Println(form.Cookie(env, "__Host-session"))
	fmt.Println(form.Cookie(env, "theme"))
	// Output:
	// V2FsZG8
	// dark
}

func ExampleCookies() {
	env := gatewaytest.NewEnviron("GET", "/", nil)
	env.Vars["HTTP_COOKIE"] = "a=1; no cookie; b=2"

	for name, value := range form.Cookies(env) {
		fmt.Println(name, value)
	}
	// Output:
	// a 1
	// b 2
}

func ExampleSetCookie_Encode() {
	session, err := form.SetCookie{
		Name:     "__Host-session",
		Value:    "V2FsZG8",
		Path:     "/",
		MaxAge:   8 * time.Hour,
		HttpOnly: true,
		Secure:   true,
		SameSite: "Lax",
	}.Encode()
	headers := gateway.Headers{{"Location", "/"}}.Append("Set-Cookie", session)
	fmt.Println(headers.Get("Set-Cookie"), err)

	_, err = form.SetCookie{Name: "__Host-session", Value: "V2FsZG8", Secure: true}.Encode()
	fmt.Println(err)
	// Output:
	// __Host-session=V2FsZG8; Path=/; Max-Age=28800; HttpOnly; Secure; SameSite=Lax <nil>
	// gateway: invalid cookie: "__Host-session": __Host- needs the path "/" and no domain
}
