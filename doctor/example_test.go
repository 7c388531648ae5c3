package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"

	"example.com/gateway"
	"example.com/gateway/doctor"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/middleware"
	"example.com/gateway/nethttp"
)

// The page, below a path of a deployment. This web server sends no path: the page says so, and which
// middleware repairs it.
func ExampleApplication() {
	site := gateway.ApplicationFunc(
		func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return start.Answer(
				200,
				gateway.Headers{{"Content-Type", "text/plain"}},
				gateway.Text("the site\n"),
			)
		},
	)
	app := middleware.Mount(
		map[string]gateway.Application{"/": site, "/doctor": doctor.Application("a token")},
	)

	env := gatewaytest.NewEnviron("GET", "/doctor?token=a%20token", nil)
	for line := range strings.Lines(gatewaytest.Record(app, env).Body()) {
		if strings.HasPrefix(line, "This") || strings.HasPrefix(line, "QUERY_STRING") {
			fmt.Print(line)
		}
	}

	env = gatewaytest.NewEnviron("GET", "/?token=a%20token", nil)
	env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = "", ""
	env.Vars["SERVER_SOFTWARE"], env.Vars["SCGI"] = "nginx/1.22.1", "1"
	for line := range strings.Lines(gatewaytest.Record(doctor.Application("a token"), env).Body()) {
		if strings.HasPrefix(line, "  ") {
			fmt.Print(line)
		}
	}
	// Output:
	// This request is as it should be.
	// QUERY_STRING = token=(hidden)
	//   the line to change:
	//       app = quirks.DocumentURI("/app")(app)
	//   as in interop/testdata/server-nginx-scgi.conf
}

// A deployment is probed from outside.
func ExampleProbe() {
	server := httptest.NewServer(nethttp.Handler(doctor.Application("")))
	defer server.Close()
	report, err := doctor.Probe(context.Background(), server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(report.Findings), "findings")
	_, err = doctor.Probe(context.Background(), "ftp://example.com/")
	fmt.Println(errors.Is(err, doctor.ErrURL))
	// Output:
	// 0 findings
	// true
}

// Each verdict is shown as soon as it is known.
func ExampleProber() {
	server := httptest.NewServer(nethttp.Handler(doctor.Application("")))
	defer server.Close()
	p := doctor.Prober{Progress: func(v doctor.Verdict) {
		if v.Probe == "query" || v.Probe == "path: %2F" {
			fmt.Println(v)
		}
	}}
	if _, err := p.Probe(context.Background(), server.URL); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ok     path: %2F              arrives as "/doctor-probe/a/b"
	// ok     query                  arrives as it was sent
}
