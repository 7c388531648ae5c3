package cgi_test

import (
	"io"
	"os"
	"strings"
	"testing"
)

// fcgiwrap, with nginx 1.22, sets a variable for each line of a repeated header. Package os/exec
// removes duplicates: the test starts the process without it.
func TestRepeatedVariablesOfFcgiwrapAllArrive(t *testing.T) {
	for _, test := range []struct {
		name string
		env  []string
		want []string // in the response
	}{
		{"cookies and headers are joined (C28)",
			[]string{"FCGI_ROLE=RESPONDER", "HTTP_COOKIE=a=1", "HTTP_X=1", "HTTP_COOKIE=b=2", "HTTP_X=2"},
			[]string{"Status: 200 OK", `HTTP_COOKIE="a=1; b=2"`, `HTTP_X="1, 2"`}},
		{"two lengths that differ are refused",
			[]string{"FCGI_ROLE=RESPONDER", "CONTENT_LENGTH=5", "CONTENT_LENGTH=6"},
			[]string{"Status: 400 Bad Request"}},
		{"what the program has changed since it started counts",
			[]string{"FCGI_ROLE=RESPONDER", changesVar + "=HTTP_X=new HTTP_COOKIE HTTP_ADDED=1 HTTP_SAME=s", "HTTP_X=1",
				"HTTP_COOKIE=a=1", "HTTP_Y=1", "HTTP_X=2", "HTTP_COOKIE=b=2", "HTTP_Y=2", "HTTP_SAME=s"},
			[]string{"\n\r\nHTTP_ADDED=\"1\"\nHTTP_SAME=\"s\"\nHTTP_X=\"new\"\nHTTP_Y=\"1, 2\"\n"}},
		{"another host's first one counts", []string{"HTTP_X=1", "HTTP_X=2"}, []string{"Status: 200 OK", `HTTP_X="1"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			null, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			env := append([]string{appVar + "=environ", "GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=GET"}, test.env...)
			p, err := os.StartProcess(os.Args[0], os.Args[:1], &os.ProcAttr{Env: env, Files: []*os.File{null, w, null}})
			w.Close()
			if err != nil {
				t.Fatal(err)
			}
			out, err := io.ReadAll(r)
			if err != nil {
				t.Error(err)
			}
			if state, err := p.Wait(); err != nil || !state.Success() {
				t.Errorf("%v, %v", state, err)
			}
			for _, want := range test.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}
